package store

import (
	"bytes"
	"context"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/expect"
	"github.com/stetlog/stet/internal/ledger"
	"github.com/stetlog/stet/internal/logread"
	"github.com/stetlog/stet/internal/watch"
	"github.com/stetlog/stet/proof"
)

// Expected reads which definitions of the log count. It looks at every entry, some microseconds each.
func (r *Reading) Expected(ctx context.Context) (*expect.Defined, error) {
	storeKey, err := r.StoreKey(ctx)
	if err != nil {
		return nil, err
	}
	var all expect.Defined
	var batch []watch.Entry // of events whose seal has not come yet, those that may matter
	err = r.Entries(ctx, func(seq uint64, raw []byte) error {
		damaged := func(err error) error {
			return &ledger.IntegrityError{Seq: seq, HasSeq: true, File: logread.StoreLog, Reason: "the entry cannot be read", Err: err}
		}
		about := bytes.Contains(raw, []byte(`"expectation_`))
		if !about && (len(batch) == 0 || bytes.Contains(raw, []byte(`"event":{`))) {
			return nil // most of a log
		}
		e, err := proof.ParseEntry(raw)
		if err != nil {
			return damaged(err)
		}
		if e.Seal != nil {
			seal, err := proof.ParseSeal(e.Seal.Note)
			if err != nil {
				return damaged(err)
			}
			for _, x := range batch {
				x.StoreKey = seal.Key == storeKey
				all.Apply(x)
			}
			batch = batch[:0]
		}
		if e.Event == nil || !about {
			return nil
		}
		x := watch.Entry{Seq: seq}
		if x.Event, err = event.Parse(e.Event); err == nil {
			x.ReceivedAt, err = event.ParseTime(e.ReceivedAt)
		}
		if err != nil {
			return damaged(err)
		}
		batch = append(batch, x)
		return nil
	})
	return &all, err
}

// Expected reads which definitions of the log count, of those that are published.
func (h *Held) Expected(ctx context.Context) (*expect.Defined, error) {
	r, err := h.s.Reading()
	if err != nil {
		return nil, err
	}
	return r.Expected(ctx)
}
