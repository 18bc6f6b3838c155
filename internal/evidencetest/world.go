// Package evidencetest makes logs in memory, evidence of them, and forgeries of that evidence: for the tests of whatever
// verifies evidence.
package evidencetest

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"iter"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/evidence"
	"github.com/stetlog/stet/proof"
)

// A World is a log in memory, written from package proof alone, and what evidence of it is made of.
type World struct {
	Log     Signer // the log's newest key
	Store   Signer
	First   string // the log's first verifier key
	Entries [][]byte
	Leaves  []proof.Hash
	Batches map[uint64][]proof.Hash // leaves of events by the seq of their seal
	// Lie changes what the next batch says, before it is sealed and stored; nil changes nothing.
	Lie *Lie

	t       testing.TB
	rng     *rand.Rand
	now     time.Time
	ids     int
	chain   proof.KeyChain
	keys    []evidence.Key // enrolled
	acts    []uint64       // entries about keys
	sealOf  map[uint64]uint64
	sealKey map[uint64]string
}

// A Lie is what somebody with a key could say: all of it gets sealed, stored and signed.
type Lie struct {
	Event  func(i int, e *event.Event) // of the batch
	Seal   func(*proof.Seal)
	Entry  func(i int, e *proof.Entry) // of the batch; the seal's is the last
	Sealer *Signer                     // another key than the stream's
}

// Signer is a key.
type Signer struct {
	note.Signer
	VKey string
}

// Stream is an emitter's.
type Stream struct {
	Key     Signer
	app     string
	env     string
	id      event.UUID
	next    uint64
	prev    proof.Hash
	prevSeq *uint64
}

// NewSigner makes the key number n of a name.
func NewSigner(t testing.TB, name string, n byte) Signer {
	t.Helper()
	s, vkey, err := proof.NewSigner(name, ed25519.NewKeyFromSeed(bytes.Repeat([]byte{n}, ed25519.SeedSize)))
	if err != nil {
		t.Fatal(err)
	}
	return Signer{s, vkey}
}

// Origin is the name of every log here.
const Origin = "log.example/stet"

// New makes a log that enrols its store's key. The same seed makes the same log.
func New(t testing.TB, seed uint64) *World {
	w := &World{t: t, rng: rand.New(rand.NewPCG(seed, 6)), now: time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC), Log: NewSigner(t, Origin, 1),
		Store: NewSigner(t, "stet-store/test", 2), Batches: map[uint64][]proof.Hash{}, sealOf: map[uint64]uint64{}, sealKey: map[uint64]string{}}
	w.First = w.Log.VKey
	w.Enrol(w.Store)
	return w
}

func (w *World) uuid() event.UUID {
	w.ids++
	var r [10]byte
	binary.BigEndian.PutUint64(r[2:], uint64(w.ids))
	return event.NewUUIDv7(w.now, r)
}

// Open opens a stream under a key, which may be one that was never enrolled.
func (w *World) Open(key Signer, app string) *Stream {
	return &Stream{Key: key, app: app, env: "production", id: w.uuid(), next: 1}
}

// Emitter opens a stream under the key number n, which is enrolled where it was not yet.
func (w *World) Emitter(n byte, app string) *Stream {
	key := NewSigner(w.t, fmt.Sprintf("stet-emitter/host/%d", n), n)
	if !slices.ContainsFunc(w.keys, func(k evidence.Key) bool { return k.Key == key.VKey }) {
		w.Enrol(key)
	}
	return w.Open(key, app)
}

// act has the store record something about a key.
func (w *World) act(e event.Event) uint64 {
	s := &Stream{Key: w.Store, app: "stet", id: w.uuid(), next: 1}
	at := uint64(len(w.Entries))
	w.Batch(s, []event.Event{e}, nil)
	w.acts = append(w.acts, at)
	return at
}

// Enrol enrols a key.
func (w *World) Enrol(key Signer) {
	at := w.act(event.Event{EventType: "emitter_enrolled", Action: "enrol", Object: &event.Object{Type: "emitter_key", ID: proof.KeyID(key.VKey)}})
	w.keys = append(w.keys, evidence.Key{Key: key.VKey, Enrolled: at})
}

