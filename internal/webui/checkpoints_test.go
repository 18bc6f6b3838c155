package webui

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stetlog/stet/internal/fsx"
	"github.com/stetlog/stet/internal/logread"
	"github.com/stetlog/stet/proof"
)

// Two sizes of the log are compared by its own tiles, and held against the checkpoint that it has signed; one that does not lead
// there is said to have failed.
func TestCheckpointsAreCompared(t *testing.T) {
	w := newSite(t)
	w.record(job("a", nil)...)
	size := w.record(job("b", nil)...)
	for from := range size {
		a := w.get("reader", fmt.Sprintf("/checkpoints?from=%d&to=%d", from, size-1))
		if body := a.Body.String(); a.Code != http.StatusOK || !strings.Contains(body, "consistent") || strings.Contains(body, "FAILED") {
			t.Fatalf("from %d: %d %s", from, a.Code, body)
		}
	}
	for _, wrong := range []string{"?from=2&to=1", "?from=1&to=999999", "?from=-1", "?from=1&to=x", "?to=1"} {
		if a := w.get("reader", "/checkpoints"+wrong); a.Code != http.StatusBadRequest || !strings.Contains(a.Body.String(), "whole numbers") {
			t.Errorf("%s: %d", wrong, a.Code)
		}
	}
	if a := w.get("reader", "/checkpoints"); !strings.Contains(a.Body.String(), "no witness has signed it") {
		t.Error("it is not said that nobody else has signed the checkpoint")
	}
	w.alterTile()
	if a := w.get("reader", fmt.Sprintf("/checkpoints?from=1&to=%d", size)); !strings.Contains(a.Body.String(), "FAILED") {
		t.Errorf("a tile was altered, and the page says %s", a.Body)
	}
}

// alterTile changes the first hash of the log's tiles.
func (w *site) alterTile() {
	w.t.Helper()
	_, width := proof.TilesFor(w.size(), 0)
	tile := proof.Tile{Width: width}
	b, err := logread.Store(w.disk).Fetch(context.Background(), tile.Path())
	if err == nil {
		b[0] ^= 1
		err = fsx.Replace(w.disk, logread.StoreLog+"/"+tile.Path(), b, 0o600)
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

func TestCosigners(t *testing.T) {
	note := "log.example/a\n5\nroot\n\n— log.example/a AAAA\n— witness.example/w BBBB\n"
	if got := cosigners(note, "log.example/a"); len(got) != 1 || got[0] != "witness.example/w" {
		t.Errorf("%q", got)
	}
}

// Keys are shown to who may see them, with what they have sealed, and those that were revoked as such.
func TestEmitters(t *testing.T) {
	w := newSite(t)
	w.record(job("a", nil)...)
	body := w.found("auditor", "/emitters").Body.String()
	for _, want := range []string{"stet-store/", "stet-door/", `badge good`, "has a gap that was recorded"} {
		if !strings.Contains(body, want) {
			t.Errorf("the page has no %q:\n%s", want, body)
		}
	}
	if body := w.found("reader", "/emitters").Body.String(); strings.Contains(body, "stet-store/") || !strings.Contains(body, "an auditor") {
		t.Errorf("a reader of one application sees %s", body)
	}
}
