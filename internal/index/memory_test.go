package index

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/stetlog/stet/internal/published"
	"github.com/stetlog/stet/internal/search"
	"github.com/stetlog/stet/proof"
)

// TestLexicon: a term has one number, is found by it and by its bytes, and terms that begin so come in the order of their bytes.
func TestLexicon(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := newLexicon(nil)
		numbers := map[string]uint32{}
		part := rapid.SampledFrom([]string{"", "a", "b", "\x00", "12345678", "1234567", "\xff\xff\xff\xff\xff\xff\xff\xff"})
		for range rapid.IntRange(0, 60).Draw(t, "terms") {
			term := rapid.SampledFrom([]string{"x", "y"}).Draw(t, "kind")
			for range rapid.IntRange(0, 5).Draw(t, "parts") {
				term += part.Draw(t, "part")
			}
			want, there := numbers[term]
			if n, known := l.find([]byte(term)); known != there || known && n != want {
				t.Fatalf("%q is %d (%v), want %d (%v)", term, n, known, want, there)
			}
			n := l.number(l.hash([]byte(term)), []byte(term))
			if there && n != want || !there && int(n) != len(numbers) || string(l.bytes(n)) != term {
				t.Fatalf("%q is number %d, want %d", term, n, want)
			}
			numbers[term] = n
		}
		prefix := rapid.SampledFrom([]string{"x", "y", "xa", "x12345678", "x\x00", "z"}).Draw(t, "prefix")
		var want, got []string
		for term := range numbers {
			if len(term) >= len(prefix) && term[:len(prefix)] == prefix {
				want = append(want, term)
			}
		}
		slices.Sort(want)
		for _, k := range l.sorted([]byte(prefix)) {
			got = append(got, string(l.bytes(k.term)))
		}
		if !slices.Equal(got, want) {
			t.Fatalf("%q begins %q, want %q", prefix, got, want)
		}
	})
}

// TestLexiconGrows: many terms, more than there was room for.
func TestLexiconGrows(t *testing.T) {
	l := newLexicon(nil)
	const terms = 15_000
	for i := range terms {
		text := fmt.Appendf(nil, "t%d", i)
		if n := l.number(l.hash(text), text); int(n) != i {
			t.Fatalf("term %d is number %d", i, n)
		}
	}
	for i := range terms {
		if n, ok := l.find(fmt.Appendf(nil, "t%d", i)); !ok || int(n) != i {
			t.Fatalf("term %d is number %d (%v)", i, n, ok)
		}
	}
}

// TestLists: a list has what was added, once, however long lists grow between each other.
func TestLists(t *testing.T) {
	const terms = 5
	l := newLexicon(nil)
	l.terms = make([]term, terms)
	var want [terms][]uint16
	for doc := range 20_000 {
		for term := range uint32(terms) {
			if every := 1 << (2 * term); doc%every != 0 && doc != int(term) {
				continue
			}
			l.add(term, uint16(doc))
			l.add(term, uint16(doc))
			want[term] = append(want[term], uint16(doc))
			if n := len(want[term]); n < 300 || doc%997 == 0 {
				if got := l.appendDocs(nil, term); !slices.Equal(got, want[term]) {
					t.Fatalf("after entry %d term %d has %d entries, want %d", doc, term, len(got), n)
				}
			}
		}
	}
}

// TestMarks: there is a bit for each field and one for answers.
func TestMarks(t *testing.T) {
	if n := len(search.Fields()); n > answerMark {
		t.Errorf("%d fields do not fit into %d bits", n, answerMark)
	}
	seen := map[int]byte{}
	for first := range 256 {
		if bit, ok := markOf([]byte{byte(first)}); ok {
			if was, there := seen[bit]; there {
				t.Errorf("terms %#x and %#x have the same bit", was, first)
			}
			seen[bit] = byte(first)
		}
	}
}

// TestIntake: the entries of a log are taken in as search.NewRecord has them, each with the key of its seal, though they are
// read into memory that the one before has left.
func TestIntake(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		l := drawLog(rt, t)
		type indexed struct {
			received time.Time
			terms    []string
			marks    marks
		}
		of := func(received time.Time, terms *termList) indexed {
			out := indexed{received: received, marks: terms.marks}
			start := 0
			for _, end := range terms.ends {
				out.terms = append(out.terms, string(terms.b[start:end]))
				start = end
			}
			slices.Sort(out.terms) // labels and parameters come in any order
			out.terms = slices.Compact(out.terms)
			return out
		}
		want := map[uint64]indexed{}
		for _, r := range l.records(t) {
			var terms termList
			terms.of(r)
			want[r.Seq] = of(r.Received, &terms)
		}
		seq := uint64(0)
		var terms termList
		cp, err := l.Head(t.Context())
		if err != nil {
			rt.Fatal(err)
		}
		reader, err := published.NewReader(t.Context(), l, 0, cp.Size)
		if err != nil {
			rt.Fatal(err)
		}
		if err := reader.Read(t.Context(), cp, take(func(e *published.Entry) error {
			r, err := e.Record()
			if err != nil {
				return err
			}
			terms.none()
			if r != nil {
				terms.of(r)
			}
			got, w := of(e.Received, &terms), want[seq]
			if w.marks != 0 && !got.received.Equal(w.received) || got.marks != w.marks || !slices.Equal(got.terms, w.terms) {
				rt.Fatalf("entry %d is taken in as %q, its record is %q", seq, got.terms, w.terms)
			}
			if e.Leaf != proof.LeafHash(l.entries[seq]) {
				rt.Fatalf("entry %d has another hash", seq)
			}
			seq++
			return nil
		})); err != nil {
			rt.Fatal(err)
		}
		if seq != uint64(len(l.entries)) {
			rt.Fatalf("%d of %d entries were taken in", seq, len(l.entries))
		}
	})
}

// take is a function as a published.Taker.
type take func(*published.Entry) error

func (t take) Take(e *published.Entry) error { return t(e) }

func (take) Caught(proof.Checkpoint) error { return nil }
