package index

import (
	"bytes"
	"context"
	"math"
	"net/netip"
	"time"

	"github.com/stetlog/stet/internal/search"
)

// bounds is what the index knows of a query in one chunk: the entries that it surely finds, and those that it may find.
// Where the index knows it all they are the same set. Both may be shared: nobody changes them.
type bounds struct{ sure, maybe *set }

func exactly(s *set) bounds { return bounds{s, s} }

func (b bounds) exact() bool { return b.sure == b.maybe || *b.sure == *b.maybe }

// A plan is a query, made ready for one part of the index.
type plan struct {
	part    part
	answers runs // of the part
	root    step
}

// A step computes one node of a query in one chunk. all is what any query can find there.
type step func(chunk uint64, all *set) (bounds, error)

// runs are those of one term, or of several that count as one, by chunk. Of many it keeps what they have together, so that
// what millions of terms begin with takes no more memory than a set a chunk.
type runs map[uint64]*union

type union struct {
	few []run
	all *set // instead, where they would be too many
}

// fewRuns is how many runs of a chunk are kept as they are.
const fewRuns = 16

func (r runs) add(more []run) error {
	for _, one := range more {
		u := r[one.chunk]
		if u == nil {
			u = &union{}
			r[one.chunk] = u
		}
		if u.all == nil && len(u.few) < fewRuns {
			u.few = append(u.few, one)
			continue
		}
		if u.all == nil {
			s, err := r.set(one.chunk)
			if err != nil {
				return err
			}
			u.few, u.all = nil, s
		}
		if err := one.addTo(u.all); err != nil {
			return err
		}
	}
	return nil
}

