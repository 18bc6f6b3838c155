package ledger_test

import (
	"errors"
	"syscall"
	"testing"

	"github.com/stetlog/stet/internal/fsx"
	"github.com/stetlog/stet/internal/fsx/fsxtest"
	"github.com/stetlog/stet/internal/ledger"
)

// patient waits for a disk that has room again when it is asked a second time.
func patient(o *ledger.Options) {
	small(o)
	o.Preallocate = 2000
	o.FS = fsx.Patient(o.FS, func(try func() bool) {
		for try() {
		}
	})
}

// fills is a program that meets every kind of file of a ledger, new and again.
func fills(w *worker) {
	old := newStream("emitter", 1)
	w.append(old.next(120, 30))
	w.publish()
	for i := range 5 { // more streams than the head takes
		w.append(newStream("emitter", 2+i).next(1, 60))
	}
	w.append(old.next(140, 30)) // a tile becomes full
	w.publish()
	w.close()
}

// THREATS 8 and 2: whichever write of a ledger finds the disk full, and however much of it was done, nothing comes of it but a
// wait; also after a crash in the middle of that. A sync that fails, with the same words, ends the ledger.
func TestAFullDiskIsWaitedFor(t *testing.T) {
	run := func(m *fsxtest.Mem) *worker {
		w := work(m, patient)
		fills(w)
		return w
	}
	m := fsxtest.New()
	quiet := run(m)
	if quiet.err != nil {
		t.Fatal(quiet.err)
	}
	ops := m.Ops()
	tried := map[fsxtest.Kind]int{}
	for i, op := range ops {
		faults := []func(*fsxtest.Mem){func(m *fsxtest.Mem) { m.FailAt(i+1, syscall.ENOSPC, false) }}
		waits := true
		switch op.Kind {
		case fsxtest.OpCreate, fsxtest.OpRename, fsxtest.OpMkdir:
		case fsxtest.OpWrite, fsxtest.OpPreallocate:
			faults = append(faults, func(m *fsxtest.Mem) { m.FailPartlyAt(i+1, syscall.ENOSPC) })
		case fsxtest.OpSync, fsxtest.OpSyncDir:
			waits = false
		default:
			continue
		}
		for _, fail := range faults {
			tried[op.Kind]++
			m := fsxtest.New()
			fail(m)
			w := run(m)
			switch c := w.done().(claim); {
			case waits && (w.err != nil || len(c.acked) != len(quiet.acked)):
				t.Fatalf("operation %d, %v: %v after %d answers", i+1, op, w.err, len(c.acked))
			case !waits && w.err == nil:
				t.Fatalf("operation %d, %v: a failed sync was passed over", i+1, op)
			}
			m.Kill()
			if err := audit(m.Process(), w.claim, patient); err != nil {
				t.Fatalf("operation %d, %v: %v", i+1, op, err)
			}
			if !waits {
				continue
			}
			m = fsxtest.New()
			fail(m)
			m.CrashAt(i + 2)
			w = run(m)
			if w.done(); !errors.Is(w.err, fsxtest.ErrCrashed) {
				t.Fatalf("operation %d, %v: %v", i+2, op, w.err)
			}
			for left := range m.States(8, 1) {
				if err := audit(left, w.claim, patient); err != nil {
					t.Fatalf("a crash after operation %d, %v: %v", i+1, op, err)
				}
			}
		}
	}
	for _, k := range []fsxtest.Kind{fsxtest.OpCreate, fsxtest.OpRename, fsxtest.OpMkdir, fsxtest.OpWrite, fsxtest.OpPreallocate, fsxtest.OpSync, fsxtest.OpSyncDir} {
		if tried[k] == 0 {
			t.Errorf("no %s was met", k)
		}
	}
	t.Log(tried)
}
