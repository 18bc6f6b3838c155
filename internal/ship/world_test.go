package ship_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/stetlog/stet/internal/fsx"
	"github.com/stetlog/stet/internal/fsx/fsxtest"
	"github.com/stetlog/stet/internal/known"
	"github.com/stetlog/stet/internal/ship"
	"github.com/stetlog/stet/internal/spool"
	"github.com/stetlog/stet/internal/wire"
	"github.com/stetlog/stet/proof"
)

const logName = "log.example/test"

// key makes the same key for the same name and seed.
func key(name, seed string) (note.Signer, string) {
	sum := sha256.Sum256([]byte(seed))
	s, vkey, err := proof.NewSigner(name, ed25519.NewKeyFromSeed(sum[:]))
	if err != nil {
		panic(err)
	}
	return s, vkey
}

// placed is where a batch stands in a memlog.
type placed struct {
	seq   uint64
	count int
	hash  proof.Hash
	prev  *uint64
}

// memlog is the log of a test's server, in memory: entries, and what a server knows of streams. It signs whatever it holds,
// so it can lie; the ledger itself could not be made to.
type memlog struct {
	entries [][]byte
	next    map[string]uint64
	seals   map[string]*uint64
	batches map[string]placed
	gone    map[string]int
}

func newMemlog() *memlog {
	return &memlog{entries: [][]byte{[]byte("the first entry")}, next: map[string]uint64{}, seals: map[string]*uint64{}, batches: map[string]placed{}, gone: map[string]int{}}
}

// clone is a backup.
func (m *memlog) clone() *memlog {
	c := newMemlog()
	c.entries = append([][]byte(nil), m.entries...)
	for k, v := range m.next {
		c.next[k] = v
	}
	for k, v := range m.seals {
		c.seals[k] = v
	}
	for k, v := range m.batches {
		c.batches[k] = v
	}
	return c
}

func (m *memlog) leaves() []proof.Hash {
	var all []proof.Hash
	for _, e := range m.entries {
		all = append(all, proof.LeafHash(e))
	}
	return all
}

func (m *memlog) size() uint64 { return uint64(len(m.entries)) }

func (m *memlog) checkpoint(signers ...note.Signer) string {
	b, err := proof.SignCheckpoint(proof.Checkpoint{Origin: logName, Size: m.size(), Root: proof.RootOf(m.leaves())}, signers...)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// ReadHashes is a proof.HashReader that computes every node from the leaves.
func (m *memlog) ReadHashes(ids []proof.NodeID) ([]proof.Hash, error) {
	leaves := m.leaves()
	var all []proof.Hash
	for _, id := range ids {
		from, to := id.Index<<id.Level, (id.Index+1)<<id.Level
		if to > uint64(len(leaves)) {
			return nil, errors.New("there is no such node")
		}
		all = append(all, proof.RootOf(leaves[from:to]))
	}
	return all, nil
}

const (
	receivedAt = "2026-03-01T03:00:00.000000000Z"
	via        = `{"kind":"http","addr":"192.0.2.1","token":"<shop>"}`
)

// server is a server whose honesty a test decides about.
type server struct {
	t        *testing.T
	mu       sync.Mutex
	log      *memlog
	signer   note.Signer
	beside   []note.Signer // older keys that sign too
	chain    []byte        // of the log's keys; nil: there is none
	vkey     string
	requests int // of batches
	most     int // elements that it takes in one request; 0: as many as the form allows

	entry  func(n int, e []byte) []byte // changes an entry before it is kept; nil leaves it out
	refuse func(e wire.Element) *wire.Result
	answer func(r *wire.Receipts)
	before http.HandlerFunc // answers instead, where it writes a header
	http   *httptest.Server
}

func newServer(t *testing.T) *server {
	s := &server{t: t, log: newMemlog()}
	s.signer, s.vkey = key(logName, "log")
	s.http = httptest.NewServer(s)
	t.Cleanup(s.http.Close)
	return s
}

// honest takes back every lie.
func (s *server) honest() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.entry, s.refuse, s.answer, s.before = nil, nil, nil, nil
	s.signer, s.vkey = key(logName, "log")
}

func (s *server) signers() []note.Signer { return append([]note.Signer{s.signer}, s.beside...) }

type answered struct {
	http.ResponseWriter
	done bool
}

