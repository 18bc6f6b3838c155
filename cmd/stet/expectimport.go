package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"github.com/stetlog/stet/internal/expect"
	"github.com/stetlog/stet/internal/ship"
)

type expectImportCmd struct {
	adminFlag
	Path   []string `arg:"" help:"Crontabs, timer units of systemd (*.timer), or directories of them."`
	System bool     `help:"Take crontabs for such that name a user in each line; otherwise only /etc/crontab and files in a directory cron.d are." xor:"kind"`
	User   bool     `help:"Take crontabs for a user's, whose lines name none." xor:"kind"`
	TZ     string   `name:"tz" help:"The time zone of the machine that runs them; otherwise this one's." placeholder:"ZONE"`
	Grace  string   `help:"How late a run may begin, and how long its start may take to the log." default:"15m"`
	DryRun bool     `help:"Only say what would be expected."`
	JSON   bool     `help:"Print JSON."`
}

// Help says which names jobs get.
func (expectImportCmd) Help() string {
	return `Jobs are called what their runs are: under stet-cron, what a comment at the line's end says (# stet: NAME), else STET_JOB, else the line's
first command; of stet run, what --job says, else the command; of a timer, its unit. STET_APP and STET_ENV in a crontab count, too.
What is not understood is said, with its line, and left out; so is what has no time, such as @reboot. What is expected already stays.`
}

// taken is a line that says when something runs.
type taken struct {
	File  string `json:"file"`
	Line  int    `json:"line"`            // 0: the file as a whole
	Why   string `json:"why,omitempty"`   // it is left out
	Note  string `json:"note,omitempty"`  // what to look at
	State string `json:"state,omitempty"` // added, there, would_be_added

	ID          string `json:"id,omitempty"` // this and what follows, where it was understood
	Job         string `json:"job,omitempty"`
	App         string `json:"app,omitempty"`
	Environment string `json:"environment,omitempty"`
	Schedule    string `json:"schedule,omitempty"`
	Zone        string `json:"zone,omitempty"`
	Grace       string `json:"grace,omitempty"`

	def expect.Definition
}

// importedExpectations is what expect import prints: stet.expect_import/1.
type importedExpectations struct {
	Format string   `json:"format"`
	Zone   string   `json:"zone"`
	Added  int      `json:"added"`
	There  int      `json:"there"`
	Left   int      `json:"left_out"`
	Lines  []*taken `json:"lines"`
}

func (c *expectImportCmd) Run(e *env) error {
	r := scheduleReader{system: c.System, user: c.User, zone: c.TZ, run: commandOf(e.model, "run")}
	var err error
	if r.grace, err = expect.ParseGrace(c.Grace); err != nil {
		return usage("expect import: %v", err)
	}
	if r.zone == "" {
		if r.zone, err = localZone(); err != nil {
			return err
		}
	}
	if _, err := expect.Zone(r.zone); err != nil {
		return usage("expect import: %v", err)
	}
	for _, path := range c.Path {
		if err := r.path(path); err != nil {
			return err
		}
	}
	r.sameNames()
	out := importedExpectations{Format: "stet.expect_import/1", Zone: r.zone, Lines: r.lines}
	if c.DryRun {
		for _, l := range r.lines {
			if l.Why == "" {
				l.State = "would_be_added"
			}
		}
	} else if err := c.add(e, r.lines); err != nil {
		return err
	}
	for _, l := range r.lines {
		switch {
		case l.Why != "":
			out.Left++
		case l.State == "there":
			out.There++
		default:
			out.Added++
		}
	}
	return c.print(e, out)
}

// add has the log expect what was read, and says of each line what became of it.
func (c *expectImportCmd) add(e *env, lines []*taken) error {
	return c.with(e, true, func(o administration) error {
		for _, l := range lines {
			if l.Why != "" {
				continue
			}
			_, err := o.AddExpectation(e.ctx, l.def)
			var refused *ship.RefusedError
			switch {
			case err == nil:
				l.State = "added"
			case errors.Is(err, expect.ErrExpected), errors.As(err, &refused) && refused.Code == "name_taken":
				l.State = "there"
			default:
				return fmt.Errorf("%s:%d: %w", l.File, l.Line, err)
			}
		}
		return nil
	})
}

