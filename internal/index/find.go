package index

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/bits"
	"runtime"
	"sync"
	"time"

	"github.com/stetlog/stet/internal/search"
)

// Limits of one call.
const (
	// MaxRows is how many rows a page may have.
	MaxRows = 1000
	// maxLooked bounds how many entries are read only to find out whether a query finds them: the index knows most of what a
	// query may ask for, but not the order of words and not the minute in which an event says that it happened.
	maxLooked = 20_000
)

var errNode = errors.New("the query has a part that the index does not know")

// Window is a range of entries, From ≤ seq < To, and in which order they come: the newest first, or the oldest.
type Window struct {
	From, To uint64
	Oldest   bool
}

// Everything is the window of all entries, the newest first.
func Everything() Window { return Window{To: 1 << 62} }

// Searched says what an answer is about: the entries below Indexed of a log that had Size. What is in between was not looked
// at.
type Searched struct {
	Indexed, Size uint64
}

// Page is some of what a query finds, in the order of its window.
type Page struct {
	Searched
	Rows []Row
	// Next is the window in which the search goes on; nil where nothing is left. A page may have fewer rows than asked for
	// and a Next all the same.
	Next *Window
}

// Row is an entry that a query finds.
type Row struct {
	Seq    uint64
	Record *search.Record // as the ledger has it now
	Entry  []byte         // the exact bytes
	// Doubt says why index and ledger disagree about the row, or what is wrong with the ledger's entry; "" where it was checked
	// and nothing is. A row in doubt is shown: it is a sign that somebody has changed one of them.
	Doubt string
}

// A query at work.
type finder struct {
	Searched
	query  search.Query
	match  *search.Matcher
	parts  []part
	reader *reader
	beside []*reader // read beside it where a page has many rows
	left   int       // entries that may be read to find out
}

// ask makes a query ready; done must be called, with what came of it.
func (x *Index) ask(ctx context.Context, log Log, q search.Query, now time.Time) (_ *finder, done func(*error), err error) {
	cp, err := log.Head(ctx)
	if err != nil {
		return nil, nil, err
	}
	f := &finder{query: q.Resolve(now), match: search.NewMatcher(q, now), left: x.looks}
	parts, release := x.snapshot()
	f.parts = parts
	done = func(err *error) {
		release()
		if errors.Is(*err, ErrDamaged) {
			x.broken.Store(true)
		}
	}
	f.Size = cp.Size
	if n := len(f.parts); n > 0 {
		_, f.Indexed = f.parts[n-1].span()
	}
	f.Indexed = min(f.Indexed, f.Size)
	f.reader = newReader(log.Source(), cp)
	for range min(runtime.GOMAXPROCS(0), maxReaders) - 1 {
		f.beside = append(f.beside, newReader(log.Source(), cp))
	}
	return f, done, nil
}

// Find returns at most limit rows. since is counted from now.
func (x *Index) Find(ctx context.Context, log Log, q search.Query, now time.Time, w Window, limit int) (_ Page, err error) {
	f, done, err := x.ask(ctx, log, q, now)
	if err != nil {
		return Page{}, err
	}
	defer done(&err)
	limit = min(max(limit, 1), MaxRows)
	w.To = min(w.To, f.Indexed)
	page := Page{Searched: f.Searched}
	err = f.chunks(ctx, w, func(_ *plan, chunk uint64, b bounds) (bool, error) {
		var wave []uint16
		next, stop := iter.Pull(b.maybe.all(w.Oldest))
		defer stop()
		for {
			wave = wave[:0]
			for len(wave) < min(limit-len(page.Rows), maxWave) {
				at, more := next()
				if !more {
					break
				}
				wave = append(wave, at)
			}
			if len(wave) == 0 {
				return true, nil
			}
			for i, r := range f.rows(ctx, chunk, wave) {
				row, found, err := f.look(r, b.sure.has(wave[i]))
				if err != nil {
					return false, err
				}
				if found {
					page.Rows = append(page.Rows, row)
				}
				if len(page.Rows) == limit || f.left <= 0 {
					seq := chunk*chunkSize + uint64(wave[i])
					next := Window{w.From, seq, false}
					if w.Oldest {
						next = Window{seq + 1, w.To, true}
					}
					if next.From < next.To {
						page.Next = &next
					}
					return false, nil
				}
			}
		}
	})
	return page, err
}

const (
	// maxReaders bounds how many goroutines read the rows of one page, and maxWave how many rows they are given at a time: what
	// is read beyond the end of a page was read for nothing.
	maxReaders = 4
	maxWave    = 128
	// fewRows are read by each of them at least: neighbours share a bundle, and what proves one proves half of the next.
	fewRows = 8
)

// read is an entry, or why it could not be read.
type read struct {
	Row
	err error
}

// rows reads entries of a chunk, on as many processors as that is worth.
func (f *finder) rows(ctx context.Context, chunk uint64, at []uint16) []read {
	out := make([]read, len(at))
	some := func(r *reader, from, to int) {
		for i := from; i < to && (i == from || out[i-1].err == nil); i++ {
			out[i].Row, out[i].err = r.row(ctx, chunk*chunkSize+uint64(at[i]))
		}
	}
	n := min(len(f.beside)+1, (len(at)+fewRows-1)/fewRows)
	var wait sync.WaitGroup
	for i, r := range f.beside[:n-1] {
		wait.Go(func() { some(r, (i+1)*len(at)/n, (i+2)*len(at)/n) })
	}
	some(f.reader, 0, len(at)/n)
	wait.Wait()
	return out
}

