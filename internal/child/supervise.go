package child

import (
	"context"
	"errors"
	"os"
	"syscall"
	"time"
)

const (
	// settle is how long a signal from the terminal may take to end a child
	// that does not catch it, before we conclude that it never got it.
	settle = 100 * time.Millisecond
	// buried is how long the rest of the group may take to die of KILL.
	buried = time.Second
	// sweepEvery is how often the group is looked at; a look reads one small
	// file for each process of the machine.
	sweepEvery = 50 * time.Millisecond
)

// A supervisor brings one child to its end. One goroutine owns it.
type supervisor struct {
	p    *Process
	o    Options
	proc *os.Process
	std  *stdio

	cause     Cause            // of a stop that went through us; empty while there is none
	forwarded syscall.Signal   // the first terminating one
	seen      syscall.Signal   // last one the child got from the terminal itself
	suspects  []syscall.Signal // wait for settled
	settled   <-chan time.Time
	grace     <-chan time.Time // nil until somebody wants the child to end
	timedOut  bool
	killed    bool
	denied    bool
}

func (s *supervisor) run(ctx context.Context) Result {
	if s.std.captures() {
		defer catchPipe()()
	}
	s.std.copy()
	var jobs <-chan os.Signal
	if s.p.group {
		var stop func()
		jobs, stop = notifyJobControl()
		defer stop()
	}
	var timeout <-chan time.Time
	if s.o.Timeout > 0 {
		t := time.NewTimer(s.o.Timeout)
		defer t.Stop()
		timeout = t.C
	}
	exited := make(chan time.Time, 1)
	go func() {
		awaitExit(s.p.pid)
		exited <- time.Now()
	}()

	var ended time.Time
	cancelled := ctx.Done()
	for ended.IsZero() {
		select {
		case ended = <-exited:
		case sig := <-s.o.Signals:
			s.signal(sig)
		case sig := <-jobs:
			s.jobControl(sig)
		case <-s.settled:
			s.judge()
		case <-s.grace:
			s.kill()
		case <-timeout:
			s.timedOut = true
			s.halt(CauseTimeout)
		case <-cancelled:
			cancelled = nil // stays ready for ever
			s.halt(CauseCancelled)
		}
	}
	// The child is dead but not yet reaped: as long as that is so its process
	// id, and with it the group's, cannot become anybody else's.
	if s.p.group && (s.killed || s.cause != "" && s.forwarded != syscall.SIGHUP) {
		s.sweep()
	}
	r := s.result(ended)
	s.drain(ctx, timeout)
	r.Stdout, r.Stderr, r.Leftover = s.std.results()
	return r
}

// result reaps the child.
func (s *supervisor) result(ended time.Time) Result {
	r := Result{
		Cause:     s.cause,
		Forwarded: s.forwarded,
		TimedOut:  s.timedOut,
		Killed:    s.killed,
		Denied:    s.denied,
		Started:   s.p.began,
		Ended:     ended,
		Duration:  ended.Sub(s.p.began),
	}
	state, err := s.proc.Wait()
	if err != nil {
		// Only if somebody else in this process reaped it: how it ended is not
		// to be had any more. 255 claims no success.
		r.ExitCode = 255
		r.Cause = orCause(r.Cause, CauseExit)
		return r
	}
	ws := state.Sys().(syscall.WaitStatus)
	r.ExitCode = ws.ExitStatus()
	if ws.Signaled() {
		r.Signal, r.CoreDumped = ws.Signal(), ws.CoreDump()
		r.ExitCode = 128 + int(r.Signal)
	}
	r.Usage = Usage{User: state.UserTime(), System: state.SystemTime()}
	if !s.p.group && r.Cause == "" {
		s.late(syscall.Signal(r.ExitCode - 128))
	}
	for _, sig := range append(s.suspects, s.seen) {
		// A shell that was interrupted while waiting answers with 128+n.
		if sig != 0 && (r.Signal == sig || r.ExitCode == 128+int(sig)) {
			r.Cause = orCause(r.Cause, CauseTerminal)
		}
	}
	if r.Signal != 0 {
		r.Cause = orCause(r.Cause, CauseSignal)
	}
	r.Cause = orCause(r.Cause, CauseExit)
	return r
}

// lateSignal is how long a signal of the terminal's may take to reach us after it has ended the child.
const lateSignal = 100 * time.Millisecond

// late waits for our own copy of the signal that ended the child, where the terminal may have sent it to both: the
// child can be dead before we are told.
func (s *supervisor) late(sig syscall.Signal) {
	if sig != syscall.SIGINT && sig != syscall.SIGQUIT && sig != syscall.SIGHUP {
		return
	}
	timer := time.NewTimer(lateSignal)
	defer timer.Stop()
	for {
		select {
		case got, ok := <-s.o.Signals:
			if n, isSignal := got.(syscall.Signal); isSignal {
				s.suspects = append(s.suspects, n)
			}
			if !ok || got == sig {
				return
			}
		case <-timer.C:
			return
		}
	}
}

