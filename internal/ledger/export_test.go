package ledger

import (
	"context"
	"runtime"
	"slices"
	"weak"
)

// Recover does what Open does before it starts any goroutine: for a fuzz target, whose coverage must not depend on how
// goroutines are scheduled.
func Recover(ctx context.Context, o Options) error { return RecoverInLots(ctx, o, maxRecovered) }

// RecoverInLots is Recover with another size of the lots that are published at once, in bytes of entries.
func RecoverInLots(ctx context.Context, o Options, most int) error {
	l, err := prepare(o)
	if err != nil {
		return err
	}
	l.lot = most
	if err := l.recover(ctx); err != nil {
		return err
	}
	return l.streams.close()
}

// Kept is how many bytes of memory the ledger has in buffers of entries: of those that wait to be published, and of those
// that are kept for the next ones.
func (l *Ledger) Kept() (wait, free int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return int(l.backlog), l.freeBytes
}

// Waiting returns a function that says how many of the groups that wait now, and are not kept to be used again, are still in
// memory.
func (l *Ledger) Waiting() (groups int, left func() int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var all []weak.Pointer[group]
	for _, g := range l.pending {
		all = append(all, weak.Make(g))
	}
	return len(all), func() (n int) {
		runtime.GC()
		l.mu.Lock()
		defer l.mu.Unlock()
		for _, p := range all {
			if g := p.Value(); g != nil && !slices.Contains(l.free, g) {
				n++
			}
		}
		return n
	}
}
