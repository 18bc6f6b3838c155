package ledger

import "context"

// Recover does what Open does before it starts any goroutine: for a fuzz target, whose coverage must not depend on how
// goroutines are scheduled.
func Recover(ctx context.Context, o Options) error {
	l, err := prepare(o)
	if err != nil {
		return err
	}
	if err := l.recover(ctx); err != nil {
		return err
	}
	return l.streams.close()
}
