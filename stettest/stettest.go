// Package stettest helps to test code that records with stet: a Recorder in a directory of its own, what it recorded, a
// few assertions, and inputs that users' own handlers should survive.
//
//	rec := stettest.New(t, stet.Options{})
//	runPurge(ctx, rec.Recorder)
//	rec.WantOutcome("purge", event.StatusSuccess)
//	rec.WantNoSecret(apiKey)
//
// What it reads back is what is durable and sealed, through the same checks that a ledger makes.
package stettest

import (
	"bytes"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/stetlog/stet"
	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/fsx"
	"github.com/stetlog/stet/internal/spool"
	"github.com/stetlog/stet/proof"
)

// Recorder is a stet.Recorder whose events can be read back. It is closed when the test ends.
type Recorder struct {
	*stet.Recorder
	t   testing.TB
	dir string
}

// New opens a Recorder in the test's temporary directory. o.StateDir is set, so that the user's own keys stay untouched;
// o.App, where it is empty, is "test". It ends the test where that fails.
func New(t testing.TB, o stet.Options) *Recorder {
	t.Helper()
	dir := t.TempDir()
	o.StateDir = filepath.Join(dir, "state")
	if o.App == "" {
		o.App = "test"
	}
	r := &Recorder{t: t, dir: filepath.Join(dir, "store")}
	var err error
	if r.Recorder, err = stet.Open(t.Context(), r.dir, o); err != nil {
		t.Fatalf("stettest: %v", err)
	}
	t.Cleanup(func() { _ = r.Close() }) // a test may have closed it already
	return r
}

// Events returns everything recorded so far, in order, each event checked against the schema and its seal.
func (r *Recorder) Events() []*event.Event {
	r.t.Helper()
	var all []*event.Event
	r.read(func(raw []byte) error {
		e, err := event.Parse(raw)
		all = append(all, e)
		return err
	})
	return all
}

// Raw returns the exact bytes of every event, in order.
func (r *Recorder) Raw() [][]byte {
	r.t.Helper()
	var all [][]byte
	r.read(func(raw []byte) error {
		all = append(all, bytes.Clone(raw))
		return nil
	})
	return all
}

func (r *Recorder) read(fn func(raw []byte) error) {
	r.t.Helper()
	if err := read(r.dir, fn); err != nil {
		r.t.Fatalf("stettest: %v", err)
	}
}

func read(dir string, fn func(raw []byte) error) error {
	fsys, err := fsx.OpenDir(dir)
	if err != nil {
		return err
	}
	defer func() { _ = fsys.Close() }() // read only
	streams, err := spool.List(fsys, spool.Dir)
	if err != nil {
		return err
	}
	for _, stream := range streams {
		report, err := spool.Read(fsys, spool.Dir, stream, 1, func(b spool.Batch) error {
			seal, err := proof.OpenSeal(b.Seal)
			if err != nil {
				return err
			}
			leaves := make([]proof.Hash, len(b.Events))
			for i, raw := range b.Events {
				leaves[i] = proof.LeafHash(raw)
				if err := fn(raw); err != nil {
					return err
				}
			}
			if proof.RootOf(leaves) != seal.Root {
				return fmt.Errorf("the events from %d of stream %s are not those that were sealed", b.First, stream)
			}
			return nil
		})
		if err != nil {
			return err
		}
		if len(report.Damaged) > 0 {
			return fmt.Errorf("the spool of stream %s is damaged: %s", stream, report.Damaged[0].Reason)
		}
	}
	return nil
}

// Of returns the events of one type.
func (r *Recorder) Of(eventType string) []*event.Event {
	r.t.Helper()
	var all []*event.Event
	for _, e := range r.Events() {
		if e.EventType == eventType {
			all = append(all, e)
		}
	}
	return all
}

// WantTypes fails the test unless the events of a job, by its name, are of exactly these types in this order.
func (r *Recorder) WantTypes(job string, want ...string) {
	r.t.Helper()
	var got []string
	for _, e := range r.Events() {
		if e.Job != nil && e.Job.Name == job {
			got = append(got, e.EventType)
		}
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		r.t.Errorf("job %q has the events %v, want %v", job, got, want)
	}
}

// WantOutcome fails the test unless the last run of a job ended with this status, one of event's Status constants.
func (r *Recorder) WantOutcome(job, status string) {
	r.t.Helper()
	got := "no outcome"
	for _, e := range r.Events() {
		if e.Job == nil || e.Job.Name != job {
			continue
		}
		switch e.Job.Phase {
		case "execution":
			got = "no outcome"
		case "outcome":
			got = e.Status
		}
	}
	if got != status {
		r.t.Errorf("job %q ended with %s, want %s", job, got, status)
	}
}

// WantNoSecret fails the test where a text stands in any event, as it is or in the escape of events.
func (r *Recorder) WantNoSecret(secret string) {
	r.t.Helper()
	if secret == "" {
		r.t.Error("stettest: the empty text is in every event")
		return
	}
	for i, raw := range r.Raw() {
		if bytes.Contains(raw, []byte(secret)) || bytes.Contains(raw, []byte(event.Sanitize(secret))) {
			r.t.Errorf("event %d holds a secret that must not be recorded", i)
		}
	}
}
