package verify

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/stetlog/stet/internal/fsx"
	"github.com/stetlog/stet/internal/ledger"
	"github.com/stetlog/stet/internal/logread"
	"github.com/stetlog/stet/proof"
)

// maxRounds bounds how often the moving end of a store in use is read again. Each round reads only what is new.
const maxRounds = 64

// logDir is where a store keeps its log; the log's own paths are below it.
const logDir = logread.StoreLog + "/"

// Store verifies a store directory: its log, and everything around it. It changes nothing and takes no lock. The error
// is only ever that ctx ended or that o makes no sense.
func Store(ctx context.Context, fsys fsx.FS, o Options) (Report, error) {
	src := logread.Store(fsys)
	v := &store{fsys: fsys, src: src, rep: &Report{}}
	v.scan = newScan(src, v.rep, o)
	v.scan.check.dir = logDir
	if o.LogKey != "" {
		if err := proof.CheckVKey(o.LogKey); err != nil {
			return Report{}, fmt.Errorf("the pinned log key: %w", err)
		}
	}
	v.identity(ctx, o.LogKey)
	if err := v.readSpools(ctx, o.Machine); err != nil {
		return Report{}, err
	}
	if err := v.ledger(ctx, o); err != nil {
		return Report{}, err
	}
	v.firstKey()
	v.judgeSpools()
	v.scan.chain.end()
	v.scan.compareKeys()
	return *v.rep, nil
}

// store is one verification of a store directory.
type store struct {
	fsys     fsx.FS
	src      *logread.Dir
	rep      *Report
	scan     *scan
	marker   marker
	storeKey string // what the store's own files say; "" where they do not
	early    bool   // there was neither marker nor log when its identity was read
	spooled  []*spooled
}

// moment is the head and the checkpoint as they stood at one time.
type moment struct {
	msg     []byte // the checkpoint, or nil where there is none
	msgErr  error  // why it could not be read
	head    ledger.Head
	headErr error
}

func (m moment) same(n moment) bool {
	return bytes.Equal(m.msg, n.msg) && m.headErr == nil == (n.headErr == nil) &&
		m.head.Epoch == n.head.Epoch && m.head.Size == n.head.Size && m.head.JournalFirst == n.head.JournalFirst && m.head.JournalLast == n.head.JournalLast
}

// look reads head and checkpoint so that they belong together: the checkpoint before and after is the same.
func (v *store) look(ctx context.Context) (m moment) {
	for range maxRounds {
		m.msg, m.msgErr = v.src.Fetch(ctx, logread.CheckpointPath)
		m.head, m.headErr = ledger.ReadHead(v.fsys)
		again, err := v.src.Fetch(ctx, logread.CheckpointPath)
		if (err == nil) == (m.msgErr == nil) && bytes.Equal(again, m.msg) {
			break
		}
	}
	return m
}

// ledger verifies log, head, table of streams and journal, following a writer as long as it moves.
func (v *store) ledger(ctx context.Context, o Options) error {
	s := v.scan
	m := v.look(ctx)
	if v.isFresh(m) {
		s.remember(proof.Checkpoint{Origin: v.rep.Origin}, o.Known)
		v.rep.note("", "nothing has been taken into the ledger yet.")
		return ctx.Err()
	}
	if v.early { // a first drain has made the ledger since
		v.identity(ctx, o.LogKey)
	}
	for round := 0; ; round++ {
		size, ok := v.take(ctx, m, round == 0, o)
		if !ok {
			return ctx.Err()
		}
		if round == 0 {
			if err := s.list(ctx, v.src, size); err != nil {
				return err
			}
		}
		if err := s.to(ctx, size); err != nil {
			return err
		}
		s.chain.boundary(size)
		if m.headErr != nil { // reported; without it nothing says what belongs to the journal
			s.finish(ctx)
			return s.stored(ctx, v.src, nil)
		}
		// What follows may be wrong only because a writer has gone on: it counts when the head still stands.
		aside := &Report{}
		v.streams(m.head, aside)
		p, err := v.journal(ctx, m.head, aside)
		if err != nil {
			return err
		}
		if next := v.look(ctx); !m.same(next) && round < maxRounds {
			m = next
			continue
		}
		for _, f := range aside.Findings {
			if round == maxRounds && f.State == Failed {
				f.State, f.Next = NotChecked, "The store was written to faster than it could be read: verify again when it is quiet."
			}
			v.rep.add(f)
		}
		s.finish(ctx)
		return s.stored(ctx, v.src, p)
	}
}

