package store

import (
	"bytes"
	"testing"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/fsx"
	"github.com/stetlog/stet/internal/keyfile"
	"github.com/stetlog/stet/internal/spool"
	"github.com/stetlog/stet/proof"
)

// forge writes a spool by hand, so that its batches can be anything.
type forge struct {
	t    testing.TB
	w    *spool.Writer
	p    *process
	key  keyfile.Key
	prev []byte // note of the last seal
}

func newForge(t testing.TB, fsys fsx.FS, stream string) *forge {
	t.Helper()
	k := key("stet-emitter/web1/0")
	w, err := spool.Create(fsys, spool.Dir, meta(stream, k.VKey), nil)
	if err != nil {
		t.Fatal(err)
	}
	return &forge{t: t, w: w, key: k, p: &process{stream: stream, vkey: k.VKey}}
}

// event encodes the next event of the stream.
func (f *forge) event(seq uint64, change func(*event.Event)) []byte {
	f.t.Helper()
	e := f.p.base("shop_checkout")
	id, err := event.ParseUUID(f.p.stream)
	if err != nil {
		f.t.Fatal(err)
	}
	e.StreamID, e.StreamSeq, e.Timestamp, e.Clock = id, seq, day, &event.Clock{Confidence: "unknown"}
	if change != nil {
		change(e)
	}
	b, err := (&event.Codec{}).Append(nil, e)
	if err != nil {
		f.t.Fatal(err)
	}
	return b
}

// trouble is what is wrong with a batch; every field may be nil.
type trouble struct {
	event  func(*event.Event)
	bytes  func([]byte) []byte // of the event, before it is sealed
	swap   func([]byte) []byte // of the event, after it is sealed
	seal   func(*proof.Seal)
	note   func([]byte) []byte
	signer *keyfile.Key
}

// batch adds a batch of one event.
func (f *forge) batch(x trouble) {
	f.t.Helper()
	seq := f.w.Next()
	raw := f.event(seq, x.event)
	if x.bytes != nil {
		raw = x.bytes(raw)
	}
	k := f.key
	if x.signer != nil {
		k = *x.signer
	}
	seal := proof.Seal{App: "shop", Environment: "test", Key: k.VKey, Stream: f.p.stream, First: seq, Count: 1,
		Root: proof.RootOf([]proof.Hash{proof.LeafHash(raw)}), Clock: proof.Clock{State: proof.ClockUnknown, Source: "none"}}
	if f.prev != nil {
		seal.Prev, seal.HasPrev = proof.SealHash(f.prev), true
	}
	if x.seal != nil {
		x.seal(&seal)
	}
	signer, err := k.NoteSigner()
	if err != nil {
		f.t.Fatal(err)
	}
	note, err := proof.SignSeal(seal, signer)
	if err != nil {
		f.t.Fatal(err)
	}
	f.prev = bytes.Clone(note)
	if x.note != nil {
		note = x.note(note)
	}
	if x.swap != nil {
		raw = x.swap(bytes.Clone(raw))
	}
	if err := f.w.Add(spool.Batch{First: seq, Events: [][]byte{raw}, Seal: note}); err != nil {
		f.t.Fatal(err)
	}
}

func (f *forge) commit() {
	f.t.Helper()
	if err := f.w.Commit(); err != nil {
		f.t.Fatal(err)
	}
}

// die leaves the spool as a process does that is killed.
func (f *forge) die() {
	f.t.Helper()
	f.commit()
	if err := f.w.Close(); err != nil {
		f.t.Fatal(err)
	}
}

// rewrite changes a file.
func rewrite(t testing.TB, fsys fsx.FS, name string, change func([]byte) []byte) {
	t.Helper()
	b, err := fsx.ReadFile(fsys, name, 1<<30)
	if err == nil {
		err = fsys.Remove(name)
	}
	if err == nil {
		err = fsx.Replace(fsys, name, change(b), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}
