package verify_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
	"golang.org/x/mod/sumdb/note"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/ledger"
	"github.com/stetlog/stet/proof"
)

// A world writes logs from package proof alone: an independent hand, so that a mistake in the ledger cannot hide a
// mistake in the verifier.
type world struct {
	t       testing.TB
	rng     *rand.Rand
	log     identity
	store   identity
	codec   event.Codec
	now     time.Time
	entries []proof.Entry
	streams []*source
	known   map[string]bool // enrolled vkeys
	ids     int
	// take, where set, is given each batch and loss instead: a ledger that makes the entries itself.
	take func(ledger.Batch, *ledger.Loss)
	soft bool // the ledger's machine may crash: its errors are expected
}

// identity is a key that signs.
type identity struct {
	signer note.Signer
	vkey   string
	file   []byte // as package keyfile keeps it
}

// source is an emitter's stream.
type source struct {
	id       identity
	app, env string
	stream   event.UUID
	next     uint64
	prev     proof.Hash
	prevSeq  *uint64
	sealed   bool
	final    bool
}

func newIdentity(t testing.TB, name string, n byte) identity {
	t.Helper()
	seed := bytes.Repeat([]byte{n}, ed25519.SeedSize)
	s, vkey, err := proof.NewSigner(name, ed25519.NewKeyFromSeed(seed))
	if err != nil {
		t.Fatal(err)
	}
	private := base64.StdEncoding.EncodeToString(append([]byte{1}, seed...))
	file := fmt.Sprintf("stet/key/v1\nPRIVATE+KEY+%s+%08x+%s\n", name, s.KeyHash(), private)
	return identity{s, vkey, []byte(file)}
}

const origin = "stet.local/test/1"

func newWorld(t testing.TB, seed uint64) *world {
	t.Helper()
	w := newIdleWorld(t, seed)
	w.enrol(w.store)
	return w
}

// newIdleWorld has its keys and has written nothing.
func newIdleWorld(t testing.TB, seed uint64) *world {
	t.Helper()
	return &world{
		t: t, rng: rand.New(rand.NewPCG(seed, 1)), known: map[string]bool{},
		log: newIdentity(t, origin, 1), store: newIdentity(t, "stet-store/test", 2),
		now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
	}
}

func (w *world) uuid() event.UUID {
	w.ids++
	var r [10]byte
	binary.BigEndian.PutUint64(r[2:], uint64(w.ids))
	return event.NewUUIDv7(w.now, r)
}

func (w *world) open(id identity, app, env string) *source {
	s := &source{id: id, app: app, env: env, stream: w.uuid(), next: 1}
	w.streams = append(w.streams, s)
	return s
}

// emitter enrols a key and opens a stream of it.
func (w *world) emitter(n byte, app, env string) *source {
	id := newIdentity(w.t, fmt.Sprintf("stet-emitter/host/%d", n), n)
	if !w.known[id.vkey] {
		w.enrol(id)
	}
	return w.open(id, app, env)
}

func (w *world) enrol(id identity) {
	w.known[id.vkey] = true
	s := w.open(w.store, "stet", "")
	w.batch(s, []event.Event{w.enrolment(id)}, nil)
}

func (w *world) enrolment(id identity) event.Event {
	return event.Event{
		EventType: "emitter_enrolled", Action: "enrol", Object: &event.Object{Type: "emitter_key", ID: proof.KeyID(id.vkey)},
		References: []event.Reference{{Kind: "vkey", Value: id.vkey}},
	}
}

func (w *world) login(i int) event.Event {
	return event.Event{EventType: "authn_login_success", Action: "login", Object: &event.Object{Type: "session", ID: fmt.Sprint("s", i)},
		Labels: map[string]string{"n": fmt.Sprint(w.rng.Uint64())}}
}

// encode writes an event as the emitter of s would, under stream number n.
func (w *world) encode(s *source, e event.Event, n uint64) []byte {
	w.t.Helper()
	e.EventID, e.Timestamp, e.InteractionID = w.uuid(), w.now, "i-1"
	e.AppID, e.Environment, e.StreamID, e.StreamSeq = s.app, s.env, s.stream, n
	b, err := w.codec.Append(nil, &e)
	if err != nil {
		w.t.Fatalf("encode %s: %v", e.EventType, err)
	}
	return b
}

