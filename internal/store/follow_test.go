package store

import (
	"bytes"
	"testing"

	"github.com/stetlog/stet/internal/fsx/fsxtest"
	"github.com/stetlog/stet/internal/logread"
	"github.com/stetlog/stet/proof"
)

// Whoever follows a log gets the bytes that are on its disk, also of a bundle that has grown since, and gets what was just
// published without looking there.
func TestNewest(t *testing.T) {
	fsys := fsxtest.New()
	h := hold(t, fsys)
	defer closeHeld(t, h)
	r := newRemote(t, 1, "a")
	want := map[string][]byte{}
	for _, n := range []int{1, 100, 200} {
		placeOne(t, h, r.say(n))
		size, err := h.Everything(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for at := uint64(0); at < size; at += proof.TileWidth {
			tile, _ := logread.Bundle(at, size)
			if want[tile.Path()], err = h.Source().Fetch(t.Context(), tile.Path()); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, name := range []string{logread.CheckpointPath, proof.Tile{Width: 2}.Path()} {
		if _, err := h.Newest().Fetch(t.Context(), name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := fsys.Rename(logread.StoreLog, "away"); err != nil {
		t.Fatal(err)
	}
	for name, b := range want {
		if got, err := h.Newest().Fetch(t.Context(), name); err != nil || !bytes.Equal(got, b) {
			t.Errorf("%s is not what is on the disk (%v)", name, err)
		}
	}
	if err := fsys.Rename("away", logread.StoreLog); err != nil {
		t.Fatal(err)
	}
}