// Revoke revokes a key.
func (w *World) Revoke(key Signer) {
	at := w.act(event.Event{EventType: "key_revoked", Action: "revoke", Object: &event.Object{Type: "emitter_key", ID: proof.KeyID(key.VKey)}})
	for i := range w.keys {
		if w.keys[i].Key == key.VKey {
			w.keys[i].Revoked = &at
		}
	}
}

// Rotate gives the log the key number n.
func (w *World) Rotate(n byte) {
	next := NewSigner(w.t, Origin, n)
	msg := w.Handover(next, uint64(len(w.Entries)))
	w.Chain(msg)
	w.Tell(next, base64.StdEncoding.EncodeToString(msg))
	w.Log = next
}

// Handover is one from the log's key to another, signed by both.
func (w *World) Handover(next Signer, size uint64) []byte {
	msg, err := proof.SignHandover(proof.Handover{Old: w.Log.VKey, New: next.VKey, Size: size, Time: proof.FormatTime(w.now)}, w.Log, next)
	if err != nil {
		w.t.Fatal(err)
	}
	return msg
}

// Chain adds a handover to the chain.
func (w *World) Chain(msg []byte) {
	chain, err := w.chain.Add(msg)
	if err != nil {
		w.t.Fatal(err)
	}
	w.chain = chain
}

// Tell has the store record a handover in the log.
func (w *World) Tell(next Signer, handover string) {
	w.act(event.Event{EventType: "key_rotated", Action: "rotate", Object: &event.Object{Type: "log_key", ID: proof.KeyID(next.VKey)}, Labels: map[string]string{"handover": handover}})
}

// Login is an event of a user.
func (w *World) Login(user string) event.Event {
	return event.Event{EventType: "authn_login_success", Action: "login", UserID: user, Object: &event.Object{Type: "session", ID: fmt.Sprint("s", w.rng.Uint32())}}
}

// Batch appends a sealed batch; of those at refused only stubs are there. Where there are no events it closes the stream.
func (w *World) Batch(s *Stream, events []event.Event, refused []int) {
	w.t.Helper()
	w.now = w.now.Add(time.Duration(1+w.rng.IntN(1000)) * time.Millisecond)
	kinds := []string{proof.ViaSpool, proof.ViaHTTP, proof.ViaUnix, proof.ViaSyslog}
	at, via := proof.FormatTime(w.now), proof.Via{Kind: kinds[w.now.Nanosecond()/1_000_000%len(kinds)]}.Append(nil) // as chance has made the time
	lie := w.Lie
	if w.Lie = nil; lie == nil {
		lie = &Lie{}
	}
	add := func(i int, e proof.Entry) {
		if lie.Entry != nil {
			lie.Entry(i, &e)
		}
		w.add(e)
	}
	var leaves []proof.Hash
	codec := event.Codec{}
	at0 := uint64(len(w.Entries) + len(events))
	for i, e := range events {
		e.EventID, e.Timestamp, e.InteractionID = w.uuid(), w.now, "i-1"
		e.AppID, e.Environment, e.StreamID, e.StreamSeq = s.app, s.env, s.id, s.next+uint64(i)
		if lie.Event != nil {
			lie.Event(i, &e)
		}
		raw, err := codec.Append(nil, &e)
		if err != nil {
			w.t.Fatalf("encode %s: %v", e.EventType, err)
		}
		leaves = append(leaves, proof.LeafHash(raw))
		w.sealOf[uint64(len(w.Entries))] = at0
		entry := proof.Entry{ReceivedAt: at, Via: via, Event: raw}
		if slices.Contains(refused, i) {
			entry = proof.Entry{ReceivedAt: at, Via: via, Stub: &proof.Stub{Stream: s.id.String(), First: e.StreamSeq, Last: e.StreamSeq, Code: proof.StubRefused, Leaf: leaves[i], Reason: "too long"}}
		}
		add(i, entry)
	}
	seal := proof.Seal{App: s.app, Environment: s.env, Key: s.Key.VKey, Stream: s.id.String(), First: s.next, Count: len(events),
		Root: proof.RootOf(leaves), Prev: s.prev, HasPrev: s.prevSeq != nil, Final: len(events) == 0, Clock: proof.Clock{State: proof.ClockUnknown}}
	key := s.Key
	if lie.Sealer != nil {
		key, seal.Key = *lie.Sealer, lie.Sealer.VKey
	}
	if lie.Seal != nil {
		lie.Seal(&seal)
	}
	msg, err := proof.SignSeal(seal, key)
	if err != nil {
		w.t.Fatal(err)
	}
	add(len(events), proof.Entry{ReceivedAt: at, Via: via, Seal: &proof.SealEntry{PrevSeq: s.prevSeq, Note: msg}})
	w.Batches[at0], w.sealKey[at0] = leaves, key.VKey
	s.prevSeq, s.prev, s.next = &at0, proof.SealHash(msg), s.next+uint64(len(events))
}

