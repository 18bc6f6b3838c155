package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/stetlog/stet"
)

// throwaway makes the directories of a server for trying out, with sample jobs in the spools of its store. remove removes
// all of it.
func throwaway(ctx context.Context) (path, state string, remove func() error, err error) {
	dir, err := os.MkdirTemp("", "stet-dev-")
	if err != nil {
		return "", "", nil, err
	}
	path, state = filepath.Join(dir, "store"), filepath.Join(dir, "state")
	remove = func() error { return os.RemoveAll(dir) }
	if err := sampleJobs(ctx, path, state); err != nil {
		return "", "", nil, errors.Join(fmt.Errorf("sample jobs: %w", err), remove())
	}
	return path, state, remove, nil
}

// sampleJobs records a job with two below it, of which the second fails.
func sampleJobs(ctx context.Context, path, state string) (err error) {
	rec, err := stet.Open(ctx, path, stet.Options{App: "sample", Environment: "test", StateDir: state})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rec.Close()) }()
	errFull := errors.New("the disk of the archive is full")
	err = rec.Do(ctx, stet.Job{Name: "nightly", Reason: "nightly maintenance"}, func(ctx context.Context, run *stet.Run) error {
		err := rec.Do(ctx, stet.Job{Name: "backup", Reason: "before the purge", Params: map[string]any{"table": "orders"}}, func(_ context.Context, run *stet.Run) error {
			run.Impact("1 table copied", map[string]int64{"rows": 1204})
			return nil
		})
		if err != nil {
			return err
		}
		run.Impact("purged after the backup", map[string]int64{"tables": 1})
		return rec.Do(ctx, stet.Job{Name: "purge", Reason: "retention: 90 days"}, func(context.Context, *stet.Run) error { return errFull })
	})
	if !errors.Is(err, errFull) {
		return err
	}
	return nil
}