func (c *expectImportCmd) print(e *env, out importedExpectations) error {
	if c.JSON {
		return printJSON(e, out)
	}
	for _, l := range out.Lines {
		where := l.File
		if l.Line > 0 {
			where += fmt.Sprintf(":%d", l.Line)
		}
		if l.Why != "" {
			_, _ = fmt.Fprintf(e.stderr, "stet: %s: left out: %s\n", printableText(where), printableText(l.Why))
			continue
		}
		if _, err := fmt.Fprintf(e.stdout, "%s  %s  %s\n", strings.ReplaceAll(l.State, "_", " "), printableText(where), printableText(l.def.String())); err != nil {
			return err
		}
		if l.Note != "" {
			_, _ = fmt.Fprintf(e.stderr, "stet: %s: %s\n", printableText(where), printableText(l.Note))
		}
	}
	verb := "expected"
	if c.DryRun {
		verb = "would be expected"
	}
	_, _ = fmt.Fprintf(e.stderr, "stet: %d %s, %d were already, %d left out; times are those of %s\n", out.Added, verb, out.There, out.Left, out.Zone)
	return nil
}

// scheduleReader reads files that say when things run.
type scheduleReader struct {
	system, user bool
	zone         string
	grace        time.Duration
	run          *kong.Node // stet run
	lines        []*taken
}

// maxFiles bounds how many files of a directory are read, and maxDropIns those beside one timer.
const maxFiles, maxDropIns = 10_000, 100

// path reads a file, or all of a directory.
func (r *scheduleReader) path(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return r.file(path)
	}
	files, err := os.ReadDir(path)
	if err != nil {
		return err
	}
	if len(files) > maxFiles {
		return usage("expect import: %s has more than %d files", path, maxFiles)
	}
	timers := false
	for _, f := range files {
		timers = timers || isTimer(f.Name())
	}
	for _, f := range files {
		name := filepath.Join(path, f.Name())
		switch info, err := os.Stat(name); { // through links, as cron and systemd go
		case timers && !isTimer(f.Name()): // drop-ins are read with the timer beside them
		case err != nil || !info.Mode().IsRegular():
			r.left(name, 0, "it is no file")
		case !timers && !cronReads(f.Name()):
			r.left(name, 0, "cron takes no notice of files whose names have other characters than letters, digits, _ and -")
		default:
			if err := r.file(name); err != nil {
				return err
			}
		}
	}
	return nil
}

func isTimer(name string) bool { return strings.HasSuffix(name, ".timer") }

