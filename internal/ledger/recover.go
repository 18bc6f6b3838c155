package ledger

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"path"

	"github.com/stetlog/stet/internal/fsx"
	"github.com/stetlog/stet/proof"
)

// recover brings the ledger to where a clean close would have left it: everything durable is published, the journal is
// empty. It runs before any goroutine does.
//
// What it reads need not be durable: the process before may have been killed between a rename and its sync. So it first
// writes the head it found once more, and only then removes what that head does not need.
func (l *Ledger) recover(ctx context.Context) error {
	p := &l.publisher
	p.edge = newEdge()
	created, err := p.read()
	if err != nil {
		return err
	}
	if err := l.streams.load(p.head); err != nil {
		return err
	}
	if err := p.edge.load(l.fsys, &l.zip, p.head); err != nil {
		return err
	}
	p.dirs.under(p.head.Size)
	l.published, l.root, l.durable = p.head.Size, p.head.Root, p.head.Size
	stale, err := p.checkpoint()
	if err != nil {
		return err
	}
	clean, err := p.clean()
	if err != nil {
		return err
	}
	if !clean && !created {
		again := p.head
		again.Epoch = p.epoch
		if err := p.swap(again); err != nil {
			return err
		}
	}
	if stale {
		if l.signed, err = p.sign(); err != nil {
			return err
		}
	}
	for _, at := range [...]uint64{p.head.PrevSize, p.head.Size} {
		if err := p.tidy(at); err != nil {
			return err
		}
	}
	if err := l.streams.tidy(); err != nil {
		return err
	}
	for _, name := range [...]string{HeadFile, checkpointFile} {
		if err := removeTemp(l.fsys, name); err != nil {
			return err
		}
	}
	return l.replay(ctx)
}

// read takes the head from its file, or creates the ledger where there is none.
func (p *publisher) read() (created bool, err error) {
	b, err := fsx.ReadFile(p.l.fsys, HeadFile, maxHead)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		p.epoch = 1
		return true, p.l.create()
	case errors.Is(err, fsx.ErrTooLarge):
		return false, damaged(HeadFile, "%v", err)
	case err != nil:
		return false, err
	}
	if p.head, err = ParseHead(b); err != nil {
		return false, err
	}
	p.bytes, p.epoch = b, p.head.Epoch+1
	if p.head.Origin != p.l.origin {
		return false, damaged(HeadFile, "it belongs to the log %q, not to %q", p.head.Origin, p.l.origin)
	}
	return false, nil
}

// clean says that the ledger was closed, and that its head is known to be durable: the journal goes only after that. A
// ledger that never held anything had no journal to tell by.
func (p *publisher) clean() (bool, error) {
	entries, err := p.l.fsys.ReadDir(journalDir)
	if err != nil {
		return false, missing(journalDir, err)
	}
	return len(entries) == 0 && p.head.Size > 0, nil
}

// create makes an empty ledger, but only where nothing says that there was one: tiles without a head are a lost head.
func (l *Ledger) create() error {
	for _, dir := range [...]string{journalDir, streamDir, logDir} {
		name, err := firstFile(l.fsys, dir)
		if err != nil {
			return err
		}
		if name != "" {
			return &IntegrityError{File: HeadFile, Reason: "it is missing, yet there is " + name + ": restore it from a backup, or run stet verify", Err: fs.ErrNotExist}
		}
	}
	p := &l.publisher
	for _, dir := range [...]string{journalDir, streamDir, logDir} {
		if err := p.dirs.make(dir); err != nil {
			return err
		}
	}
	return p.swap(Head{Epoch: 1, Root: proof.EmptyRoot(), JournalFirst: 1, Origin: l.origin})
}

// firstFile finds any file below dir; "" where there are at most directories, as a crash during create leaves them.
func firstFile(fsys fsx.FS, dir string) (string, error) {
	entries, err := fsys.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	for _, e := range entries {
		name := path.Join(dir, e.Name())
		if !e.IsDir() {
			return name, nil
		}
		if name, err := firstFile(fsys, name); name != "" || err != nil {
			return name, err
		}
	}
	return "", nil
}

