package exhibit_test

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stetlog/stet"
	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/evidence"
	"github.com/stetlog/stet/internal/exhibit"
	"github.com/stetlog/stet/internal/logread"
	"github.com/stetlog/stet/internal/search"
	"github.com/stetlog/stet/internal/store"
)

// logOf makes a store of some recorders' events, and opens its log.
func logOf(t testing.TB) exhibit.Log {
	t.Helper()
	dir, state := t.TempDir(), t.TempDir()
	t.Setenv("STET_STATE", state)
	ctx := t.Context()
	for round := range 6 {
		for _, app := range []string{"shop", "desk"} {
			rec, err := stet.Open(ctx, dir, stet.Options{App: app, Environment: "test"})
			if err != nil {
				t.Fatal(err)
			}
			for i := range 5 {
				if err := rec.Record(ctx, event.Event{EventType: "sensitive_read", Action: "read", UserID: []string{"alice", "bob", "=carol"}[(round+i)%3],
					Object: &event.Object{Type: "file", ID: fmt.Sprint("f", i)}}); err != nil {
					t.Fatal(err)
				}
			}
			if err := rec.Do(ctx, stet.Job{Name: "nightly", Reason: "purge <b>"}, func(context.Context, *stet.Run) error { return errors.New("failed") }); err == nil {
				t.Fatal("the job's own error is lost")
			}
			if err := rec.Close(); err != nil {
				t.Fatal(err)
			}
		}
		s, err := store.Open(dir, state)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Drain(ctx); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	s, err := store.Open(dir, state)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	r, err := s.Reading()
	if err != nil {
		t.Fatal(err)
	}
	cp, note, err := r.Checkpoint(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return exhibit.Log{Source: r.Source(), Signed: logread.Signed{Checkpoint: cp, Note: note, VKey: r.LogKey}}
}

func mustParse(t testing.TB, text string) search.Query {
	t.Helper()
	q, err := search.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

func unzip(t testing.TB, file []byte, name string) []byte {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		t.Fatal(err)
	}
	r, err := z.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestEvidenceHasWhatTheScannerFinds: for any query, no entry more and none less, whole or not; and it verifies.
func TestEvidenceHasWhatTheScannerFinds(t *testing.T) {
	l := logOf(t)
	now := time.Now()
	mid, err := logread.Entry(t.Context(), l.Source, l.Size/2)
	if err != nil {
		t.Fatal(err)
	}
	_, at, _ := strings.Cut(string(mid), `"received_at":"`)
	at = at[:30]
	for _, text := range []string{"", "actor:alice", "-actor:alice", "event:job_failed", "event:emitter_enrolled", "app:desk seq:20..60", "seq:0", "seq:1000000..", "after:" + at, "before:" + at + " actor:bob",
		"before:2020-01-01", "after:2100-01-01", "actor:nobody", "emitter:stet-store/*", "since:1h is:security"} {
		text = strings.Replace(text, "seq:1000000..", "seq:>=1000000", 1)
		q := mustParse(t, text)
		var want []uint64
		if _, err := search.NewScanner(l.Source, q, now).Back(t.Context(), l.Checkpoint, func(h search.Hit) error {
			want = append(want, h.Seq)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		slices.Reverse(want)
		for _, whole := range []bool{false, true} {
			var out bytes.Buffer
			m, err := exhibit.Write(t.Context(), &out, l, exhibit.Request{Query: q, Now: now, By: "auditor", Tool: "stet test", Whole: whole})
			if errors.Is(err, exhibit.ErrNothing) && whole && len(want) == 0 && strings.HasPrefix(text, "seq:>=1000000") {
				continue // nothing there to account for
			}
			if err != nil {
				t.Fatalf("%s, whole %v: %v", text, whole, err)
			}
			rep, err := evidence.Verify(t.Context(), bytes.NewReader(out.Bytes()), int64(out.Len()), evidence.Options{LogKey: l.VKey})
			if err != nil || rep.State() != evidence.Verified {
				t.Fatalf("%s, whole %v: %s, %v: %v", text, whole, rep.Word(), err, rep.Findings)
			}
			if diff := cmp.Diff(m, rep.Manifest); diff != "" {
				t.Fatalf("%s: the manifest: %s", text, diff)
			}
			rows, err := csv.NewReader(bytes.NewReader(unzip(t, out.Bytes(), "events.csv"))).ReadAll()
			if err != nil {
				t.Fatal(err)
			}
			var got []uint64
			for _, row := range rows[1:] {
				var seq uint64
				if _, err := fmt.Sscan(row[0], &seq); err != nil {
					t.Fatal(err)
				}
				got = append(got, seq)
			}
			if diff := cmp.Diff(want, got); diff != "" || m.Counts.Found != uint64(len(want)) || rep.Found != uint64(len(want)) {
				t.Errorf("%s, whole %v: found %d of %d: %s", text, whole, rep.Found, len(want), diff)
			}
			if whole != (rep.Manifest.Whole != nil) {
				t.Errorf("%s: whole is %v", text, rep.Manifest.Whole)
			}
		}
	}
}

// TestForPeople: no cell of the table is a formula, and no text of a story is markup.
func TestForPeople(t *testing.T) {
	l := logOf(t)
	var out bytes.Buffer
	if _, err := exhibit.Write(t.Context(), &out, l, exhibit.Request{Query: mustParse(t, "app:shop"), Now: time.Now(), By: "<script>alert(1)</script>", Tool: "stet test"}); err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(bytes.NewReader(unzip(t, out.Bytes(), "events.csv"))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	carol := 0
	for _, row := range rows {
		for _, cell := range row {
			if cell != "" && strings.ContainsAny(cell[:1], "=+-@\t\r") {
				t.Errorf("%q is a formula", cell)
			}
			if cell == "'=carol" {
				carol++
			}
		}
	}
	if carol == 0 {
		t.Error("no cell was a formula before")
	}
	page := string(unzip(t, out.Bytes(), "stories.html"))
	if strings.Contains(page, "<script") || strings.Contains(page, "<b>") || !strings.Contains(page, "nightly failed") && !strings.Contains(page, "nightly") {
		t.Error(page)
	}
}

// lying serves another entry than the log has.
type lying struct{ logread.Source }

func (s lying) Fetch(ctx context.Context, path string) ([]byte, error) {
	b, err := s.Source.Fetch(ctx, path)
	return bytes.Replace(b, []byte(`"user_id":"alice"`), []byte(`"user_id":"alicf"`), 1), err
}

// TestALogThatIsNotWhatWasSigned makes no evidence.
func TestALogThatIsNotWhatWasSigned(t *testing.T) {
	l := logOf(t)
	l.Source = lying{l.Source}
	_, err := exhibit.Write(t.Context(), io.Discard, l, exhibit.Request{Query: mustParse(t, "actor:bob"), Now: time.Now()})
	var damage *logread.DamageError
	if !errors.As(err, &damage) {
		t.Errorf("got %v, want damage", err)
	}
}
