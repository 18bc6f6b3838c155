package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/stetlog/stet/internal/index"
	"github.com/stetlog/stet/internal/search"
	"github.com/stetlog/stet/proof"
)

// indexedSearch finds what a scanner finds: it asks the index of a store about the entries below some number, and reads
// those behind it.
type indexedSearch struct {
	*index.Index
	e     *env
	log   readLog
	query search.Query
	now   time.Time
	below uint64
}

// openIndex returns nil where a store has no index that can be used; if there are files of one, it says why on standard
// error.
func openIndex(e *env, w liveLog, q search.Query, now time.Time) (*indexedSearch, error) {
	x, err := index.Open(w.files, w.log.First)
	if err != nil {
		return nil, err
	}
	s := &indexedSearch{Index: x, e: e, log: readLog{w.log}, query: q, now: now, below: x.Indexed()}
	for _, fault := range x.Faults {
		s.unused(errors.New(fault))
	}
	if s.below > 0 {
		if err = x.Check(e.ctx, s.log); err == nil {
			return s, nil
		}
		if errors.Is(err, index.ErrOther) {
			s.unused(err)
			err = nil
		}
	}
	return nil, errors.Join(err, x.Close())
}

func (s *indexedSearch) unused(why error) {
	_, _ = fmt.Fprintf(s.e.stderr, "stet: the log is read instead of its index: %v (stet admin index rebuild makes it anew)\n", why)
}

// Back does what search.Scanner.Back does. An entry about which index and log disagree is not found, but told on standard
// error, and makes it fail at the end.
func (s *indexedSearch) Back(ctx context.Context, cp proof.Checkpoint, found func(search.Hit) error) (from uint64, err error) {
	stopped := false
	watched := func(h search.Hit) error {
		err := found(h)
		stopped = stopped || errors.Is(err, search.ErrStop)
		return err
	}
	from, err = s.scan(ctx, cp, s.below, proof.MaxSize-1, watched)
	lacks, err := lacking(err)
	if err != nil {
		return from, err
	}
	if stopped {
		return from, lacks
	}
	doubts, rows := 0, 64 // few are asked for, mostly: later pages are larger
	for w := (&index.Window{To: s.below}); w != nil; rows = min(2*rows, index.MaxRows) {
		page, err := s.Find(ctx, s.log, s.query, s.now, *w, rows)
		if errors.Is(err, index.ErrDamaged) {
			s.unused(err)
			from, err := s.scan(ctx, cp, 0, w.To-1, found)
			return from, errors.Join(lacks, err, doubted(doubts))
		}
		if err != nil {
			return w.To, err
		}
		for _, row := range page.Rows {
			if row.Doubt != "" {
				doubts++
				_, _ = fmt.Fprintf(s.e.stderr, "stet: entry %d: %s\n", row.Seq, row.Doubt)
				continue
			}
			if err := watched(search.Hit{Record: row.Record, Raw: row.Entry}); stopped {
				return row.Seq, errors.Join(lacks, doubted(doubts))
			} else if err != nil {
				return row.Seq, err
			}
		}
		w = page.Next
	}
	return 0, errors.Join(lacks, doubted(doubts))
}

// scan reads the entries from first to last.
func (s *indexedSearch) scan(ctx context.Context, cp proof.Checkpoint, first, last uint64, found func(search.Hit) error) (uint64, error) {
	within := search.And{search.Term{Field: search.FieldSeq, Any: []search.Value{{Op: search.Ints, Min: int64(first), Max: int64(last)}}}}
	switch root := s.query.Root.(type) {
	case nil:
	case search.And:
		within = append(within, root...)
	default:
		within = append(within, root)
	}
	return search.NewScanner(s.log.Source(), search.Query{Root: within}, s.now).Back(ctx, cp, found)
}
