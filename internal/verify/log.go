package verify

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/stetlog/stet/internal/logread"
	"github.com/stetlog/stet/proof"
)

// Log verifies a log by itself, as an export or a mirror has it. The error is only ever that ctx ended or that o makes
// no sense; whatever is wrong with the log is in the report.
func Log(ctx context.Context, src logread.Source, o Options) (Report, error) {
	rep := &Report{}
	s := newScan(src, rep, o)
	from := ""
	if o.LogKey != "" {
		if err := proof.CheckVKey(o.LogKey); err != nil {
			return Report{}, fmt.Errorf("the pinned log key: %w", err)
		}
		from = KeyPinned
	}
	s.followKeys(ctx, o.LogKey, from)
	if cp, ok := s.checkpoint(ctx); ok {
		s.remember(cp, o.Known)
		s.addKnown(knownRoot{Checkpoint: cp, file: logread.CheckpointPath})
		if cp.Size == 0 {
			rep.note(logread.CheckpointPath, "the log is empty.")
		}
		l, lists := src.(Lister)
		if lists {
			if err := s.list(ctx, l, cp.Size); err != nil {
				return Report{}, err
			}
		}
		if err := s.to(ctx, cp.Size); err != nil {
			return Report{}, err
		}
		s.finish(ctx)
		s.chain.boundary(cp.Size)
		if lists {
			if err := s.stored(ctx, l, nil); err != nil {
				return Report{}, err
			}
		}
	}
	if err := ctx.Err(); err != nil {
		return Report{}, err
	}
	s.chain.end()
	s.compareKeys()
	return *rep, nil
}

// checkpoint reads and checks the signed checkpoint; ok is false where there is none to work with.
func (s *scan) checkpoint(ctx context.Context) (cp proof.Checkpoint, ok bool) {
	msg, err := s.src.Fetch(ctx, logread.CheckpointPath)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		s.rep.fail(s.checkpointFile(), "the checkpoint is missing: nothing says what this log is.")
	case err != nil:
		f := lack(err, logread.CheckpointPath, 0, "the checkpoint")
		f.HasSeq = false
		s.rep.add(f)
	default:
		return s.opened(ctx, msg)
	}
	return cp, false
}

// opened checks a checkpoint and takes it as what is being verified.
func (s *scan) opened(ctx context.Context, msg []byte) (cp proof.Checkpoint, ok bool) {
	rep := s.rep
	rep.Checkpoint = msg
	cp, err := proof.ParseCheckpointText(msg)
	if err != nil {
		rep.fail(s.checkpointFile(), "this is not a checkpoint: %v.", err)
		return cp, false
	}
	rep.Origin, rep.Size, rep.Root = cp.Origin, cp.Size, cp.Root
	if rep.LogKey == "" {
		rep.add(Finding{State: NotChecked, File: s.checkpointFile(), What: "no key is known to check the checkpoint's signature with.", Next: "Give the log's verifier key."})
		return cp, true
	}
	if err := s.openCheckpoint(ctx, msg); err != nil {
		rep.fail(s.checkpointFile(), "it is not signed by %s (%s): %v.", rep.LogKey, rep.LogKeyFrom, err)
	}
	return cp, true
}

// remember takes the checkpoints of this log that others kept. What they say about other logs is not our business.
func (s *scan) remember(now proof.Checkpoint, known []Known) {
	for _, k := range known {
		old, err := proof.ParseCheckpointText(k.Checkpoint)
		switch {
		case err != nil:
			s.rep.add(Finding{State: NotChecked, What: "the checkpoint that " + k.From + " kept cannot be read: " + err.Error() + ".", Next: "Remove or replace it."})
			continue
		case old.Origin != now.Origin:
			continue
		case s.rep.LogKey == "":
			s.rep.add(Finding{State: NotChecked, What: "no key is known to check the signature of the checkpoint with that " + k.From + " kept.", Next: "Give the log's verifier key."})
			continue
		}
		if _, _, err := s.keys.OpenOlder(k.Checkpoint, s.trusted); err != nil {
			s.rep.fail("", "%s saw %d entries of %s signed, and not by the key that this log has now (%s), nor by one whose place that took: the log was replaced, its key was, or it was restored from an older copy. %v.", k.From, old.Size, old.Origin, s.rep.LogKey, err)
			continue
		}
		if newest, err := s.keys.Newest(k.LogKey); k.LogKey != "" && (err != nil || newest != s.rep.LogKey) {
			s.rep.fail("", "%s counts on %s as the key of %s, from which no handover leads to the present one, %s: the log was replaced or restored from an older copy, or somebody has an older key of it.", k.From, k.LogKey, old.Origin, s.rep.LogKey)
			continue
		}
		if old.Size > now.Size {
			s.rep.failSeq(now.Size, "", "%s saw %d entries of this log signed; it ends at %d: entries from %d on were cut off, or the log was restored from an older copy.", k.From, old.Size, now.Size, now.Size)
			continue
		}
		s.addKnown(knownRoot{Checkpoint: old, from: k.From})
	}
}

func (s *scan) checkpointFile() string { return s.check.dir + logread.CheckpointPath }
