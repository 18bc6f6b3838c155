package ship

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/stetlog/stet/internal/fsx"
	"github.com/stetlog/stet/internal/known"
	"github.com/stetlog/stet/internal/spool"
)

// Shipper sends the spools of one server's place. All fields but TokenFile and Machine must be set. Its methods are safe for
// concurrent use by any number of goroutines and processes: one at a time ships, the others are told that it does.
type Shipper struct {
	Client    *Client
	Address   Address
	TokenFile string    // absolute; "": what is known of the server says which token is for it
	State     fsx.FS    // the state directory
	Place     fsx.FS    // where spool.Dir is
	Known     known.Dir // where checkpoints that were seen are
	Machine   string    // this machine, as spools state it; "": spools of every machine are taken for ours
	Now       func() time.Time
}

// Left is a spool that was not sent to its end, or not removed, and why.
type Left struct {
	Stream string
	Why    string
}

// Report is what one Flush did.
type Report struct {
	Busy    bool // another process ships, and looks again when it has done so
	Batches int  // sent and proven
	Events  int  // in these
	Refused int  // of these, stand as stubs in the log; their bytes are in quarantine
	Lost    int  // runs of dead processes that the server recorded as lost
	Left    []Left
	Damaged []Left // spools of which something could not be read; it is declared lost, and kept in quarantine
	Size    uint64 // entries under the last checkpoint; 0 where none was seen
}

// lockFile excludes shippers of one place.
const lockFile = "ship.lock"

// maxRounds bounds how often Flush looks again; each look that finds something makes progress.
const maxRounds = 64

// Flush sends what is spooled, once: every sealed batch of dead and living streams, and then that the dead are dead. It
// returns when that is proven, remembered and removed, or with the first error of the server or of this computer's own
// disk; what was proven until then is removed too. An *IntegrityError has been written down. What is wrong with one spool
// is in the report and does not keep it from the others. Another Flush goes on where this one stopped.
func (s *Shipper) Flush(ctx context.Context) (r Report, err error) {
	for range maxRounds {
		lock, err := s.Place.TryLock(lockFile)
		if errors.Is(err, fsx.ErrLocked) {
			r.Busy = r.Batches == 0
			return r, nil
		}
		if err != nil {
			return r, fmt.Errorf("send to %s: %w", s.Address, err)
		}
		r.Left = nil
		err = s.flush(ctx, &r)
		if cerr := lock.Close(); err == nil {
			err = cerr
		}
		var bad *IntegrityError
		if err != nil && !errors.As(err, &bad) { // which says it itself
			err = fmt.Errorf("send to %s: %w", s.Address, err)
		}
		if err != nil {
			return r, err
		}
		again, err := s.waiting(r)
		if err != nil || !again {
			return r, err
		}
	}
	return r, nil
}

// waiting says whether a dead process's spool is there that was not left on purpose.
func (s *Shipper) waiting(r Report) (bool, error) {
	return spool.AnyDead(s.Place, spool.Dir, func(stream string) bool {
		return slices.ContainsFunc(r.Left, func(l Left) bool { return l.Stream == stream })
	})
}

// flush is one round under the lock.
func (s *Shipper) flush(ctx context.Context, r *Report) (err error) {
	if err := spool.Clean(s.Place, spool.Dir); err != nil {
		return err
	}
	p := &pass{s: s, rep: r}
	if err := p.look(); err != nil || len(p.streams) == 0 {
		return err
	}
	if err := p.meet(ctx); err != nil {
		return p.judged(err)
	}
	err = p.sendAll(ctx)
	if err == nil {
		err = p.sendGone(ctx)
	}
	// What is proven is tidied away also where the rest could not be sent.
	return errors.Join(p.judged(err), p.tidy())
}

// judged writes an integrity failure down before anybody is told of it.
func (p *pass) judged(err error) error {
	var bad *IntegrityError
	if errors.As(err, &bad) {
		err = errors.Join(err, noteTrouble(p.s.State, p.s.Now(), bad))
	}
	return err
}
