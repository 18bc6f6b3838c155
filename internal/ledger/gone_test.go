package ledger_test

import (
	"errors"
	"testing"

	"github.com/stetlog/stet/internal/fsx/fsxtest"
	"github.com/stetlog/stet/internal/ledger"
	"github.com/stetlog/stet/internal/segment"
)

// TestALiveJournalIsTakenAway: THREATS 15. A ledger whose journal was removed under it acknowledges nothing more, signs
// nothing more, and says why.
func TestALiveJournalIsTakenAway(t *testing.T) {
	fsys := fsxtest.New()
	l := open(t, options(fsys))
	s := newStream("emitter", 1)
	mustAppend(t, l, s.next(1, 60))
	before := mustPublish(t, l)
	if err := fsys.Remove("journal/000001.j"); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if p, err := l.Append(t.Context(), s.next(1, 60)); !errors.Is(err, ledger.ErrFailed) || !errors.Is(err, segment.ErrGone) {
			t.Errorf("acknowledged at %+v: %v", p, err)
		}
	}
	if _, err := l.Publish(t.Context()); err != nil && !errors.Is(err, ledger.ErrFailed) {
		t.Error(err)
	}
	if err := l.Close(); !errors.Is(err, segment.ErrGone) {
		t.Errorf("close: %v", err)
	}
	if got := opened(t, l.Checkpoint()); got != before {
		t.Errorf("signed %+v after %+v", got, before)
	}
}
