package main

import (
	"errors"
	"os"
	"strings"

	"github.com/stetlog/stet"
	"github.com/stetlog/stet/internal/origin"
)

// Help is what stet emit --help says behind its flags.
func (c *emitCmd) Help() string {
	return "In a systemd service:\n\n" +
		"    ExecStartPre=/usr/bin/stet emit --from-systemd --unit %n --why \"nightly backup\"\n" +
		"    ExecStopPost=/usr/bin/stet emit --from-systemd --unit %n"
}

// fromSystemd records a unit's run from outside: called as ExecStartPre= that it starts, as ExecStopPost= how it ended.
// The two calls are processes of their own, with nothing between them but the unit's INVOCATION_ID, so that is the run's
// key. That what systemd says of the end is there tells which of the two this is.
//
//	[Service]
//	ExecStartPre=/usr/bin/stet emit --from-systemd --unit %n --why "nightly backup"
//	ExecStart=/usr/local/bin/backup
//	ExecStopPost=/usr/bin/stet emit --from-systemd --unit %n
//
// A start that cannot be recorded is an error, and then the unit does not start; "-" before the command's path lets it.
func (c *emitCmd) fromSystemd(e *env) error {
	sd := origin.SystemdFrom(origin.System(os.LookupEnv))
	if !sd.Invocation.Found() {
		return usage("emit --from-systemd: there is no INVOCATION_ID here; have systemd call this, as ExecStartPre= and ExecStopPost= of a service")
	}
	j, o := c.unit(sd)
	if j.Name == "" {
		return usage("emit --from-systemd: which unit this is cannot be found; say --unit %%n")
	}
	rec, err := stet.Open(e.ctx, c.Store, c.recording(e, o))
	if err != nil {
		return err
	}
	r, err := recordUnit(e, rec, j, sd)
	if err := errors.Join(err, rec.Close()); err != nil {
		return err
	}
	return c.done(e, r)
}

// unit is the job that a unit does, and who records it.
func (c *emitCmd) unit(sd origin.Systemd) (stet.Job, stet.Options) {
	unit, how := c.Unit, ""
	if unit == "" {
		unit, how = sd.Unit.Text, sd.Unit.How
	}
	j := stet.Job{Name: strings.TrimSuffix(unit, ".service"), Key: sd.Invocation.Text, Reason: c.Why,
		Params: map[string]any{"unit": unit}, Code: stet.Code{Location: unit},
		Derived: map[string]string{"job.params": "environment", "code_location": "systemd unit"}}
	if how != "" {
		j.Derived["job.name"] = how
	}
	for name, v := range map[string]origin.Value{"trigger_unit": sd.TriggerUnit, "trigger_path": sd.TriggerPath, "trigger_time": sd.TriggerTime} {
		if v.Found() {
			j.Params[name] = v.Text
		}
	}
	o := c.options()
	o.EntryPoint = nil // as found: the unit, or the timer behind it
	if o.App == "" {
		o.App = word(j.Name)
		o.Derived = addTo(o.Derived, "app_id", "systemd unit")
	}
	return j, o
}

// recordUnit records the start, or the end where systemd says that there was one.
func recordUnit(e *env, rec *stet.Recorder, j stet.Job, sd origin.Systemd) (recorded, error) {
	end, over := sd.Ending()
	if !over {
		run, err := rec.Begin(e.ctx, j)
		return recorded{EventType: "job_started", JobID: run.JobID(), RunID: run.ID()}, err
	}
	run, err := rec.Attach(e.ctx, j)
	if err != nil {
		return recorded{}, err
	}
	types := map[string]string{"success": "job_succeeded", "failure": "job_failed", "aborted": "job_aborted"}
	return recorded{EventType: types[end.Status], JobID: run.JobID(), RunID: run.ID()},
		run.End(e.ctx, stet.Outcome{Status: end.Status, Code: end.Code, Reason: end.Reason})
}
