package published

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stetlog/stet/proof"
)

// notes is a Taker that writes down what it is given.
type notes struct {
	all    []string
	caught []uint64
	fail   func(e *Entry) error // nil: never
}

func (n *notes) Take(e *Entry) error {
	if n.fail != nil {
		if err := n.fail(e); err != nil {
			return err
		}
	}
	r, err := e.Record()
	what := ""
	switch {
	case err != nil:
		what = err.Error()
	case e.Seal != nil:
		what = fmt.Sprintf("seal of %d", e.Seal.Count)
	case r.Stub != nil:
		what = "lost by " + r.Key
	default:
		what = r.Event.Description + " by " + strings.Split(r.Key, "+")[0]
	}
	n.all = append(n.all, fmt.Sprintf("%d: %s", e.Seq, what))
	return nil
}

func (n *notes) Caught(cp proof.Checkpoint) error {
	n.caught = append(n.caught, cp.Size)
	return nil
}

func read(t *testing.T, l *tape, from uint64) (*notes, error) {
	t.Helper()
	cp, n := l.head(t), &notes{}
	r, err := NewReader(t.Context(), l, from, cp.Size)
	if err != nil {
		return n, err
	}
	return n, r.Read(t.Context(), cp, n)
}

// want is what is read of the entries from from on, but for those that are said to be others.
func want(l *tape, from uint64, other map[uint64]string) (all []string) {
	for seq := from; seq < l.size(); seq++ {
		e, err := proof.ParseEntry(l.entries[seq])
		what := fmt.Sprintf("entry %d by host/1", seq)
		if said, ok := other[seq]; ok {
			what = said
		} else if err == nil && e.Seal != nil {
			seal, _ := proof.ParseSeal(e.Seal.Note)
			what = fmt.Sprintf("seal of %d", seal.Count)
		}
		all = append(all, fmt.Sprintf("%d: %s", seq, what))
	}
	return all
}

func equal(t *testing.T, what string, got, want []string) {
	t.Helper()
	for i := range max(len(got), len(want)) {
		if i >= len(got) || i >= len(want) || got[i] != want[i] {
			t.Fatalf("%s: at %d of %d: got %q, want %q", what, i, len(want), got[min(i, len(got)):min(i+2, len(got))], want[min(i, len(want)):min(i+2, len(want))])
		}
	}
}

// Batches that lie across bundles are given whole, each entry with its seal, whatever memory they were read into.
func TestReader(t *testing.T) {
	l := newTape(t)
	for _, n := range []int{1, 300, 255, 3, proof.MaxBatch, 7} {
		l.say(t, n)
	}
	lost := l.size()
	l.lose()
	l.say(t, 10)
	l.publish(t)
	for _, from := range []uint64{0, 2, lost, l.size()} {
		got, err := read(t, l, from)
		if err != nil {
			t.Fatal(err)
		}
		equal(t, fmt.Sprint("from ", from), got.all, want(l, from, map[uint64]string{lost: "lost by "}))
		if !slices.Equal(got.caught, []uint64{l.size()}) {
			t.Errorf("caught %v", got.caught)
		}
	}
}

// What is not under the checkpoint, or not whole, ends in an error, and nobody is told that he has everything.
func TestReaderTellsWhatIsWrong(t *testing.T) {
	for name, x := range map[string]struct {
		from  uint64
		spoil func(l *tape)
		want  error
	}{
		"an entry that was altered":      {0, func(l *tape) { l.entries[3] = []byte(strings.Replace(string(l.entries[3]), "shop", "chop", 1)) }, ErrOther},
		"behind the end":                 {20, func(*tape) {}, ErrOther},
		"hashes that were altered":       {9, func(l *tape) { l.nodes[proof.NodeID{Level: 0, Index: 8}] = proof.Hash{1} }, ErrOther},
		"a batch that ends without seal": {0, func(l *tape) { l.entries = l.entries[:17]; again(l) }, nil},
	} {
		l := newTape(t)
		l.say(t, 8)
		l.say(t, 9)
		x.spoil(l)
		l.publish(t)
		got, err := read(t, l, x.from)
		if err == nil || x.want != nil && !errors.Is(err, x.want) || len(got.caught) > 0 {
			t.Errorf("%s: %v, caught %v", name, err, got.caught)
		}
	}
}

// again makes the tree of the entries anew.
func again(l *tape) {
	all := l.entries
	l.entries, l.tree = nil, proof.Tree{}
	for _, e := range all {
		l.add(e)
	}
}

// An entry that cannot be read is given as such, in its place; those around it are as they are.
func TestReaderGivesWhatCannotBeRead(t *testing.T) {
	l := newTape(t)
	l.say(t, 3)
	l.say(t, 2)
	l.entries[1] = []byte(strings.Replace(string(l.entries[1]), `"seq":1`, `"seq":7`, 1))
	l.entries[2] = proof.AppendEventEntry(nil, 2, at, via, []byte(`{"schema":"none"}`))
	again(l)
	l.add([]byte("no entry"))
	l.say(t, 1)
	l.entries = l.entries[:9] // so that there is an event that the next seal does not cover
	again(l)
	l.say(t, 2)
	l.publish(t)
	got, err := read(t, l, 0)
	if err != nil {
		t.Fatal(err)
	}
	var bad []int
	for i, s := range got.all {
		if strings.Contains(s, "cannot be read") {
			bad, got.all[i] = append(bad, i), ""
		}
	}
	if !slices.Equal(bad, []int{1, 2, 7, 8}) {
		t.Errorf("%v cannot be read", bad)
	}
	equal(t, "the others", got.all, func() []string {
		all := want(l, 0, nil)
		for _, i := range bad {
			all[i] = ""
		}
		return all
	}())
}
