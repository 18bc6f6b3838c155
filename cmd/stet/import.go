package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/stetlog/stet"
	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/fsx"
	"github.com/stetlog/stet/internal/keyfile"
	"github.com/stetlog/stet/internal/ship"
	"github.com/stetlog/stet/internal/store"
)

type importCmd struct {
	storeFlag
	File    []string `arg:"" help:"Files, - for standard input: lines of JSON that are events of stet.event/1, whole or partial, or of stet export --json; or other programs' logs."`
	Format  string   `help:"How the files are written: auto, or another program's json, logfmt, cef, csv or syslog." enum:"auto,json,logfmt,cef,csv,syslog" default:"auto"`
	Map     string   `help:"Which keys of another program's log hold which fields." placeholder:"FILE"`
	Follow  bool     `help:"Go on with what comes into the files, until interrupted."`
	App     string   `help:"app_id of events that name none." env:"STET_APP" placeholder:"NAME"`
	Env     string   `help:"Environment of events that name none." env:"STET_ENV" placeholder:"ENV"`
	DryRun  bool     `help:"Check every line and record nothing; of another program's log also print the mapping and three events."`
	Errors  int      `help:"Name at most this many refused lines; 0 names all." placeholder:"N"`
	Refused string   `help:"Write refused lines, as they are, to this file; it must not exist." placeholder:"FILE"`
	JSON    bool     `help:"Print the summary as JSON."`

	ReadTokenFile string `help:"File with an auditor's token: with it a server's log is searched for what is there already." placeholder:"FILE"`
}

// Help explains how lines become events.
func (importCmd) Help() string {
	return `An event keeps its event_id; its timestamp becomes its event_time, because the event is logged now. What a line does not say
is not guessed: who, where from and on which host are then "not provided". A reference of kind "imported" keeps the
digest of the line and the stream, number and timestamp that the original had.

Nothing is imported twice: an event whose event_id is in the log is skipped and counted, and refused where its content
is another. A line without event_id gets one that is derived from its bytes and from how many same lines stood before it
in its file. Log and input together may have 8,000,000 events; one import of a user runs at a time. A server's log is searched only
where it can be read, with --read-token-file, and what other machines send meanwhile is not seen: then an event may be there twice,
under one event_id.

Other programs' logs are read with a mapping (docs/spec/import.md): start with --dry-run, which prints the one that it guesses as a file
to be corrected. CEF and syslog need none. Only what is an event of the catalogue is taken; the rest is counted. What a record says stays
with its event, redacted.

With --follow a file may be renamed or truncated by who rotates it. How far each was read is noted in the state directory; what
was recorded when a crash came is known again.

Every refused line is named on standard error as FILE:LINE with the reason, and the rest goes on. Exit code 1 says that
there were some. The file stays as it is; of standard input nothing stays, unless --refused keeps it.`
}

