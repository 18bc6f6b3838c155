package index

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/stetlog/stet/proof"
)

// TestRowsHaveTheirKey: in whatever order rows are read, each is proven and has the key of its own seal, also where that is
// bundles away; and those that are not what was signed are in doubt, and no others.
func TestRowsHaveTheirKey(t *testing.T) {
	l := newLog()
	senders := []*sender{newSender(t, "host-a/1"), newSender(t, "host-b/1"), newSender(t, "host-c/1")}
	n := 0
	for i, size := range []int{1, 300, 2, 40, 700, 1, 1, 90, 260} {
		var events [][]byte
		for range size {
			events = append(events, login(t, n, "alice"))
			n++
		}
		l.batch(t, senders[i%len(senders)], proof.Via{Kind: proof.ViaSpool}, events...)
		if i%3 == 0 {
			l.lost(fmt.Sprint("loss ", i))
		}
	}
	want := map[uint64]string{}
	for _, r := range l.records(t) {
		want[r.Seq] = r.Key
	}
	cp, err := l.Head(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	signed := slices.Clone(l.entries)
	rapid.Check(t, func(rt *rapid.T) {
		copy(l.entries, signed)
		altered := map[uint64]bool{}
		for _, seq := range rapid.SliceOfN(rapid.Uint64Range(0, cp.Size-1), 0, 400).Draw(rt, "altered") {
			l.entries[seq] = bytes.Replace(signed[seq], []byte("alice"), []byte("alyce"), 1)
			altered[seq] = !bytes.Equal(l.entries[seq], signed[seq])
		}
		r := newReader(l, cp)
		for range rapid.IntRange(1, 40).Draw(rt, "rows") {
			seq := rapid.Uint64Range(0, cp.Size-1).Draw(rt, "seq")
			for range rapid.IntRange(1, 3).Draw(rt, "neighbours") {
				key, there := want[seq]
				row, err := r.row(context.Background(), seq)
				if err != nil || there && ((row.Doubt != "") != altered[seq] || row.Record.Key != key) {
					rt.Fatalf("entry %d, altered: %v: %v, doubt %q, key %q, want %q", seq, altered[seq], err, row.Doubt, row.Record.Key, key)
				}
				seq = max(seq, 1) - 1
			}
		}
	})
}

// TestTileOfTheLog: an entry that was altered together with its hash in the tile is in doubt, and so is all that the tile says, in
// whatever order it is read; what lies in other tiles is not, unless their proofs need what that tile says, as they do of the last.
func TestTileOfTheLog(t *testing.T) {
	l := newLog()
	s := newSender(t, "host-a/1")
	for i := range 50 {
		var events [][]byte
		for n := range 10 {
			events = append(events, login(t, 10*i+n, "alice"))
		}
		l.batch(t, s, proof.Via{Kind: proof.ViaSpool}, events...)
	}
	cp, err := l.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, altered := range []uint64{3, cp.Size - 3} { // in a full tile, and in the last one
		signed, hash := l.entries[altered], l.nodes[proof.NodeID{Index: altered}]
		l.entries[altered] = bytes.Replace(signed, []byte("alice"), []byte("alyce"), 1)
		l.nodes[proof.NodeID{Index: altered}] = proof.LeafHash(l.entries[altered])
		r := newReader(l, cp)
		for _, seq := range []uint64{altered, altered, 1, altered - 1, cp.Size - 2, 257, altered} {
			row, err := r.row(t.Context(), seq)
			if err != nil || (row.Doubt != "") != (altered > 3 || seq/proof.TileWidth == 0) {
				t.Errorf("entry %d of %d, %d altered: %v, doubt %q", seq, cp.Size, altered, err, row.Doubt)
			}
		}
		l.entries[altered], l.nodes[proof.NodeID{Index: altered}] = signed, hash
	}
}
