package verify_test

import (
	"bytes"
	"context"
	"io/fs"
	"slices"
	"sync"
	"testing"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/verify"
	"github.com/stetlog/stet/proof"
)

// backwards is a log whose first bundle is not to be had before somebody asks for the third: then the other of two workers
// is done with the second.
type backwards struct {
	files        map[string][]byte
	first, third string
	once         *sync.Once
	passed       chan struct{}
}

func (b backwards) Fetch(ctx context.Context, path string) ([]byte, error) {
	switch path {
	case b.third:
		b.once.Do(func() { close(b.passed) })
	case b.first:
		select {
		case <-b.passed:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	data, ok := b.files[path]
	if !ok {
		return nil, fs.ErrNotExist
	}
	return data, nil
}

// TestTheLowestNumberIsNamedFirst: bundles are checked side by side and end in any order; what is said of them does not
// depend on it.
func TestTheLowestNumberIsNamedFirst(t *testing.T) {
	w := newWorld(t, 3)
	s := w.emitter(10, "billing", "production")
	for range 10 {
		events := make([]event.Event, 100)
		for i := range events {
			events[i] = w.login(i)
			events[i].Labels["note"] = "small"
		}
		w.batch(s, events, nil)
	}
	files := buildLog(t, w.leaves(), w.log, false)
	first, second, third := proof.EntriesPath(0, proof.TileWidth), proof.EntriesPath(1, proof.TileWidth), proof.EntriesPath(2, proof.TileWidth)
	for _, name := range []string{first, second} {
		files[name] = bytes.Replace(files[name], []byte(`"small"`), []byte(`"smell"`), 1)
	}
	src := backwards{files, first, third, new(sync.Once), make(chan struct{})}
	rep, err := verify.Log(t.Context(), src, verify.Options{LogKey: w.log.vkey, Workers: 2})
	if err != nil {
		t.Fatal(err)
	}
	mustBe(t, rep, verify.Failed, "two altered bundles")
	var named []string
	for _, f := range rep.Findings {
		if f.File == first || f.File == second {
			named = append(named, f.File)
		}
	}
	if f, _ := rep.First(); f.File != first || !slices.Equal(named, []string{first, second}) {
		t.Errorf("named first: %v; then %v", f, named)
	}
}
