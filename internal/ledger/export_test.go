package ledger

import "context"

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
