package interop

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/transparency-dev/formats/log"
	tlogproof "github.com/transparency-dev/formats/proof"
	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"
	"github.com/transparency-dev/tessera/api"
	"github.com/transparency-dev/tessera/api/layout"
	"github.com/transparency-dev/tessera/client"
	"github.com/transparency-dev/tessera/fsck"
	"golang.org/x/mod/sumdb/note"

	stet "github.com/stetlog/stet/proof"
)

// A tlog is a log in the layout of C2SP tlog-tiles, with plain bundles, wherever it is. The checks below take any such log,
// whoever wrote or serves it; one that is served may grow meanwhile.
type tlog struct {
	fsck.Fetcher
	origin string
	vkey   string
}

// A tlogDir is a log as a directory: what stet export --tlog writes.
type tlogDir struct {
	path   string
	origin string
	vkey   string
}

func (d tlogDir) log() tlog { return tlog{client.FileFetcher{Root: d.path}, d.origin, d.vkey} }

// checks are the independent opinions on a whole log.
var checks = map[string]func(context.Context, tlog) error{
	"tessera fsck":         checkFsck,
	"merkle and formats":   checkProofs,
	"formats' tlog-proofs": checkTlogProofs,
}

// checkTime bounds one opinion on one log. Fsck would otherwise hang when all of its workers have given up.
const checkTime = 30 * time.Second

// leafHashes reads a bundle without any code of stet's.
func leafHashes(bundle []byte) ([][]byte, error) {
	var b api.EntryBundle
	if err := b.UnmarshalText(bundle); err != nil {
		return nil, err
	}
	var out [][]byte
	for _, e := range b.Entries {
		out = append(out, rfc6962.DefaultHasher.HashLeaf(e))
	}
	return out, nil
}

// errPanic says that an independent checker fell over, which it may over a corrupted log, and must not over a good one.
var errPanic = errors.New("the checker panicked")

// checkFsck runs Tessera's fsck, the library: its command reports success whatever the library found. More than one
// worker is needed, since one that finds a fault stops fetching, and a single one would then block the rest for ever.
func checkFsck(ctx context.Context, d tlog) error {
	v, err := note.NewVerifier(d.vkey)
	if err != nil {
		return err
	}
	check := fsck.New(d.origin, v, d, leafHashes, fsck.Opts{N: 4})
	done := make(chan error, 1)
	go func() {
		// A bundle with an entry too few makes fsck read past the end of a slice.
		defer func() {
			if r := recover(); r != nil {
				done <- fmt.Errorf("%w: %v", errPanic, r)
			}
		}()
		done <- check.Check(ctx)
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// openLog reads checkpoint and leaf hashes of a log without any code of stet's.
func openLog(ctx context.Context, d tlog) (*log.Checkpoint, []byte, [][]byte, error) {
	v, err := note.NewVerifier(d.vkey)
	if err != nil {
		return nil, nil, nil, err
	}
	raw, err := d.ReadCheckpoint(ctx)
	if err != nil {
		return nil, nil, nil, err
	}
	cp, other, _, err := log.ParseCheckpoint(raw, d.origin, v)
	if err != nil {
		return nil, nil, nil, err
	}
	if len(other) > 0 {
		return nil, nil, nil, fmt.Errorf("checkpoint has extension lines: %q", other)
	}
	var leaves [][]byte
	for i := uint64(0); i*layout.EntryBundleWidth < cp.Size; i++ {
		bundle, err := d.ReadEntryBundle(ctx, i, layout.PartialTileSize(0, i, cp.Size))
		if err != nil {
			return nil, nil, nil, err
		}
		hashes, err := leafHashes(bundle)
		if err != nil {
			return nil, nil, nil, err
		}
		leaves = append(leaves, hashes...)
	}
	if uint64(len(leaves)) != cp.Size {
		return nil, nil, nil, fmt.Errorf("%d leaves, checkpoint says %d", len(leaves), cp.Size)
	}
	return cp, raw, leaves, nil
}

// prover makes stet's proofs from the tiles of a log, and reads each of them once.
func prover(ctx context.Context, d tlog, size uint64) stet.TileHashes {
	read := map[stet.Tile][]byte{}
	return stet.TileHashes{Size: size, Tiles: stet.TileReaderFunc(func(t stet.Tile) ([]byte, error) {
		if b, ok := read[t]; ok {
			return b, nil
		}
		b, err := d.ReadTile(ctx, uint64(t.Level), t.Index, uint8(t.Width%stet.TileWidth))
		if err == nil {
			read[t] = b
		}
		return b, err
	})}
}

// checkProofs has transparency-dev/merkle verify stet's proofs: that each leaf is in the log, and that each earlier
// size is a prefix of it.
func checkProofs(ctx context.Context, d tlog) error {
	cp, _, leaves, err := openLog(ctx, d)
	if err != nil {
		return err
	}
	tiles := prover(ctx, d, cp.Size)
	var earlier stet.Tree
	for i, leaf := range leaves {
		if err := ctx.Err(); err != nil {
			return err
		}
		p, err := stet.ProveInclusion(uint64(i), cp.Size, tiles)
		if err != nil {
			return err
		}
		if err := proof.VerifyInclusion(rfc6962.DefaultHasher, uint64(i), cp.Size, leaf, raw(p), cp.Hash); err != nil {
			return fmt.Errorf("leaf %d: %w", i, err)
		}
		earlier.Append(stet.Hash(leaf))
		p, err = stet.ProveConsistency(earlier.Size(), cp.Size, tiles)
		if err != nil {
			return err
		}
		root := earlier.Root()
		if err := proof.VerifyConsistency(rfc6962.DefaultHasher, earlier.Size(), cp.Size, raw(p), root[:], cp.Hash); err != nil {
			return fmt.Errorf("size %d: %w", earlier.Size(), err)
		}
	}
	return nil
}

// checkTlogProofs has transparency-dev/formats read stet's tlog-proofs, and verifies what it read with formats and
// merkle.
func checkTlogProofs(ctx context.Context, d tlog) error {
	v, err := note.NewVerifier(d.vkey)
	if err != nil {
		return err
	}
	cp, checkpoint, leaves, err := openLog(ctx, d)
	if err != nil {
		return err
	}
	tiles := prover(ctx, d, cp.Size)
	for i, leaf := range leaves {
		if err := ctx.Err(); err != nil {
			return err
		}
		path, err := stet.ProveInclusion(uint64(i), cp.Size, tiles)
		if err != nil {
			return err
		}
		text := stet.AppendTlogProof(nil, stet.TlogProof{Extra: fmt.Appendf(nil, "entry %d", i), Index: uint64(i), Path: path, Checkpoint: checkpoint})
		var p tlogproof.TLogProof
		if err := p.Unmarshal(text); err != nil {
			return err
		}
		if again := p.Marshal(); string(again) != string(text) {
			return fmt.Errorf("formats writes the tlog-proof as %q, stet as %q", again, text)
		}
		c, _, _, err := log.ParseCheckpoint(p.Checkpoint, d.origin, v)
		if err != nil {
			return err
		}
		var hashes [][]byte
		for _, h := range p.Hashes {
			hashes = append(hashes, h[:])
		}
		if err := proof.VerifyInclusion(rfc6962.DefaultHasher, p.Index, c.Size, leaf, hashes, c.Hash); err != nil {
			return fmt.Errorf("tlog-proof of leaf %d: %w", i, err)
		}
	}
	return nil
}

func raw(p []stet.Hash) [][]byte {
	var out [][]byte
	for _, h := range p {
		out = append(out, h[:])
	}
	return out
}
