package index

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/stetlog/stet/internal/index/indextest"
	"github.com/stetlog/stet/internal/search"
	"github.com/stetlog/stet/proof"
)

// TestFindsWhatAScanFinds: over generated logs and queries, the index finds the rows of the naive matcher, all of them and
// no other, in both orders, and its pages together are the whole; in memory, and from a file.
func TestFindsWhatAScanFinds(t *testing.T) {
	asked, hits := 0, 0
	rapid.Check(t, func(rt *rapid.T) {
		l := drawLog(rt, t)
		all := l.records(t)
		if len(all) == 0 {
			return
		}
		fsys := openDir(t, t.TempDir())
		x := openIndex(t, fsys)
		catchUp(t, x, l)
		if rapid.Bool().Draw(rt, "saved") {
			if err := x.Save(); err != nil {
				rt.Fatal(err)
			}
			if err := x.Close(); err != nil {
				rt.Fatal(err)
			}
			x = openIndex(t, fsys)
			if x.Indexed() != l.tree.Size() || len(x.Faults) > 0 {
				rt.Fatalf("opened with %d entries: %v", x.Indexed(), x.Faults)
			}
		}
		for range 8 {
			q := search.Query{Root: indextest.Query(rt, all, 3)}
			want := naive(all, q)
			got := find(rt, x, l, q, rapid.Bool().Draw(rt, "oldest"), rapid.IntRange(1, 10).Draw(rt, "limit"))
			if !slices.Equal(got, want) {
				rt.Fatalf("%s: found %v, a scan finds %v", q, got, want)
			}
			n, _, err := x.Count(t.Context(), l, q, epoch, Everything())
			if err != nil || n != (Count{N: uint64(len(want))}) {
				rt.Fatalf("%s: counted %v (%v), a scan finds %d", q, n, err, len(want))
			}
			askMore(rt, x, l, q, all, want)
			asked++
			if len(want) > 0 && len(want) < len(all) {
				hits++
			}
		}
	})
	if hits*4 < asked {
		t.Errorf("only %d of %d queries found something and not everything: the generator is of no use", hits, asked)
	}
}

// askMore draws a field and some times, and counts what a scan finds by them.
func askMore(t *rapid.T, x *Index, l *testLog, q search.Query, all []*search.Record, found []uint64) {
	field := rapid.SampledFrom(indexed).Draw(t, "facet")
	values := map[string]uint64{}
	var times []time.Time
	for i := range rapid.IntRange(2, 5).Draw(t, "times") {
		times = append(times, epoch.Add(time.Duration(i)*time.Duration(rapid.Int64Range(int64(time.Hour), int64(3*time.Hour)).Draw(t, "time"))))
	}
	slices.SortFunc(times, time.Time.Compare)
	counts := make([]Count, len(times)-1)
	for _, r := range all {
		if _, ok := slices.BinarySearch(found, r.Seq); !ok {
			continue
		}
		of := r.AppendTexts(nil, field, nil)
		for _, n := range r.AppendInts(nil, field, nil) {
			of = append(of, strconv.FormatInt(n, 10))
		}
		slices.Sort(of)
		for _, v := range slices.Compact(of) {
			values[v]++
		}
		for i := range counts {
			if !r.Received.Before(times[i]) && r.Received.Before(times[i+1]) {
				counts[i].N++
			}
		}
	}
	f, err := x.Facets(context.Background(), l, q, epoch, Everything(), field, nil)
	if err != nil || len(f.Values) != len(values) || f.More || f.Count != (Count{N: uint64(len(found))}) {
		t.Fatalf("%s: %s has %v of %v (%v), a scan finds %v of %d", q, field, f.Values, f.Count, err, values, len(found))
	}
	for _, v := range f.Values {
		if v.Count != (Count{N: values[v.Value]}) {
			t.Fatalf("%s: %s:%q is there %v times, a scan finds %d", q, field, v.Value, v.Count, values[v.Value])
		}
	}
	h, err := x.Histogram(context.Background(), l, q, epoch, Everything(), times)
	if err != nil || !slices.Equal(h.Counts, counts) || h.Count != f.Count {
		t.Fatalf("%s: by %v %v of %v (%v), a scan finds %v of %d", q, times, h.Counts, h.Count, err, counts, len(found))
	}
}

// TestBounded: where a query asks for what only the entries can tell, a call reads so many of them and no more: a page then
// ends early and goes on, a count says at least.
func TestBounded(t *testing.T) {
	l := newLog()
	s := newSender(t, "host/1")
	for i := range 40 {
		user := "card declined"
		if i%10 != 0 {
			user = "declined card"
		}
		l.batch(t, s, proof.Via{Kind: proof.ViaSpool}, login(t, i, user))
	}
	x := openIndex(t, openDir(t, t.TempDir()))
	catchUp(t, x, l)
	x.looks = 5
	q := parse(t, `"card declined"`)
	p, err := x.Find(t.Context(), l, q, epoch, Everything(), 10)
	if err != nil || len(p.Rows) > 1 || p.Next == nil {
		t.Errorf("%d rows, next %v, %v", len(p.Rows), p.Next, err)
	}
	if got, want := find(t, x, l, q, false, 10), naive(l.records(t), q); len(want) != 4 || !slices.Equal(got, want) {
		t.Errorf("all pages have %v, a scan finds %v", got, want)
	}
	n, _, err := x.Count(t.Context(), l, q, epoch, Everything())
	if err != nil || !n.AtLeast || n.N > 4 || n.String()[:3] != "≥" {
		t.Errorf("counted %v, %v", n, err)
	}
	x.looks = 40
	if n, _, err := x.Count(t.Context(), l, q, epoch, Everything()); err != nil || n.String() != "4" {
		t.Errorf("counted %v, %v", n, err)
	}
}

// TestNotCounted: what cannot be counted is refused.
func TestNotCounted(t *testing.T) {
	l := small(t)
	x := openIndex(t, openDir(t, t.TempDir()))
	catchUp(t, x, l)
	for _, f := range []search.Field{search.FieldSeq, search.FieldReceived, search.FieldTime} {
		if _, err := x.Facets(t.Context(), l, search.Query{}, epoch, Everything(), f, nil); !errors.Is(err, ErrFacet) {
			t.Errorf("%s: %v", f, err)
		}
	}
	for _, times := range [][]time.Time{nil, {epoch}, {epoch, epoch.Add(-1)}, make([]time.Time, MaxBuckets+2)} {
		if _, err := x.Histogram(t.Context(), l, search.Query{}, epoch, Everything(), times); !errors.Is(err, ErrBuckets) {
			t.Errorf("%d times: %v", len(times), err)
		}
	}
}
