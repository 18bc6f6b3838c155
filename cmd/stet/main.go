// Command stet records what jobs do in a log that nobody can alter unnoticed, tells their stories, and proves that they
// are what was recorded.
//
// A command a file: each parses its flags, calls one package that does the work, and prints. Data goes to standard
// output, all else to standard error.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"reflect"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/alecthomas/kong"

	"github.com/stetlog/stet"
	"github.com/stetlog/stet/internal/keyfile"
	"github.com/stetlog/stet/internal/ledger"
	"github.com/stetlog/stet/internal/logread"
	"github.com/stetlog/stet/internal/ship"
	"github.com/stetlog/stet/internal/spool"
	"github.com/stetlog/stet/internal/store"
)

// Exit codes, the same for every command; run passes the child's own through.
const (
	exitOK         = 0
	exitError      = 1
	exitUsage      = 2
	exitIntegrity  = 3
	exitNotChecked = 4
	exitFindings   = 5
	exitNotAllowed = 12
)

type cli struct {
	Run     runCmd     `cmd:"" group:"Record" help:"Record a command: stet run --why \"nightly\" -- ./purge.sh"`
	Import  importCmd  `cmd:"" group:"Record" help:"Bring in log files: JSON lines of events."`
	Emit    emitCmd    `cmd:"" group:"Record" help:"Record one event: stet emit sensitive_read --user alice --object file:/srv/payroll.csv"`
	Correct correctCmd `cmd:"" group:"Record" help:"Add a correction; the original stays."`
	Search  searchCmd  `cmd:"" group:"Read" help:"Find events: stet search actor:alice event:job_failed since:7d"`
	Story   storyCmd   `cmd:"" group:"Read" help:"One job, from request to outcome."`
	Ghosts  ghostsCmd  `cmd:"" group:"Read" help:"Jobs that never started, ended or came."`
	Show    showCmd    `cmd:"" group:"Read" help:"One entry of the log."`
	Verify  verifyCmd  `cmd:"" group:"Prove" help:"Verify a store, a server, evidence, an exported log or a proof."`
	Lint    lintCmd    `cmd:"" group:"Prove" help:"Check events, or any JSON log, against the policy."`
	Export  exportCmd  `cmd:"" group:"Prove" help:"Write evidence, or the log in other tools' formats."`
	Forward forwardCmd `cmd:"" group:"Operate" help:"Send the log on: to a file, syslog, a webhook, OTLP, Elasticsearch, Splunk."`
	Serve   serveCmd   `cmd:"" group:"Operate" help:"Collect from many machines: the log as an HTTP service."`
	Enrol   enrolCmd   `cmd:"" group:"Operate" help:"Connect this machine to a server."`
	Expect  expectCmd  `cmd:"" group:"Operate" help:"Say when jobs must run, and see whether they did."`
	Admin   adminCmd   `cmd:"" group:"Operate" help:"Tokens, keys and the index of a store or server."`
	Doctor  doctorCmd  `cmd:"" group:"Operate" help:"What is broken, what is unsent, and what to do about it."`
	Demo    demoCmd    `cmd:"" group:"Operate" help:"See a tamper caught."`
	Version versionCmd `cmd:"" group:"Operate" help:"Print the version."`

	Completion completionCmd `cmd:"" group:"Operate" help:"Write a script that completes command lines."`
	Man        manCmd        `cmd:"" group:"Operate" help:"Write the manual page."`
}

// exitCodes are told in help and manual.
var exitCodes = []struct {
	code  int
	means string
}{
	{exitOK, "ok"}, {exitError, "error"}, {exitUsage, "usage"}, {exitIntegrity, "integrity failure"}, {exitNotChecked, "could not check"},
	{exitFindings, "findings"}, {exitNotAllowed, "not allowed"},
}

func codesText() string {
	var all []string
	for _, x := range exitCodes {
		all = append(all, fmt.Sprintf("%d %s", x.code, x.means))
	}
	return strings.Join(all, ", ")
}

// env is what a command gets beside its own flags.
type env struct {
	model  *kong.Application
	args   []string        // as they were given, before the parser touched them
	ctx    context.Context // ends with SIGINT and SIGTERM; run has its own way with signals
	stdin  *os.File
	stdout *os.File
	stderr *os.File
}

func main() {
	if isCron(os.Args[0]) {
		os.Exit(cron(os.Args[1:], &env{ctx: context.Background(), stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr}))
	}
	os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// run is main without the exit.
func run(args []string, stdin, stdout, stderr *os.File) int {
	var c cli
	exited := -1
	parser, err := kong.New(&c,
		kong.Name("stet"),
		kong.Description("An audit log for background jobs: who ran what, when, where and why, and how it ended.\n\n"+
			"The store is --store or STET_STORE, a directory or a server; without either /var/lib/stet/store for root, and store in the state directory of other users.\n\n"+
			"Exit codes: "+codesText()+"; run passes the command's own through."),
		kong.Writers(stdout, stderr),
		kong.KindMapper(reflect.String, kong.MapperFunc(asGiven)),
		kong.Exit(func(code int) { exited = code }),
		kong.ExplicitGroups([]kong.Group{{Key: "Record", Title: "Record"}, {Key: "Read", Title: "Read"}, {Key: "Prove", Title: "Prove"}, {Key: "Operate", Title: "Operate"}}),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
	)
	if err != nil {
		return fail(stderr, err)
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	if args[0] == completeCommand {
		if err := complete(&env{model: parser.Model, stdout: stdout}, args[1:]); err != nil {
			return fail(stderr, err)
		}
		return exitOK
	}
	k, err := parser.Parse(shieldNegations(args))
	if exited >= 0 {
		return exited
	}
	if err != nil {
		said := strings.ReplaceAll(err.Error(), strings.Trim(strconv.Quote(negated), `"`), "") // the parser quotes what it was given
		_, _ = fmt.Fprintf(stderr, "stet: %s (see stet --help)\n", said)
		return exitUsage
	}
	ctx, stop := context.Background(), func() {}
	if k.Command() != runCommand {
		ctx, stop = signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	}
	defer stop()
	if err := k.Run(&env{model: parser.Model, args: args, ctx: ctx, stdin: stdin, stdout: stdout, stderr: stderr}); err != nil {
		return fail(stderr, err)
	}
	return exitOK
}

// asGiven takes a string as it was given. The parser's own mapper puts U+FFFD in place of bytes that are not UTF-8, and two
// words that differ would be recorded as one.
func asGiven(ctx *kong.DecodeContext, target reflect.Value) error {
	token, err := ctx.Scan.PopValue("string")
	if err == nil {
		target.SetString(strings.TrimPrefix(fmt.Sprint(token.Value), negated))
	}
	return err
}

// exit is an error that carries an exit code; a nil err prints nothing.
type exit struct {
	code int
	err  error
}

func (e exit) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit %d", e.code)
	}
	return e.err.Error()
}