// Lose declares that the next n numbers of a stream are lost.
func (w *World) Lose(s *Stream, n uint64) {
	w.add(proof.Entry{ReceivedAt: proof.FormatTime(w.now), Via: proof.Via{Kind: proof.ViaStore}.Append(nil),
		Stub: &proof.Stub{Stream: s.id.String(), First: s.next, Last: s.next + n - 1, Code: proof.StubLost, Reason: "spool damaged"}})
	s.next += n
}

func (w *World) add(e proof.Entry) {
	e.Seq = uint64(len(w.Entries))
	raw := e.Append(nil)
	w.Entries, w.Leaves = append(w.Entries, raw), append(w.Leaves, proof.LeafHash(raw))
}

// Fill appends n batches, of several streams, keys and applications, with refused and lost events.
func (w *World) Fill(n int) {
	var open []*Stream
	for range n {
		if len(open) < 3 || w.rng.IntN(6) == 0 {
			open = append(open, w.Emitter(byte(10+w.rng.IntN(4)), fmt.Sprint("app", w.rng.IntN(3))))
		}
		s := open[w.rng.IntN(len(open))]
		if w.rng.IntN(10) == 0 {
			w.Lose(s, 1+w.rng.Uint64N(5))
			continue
		}
		events := make([]event.Event, 1+w.rng.IntN(9))
		var refused []int
		for i := range events {
			events[i] = w.Login(fmt.Sprint("user", w.rng.IntN(5)))
			if w.rng.IntN(12) == 0 {
				refused = append(refused, i)
			}
		}
		w.Batch(s, events, refused)
	}
}

// end is the number of the entry that ends the batch of seq: its seal, or a loss by itself.
func (w *World) end(seq uint64) uint64 {
	if at, ok := w.sealOf[seq]; ok {
		return at
	}
	return seq
}

