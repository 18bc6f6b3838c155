package verify

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/stetlog/stet/internal/fsx"
	"github.com/stetlog/stet/internal/spool"
	"github.com/stetlog/stet/proof"
)

// A spool is read before the ledger and judged after it: what the ledger has taken meanwhile is then in both, and what
// a drain removes meanwhile has been seen. The other way round a drain between the two would look like a hole.

// numbers is where a batch stands in its stream.
type numbers struct{ first, next uint64 }

// spooled is one spool, as far as it must be held against the ledger.
type spooled struct {
	id      streamID
	dir     string
	batches []spooledBatch
	owner   proof.Seal // its key, app and environment; of the first seal
	holes   bool       // segments are damaged: numbers may be missing
}

type spooledBatch struct {
	numbers
	hash    proof.Hash
	prev    proof.Hash
	hasPrev bool
}

// readSpools reads every spool and checks what it says by itself. machine is this machine's identity, or "".
func (v *store) readSpools(ctx context.Context, machine string) error {
	streams, err := spool.List(v.fsys, spool.Dir)
	if err != nil {
		v.rep.skip(spool.Dir, "the spools could not be listed: %v.", err)
		return nil
	}
	for _, stream := range streams {
		if err := v.readSpool(ctx, stream, machine); err != nil {
			return err
		}
	}
	return nil
}

func (v *store) readSpool(ctx context.Context, stream, machine string) error {
	rep := v.rep
	s := &spooled{dir: spool.Dir + "/" + stream}
	s.id, _ = parseStreamID(stream)
	if m, err := spool.ReadMeta(v.fsys, spool.Dir, stream); err == nil && machine != "" && m.MachineID != "" && m.MachineID != machine {
		rep.add(Finding{State: NotChecked, File: s.dir, What: "this spool belongs to another machine, " + m.Host + ": only there can be told whether its writer lives.", Next: "Verify and drain it there."})
		return nil
	}
	v.strays(s.dir)
	took, err := spool.Read(v.fsys, spool.Dir, stream, 0, func(b spool.Batch) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		if why := s.add(v.scan.check, stream, b); why != "" {
			rep.fail(s.dir, "the batch from number %d on is not good: %s.", b.First, why)
			s.holes = true
		}
		return nil
	})
	if cerr := ctx.Err(); cerr != nil {
		return cerr
	}
	switch {
	case errors.Is(err, fs.ErrNotExist): // drained since it was listed
		return nil
	case err != nil:
		rep.skip(s.dir, "the spool could not be read to its end: %v.", err)
		s.holes = true
	}
	for _, d := range took.Damaged {
		rep.fail(s.dir+"/"+d.Segment, "the spool is damaged at byte %d, behind number %d: %s. The next drain quarantines the segment and declares what was lost.", d.Offset, d.AfterSeq, d.Reason)
		s.holes = true
	}
	if took.Torn {
		rep.note(s.dir, "it ends in an unfinished write, as a process leaves it that is writing or was killed; nothing in it was acknowledged.")
	}
	rep.Spools++
	if len(s.batches) == 0 {
		return nil
	}
	v.spooled = append(v.spooled, s)
	watch := make(map[numbers]proof.Hash, len(s.batches))
	for _, b := range s.batches {
		watch[b.numbers] = proof.Hash{}
	}
	v.scan.chain.watch[s.id] = watch
	return nil
}

// strays looks for what is in a spool's directory and is neither a segment nor the lock.
func (v *store) strays(dir string) {
	entries, err := v.fsys.ReadDir(dir)
	if err != nil {
		return // spool.Read says it
	}
	for _, e := range entries {
		digits, segment := strings.CutSuffix(e.Name(), ".seg")
		if e.Type().IsRegular() && (segment && isNumber(digits) || e.Name() == "lock" || fsx.IsTemp(e.Name())) {
			continue
		}
		v.rep.add(unexpected(dir + "/" + e.Name()))
	}
}

// add checks one batch by itself and against the one before it. It returns why it is not good, or "".
func (s *spooled) add(k *checker, stream string, b spool.Batch) string {
	seal, err := k.seals.Open(b.Seal)
	if err != nil {
		return err.Error()
	}
	leaves := make([]proof.Hash, len(b.Events))
	for i, raw := range b.Events {
		leaves[i] = proof.LeafHash(raw)
	}
	switch {
	case seal.Stream != stream:
		return "its seal is of stream " + seal.Stream
	case seal.First != b.First || seal.Count != len(b.Events):
		return fmt.Sprintf("its seal is over %d events from number %d, it holds %d from number %d", seal.Count, seal.First, len(b.Events), b.First)
	case proof.RootOf(leaves) != seal.Root:
		return "its events are not those that were sealed"
	}
	now := spooledBatch{numbers{seal.First, seal.Next()}, proof.SealHash(b.Seal), seal.Prev, seal.HasPrev}
	if n := len(s.batches); n == 0 {
		s.owner = seal
	} else {
		last := s.batches[n-1]
		switch {
		case seal.Key != s.owner.Key || seal.App != s.owner.App || seal.Environment != s.owner.Environment:
			return "it is of another key, application or environment than the batches before it"
		case s.holes && now.first >= last.next:
		case now.first != last.next:
			return fmt.Sprintf("number %d must come next", last.next)
		case !now.hasPrev || now.prev != last.hash:
			return "its seal does not continue the seal before it"
		}
	}
	s.batches = append(s.batches, now)
	return ""
}

// judgeSpools holds the spools against what the ledger has of their streams.
func (v *store) judgeSpools() {
	for _, s := range v.spooled {
		v.judge(s)
	}
	if n := v.rep.Undrained; n > 0 {
		v.rep.note(spool.Dir, "%d events are in spools and not yet in the ledger; their seals were checked.", n)
	}
}

func (v *store) judge(s *spooled) {
	rep, c := v.rep, v.scan.chain
	st := c.streams[s.id]
	if st == nil {
		st = &stream{next: 1}
	}
	sure := c.gaps == 0 // the ledger was read without a gap
	if sure && st.key != "" && (st.key != s.owner.Key || st.app != s.owner.App || st.env != s.owner.Environment) {
		rep.fail(s.dir, "the stream belongs to key %s in the ledger; the spool is sealed by %s, or for another application or environment.", shortKey(st.key), shortKey(s.owner.Key))
		return
	}
	next, last := st.next, st.seal
	for i, b := range s.batches {
		inLedger := c.watch[s.id][b.numbers]
		switch {
		case inLedger == b.hash: // drained already
			continue
		case !sure:
		case inLedger != (proof.Hash{}):
			rep.fail(s.dir, "numbers %d to %d stand in the ledger under another seal than in the spool.", b.first, b.next-1)
			return
		case b.first < st.next && st.lost: // declared lost, and found again
			continue
		case st.final:
			rep.fail(s.dir, "the spool goes on with number %d, yet the stream was closed at seq %d.", b.first, st.sealSeq)
			return
		case b.first < next:
			rep.fail(s.dir, "numbers %d to %d overlap what the ledger has of the stream, and are not it.", b.first, b.next-1)
			return
		case b.first > next && !s.holes:
			rep.fail(s.dir, "numbers %d to %d are neither in the ledger nor in the spool.", next, b.first-1)
			return
		case i == 0 && !st.lossy && !s.holes && (b.hasPrev != st.sealed || b.prev != last):
			rep.fail(s.dir, "the batch from number %d on does not continue the stream's last seal in the ledger.", b.first)
			return
		}
		next = b.next
		rep.Undrained += b.next - b.first
	}
}
