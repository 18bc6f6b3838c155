package logread_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stetlog/stet/internal/fsx"
	"github.com/stetlog/stet/internal/logread"
	"github.com/stetlog/stet/proof"
)

// growing is a log whose last bundle is published wider right after each look at its directory.
type growing struct {
	fsx.FS
	dir    string
	widths []int // it is published with, one after the other
	now    int
	t      *testing.T
}

func (g *growing) path(width int) string {
	return filepath.Join(g.dir, filepath.FromSlash(proof.EntriesPath(0, width)))
}

func (g *growing) publish() {
	if len(g.widths) == 0 {
		return
	}
	was := g.now
	g.now, g.widths = g.widths[0], g.widths[1:]
	err := os.MkdirAll(filepath.Dir(g.path(g.now)), 0o700)
	err = errors.Join(err, os.WriteFile(g.path(g.now), bundle(g.t, 0, g.now), 0o600))
	if was > 0 {
		err = errors.Join(err, os.Remove(g.path(was)))
	}
	if err != nil {
		g.t.Fatal(err)
	}
}

func (g *growing) ReadDir(name string) ([]fs.DirEntry, error) {
	defer g.publish()
	return g.FS.ReadDir(name)
}

// Who reads a log while it is published gets what was signed before, however often the bundle that it is in is replaced
// meanwhile, and also where it becomes a full one.
func TestPublishedMeanwhile(t *testing.T) {
	for _, widths := range [][]int{{20}, {20, 30}, {20, 30, 256}, {20, 256}, {20, 21, 22, 23, 24, 25}} {
		dir := t.TempDir()
		d, err := fsx.OpenDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = d.Close() }()
		g := &growing{FS: d, dir: dir, widths: widths, t: t}
		g.publish()
		b, err := logread.NewDir(g, ".", logread.Plain).Fetch(t.Context(), proof.EntriesPath(0, 10))
		if err != nil || !bytes.Equal(b, bundle(t, 0, 10)) {
			t.Errorf("published as %v: %d bytes, %v", widths, len(b), err)
		}
	}
}
