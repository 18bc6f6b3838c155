package published

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"sync"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/proof"
)

// tape is a log in memory that grows by batches, and counts the bundles that are read.
type tape struct {
	mu      sync.Mutex
	entries [][]byte
	tree    proof.Tree
	nodes   map[proof.NodeID]proof.Hash
	signed  []byte
	more    chan struct{} // closed when there is more
	fetched int

	key  note.Signer
	seal proof.Seal
}

const at = "2026-01-02T03:04:05.000000000Z"

var via = proof.Via{Kind: proof.ViaHTTP, Token: "t"}.Append(nil)

func newTape(t testing.TB) *tape {
	t.Helper()
	seed := sha256.Sum256([]byte("tape"))
	key, vkey, err := proof.NewSigner("host/1", ed25519.NewKeyFromSeed(seed[:]))
	if err != nil {
		t.Fatal(err)
	}
	l := &tape{nodes: map[proof.NodeID]proof.Hash{}, more: make(chan struct{}), key: key}
	l.seal = proof.Seal{App: "a", Environment: "e", Key: vkey, Stream: event.DeriveUUID("test", "tape", [6]byte{1}).String(), First: 1, Clock: proof.Clock{State: proof.ClockUnknown}}
	l.publish(t)
	return l
}

func (l *tape) add(entry []byte) {
	l.entries = append(l.entries, entry)
	l.tree.AppendAll([]proof.Hash{proof.LeafHash(entry)}, func(id proof.NodeID, h proof.Hash) { l.nodes[id] = h })
}

func (l *tape) size() uint64 { return uint64(len(l.entries)) }

// say adds n events, each of which says its number.
func (l *tape) say(t testing.TB, n int) {
	t.Helper()
	var leaves []proof.Hash
	for range n {
		text := fmt.Sprintf("entry %d", l.size())
		e, err := (&event.Codec{}).Append(nil, &event.Event{EventID: event.DeriveUUID("test", text, [6]byte{1}), Timestamp: time.Unix(1, 0), EventType: "own_type",
			InteractionID: "i", AppID: "shop", Description: text, StreamID: event.DeriveUUID("test", "stream", [6]byte{1}), StreamSeq: l.size() + 1, Action: "a",
			Object: &event.Object{Type: "file", ID: "x"}, Severity: new(event.Severity(6))})
		if err != nil {
			t.Fatal(err)
		}
		leaves = append(leaves, proof.LeafHash(e))
		l.add(proof.AppendEventEntry(nil, l.size(), at, via, e))
	}
	l.end(t, n, leaves)
}

// end adds the seal of a batch.
func (l *tape) end(t testing.TB, n int, leaves []proof.Hash) {
	t.Helper()
	l.seal.Count, l.seal.Root = n, proof.RootOf(leaves)
	msg, err := proof.SignSeal(l.seal, l.key)
	if err != nil {
		t.Fatal(err)
	}
	l.add(proof.AppendSealEntry(nil, l.size(), at, via, proof.SealEntry{Note: msg}))
	l.seal.First, l.seal.Prev, l.seal.HasPrev = l.seal.Next(), proof.SealHash(msg), true
}

// lose adds a declared loss.
func (l *tape) lose() {
	l.add(proof.AppendStubEntry(nil, l.size(), at, via, proof.Stub{Stream: l.seal.Stream, First: 9, Last: 9, Code: proof.StubLost, Reason: "gone"}))
}

// publish signs what there is.
func (l *tape) publish(t testing.TB) {
	t.Helper()
	signed, err := proof.SignCheckpoint(proof.Checkpoint{Origin: "host/1", Size: l.tree.Size(), Root: l.tree.Root()}, l.key)
	if err != nil {
		t.Fatal(err)
	}
	l.signed = signed
	close(l.more)
	l.more = make(chan struct{})
}

func (l *tape) head(t testing.TB) proof.Checkpoint {
	t.Helper()
	cp, err := proof.ParseCheckpointText(l.Checkpoint())
	if err != nil {
		t.Fatal(err)
	}
	return cp
}

func (l *tape) Checkpoint() []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.signed
}

func (l *tape) Published(ctx context.Context, seen uint64) (uint64, error) {
	for {
		l.mu.Lock()
		more := l.more
		cp, err := proof.ParseCheckpointText(l.signed)
		l.mu.Unlock()
		if err != nil || cp.Size > seen {
			return cp.Size, err
		}
		select {
		case <-more:
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
}

// Fetch implements logread.Source.
func (l *tape) Fetch(ctx context.Context, path string) ([]byte, error) {
	return l.FetchInto(ctx, path, nil)
}

// FetchInto uses the memory of buf, as a directory does.
func (l *tape) FetchInto(_ context.Context, path string, buf []byte) (b []byte, err error) {
	t, err := proof.ParseTilePath(path)
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	b = buf[:0]
	for i := range uint64(t.Width) {
		at := t.Index*proof.TileWidth + i
		if !t.Entries {
			h, ok := l.nodes[proof.NodeID{Level: 8 * t.Level, Index: at}]
			if !ok {
				return nil, fs.ErrNotExist
			}
			b = append(b, h[:]...)
			continue
		}
		if at >= l.size() {
			return nil, fs.ErrNotExist
		}
		if b, err = proof.AppendBundleEntry(b, l.entries[at]); err != nil {
			return nil, err
		}
	}
	if t.Entries {
		l.fetched++
	}
	return b, nil
}
