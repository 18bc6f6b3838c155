package evidence_test

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

// A world is a log in memory, written from package proof alone, and what evidence of it is made of.
type world struct {
	t       testing.TB
	rng     *rand.Rand
	now     time.Time
	ids     int
	log     signer
	store   signer
	chain   proof.KeyChain
	first   string // the log's first key
	streams []*stream
	keys    []evidence.Key // enrolled
	entries [][]byte
	leaves  []proof.Hash
	batches map[uint64][]proof.Hash // leaves of events by the seq of their seal
	acts    []uint64                // entries about keys
	sealOf  map[uint64]uint64       // of each event and refused stub
	sealKey map[uint64]string
}

type signer struct {
	note.Signer
	vkey string
}

type stream struct {
	key      signer
	app, env string
	id       event.UUID
	next     uint64
	prev     proof.Hash
	prevSeq  *uint64
}

func newSigner(t testing.TB, name string, n byte) signer {
	t.Helper()
	s, vkey, err := proof.NewSigner(name, ed25519.NewKeyFromSeed(bytes.Repeat([]byte{n}, ed25519.SeedSize)))
	if err != nil {
		t.Fatal(err)
	}
	return signer{s, vkey}
}

const origin = "log.example/stet"

func newWorld(t testing.TB, seed uint64) *world {
	w := &world{t: t, rng: rand.New(rand.NewPCG(seed, 6)), now: time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC), log: newSigner(t, origin, 1),
		store: newSigner(t, "stet-store/test", 2), batches: map[uint64][]proof.Hash{}, sealOf: map[uint64]uint64{}, sealKey: map[uint64]string{}}
	w.first = w.log.vkey
	w.enrol(w.store)
	return w
}

func (w *world) uuid() event.UUID {
	w.ids++
	var r [10]byte
	binary.BigEndian.PutUint64(r[2:], uint64(w.ids))
	return event.NewUUIDv7(w.now, r)
}

func (w *world) open(key signer, app string) *stream {
	s := &stream{key: key, app: app, env: "production", id: w.uuid(), next: 1}
	w.streams = append(w.streams, s)
	return s
}

func (w *world) emitter(n byte, app string) *stream {
	key := newSigner(w.t, fmt.Sprintf("stet-emitter/host/%d", n), n)
	if !slices.ContainsFunc(w.keys, func(k evidence.Key) bool { return k.Key == key.vkey }) {
		w.enrol(key)
	}
	return w.open(key, app)
}

func (w *world) act(e event.Event) uint64 {
	s := &stream{key: w.store, app: "stet", id: w.uuid(), next: 1}
	at := uint64(len(w.entries))
	w.batch(s, []event.Event{e}, nil)
	w.acts = append(w.acts, at)
	return at
}

func (w *world) enrol(key signer) {
	at := w.act(event.Event{EventType: "emitter_enrolled", Action: "enrol", Object: &event.Object{Type: "emitter_key", ID: proof.KeyID(key.vkey)}})
	w.keys = append(w.keys, evidence.Key{Key: key.vkey, Enrolled: at})
}

func (w *world) revoke(key signer) {
	at := w.act(event.Event{EventType: "key_revoked", Action: "revoke", Object: &event.Object{Type: "emitter_key", ID: proof.KeyID(key.vkey)}})
	for i := range w.keys {
		if w.keys[i].Key == key.vkey {
			w.keys[i].Revoked = &at
		}
	}
}

// rotate gives the log another key.
func (w *world) rotate(n byte) {
	next := newSigner(w.t, origin, n)
	msg, err := proof.SignHandover(proof.Handover{Old: w.log.vkey, New: next.vkey, Size: uint64(len(w.entries)), Time: proof.FormatTime(w.now)}, w.log, next)
	if err == nil {
		w.chain, err = w.chain.Add(msg)
	}
	if err != nil {
		w.t.Fatal(err)
	}
	w.act(event.Event{EventType: "key_rotated", Action: "rotate", Object: &event.Object{Type: "log_key", ID: proof.KeyID(next.vkey)},
		Labels: map[string]string{"handover": base64.StdEncoding.EncodeToString(msg)}})
	w.log = next
}

func (w *world) login(user string) event.Event {
	return event.Event{EventType: "authn_login_success", Action: "login", UserID: user, Object: &event.Object{Type: "session", ID: fmt.Sprint("s", w.rng.Uint32())}}
}

// batch appends a sealed batch; of those at refused only stubs are there.
func (w *world) batch(s *stream, events []event.Event, refused []int) {
	w.t.Helper()
	w.now = w.now.Add(time.Duration(1+w.rng.IntN(1000)) * time.Millisecond)
	at, via := proof.FormatTime(w.now), proof.Via{Kind: proof.ViaSpool}.Append(nil)
	var leaves []proof.Hash
	codec := event.Codec{}
	seal := uint64(len(w.entries) + len(events))
	for i, e := range events {
		e.EventID, e.Timestamp, e.InteractionID = w.uuid(), w.now, "i-1"
		e.AppID, e.Environment, e.StreamID, e.StreamSeq = s.app, s.env, s.id, s.next+uint64(i)
		raw, err := codec.Append(nil, &e)
		if err != nil {
			w.t.Fatalf("encode %s: %v", e.EventType, err)
		}
		leaves = append(leaves, proof.LeafHash(raw))
		w.sealOf[uint64(len(w.entries))] = seal
		entry := proof.Entry{ReceivedAt: at, Via: via, Event: raw}
		if slices.Contains(refused, i) {
			entry = proof.Entry{ReceivedAt: at, Via: via, Stub: &proof.Stub{Stream: s.id.String(), First: e.StreamSeq, Last: e.StreamSeq, Code: proof.StubRefused, Leaf: leaves[i], Reason: "too long"}}
		}
		w.add(entry)
	}
	msg, err := proof.SignSeal(proof.Seal{App: s.app, Environment: s.env, Key: s.key.vkey, Stream: s.id.String(), First: s.next, Count: len(events),
		Root: proof.RootOf(leaves), Prev: s.prev, HasPrev: s.prevSeq != nil, Final: len(events) == 0, Clock: proof.Clock{State: proof.ClockUnknown}}, s.key)
	if err != nil {
		w.t.Fatal(err)
	}
	w.add(proof.Entry{ReceivedAt: at, Via: via, Seal: &proof.SealEntry{PrevSeq: s.prevSeq, Note: msg}})
	w.batches[seal], w.sealKey[seal] = leaves, s.key.vkey
	s.prevSeq, s.prev, s.next = &seal, proof.SealHash(msg), s.next+uint64(len(events))
}