func orCause(c, otherwise Cause) Cause {
	if c != "" {
		return c
	}
	return otherwise
}

// signal handles one that we were sent.
func (s *supervisor) signal(sig os.Signal) {
	n, ok := sig.(syscall.Signal)
	switch {
	case !ok:
		s.o.Signals = nil // closed: it would be ready for ever
	case !ends(n):
		s.deliver(n)
	case s.p.group || n == syscall.SIGTERM: // TERM never comes from a terminal
		s.forward(n)
	default:
		s.suspects = append(s.suspects, n)
		if s.settled == nil {
			s.settled = time.After(settle)
		}
	}
}

// judge finds out, for signals that a terminal may have sent to the child too,
// whether it did.
func (s *supervisor) judge() {
	suspects := s.suspects
	s.suspects, s.settled = nil, nil
	for _, sig := range suspects {
		if missed(s.p.pid, sig) {
			s.forward(sig)
			continue
		}
		s.seen = sig
		if sig == syscall.SIGHUP {
			s.beginGrace(sig) // the terminal is gone: nobody can ask a second time
		}
	}
}

// forward passes on a signal that asks the child to end.
func (s *supervisor) forward(sig syscall.Signal) {
	if s.forwarded == 0 {
		s.forwarded = sig
	}
	s.cause = orCause(s.cause, CauseForwarded)
	s.deliver(sig)
	s.beginGrace(sig)
}

// halt is our own wish that the child end.
func (s *supervisor) halt(c Cause) {
	s.cause = orCause(s.cause, c)
	s.deliverAll(syscall.SIGTERM)
	s.deliverAll(syscall.SIGCONT) // a stopped process acts on TERM only when it goes on
	s.beginGrace(syscall.SIGTERM)
}

func (s *supervisor) beginGrace(sig syscall.Signal) {
	if s.grace != nil || s.killed {
		return
	}
	// A child that ignores HUP was told to outlive the terminal.
	if sig == syscall.SIGHUP && ignores(s.p.pid, sig) {
		return
	}
	s.grace = time.After(s.o.Grace)
}

func (s *supervisor) kill() {
	s.grace, s.killed = nil, true
	s.deliverAll(syscall.SIGKILL)
}

// deliver sends to the child's own group, or, in ours, to the child alone:
// exactly what would have got the signal without us.
func (s *supervisor) deliver(sig syscall.Signal) {
	if s.p.group {
		s.send(-s.p.pid, sig)
		return
	}
	s.send(s.p.pid, sig)
}

// deliverAll also reaches the child's descendants where they share our group,
// which we cannot signal without hitting ourselves and a pipeline's other parts.
func (s *supervisor) deliverAll(sig syscall.Signal) {
	if !s.p.group {
		for _, pid := range descendants(s.p.pid) {
			s.send(pid, sig)
		}
	}
	s.deliver(sig)
}

func (s *supervisor) send(pid int, sig syscall.Signal) {
	if err := syscall.Kill(pid, sig); errors.Is(err, syscall.EPERM) {
		s.denied = true
	}
}

// jobControl passes Ctrl-Z on to a group that the terminal does not reach, and
// then stops us, as the shell that waits for us expects.
func (s *supervisor) jobControl(sig os.Signal) {
	switch sig {
	case syscall.SIGTSTP:
		s.deliver(syscall.SIGTSTP)
		s.send(os.Getpid(), syscall.SIGSTOP)
	case syscall.SIGCONT:
		s.deliver(syscall.SIGCONT)
	}
}

// sweep gives what is left of the group the rest of the grace period, then KILL.
// The child itself is dead and not reaped.
func (s *supervisor) sweep() {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	var giveUp <-chan time.Time
	for survivors(s.p.pid) {
		if s.killed && giveUp == nil {
			s.deliver(syscall.SIGKILL) // again: one may have been forked meanwhile
			giveUp = time.After(buried)
		}
		select {
		case <-tick.C:
		case <-giveUp:
			return
		case <-s.grace:
			s.kill()
		case sig := <-s.o.Signals:
			if n, ok := sig.(syscall.Signal); ok {
				s.deliver(n)
			} else {
				s.o.Signals = nil
			}
		}
	}
}

// drain waits until the captured output has been passed on, or is given up.
func (s *supervisor) drain(ctx context.Context, timeout <-chan time.Time) {
	done := s.std.finish(s.o.Drain)
	cancelled := ctx.Done()
	var late <-chan time.Time
	if s.cause != "" {
		// Somebody wants us to end; a reader that does not read must not keep
		// us for longer than the child could have.
		late = time.After(s.o.Drain + max(s.o.Grace, buried))
		cancelled, timeout = nil, nil
	}
	for {
		select {
		case <-done:
			return
		case <-late:
			return
		case <-cancelled:
			return
		case <-timeout:
			return
		case sig := <-s.o.Signals:
			n, ok := sig.(syscall.Signal)
			if !ok {
				s.o.Signals = nil
			} else if ends(n) {
				return
			}
		}
	}
}
