package store

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/stetlog/stet/internal/ledger"
	"github.com/stetlog/stet/internal/logread"
	"github.com/stetlog/stet/proof"
)

// ExportTlog writes the log into dir as C2SP tlog-tiles has it: bundles plain, each file readable by everybody, so that
// any tool for such logs, and any web server, can take it from there. Beside them stands how the log's key changed, so that
// whoever trusts an older one can follow without asking anybody. dir must not exist, or be empty. progress is told of files
// written out of all.
//
// Of a server's log the entries are held against the checkpoint, which is written only where they are those under it. Tiles
// of hashes are written as the server has them: who verifies dir learns whether they fit.
func (r *Reading) ExportTlog(ctx context.Context, dir string, progress func(done, total int)) (cp logread.Signed, err error) {
	if cp, err = r.signed(ctx); err != nil {
		return cp, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return cp, err
	}
	if there, err := os.ReadDir(dir); err != nil {
		return cp, err
	} else if len(there) > 0 {
		return cp, fmt.Errorf("export to %s: the directory is not empty; name a new one", dir)
	}
	tiles := tilesOf(cp.Size)
	var tree proof.Tree
	for i, t := range tiles {
		if err := ctx.Err(); err != nil {
			return cp, err
		}
		data, err := r.src.Fetch(ctx, t.Path())
		if err == nil && t.Entries && r.whole {
			err = grow(&tree, data)
		}
		if why := logread.Wrong(err); why != "" {
			err = &ledger.IntegrityError{File: logread.StoreLog + "/" + t.Path(), Reason: why}
		}
		if err != nil {
			return cp, fmt.Errorf("export: %w", err)
		}
		if err := write(dir, t.Path(), data); err != nil {
			return cp, err
		}
		if progress != nil {
			progress(i+1, len(tiles))
		}
	}
	if r.whole && (tree.Size() != cp.Size || tree.Root() != cp.Root) {
		return cp, r.others(cp.Checkpoint)
	}
	if cp.Chain.Len() > 0 {
		if err := write(dir, proof.KeyChainPath, cp.Chain.Append(nil)); err != nil {
			return cp, err
		}
	}
	// The checkpoint comes last: a directory without it is an export that was cut short.
	return cp, write(dir, "checkpoint", cp.Note)
}

// grow adds the entries of a bundle to a tree.
func grow(tree *proof.Tree, bundle []byte) error {
	for len(bundle) > 0 {
		entry, rest, err := proof.NextBundleEntry(bundle)
		if err != nil {
			return asIntegrity(logread.StoreLog, err)
		}
		tree.Append(proof.LeafHash(entry))
		bundle = rest
	}
	return nil
}

// tilesOf lists the tiles and bundles of a log of size entries, partial ones of the right edge included.
func tilesOf(size uint64) []proof.Tile {
	var all []proof.Tile
	row := func(t proof.Tile, full uint64, width int) {
		for t.Index = 0; t.Index < full; t.Index++ {
			t.Width = proof.TileWidth
			all = append(all, t)
		}
		if width > 0 {
			t.Width = width
			all = append(all, t)
		}
	}
	full, width := proof.TilesFor(size, 0)
	row(proof.Tile{Entries: true}, full, width)
	for level := uint8(0); full > 0 || width > 0; {
		row(proof.Tile{Level: level}, full, width)
		level++
		full, width = proof.TilesFor(size, level)
	}
	return all
}

func write(dir, name string, data []byte) error {
	path := filepath.Join(dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, data, 0o644)
}