// batch appends a sealed batch; refused are the positions whose events are stubs.
func (w *world) batch(s *source, events []event.Event, refused []int) {
	w.t.Helper()
	w.sealed(s, events, refused, false)
}

func (w *world) sealed(s *source, events []event.Event, refused []int, final bool) {
	w.t.Helper()
	w.now = w.now.Add(time.Duration(w.rng.IntN(1000)) * time.Millisecond)
	at, via := proof.FormatTime(w.now), proof.Via{Kind: proof.ViaSpool}.Append(nil)
	leaves := make([]proof.Hash, len(events))
	items := make([]ledger.Item, len(events))
	for i, e := range events {
		n := s.next + uint64(i)
		raw := w.encode(s, e, n)
		leaves[i] = proof.LeafHash(raw)
		items[i].Event = raw
		entry := proof.Entry{ReceivedAt: at, Via: via, Event: raw}
		if slices.Contains(refused, i) {
			entry.Event = nil
			entry.Stub = &proof.Stub{Stream: s.stream.String(), First: n, Last: n, Code: proof.StubRefused, Leaf: leaves[i], Reason: "too long"}
			items[i] = ledger.Item{Stub: &ledger.Stub{Leaf: leaves[i], Reason: "too long"}}
		}
		if w.take != nil {
			continue
		}
		w.add(entry)
	}
	msg, err := proof.SignSeal(proof.Seal{
		App: s.app, Environment: s.env, Key: s.id.vkey, Stream: s.stream.String(), First: s.next, Count: len(events),
		Root: proof.RootOf(leaves), Prev: s.prev, HasPrev: s.sealed, Final: final,
		Clock: proof.Clock{State: proof.ClockUnknown},
	}, s.id.signer)
	if err != nil {
		w.t.Fatal(err)
	}
	if w.take != nil {
		w.take(ledger.Batch{Via: via, Items: items, Seal: msg}, nil)
	} else {
		w.add(proof.Entry{ReceivedAt: at, Via: via, Seal: &proof.SealEntry{PrevSeq: s.prevSeq, Note: msg}})
	}
	seq := uint64(len(w.entries) - 1)
	s.prevSeq, s.prev, s.sealed, s.final = &seq, proof.SealHash(msg), true, final
	s.next += uint64(len(events))
}

// lose declares the next n numbers of a stream lost. withSeal says that a seal was among what was lost, too.
func (w *world) lose(s *source, n uint64, withSeal bool) {
	via := proof.Via{Kind: proof.ViaStore}.Append(nil)
	if w.take != nil {
		w.take(ledger.Batch{Via: via}, &ledger.Loss{Stream: s.stream.String(), First: s.next, Last: s.next + n - 1, Reason: "spool damaged"})
		s.next += n
		return
	}
	w.add(proof.Entry{ReceivedAt: proof.FormatTime(w.now), Via: via,
		Stub: &proof.Stub{Stream: s.stream.String(), First: s.next, Last: s.next + n - 1, Code: proof.StubLost, Reason: "spool damaged"}})
	s.next += n
	if withSeal {
		s.prev, s.sealed = proof.LeafHash([]byte("the lost seal")), true
	}
}

func (w *world) add(e proof.Entry) {
	e.Seq = uint64(len(w.entries))
	w.entries = append(w.entries, e)
}

