package store

import (
	"context"
	"fmt"

	"github.com/stetlog/stet/internal/ledger"
)

// line gives out places in the ledger's line to calls that need several at once. Such a call takes place after place and
// gives none back before it has all: two of them could take all places and wait for each other for ever. So their places
// are set aside first, by one call at a time. A call that needs one place waits for nobody but the disk, and asks here for
// nothing.
type line struct {
	turn   chan struct{} // held while places are set aside
	places chan struct{} // set aside
}

// maxSetAside leaves half of the ledger's places to those that need one.
const maxSetAside = ledger.MaxWaiting / 2

func newLine() line {
	return line{make(chan struct{}, 1), make(chan struct{}, maxSetAside)}
}

// take sets n places aside, which give gives back; n is at most maxSetAside.
func (l line) take(ctx context.Context, n int) error {
	if n < 2 {
		return nil
	}
	select {
	case l.turn <- struct{}{}:
	case <-ctx.Done():
		return fmt.Errorf("not stored: %w", context.Cause(ctx))
	}
	defer func() { <-l.turn }()
	for i := range n {
		select {
		case l.places <- struct{}{}:
		case <-ctx.Done():
			for range i {
				<-l.places
			}
			return fmt.Errorf("not stored: %w", context.Cause(ctx))
		}
	}
	return nil
}

func (l line) give(n int) {
	if n < 2 {
		return
	}
	for range n {
		<-l.places
	}
}
