package spool

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"testing"

	"github.com/stetlog/stet/internal/fsx"
	"github.com/stetlog/stet/internal/fsx/fsxtest"
)

// emit runs an emitter: groups of batches, each group one commit, and a segment of its own every third commit. It
// returns the number that was acknowledged up to, exclusive; 0 where Create failed.
func emit(fsys fsx.FS, groups [][]Batch) uint64 {
	w, err := Create(fsys, Dir, meta(), salts())
	if err != nil {
		return 0
	}
	acked := w.Next()
	for i, g := range groups {
		if i%3 == 2 {
			if err := w.rotate(); err != nil {
				break
			}
		}
		for _, b := range g {
			if err := w.Add(b); err != nil {
				_ = w.Close() // the crash's error is what matters
				return acked
			}
		}
		if err := w.Commit(); err != nil {
			break
		}
		acked = w.Next()
	}
	_ = w.Close() // nothing was acknowledged after it
	return acked
}

// emitted is what an emitter writes, small batches and such as span many sectors.
func emitted() (all []Batch, groups [][]Batch) {
	all = append(continued(300, 1, 2), made(4, 9, 700), made(13, 1, 40), made(14, 8, 900), made(22, 2, 600), made(24, 12, 1100))
	all = append(all, Batch{First: 36, Seal: []byte("final")})
	return all, [][]Batch{all[:1], all[1:4], all[4:6], all[6:7], all[7:]}
}

// whole checks a spool as found after the emitter's end: everything acknowledged is there, what is there is what was
// emitted, in order, and no crash counts as damage.
func whole(fsys fsx.FS, all []Batch, acked uint64) error {
	if err := Clean(fsys, Dir); err != nil {
		return err
	}
	if entries, err := fsys.ReadDir(Dir); err == nil && slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return e.Name() != stream }) {
		return fmt.Errorf("Clean left %v", entries)
	}
	got, r, err := collect(fsys, 1)
	if errors.Is(err, fs.ErrNotExist) && acked <= 1 {
		return nil
	}
	if err != nil {
		return err
	}
	if r.Meta != meta() && (acked > 0 || len(got) > 0) { // a Create that failed may leave a directory without segments
		return errors.New("the spool has no meta")
	}
	if len(r.Damaged) > 0 {
		return fmt.Errorf("a crash counts as damage: %+v", r.Damaged)
	}
	if r.Next < acked && acked > 1 {
		return fmt.Errorf("acknowledged below %d, found below %d", acked, r.Next)
	}
	if len(got) > len(all) {
		return fmt.Errorf("%d batches of %d", len(got), len(all))
	}
	return audit(all[:len(got)], got, Report{})
}

// THREATS 1, 2, 3, 8: whatever Commit acknowledged is there after any crash and any failed call, never half a batch.
func TestEmitterSurvivesEveryCrashAndFault(t *testing.T) {
	all, groups := emitted()
	plan := fsxtest.Plan{
		Run: func(fsys *fsxtest.Mem) any { return emit(fsys, groups) },
		Check: func(fsys *fsxtest.Mem, acked any) error {
			if err := whole(fsys, all, acked.(uint64)); err != nil {
				return err
			}
			own, err := Own(fsys, Dir, stream)
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			if err != nil {
				return fmt.Errorf("the owner is dead: %w", err)
			}
			return own.Close()
		},
		MaxStates: 10_000,
	}
	fsxtest.Explore(t, plan)
	fsxtest.Faults(t, plan, 300)
}

// At no moment does anybody see a spool whose owner lives and whose lock is free.
func TestALiveSpoolIsLockedAtEveryOperation(t *testing.T) {
	m := fsxtest.New()
	fill(t, m, continued(10, 1))
	for op := range m.Ops() {
		m := fsxtest.New()
		m.KillAt(op + 1)
		w, err := Create(m, Dir, meta(), salts())
		if err != nil {
			continue
		}
		if _, err := Own(m.Process(), Dir, stream); !errors.Is(err, fsx.ErrLocked) {
			t.Fatalf("before operation %d: %v", op+1, err)
		}
		_ = w.Close() // killed in the middle of it
	}
}