func (r runs) set(chunk uint64) (*set, error) {
	s := new(set)
	u := r[chunk]
	if u == nil {
		return s, nil
	}
	if u.all != nil {
		*s = *u.all
	}
	for _, one := range u.few {
		if err := one.addTo(s); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func planFor(ctx context.Context, p part, q search.Query) (*plan, error) {
	answers, err := p.find(string([]byte{byAnswer}))
	if err != nil {
		return nil, err
	}
	pl := &plan{part: p, answers: runs{}}
	if err := pl.answers.add(answers); err != nil {
		return nil, err
	}
	if q.Root == nil {
		pl.root = func(_ uint64, all *set) (bounds, error) { return exactly(all), nil }
		return pl, nil
	}
	pl.root, err = pl.node(ctx, q.Root)
	return pl, err
}

// in computes the query in a chunk.
func (p *plan) in(chunk uint64) (bounds, error) {
	all, err := p.answers.set(chunk)
	if err != nil || all.empty() {
		return exactly(all), err
	}
	return p.root(chunk, all)
}

func (p *plan) node(ctx context.Context, n search.Node) (step, error) {
	switch n := n.(type) {
	case search.And:
		return p.join(ctx, n, func(b, o *set) { b.and(o) }, true)
	case search.Or:
		return p.join(ctx, n, func(b, o *set) { b.or(o) }, false)
	case search.Not:
		of, err := p.node(ctx, n.Of)
		return func(chunk uint64, all *set) (bounds, error) {
			b, err := of(chunk, all)
			if err != nil {
				return bounds{}, err
			}
			sure := *all
			sure.andNot(b.maybe)
			if b.sure == b.maybe {
				return exactly(&sure), nil
			}
			maybe := *all
			maybe.andNot(b.sure)
			return bounds{&sure, &maybe}, nil
		}, err
	case search.Words:
		return p.words(ctx, n)
	case search.Term:
		return p.term(ctx, n)
	}
	return nil, errNode
}

// join computes AND and OR. An AND ends where nothing is left.
func (p *plan) join(ctx context.Context, nodes []search.Node, op func(s, o *set), and bool) (step, error) {
	var steps []step
	for _, n := range nodes {
		s, err := p.node(ctx, n)
		if err != nil {
			return nil, err
		}
		steps = append(steps, s)
	}
	return func(chunk uint64, all *set) (bounds, error) {
		first, err := steps[0](chunk, all)
		if err != nil {
			return bounds{}, err
		}
		sure, maybe := *first.sure, *first.maybe
		exact := first.sure == first.maybe
		for _, s := range steps[1:] {
			if and && maybe.empty() {
				break
			}
			b, err := s(chunk, all)
			if err != nil {
				return bounds{}, err
			}
			exact = exact && b.sure == b.maybe
			op(&sure, b.sure)
			op(&maybe, b.maybe)
		}
		if exact {
			return exactly(&sure), nil
		}
		return bounds{&sure, &maybe}, nil
	}, nil
}

// of is a step that finds what some runs have.
func of(r runs) step {
	return func(chunk uint64, all *set) (bounds, error) {
		s, err := r.set(chunk)
		if err != nil {
			return bounds{}, err
		}
		s.and(all)
		return exactly(s), nil
	}
}

// atMost is a step that finds some or all of what runs have.
func atMost(s step) step {
	return func(chunk uint64, all *set) (bounds, error) {
		b, err := s(chunk, all)
		return bounds{new(set), b.maybe}, err
	}
}

// words finds the tokens; whether they follow each other only the entry can tell.
func (p *plan) words(ctx context.Context, w search.Words) (step, error) {
	var nodes []step
	for i, token := range w.Tokens {
		r := runs{}
		var err error
		if term := append([]byte{byToken}, token...); w.Prefix && i == len(w.Tokens)-1 {
			err = p.begins(ctx, r, term)
		} else {
			err = p.equals(r, term)
		}
		if err != nil {
			return nil, err
		}
		nodes = append(nodes, of(r))
	}
	if len(nodes) == 1 {
		return nodes[0], nil
	}
	return atMost(func(chunk uint64, all *set) (bounds, error) {
		left := *all
		for _, n := range nodes {
			b, err := n(chunk, all)
			if err != nil {
				return bounds{}, err
			}
			left.and(b.maybe)
		}
		return exactly(&left), nil
	}), nil
}

func (p *plan) equals(r runs, term []byte) error {
	found, err := p.part.find(string(term))
	if err != nil {
		return err
	}
	return r.add(found)
}

// scan calls fn for every term with the prefix until it fails or ctx ends: there may be millions.
func (p *plan) scan(ctx context.Context, prefix string, fn func(term []byte, found func() ([]run, error)) error) error {
	n := 0
	return p.part.scan(prefix, func(term []byte, found func() ([]run, error)) error {
		if n++; n%1024 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		return fn(term, found)
	})
}

// begins adds the runs of all terms with the prefix.
func (p *plan) begins(ctx context.Context, r runs, prefix []byte) error {
	return p.scan(ctx, string(prefix), func(_ []byte, found func() ([]run, error)) error {
		one, err := found()
		if err != nil {
			return err
		}
		return r.add(one)
	})
}

func (p *plan) term(ctx context.Context, t search.Term) (step, error) {
	switch t.Field {
	case search.FieldSeq:
		return p.seqs(t.Any), nil
	case search.FieldReceived:
		return p.received(t.Any)
	case search.FieldTime:
		return p.happened(ctx, t.Any)
	}
	kind := func(by byte) []byte { return appendPath([]byte{by + byte(t.Field)}, t.Path) }
	r := runs{}
	for _, v := range t.Any {
		var err error
		switch v.Op {
		case search.Present:
			err = p.equals(r, kind(byPresence))
		case search.Equal:
			err = p.equals(r, append(kind(byText), v.Text...))
		case search.Prefix:
			err = p.begins(ctx, r, append(kind(byText), v.Text...))
		case search.Network:
			err = p.network(ctx, r, kind(byText), v.Text)
		case search.Ints:
			err = p.between(ctx, r, kind(byNumber), v.Min, v.Max)
		default:
			err = errNode
		}
		if err != nil {
			return nil, err
		}
	}
	return of(r), nil
}

func (p *plan) network(ctx context.Context, r runs, prefix []byte, network string) error {
	n, err := netip.ParsePrefix(network)
	if err != nil {
		return err
	}
	return p.scan(ctx, string(prefix), func(term []byte, found func() ([]run, error)) error {
		a, _ := netip.ParseAddr(string(term[len(prefix):])) // an HMAC is none, and lies in no network
		if !n.Contains(a) {
			return nil
		}
		one, err := found()
		if err != nil {
			return err
		}
		return r.add(one)
	})
}

// between adds the runs of the numbers from lo to hi.
func (p *plan) between(ctx context.Context, r runs, prefix []byte, lo, hi int64) error {
	return p.scan(ctx, string(prefix), func(term []byte, found func() ([]run, error)) error {
		n, ok := numberOf(term[len(prefix):])
		if !ok || n < lo || n > hi || !bytes.HasPrefix(term, prefix) {
			return nil
		}
		one, err := found()
		if err != nil {
			return err
		}
		return r.add(one)
	})
}

// places is a step that finds the entries of some ranges.
func places(ranges [][2]uint64) step {
	return func(chunk uint64, all *set) (bounds, error) {
		s := new(set)
		begin, end := chunk*chunkSize, (chunk+1)*chunkSize
		for _, r := range ranges {
			if from, to := max(r[0], begin), min(r[1], end); from < to {
				s.fill(int(from-begin), int(to-begin))
			}
		}
		s.and(all)
		return exactly(s), nil
	}
}

func (p *plan) seqs(any []search.Value) step {
	var ranges [][2]uint64
	for _, v := range any {
		if v.Op == search.Present {
			ranges = append(ranges, [2]uint64{0, math.MaxUint64})
			continue
		}
		ranges = append(ranges, [2]uint64{uint64(max(v.Min, 0)), uint64(v.Max) + 1})
	}
	return places(ranges)
}

// received finds windows of time: received_at never decreases, so each is a range of entries.
func (p *plan) received(any []search.Value) (step, error) {
	var ranges [][2]uint64
	for _, v := range any {
		from, to := uint64(0), uint64(math.MaxUint64)
		var err error
		if v.Op == search.Times && !v.From.IsZero() {
			from, err = p.part.since(v.From.UnixNano())
		}
		if v.Op == search.Times && !v.Until.IsZero() && err == nil {
			to, err = p.part.since(v.Until.UnixNano())
		}
		if err != nil {
			return nil, err
		}
		ranges = append(ranges, [2]uint64{from, to})
	}
	return places(ranges), nil
}

// happened finds windows of the time that events claim, which the index knows by the hour: the hours at the ends of a window
// are not sure.
func (p *plan) happened(ctx context.Context, any []search.Value) (step, error) {
	sure, maybe := runs{}, runs{}
	for _, v := range any {
		least, greatest := int64(math.MinInt64), int64(math.MaxInt64) // hours that may be
		first, last := least, greatest                                // hours that are
		if v.Op == search.Times && !v.From.IsZero() {
			least = hourOf(v.From)
			first = hourOf(v.From.Add(time.Hour - 1))
		}
		if v.Op == search.Times && !v.Until.IsZero() {
			greatest = hourOf(v.Until.Add(-1))
			last = hourOf(v.Until) - 1
		}
		if err := p.scan(ctx, string([]byte{byHour}), func(term []byte, found func() ([]run, error)) error {
			h, ok := numberOf(term[1:])
			if !ok || h < least || h > greatest {
				return nil
			}
			one, err := found()
			if err == nil {
				err = maybe.add(one)
			}
			if err == nil && first <= h && h <= last {
				err = sure.add(one)
			}
			return err
		}); err != nil {
			return nil, err
		}
	}
	return func(chunk uint64, all *set) (bounds, error) {
		s, err := sure.set(chunk)
		if err != nil {
			return bounds{}, err
		}
		m, err := maybe.set(chunk)
		if err != nil {
			return bounds{}, err
		}
		s.and(all)
		m.and(all)
		if *s == *m {
			return exactly(s), nil
		}
		return bounds{s, m}, nil
	}, nil
}
