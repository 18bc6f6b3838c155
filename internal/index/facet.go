package index

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strconv"
	"time"

	"github.com/stetlog/stet/internal/search"
)

// MaxFacets bounds the different values of a field that are counted, MaxBuckets the bars of a histogram.
const (
	MaxFacets  = 10_000
	MaxBuckets = 1000
)

// Facets says how often each value of a field is in what a query finds. An entry may have several.
type Facets struct {
	Searched
	Count  Count   // of all that the query finds
	Values []Facet // the most frequent first
	// More says that there are values that were not counted, because there are more than MaxFacets.
	More bool
}

// Facet is one value.
type Facet struct {
	Value string
	Count Count
}

// ErrFacet says that a field has no values to be counted.
var ErrFacet = errors.New("its values cannot be counted one by one; a histogram counts by time")

// Facets counts the values of a field, of label and param at a path, in what a query finds.
func (x *Index) Facets(ctx context.Context, log Log, q search.Query, now time.Time, w Window, field search.Field, path []string) (_ Facets, err error) {
	if field.Kind() == search.KindTime || field == search.FieldSeq {
		return Facets{}, ErrFacet
	}
	f, done, err := x.ask(ctx, log, q, now)
	if err != nil {
		return Facets{}, err
	}
	defer done(&err)
	out := Facets{Searched: f.Searched}
	by := byText + byte(field)
	if field.Kind() == search.KindInt {
		by = byNumber + byte(field)
	}
	prefix := string(appendPath([]byte{by}, path))
	counts := map[string]uint64{}
	var last *plan
	sets := map[uint64]*set{} // of one part
	count := func() error {
		if last == nil {
			return nil
		}
		return last.scan(ctx, prefix, func(term []byte, found func() ([]run, error)) error {
			all, err := found()
			if err != nil {
				return err
			}
			n := 0
			for _, r := range all {
				if in := sets[r.chunk]; in != nil {
					both, err := r.common(in)
					if err != nil {
						return err
					}
					n += both
				}
			}
			value := term[len(prefix):]
			switch _, there := counts[string(value)]; {
			case n == 0:
			case !there && len(counts) == MaxFacets:
				out.More = true
			default:
				counts[string(value)] += uint64(n)
			}
			return nil
		})
	}
	known, err := f.each(ctx, w, func(p *plan, chunk uint64, found *set) error {
		if p != last {
			if err := count(); err != nil {
				return err
			}
			last = p
			clear(sets)
		}
		sets[chunk] = found
		out.Count.N += uint64(found.count())
		return nil
	})
	out.Count.AtLeast = !known
	if err = cmp.Or(err, count()); err != nil {
		return Facets{}, err
	}
	for value, n := range counts {
		if by >= byNumber {
			at, _ := numberOf([]byte(value))
			value = strconv.FormatInt(at, 10)
		}
		out.Values = append(out.Values, Facet{value, Count{n, !known}})
	}
	slices.SortFunc(out.Values, func(a, b Facet) int {
		return cmp.Or(cmp.Compare(b.Count.N, a.Count.N), cmp.Compare(a.Value, b.Value))
	})
	return out, nil
}

// Histogram says how much of what a query finds was received from each of the given times to the next.
type Histogram struct {
	Searched
	Count  Count   // of all that the query finds, whenever it was received
	Counts []Count // one fewer than times
}

// ErrBuckets says that times do not ascend, or are too many.
var ErrBuckets = errors.New("the bounds of a histogram are at least two times that ascend, and at most 1001")

// Histogram counts by received_at.
func (x *Index) Histogram(ctx context.Context, log Log, q search.Query, now time.Time, w Window, times []time.Time) (_ Histogram, err error) {
	if len(times) < 2 || len(times) > MaxBuckets+1 || !slices.IsSortedFunc(times, time.Time.Compare) {
		return Histogram{}, ErrBuckets
	}
	f, done, err := x.ask(ctx, log, q, now)
	if err != nil {
		return Histogram{}, err
	}
	defer done(&err)
	out := Histogram{Searched: f.Searched, Counts: make([]Count, len(times)-1)}
	var last *plan
	at := make([]uint64, len(times)) // the first entry of the part from each time on
	known, err := f.each(ctx, w, func(p *plan, chunk uint64, found *set) error {
		if p != last {
			last = p
			for i, t := range times {
				var err error
				if at[i], err = p.part.since(t.UnixNano()); err != nil {
					return err
				}
			}
		}
		whole := exactly(found)
		out.Count.N += uint64(found.count())
		for i := range out.Counts {
			if at[i] < (chunk+1)*chunkSize && at[i+1] > chunk*chunkSize && at[i] < at[i+1] {
				out.Counts[i].N += uint64(whole.within(chunk, at[i], at[i+1]).sure.count())
			}
		}
		return nil
	})
	out.Count.AtLeast = !known
	for i := range out.Counts {
		out.Counts[i].AtLeast = !known
	}
	return out, err
}
