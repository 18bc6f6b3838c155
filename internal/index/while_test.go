package index

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"testing"

	"github.com/stetlog/stet/internal/fsx"
	"github.com/stetlog/stet/proof"
)

// TestAskedWhileItGrows: what is found while entries come in, files are written and put in the place of memory, is what a scan
// finds in the entries that the answer says it searched.
func TestAskedWhileItGrows(t *testing.T) {
	l := newLog()
	s := newSender(t, "host/1")
	for i := range 12 {
		for k := range 6000 {
			l.lost(fmt.Sprintf("loss %d", k%7))
		}
		l.batch(t, s, proof.Via{Kind: proof.ViaSpool}, login(t, i, "alice"))
	}
	q := parse(t, "loss 5 -actor:alice")
	upTo := make([]uint64, len(l.entries)+1) // how many a scan finds below
	found := naive(l.records(t), q)
	for i := range l.entries {
		upTo[i+1] = upTo[i]
		if n := upTo[i]; n < uint64(len(found)) && found[n] == uint64(i) {
			upTo[i+1]++
		}
	}
	x := openIndex(t, openDir(t, t.TempDir()))
	var askers sync.WaitGroup
	ticks := [2]chan struct{}{make(chan struct{}, 1), make(chan struct{}, 1)}
	for _, tick := range ticks {
		askers.Go(func() {
			for range tick {
				n, in, err := x.Count(context.Background(), l, q, epoch, Everything())
				if err != nil || n != (Count{N: upTo[in.Indexed]}) {
					t.Errorf("of %d entries it finds %v (%v), a scan %d", in.Indexed, n, err, upTo[in.Indexed])
				}
			}
		})
	}
	if err := x.Catch(t.Context(), l, func(uint64, uint64) {
		for _, tick := range ticks {
			select {
			case tick <- struct{}{}:
			default: // it is still asking
			}
		}
	}); err != nil {
		t.Error(err)
	}
	x.written.Wait()
	for _, tick := range ticks {
		tick <- struct{}{}
		close(tick)
	}
	askers.Wait()
}

// listedBefore is a directory that was listed before it changed: the first time it says what was there then.
type listedBefore struct {
	fsx.FS
	then []fs.DirEntry
}

func (d *listedBefore) ReadDir(name string) ([]fs.DirEntry, error) {
	if then := d.then; then != nil {
		d.then = nil
		return then, nil
	}
	return d.FS.ReadDir(name)
}

// TestOpenedWhileItIsWritten: who opens an index between listing its files and opening them, while another process replaces
// them, has all of it.
func TestOpenedWhileItIsWritten(t *testing.T) {
	l := newLog()
	s := newSender(t, "host/1")
	dir := openDir(t, t.TempDir())
	grow := func(n int) {
		l.batch(t, s, proof.Via{Kind: proof.ViaSpool}, login(t, n, "alice"))
		x := openIndex(t, dir)
		catchUp(t, x, l)
		if err := errors.Join(x.Save(), x.Close()); err != nil {
			t.Fatal(err)
		}
	}
	grow(0)
	then, err := dir.ReadDir(Dir)
	if err != nil {
		t.Fatal(err)
	}
	grow(1)
	x := openIndex(t, &listedBefore{dir, then})
	if got := x.Indexed(); got != l.tree.Size() || len(x.Faults) > 0 {
		t.Errorf("it has %d of %d entries: %v", got, l.tree.Size(), x.Faults)
	}
}