// A drainer that is interrupted anywhere, and begins again, has everything in its ledger exactly once, and removes the
// spool in the end. The ledger is a set of numbers here, durable at once; the spool may go only when it has them.
func TestDrainSurvivesEveryCrashAndFault(t *testing.T) {
	batches, files := three(t)
	for name, damage := range map[string]func([][]byte){
		"sound":           func([][]byte) {},
		"not trimmed":     func([][]byte) {},
		"damaged frame":   func(f [][]byte) { f[1][len(f[1])-1] ^= 1 },
		"damaged header":  func(f [][]byte) { f[1][20] ^= 1 },
		"damaged newest":  func(f [][]byte) { f[2][70] ^= 1 },
		"torn tail":       func(f [][]byte) { f[2] = f[2][:len(f[2])-5] },
		"all are damaged": func(f [][]byte) { f[0][2], f[1][2], f[2][2] = 0, 0, 0 },
	} {
		t.Run(name, func(t *testing.T) {
			copies := make([][]byte, len(files))
			for i := range files {
				copies[i] = slices.Clone(files[i])
			}
			damage(copies)
			readable, r, err := collect(disk(t, copies...), 1)
			must(t, err)
			must(t, audit(batches, readable, r))
			start := func() *fsxtest.Mem {
				m := disk(t, copies...)
				must(t, fsx.MkdirAll(m, Dir+"/"+stream, 0o700))
				for n := range copies {
					f, err := m.Open(segPath(n))
					must(t, err)
					must(t, f.Sync())
					must(t, f.Close())
				}
				must(t, m.SyncDir(Dir+"/"+stream))
				return m
			}
			// round drains once: it takes what is new, trims as it goes, and returns what the ledger has.
			round := func(fsys fsx.FS, ledger []uint64) ([]uint64, error) {
				next := uint64(1)
				if len(ledger) > 0 {
					next = ledger[len(ledger)-1]
				}
				own, err := Own(fsys, Dir, stream)
				if errors.Is(err, fs.ErrNotExist) {
					return ledger, nil
				}
				if err != nil {
					return ledger, err
				}
				defer func() { _ = own.Close() }() // of a process that is about to end
				r, err := Read(fsys, Dir, stream, next, func(b Batch) error {
					ledger = append(ledger, b.Next())
					next = b.Next()
					return nil
				})
				if err != nil {
					return ledger, err
				}
				for _, d := range r.Damaged {
					if err := Quarantine(fsys, Dir, stream, d.Segment); err != nil && !errors.Is(err, fs.ErrNotExist) {
						return ledger, err
					}
				}
				if name != "not trimmed" {
					if err := Trim(fsys, Dir, stream, next); err != nil {
						return ledger, err
					}
				}
				return ledger, Remove(fsys, Dir, stream)
			}
			var want []uint64
			for _, b := range readable {
				want = append(want, b.Next())
			}
			plan := fsxtest.Plan{
				Start: start,
				Run: func(fsys *fsxtest.Mem) any {
					got, _ := round(fsys, nil) // its error is the crash's
					return got
				},
				Check: func(fsys *fsxtest.Mem, acked any) error {
					// Whoever looks at all that is left sees no hole that a removal made.
					if _, left, err := collect(fsys, 0); (name == "sound" || name == "not trimmed") && len(left.Damaged) > 0 {
						return fmt.Errorf("half a removal counts as damage: %+v, %w", left.Damaged, err)
					}
					ledger, err := round(fsys, slices.Clone(acked.([]uint64)))
					if err != nil {
						return fmt.Errorf("drain again: %w", err)
					}
					if !slices.Equal(ledger, want) {
						return fmt.Errorf("the ledger has batches up to %d, want %d", ledger, want)
					}
					if left, err := List(fsys, Dir); err != nil || len(left) > 0 {
						return fmt.Errorf("spools left: %q, %w", left, err)
					}
					for _, d := range r.Damaged {
						if _, err := fsys.Stat(QuarantineDir + "/" + stream + "-" + d.Segment); err != nil {
							return fmt.Errorf("damage was not kept: %w", err)
						}
					}
					return nil
				},
				MaxStates: 1000,
			}
			fsxtest.Explore(t, plan)
			fsxtest.Faults(t, plan, 100)
		})
	}
}

// A disk that fills up anywhere refuses, and keeps what it had acknowledged.
func TestAFullDisk(t *testing.T) {
	all, groups := emitted()
	free := fsxtest.New()
	emit(free, groups)
	for limit := int64(1); limit < free.Used(); limit += 257 {
		m := fsxtest.New()
		m.Limit(limit)
		acked := emit(m, groups)
		m.Crash()
		for s := range m.States(50, 1) {
			s.Limit(0)
			if err := whole(s, all, acked); err != nil {
				t.Fatalf("%d bytes: %v\n%s", limit, err, s.Origin())
			}
		}
	}
}
