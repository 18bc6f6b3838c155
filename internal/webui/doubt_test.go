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
