package child

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"
)

// Defaults for the zero values of [Options].
const (
	DefaultGrace     = 10 * time.Second
	DefaultDrain     = 2 * time.Second
	DefaultTailBytes = 4096
)

// MaxTailBytes is the most that is kept of the end of an output.
const MaxTailBytes = 1 << 20

// ErrNoCommand says that Options.Argv is empty.
var ErrNoCommand = errors.New("no command given")

// Options say what to run and how. Only Argv is required.
type Options struct {
	// Argv is the command and its arguments. Argv[0] is looked up in the PATH
	// of Env as execvp(3) does.
	Argv []string
	// Env is the child's environment, nil meaning our own; see [Environ].
	Env []string
	// Dir is where the child starts; empty means here.
	Dir string
	// Stdin, Stdout and Stderr are the child's own, or, with Capture, where
	// its output is passed on to. Nil means the null device.
	Stdin, Stdout, Stderr *os.File
	// Capture has standard output and error go through pipes: see [Output].
	Capture bool
	// TailBytes is how much of the end of each output is kept, at most
	// [MaxTailBytes]; 0 means [DefaultTailBytes], negative means nothing.
	TailBytes int
	// Grace is the time between asking the child to end and KILL; 0 means
	// [DefaultGrace], negative means none.
	Grace time.Duration
	// Timeout ends the child when it has run for so long; 0 means never.
	Timeout time.Duration
	// Drain is how long a captured pipe is read on after the child has ended;
	// 0 means [DefaultDrain], negative means only what is already there.
	Drain time.Duration
	// Signals is where signals to forward come from, see [Notify]. Nil has
	// Start call Notify itself, until the child has ended.
	Signals <-chan os.Signal
}

// A Process is a started child. Its methods may be called from several
// goroutines at once.
type Process struct {
	pid   int
	path  string
	group bool
	began time.Time
	done  chan struct{}
	res   Result // written before done is closed
}

// A StartError says why the command did not run.
type StartError struct {
	// ExitCode is what a shell would answer: 127 not found, 126 found but not
	// executable.
	ExitCode int
	// Argv0 is the command as given, Path the file that was tried, if any.
	Argv0, Path string
	// Err is the reason, usually a syscall.Errno.
	Err error
	// Hint says what to do about it; may be empty.
	Hint string
}

// The exit codes of POSIX (XCU 2.8.2) for a command that did not run.
const (
	ExitNotFound      = 127
	ExitNotExecutable = 126
)

func (e *StartError) Error() string {
	s := fmt.Sprintf("cannot run %q", e.Argv0)
	if e.Path != "" && e.Path != e.Argv0 {
		s += fmt.Sprintf(" (%s)", e.Path)
	}
	s += ": " + e.Err.Error()
	if e.Hint != "" {
		s += "; " + e.Hint
	}
	return s
}

func (e *StartError) Unwrap() error { return e.Err }

// Start runs the command. When it returns an error nothing runs: [ErrNoCommand],
// a [*StartError], or the failure of a resource of ours. Cancelling ctx later
// ends the child as a timeout would; a ctx that is already done starts nothing.
//
// Each Process that Start returns must be waited for with [Process.Wait], or the
// channel of [Process.Done].
func Start(ctx context.Context, o Options) (*Process, error) {
	if len(o.Argv) == 0 {
		return nil, ErrNoCommand
	}
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("child: not started: %w", err)
	}
	o = o.withDefaults()
	path, err := Look(o.Argv[0], o.Env, o.Dir)
	if err != nil {
		return nil, err
	}
	if o.Dir != "" {
		if info, err := os.Stat(o.Dir); err != nil {
			return nil, fmt.Errorf("child: working directory: %w", err)
		} else if !info.IsDir() {
			return nil, fmt.Errorf("child: working directory %s: %w", o.Dir, syscall.ENOTDIR)
		}
	}
	std, err := newStdio(o)
	if err != nil {
		return nil, err
	}
	// Signals are ours before the child exists: one that arrives in between
	// must not kill us and leave the child alone.
	stop := func() {}
	if o.Signals == nil {
		o.Signals, stop = Notify()
	}
	group := !onTerminal(o.Stdin, o.Stdout, o.Stderr)
	began := time.Now()
	proc, err := os.StartProcess(path, o.Argv, &os.ProcAttr{
		Dir:   o.Dir,
		Env:   o.Env,
		Files: std.files(),
		Sys:   &syscall.SysProcAttr{Setpgid: group},
	})
	std.closeChildEnds()
	if err != nil {
		stop()
		std.abort()
		return nil, startError(o.Argv[0], path, err)
	}
	p := &Process{pid: proc.Pid, path: path, group: group, began: began, done: make(chan struct{})}
	s := &supervisor{p: p, o: o, proc: proc, std: std}
	go func() {
		defer close(p.done)
		defer stop()
		p.res = s.run(ctx)
	}()
	return p, nil
}

func (o Options) withDefaults() Options {
	if o.Env == nil {
		o.Env = os.Environ()
	}
	o.Grace = orDefault(o.Grace, DefaultGrace)
	o.Drain = orDefault(o.Drain, DefaultDrain)
	switch {
	case o.TailBytes == 0:
		o.TailBytes = DefaultTailBytes
	case o.TailBytes < 0:
		o.TailBytes = 0
	}
	o.TailBytes = min(o.TailBytes, MaxTailBytes)
	return o
}

func orDefault(d, byDefault time.Duration) time.Duration {
	if d == 0 {
		return byDefault
	}
	return max(d, 0)
}

// Pid is the child's process id. After the child has ended it may belong to
// somebody else.
func (p *Process) Pid() int { return p.pid }

// Path is the file that was executed.
func (p *Process) Path() string { return p.path }

// OwnGroup says whether the child leads its own process group: false where it
// shares ours because of a terminal.
func (p *Process) OwnGroup() bool { return p.group }

// Started is when the child was started.
func (p *Process) Started() time.Time { return p.began }

// Done is closed when Wait would return at once.
func (p *Process) Done() <-chan struct{} { return p.done }

// Wait waits for the child to end and for its captured output to be passed on,
// and says how it was. It may be called again and answers the same.
//
// It returns at most grace, a second for the rest of the group to die, and the
// drain time after the child was told to stop, unless the kernel cannot end the
// child (uninterruptible sleep) or the output goes to a reader that does not
// read. The latter it waits for as the child would have, until the next
// terminating signal, the timeout, or the end of the context.
func (p *Process) Wait() Result {
	<-p.done
	return p.res
}
