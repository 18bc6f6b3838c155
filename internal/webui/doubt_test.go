package webui

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stetlog/stet/internal/fsx"
	"github.com/stetlog/stet/internal/logread"
	"github.com/stetlog/stet/proof"
)

// An entry that somebody has changed on the disk is shown as it is stored, with the word FAILED and its number, on its own page
// and among results.
func TestDoubt(t *testing.T) {
	w := newSite(t)
	seq := w.record(job("a", map[string]any{"user_id": "alice"})...)
	w.found("auditor", "/search")
	w.alter("alice", "mally")
	for target, want := range map[string]string{
		fmt.Sprintf("/event?seq=%d", seq): fmt.Sprintf("FAILED at seq %d", seq),
		"/search?q=app%3Ashop":            "In doubt",
		"/story?interaction=story+of+a":   "FAILED at seq",
	} {
		a := w.get("auditor", target)
		if body := a.Body.String(); !strings.Contains(body, want) {
			t.Errorf("%s does not say %q: %d\n%s", target, want, a.Code, body)
		}
	}
	if body := w.get("auditor", fmt.Sprintf("/event?seq=%d", seq)).Body.String(); !strings.Contains(body, "mally") || strings.Contains(body, "alice") || strings.Contains(body, `truth authenticated">authenticated</span> <span class="dim">held against the seal`) {
		t.Error("the page does not show what is stored, or says that it was held against something")
	}
	// The server verifies its own log again, all the sooner as somebody has seen that.
	want := fmt.Sprintf("FAILED at seq %d", seq)
	for range 2000 {
		if strings.Contains(w.get("auditor", "/").Body.String(), want) {
			want = ""
			break
		}
		time.Sleep(10 * time.Millisecond) // another goroutine verifies
	}
	if want != "" {
		t.Errorf("the overview does not say %q: %s", want, w.get("auditor", "/").Body)
	}
	if body := w.get("reader", "/").Body.String(); !strings.Contains(body, "FAILED") {
		t.Error("who reads one application is not told that the log fails")
	}
	r := w.get("auditor", fmt.Sprintf("/v1/entries/%d/proof", seq))
	if r.Code != http.StatusInternalServerError {
		t.Errorf("what proves nothing is given out as a proof: %d", r.Code)
	}
}

// A file of the log that is damaged, cut or gone leaves no page blank: what can be shown is, and each row that cannot be read, or not
// be proven, says so beside its number.
func TestDamage(t *testing.T) {
	w := newSite(t)
	seq := w.record(job("a", map[string]any{"user_id": "alice"})...)
	w.found("auditor", "/search")
	for name, damage := range map[string]struct {
		entries bool // else hashes
		do      func(b []byte) []byte
		why     string
	}{
		"other bytes":  {true, func(b []byte) []byte { b[11] ^= 0x55; return b }, "is damaged"},
		"cut":          {true, func(b []byte) []byte { return b[:len(b)/2] }, "is damaged"},
		"nothing":      {true, func([]byte) []byte { return nil }, "is damaged"},
		"gone":         {true, nil, "is missing"},
		"fewer hashes": {false, func(b []byte) []byte { return b[:64] }, "cannot be proven"},
		"no hashes":    {false, nil, "cannot be proven"},
	} {
		mend := w.damage(damage.entries, damage.do)
		for target, want := range map[string]string{
			"/search?q=app%3Ashop":            "In doubt",
			"/search":                         "In doubt",
			"/rows?q=app%3Ashop":              "In doubt",
			"/story?interaction=story+of+a":   fmt.Sprintf("FAILED at seq %d", seq),
			fmt.Sprintf("/event?seq=%d", seq): fmt.Sprintf("FAILED at seq %d", seq),
			"/ghosts":                         "Ghosts",
			"/":                               "Stalled",
			"/v1/events?q=app%3Ashop":         fmt.Sprintf(`{"seq":%d,"doubt":`, seq),
			"/v1/stories/story%20of%20a":      fmt.Sprintf(`"doubts":[{"seq":%d,`, seq),
			"/v1/counts?histogram=10":         `"count":`,
		} {
			a := w.get("auditor", target)
			if body := a.Body.String(); a.Code != http.StatusOK || !strings.Contains(body, want) {
				t.Errorf("%s: %s does not say %q: %d\n%s", name, target, want, a.Code, body)
			}
		}
		if body := w.get("auditor", "/search?q=app%3Ashop").Body.String(); !strings.Contains(body, damage.why) || !strings.Contains(body, eventLink(seq)) {
			t.Errorf("%s: the results do not say %q of entry %d:\n%s", name, damage.why, seq, body)
		}
		if a := w.get("auditor", "/lineage?job=a"); a.Code == http.StatusInternalServerError || !strings.Contains(a.Body.String(), "FAILED") {
			t.Errorf("%s: the lineage does not say what is wrong: %d\n%s", name, a.Code, a.Body)
		}
		// Whose they are is not known any more: who reads one application learns the numbers, and nothing else.
		if body := w.get("other", "/search").Body.String(); strings.Contains(body, "alice") || strings.Contains(body, "job a") {
			t.Errorf("%s: the reader of another application sees what is damaged", name)
		}
		mend()
	}
}

// damage does something to the newest file of entries, or of hashes, until it is mended; nil: takes it away.
func (w *site) damage(entries bool, do func([]byte) []byte) (mend func()) {
	w.t.Helper()
	size := w.size()
	tile, _ := logread.Bundle(size-1, size)
	tile.Entries = entries
	name := logread.StoreLog + "/" + tile.Path()
	good, err := fsx.ReadFile(w.disk, name, 1<<20)
	if err == nil && do == nil {
		err = w.disk.Remove(name)
	} else if err == nil {
		err = fsx.Replace(w.disk, name, do(bytes.Clone(good)), 0o600)
	}
	if err != nil {
		w.t.Fatal(err)
	}
	return func() {
		if err := fsx.Replace(w.disk, name, good, 0o600); err != nil {
			w.t.Fatal(err)
		}
	}
}

// alter changes the stored entries, in all files that have them.
func (w *site) alter(from, to string) {
	w.t.Helper()
	size := w.size()
	src := logread.Store(w.disk)
	tile, _ := logread.Bundle(size-1, size)
	b, err := src.Fetch(context.Background(), tile.Path())
	if err != nil {
		w.t.Fatal(err)
	}
	if !bytes.Contains(b, []byte(from)) || len(from) != len(to) {
		w.t.Fatalf("%q cannot be changed into %q", from, to)
	}
	var packed bytes.Buffer
	z, err := gzip.NewWriterLevel(&packed, gzip.BestSpeed) // the one form that stored bundles have
	if err != nil {
		w.t.Fatal(err)
	}
	if _, err = z.Write(bytes.ReplaceAll(b, []byte(from), []byte(to))); err == nil {
		err = z.Close()
	}
	if err == nil {
		err = fsx.Replace(w.disk, logread.StoreLog+"/"+tile.Path(), packed.Bytes(), 0o600)
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *site) size() uint64 {
	w.t.Helper()
	b, err := logread.Store(w.disk).Fetch(context.Background(), logread.CheckpointPath)
	if err != nil {
		w.t.Fatal(err)
	}
	cp, err := proof.ParseCheckpointText(b)
	if err != nil {
		w.t.Fatal(err)
	}
	return cp.Size
}
