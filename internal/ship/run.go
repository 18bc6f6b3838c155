package ship

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

// The pauses of Run.
const (
	gather    = 100 * time.Millisecond // after a wake-up, so that what comes together travels together
	busyPause = time.Second            // while another process ships
	pauseLow  = time.Second            // after a first failure; each further one doubles it
	pauseHigh = 5 * time.Minute
)

// Run ships until ctx ends: at once, and whenever wake says that there is more. After a failure it pauses, the longer the
// more there were in a row, by chance up to twice as long, and at least as long as the server asks for. tell gets what a
// person should know, once: a server that contradicts itself or refuses for good; and a *StubbedError each time that events
// were put in quarantine. It is called by Run's goroutine.
func (s *Shipper) Run(ctx context.Context, wake <-chan struct{}, tell func(error)) {
	var failures int
	var told string
	for ctx.Err() == nil {
		r, err := s.Flush(ctx)
		if r.Refused > 0 {
			tell(&StubbedError{r.Refused})
		}
		var pause time.Duration
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			pause = backoff(failures, err)
			failures++
			if text := err.Error(); !passing(err) && text != told {
				told = text
				tell(err)
			}
		case r.Busy:
			pause = busyPause
		default:
			failures, told = 0, ""
			select {
			case <-wake:
			case <-ctx.Done():
				return
			}
			pause = gather
		}
		if !wait(ctx, pause) {
			return
		}
	}
}

// StubbedError says that a log could not store so many events, and has stubs in their place. Their bytes are in quarantine,
// and noted there: see spool.ListRefused.
type StubbedError struct{ Events int }

func (e *StubbedError) Error() string {
	return fmt.Sprintf("%d events were refused, and stubs stand in their place; their bytes are in quarantine", e.Events)
}

// backoff is how long to pause after so many failures before this one.
func backoff(failures int, err error) time.Duration {
	pause := min(pauseLow<<min(failures, 16), pauseHigh)
	var bad *IntegrityError
	if errors.As(err, &bad) {
		pause = pauseHigh
	}
	pause += rand.N(pause)
	var refused *RefusedError
	if errors.As(err, &refused) {
		pause = max(pause, refused.RetryAfter)
	}
	return pause
}

// passing says that nobody need be told: time alone may heal it.
func passing(err error) bool {
	var refused *RefusedError
	if errors.As(err, &refused) {
		return refused.Later()
	}
	return errors.Is(err, ErrUnreachable)
}

// wait is false where ctx ended first.
func wait(ctx context.Context, pause time.Duration) bool {
	t := time.NewTimer(pause)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