func (c *importCmd) Run(e *env) (err error) {
	// What this process was given for its own events says nothing about other people's.
	for _, name := range []string{"STET_ENV", "STET_APP_VERSION", stet.EnvInteractionID, stet.EnvParentJobID, stet.EnvRootJobID} {
		if err := os.Unsetenv(name); err != nil {
			return err
		}
	}
	if c.App != "" && word(c.App) != c.App {
		return usage("import: --app %q: an app_id has 1 to 128 characters of A-Z a-z 0-9 . _ -", c.App)
	}
	if c.Env != "" && (word(c.Env) != c.Env || len(c.Env) > maxEnv) {
		return usage("import: --env %q: an environment has 1 to %d characters of A-Z a-z 0-9 . _ -", c.Env, maxEnv)
	}
	stdin := 0
	for _, name := range c.File {
		if name == "-" {
			stdin++
		}
	}
	if stdin > 1 {
		return usage("import: standard input can be read once")
	}
	if err := c.checkForeign(); err != nil {
		return err
	}
	in := &importer{env: e, cmd: c, refused: io.Discard, seen: newSeen()}
	if err := in.openForeign(); err != nil {
		return err
	}
	in.report.Format, in.report.DryRun = "stet.import/1", c.DryRun
	if c.Refused != "" {
		f, oerr := os.OpenFile(c.Refused, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if oerr != nil {
			return oerr
		}
		defer func() { err = errors.Join(err, f.Close()) }() // the result's err: these lines may be kept nowhere else
		in.refused = f
	}
	if err := c.prepare(in); err != nil {
		return errors.Join(err, in.close())
	}
	if c.Follow {
		err = in.follow(c.File)
	} else {
		err = in.files(c.File)
	}
	err = errors.Join(err, in.close())
	if perr := in.print(); err == nil {
		err = perr
	}
	if err == nil && in.report.Refused > 0 {
		return exit{code: exitError}
	}
	return err
}

// prepare makes the place to record to, and reads which events are there already.
func (c *importCmd) prepare(in *importer) error {
	if c.DryRun {
		return c.prepareDry(in)
	}
	in.recorders.storeFlag = c.storeFlag
	if c.Follow {
		return nil // it looks into the log when there is a reason
	}
	if c.remote() {
		return c.prepareServer(in)
	}
	path, err := stet.StorePath(c.Store)
	if err != nil {
		return err
	}
	state, err := keyfile.StateDir(os.LookupEnv)
	if err != nil {
		return err
	}
	if err := in.lock(state); err != nil {
		return err
	}
	return in.loadStore(path, state)
}

// loadStore reads which events are in a store.
func (in *importer) loadStore(path, state string) error {
	s, err := store.Open(path, state)
	if errors.Is(err, store.ErrNoStore) {
		return nil // it will be made
	}
	if err != nil {
		return err
	}
	if err := settle(in.env, s, settleWait); err != nil {
		return errors.Join(err, s.Close())
	}
	log, err := s.Reading()
	if err == nil {
		err = in.seen.load(in.env, log)
	}
	return errors.Join(err, s.Close())
}

// prepareServer reads which events are in a server's log, as far as there is a token to read it with. It does not see what other
// machines have not sent yet, nor what comes while the import runs. Where nothing can be read the import goes on, and says so.
func (c *importCmd) prepareServer(in *importer) error {
	state, err := keyfile.StateDir(os.LookupEnv)
	if err != nil {
		return err
	}
	if err := in.lock(state); err != nil {
		return err
	}
	return in.loadServer()
}

// loadServer reads which events are in the server's log, if it may.
func (in *importer) loadServer() error {
	c := in.cmd
	inLog, err := c.send(in.ctx) // what an earlier import has spooled
	if err == nil && !inLog {
		err = errors.New("another process is sending what is spooled here")
	}
	if err == nil {
		err = c.seenAt(in)
	}
	var refused *ship.RefusedError
	switch {
	case errors.As(err, &refused), errors.Is(err, ship.ErrUnreachable), errors.Is(err, errUnsent):
		_, _ = fmt.Fprintf(in.stderr, "stet: the server's log could not be looked into, so what was imported before is imported again; --read-token-file names an auditor's token: %v\n", err)
		in.seen = newSeen()
		return nil
	}
	return err
}

// seenAt reads the server's log, with the token that is for reading.
func (c *importCmd) seenAt(in *importer) error {
	f := c.storeFlag
	f.TokenFile = firstOf(c.ReadTokenFile, f.TokenFile)
	log, l, err := f.readingServer(in.env)
	if err != nil {
		return err
	}
	return errors.Join(in.seen.load(in.env, log), l.close())
}

// prepareDry makes a place that is thrown away, so that what is checked is checked by the code that would record it. The
// store is only read, where there is one.
func (c *importCmd) prepareDry(in *importer) error {
	dir, err := os.MkdirTemp("", "stet-import-")
	if err != nil {
		return err
	}
	in.atEnd = append(in.atEnd, func() error { return os.RemoveAll(dir) })
	in.recorders.Store, in.recorders.state = filepath.Join(dir, "store"), filepath.Join(dir, "state")
	if c.remote() {
		return nil
	}
	path, err := stet.StorePath(c.Store)
	if err != nil {
		return err
	}
	fsys, err := fsx.OpenDir(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	log, err := readOnly(fsys, path)
	if err == nil {
		err = in.seen.load(in.env, log)
	}
	if errors.Is(err, store.ErrNoStore) {
		err = nil
	}
	return errors.Join(err, fsys.Close())
}

// lock keeps a second import out, which could take the same event between our look at the log and our record of it.
func (in *importer) lock(state string) error {
	if err := os.MkdirAll(state, 0o700); err != nil {
		return err
	}
	dir, err := fsx.OpenDir(state)
	if err != nil {
		return err
	}
	lock, err := dir.TryLock("import.lock")
	if errors.Is(err, fsx.ErrLocked) {
		err = errors.New("another import is running; start this one when it is done")
	}
	if err != nil {
		return errors.Join(err, dir.Close())
	}
	in.atEnd = append(in.atEnd, lock.Close, dir.Close)
	return nil
}

// How long an import waits for another process to finish writing the log, and how often it looks.
const (
	settleWait = 30 * time.Second
	settleLook = 50 * time.Millisecond
)

// settle brings in all that is spooled, however long that takes, and waits where another process does so: what it has not
// brought in yet could otherwise be taken again.
func settle(e *env, s *store.Store, wait time.Duration) error {
	over := time.NewTimer(wait)
	defer over.Stop()
	for {
		d, err := s.Drain(e.ctx)
		if err != nil || !d.Busy {
			return err
		}
		select {
		case <-time.After(settleLook):
		case <-e.ctx.Done():
			return e.ctx.Err()
		case <-over.C:
			return fmt.Errorf("another process has been writing the log for %v, so what is there already cannot be told: %w", wait, store.ErrBusy)
		}
	}
}

// importer is one import.
type importer struct {
	*env
	cmd       *importCmd
	seen      *seen
	recorders recorders
	pending   []pendingLine
	size      int // bytes of the lines in pending
	refused   io.Writer
	keepErr   error // of refused
	foreign   foreignLog
	bar       *progress
	total     uint64 // bytes of all files; 0 where that is not known
	done      uint64 // bytes of the files before this one
	report    importReport
	atEnd     []func() error
}

// pendingLine is a line whose event is about to be recorded.
type pendingLine struct {
	file  string
	line  int
	raw   []byte // with its end; nil where nobody keeps it, or it was kept already
	err   error  // why it is not recorded
	event event.Event
	key   streamKey
}

// Lines that are recorded together: as many as a batch holds, in bounded memory.
const (
	pendingLines = 1000
	pendingBytes = 4 << 20
)

func (in *importer) files(names []string) error {
	for _, name := range names {
		if fi, err := os.Stat(name); err == nil && fi.Mode().IsRegular() {
			in.total += uint64(fi.Size())
		}
	}
	in.bar = newProgress(in.stderr, "bytes")
	defer in.bar.clear()
	var unread []error
	for _, name := range names {
		in.report.Files++
		err := in.file(name)
		var damage *fileError
		if errors.As(err, &damage) {
			unread = append(unread, err) // the others can be read all the same
			err = nil
		}
		if err != nil {
			return err
		}
	}
	return errors.Join(append(unread, in.flush())...)
}

// fileError says that a file could not be read to its end.
type fileError struct{ error }

func (e *fileError) Unwrap() error { return e.error }

func (in *importer) file(name string) error {
	shown, f := name, in.stdin
	if name == "-" {
		shown = "stdin"
	} else {
		var err error
		if f, err = os.Open(name); err != nil {
			return &fileError{err}
		}
		defer func() { _ = f.Close() }() // read only
	}
	begin := bufio.NewReaderSize(f, 64<<10)
	lines := newLineReader(begin)
	lines.keep = func(b []byte) error {
		_, err := in.refused.Write(b)
		return err
	}
	if input, ok, err := in.input(begin); err != nil || ok {
		if err == nil {
			err = in.foreignFile(shown, begin, lines, input)
		}
		return err
	}
	same := map[uint64]int{} // lines without an id, by their hash
	defer func() { in.done += lines.read }()
	for {
		if err := in.ctx.Err(); err != nil {
			return errors.Join(fmt.Errorf("interrupted at %s:%d; start it again, what was taken is skipped then: %w", shown, lines.number, err), in.flush())
		}
		line, err := lines.next()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case errors.Is(err, errLongLine):
			in.report.Lines++
			in.pending = append(in.pending, pendingLine{file: shown, line: lines.number,
				err: &event.Error{Code: string(event.ErrTooLarge), Detail: fmt.Sprintf("is a line of more than %d bytes", maxLine)}})
			continue
		case err != nil:
			return &fileError{fmt.Errorf("%s: reading behind line %d: %w", shown, lines.number-1, err)}
		}
		in.report.Lines++
		if err := in.line(shown, lines.number, line, same); err != nil {
			return err
		}
		if lines.number%256 == 0 && in.total > 0 {
			in.bar.set(min(in.done+lines.read, in.total), in.total)
		}
	}
}

// close gives up what the import held, in the right order: recorders first, so that their streams end, then the rest.
func (in *importer) close() error {
	errs := []error{in.recorders.close()}
	if !in.cmd.DryRun && in.report.Taken > 0 {
		_, err := in.cmd.bringIn(context.WithoutCancel(in.ctx)) // also where the import was interrupted
		errs = append(errs, err)
	}
	for _, f := range in.atEnd {
		errs = append(errs, f())
	}
	in.atEnd = nil
	return errors.Join(errs...)
}
