package exports

import (
	"context"
	"crypto/rand"
	"errors"
	"os"
	"testing"
	"time"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/evidence"
	"github.com/stetlog/stet/internal/exhibit"
	"github.com/stetlog/stet/internal/fsx/fsxtest"
	"github.com/stetlog/stet/internal/keyfile"
	"github.com/stetlog/stet/internal/known"
	"github.com/stetlog/stet/internal/logread"
	"github.com/stetlog/stet/internal/store"
)

func newKey(t *testing.T, name string) keyfile.Key {
	t.Helper()
	k, err := keyfile.Generate(name, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// newLog is a log with an event, and its verifier key.
func newLog(t *testing.T) (src logread.Source, vkey string) {
	t.Helper()
	disk, ctx := fsxtest.New(), context.Background()
	keys := store.Keys{Log: newKey(t, "log.example/a"), Store: newKey(t, "stet-store/a")}
	held, err := store.New(disk, known.Dir{FS: disk, Name: "state"}, func(bool) (store.Keys, error) { return keys, nil }).Hold(ctx,
		store.HoldOptions{Preallocate: -1, PublishBusy: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := held.Record(ctx, &event.Event{EventType: "server_started", Action: "start", InteractionID: "x", CodeLocation: "x"}); err != nil {
		t.Fatal(err)
	}
	if err := held.Close(ctx); err != nil { // which publishes
		t.Fatal(err)
	}
	return logread.Store(disk), keys.Log.VKey
}

// What is made is handed on where it verifies with the log's own key, and nowhere else.
func TestUnverified(t *testing.T) {
	ctx := t.Context()
	src, own := newLog(t)
	log := exhibit.Log{Source: src}
	var err error
	if log.Signed, err = logread.Checkpoint(ctx, log.Source, own); err != nil {
		t.Fatal(err)
	}
	try := func(vkey string) (Made, error) {
		f, err := os.CreateTemp(t.TempDir(), "f")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = f.Close() }()
		log.VKey = vkey
		return Make(ctx, f, log, exhibit.Request{Now: time.Now(), By: "me", Tool: "test"}, evidence.Options{})
	}
	m, err := try(own)
	if err != nil || m.Counts.Found == 0 || m.Bytes == 0 || len(m.SHA256) != 64 {
		t.Errorf("%+v, %v", m, err)
	}
	if _, err := try(newKey(t, "log.example/a").VKey); !errors.Is(err, ErrUnverified) {
		t.Errorf("a checkpoint by another key: %v", err)
	}
}
