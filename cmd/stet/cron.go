package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/child"
	"github.com/stetlog/stet/internal/origin"
)

const (
	// cronName is this program's name as the shell of a crontab:
	//
	//	ln -s stet /usr/bin/stet-cron
	//	SHELL=/usr/bin/stet-cron    (first line of the crontab)
	cronName = "stet-cron"
	// cronShell is the shell that runs the lines, as it does where a crontab names none.
	cronShell = "/bin/sh"
)

// Help is what stet run --help says behind its flags.
func (c *runCmd) Help() string {
	return "For every line of a crontab: ln -s stet /usr/bin/" + cronName + ", and SHELL=/usr/bin/" + cronName + " as the crontab's first line. " +
		"A line's job is called what a comment at its end says (# stet: NAME), else STET_JOB, else its first command. " +
		"Mail, output and exit codes stay what they were."
}

// isCron says whether this program was called as a crontab's shell. The name of a login shell begins with a dash.
func isCron(argv0 string) bool { return strings.TrimPrefix(filepath.Base(argv0), "-") == cronName }

// cron is what SHELL=/usr/bin/stet-cron does with a line: `stet-cron -c LINE` runs /bin/sh -c LINE as stet run would, and
// ends as it ended, by the same exit code or signal, so that cron mails and logs what it always did. Whatever goes wrong
// with the record, the line runs. Called in any other way this is /bin/sh, and nothing is recorded.
func cron(args []string, e *env) int {
	if len(args) < 2 || args[0] != "-c" {
		return become(e, args)
	}
	c := &runCmd{App: os.Getenv("STET_APP"), AppVersion: os.Getenv("STET_APP_VERSION"), Env: os.Getenv("STET_ENV"),
		Heartbeat: 5 * time.Minute, Grace: 10 * time.Second}
	w, err := c.cronLine(e, args)
	if err != nil {
		_, _ = fmt.Fprintf(e.stderr, "stet: the line runs without a record: %v\n", err)
		return become(e, args)
	}
	err = c.record(e, w)
	if w.signal != 0 {
		return die(e, w.signal)
	}
	return fail(e.stderr, err)
}

// cronLine is the line as a wrapped command. args are those of the shell.
func (c *runCmd) cronLine(e *env, args []string) (*wrapped, error) {
	w, err := c.wrapped(e, append([]string{cronShell}, args...))
	if err != nil {
		return nil, err
	}
	line := readLine(args[1], os.Getenv("STET_JOB"))
	w.job.Name, w.job.Derived["job.name"] = line.name, line.how
	w.app = line.name
	w.entry = &event.EntryPoint{Kind: "schedule", Name: cronName}
	w.shell = cronShell
	where := origin.Detect(os.LookupEnv)
	if where.Trigger.Kind == "" { // no cron above us can be seen
		w.job.Trigger, w.job.Derived["why.trigger"] = "schedule", "called as "+cronName
	}
	user := where.User
	if !user.Found() {
		user = origin.Value{Text: "uid " + strconv.Itoa(where.UID), How: "kernel: effective uid"}
	}
	w.job.Reference, w.job.Derived["why.reference"] = "crontab of "+user.Text, user.How
	if len(line.command) > 0 && !slices.Contains(builtins, line.command[0]) {
		// The program that the line calls says more than the shell's own.
		environ := os.Environ()
		if path, err := child.Look(line.command[0], environ, ""); err == nil {
			digest := w.job.Code.EnvDigest
			w.code = child.Digests(e.ctx, path, line.command, environ, "")
			w.job.Code = w.describe()
			w.job.Code.EnvDigest, w.job.Derived["code_location"] = digest, "first command of the line"
		}
	}
	return w, nil
}

// builtins are commands that the shell has itself, though files of these names may exist.
var builtins = []string{"cd", "echo", "eval", "exit", "false", "kill", "printf", "pwd", "read", "return", "shift", "test", "[", "trap", "true", "type", "umask", "wait"}

// become replaces this process by the shell; it returns only where there is none.
func become(e *env, args []string) int {
	// What the line starts must not be recorded once more because it asks for the user's shell.
	environ := child.Environ(os.Environ(), map[string]string{"SHELL": cronShell})
	err := syscall.Exec(cronShell, append([]string{cronShell}, args...), environ)
	_, _ = fmt.Fprintf(e.stderr, "stet: %s: %v\n", cronShell, err)
	return 126
}

// die ends this process by a signal, as the line ended. The Go runtime has its own ideas about some of them and prints a
// trace, so a shell in its place does it.
func die(e *env, sig syscall.Signal) int {
	n := strconv.Itoa(int(sig))
	return become(e, []string{"-c", "ulimit -c 0; kill -" + n + " $$; exit " + strconv.Itoa(128+int(sig))})
}
