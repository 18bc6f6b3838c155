package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"github.com/stetlog/stet"
	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/child"
	"github.com/stetlog/stet/internal/emitter"
	"github.com/stetlog/stet/internal/redact"
)

// runCommand is run's name as the parser says it.
const runCommand = "run <command>"

// exitRefused is run's own: the record was required and could not be made durable, so the command was not started.
const exitRefused = 125

type runCmd struct {
	storeFlag
	App           string        `help:"app_id of the events; otherwise the command's name." env:"STET_APP" placeholder:"NAME"`
	AppVersion    string        `help:"Version of what runs; otherwise found in the executable." env:"STET_APP_VERSION" placeholder:"V"`
	Env           string        `help:"Environment: production, staging, development, test or your own." env:"STET_ENV" placeholder:"ENV"`
	Job           string        `help:"Name of the job, the same for every run; otherwise the command's name." placeholder:"NAME"`
	Why           string        `help:"The reason, in your words." placeholder:"TEXT"`
	Ref           string        `help:"What the reason refers to: a ticket, a request." placeholder:"TEXT"`
	Trigger       string        `help:"What set it off: schedule, event, manual, api, parent or boot; otherwise found." placeholder:"T"`
	CausedBy      string        `help:"The upstream system and its event." placeholder:"SYSTEM/REF"`
	As            string        `help:"Who is responsible, e.g. user:alice; otherwise the effective user." placeholder:"TYPE:ID"`
	Heartbeat     time.Duration `help:"How often to record that it still runs; 0 never." default:"5m"`
	Timeout       time.Duration `help:"End the command after this long." placeholder:"D"`
	Grace         time.Duration `help:"Time between asking the command to end and killing it." default:"10s"`
	RequireRecord bool          `help:"Do not start the command unless the record is durable (exit 125)."`
	Capture       bool          `help:"Pass the output through, and record its size, hash and redacted end."`
	snapshotFlags
	JSONFile string   `name:"json-file" help:"When the command has ended, write to this file what run it was, and its exit code, as JSON; standard output is the command's." placeholder:"FILE"`
	Cmd      []string `arg:"" name:"command" passthrough:"partial" help:"The command, after --. No shell stands in between."`
}

func (c *runCmd) Run(e *env) error {
	// The parser has put its own characters in place of bytes that are not UTF-8: the command gets what was given.
	argv := e.args[len(e.args)-len(c.Cmd):]
	if len(argv) > 0 && argv[0] == "--" {
		argv = argv[1:]
	}
	if len(argv) == 0 {
		return usage("run: no command; say stet run -- COMMAND ARGUMENTS")
	}
	w, err := c.wrapped(e, argv)
	if err != nil {
		return err
	}
	return c.record(e, w)
}

// record runs the command and records it.
func (c *runCmd) record(e *env, w *wrapped) error {
	// Signals are ours before anything is recorded: one that comes now must find a run that can be told of it.
	signals, stop := child.Notify()
	defer stop()

	rec, broken, err := c.recorder(e, w)
	if err != nil {
		return c.refuse(err)
	}
	run, err := begin(e, rec, w.job)
	if err != nil && c.RequireRecord {
		return c.refuse(errors.Join(err, rec.Close()))
	}
	w.lost(e, err)
	exitCode, err := w.run(e, c, run, signals)
	if rec != nil {
		if cerr := rec.Close(); cerr != nil && !errors.Is(cerr, stet.ErrClosed) {
			_, _ = fmt.Fprintf(e.stderr, "stet: closing the record: %v\n", cerr)
		}
		if !broken {
			c.tryBringIn(e)
		}
	}
	if broken {
		run = nil // there is none that anybody could find
	}
	if c.JSONFile != "" {
		if werr := c.summarise(run, exitCode); werr != nil {
			_, _ = fmt.Fprintf(e.stderr, "stet: %v\n", werr) // the command's own result stands
		}
	}
	return exit{exitCode, err}
}

