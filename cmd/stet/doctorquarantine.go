package main

import (
	"fmt"
	"os"

	"github.com/stetlog/stet"
	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/intake"
	"github.com/stetlog/stet/internal/spool"
)

// quarantine looks at what could not be taken in, and at which of it was not recorded again yet.
func (d *doctor) quarantine() {
	files, bytes, err := spool.Quarantined(d.store, spool.Dir)
	if err != nil {
		d.unchecked("quarantine", spool.QuarantineDir, err)
		return
	}
	waiting, err := spool.ListRefused(d.store, spool.Dir)
	if err != nil {
		d.unchecked("quarantine", spool.AgainDir, err)
	}
	if n := len(waiting); n > 0 {
		d.add(diagnosis{"quarantine", sevWarn, plural(n, "event") + " refused by the log and not recorded again yet, the first of application " + event.Sanitize(waiting[0].App),
			"its emitter records it again, without what was objected to", "stet doctor --flush, by the user who recorded it; after a change of the emitter's key nobody can: see spool.md"})
	}
	kept, keptBytes, err := intake.Kept(d.store)
	if err != nil {
		d.unchecked("quarantine", spool.QuarantineDir, err)
	}
	if kept > 0 {
		d.add(diagnosis{"quarantine", sevWarn, fmt.Sprintf("%s of %d KiB in all with refused records of other systems, of at most %d files and %d MiB", plural(kept, "file"), (keptBytes+1023)>>10, intake.MaxKeptFiles, intake.MaxKeptBytes>>20),
			"who sent them does not send them again; event:records_not_stored says how many there were", "read " + spool.QuarantineDir + "/intake-*.jsonl: code, path and detail say what is wrong with each; then move them away"})
	}
	// The bounds are of all files together.
	if files <= kept {
		return
	}
	x := diagnosis{"quarantine", sevWarn, fmt.Sprintf("%s of %d KiB in all could not be taken in, of at most %d files and %d MiB", plural(files-kept, "file"), (bytes-keptBytes+1023)>>10, spool.MaxQuarantined, spool.MaxQuarantinedBytes>>20),
		"they are evidence: the log says of each why", "stet export --json | grep -e event_refused -e spool_quarantined"}
	if files >= spool.MaxQuarantined*3/4 || bytes >= spool.MaxQuarantinedBytes*3/4 {
		x.Severity, x.Why, x.Do = sevProblem, "when it is full nothing more is kept there: spools stay, and so do damaged segments", "find out why so much is refused, then move "+spool.QuarantineDir+" away"
	}
	d.add(x)
}

// recordAgain has what the log refused recorded again, by a recorder of the application that it is of, and says whether
// there was any.
func (c *doctorCmd) recordAgain(d *doctor) (some bool) {
	waiting, err := spool.ListRefused(d.store, spool.Dir)
	if err != nil || len(waiting) == 0 {
		return false // what cannot be read, quarantine says
	}
	// What this process was given for its own events says nothing about those of the application.
	if err := os.Unsetenv("STET_ENV"); err != nil {
		return false
	}
	seen := map[streamKey]bool{}
	for _, w := range waiting {
		key := streamKey{w.App, w.Environment}
		if seen[key] || len(seen) == maxRecorders {
			continue
		}
		seen[key] = true
		rec, err := stet.Open(d.ctx, c.name(), c.recording(d.env, stet.Options{App: w.App, Environment: w.Environment,
			EntryPoint: &event.EntryPoint{Kind: "cli", Name: "stet doctor"}}))
		if err == nil {
			err = rec.Close()
		}
		if err != nil {
			d.unchecked("quarantine", "recording again what was refused of "+event.Sanitize(w.App), err)
		}
	}
	return true
}