// checkpoint holds the stored checkpoint against the head. After a crash it can be missing or of an earlier head, which
// is stale: it is signed again, and Ed25519 gives the same bytes again. So is one that other keys of this log have signed
// than are to sign now. It can never be ahead, or say another root.
func (p *publisher) checkpoint() (stale bool, err error) {
	l := p.l
	b, err := fsx.ReadFile(l.fsys, checkpointFile, proof.MaxCheckpoint)
	if errors.Is(err, fsx.ErrTooLarge) {
		return false, damaged(checkpointFile, "%v", err)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	if err == nil {
		c, err := proof.OpenCheckpoint(b, l.origin, l.verifier)
		if err != nil {
			return false, &IntegrityError{File: checkpointFile, Reason: "it is not one of this log", Err: err}
		}
		if c.Size > p.head.Size {
			return false, damaged(checkpointFile, "it covers %d entries, the head only %d: the head was rolled back", c.Size, p.head.Size)
		}
		root, err := l.rootAt(c.Size)
		if err != nil {
			return false, err
		}
		if root != c.Root {
			return false, damaged(checkpointFile, "it states another root for %d entries than the tiles do", c.Size)
		}
		if c.Size == p.head.Size && p.signedAsNow(b) {
			l.signed = b
			return false, nil
		}
	}
	return true, nil
}

// rootAt computes the root that the tree had at an earlier size, from the tiles.
func (l *Ledger) rootAt(size uint64) (proof.Hash, error) {
	hashes, err := l.hashes(l.published).ReadHashes(proof.EdgeNodes(size))
	if err != nil {
		return proof.Hash{}, asIntegrity(logDir, err)
	}
	tree, err := proof.NewTreeFrom(size, hashes)
	if err != nil {
		return proof.Hash{}, err
	}
	return tree.Root(), nil
}

// replay reads the journal. What the head covers already must be in the bundles, byte for byte; the rest is derived again,
// under the rules of Append, and published in new files. Old segments go when that is durable: a torn tail is not cut, it
// stays behind.
func (l *Ledger) replay(ctx context.Context) error {
	p := &l.publisher
	s := &l.sequencer
	s.next, s.received = p.head.Size, p.head.ReceivedAt
	below := p.head.Size
	r := newReplayer(l)
	rep, err := ScanJournal(l.fsys, p.head, func(seq uint64, entries [][]byte) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		if seq < below {
			return l.compare(seq, entries)
		}
		return r.add(seq, entries)
	})
	tail, terr := r.end()
	if terr != nil { // of what stands before the place where the scan ended
		return terr
	}
	if err != nil {
		return err
	}
	if len(rep.files) > 0 || len(tail) > 0 {
		next := p.head
		next.JournalLast, next.JournalFirst = rep.last, rep.last+1
		if err := p.commit(tail, next); err != nil {
			return err
		}
		for _, number := range rep.files {
			if err := l.fsys.Remove(journalPath(number)); err != nil {
				return err
			}
		}
		if err := l.fsys.SyncDir(journalDir); err != nil {
			return err
		}
	}
	l.durable, l.lastMade, l.journal.next = p.head.Size, rep.last, rep.last+1
	return s.resume()
}

// compare holds a batch that the head covers against the bundles.
func (l *Ledger) compare(seq uint64, entries [][]byte) error {
	for i, want := range entries {
		n := seq + uint64(i)
		if n >= l.published {
			return damagedAt(n, journalDir, "a batch across the head's %d entries: heads cover whole batches", l.published)
		}
		got, err := l.entry(n)
		if err != nil {
			return err
		}
		if !bytes.Equal(got, want) {
			t := tileAt(proof.Tile{Entries: true, Index: n / proof.TileWidth}, l.published)
			return damagedAt(n, inLog(t.Path()), "the entry differs from the journal's")
		}
	}
	return nil
}

// resume takes the clock up where the last entry left it.
func (s *sequencer) resume() error {
	if s.received == "" {
		return nil
	}
	var err error
	s.at, err = proof.ParseTime(s.received)
	return err
}
