package index

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"io/fs"
	"slices"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/fsx"
	"github.com/stetlog/stet/internal/logread"
	"github.com/stetlog/stet/internal/search"
	"github.com/stetlog/stet/proof"
)

// testLog is a log in memory.
type testLog struct {
	entries [][]byte
	tree    proof.Tree
	nodes   map[proof.NodeID]proof.Hash
	now     time.Time
}

var epoch = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func newLog() *testLog { return &testLog{nodes: map[proof.NodeID]proof.Hash{}, now: epoch} }

func (l *testLog) add(entry []byte) {
	l.entries = append(l.entries, entry)
	l.tree.AppendAll([]proof.Hash{proof.LeafHash(entry)}, func(id proof.NodeID, h proof.Hash) { l.nodes[id] = h })
}

func (l *testLog) received() string { return proof.FormatTime(l.now) }

// A sender seals batches of events.
type sender struct {
	key  note.Signer
	vkey string
	seal proof.Seal
}

func newSender(t testing.TB, name string) *sender {
	seed := sha256.Sum256([]byte(name))
	key, vkey, err := proof.NewSigner(name, ed25519.NewKeyFromSeed(seed[:]))
	if err != nil {
		t.Fatal(err)
	}
	return &sender{key: key, vkey: vkey, seal: proof.Seal{App: "a", Environment: "e", Key: vkey, Stream: event.DeriveUUID("test", name, [6]byte{1}).String(),
		First: 1, Clock: proof.Clock{State: proof.ClockUnknown}}}
}

// batch adds the events, a stub for each nil, and their seal.
func (l *testLog) batch(t testing.TB, s *sender, via proof.Via, events ...[]byte) {
	t.Helper()
	var leaves []proof.Hash
	for i, e := range events {
		if e == nil {
			n := s.seal.First + uint64(i)
			leaves = append(leaves, proof.LeafHash([]byte("refused")))
			l.add(proof.AppendStubEntry(nil, uint64(len(l.entries)), l.received(), via.Append(nil),
				proof.Stub{Stream: s.seal.Stream, First: n, Last: n, Code: proof.StubRefused, Leaf: leaves[i], Reason: "refused by schema"}))
			continue
		}
		leaves = append(leaves, proof.LeafHash(e))
		l.add(proof.AppendEventEntry(nil, uint64(len(l.entries)), l.received(), via.Append(nil), e))
	}
	s.seal.Count, s.seal.Root = len(events), proof.RootOf(leaves)
	msg, err := proof.SignSeal(s.seal, s.key)
	if err != nil {
		t.Fatal(err)
	}
	l.add(proof.AppendSealEntry(nil, uint64(len(l.entries)), l.received(), via.Append(nil), proof.SealEntry{Note: msg}))
	s.seal.First, s.seal.Prev, s.seal.HasPrev = s.seal.Next(), proof.SealHash(msg), true
}

// lost adds a declared loss.
func (l *testLog) lost(reason string) {
	n := uint64(len(l.entries)) + 1
	l.add(proof.AppendStubEntry(nil, n-1, l.received(), proof.Via{Kind: proof.ViaStore}.Append(nil),
		proof.Stub{Stream: event.DeriveUUID("test", "lossy", [6]byte{1}).String(), First: n, Last: n, Code: proof.StubLost, Reason: reason}))
}

func (l *testLog) Head(context.Context) (proof.Checkpoint, error) {
	return proof.Checkpoint{Origin: "test", Size: l.tree.Size(), Root: l.tree.Root()}, nil
}

func (l *testLog) Source() logread.Source { return l }

// Fetch implements logread.Source.
func (l *testLog) Fetch(_ context.Context, path string) (b []byte, err error) {
	t, err := proof.ParseTilePath(path)
	if err != nil {
		return nil, err
	}
	for i := range uint64(t.Width) {
		at := t.Index*proof.TileWidth + i
		if t.Entries {
			if at >= uint64(len(l.entries)) {
				return nil, fs.ErrNotExist
			}
			b, err = proof.AppendBundleEntry(b, l.entries[at])
			continue
		}
		h, ok := l.nodes[proof.NodeID{Level: 8 * t.Level, Index: at}]
		if !ok {
			return nil, fs.ErrNotExist
		}
		b = append(b, h[:]...)
	}
	return b, err
}

// records are what a query may find, as the naive matcher sees it.
func (l *testLog) records(t testing.TB) (all []*search.Record) {
	t.Helper()
	var waiting []*search.Record
	for _, raw := range l.entries {
		e, err := proof.ParseEntry(raw)
		if err != nil {
			t.Fatal(err)
		}
		if e.Seal != nil {
			s, err := proof.OpenSeal(e.Seal.Note)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range waiting {
				r.Key = s.Key
			}
			all, waiting = append(all, waiting...), nil
			continue
		}
		r, _, err := search.NewRecord(e, "")
		if err != nil {
			t.Fatal(err)
		}
		if r.Stub != nil && r.Stub.Code == proof.StubLost {
			all = append(all, r)
			continue
		}
		waiting = append(waiting, r)
	}
	return all
}

// naive is the numbers of the entries that a scan finds, in order.
func naive(all []*search.Record, q search.Query) (out []uint64) {
	m := search.NewMatcher(q, epoch)
	for _, r := range all {
		if m.Match(r) {
			out = append(out, r.Seq)
		}
	}
	return out
}

const logKey = "test+00000000+key"

func openDir(t testing.TB, path string) fsx.FS {
	t.Helper()
	d, err := fsx.OpenDir(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	return d
}

func openIndex(t testing.TB, fsys fsx.FS) *Index {
	t.Helper()
	x, err := Open(fsys, logKey)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = x.Close() })
	return x
}

func catchUp(t testing.TB, x *Index, l *testLog) {
	t.Helper()
	if err := x.Catch(context.Background(), l, nil); err != nil {
		t.Fatal(err)
	}
	if n := x.Indexed(); n != l.tree.Size() {
		t.Fatalf("%d of %d entries are indexed", n, l.tree.Size())
	}
}

// find collects all pages of a few rows each; no row may be in doubt.
func find(t fataler, x *Index, l *testLog, q search.Query, oldest bool, limit int) (out []uint64) {
	w := Everything()
	w.Oldest = oldest
	for pages := 0; ; pages++ {
		p, err := x.Find(context.Background(), l, q, epoch, w, limit)
		if err != nil {
			t.Fatalf("%s: %v", q, err)
		}
		if len(p.Rows) > limit || pages > len(l.entries)+1 {
			t.Fatalf("%s: page %d has %d rows", q, pages, len(p.Rows))
		}
		for _, r := range p.Rows {
			if r.Doubt != "" {
				t.Fatalf("%s: entry %d: %s", q, r.Record.Seq, r.Doubt)
			}
			if string(r.Entry) != string(l.entries[r.Record.Seq]) {
				t.Fatalf("%s: entry %d has other bytes", q, r.Record.Seq)
			}
			out = append(out, r.Record.Seq)
		}
		if p.Next == nil {
			break
		}
		w = *p.Next
	}
	if !oldest {
		slices.Reverse(out)
	}
	return out
}

type fataler interface {
	Fatalf(format string, args ...any)
}

func parse(t testing.TB, text string) search.Query {
	t.Helper()
	q, err := search.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

func encode(t fataler, e *event.Event) []byte {
	b, err := (&event.Codec{}).Append(nil, e)
	if err != nil {
		t.Fatalf("%v", err)
	}
	return b
}