// Contents make evidence of what find finds. whole, with two numbers, is the range that is accounted for, made wider to
// whole batches and one more on each side.
func (w *World) Contents(find func(seq uint64, entry proof.Entry) bool, whole ...uint64) evidence.Contents {
	w.t.Helper()
	size := uint64(len(w.Entries))
	shown, context := map[uint64]bool{}, map[uint64]bool{}
	c := evidence.Contents{
		Asked:    evidence.Asked{Query: "actor:user1", By: "auditor@example", At: "2026-06-01T00:00:00.000000000Z", Tool: "stet test"},
		Searched: evidence.Searched{Last: size - 1},
		LogKey:   w.Log.VKey, Chain: w.chain, Tree: quick(w.Leaves),
		Batch: func(seal uint64) ([]proof.Hash, error) { return w.Batches[seal], nil },
		Table: func(out io.Writer) error { _, err := io.WriteString(out, "seq\r\n"); return err },
		Stories: func(out io.Writer) error {
			_, err := io.WriteString(out, "<!doctype html><title>stories</title>\n")
			return err
		},
	}
	var first, last uint64
	if len(whole) == 2 {
		first, last = w.widen(whole[0], whole[1])
		c.Whole = &evidence.Whole{First: first, Last: last}
		c.Searched.First, c.Searched.Last = whole[0], whole[1]
	}
	for i, raw := range w.Entries {
		seq := uint64(i)
		e, err := proof.ParseEntry(raw)
		if err != nil {
			w.t.Fatal(err)
		}
		inWhole := c.Whole != nil && seq >= first && seq <= last
		switch {
		case e.Seal != nil:
			if inWhole {
				shown[seq] = true
			}
		case find(seq, e) && (c.Whole == nil || seq >= whole[0] && seq <= whole[1]):
			shown[seq], shown[w.end(seq)] = true, true
		case inWhole && e.Stub != nil:
			shown[seq], context[seq] = true, true
		}
	}
	used := map[string]bool{}
	for again := true; again; { // keys of what enrols keys are needed, too
		again = false
		for seq := range shown {
			if key := w.sealKey[seq]; key != "" && !used[key] {
				used[key], again = true, true
			}
		}
		for _, at := range w.acts {
			e, _ := proof.ParseEntry(w.Entries[at])
			ev, err := event.Parse(e.Event)
			if err != nil {
				w.t.Fatal(err)
			}
			needed := at == 0 || ev.Object.Type == "log_key"
			for key := range used {
				needed = needed || ev.Object.ID == proof.KeyID(key)
			}
			if needed && !shown[at] {
				shown[at], shown[at+1], context[at], again = true, true, true, true
			}
		}
	}
	for _, k := range w.keys {
		if used[k.Key] {
			c.Keys = append(c.Keys, k)
		}
	}
	c.Context = slices.Sorted(keysOf(context))
	c.Entries = w.show(slices.Sorted(keysOf(shown)))
	msg, err := proof.SignCheckpoint(proof.Checkpoint{Origin: Origin, Size: size, Root: proof.RootOf(w.Leaves)}, w.Log)
	if err != nil {
		w.t.Fatal(err)
	}
	c.Checkpoint = msg
	return c
}

// widen makes a range wider, to whole batches and one more on each side.
func (w *World) widen(first, last uint64) (uint64, uint64) {
	size := uint64(len(w.Entries))
	starts := []uint64{0} // of batches and losses
	for seq := uint64(0); seq < size; {
		seq = w.end(seq) + 1
		starts = append(starts, seq)
	}
	i, _ := slices.BinarySearch(starts, first+1)
	j, _ := slices.BinarySearch(starts, last+1)
	return starts[max(i-2, 0)], starts[min(j+1, len(starts)-1)] - 1
}

func (w *World) show(seqs []uint64) iter.Seq2[evidence.Shown, error] {
	return func(yield func(evidence.Shown, error) bool) {
		for _, seq := range seqs {
			if !yield(evidence.Shown{Seq: seq, Raw: w.Entries[seq]}, nil) {
				return
			}
		}
	}
}

func keysOf(m map[uint64]bool) iter.Seq[uint64] {
	return func(yield func(uint64) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

// By finds the events of a user.
func By(user string) func(uint64, proof.Entry) bool {
	return func(_ uint64, e proof.Entry) bool { return strings.Contains(string(e.Event), `"user_id":"`+user+`"`) }
}

// Everything finds all events and stubs.
func Everything(_ uint64, e proof.Entry) bool { return e.Seal == nil }

// Pack writes the file.
func Pack(t testing.TB, c evidence.Contents) []byte {
	t.Helper()
	var out bytes.Buffer
	if _, err := evidence.Write(&out, c); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// quick keeps the hashes of all complete subtrees.
func quick(leaves []proof.Hash) proof.HashReader {
	nodes := map[proof.NodeID]proof.Hash{}
	var t proof.Tree
	t.AppendAll(leaves, func(id proof.NodeID, h proof.Hash) { nodes[id] = h })
	return proof.HashReaderFunc(func(ids []proof.NodeID) (out []proof.Hash, err error) {
		for _, id := range ids {
			out = append(out, nodes[id])
		}
		return out, nil
	})
}