// isFresh says whether there is no ledger at all, as before the first drain or after a crash in it.
func (v *store) isFresh(m moment) bool {
	if !errors.Is(m.headErr, fs.ErrNotExist) || !errors.Is(m.msgErr, fs.ErrNotExist) {
		return false
	}
	for _, dir := range []string{logread.StoreLog, "journal", "streams"} {
		if !v.empty(dir, maxFreshDepth) {
			return false
		}
	}
	return true
}

const maxFreshDepth = 4

func (v *store) empty(dir string, depth int) bool {
	entries, err := v.fsys.ReadDir(dir)
	if err != nil {
		return errors.Is(err, fs.ErrNotExist)
	}
	for _, e := range entries {
		if !e.IsDir() || depth == 0 || !v.empty(dir+"/"+e.Name(), depth-1) {
			return false
		}
	}
	return true
}

// take holds a head and a checkpoint against each other, and returns the size up to which the log can be read. ok is
// false where neither says.
func (v *store) take(ctx context.Context, m moment, first bool, o Options) (size uint64, ok bool) {
	rep, s := v.rep, v.scan
	var cp proof.Checkpoint
	signed := false
	switch {
	case m.msgErr == nil:
		if cp, signed = s.opened(ctx, m.msg); signed && first {
			s.remember(cp, o.Known)
		}
	case errors.Is(m.msgErr, fs.ErrNotExist) && m.headErr == nil && m.head.Size == 0:
		rep.note("", "the log is empty, and not signed yet.")
		if first {
			s.remember(proof.Checkpoint{Origin: m.head.Origin}, o.Known)
		}
	default:
		f := lack(m.msgErr, logDir+logread.CheckpointPath, 0, "the checkpoint")
		f.HasSeq = false
		rep.add(f)
	}
	if signed {
		v.expect(knownRoot{Checkpoint: cp, file: logDir + logread.CheckpointPath})
	}
	if m.headErr != nil {
		v.headError(m.headErr)
		return cp.Size, signed
	}
	h := m.head
	if v.rep.Origin != "" && h.Origin != v.rep.Origin {
		rep.fail(ledger.HeadFile, "it is of the log %s, the store is %s.", h.Origin, v.rep.Origin)
	}
	switch {
	case !signed:
	case cp.Size > h.Size:
		rep.failSeq(h.Size, ledger.HeadFile, "the head is at %d entries, yet %d were signed: the head was put back.", h.Size, cp.Size)
		return cp.Size, true
	case cp.Size == h.Size && cp.Root != h.Root:
		rep.fail(ledger.HeadFile, "head and checkpoint state different roots for %d entries.", h.Size)
		return cp.Size, true
	case cp.Size < h.Size && cp.Size == h.PrevSize:
		if first {
			rep.note(ledger.HeadFile, "%d entries from seq %d on are committed and not yet under a signed checkpoint, as after a crash; they are checked against the head.", h.Size-cp.Size, cp.Size)
		}
	case cp.Size < h.Size:
		rep.failSeq(cp.Size, logDir+logread.CheckpointPath, "the checkpoint covers %d entries, yet the head went on from %d to %d: the checkpoint was put back.", cp.Size, h.PrevSize, h.Size)
	}
	v.expect(knownRoot{Checkpoint: proof.Checkpoint{Size: h.Size, Root: h.Root}, file: ledger.HeadFile})
	return h.Size, true
}

// expect has the tree compared with a root, now or when it gets there.
func (v *store) expect(k knownRoot) {
	switch s := v.scan; {
	case k.Size > s.tree.size || k.Size == 0:
		s.addKnown(k)
	case k.Size == s.tree.size && !s.tree.lost:
		root, err := s.root()
		s.compareKnown(k, root, err)
	}
}

func (v *store) headError(err error) {
	var integrity *ledger.IntegrityError
	switch {
	case errors.Is(err, fs.ErrNotExist):
		v.rep.fail(ledger.HeadFile, "the head is missing, yet there is a log.")
	case errors.As(err, &integrity), errors.Is(err, fsx.ErrTooLarge):
		v.rep.fail(ledger.HeadFile, "%v.", err)
	default:
		v.rep.skip(ledger.HeadFile, "the head could not be read: %v.", err)
	}
}

// integrity files an error of the ledger's own readers.
func integrity(rep *Report, file string, err error) {
	var damage *ledger.IntegrityError
	if errors.As(err, &damage) {
		f := Finding{State: Failed, Seq: damage.Seq, HasSeq: damage.HasSeq, File: damage.File, What: damage.Reason + ".", Next: nextFailed}
		if damage.Err != nil {
			f.What = damage.Reason + ": " + damage.Err.Error() + "."
		}
		rep.add(f)
		return
	}
	rep.skip(file, "it could not be read: %v.", err)
}
