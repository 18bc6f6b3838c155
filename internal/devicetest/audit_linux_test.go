package devicetest

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/stetlog/stet"
	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/fsx"
	"github.com/stetlog/stet/internal/known"
	"github.com/stetlog/stet/internal/store"
	"github.com/stetlog/stet/internal/verify"
	"github.com/stetlog/stet/proof"
)

// storeIn and stateIn are where everything is on a disk mounted at dir: the memory of checkpoints too, so that a power cut
// meets both.
func storeIn(dir string) string { return filepath.Join(dir, "store") }
func stateIn(dir string) string { return filepath.Join(dir, "state") }

// options are those of a recorder that may fill its disk to the last byte.
func options(dir string) stet.Options {
	return stet.Options{App: "shop", Environment: "test", StateDir: stateIn(dir), NoFold: true, KeepFree: -1, SpoolBytes: -1}
}

// said makes the event that is told by its interaction.
func said(id string, size int) event.Event {
	return event.Event{EventType: "authn_login_fail", Status: event.StatusFailure, InteractionID: id, Description: strings.Repeat("x", size)}
}

// drain drains as any stet command does, and returns the checkpoint; nil where somebody else does it.
func drain(ctx context.Context, dir string) (checkpoint []byte, err error) {
	s, err := store.Open(storeIn(dir), stateIn(dir))
	if err != nil {
		return nil, err
	}
	d, err := s.Drain(ctx)
	return d.Checkpoint, errors.Join(err, s.Close())
}

// told is what callers know.
type told struct {
	acked map[string]bool // interactions
	seen  [][]byte        // checkpoints
}

// audit opens a store of which every process is dead and holds it against what callers know.
func audit(dir string, c told) (events int, err error) {
	s, err := store.Open(storeIn(dir), stateIn(dir))
	if errors.Is(err, store.ErrNoStore) && len(c.acked) == 0 {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	d, err := s.Drain(context.Background())
	if err != nil {
		return 0, fmt.Errorf("drain: %w", err)
	}
	if d.Busy || len(d.Left) > 0 || len(d.Damaged) > 0 || d.Refused > 0 {
		return 0, fmt.Errorf("drained with remainders: %+v", d)
	}
	ids, found := map[event.UUID]bool{}, map[string]int{}
	err = s.Entries(context.Background(), func(seq uint64, raw []byte) error {
		e, err := proof.ParseEntry(raw)
		if err != nil || e.Event == nil {
			return err
		}
		ev, err := event.Parse(e.Event)
		if err != nil {
			return err
		}
		if ids[ev.EventID] {
			return fmt.Errorf("event %s is there twice, again as entry %d", ev.EventID, seq)
		}
		ids[ev.EventID] = true
		if ev.EventType == "authn_login_fail" {
			found[ev.InteractionID]++
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	for id := range c.acked {
		if found[id] != 1 {
			return 0, fmt.Errorf("%s was acknowledged, and is there %d times", id, found[id])
		}
	}
	o := verify.Options{}
	for _, msg := range append(c.seen, d.Checkpoint) {
		o.Known = append(o.Known, verify.Known{Checkpoint: msg, From: "a drain"})
	}
	cp, err := proof.ParseCheckpointText(d.Checkpoint)
	if err != nil {
		return 0, err
	}
	last, ok, err := s.Known.Last(cp.Origin)
	if err != nil || !ok {
		return 0, fmt.Errorf("this computer's memory of the log: %t, %w", ok, err)
	}
	o.Known = append(o.Known, verify.Known{Checkpoint: last.Note, From: known.Dir{}.Name})
	rep, err := look(dir, o)
	if err == nil && rep.State() != verify.Verified {
		err = fmt.Errorf("verify: %v", rep.Findings)
	}
	return len(found), err
}

// look verifies a store as it lies there.
func look(dir string, o verify.Options) (rep verify.Report, err error) {
	fsys, err := fsx.OpenDir(storeIn(dir))
	if err != nil {
		return rep, err
	}
	defer func() { err = errors.Join(err, fsys.Close()) }()
	return verify.Store(context.Background(), fsys, o)
}
