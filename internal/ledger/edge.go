package ledger

import (
	"bytes"
	"errors"
	"fmt"
	"path"
	"slices"
	"sync"

	"github.com/stetlog/stet/internal/fsx"
	"github.com/stetlog/stet/proof"
)

const (
	logDir         = "log"
	checkpointFile = logDir + "/checkpoint"
	// tileLevels is how many levels of tiles a tree of proof.MaxSize leaves has.
	tileLevels = 7
)

// An edge is the right edge of the log in memory: the tree's compact range, and what is in the partial tile of each level
// and in the partial bundle. From it and new entries alone every file of a publish follows. The publisher owns it.
type edge struct {
	tree   *proof.Tree
	tiles  [tileLevels][]byte // hashes of the partial tile, level after level
	bundle []byte             // entries of the partial bundle
	count  int                // how many
	spare  []byte             // the buffer that bundle changes places with; used by the files of grow until they are stored
}

func newEdge() *edge { return &edge{tree: new(proof.Tree)} }

// An artefact is one file of a publish.
type artefact struct {
	tile   proof.Tile
	data   []byte       // hashes
	parts  [][]byte     // or the entries of a bundle before compression, where they lie
	leaves []proof.Hash // of a bundle: what its entries must hash to
	reread []proof.Hash // of a bundle: what they hashed to when they were read back
}

// grow takes in groups and returns the files that are new: every tile and bundle that became full, and the partial ones
// at the new edge. They refer to the groups' buffers and to the edge's own, which stay as they are until grow is called again.
func (e *edge) grow(groups []*group) []*artefact {
	var files []*artefact
	var grew [tileLevels]bool
	full := func(level uint8, index uint64) {
		files = append(files, &artefact{tile: proof.Tile{Level: level, Index: index, Width: proof.TileWidth}, data: e.tiles[level]})
		e.tiles[level] = nil
	}
	completed := func(id proof.NodeID, h proof.Hash) {
		if id.Level%proof.TileHeight != 0 {
			return
		}
		level := id.Level / proof.TileHeight
		if e.tiles[level] == nil {
			e.tiles[level] = make([]byte, 0, proof.TileBytes)
		}
		e.tiles[level] = append(e.tiles[level], h[:]...)
		grew[level] = true
		if len(e.tiles[level]) == proof.TileBytes {
			full(level, id.Index/proof.TileWidth)
		}
	}
	leaves := hashesOf(e.tiles[0])
	index := e.tree.Size() / proof.TileWidth
	var parts [][]byte // of the bundle that is being filled
	if e.count > 0 {
		parts = append(parts, e.bundle)
	}
	for _, g := range groups {
		e.tree.AppendAll(g.leaves, completed)
		from := uint32(0)
		for i := 0; i < len(g.ends); {
			n := min(proof.TileWidth-e.count, len(g.ends)-i)
			end := g.ends[i+n-1]
			parts = append(parts, g.buf[from:end])
			leaves = append(leaves, g.leaves[i:i+n]...)
			e.count, i, from = e.count+n, i+n, end
			if e.count == proof.TileWidth {
				files = append(files, &artefact{
					tile: proof.Tile{Entries: true, Index: index, Width: proof.TileWidth}, parts: parts, leaves: leaves,
				})
				index++
				e.count, parts, leaves = 0, nil, make([]proof.Hash, 0, proof.TileWidth)
			}
		}
	}
	for level, t := range e.tiles {
		if width := len(t) / proof.HashSize; width > 0 && grew[level] {
			id := proof.Tile{Level: uint8(level), Width: width}
			id.Index, _ = proof.TilesFor(e.tree.Size(), id.Level)
			files = append(files, &artefact{tile: id, data: t})
		}
	}
	if e.count > 0 && grew[0] {
		files = append(files, &artefact{
			tile: proof.Tile{Entries: true, Index: index, Width: e.count}, parts: parts, leaves: leaves,
		})
	}
	e.bundle, e.spare = e.spare[:0], e.bundle
	for _, part := range parts {
		e.bundle = append(e.bundle, part...)
	}
	return files
}