// ranReport is what --json-file gets: stet.run/1.
type ranReport struct {
	Format        string `json:"format"`
	InteractionID string `json:"interaction_id,omitempty"` // these are missing where nothing could be recorded
	JobID         string `json:"job_id,omitempty"`
	RunID         string `json:"run_id,omitempty"`
	ExitCode      int    `json:"exit_code"` // the command's own
}

func (c *runCmd) summarise(run *stet.Run, exitCode int) error {
	r := ranReport{Format: "stet.run/1", ExitCode: exitCode}
	if run != nil {
		r.InteractionID, r.JobID, r.RunID = run.InteractionID(), run.JobID(), run.ID()
	}
	b, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return os.WriteFile(c.JSONFile, append(b, '\n'), 0o600)
}

// recorder opens the store. Where that fails the command runs all the same, unless the record is required, and standard
// error has said why, once. The recorder is then broken: it counts what is lost, so that the next one can declare it. It is
// nil where not even that can be done, because nobody knows which store is meant.
func (c *runCmd) recorder(e *env, w *wrapped) (rec *stet.Recorder, broken bool, err error) {
	o := c.options(e, w)
	loss := o.OnLoss
	var dead atomic.Bool // nothing can be recorded, and that was said
	o.OnLoss = func(err error) {
		if dead.Load() {
			return
		}
		dead.Store(errors.Is(err, stet.ErrNotRecorded))
		loss(err)
	}
	rec, err = stet.Open(e.ctx, c.Store, c.recording(e, o))
	if err != nil && !c.RequireRecord {
		loss(fmt.Errorf("nothing can be recorded: %w", err))
		return nil, true, nil
	}
	return rec, dead.Load(), err
}

// begin records that the job starts. What the schema refuses is recorded again with nothing but what makes it this job,
// and with the reason: a smaller record is better than none.
func begin(e *env, rec *stet.Recorder, j stet.Job) (*stet.Run, error) {
	if rec == nil {
		return nil, nil //nolint:nilnil // nil is a run of which nothing is recorded
	}
	run, err := rec.Begin(e.ctx, j)
	var refused *event.Error
	if !errors.As(err, &refused) {
		return run, err
	}
	return rec.Begin(e.ctx, stet.Job{Name: j.Name, Trigger: "manual", Labels: map[string]string{refusedLabel: refused.Error()}})
}

// refusedLabel says in an event what was left out of it, and why.
const refusedLabel = "refused"

// maxEnv bounds the name of an environment, in bytes (SCHEMA).
const maxEnv = 32

// word makes a plain word of any text.
func word(text string) string {
	safe, _ := redact.Text(text)
	return emitter.CleanApp(safe)
}

// refuse says why the command was not started.
func (c *runCmd) refuse(err error) error {
	return exit{exitRefused, fmt.Errorf("the command was not started: %w", err)}
}

func (c *runCmd) options(e *env, w *wrapped) stet.Options {
	o := stet.Options{App: c.App, AppVersion: c.AppVersion, Environment: c.Env, Policy: stet.BestEffort, Derived: map[string]string{},
		EntryPoint: w.entry,
		OnLoss:     func(err error) { w.lost(e, err) }}
	if c.RequireRecord {
		o.Policy = stet.RequireRecord
	}
	if o.Heartbeat = c.Heartbeat; o.Heartbeat <= 0 {
		o.Heartbeat = -1
	}
	if o.App == "" {
		o.App = w.app
		o.Derived["app_id"] = "command"
	}
	// Application and environment stand in every seal, where only plain words can.
	if app := word(o.App); app != o.App {
		if o.App = app; c.App != "" {
			o.Derived["app_id"] = "what was given, made a plain word"
		}
	}
	if name := word(c.Env); c.Env != "" && (name != c.Env || len(name) > maxEnv) {
		o.Environment = name[:min(len(name), maxEnv)]
		o.Derived["environment"] = "what was given, made a plain word"
	}
	if o.AppVersion == "" {
		o.AppVersion, o.Derived["app_version"] = w.version()
	}
	return o
}
