package main

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/index/indextest"
	"github.com/stetlog/stet/internal/search"
	"github.com/stetlog/stet/internal/store"
	"github.com/stetlog/stet/proof"
)

// Over generated events and queries, stet search finds on a directory, with an index and without, what a naive scan of the log finds:
// whatever a person types goes through the command's own flags, arguments and printing.
func TestSearchFindsWhatAScanFinds(t *testing.T) {
	x := newShop(t)
	now := time.Now()
	r, cp := logOf(t, x.store, x.state, func(held *store.Held) {
		for n := range 60 {
			e := rapid.Custom(func(rt *rapid.T) *event.Event { return indextest.Event(rt, n+1, now) }).Example(n)
			e.EventID, e.AppID, e.Environment, e.StreamID, e.StreamSeq, e.Timestamp = event.UUID{}, "", "", event.UUID{}, 0, time.Time{}
			if e.EventType == "job_lost" { // which the store has its own way to say
				e.EventType = "job_failed"
			}
			if _, err := held.Record(t.Context(), e); err != nil {
				continue // not all that is drawn holds for a store's own events; the query below says that enough did
			}
		}
	})
	scanned := func(q search.Query) (all []*search.Record) {
		if err := search.NewScanner(r.Source(), search.Query{}, now).Forward(t.Context(), cp, 0, func(h search.Hit) error {
			if search.NewMatcher(q, now).Match(h.Record) {
				all = append(all, h.Record)
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		return all
	}
	all := scanned(search.Query{})
	if len(all) < 40 {
		t.Fatalf("only %d events were recorded", len(all))
	}
	asked, hits := 0, 0
	for _, indexed := range []bool{false, true} {
		if indexed {
			x.must(t, exitOK, "admin", "index", "rebuild")
		}
		for n := range 40 {
			q, err := search.Parse(search.Query{Root: rapid.Custom(func(rt *rapid.T) search.Node { return indextest.Query(rt, all, 2) }).Example(n)}.String())
			if err != nil {
				continue // too long or too deep as it is written
			}
			var want, got []uint64
			for _, rec := range scanned(q) {
				want = append(want, rec.Seq)
			}
			for line := range bytes.Lines(x.must(t, exitOK, "search", "--json", "--limit", "0", "--", q.String())) {
				e, err := proof.ParseEntry(bytes.TrimSuffix(line, []byte("\n")))
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, e.Seq)
			}
			if slices.Reverse(got); !slices.Equal(got, want) {
				t.Errorf("%s (index: %v) finds %v, a scan %v", q, indexed, got, want)
			}
			if asked++; len(want) > 0 && len(want) < len(all) {
				hits++
			}
		}
	}
	if hits*5 < asked {
		t.Errorf("only %d of %d queries found something and not everything: the generator is of no use", hits, asked)
	}
	t.Logf("%d questions, %d of them found something and not everything", asked, hits)
}

// logOf makes a store, has its log filled, and reads it.
func logOf(t *testing.T, dir, state string, fill func(*store.Held)) (*store.Reading, proof.Checkpoint) {
	t.Helper()
	s, err := store.OpenOrMake(dir, state)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	held, err := s.Hold(t.Context(), store.HoldOptions{Preallocate: -1})
	if err != nil {
		t.Fatal(err)
	}
	fill(held)
	if err := held.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	r, err := s.Reading()
	if err != nil {
		t.Fatal(err)
	}
	cp, _, err := r.Checkpoint(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return r, cp
}