func (a *answered) WriteHeader(n int) { a.done = true; a.ResponseWriter.WriteHeader(n) }

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.before != nil {
		a := &answered{ResponseWriter: w}
		if s.before(a, r); a.done {
			return
		}
	}
	switch path := strings.TrimPrefix(r.URL.Path, "/"); path {
	case "v1/log":
		b, _ := wire.Log{Origin: logName, LogKey: s.vkey}.Append(nil)
		_, _ = w.Write(b)
	case "checkpoint":
		_, _ = io.WriteString(w, s.log.checkpoint(s.signers()...))
	case "v1/batches":
		s.batches(w, r)
	case "logkeys":
		if s.chain == nil {
			http.NotFound(w, r)
			return
		}
		_, _ = w.Write(s.chain)
	default:
		t, err := proof.ParseTilePath(path)
		if err != nil {
			http.NotFound(w, r)
			return
		}
		leaves, span := s.log.leaves(), uint64(1)<<(8*t.Level)
		for i := range uint64(t.Width) {
			at := (t.Index*256 + i) * span
			if at+span > uint64(len(leaves)) {
				http.NotFound(w, r)
				return
			}
			h := proof.RootOf(leaves[at : at+span])
			_, _ = w.Write(h[:])
		}
	}
}

func (s *server) batches(w http.ResponseWriter, r *http.Request) {
	s.requests++
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the client went away
	}
	elements, err := wire.Parse(body)
	if err != nil {
		s.t.Error(err)
	}
	if s.most > 0 && len(elements) > s.most {
		s.problem(w, wire.NewProblem(wire.TooLarge, ""))
		return
	}
	var answer wire.Receipts
	var some bool
	for _, e := range elements {
		var res wire.Result
		if s.refuse != nil {
			if no := s.refuse(e); no != nil {
				answer.Results = append(answer.Results, *no)
				continue
			}
		}
		switch {
		case e.Batch != nil:
			res = s.batch(*e.Batch)
		case e.Loss != nil:
			res = s.loss(*e.Loss)
		default:
			s.log.gone[e.Gone.Stream]++
			answer.Results = append(answer.Results, wire.Result{Status: wire.Placed, Stream: e.Gone.Stream, Count: 1})
			continue
		}
		some = some || res.Status != wire.Refused
		answer.Results = append(answer.Results, res)
	}
	if some {
		answer.Checkpoint = s.log.checkpoint(s.signers()...)
	}
	for i := range answer.Results {
		if res := &answer.Results[i]; res.Seq != nil && *res.Seq+uint64(res.Count) <= s.log.size() {
			if res.Proof, err = proof.ProveRange(*res.Seq, uint64(res.Count), s.log.size(), s.log); err != nil {
				s.t.Error(err)
			}
		}
	}
	if s.answer != nil {
		s.answer(&answer)
	}
	b, err := answer.Append(nil)
	if err != nil {
		s.t.Error(err)
	}
	_, _ = w.Write(b)
}

func (s *server) problem(w http.ResponseWriter, p wire.Problem) {
	w.Header().Set("Content-Type", wire.ProblemType)
	w.WriteHeader(p.Status)
	_, _ = w.Write(p.Append(nil))
}

func (s *server) add(e []byte) {
	if s.entry != nil {
		if e = s.entry(len(s.log.entries), e); e == nil {
			return
		}
	}
	s.log.entries = append(s.log.entries, e)
}

func (s *server) batch(b spool.Batch) wire.Result {
	seal, err := proof.OpenSeal(b.Seal)
	if err != nil {
		s.t.Error(err)
	}
	at := fmt.Sprintf("%s/%d", seal.Stream, b.First)
	res := wire.Result{Status: wire.Placed, Stream: seal.Stream, First: b.First, ReceivedAt: receivedAt, Via: json.RawMessage(via)}
	p, again := s.log.batches[at]
	if again && p.hash == proof.SealHash(b.Seal) {
		res.Status = wire.Again
	} else {
		expected := max(s.log.next[seal.Stream], 1)
		if again || b.First != expected {
			code := wire.StreamHole
			if again || b.First < expected {
				code = wire.StreamConflict
			}
			return wire.Result{Status: wire.Refused, Stream: seal.Stream, First: b.First, Code: code, Expected: expected}
		}
		p = placed{seq: s.log.size(), count: len(b.Events) + 1, hash: proof.SealHash(b.Seal), prev: s.log.seals[seal.Stream]}
		for i, e := range b.Events {
			s.add(proof.AppendEventEntry(nil, p.seq+uint64(i), receivedAt, []byte(via), bytes.Clone(e)))
		}
		last := p.seq + uint64(len(b.Events))
		s.add(proof.AppendSealEntry(nil, last, receivedAt, []byte(via), proof.SealEntry{PrevSeq: p.prev, Note: b.Seal}))
		s.log.seals[seal.Stream], s.log.batches[at], s.log.next[seal.Stream] = &last, p, b.Next()
	}
	res.Seq, res.Count, res.PrevSeq = &p.seq, p.count, p.prev
	return res
}

