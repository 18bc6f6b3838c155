package stet_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stetlog/stet"
	"github.com/stetlog/stet/event"
)

func TestSmoke(t *testing.T) {
	t.Setenv("STET_STATE", t.TempDir())
	rec, err := stet.Open(context.Background(), t.TempDir(), stet.Options{App: "billing"})
	if err != nil {
		t.Fatal(err)
	}
	boom := errors.New("boom")
	err = rec.Do(context.Background(), stet.Job{Name: "a", Reason: "r"}, func(ctx context.Context, run *stet.Run) error {
		run.Impact("1,000 records updated", map[string]int64{"rows": 1000})
		if err := rec.Record(ctx, event.Event{EventType: "authn_login_success", UserID: "bob"}); err != nil {
			t.Error(err)
		}
		if err := run.Heartbeat(ctx, "half", time.Time{}); err != nil {
			t.Error(err)
		}
		return rec.Do(ctx, stet.Job{Name: "child"}, func(ctx context.Context, run *stet.Run) error { return boom })
	})
	if err != boom {
		t.Fatal(err)
	}
	if err := rec.Close(); err != nil {
		t.Fatal(err)
	}
}
