package verify_test

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/stetlog/stet/internal/fsx/fsxtest"
	"github.com/stetlog/stet/internal/verify"
)

// TestEveryCrashIsSound: whatever a crash leaves of a store, at any operation, is verified. A verifier that cries wolf
// after a power cut would soon be ignored.
func TestEveryCrashIsSound(t *testing.T) {
	fsxtest.Explore(t, fsxtest.Plan{
		MaxStates: 600,
		Run: func(fsys *fsxtest.Mem) any {
			w := newIdleWorld(t, 41)
			w.soft = true
			l, err := w.openStore(fsys)
			if err != nil {
				return nil
			}
			w.into(l)
			w.enrol(w.store)
			for i := range 6 {
				w.fill(1)
				if i%2 == 1 {
					if _, err := l.Publish(context.Background()); err != nil {
						break
					}
				}
			}
			_ = l.Close() // fails where the machine has stopped
			return nil
		},
		Check: func(fsys *fsxtest.Mem, _ any) error {
			rep, err := verify.Store(context.Background(), fsys, verify.Options{Workers: 1})
			if err != nil {
				return err
			}
			if rep.State() != verify.Verified {
				return fmt.Errorf("%v", rep.Findings)
			}
			return nil
		},
	})
}

// TestBesideAWriter verifies a store again and again while it is written to. Nothing of that may look like damage.
func TestBesideAWriter(t *testing.T) {
	w := newIdleWorld(t, 42)
	disk := fsxtest.New()
	l, err := w.openStore(disk.Process())
	if err != nil {
		t.Fatal(err)
	}
	w.into(l)
	w.enrol(w.store)
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		defer close(done)
		for i := range 150 {
			w.fill(1)
			if i%3 == 0 {
				if _, err := l.Publish(context.Background()); err != nil {
					t.Error(err)
					return
				}
			}
		}
	})
	looks := 0
	for running := true; running; looks++ {
		select {
		case <-done:
			running = false
		default:
		}
		rep, err := verify.Store(context.Background(), disk.Process(), verify.Options{})
		if err != nil {
			t.Fatal(err)
		}
		// The disk in memory lets a writer run away from any reader; that may be said, and never as a failure.
		if rep.State() != verify.NotChecked || !running {
			mustBe(t, rep, verify.Verified, "a store in use")
		}
		if t.Failed() {
			break
		}
	}
	wg.Wait()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	t.Logf("looked %d times", looks)
}