// look asks an entry that was read the query again.
func (f *finder) look(r read, sure bool) (row Row, found bool, err error) {
	row = r.Row
	if r.err != nil {
		return row, false, r.err
	}
	found = row.Record != nil && f.match.Match(row.Record)
	switch {
	case found || row.Doubt != "":
		return row, true, nil
	case sure:
		row.Doubt = "the index says that the query finds this entry, and it does not"
		return row, true, nil
	}
	f.left--
	return row, false, nil
}

// chunks calls fn for each chunk of the window in which there may be something, in its order, until fn returns false.
func (f *finder) chunks(ctx context.Context, w Window, fn func(p *plan, chunk uint64, b bounds) (bool, error)) error {
	for i := range f.parts {
		if !w.Oldest {
			i = len(f.parts) - 1 - i
		}
		from, to := f.parts[i].span()
		from, to = max(from, w.From), min(to, w.To)
		if from >= to {
			continue
		}
		p, err := planFor(ctx, f.parts[i], f.query)
		if err != nil {
			return err
		}
		first, n := from/chunkSize, (to-1)/chunkSize-from/chunkSize+1
		for k := range n {
			chunk := first + k
			if !w.Oldest {
				chunk = first + n - 1 - k
			}
			b, err := p.in(chunk)
			if err == nil {
				err = ctx.Err()
			}
			if err != nil {
				return err
			}
			b = b.within(chunk, from, to)
			if b.maybe.empty() {
				continue
			}
			if more, err := fn(p, chunk, b); err != nil || !more {
				return err
			}
		}
	}
	return nil
}

// within cuts what lies outside of from ≤ seq < to.
func (b bounds) within(chunk, from, to uint64) bounds {
	begin := chunk * chunkSize
	if from <= begin && to >= begin+chunkSize {
		return b
	}
	var in set
	in.fill(int(max(from, begin)-begin), int(min(to, begin+chunkSize)-begin))
	sure, maybe := in, in
	sure.and(b.sure)
	maybe.and(b.maybe)
	if b.sure == b.maybe {
		return exactly(&sure)
	}
	return bounds{&sure, &maybe}
}

// all gives the entries of a set, in either order.
func (s *set) all(ascending bool) func(yield func(uint16) bool) {
	return func(yield func(uint16) bool) {
		for i := range setWords {
			if !ascending {
				i = setWords - 1 - i
			}
			for word := s[i]; word != 0; {
				bit := bits.TrailingZeros64(word)
				if !ascending {
					bit = 63 - bits.LeadingZeros64(word)
				}
				word &^= 1 << bit
				if !yield(uint16(i*64 + bit)) {
					return
				}
			}
		}
	}
}

// settle reads the entries of which the index is not sure. known is false where they are too many, or cannot be read: then the set
// has some of what the query finds.
func (f *finder) settle(ctx context.Context, chunk uint64, b bounds) (found *set, known bool, err error) {
	if b.exact() {
		return b.sure, true, nil
	}
	out, open, unknown := *b.sure, *b.maybe, false
	open.andNot(b.sure)
	for at := range open.all(false) {
		if f.left <= 0 {
			return &out, false, nil
		}
		row, err := f.reader.row(ctx, chunk*chunkSize+uint64(at))
		if err != nil {
			return nil, false, err
		}
		switch f.left--; {
		case row.Record != nil && f.match.Match(row.Record):
			out.add(at)
		case row.Record == nil && row.Entry == nil: // nobody can say any more whether the query finds it
			unknown = true
		}
	}
	return &out, !unknown, nil
}

// Count is a number of entries; with AtLeast there may be more.
type Count struct {
	N       uint64
	AtLeast bool
}

// String is the number, with ≥ before it where there may be more.
func (c Count) String() string {
	if c.AtLeast {
		return fmt.Sprintf("≥%d", c.N)
	}
	return fmt.Sprint(c.N)
}

// each calls fn with what a query finds in each chunk; known is false once that may be only some of it.
func (f *finder) each(ctx context.Context, w Window, fn func(p *plan, chunk uint64, found *set) error) (known bool, err error) {
	known = true
	w.To = min(w.To, f.Indexed)
	err = f.chunks(ctx, w, func(p *plan, chunk uint64, b bounds) (bool, error) {
		found, all, err := f.settle(ctx, chunk, b)
		known = known && all
		if err == nil {
			err = fn(p, chunk, found)
		}
		return true, err
	})
	return known, err
}

// Count counts what a query finds.
func (x *Index) Count(ctx context.Context, log Log, q search.Query, now time.Time, w Window) (_ Count, _ Searched, err error) {
	f, done, err := x.ask(ctx, log, q, now)
	if err != nil {
		return Count{}, Searched{}, err
	}
	defer done(&err)
	var n uint64
	known, err := f.each(ctx, w, func(_ *plan, _ uint64, found *set) error {
		n += uint64(found.count())
		return nil
	})
	return Count{n, !known}, f.Searched, err
}
