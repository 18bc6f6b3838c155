// Package child runs the one process that stet run wraps, and says how it ended.
//
// The rule behind every decision here: the command must behave as it would have
// behaved without stet in front of it. No shell stands in between. Its exit code
// is its own, or 128+n for signal n. It inherits descriptors (all of them, the
// fourth and beyond too), directory, resource limits, and the signals that were
// ignored when stet started.
//
// # Process group
//
// Where one of the three standard descriptors is our controlling terminal, the
// child stays in our process group, so that Ctrl-C, Ctrl-Z, job control and
// password prompts on /dev/tty work. Everywhere else (cron, systemd, CI, a pipe)
// it leads a group of its own, and what is forwarded reaches the whole group.
//
// # Signals
//
// TERM, INT, HUP, QUIT, USR1 and USR2 are forwarded. After any of the first four
// a grace period begins, then KILL follows. A timeout and a cancelled context do
// the same, beginning with TERM. After such a stop the rest of the child's own
// group gets what is left of the grace, and then KILL too, so that no orphan is
// left; except after HUP, which a process survives only if it was meant to.
//
// In the terminal's case the kernel sends INT, QUIT and HUP to the whole group:
// the child has them already, and a second Ctrl-C means "now really" to many
// programs. But kill -INT with our pid reaches only us. Go does not say which of
// the two it was, the kernel does: a process for which the signal would have
// been fatal, and which is alive a tenth of a second later with nothing pending,
// did not get it. So it is forwarded exactly then. A child that catches the
// signal is believed to have it, and no grace period begins: for psql or a
// Python prompt Ctrl-C is everyday work.
//
// A signal that was ignored when we started stays ignored for the child: that is
// what nohup and a shell's & rely on. Go tells this for HUP and INT only; QUIT
// follows INT, since POSIX has shells set both together (XCU 2.9.3.1). An
// inherited "ignore" of TERM, PIPE, USR1 or USR2 is lost on the way: a limit of
// the Go runtime, which installs its own handlers before the first line of main.
//
// There is no PR_SET_PDEATHSIG: a stet that is killed must not kill the job. The
// job lives on, and the store's next user records it as lost.
//
// # Captured output
//
// With Capture the child writes into pipes; what comes out is counted, hashed
// and written on unchanged. A slow reader downstream slows the child, as without
// stet. A reader that has gone closes our end of the pipe, so that the child's
// next write ends with SIGPIPE, as without stet. A grandchild that keeps a pipe
// open after the child has ended is heard for Options.Drain more, then the pipe
// is closed and Result.Leftover says so. What cannot be kept: standard output
// and error are two pipes, so their order relative to each other may change, and
// the child sees pipes where there may have been a terminal.
package child
