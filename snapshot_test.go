package stet_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"testing"

	"github.com/stetlog/stet"
	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/snapshot"
)

// What was before is durable before the work begins, and stands in the outcome as well.
func TestRecordBefore(t *testing.T) {
	w := open(t, stet.Options{})
	ctx := t.Context()
	before, err := snapshot.Value(map[string]int{"rows": 3}, snapshot.Options{Object: "table a", Public: true})
	if err != nil {
		t.Fatal(err)
	}
	run, err := w.Begin(ctx, job("purge"))
	if err != nil {
		t.Fatal(err)
	}
	if err := run.RecordBefore(ctx, before); err != nil {
		t.Fatal(err)
	}
	said := w.only("job_snapshot")
	if said.Before == nil || said.Before.Digest != before.Digest || said.Before.Object != "table a" || said.After != nil || said.Job.RunID != run.ID() {
		t.Errorf("recorded before the work: %+v", said.Before)
	}
	before.Digest = "changed by its owner"
	if err := run.Succeed(ctx); err != nil {
		t.Fatal(err)
	}
	if end := w.only("job_succeeded"); end.Before == nil || end.Before.Digest != said.Before.Digest {
		t.Errorf("the outcome has %+v", end.Before)
	}
	if err := run.RecordBefore(ctx, before); !errors.Is(err, stet.ErrEnded) {
		t.Errorf("after the end: %v, want ErrEnded", err)
	}
	for _, err := range []error{(&stet.Run{}).RecordBefore(ctx, before), run.RecordBefore(ctx, nil)} {
		if !errors.Is(err, stet.ErrInvalid) {
			t.Errorf("%v, want ErrInvalid", err)
		}
	}
	if lost := w.lost(); len(lost) != 0 {
		t.Errorf("lost: %v", lost)
	}
}

// What the schema refuses of a snapshot costs neither its event nor the outcome.
func TestRecordBeforeThatIsRefused(t *testing.T) {
	w := open(t, stet.Options{})
	err := w.Do(t.Context(), job("purge"), func(ctx context.Context, run *stet.Run) error {
		return run.RecordBefore(ctx, &event.Snapshot{Digest: "md5:0", Summary: "kept"})
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, typ := range []string{"job_snapshot", "job_succeeded"} {
		if e := w.only(typ); e.Before == nil || e.Before.Summary != "kept" || e.Before.Digest != "" {
			t.Errorf("%s has %+v", typ, e.Before)
		}
	}
}

// A job says what the data was before and after. The state before is in the log even where the job is killed.
func ExampleRun_Snapshot() {
	rec, done := throwaway(stet.Options{})
	defer done()
	dir, err := os.MkdirTemp("", "stet-example-")
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()

	err = rec.Do(context.Background(), stet.Job{Name: "report", Reason: "month end"}, func(ctx context.Context, run *stet.Run) error {
		before, err := snapshot.Tree(ctx, dir, snapshot.TreeOptions{})
		if err != nil {
			return err
		}
		if err := run.RecordBefore(ctx, before.Snapshot()); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, "report.csv"), []byte("a,b\n"), 0o600); err != nil {
			return err
		}
		after, err := snapshot.Tree(ctx, dir, snapshot.TreeOptions{})
		if err != nil {
			return err
		}
		run.Snapshot(nil, after.Snapshot())
		if changes, ok := snapshot.Diff(before, after); ok {
			impact := changes.Impact()
			run.Impact(impact.Summary, impact.Counts)
			fmt.Println(impact.Summary)
		}
		return nil
	})
	fmt.Println(err)
	// Output:
	// 1 file added
	// <nil>
}
