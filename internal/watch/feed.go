package watch

import "time"

// Taker takes the entries of a log in their order. Each Machine is one.
type Taker interface{ Add(Entry) }

// Feed returns what gives takers the entries of a log, in their order and from the first one, as a Runner gives them to its
// machines: for whoever wants to know what would be found, and records nothing. storeKey is the verifier key of the log's
// store. Its error is about the entry, which then nobody was given.
func Feed(storeKey string, to ...Taker) func(seq uint64, raw []byte) error {
	r := &Runner{StoreKey: storeKey}
	for _, t := range to {
		r.Machines = append(r.Machines, listener{t})
	}
	return func(_ uint64, raw []byte) error {
		e, err := r.entry(raw)
		if err == nil {
			r.take(e)
		}
		return err
	}
}

// listener is a Taker that finds nothing itself.
type listener struct{ Taker }

func (listener) Due(time.Time) []Finding { return nil }
func (listener) Next() time.Time         { return time.Time{} }