// fill appends n batches of random streams: stubs, losses, closed streams, two applications of one key.
func (w *world) fill(n int) {
	w.t.Helper()
	for range n {
		var s *source
		if len(w.streams) > 0 && w.rng.IntN(4) > 0 {
			s = w.streams[w.rng.IntN(len(w.streams))]
		}
		if s == nil || s.final || s.id.vkey == w.store.vkey {
			s = w.emitter(byte(10+w.rng.IntN(4)), fmt.Sprint("app", w.rng.IntN(3)), []string{"", "production"}[w.rng.IntN(2)])
		}
		switch w.rng.IntN(12) {
		case 0:
			w.lose(s, 1+w.rng.Uint64N(5), w.rng.IntN(2) == 0)
			continue
		case 1:
			w.sealed(s, nil, nil, true)
			continue
		}
		events := make([]event.Event, 1+w.rng.IntN(6))
		var refused []int
		for i := range events {
			events[i] = w.login(i)
			if w.rng.IntN(10) == 0 {
				refused = append(refused, i)
			}
		}
		w.sealed(s, events, refused, w.rng.IntN(12) == 0)
	}
}

// leaves returns the encoded entries.
func (w *world) leaves() [][]byte {
	out := make([][]byte, len(w.entries))
	for i, e := range w.entries {
		out[i] = e.Append(nil)
	}
	return out
}

// renumber puts entries in their places anew, as a thief does who rebuilds the log: seq and prev_seq as they must be.
func renumber(entries []proof.Entry) []proof.Entry {
	out := slices.Clone(entries)
	moved := map[uint64]uint64{}
	for i := range out {
		moved[out[i].Seq] = uint64(i)
		out[i].Seq = uint64(i)
		if s := out[i].Seal; s != nil && s.PrevSeq != nil {
			if to, ok := moved[*s.PrevSeq]; ok {
				out[i].Seal = &proof.SealEntry{PrevSeq: &to, Note: s.Note}
			}
		}
	}
	return out
}

// buildLog makes all files of a log: checkpoint, tiles, bundles; with the partials of earlier sizes where asked for.
func buildLog(t testing.TB, entries [][]byte, key identity, compressed bool, earlier ...uint64) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	size := uint64(len(entries))
	var leaves []proof.Hash
	rows := make([][]proof.Hash, 7)
	var tree proof.Tree
	for _, e := range entries {
		leaves = append(leaves, proof.LeafHash(e))
	}
	tree.AppendAll(leaves, func(id proof.NodeID, h proof.Hash) {
		if id.Level%proof.TileHeight == 0 {
			rows[id.Level/proof.TileHeight] = append(rows[id.Level/proof.TileHeight], h)
		}
	})
	put := func(tile proof.Tile) {
		var b []byte
		start := tile.Index * proof.TileWidth
		for i := start; i < start+uint64(tile.Width); i++ {
			if tile.Entries {
				var err error
				if b, err = proof.AppendBundleEntry(b, entries[i]); err != nil {
					t.Fatal(err)
				}
			} else {
				b = append(b, rows[tile.Level][i][:]...)
			}
		}
		if tile.Entries && compressed {
			b = zip(t, b)
		}
		files[tile.Path()] = b
	}
	for _, size := range append(slices.Clone(earlier), size) {
		for level := range uint8(len(rows)) {
			full, width := proof.TilesFor(size, level)
			for i := range full {
				put(proof.Tile{Level: level, Index: i, Width: proof.TileWidth})
			}
			if width > 0 {
				put(proof.Tile{Level: level, Index: full, Width: width})
			}
			if level > 0 {
				continue
			}
			for i := range full {
				put(proof.Tile{Entries: true, Index: i, Width: proof.TileWidth})
			}
			if width > 0 {
				put(proof.Tile{Entries: true, Index: full, Width: width})
			}
		}
	}
	files["checkpoint"] = checkpoint(t, entries, key)
	return files
}

func checkpoint(t testing.TB, entries [][]byte, key identity) []byte {
	t.Helper()
	var leaves []proof.Hash
	for _, e := range entries {
		leaves = append(leaves, proof.LeafHash(e))
	}
	msg, err := proof.SignCheckpoint(proof.Checkpoint{Origin: key.signer.Name(), Size: uint64(len(entries)), Root: proof.RootOf(leaves)}, key.signer)
	if err != nil {
		t.Fatal(err)
	}
	return msg
}

func zip(t testing.TB, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	z, err := gzip.NewWriterLevel(&out, gzip.BestSpeed)
	if err == nil {
		_, err = z.Write(b)
	}
	if err == nil {
		err = z.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}