func (e exit) Unwrap() error { return e.err }

// fail prints an error and maps it to its exit code.
func fail(stderr io.Writer, err error) int {
	var e exit
	if errors.As(err, &e) {
		if e.err != nil {
			_, _ = fmt.Fprintf(stderr, "stet: %s\n", strings.ReplaceAll(err.Error(), "\n", "\nstet: "))
		}
		return e.code
	}
	_, _ = fmt.Fprintf(stderr, "stet: %s\n", strings.ReplaceAll(err.Error(), "\n", "\nstet: ")) // several errors are a line each
	var integrity *ledger.IntegrityError
	var damage *logread.DamageError
	var unread *logread.UnreadError
	var lie *ship.IntegrityError
	var refused *ship.RefusedError
	switch {
	case errors.As(err, &integrity), errors.As(err, &damage), errors.As(err, &unread), errors.As(err, &lie):
		return exitIntegrity
	case errors.As(err, &refused) && (refused.Status == http.StatusUnauthorized || refused.Status == http.StatusForbidden):
		return exitNotAllowed
	case errors.Is(err, store.ErrNotAllowed), errors.Is(err, stet.ErrNotAllowed):
		return exitNotAllowed
	case errors.Is(err, errUsage):
		return exitUsage
	}
	return exitError
}

var errUsage = errors.New("usage")

// usage is an error in how the command was called that the parser cannot know.
func usage(format string, args ...any) error {
	return exit{exitUsage, fmt.Errorf(format, args...)}
}

// storeFlag chooses a store.
type storeFlag struct {
	Store     string `help:"The store: a directory, or a server: https://HOST[:PORT], unix:/PATH." placeholder:"STORE" env:"STET_STORE"`
	TokenFile string `help:"File with the token for a server; otherwise what stet enrol has kept." placeholder:"FILE" env:"STET_TOKEN_FILE"`
}

// open opens the store for reading and brings in what is spooled. What cannot be brought in is said, and does not keep
// anybody from reading: but damage does.
func (f storeFlag) open(e *env) (*store.Store, error) {
	s, err := f.openOnly()
	if err != nil {
		return nil, err
	}
	if err := drain(e, s); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (f storeFlag) openOnly() (*store.Store, error) {
	if f.remote() {
		return nil, usage("%s is a server, and this command works on a directory; name one with --store, or run it there", f.name())
	}
	path, err := stet.StorePath(f.Store)
	if err != nil {
		return nil, err
	}
	state, err := keyfile.StateDir(os.LookupEnv)
	if err != nil {
		return nil, err
	}
	return store.Open(path, state)
}

// drain brings in what is spooled and says what was left.
func drain(e *env, s *store.Store) error {
	d, err := s.Drain(e.ctx)
	for _, l := range d.Damaged {
		_, _ = fmt.Fprintf(e.stderr, "stet: part of spool %s could not be taken in; it is recorded, and kept in %s: %s\n", l.Stream, spool.QuarantineDir, l.Why)
	}
	for _, l := range d.Left {
		_, _ = fmt.Fprintf(e.stderr, "stet: spool %s is not in the log yet: %s\n", l.Stream, l.Why)
	}
	if d.Busy {
		_, _ = fmt.Fprintln(e.stderr, "stet: another process is writing the log; what it has not brought in yet is not shown")
	}
	return err
}

// drainTimeout bounds how long a command that has recorded something works for the log. What is not brought in by then is
// durable in the spool, and the next stet command on the store brings it in.
const drainTimeout = 30 * time.Second

// bringIn brings what was recorded into the log, and says whether that is where it is now. An error changes nothing about
// the record, which is durable in the spool.
func (f storeFlag) bringIn(ctx context.Context) (inLog bool, err error) {
	if f.remote() {
		return f.send(ctx)
	}
	s, err := f.openOnly()
	if err != nil {
		return false, err
	}
	ctx, cancel := context.WithTimeout(ctx, drainTimeout)
	defer cancel()
	d, err := s.Drain(ctx)
	if err != nil {
		err = fmt.Errorf("the log could not be written; what was recorded stays in the spool, and the next stet command brings it in: %w", err)
	}
	return err == nil && !d.Busy, errors.Join(err, s.Close())
}

// tryBringIn is bringIn where a failure is only said: for commands whose own result it must not change.
func (f storeFlag) tryBringIn(e *env) (inLog bool) {
	inLog, err := f.bringIn(e.ctx)
	if err != nil {
		_, _ = fmt.Fprintf(e.stderr, "stet: %v\n", err)
	}
	return inLog
}
