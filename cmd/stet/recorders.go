package main

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/stetlog/stet"
)

// maxRecorders bounds the streams that are open at once; the one that was used longest ago makes room.
const maxRecorders = 32

// slowest bounds the wait for a record of an import. Nobody is kept waiting by it, and what ends an import is to be read again.
const slowest = 2 * time.Minute

// streamKey is what all events of a stream share.
type streamKey struct{ app, environment string }

// recorders are the streams of one import, because a stream is for one application in one environment.
type recorders struct {
	storeFlag
	state string
	open  []openRecorder // the one used last at the end
}

type openRecorder struct {
	key streamKey
	rec *stet.Recorder
}

func (r *recorders) get(ctx context.Context, key streamKey) (*stet.Recorder, error) {
	if i := slices.IndexFunc(r.open, func(o openRecorder) bool { return o.key == key }); i >= 0 {
		o := r.open[i]
		r.open = append(slices.Delete(r.open, i, i+1), o)
		return o.rec, nil
	}
	if len(r.open) == maxRecorders {
		oldest := r.open[0]
		r.open = slices.Delete(r.open, 0, 1)
		if err := oldest.rec.Close(); err != nil {
			return nil, err
		}
	}
	rec, err := stet.Open(context.WithoutCancel(ctx), r.Store, stet.Options{App: key.app, Environment: key.environment, StateDir: r.state,
		TokenFile: r.TokenFile, SendWait: -1, Deadline: slowest})
	if err != nil {
		return nil, err
	}
	r.open = append(r.open, openRecorder{key, rec})
	return rec, nil
}

func (r *recorders) close() error {
	var errs []error
	for _, o := range r.open {
		errs = append(errs, o.rec.Close())
	}
	r.open = nil
	return errors.Join(errs...)
}
