package ledger

import (
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/stetlog/stet/internal/segment"
)

// Err says why the ledger takes nothing any more: ErrFailed with its cause, or ErrClosed; nil while it works.
func (l *Ledger) Err() error { return l.ready() }

// Failed is closed when the ledger has failed; Err then says why.
func (l *Ledger) Failed() <-chan struct{} { return l.dead }

// State is how busy a ledger is.
type State struct {
	Waiting   int       // batches between queue and answer
	Durable   uint64    // entries in the journal, flushed
	Published uint64    // entries under the head and its checkpoint
	Backlog   int64     // bytes of memory for entries that are durable and not yet published
	Oldest    time.Time // received_at of the oldest entry that is not published; zero where there is none
}

// State says how busy the ledger is.
func (l *Ledger) State() State {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := State{Waiting: len(l.slots), Durable: l.durable, Published: l.published, Backlog: l.backlog}
	if len(l.pending) > 0 {
		s.Oldest = l.pending[0].at
	}
	return s
}

// Look checks that the journal's segments still are under their names. Each flush looks at its own; Look is for when
// nobody writes: what was acknowledged is gone as well when its file goes (THREATS 15). What it finds ends the ledger, as
// a failed flush does, and is returned by Err and by every later call.
func (l *Ledger) Look() error {
	if err := l.ready(); err != nil {
		return err
	}
	if err := l.look(); err != nil {
		l.fail(fmt.Errorf("journal: %w", err))
		return l.failed()
	}
	return nil
}

func (l *Ledger) look() error {
	l.mu.Lock()
	w, segments := l.writing, append([]segmentRef(nil), l.segments...)
	l.mu.Unlock()
	for _, s := range segments {
		_, err := l.fsys.Stat(journalPath(s.number))
		if errors.Is(err, fs.ErrNotExist) && l.has(s.number) {
			return fmt.Errorf("%s: %w; look for it and put it back before anything else is done here", journalPath(s.number), segment.ErrGone)
		}
	}
	if w == nil {
		return nil
	}
	// It may have been closed, and removed, since it was asked for.
	if err := w.InPlace(); errors.Is(err, segment.ErrGone) && l.has(w.Number()) {
		return err
	}
	return nil
}

// has says whether a journal segment is still in use.
func (l *Ledger) has(number uint64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range l.segments {
		if s.number == number {
			return true
		}
	}
	return false
}
