package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/stetlog/stet/internal/index"
	"github.com/stetlog/stet/internal/logread"
	"github.com/stetlog/stet/internal/search"
	"github.com/stetlog/stet/internal/wire"
	"github.com/stetlog/stet/proof"
)

const (
	// valuesDefault and valuesMost are how many values of a field are told, the most frequent first.
	valuesDefault, valuesMost = 100, 1000
)

// counted is what GET /v1/counts answers: stet.counts/1.
type counted struct {
	Format   string   `json:"format"`
	Query    string   `json:"query"`
	Searched searched `json:"searched"`
	Count    uint64   `json:"count"`
	AtLeast  bool     `json:"at_least"` // there may be more than Count
	Facet    *facet   `json:"facet,omitempty"`
	Bars     []bar    `json:"histogram,omitempty"`
}

type facet struct {
	Field  string  `json:"field"`
	Values []value `json:"values"`
	More   bool    `json:"more"` // there are other values
}

type value struct {
	Value   string `json:"value"`
	Count   uint64 `json:"count"`
	AtLeast bool   `json:"at_least"`
}

// bar is what was received from one time to the next.
type bar struct {
	From    string `json:"from"`
	Until   string `json:"until"`
	Count   uint64 `json:"count"`
	AtLeast bool   `json:"at_least"`
}

// getCounts counts what a query finds; by the values of a field, and by time, where it is asked to.
func (s *Server) getCounts(w http.ResponseWriter, r *http.Request, c *Call) error {
	p, err := readParams(r, "q", "facet", "limit", "histogram", "bounds")
	if err != nil {
		return err
	}
	q, err := p.query()
	if err != nil {
		return err
	}
	var field search.Field
	var path []string
	if text, ok := p["facet"]; ok {
		if field, path, err = search.ParseField(text); err != nil {
			return WrongQuery(err)
		}
	}
	most, err := p.number("limit", valuesDefault, 1, valuesMost)
	if err != nil {
		return err
	}
	times, err := p.times()
	if err != nil {
		return err
	}
	bars, err := p.number("histogram", 0, 1, index.MaxBuckets)
	if err != nil {
		return err
	}
	if bars > 0 && times != nil {
		return Refuse(wire.Malformed, "histogram says how many bars there are, bounds where they end: give one of them")
	}
	a, ctx, end, err := s.ask(r, c)
	if err != nil {
		return err
	}
	defer end()
	out := counted{Format: "stet.counts/1", Query: q.String()}
	name, byValue := p["facet"]
	if byValue {
		out.Facet = &facet{Field: name, Values: []value{}}
		if err := a.facet(ctx, q, field, path, most, &out); err != nil {
			return err
		}
	}
	if bars > 0 && !a.damage {
		if times, err = a.equal(ctx, q, bars); err != nil && logread.Wrong(err) == "" {
			return err // else there are no bars: nobody can say any more when the log's first or last entry was received
		}
	}
	if times != nil {
		if err := a.histogram(ctx, q, times, &out); err != nil {
			return err
		}
	}
	if !byValue && times == nil { // the others count all of it, too
		if err := a.count(ctx, q, &out); err != nil {
			return err
		}
	}
	if out.Searched = a.searched(); out.Count > 0 {
		s.told(ctx, c, Reading{First: 0, Last: out.Searched.Indexed - 1, Entries: out.Count})
	}
	b, err := json.Marshal(out)
	if err != nil {
		return err
	}
	return writeFound(w, append(b, '\n'))
}

// times is the parameter bounds: times that ascend.
func (p params) times() (all []time.Time, err error) {
	text, ok := p["bounds"]
	if !ok {
		return nil, nil
	}
	for part := range strings.SplitSeq(text, ",") {
		t, err := time.Parse(time.RFC3339, part)
		if err != nil || len(all) > index.MaxBuckets {
			return nil, Refuse(wire.Malformed, fmt.Sprintf("the parameter bounds is 2 to %d times of RFC 3339 with commas between", index.MaxBuckets+1))
		}
		all = append(all, t.UTC())
	}
	return all, nil
}

// equal divides the time of a query, as far as the query and the log go, into so many parts.
func (a *asker) equal(ctx context.Context, q search.Query, n int) ([]time.Time, error) {
	b := q.Resolve(a.now).Bounds()
	cp, err := a.log.Head(ctx)
	if err != nil {
		return nil, err
	}
	if b.From.IsZero() {
		if b.From, err = a.received(ctx, 0); err != nil {
			return nil, err
		}
	}
	if b.Until.IsZero() {
		if b.Until, err = a.received(ctx, cp.Size-1); err != nil {
			return nil, err
		}
		b.Until = b.Until.Add(1) // it is not part of the last bar
	}
	whole := max(b.Until.Sub(b.From), time.Duration(n)) // at least a nanosecond each
	times := []time.Time{b.From}
	for i := range n {
		// in two steps, so that nothing overflows
		times = append(times, b.From.Add(whole/time.Duration(n)*time.Duration(i+1)+whole%time.Duration(n)*time.Duration(i+1)/time.Duration(n)))
	}
	return times, nil
}

// received is when an entry was.
func (a *asker) received(ctx context.Context, seq uint64) (time.Time, error) {
	raw, err := logread.Entry(ctx, a.log.Source(), seq)
	if err != nil {
		return time.Time{}, err
	}
	e, err := proof.ParseEntry(raw)
	if err != nil {
		return time.Time{}, err
	}
	return proof.ParseTime(e.ReceivedAt)
}

func (a *asker) count(ctx context.Context, q search.Query, out *counted) error {
	if a.damage {
		return nil
	}
	n, in, err := a.x.Count(ctx, a.log, a.mine(q), a.now, index.Everything())
	if err := a.settle(ctx, in, err); err != nil || a.damage {
		return err
	}
	out.Count, out.AtLeast = n.N, n.AtLeast
	return nil
}

func (a *asker) facet(ctx context.Context, q search.Query, field search.Field, path []string, most int, out *counted) error {
	if a.damage {
		return nil
	}
	all, err := a.x.Facets(ctx, a.log, a.mine(q), a.now, index.Everything(), field, path)
	if errors.Is(err, index.ErrFacet) {
		return Refuse(wire.Malformed, "the parameter facet: "+err.Error())
	}
	if err := a.settle(ctx, all.Searched, err); err != nil || a.damage {
		return err
	}
	out.Count, out.AtLeast = all.Count.N, all.Count.AtLeast
	out.Facet.More = all.More || len(all.Values) > most
	for _, v := range all.Values[:min(most, len(all.Values))] {
		out.Facet.Values = append(out.Facet.Values, value{v.Value, v.Count.N, v.Count.AtLeast})
	}
	return nil
}

func (a *asker) histogram(ctx context.Context, q search.Query, times []time.Time, out *counted) error {
	if a.damage {
		return nil
	}
	h, err := a.x.Histogram(ctx, a.log, a.mine(q), a.now, index.Everything(), times)
	if errors.Is(err, index.ErrBuckets) {
		return Refuse(wire.Malformed, err.Error())
	}
	if err := a.settle(ctx, h.Searched, err); err != nil || a.damage {
		return err
	}
	out.Count, out.AtLeast = h.Count.N, h.Count.AtLeast
	out.Bars = make([]bar, len(h.Counts))
	for i, n := range h.Counts {
		out.Bars[i] = bar{proof.FormatTime(times[i]), proof.FormatTime(times[i+1]), n.N, n.AtLeast}
	}
	return nil
}
