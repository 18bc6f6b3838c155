package stet

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/stetlog/stet/event"
)

// maxRunKey bounds Job.Key, in bytes.
const maxRunKey = 256

// Attach goes on, in this process, with a run that another one began: with a Job of the same Key and Name, by a Recorder
// of the same application and environment, on an emitter with the same key file, because only its own application may
// speak for a run. It records nothing itself, and asks nobody whether the run was ever begun: an outcome without a start
// shows as such. When the run started is not known here, so its outcome has no start time and no duration.
func (r *Recorder) Attach(ctx context.Context, j Job) (*Run, error) {
	if j.Key == "" {
		return nil, fmt.Errorf("attach: %w: the Job has no Key", ErrInvalid)
	}
	t, err := r.submission(ctx, j, r.caller(1))
	if err != nil {
		return nil, err
	}
	t.submittedAt = time.Time{}
	run := t.run()
	run.started = time.Time{}
	return run, nil
}

// checkKey refuses a Key that could not be told from another.
func (j Job) checkKey() error {
	if len(j.Key) > maxRunKey {
		return fmt.Errorf("submit %.64q: %w: its Key has %d bytes, at most %d are allowed", j.Name, ErrInvalid, len(j.Key), maxRunKey)
	}
	return nil
}

// newID is a fresh id, or for a job with a Key the one that every process derives of it for the same thing.
func (t *task) newID(thing string) event.UUID {
	if t.job.Key == "" {
		return t.rec.newID()
	}
	base := t.rec.base
	return event.DeriveUUID("run key: "+thing, base.AppID+"\n"+base.Environment+"\n"+t.job.Key, [6]byte{})
}

// attempt names a thing that each attempt of a job has of its own.
func (t *task) attempt(thing string) string {
	return thing + " " + strconv.FormatInt(max(t.job.Attempt, 1), 10)
}

// detached says whether the run outlives the process that starts it.
func (r *Run) detached() bool { return r.t.job.Key != "" }

// startReferences are the files that run, and before them that the run is detached: whoever finds its process gone must
// know that this says nothing.
func (r *Run) startReferences() []event.Reference {
	all := r.t.job.Code.Files
	if r.detached() {
		mark := event.Reference{Kind: event.ReferenceDetached, Value: fmt.Sprintf("does not end with process %d", os.Getpid())}
		all = append([]event.Reference{mark}, all...)
	}
	return fitReferences(all, 0)
}
