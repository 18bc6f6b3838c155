package ledger

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/stetlog/stet/internal/fsx"
	"github.com/stetlog/stet/proof"
)

// The publisher turns what the flusher made durable into tiles, a head and a checkpoint.
type publisher struct {
	l     *Ledger
	edge  *edge
	head  Head   // as committed
	bytes []byte // the same, as it must be in the file when the next one replaces it
	epoch uint64 // of this run
	dirs  dirs
	// signers sign checkpoints: the log's key, then older ones that still do.
	signers []note.Signer
	stale   []string // directories from which something went since the last commit; synced before the next one
}

// run publishes when somebody waits, at the latest one idle interval after an append, never twice within one busy
// interval, and once more when the ledger closes.
func (p *publisher) run() {
	l := p.l
	defer close(l.done)
	idle := time.NewTimer(l.idle)
	idle.Stop()
	pause := time.NewTimer(l.busy)
	pause.Stop()
	armed := false
	var last time.Time
	for {
		select {
		case <-l.dirty:
			if !armed {
				idle.Reset(l.idle)
				armed = true
			}
			continue
		case <-l.urgent:
		case <-idle.C:
		case r := <-l.rekeys:
			r.done <- p.rekey(r.signers)
			continue
		case <-l.finish:
			p.last()
			return
		}
		if wait := l.busy - time.Since(last); !last.IsZero() && wait > 0 {
			pause.Reset(wait)
			select {
			case <-pause.C:
			case <-l.finish:
				p.last()
				return
			}
		}
		last = time.Now()
		idle.Stop()
		armed = false
		select {
		case <-l.dirty: // of what is published now
		default:
		}
		if err := p.publish(false); err != nil {
			l.fail(fmt.Errorf("publish: %w", err))
			<-l.finish
			return
		}
	}
}

// last is the publish at the end: when it is committed the journal holds nothing any more and goes.
func (p *publisher) last() {
	select {
	case <-p.l.dead:
		return
	default:
	}
	if err := p.publish(true); err != nil {
		p.l.fail(fmt.Errorf("publish: %w", err))
	}
}