func (s *server) loss(l wire.Loss) wire.Result {
	if expected := max(s.log.next[l.Stream], 1); l.First != expected {
		return wire.Result{Status: wire.Refused, Stream: l.Stream, First: l.First, Code: wire.StreamHole, Expected: expected}
	}
	seq := s.log.size()
	e := proof.Entry{Seq: seq, ReceivedAt: receivedAt, Via: []byte(via), Stub: &proof.Stub{Stream: l.Stream, First: l.First, Last: l.Last, Code: proof.StubLost, Reason: l.Reason}}
	s.add(e.Append(nil))
	s.log.next[l.Stream] = l.Last + 1
	return wire.Result{Status: wire.Placed, Stream: l.Stream, First: l.First, Count: 1, Seq: &seq, ReceivedAt: receivedAt, Via: json.RawMessage(via)}
}

// holds says how often the log has an entry with this text.
func (s *server) holds(text string) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.log.entries {
		if bytes.Contains(e, []byte(text)) {
			n++
		}
	}
	return n
}

// emitter is one process's stream in a spool.
type emitter struct {
	t      *testing.T
	w      *spool.Writer
	id     string
	signer note.Signer
	seal   proof.Seal
	last   []byte
	pad    string
}

func newEmitter(t *testing.T, place fsx.FS, n int) *emitter {
	t.Helper()
	e := &emitter{t: t, id: fmt.Sprintf("01900000-0000-7000-8000-%012x", n)}
	var vkey string
	e.signer, vkey = key("stet-emitter/web1/0", "emitter")
	e.seal = proof.Seal{App: "shop", Environment: "test", Key: vkey, Stream: e.id, First: 1, Clock: proof.Clock{State: proof.ClockUnknown}}
	var err error
	e.w, err = spool.Create(place, spool.Dir, spool.Meta{V: 1, StreamID: e.id, Key: vkey, AppID: "shop", Environment: "test", Host: "web1", PID: 7,
		StartedAt: receivedAt}, func() (salt [8]byte, err error) { binary.BigEndian.PutUint64(salt[:], uint64(n)); return salt, nil })
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func (e *emitter) event(n uint64) []byte {
	return fmt.Appendf(nil, `{"stream_id":%q,"pad":%q,"stream_seq":%d}`, e.id, e.pad, n)
}

// batch seals the next n events.
func (e *emitter) batch(n int, final bool) spool.Batch {
	b := spool.Batch{First: e.seal.Next()}
	var leaves []proof.Hash
	for i := range n {
		b.Events = append(b.Events, e.event(b.First+uint64(i)))
		leaves = append(leaves, proof.LeafHash(b.Events[i]))
	}
	e.seal.First, e.seal.Count, e.seal.Final, e.seal.Root = b.First, n, final, proof.RootOf(leaves)
	if e.last != nil {
		e.seal.Prev, e.seal.HasPrev = proof.SealHash(e.last), true
	}
	var err error
	if b.Seal, err = proof.SignSeal(e.seal, e.signer); err != nil {
		e.t.Fatal(err)
	}
	e.last = b.Seal
	return b
}

// say makes the next n events durable in the spool.
func (e *emitter) say(n int) *emitter {
	e.t.Helper()
	if err := errors.Join(e.w.Add(e.batch(n, false)), e.w.Commit()); err != nil {
		e.t.Fatal(err)
	}
	return e
}

// end closes the stream as final; die leaves it as a process does that was killed.
func (e *emitter) end() *emitter {
	e.t.Helper()
	if err := errors.Join(e.w.Add(e.batch(0, true)), e.w.Commit()); err != nil {
		e.t.Fatal(err)
	}
	return e.die()
}

func (e *emitter) die() *emitter {
	e.t.Helper()
	if err := e.w.Close(); err != nil {
		e.t.Fatal(err)
	}
	return e
}

// shipper ships from a disk that holds state and place.
func shipper(t *testing.T, fsys *fsxtest.Mem, s *server) *ship.Shipper {
	t.Helper()
	a := address(t, s.http.URL)
	c := ship.NewClient(a)
	t.Cleanup(c.Close)
	return &ship.Shipper{Client: c, Address: a, State: fsys, Place: fsys, Known: known.Dir{FS: fsys, Name: "known"},
		Now: noon}
}

func noon() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC) }

// flush flushes and wants no error, no spool left on purpose, and nothing damaged.
func flush(t *testing.T, s *ship.Shipper) ship.Report {
	t.Helper()
	r, err := s.Flush(t.Context())
	if err != nil || len(r.Left) > 0 || len(r.Damaged) > 0 {
		t.Fatalf("%v: %+v", err, r)
	}
	return r
}

// contents is every file of a directory and its bytes.
func contents(t *testing.T, fsys fsx.FS, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	entries, err := fsys.ReadDir(dir)
	if err != nil {
		return all
	}
	for _, e := range entries {
		name := dir + "/" + e.Name()
		if e.IsDir() {
			for k, v := range contents(t, fsys, name) {
				all[k] = v
			}
			continue
		}
		b, err := fsx.ReadFile(fsys, name, 1<<30)
		if err != nil {
			t.Fatal(err)
		}
		all[name] = string(b)
	}
	return all
}
