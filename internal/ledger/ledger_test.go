package ledger_test

import (
	"testing"

	"github.com/stetlog/stet/internal/fsx/fsxtest"
	"github.com/stetlog/stet/internal/ledger"
)

func TestAppendPublishReopen(t *testing.T) {
	fsys := fsxtest.New()
	l := open(t, options(fsys))
	s := newStream("emitter", 1)
	p := mustAppend(t, l, s.next(3, 100))
	if p.First != 0 || p.Count != 4 || p.Again {
		t.Fatalf("first batch placed at %+v", p)
	}
	if c := mustPublish(t, l); c.Size != 4 {
		t.Fatalf("checkpoint of %d entries, want 4", c.Size)
	}
	for range 100 {
		mustAppend(t, l, s.next(7, 100))
	}
	mustPublish(t, l)
	mustAppend(t, l, s.next(2, 100))
	mustClose(t, l)
	size, root := l.Head()
	if size != 4+800+3 {
		t.Fatalf("size %d", size)
	}
	l = open(t, options(fsys))
	if s2, r2 := l.Head(); s2 != size || r2 != root {
		t.Fatalf("reopened at %d %s, closed at %d %s", s2, r2, size, root)
	}
	if rec, err := l.Receipt(t.Context(), s.id, 4); err != nil || rec.First != 4 || rec.Count != 8 {
		t.Fatalf("receipt %+v, %v", rec, err)
	}
	mustClose(t, l)
	_ = ledger.ErrClosed
}
