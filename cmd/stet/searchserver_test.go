package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/logread"
	"github.com/stetlog/stet/internal/search"
	"github.com/stetlog/stet/internal/store"
)

// What a server says that its index has found is believed only as far as it can be proven: a row that is not in the log, is not what
// was asked for, or is in doubt is not shown, and makes the search fail.
func TestAskedSearchBelievesNothing(t *testing.T) {
	r, cp := logOf(t, filepath.Join(t.TempDir(), "store"), filepath.Join(t.TempDir(), "state"), func(held *store.Held) {
		for _, id := range []string{"alice", "bob"} {
			if _, err := held.Record(t.Context(), &event.Event{EventType: "user_created", InteractionID: "i", Action: "create", Object: &event.Object{Type: "user", ID: id}, CodeLocation: "x",
				EntryPoint: &event.EntryPoint{Kind: "function", Name: "x"}}); err != nil {
				t.Fatal(err)
			}
		}
	})
	q, err := search.Parse("event:user_created")
	if err != nil {
		t.Fatal(err)
	}
	var rows []foundRow
	if _, err := search.NewScanner(r.Source(), q, time.Now()).Back(t.Context(), cp, func(h search.Hit) error {
		rows = append(rows, foundRow{Seq: h.Seq, Key: h.Key, Entry: bytes.Clone(h.Raw)})
		return nil
	}); err != nil || len(rows) != 2 {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	first, err := logread.Entry(t.Context(), r.Source(), 0)
	if err != nil {
		t.Fatal(err)
	}
	altered := rows[1]
	altered.Entry = bytes.Replace(altered.Entry, []byte("alice"), []byte("carol"), 1)
	other := rows[1]
	other.Seq--
	doubted := rows[1]
	doubted.Doubt = "it does not agree"
	for name, tc := range map[string]struct {
		rows  []foundRow
		shown int
		says  string
	}{
		"good":         {rows, 2, ""},
		"altered":      {[]foundRow{rows[0], altered}, 1, "is not in the log"},
		"elsewhere":    {[]foundRow{rows[0], other}, 1, "is not in the log"},
		"not asked":    {[]foundRow{rows[0], {Seq: 0, Entry: first}}, 1, "it does not"},
		"in doubt":     {[]foundRow{rows[0], doubted}, 1, "it does not agree"},
		"out of order": {[]foundRow{rows[1], rows[0]}, 1, ""},
		"twice":        {[]foundRow{rows[0], rows[0]}, 1, ""},
	} {
		stderr, err := os.Create(filepath.Join(t.TempDir(), "stderr"))
		if err != nil {
			t.Fatal(err)
		}
		search := &askedSearch{e: &env{ctx: t.Context(), stderr: stderr}, src: r.Source(), query: q, now: time.Now(), rows: 10,
			ask: func(context.Context, string, string, []byte, int64) ([]byte, error) {
				return json.Marshal(map[string]any{"searched": map[string]any{"indexed": cp.Size, "size": cp.Size}, "rows": tc.rows})
			}}
		shown := 0
		_, err = search.Back(t.Context(), cp, countHits(&shown))
		said, rerr := os.ReadFile(stderr.Name())
		if rerr != nil || stderr.Close() != nil {
			t.Fatal(rerr)
		}
		var damage *logread.DamageError
		if bad := name != "good"; shown != tc.shown || errors.As(err, &damage) != bad || !strings.Contains(string(said), tc.says) {
			t.Errorf("%s: %d rows are shown, %v; said %q", name, shown, err, said)
		}
	}
}

func countHits(n *int) func(search.Hit) error {
	return func(search.Hit) error {
		*n++
		return nil
	}
}