// cronReads says whether cron reads a file of this name in /etc/cron.d (cron(8)).
func cronReads(name string) bool {
	return strings.Trim(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-") == ""
}

func (r *scheduleReader) left(file string, line int, why string) {
	r.lines = append(r.lines, &taken{File: file, Line: line, Why: why})
}

func (r *scheduleReader) file(path string) error {
	text, err := readText(path)
	if err != nil {
		return err
	}
	if isTimer(path) {
		err = r.timer(path, text)
	} else {
		err = r.crontab(path, text)
	}
	if errors.Is(err, expect.ErrFile) {
		r.left(path, 0, fmt.Sprintf("it is longer than %d bytes, or no text", expect.MaxFile))
		return nil
	}
	return err
}

func (r *scheduleReader) crontab(path string, text []byte) error {
	abs, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	system := r.system || !r.user && (abs == "/etc/crontab" || filepath.Base(filepath.Dir(abs)) == "cron.d")
	lines, err := expect.Crontab(text, system)
	for _, l := range lines {
		if l.Err != nil {
			r.left(path, l.Number, l.Err.Error())
			continue
		}
		w := r.whose(l)
		d := expect.Definition{Job: w.job, App: w.app, Environment: w.environment, Schedule: l.Schedule, Zone: firstOf(l.Zone, r.zone), Grace: r.grace}
		t := r.take(path, l.Number, d)
		switch {
		case w.why != "":
			t.Why = w.why
		case !system && !r.user && namesUser(l.Command):
			t.Note = "its command is called as a user here is: say --system where the lines name a user, --user where they do not"
		case !w.recorded:
			t.Note = "nothing records this line: run it by stet run, or give the crontab SHELL=/usr/bin/" + cronName
		case l.Zone != "":
			t.Note = "its time is that of CRON_TZ, of which Debian's cron takes no notice"
		}
	}
	return err
}

// namesUser says whether what stands where a command should is the name of a user of this machine, with more behind it, as in a
// crontab of the system.
func namesUser(command string) bool {
	words := strings.Fields(command)
	if len(words) < 2 || strings.Contains(words[0], "/") {
		return false
	}
	_, err := user.Lookup(words[0])
	return err == nil
}

// whose is what is known of the runs of a line.
type whose struct {
	job, app, environment string
	recorded              bool
	why                   string // nothing is
}

// whose finds what the runs of a line will be called.
func (r *scheduleReader) whose(l expect.CronLine) whose {
	line := readLine(l.Command, l.Env["STET_JOB"])
	w := whose{job: line.name, app: l.Env["STET_APP"], environment: l.Env["STET_ENV"], recorded: isCron(l.Env["SHELL"])}
	if len(line.command) < 2 || filepath.Base(line.command[0]) != "stet" || line.command[1] != "run" {
		return w
	}
	flags, command, ok := cutFlags(r.run, line.command[2:])
	if !ok || len(command) == 0 {
		w.why = "how stet run is called here cannot be read"
		return w
	}
	w.recorded = true
	w.job = firstOf(flags["job"], filepath.Base(command[0]))
	w.app, w.environment = firstOf(flags["app"], w.app), firstOf(flags["env"], w.environment)
	return w
}

// commandOf finds a command of ours.
func commandOf(model *kong.Application, name string) *kong.Node {
	for _, n := range model.Children {
		if n.Name == name {
			return n
		}
	}
	return nil
}

// cutFlags takes the flags of a command from the beginning of its arguments.
func cutFlags(command *kong.Node, args []string) (flags map[string]string, rest []string, ok bool) {
	known := map[string]*kong.Flag{}
	for _, some := range command.AllFlags(true) {
		for _, f := range some {
			known[f.Name] = f
		}
	}
	flags = map[string]string{}
	for len(args) > 0 {
		if args[0] == "--" {
			return flags, args[1:], true
		}
		long, isFlag := strings.CutPrefix(args[0], "--")
		if !isFlag {
			return flags, args, !strings.HasPrefix(args[0], "-")
		}
		name, value, has := strings.Cut(long, "=")
		f := known[name]
		args = args[1:]
		switch {
		case f == nil:
			return nil, nil, false
		case f.IsBool(), has:
		case len(args) == 0:
			return nil, nil, false
		default:
			value, args = args[0], args[1:]
		}
		flags[name] = value
	}
	return flags, nil, true
}

// timer reads a timer unit, and the drop-ins beside it.
func (r *scheduleReader) timer(path string, text []byte) error {
	files, texts := []string{path}, [][]byte{text}
	drops, err := os.ReadDir(path + ".d")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, f := range drops {
		name := filepath.Join(path+".d", f.Name())
		if !strings.HasSuffix(name, ".conf") {
			continue
		}
		if len(files) > maxDropIns {
			return usage("expect import: %s.d has more than %d drop-ins", path, maxDropIns)
		}
		text, err := readText(name)
		if err != nil {
			return err
		}
		files, texts = append(files, name), append(texts, text)
	}
	t, err := expect.TimerUnit(texts...)
	unit := strings.TrimSuffix(firstOf(t.Unit, strings.TrimSuffix(filepath.Base(path), ".timer")), ".service")
	for _, l := range t.Times {
		if l.Err != nil {
			r.left(files[l.Part], l.Number, l.Err.Error())
			continue
		}
		d := expect.Definition{Job: unit, Schedule: l.Schedule, Zone: firstOf(l.Zone, r.zone), Grace: r.grace + t.Delay}
		taken := r.take(files[l.Part], l.Number, d)
		if strings.Contains(unit, "@") {
			taken.Why = "it is a template: which units are made of it is not known here"
		}
	}
	return err
}

// readText reads as much of a file as there may be, and a byte more.
func readText(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // read only
	return io.ReadAll(io.LimitReader(f, expect.MaxFile+1))
}

// take adds a line that is understood.
func (r *scheduleReader) take(file string, line int, d expect.Definition) *taken {
	t := &taken{File: file, Line: line, Job: d.Job, App: d.App, Environment: d.Environment, Schedule: d.Schedule.String(), Zone: d.Zone,
		Grace: expect.FormatDuration(d.Grace), def: d}
	if err := d.Check(); err != nil {
		t.Why = err.Error()
	} else {
		t.ID = d.ID()
	}
	r.lines = append(r.lines, t)
	return t
}

// sameNames notes where several lines' runs will have one name: any of them fills the slots of all.
func (r *scheduleReader) sameNames() {
	first := map[string]*taken{}
	for _, l := range r.lines {
		if l.Why != "" {
			continue
		}
		name := l.def.Job + "\n" + l.def.App + "\n" + l.def.Environment
		if f := first[name]; f == nil {
			first[name] = l
		} else if l.Note == "" {
			l.Note = fmt.Sprintf("its runs are called as those of %s:%d, and count for both; a comment (# stet: NAME) tells them apart", f.File, f.Line)
		}
	}
}