// publish takes what is pending to a signed checkpoint. closing says that the journal is closed. The first error leaves
// everything as a crash at this point would, and must end the ledger.
func (p *publisher) publish(closing bool) error {
	l := p.l
	l.mu.Lock()
	groups := l.pending[:len(l.pending):len(l.pending)]
	segments := append([]segmentRef(nil), l.segments...)
	next := p.head
	next.JournalLast = l.lastMade
	l.mu.Unlock()
	for _, g := range groups {
		<-g.hashed
	}
	size := p.head.Size
	if n := len(groups); n > 0 {
		size = groups[n-1].end()
	}
	var gone []segmentRef
	for len(segments) > 0 && (segments[0].end <= size || closing) {
		gone, segments = append(gone, segments[0]), segments[1:]
	}
	next.JournalFirst = next.JournalLast + 1
	if len(segments) > 0 {
		next.JournalFirst = segments[0].number
	}
	if len(groups) == 0 && len(gone) == 0 {
		return nil
	}
	if err := p.commit(groups, next); err != nil {
		return err
	}
	l.mu.Lock()
	l.segments = l.segments[len(gone):] // first, so that Look does not miss what goes
	l.mu.Unlock()
	for _, s := range gone {
		if err := l.fsys.Remove(journalPath(s.number)); err != nil {
			return fmt.Errorf("trim: %w", err)
		}
	}
	if len(gone) > 0 {
		if err := l.fsys.SyncDir(journalDir); err != nil {
			return fmt.Errorf("trim: %w", err)
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, g := range groups {
		l.backlog -= int64(cap(g.buf))
		l.recycle(g)
	}
	l.pending = slices.Delete(l.pending, 0, len(groups)) // not cut off: what lies in front of a slice is still held
	broadcast(&l.released)
	return nil
}

// commit makes groups, which may be none, part of the log under a head with next's journal range, and signs it. The order
// of its steps is what the ledger is about (THREATS, "Durability rules for files", 6).
func (p *publisher) commit(groups []*group, next Head) error {
	l := p.l
	// Once before anything is written, so that a process that lost its lock does not write over the other's partial tiles,
	// and once more right before the head is replaced.
	if err := p.unchanged(); err != nil {
		return err
	}
	before := p.edge.tree.Clone()
	files := p.edge.grow(groups)
	if err := p.store(files); err != nil {
		return err
	}
	if err := checkTree(before, p.edge.tree, files); err != nil {
		return err
	}
	var changes []record
	for _, g := range groups {
		changes = append(changes, g.changes...)
		next.ReceivedAt = g.received
	}
	var obsolete []*streamFile
	var err error
	if next.Streams, next.StreamFiles, obsolete, err = l.streams.advance(changes); err != nil {
		return err
	}
	next.Epoch = p.epoch
	if len(groups) > 0 {
		next.PrevSize = p.head.Size
	}
	next.Size, next.Root = p.edge.tree.Size(), p.edge.tree.Root()
	if err := p.swap(next); err != nil {
		return err
	}
	signed, err := p.sign()
	if err != nil {
		return err
	}
	l.mu.Lock()
	l.published, l.root, l.signed = next.Size, next.Root, signed
	l.mu.Unlock()
	// Only now, so that whoever reads a tile at the old width and misses it finds the new one.
	if err := p.narrow(files); err != nil {
		return fmt.Errorf("remove narrower partial tiles: %w", err)
	}
	return l.streams.committed(changes, obsolete)
}

// checkTree computes the new root once more, from nothing but the old edge and what was read back from storage, so that a
// bit that flipped between hashing and storing is found before anything is signed (THREATS 17).
func checkTree(before, after *proof.Tree, files []*artefact) error {
	for _, f := range files {
		if f.tile.Entries {
			before.AppendAll(f.reread[before.Size()-f.tile.Index*proof.TileWidth:], nil)
		}
	}
	if before.Size() != after.Size() || before.Root() != after.Root() {
		return damaged(logDir, "the bundles as read back do not lead to the tree's root")
	}
	return nil
}

// unchanged checks that the head still is what this ledger believes it to be: another process that was let in by mistake
// ends here, before it can sign.
func (p *publisher) unchanged() error {
	now, err := fsx.ReadFile(p.l.fsys, HeadFile, maxHead)
	if errors.Is(err, fs.ErrNotExist) && p.bytes == nil {
		return nil
	}
	if err != nil {
		return missing(HeadFile, err)
	}
	if !bytes.Equal(now, p.bytes) {
		return damaged(HeadFile, "it is not the one that this ledger wrote (epoch %d, size %d): somebody else writes to the store", p.head.Epoch, p.head.Size)
	}
	return nil
}

// swap replaces the head durably, if it is unchanged.
func (p *publisher) swap(next Head) error {
	b, err := next.Append(nil)
	if err != nil {
		return err
	}
	if err := p.unchanged(); err != nil {
		return err
	}
	if err := fsx.Replace(p.l.fsys, HeadFile, b, 0o600); err != nil {
		return err
	}
	p.head, p.bytes = next, b
	return nil
}

// sign makes the checkpoint of the committed head durable, unless it is there already.
func (p *publisher) sign() ([]byte, error) {
	if err := p.dirs.make(logDir); err != nil {
		return nil, err
	}
	signed, err := proof.SignCheckpoint(proof.Checkpoint{Origin: p.l.origin, Size: p.head.Size, Root: p.head.Root}, p.signers...)
	if err != nil {
		return nil, err
	}
	return signed, fsx.Replace(p.l.fsys, checkpointFile, signed, 0o644)
}

// narrow removes the partial tiles that the files just committed replace. Nothing needs them any more; where a crash
// brings them back, tidy finds them.
func (p *publisher) narrow(files []*artefact) error {
	for _, f := range files {
		level := f.tile.Level
		index, width := proof.TilesFor(p.head.PrevSize, level)
		if width == 0 || index != f.tile.Index || width == f.tile.Width {
			continue
		}
		old := proof.Tile{Entries: f.tile.Entries, Level: level, Index: index, Width: width}
		name := inLog(old.Path())
		if err := p.l.fsys.Remove(name); err != nil {
			return err
		}
		if f.tile.Width == proof.TileWidth {
			if err := p.removePartials(path.Dir(name)); err != nil {
				return err
			}
		}
	}
	return nil
}

// removePartials removes the directory of a tile's partial versions, and what is left in it: a publish that was killed
// may have begun this tile at another width, and tidy looks only at those tiles where the head's edge is. The next commit
// makes the removal durable: after it tidy looks at other tiles.
func (p *publisher) removePartials(dir string) error {
	entries, err := p.l.fsys.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := p.l.fsys.Remove(path.Join(dir, e.Name())); err != nil {
			return err
		}
	}
	delete(p.dirs.known, dir)
	p.stale = append(p.stale, path.Dir(dir))
	return p.l.fsys.Remove(dir)
}

// tidy removes, where the edge of a tree of size at was, every partial tile that the head does not need: narrower ones
// that a crash kept from being removed, and wider ones of a publish that was not committed.
func (p *publisher) tidy(at uint64) error {
	for level := -1; level < tileLevels; level++ {
		t := proof.Tile{Entries: level < 0, Level: uint8(max(level, 0)), Width: proof.TileWidth}
		t.Index, _ = proof.TilesFor(at, t.Level)
		keep := 0
		if index, width := proof.TilesFor(p.head.Size, t.Level); index == t.Index {
			keep = width
		}
		dir := inLog(t.Path()) + ".p"
		entries, err := p.l.fsys.ReadDir(dir)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		for _, e := range entries {
			name := path.Join(dir, e.Name())
			width, err := strconv.Atoi(trimTemp(e.Name()))
			if err != nil || width < 1 || width >= proof.TileWidth || strconv.Itoa(width) != trimTemp(e.Name()) {
				return damaged(name, "it does not belong here: move it away")
			}
			if width == keep && !fsx.IsTemp(name) {
				continue
			}
			if err := p.l.fsys.Remove(name); err != nil {
				return err
			}
		}
		if keep == 0 {
			if err := p.removePartials(dir); err != nil {
				return err
			}
		}
	}
	return nil
}