func (w *world) lose(s *stream, n uint64) {
	w.add(proof.Entry{ReceivedAt: proof.FormatTime(w.now), Via: proof.Via{Kind: proof.ViaStore}.Append(nil),
		Stub: &proof.Stub{Stream: s.id.String(), First: s.next, Last: s.next + n - 1, Code: proof.StubLost, Reason: "spool damaged"}})
	s.next += n
}

func (w *world) add(e proof.Entry) {
	e.Seq = uint64(len(w.entries))
	raw := e.Append(nil)
	w.entries, w.leaves = append(w.entries, raw), append(w.leaves, proof.LeafHash(raw))
}

// fill appends n batches, of several streams, keys and applications, with refused and lost events.
func (w *world) fill(n int) {
	var open []*stream
	for range n {
		if len(open) < 3 || w.rng.IntN(6) == 0 {
			open = append(open, w.emitter(byte(10+w.rng.IntN(4)), fmt.Sprint("app", w.rng.IntN(3))))
		}
		s := open[w.rng.IntN(len(open))]
		if w.rng.IntN(10) == 0 {
			w.lose(s, 1+w.rng.Uint64N(5))
			continue
		}
		events := make([]event.Event, 1+w.rng.IntN(9))
		var refused []int
		for i := range events {
			events[i] = w.login(fmt.Sprint("user", w.rng.IntN(5)))
			if w.rng.IntN(12) == 0 {
				refused = append(refused, i)
			}
		}
		w.batch(s, events, refused)
	}
}

// end is the number of the entry that ends the batch of seq: its seal, or a loss by itself.
func (w *world) end(seq uint64) uint64 {
	if at, ok := w.sealOf[seq]; ok {
		return at
	}
	return seq
}

// contents make evidence of what find finds. whole, with two numbers, is the range that is accounted for, made wider to
// whole batches and one more on each side.
func (w *world) contents(find func(seq uint64, entry proof.Entry) bool, whole ...uint64) evidence.Contents {
	w.t.Helper()
	size := uint64(len(w.entries))
	shown, context := map[uint64]bool{}, map[uint64]bool{}
	c := evidence.Contents{
		Asked:    evidence.Asked{Query: "actor:user1", By: "auditor@example", At: "2026-06-01T00:00:00.000000000Z", Tool: "stet test"},
		Searched: evidence.Searched{Last: size - 1},
		LogKey:   w.log.vkey, Chain: w.chain, Tree: quick(w.leaves),
		Batch: func(seal uint64) ([]proof.Hash, error) { return w.batches[seal], nil },
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
	for i, raw := range w.entries {
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
			e, _ := proof.ParseEntry(w.entries[at])
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
	msg, err := proof.SignCheckpoint(proof.Checkpoint{Origin: origin, Size: size, Root: proof.RootOf(w.leaves)}, w.log)
	if err != nil {
		w.t.Fatal(err)
	}
	c.Checkpoint = msg
	return c
}

func (w *world) widen(first, last uint64) (uint64, uint64) {
	size := uint64(len(w.entries))
	starts := []uint64{0} // of batches and losses
	for seq := uint64(0); seq < size; {
		seq = w.end(seq) + 1
		starts = append(starts, seq)
	}
	i, _ := slices.BinarySearch(starts, first+1)
	j, _ := slices.BinarySearch(starts, last+1)
	return starts[max(i-2, 0)], starts[min(j+1, len(starts)-1)] - 1
}

func (w *world) show(seqs []uint64) iter.Seq2[evidence.Shown, error] {
	return func(yield func(evidence.Shown, error) bool) {
		for _, seq := range seqs {
			if !yield(evidence.Shown{Seq: seq, Raw: w.entries[seq]}, nil) {
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

// by finds the events of a user.
func by(user string) func(uint64, proof.Entry) bool {
	return func(_ uint64, e proof.Entry) bool { return strings.Contains(string(e.Event), `"user_id":"`+user+`"`) }
}

// everything finds all events and stubs.
func everything(_ uint64, e proof.Entry) bool { return e.Seal == nil }

func pack(t testing.TB, c evidence.Contents) []byte {
	t.Helper()
	var out bytes.Buffer
	if _, err := evidence.Write(&out, c); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func verify(t testing.TB, file []byte, key string) evidence.Report {
	t.Helper()
	rep, err := evidence.Verify(t.Context(), bytes.NewReader(file), int64(len(file)), evidence.Options{LogKey: key, Workers: 2})
	if err != nil {
		t.Fatal(err)
	}
	return rep
}
