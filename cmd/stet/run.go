package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/stetlog/stet"
	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/child"
	"github.com/stetlog/stet/internal/emitter"
)

// runCommand is run's name as the parser says it.
const runCommand = "run <command>"

// exitRefused is run's own: the record was required and could not be made durable, so the command was not started.
const exitRefused = 125

// drainTimeout bounds how long run works for the log after the command has ended. What is not brought in by then is
// durable in the spool, and the next stet command on the store brings it in.
const drainTimeout = 30 * time.Second

type runCmd struct {
	storeFlag
	App           string        `help:"app_id of the events; otherwise STET_APP, else the command's name." env:"STET_APP" placeholder:"NAME"`
	AppVersion    string        `help:"Version of what runs; otherwise found in the executable." env:"STET_APP_VERSION" placeholder:"V"`
	Env           string        `help:"Environment: production, staging, development, test or your own." env:"STET_ENV" placeholder:"ENV"`
	Job           string        `help:"Name of the job, the same for every run; otherwise the command's name." placeholder:"NAME"`
	Why           string        `help:"The reason, in your words." placeholder:"TEXT"`
	Ref           string        `help:"What the reason refers to: a ticket, a request." placeholder:"TEXT"`
	Trigger       string        `help:"What set it off: schedule, event, manual, api, parent or boot; otherwise found." enum:",schedule,event,manual,api,parent,boot" default:"" placeholder:"T"`
	CausedBy      string        `help:"The upstream system and its event." placeholder:"SYSTEM/REF"`
	As            string        `help:"Who is responsible, e.g. user:alice; otherwise the effective user." placeholder:"TYPE:ID"`
	Heartbeat     time.Duration `help:"How often to record that it still runs; 0 never." default:"5m"`
	Timeout       time.Duration `help:"End the command after this long." placeholder:"D"`
	Grace         time.Duration `help:"Time between asking the command to end and killing it." default:"10s"`
	RequireRecord bool          `help:"Do not start the command unless the record is durable (exit 125)."`
	Capture       bool          `help:"Pass the output through, and record its size, hash and redacted end."`
	Cmd           []string      `arg:"" name:"command" passthrough:"partial" help:"The command, after --. No shell stands in between."`
}

func (c *runCmd) Run(e *env) error {
	argv := c.Cmd
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
	// Signals are ours before anything is recorded: one that comes now must find a run that can be told of it.
	signals, stop := child.Notify()
	defer stop()

	rec, err := stet.Open(e.ctx, c.Store, c.options(e, w))
	if err != nil {
		return c.refuse(err)
	}
	run, err := rec.Begin(e.ctx, w.job)
	if err != nil {
		return c.refuse(errors.Join(err, rec.Close()))
	}
	exitCode, err := w.run(e, c, run, signals)
	if cerr := rec.Close(); cerr != nil && !errors.Is(cerr, stet.ErrClosed) {
		_, _ = fmt.Fprintf(e.stderr, "stet: closing the record: %v\n", cerr)
	}
	c.drain(e)
	return exit{exitCode, err}
}

// refuse says why the command was not started.
func (c *runCmd) refuse(err error) error {
	return exit{exitRefused, fmt.Errorf("the command was not started: %w", err)}
}

// drain brings the record into the log. Nothing here changes the command's result.
func (c *runCmd) drain(e *env) {
	s, err := c.openOnly()
	if err != nil {
		_, _ = fmt.Fprintf(e.stderr, "stet: %v\n", err)
		return
	}
	defer func() { _ = s.Close() }() // read and written through files that were synced by themselves
	ctx, cancel := context.WithTimeout(e.ctx, drainTimeout)
	defer cancel()
	if _, err := s.Drain(ctx); err != nil {
		_, _ = fmt.Fprintf(e.stderr, "stet: the record is safe in the spool, but the log could not take it: %v\n", err)
	}
}

func (c *runCmd) options(e *env, w *wrapped) stet.Options {
	o := stet.Options{App: c.App, AppVersion: c.AppVersion, Environment: c.Env, Policy: stet.BestEffort, Derived: map[string]string{},
		EntryPoint: &event.EntryPoint{Kind: "cli", Name: "stet run"},
		OnLoss:     func(err error) { _, _ = fmt.Fprintf(e.stderr, "stet: %v\n", err) }}
	if c.RequireRecord {
		o.Policy = stet.RequireRecord
	}
	if o.App == "" {
		o.App = emitter.CleanApp(filepath.Base(w.argv[0]))
		o.Derived["app_id"] = "command"
	}
	if o.AppVersion == "" {
		o.AppVersion, o.Derived["app_version"] = w.version()
	}
	return o
}
