package ledger_test

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"fmt"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/stetlog/stet/internal/fsx"
	"github.com/stetlog/stet/internal/ledger"
	"github.com/stetlog/stet/proof"
)

const origin = "log.example/test"

var viaStore = proof.Via{Kind: proof.ViaStore}.Append(nil)

// key makes the same key for the same name.
func key(name string) (note.Signer, string) {
	seed := sha256.Sum256([]byte(name))
	s, vkey, err := proof.NewSigner(name, ed25519.NewKeyFromSeed(seed[:]))
	if err != nil {
		panic(err)
	}
	return s, vkey
}

func verifier(vkey string) note.Verifier {
	v, err := note.NewVerifier(vkey)
	if err != nil {
		panic(err)
	}
	return v
}

// zeros is a source of salts that makes runs repeatable.
type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

// ticker is a clock that moves a second a look.
func ticker(start time.Time) func() time.Time {
	now := start
	return func() time.Time { now = now.Add(time.Second); return now }
}

var epoch = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// options are those of a small ledger whose operations come in one order: one worker, and no publish but those asked for.
func options(fsys fsx.FS) ledger.Options {
	signer, vkey := key(origin)
	return ledger.Options{
		FS: fsys, Origin: origin, Signer: signer, Verifier: verifier(vkey), Now: ticker(epoch), Rand: zeros{},
		Workers: 1, PublishBusy: time.Nanosecond, PublishIdle: time.Hour,
	}
}

// stream is an emitter's side of one stream.
type stream struct {
	id     string
	signer note.Signer
	seal   proof.Seal // of the last batch
	last   []byte     // its note
}

// newStream makes the n-th stream of a key.
func newStream(owner string, n int) *stream {
	s, vkey := key(owner)
	return &stream{
		id: fmt.Sprintf("01900000-0000-7000-8000-%012x", n), signer: s,
		seal: proof.Seal{App: "app", Environment: "test", Key: vkey, First: 1, Clock: proof.Clock{State: proof.ClockUnknown}},
	}
}

func event(stream string, n uint64, size int) []byte {
	b := fmt.Appendf(nil, `{"stream_id":%q,"stream_seq":%d,"pad":"`, stream, n)
	for i := len(b); i < size-2; i++ {
		b = append(b, "0123456789abcdef"[(uint64(i)*7+n)%16])
	}
	return append(b, `"}`...)
}

// next seals the next n events, each of about size bytes.
func (s *stream) next(n, size int) ledger.Batch { return s.batch(n, size, func(*proof.Seal) {}) }

func (s *stream) batch(n, size int, change func(*proof.Seal)) ledger.Batch {
	seal := s.seal
	seal.First, seal.Count, seal.Stream = s.seal.Next(), n, s.id
	if s.last != nil {
		seal.Prev, seal.HasPrev = proof.SealHash(s.last), true
	}
	b := ledger.Batch{Via: viaStore}
	var leaves []proof.Hash
	for i := range n {
		e := event(s.id, seal.First+uint64(i), size)
		b.Items = append(b.Items, ledger.Item{Event: e})
		leaves = append(leaves, proof.LeafHash(e))
	}
	seal.Root = proof.RootOf(leaves)
	change(&seal)
	note, err := proof.SignSeal(seal, s.signer)
	if err != nil {
		panic(err)
	}
	b.Seal = note
	s.seal, s.last = seal, note
	return b
}

// skip leaves numbers out, as an emitter does whose spool was damaged.
func (s *stream) skip(n uint64) { s.seal.First, s.seal.Count = s.seal.Next()+n, 0 }

func open(t testing.TB, o ledger.Options) *ledger.Ledger {
	t.Helper()
	l, err := ledger.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func mustAppend(t testing.TB, l *ledger.Ledger, b ledger.Batch) ledger.Placed {
	t.Helper()
	p, err := l.Append(t.Context(), b)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func mustPublish(t testing.TB, l *ledger.Ledger) proof.Checkpoint {
	t.Helper()
	b, err := l.Publish(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return opened(t, b)
}

func mustClose(t testing.TB, l *ledger.Ledger) {
	t.Helper()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

func opened(t testing.TB, signed []byte) proof.Checkpoint {
	t.Helper()
	_, vkey := key(origin)
	c, err := proof.OpenCheckpoint(signed, origin, verifier(vkey))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// proves rebuilds a batch's entries from the emitter's own bytes and checks them against nothing but the receipt.
func proves(r ledger.Receipt, b ledger.Batch) error {
	_, vkey := key(origin)
	c, err := proof.OpenCheckpoint(r.Checkpoint, origin, verifier(vkey))
	if err != nil {
		return err
	}
	var leaves []proof.Hash
	at := proof.FormatTime(r.ReceivedAt)
	for i, item := range b.Items {
		seq := r.First + uint64(i)
		if item.Stub != nil {
			leaves = append(leaves, proof.LeafHash(proof.AppendStubEntry(nil, seq, at, r.Via, r.Stubs[0])))
			continue
		}
		leaves = append(leaves, proof.LeafHash(proof.AppendEventEntry(nil, seq, at, r.Via, item.Event)))
	}
	seal := proof.SealEntry{PrevSeq: r.Prev(), Note: b.Seal}
	leaves = append(leaves, proof.LeafHash(proof.AppendSealEntry(nil, r.First+uint64(len(leaves)), at, r.Via, seal)))
	if len(leaves) != r.Count {
		return fmt.Errorf("the batch makes %d entries, the receipt says %d", len(leaves), r.Count)
	}
	return proof.VerifyRange(r.First, leaves, c.Size, c.Root, r.Proof)
}

var background = context.Background()
