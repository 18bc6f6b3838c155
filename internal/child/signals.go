package child

import (
	"os"
	"os/signal"
	"syscall"
)

// Notify asks for the signals that are forwarded, on a channel for
// [Options.Signals]. stet run calls it before it records anything and stops it
// when the outcome is written, so that no signal in between kills it.
//
// Signals that were ignored when this process started are left alone: asking
// for HUP would undo nohup, for us and for the child. Where INT is ignored QUIT
// is set to be ignored as well, until stop: a shell's & ignores both, but the Go
// runtime has by now replaced the latter.
func Notify() (signals <-chan os.Signal, stop func()) {
	var want []os.Signal
	background := signal.Ignored(syscall.SIGINT)
	for _, s := range []syscall.Signal{
		syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGUSR1, syscall.SIGUSR2,
	} {
		if signal.Ignored(s) || background && s == syscall.SIGQUIT {
			continue
		}
		want = append(want, s)
	}
	if background {
		signal.Ignore(syscall.SIGQUIT)
	}
	// More than a person sends in a second; signals of one kind coalesce anyway.
	c := make(chan os.Signal, 16)
	if len(want) > 0 { // no argument at all would ask for every signal
		signal.Notify(c, want...)
	}
	return c, func() {
		signal.Stop(c)
		if background {
			signal.Reset(syscall.SIGQUIT)
		}
	}
}

// notifyJobControl asks for Ctrl-Z and its end on behalf of a child in its own
// process group, which the terminal does not reach. Without a controlling
// terminal there is no job control and nothing to ask for.
func notifyJobControl() (signals <-chan os.Signal, stop func()) {
	tty, err := os.OpenFile("/dev/tty", os.O_RDONLY|syscall.O_NOCTTY, 0)
	if err != nil || signal.Ignored(syscall.SIGTSTP) {
		if err == nil {
			_ = tty.Close()
		}
		return nil, func() {}
	}
	_ = tty.Close()
	c := make(chan os.Signal, 4)
	signal.Notify(c, syscall.SIGTSTP, syscall.SIGCONT)
	return c, func() { signal.Stop(c) }
}

// catchPipe keeps a write to a closed standard output from killing us, which is
// Go's rule for descriptors 1 and 2 unless somebody asked for the signal. It is
// not ignored: the child would inherit that.
func catchPipe() (stop func()) {
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGPIPE)
	return func() { signal.Stop(c) }
}

// ends says whether a signal asks a process to end, so that a grace period
// begins with it.
func ends(s syscall.Signal) bool {
	switch s {
	case syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGQUIT:
		return true
	}
	return false
}