func hashesOf(b []byte) []proof.Hash {
	var hs []proof.Hash
	for ; len(b) > 0; b = b[proof.HashSize:] {
		hs = append(hs, proof.Hash(b[:proof.HashSize]))
	}
	return hs
}

// store makes the files of a publish durable. Each is read back from storage as soon as its bytes are, and compared: tiles
// byte for byte, bundles by inflating them and hashing every entry again.
func (p *publisher) store(files []*artefact) error {
	touched := p.stale
	p.stale = nil
	for _, f := range files {
		dir := path.Dir(inLog(f.tile.Path()))
		if err := p.dirs.make(dir); err != nil {
			return err
		}
		touched = append(touched, dir)
	}
	if err := p.each(files, p.put); err != nil {
		return err
	}
	slices.Sort(touched)
	for _, dir := range slices.Compact(touched) {
		if err := p.l.fsys.SyncDir(dir); err != nil {
			return err
		}
	}
	return nil
}

// each calls fn for every file, on as many goroutines as there are workers, and returns the first error.
func (p *publisher) each(files []*artefact, fn func(*artefact) error) error {
	workers := min(p.l.workers, len(files)/4+1) // a few files are not worth a goroutine
	errs := make([]error, workers)
	var wg sync.WaitGroup
	for w := range workers {
		run := func() {
			for i := w; i < len(files) && errs[w] == nil; i += workers {
				errs[w] = fn(files[i])
			}
		}
		if workers == 1 {
			run()
			break
		}
		wg.Go(run)
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func (p *publisher) put(f *artefact) error {
	if err := p.write(f); err != nil {
		return err
	}
	return p.readBack(f)
}

func (p *publisher) write(f *artefact) error {
	name := inLog(f.tile.Path())
	if !f.tile.Entries {
		return put(p.l.fsys, name, f.data)
	}
	b := p.l.zip.buffer()
	defer p.l.zip.free(b)
	if err := p.l.zip.deflate(b, f.parts); err != nil {
		return fmt.Errorf("compress %s: %w", name, err)
	}
	return put(p.l.fsys, name, b.Bytes())
}

func (p *publisher) readBack(f *artefact) error {
	name := inLog(f.tile.Path())
	buf := p.l.zip.buffer()
	kept := false
	defer func() {
		if !kept {
			p.l.zip.free(buf)
		}
	}()
	err := readTile(p.l.fsys, &p.l.zip, f.tile, buf)
	if err != nil {
		return fmt.Errorf("read back: %w", err)
	}
	if !f.tile.Entries {
		if !bytes.Equal(buf.Bytes(), f.data) {
			return damaged(name, "it reads back as other bytes than were written")
		}
		return nil
	}
	if f.reread, err = leavesOf(buf.Bytes(), f.tile.Width); err != nil {
		return &IntegrityError{File: name, Reason: "read back", Err: err}
	}
	for i, h := range f.reread {
		if h != f.leaves[i] {
			return damagedAt(f.tile.Index*proof.TileWidth+uint64(i), name, "the entry reads back as other bytes than were written")
		}
	}
	kept = true
	p.l.recent.keep(f.tile, buf, p.l.zip.free)
	return nil
}

// leavesOf hashes the entries of a bundle, of which there must be exactly width.
func leavesOf(bundle []byte, width int) ([]proof.Hash, error) {
	leaves := make([]proof.Hash, 0, width)
	for len(bundle) > 0 {
		entry, rest, err := proof.NextBundleEntry(bundle)
		if err != nil {
			return nil, err
		}
		leaves, bundle = append(leaves, proof.LeafHash(entry)), rest
	}
	if len(leaves) != width {
		return nil, fmt.Errorf("%d entries in a bundle of %d", len(leaves), width)
	}
	return leaves, nil
}

// readTile appends to dst the bytes of a tile or bundle, which must be stored in exactly this width. Damage is an
// *IntegrityError.
func readTile(fsys fsx.FS, z *zipper, t proof.Tile, dst *bytes.Buffer) error {
	name := inLog(t.Path())
	if !t.Entries {
		b, err := fsx.ReadFile(fsys, name, proof.TileBytes)
		if err == nil && len(b) != t.Width*proof.HashSize {
			return damaged(name, "%d bytes, %d hashes have %d", len(b), t.Width, t.Width*proof.HashSize)
		}
		dst.Write(b) // bytes.Buffer documents that Write never fails
		return asTooLarge(name, err)
	}
	// Deflate adds at most a few bytes a block to what it cannot compress.
	limit := int64(t.Width) * (2 + proof.MaxEntry)
	b, err := fsx.ReadFile(fsys, name, limit+limit/1000+64)
	if err != nil {
		return asTooLarge(name, err)
	}
	if err := z.inflate(dst, b, limit); err != nil {
		return &IntegrityError{File: name, Reason: "a bundle", Err: err}
	}
	return nil
}

// asTooLarge makes an IntegrityError of a file that is longer than its kind can be.
func asTooLarge(name string, err error) error {
	if errors.Is(err, fsx.ErrTooLarge) {
		return &IntegrityError{File: name, Reason: "it cannot be what it must be", Err: err}
	}
	return err
}

// load reads the right edge of a tree of size leaves and checks it against the root that the head states: the tiles must
// lead to that root, and the partial bundle's entries must hash to the partial tile's leaves.
func (e *edge) load(fsys fsx.FS, z *zipper, h Head) error {
	for level := range uint8(tileLevels) {
		index, width := proof.TilesFor(h.Size, level)
		if width == 0 {
			continue
		}
		t := proof.Tile{Level: level, Index: index, Width: width}
		b := bytes.NewBuffer(make([]byte, 0, proof.TileBytes))
		if err := readTile(fsys, z, t, b); err != nil {
			return missing(inLog(t.Path()), err)
		}
		e.tiles[level] = b.Bytes()
	}
	tree, err := proof.NewTreeFrom(h.Size, e.hashes(h.Size))
	if err != nil {
		return err
	}
	if e.tree = tree; tree.Root() != h.Root {
		return damaged(HeadFile, "its root is not the one that the tiles at the right edge lead to: one of them was altered")
	}
	index, width := proof.TilesFor(h.Size, 0)
	if width == 0 {
		return nil
	}
	t := proof.Tile{Entries: true, Index: index, Width: width}
	name := inLog(t.Path())
	var b bytes.Buffer
	if err := readTile(fsys, z, t, &b); err != nil {
		return missing(name, err)
	}
	e.bundle = b.Bytes()
	leaves, err := leavesOf(e.bundle, width)
	if err != nil {
		return &IntegrityError{File: name, Reason: "a bundle", Err: err}
	}
	e.count = width
	for i, h := range leaves {
		if h != proof.Hash(e.tiles[0][i*proof.HashSize:]) {
			return damagedAt(index*proof.TileWidth+uint64(i), name, "the entry is not the one that the tree holds")
		}
	}
	return nil
}

// hashes computes the compact range of the tree from the partial tiles: every complete subtree that the size is made of
// lies in one of them.
func (e *edge) hashes(size uint64) []proof.Hash {
	var out []proof.Hash
	for _, id := range proof.EdgeNodes(size) {
		level, height := id.Level/proof.TileHeight, id.Level%proof.TileHeight
		at := (id.Index << height) % proof.TileWidth
		out = append(out, proof.RootOf(hashesOf(e.tiles[level][at*proof.HashSize:(at+1<<height)*proof.HashSize])))
	}
	return out
}
