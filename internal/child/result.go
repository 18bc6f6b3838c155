package child

import (
	"syscall"
	"time"
)

// A Cause says what brought the child to its end.
type Cause string

// The causes.
const (
	CauseExit      Cause = "exit"      // it exited on its own
	CauseSignal    Cause = "signal"    // killed by a signal that did not come through us
	CauseTerminal  Cause = "terminal"  // the terminal's Ctrl-C, Ctrl-\ or hang-up ended it
	CauseForwarded Cause = "forwarded" // it ended after a signal that we forwarded
	CauseTimeout   Cause = "timeout"   // its time was up
	CauseCancelled Cause = "cancelled" // our context was cancelled
)

// A Result says how the child ended.
type Result struct {
	// ExitCode is the child's own, or 128+Signal.
	ExitCode int
	// Signal is what killed the child; 0 where it exited. CoreDumped only
	// goes with it.
	Signal     syscall.Signal
	CoreDumped bool
	// Cause names the first reason that applies. A child that handles a
	// forwarded TERM and exits with 0 was still stopped from outside.
	Cause Cause
	// Forwarded is the first of TERM, INT, HUP and QUIT that was forwarded; 0
	// for none.
	Forwarded syscall.Signal
	// TimedOut says that Options.Timeout passed; Killed that the grace period
	// did too, and KILL was sent.
	TimedOut, Killed bool
	// Denied says that the kernel did not let us signal the child, because it
	// runs as another user.
	Denied bool
	// Started and Ended are wall times; Duration is monotonic between them.
	// The end is the child's own, not that of its output.
	Started, Ended time.Time
	Duration       time.Duration
	// Stdout and Stderr tell of captured output.
	Stdout, Stderr Output
	// Leftover says that a captured pipe was still held open by another
	// process when we stopped reading it.
	Leftover bool
	// Usage is what the child and those of its children that it waited for
	// have used.
	Usage Usage
}

// Usage is a part of getrusage(2). The largest memory is not in it: Linux counts
// what this process itself had when it forked.
type Usage struct {
	User, System time.Duration
}

// Aborted says whether the child was stopped from outside, as opposed to having
// failed or succeeded by itself: by a timeout, a cancelled context, a forwarded
// signal or the terminal, whatever its exit code; or by one of KILL, TERM, INT,
// HUP and QUIT from elsewhere. A crash (SEGV, ABRT, PIPE, XCPU, …) is a failure.
func (r Result) Aborted() bool {
	switch r.Cause {
	case CauseForwarded, CauseTimeout, CauseCancelled, CauseTerminal:
		return true
	case CauseSignal:
		switch r.Signal {
		case syscall.SIGKILL, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGQUIT:
			return true
		}
	case CauseExit:
	}
	return false
}

// Output is what is known of one captured output.
type Output struct {
	// Captured is false where the child wrote to the descriptor itself;
	// nothing else means anything then.
	Captured bool
	// Bytes and SHA256 are of everything that was read from the child.
	Bytes  int64
	SHA256 [32]byte
	// Tail is the end of it, raw: it may hold secrets and anything that
	// harms a terminal.
	Tail []byte
	// Complete says that the child's end was read up to its end of file and
	// all of it was passed on.
	Complete bool
	// Err is why passing on ended early: EPIPE where the reader has gone.
	Err error
}
