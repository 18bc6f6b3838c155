package logread_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"testing"

	"github.com/stetlog/stet/internal/logread"
	"github.com/stetlog/stet/proof"
)

// A log that is followed must continue what was shown of it: another log of the same length, a shorter one and one that
// lacks its tiles are not gone on with.
func TestContinues(t *testing.T) {
	leaf := func(i int) proof.Hash { return proof.LeafHash(fmt.Append(nil, "entry ", i)) }
	at := func(n int, altered int) proof.Checkpoint {
		var tree proof.Tree
		for i := range n {
			if i == altered {
				i = -i
			}
			tree.Append(leaf(i))
		}
		return proof.Checkpoint{Size: uint64(n), Root: tree.Root()}
	}
	src := logread.NewRemote(func(_ context.Context, path string) ([]byte, error) {
		tile, err := proof.ParseTilePath(path)
		if err != nil || tile.Level > 0 || tile.Index > 0 || tile.Entries || tile.Width > 9 {
			return nil, fs.ErrNotExist
		}
		var b []byte
		for i := range tile.Width {
			h := leaf(i)
			b = append(b, h[:]...)
		}
		return b, nil
	})
	if err := logread.Continues(t.Context(), src, at(5, -1), at(9, -1)); err != nil {
		t.Error(err)
	}
	var bad *logread.DamageError
	for name, c := range map[string]struct{ old, next proof.Checkpoint }{
		"altered before": {at(5, 3), at(9, -1)},
		"same size":      {at(9, 3), at(9, -1)},
		"cut":            {at(9, -1), at(5, -1)},
	} {
		if err := logread.Continues(t.Context(), src, c.old, c.next); !errors.As(err, &bad) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := logread.Continues(t.Context(), src, at(5, -1), at(10, -1)); errors.As(err, &bad) || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a tile is missing: %v", err)
	}
}
