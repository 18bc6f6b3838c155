package generate_test

import (
	"context"
	"crypto/sha256"
	"strings"
	"testing"

	"github.com/stetlog/stet/bench/generate"
	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/fsx"
	"github.com/stetlog/stet/internal/logread"
	"github.com/stetlog/stet/internal/verify"
	"github.com/stetlog/stet/proof"
)

// TestEvents: every event is one that a log takes, streams have no holes, and what the package promises of its events holds.
func TestEvents(t *testing.T) {
	made := func(seed uint64) (sum [32]byte, types map[string]int) {
		var codec event.Codec
		h := sha256.New()
		types = map[string]int{}
		last := map[event.UUID]uint64{}
		children, rare, n := 0, 0, 0
		family := ""
		of := map[string]bool{} // its children
		if err := generate.Events(generate.Config{Seed: seed, Events: 12_000, Children: 240, Own: 120}, func(e *event.Event) error {
			b, err := codec.Append(nil, e)
			if err == nil {
				_, err = codec.Check(b)
			}
			if err != nil {
				t.Fatalf("event %d: %v", n, err)
			}
			if e.StreamSeq != last[e.StreamID]+1 {
				t.Fatalf("event %d is number %d of its stream, after %d", n, e.StreamSeq, last[e.StreamID])
			}
			last[e.StreamID] = e.StreamSeq
			types[e.EventType]++
			if e.Job != nil && e.Job.ParentID != "" {
				children++
			}
			switch {
			case e.Job == nil:
			case e.Job.Name == generate.Family:
				family = e.Job.ID
			case e.Job.ParentID != "" && e.Job.ParentID == family:
				of[e.Job.ID] = true
			}
			if e.AppID == generate.Server {
				types[generate.Server]++
			}
			if strings.Contains(string(b), generate.Rare) {
				rare++
			}
			n++
			h.Write(b)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if len(of) != 240 || types[generate.Server] != 120 {
			t.Errorf("a family of %d, %d events of the server's own", len(of), types[generate.Server])
		}
		if n != 12_000 || children == 0 || rare != 1 {
			t.Errorf("%d events, %d of children, %d rare", n, children, rare)
		}
		return [32]byte(h.Sum(nil)), types
	}
	a, types := made(1)
	if b, _ := made(1); a != b {
		t.Error("the same seed made other events")
	}
	if b, _ := made(2); a == b {
		t.Error("another seed made the same events")
	}
	if n := types["job_submitted"]; n < 470 || n > 481 {
		t.Errorf("%d jobs of 240, and a family of 241", n)
	}
	if types["job_started"] <= types["job_succeeded"]+types["job_failed"]+types["job_aborted"] {
		t.Errorf("no run is without an end: %v", types)
	}
	for _, k := range []string{"job_denied", "job_failed", "job_aborted"} {
		if types[k] == 0 {
			t.Errorf("no %s", k)
		}
	}
}

// TestStore: what is written is a log as any other, over the time that its events span.
func TestStore(t *testing.T) {
	ctx := context.Background()
	fsys, err := fsx.OpenDir(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = fsys.Close() }()
	c := generate.Config{Seed: 1, Events: 3000, Children: 30, Own: 60}
	if err := generate.Store(ctx, fsys, c); err != nil {
		t.Fatal(err)
	}
	src := logread.Store(fsys)
	r, err := verify.Log(ctx, src, verify.Options{})
	if err != nil || r.Events != 3000 {
		t.Fatalf("%d events: %v", r.Events, err)
	}
	var first, last string
	if err := logread.Entries(ctx, src, 0, r.Size, func(_ uint64, b []byte) error {
		e, err := proof.ParseEntry(b)
		if first == "" {
			first = e.ReceivedAt
		}
		last = e.ReceivedAt
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if first[:7] != "2026-01" || last[:10] != "2026-01-30" {
		t.Errorf("received from %s to %s", first, last)
	}
}
