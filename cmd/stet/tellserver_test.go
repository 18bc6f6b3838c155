package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/search"
	"github.com/stetlog/stet/internal/store"
)

// Which stories a word means, and which of them is the latest, is the same whether the log is read or an index is asked, also where
// the index is asked about the newest events only: a story is as late as its beginning, not as its end.
func TestAskedTellerFindsWhatTheLogSays(t *testing.T) {
	r, cp := logOf(t, filepath.Join(t.TempDir(), "store"), filepath.Join(t.TempDir(), "state"), func(held *store.Held) {
		random := rand.New(rand.NewPCG(1, 2))
		for n := range 60 {
			i := max(0, n/5-random.IntN(4)) // some begin while others that began before go on
			if _, err := held.Record(t.Context(), &event.Event{EventType: "job_heartbeat", InteractionID: fmt.Sprintf("interaction-%d", i), CodeLocation: "x",
				Job: &event.Job{ID: fmt.Sprintf("job-of-%d", i), Name: []string{"purge", "bill"}[i%2], Phase: "execution", RunID: fmt.Sprintf("run-of-%d", i)}, Heartbeat: &event.Heartbeat{N: 1},
				EntryPoint: &event.EntryPoint{Kind: "function", Name: "x"}}); err != nil {
				t.Fatal(err)
			}
		}
	})
	e := &env{ctx: t.Context()}
	scan := &teller{e: e, log: r}
	for _, window := range []int{1, 3, 10, 1000} {
		for _, most := range []int{1, 3, 20} {
			asked := &askedTeller{e: e, w: liveLog{log: r, ask: scannedFor(t, r)}, cp: cp, now: time.Now(), most: most, window: window}
			for _, word := range []string{"", "purge", "bill", "interaction-3", "interaction", "job-of-2", "run-of-1", "run-of", "7", "nothing"} {
				want, err := scan.look(word)
				if err != nil {
					t.Fatal(err)
				}
				got, err := asked.look(word)
				if err != nil {
					t.Fatal(err)
				}
				// Where it sees only the newest events, the last of those that it lists are still those that began last.
				if len(got) > len(want) || len(got) == 0 != (len(want) == 0) || window == 1000 && !slices.Equal(got, want) {
					t.Fatalf("window %d, %d at most, %q: %v, want %v", window, most, word, got, want)
				}
				for i := 1; i <= min(len(want), most) && startsIn(t, asked, want[len(want)-i].interaction, word, window); i++ {
					if len(got) < i || got[len(got)-i].interaction != want[len(want)-i].interaction {
						t.Fatalf("window %d, %d at most, %q: %v, want the end of %v", window, most, word, got, want)
					}
				}
			}
		}
	}
}

// startsIn says whether the first event of an interaction that a word fits is among the newest rows that do.
func startsIn(t *testing.T, asked *askedTeller, interaction, word string, window int) bool {
	t.Helper()
	q := search.Query{}
	switch {
	case word == "purge", word == "bill", strings.HasPrefix(word, "job-"):
		q = q.With(means(search.FieldJob, word))
	case strings.HasPrefix(word, "run-"):
		q = q.With(means(search.FieldRun, word))
	case strings.HasPrefix(word, "interaction"):
		q = q.With(means(search.FieldInteraction, word))
	case word != "":
		return false
	}
	q = q.With(search.Term{Field: search.FieldJob, Any: []search.Value{{Op: search.Present}}})
	rows, _, err := asked.hits(q, window)
	if err != nil {
		t.Fatal(err)
	}
	all, _, err := asked.hits(q.With(anyText(search.FieldInteraction, interaction)), 1000)
	if err != nil {
		t.Fatal(err)
	}
	return len(rows) > 0 && len(all) > 0 && all[0].Seq >= rows[0].Seq
}

// scannedFor answers as a server's index does, by reading the log.
func scannedFor(t *testing.T, r *store.Reading) func(context.Context, string, string, []byte, int64) ([]byte, error) {
	return func(ctx context.Context, _, path string, _ []byte, _ int64) ([]byte, error) {
		u, err := url.Parse(path)
		if err != nil {
			t.Fatal(err)
		}
		q, err := search.Parse(u.Query().Get("q"))
		if err != nil {
			t.Fatal(err)
		}
		limit, err := strconv.Atoi(u.Query().Get("limit"))
		if err != nil {
			t.Fatal(err)
		}
		cp, _, err := r.Checkpoint(ctx)
		if err != nil {
			t.Fatal(err)
		}
		skip, _ := strconv.Atoi(u.Query().Get("cursor"))
		rows, next, n := []foundRow{}, "", 0
		if _, err := search.NewScanner(r.Source(), q, time.Now()).Back(ctx, cp, func(h search.Hit) error {
			if n++; n <= skip {
				return nil
			}
			if len(rows) == limit {
				next = strconv.Itoa(skip + limit)
				return search.ErrStop
			}
			rows = append(rows, foundRow{Seq: h.Seq, Key: h.Key, Entry: bytes.Clone(h.Raw)})
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		return json.Marshal(map[string]any{"searched": map[string]any{"indexed": cp.Size, "size": cp.Size}, "rows": rows, "next": next})
	}
}
