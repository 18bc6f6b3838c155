package server

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/auth"
	"github.com/stetlog/stet/internal/fsx"
	"github.com/stetlog/stet/internal/fsx/fsxtest"
	"github.com/stetlog/stet/internal/index"
	"github.com/stetlog/stet/internal/keyfile"
	"github.com/stetlog/stet/internal/known"
	"github.com/stetlog/stet/internal/published"
	"github.com/stetlog/stet/internal/spool"
	"github.com/stetlog/stet/internal/store"
	"github.com/stetlog/stet/internal/wire"
	"github.com/stetlog/stet/proof"
)

// world is a server on a store in memory, and a token for each role.
type world struct {
	t         testing.TB
	fsys      fsx.FS
	held      *store.Held
	auth      *auth.Authority
	server    *Server
	publisher *sender           // of events that only make a publish happen
	tokens    map[string]string // by name: writer, reader, auditor, admin, other (a writer of another application)
}

func newKey(t testing.TB, name string) keyfile.Key {
	t.Helper()
	k, err := keyfile.Generate(name, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// newWorld makes a world; change alters the server's options.
func newWorld(t testing.TB, change func(*Options)) *world {
	t.Helper()
	fsys := fsxtest.New()
	keys := store.Keys{Log: newKey(t, "stet.local/test"), Store: newKey(t, "stet-store/test")}
	s := store.New(fsys, known.Dir{FS: fsys, Name: "state"}, func(bool) (store.Keys, error) { return keys, nil })
	s.Door = func(name string) (keyfile.Key, error) { return newKey(t, name), nil }
	held, err := s.Hold(context.Background(), store.HoldOptions{Preallocate: -1, PublishBusy: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := held.Close(context.Background()); err != nil && held.Ready() == nil {
			t.Errorf("close: %v", err)
		}
	})
	if _, err := held.Drain(context.Background()); err != nil { // publishes the first entry
		t.Fatal(err)
	}
	a, err := auth.Open(fsys, auth.Options{LogKeys: []string{keys.Log.VKey}})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, fsys: fsys, held: held, auth: a, tokens: map[string]string{}}
	for name, spec := range map[string]auth.Spec{
		"writer": {Role: auth.Writer, App: "shop"}, "reader": {Role: auth.Reader, App: "shop"}, "auditor": {Role: auth.Auditor},
		"admin": {Role: auth.Admin}, "other": {Role: auth.Writer, App: "bank"}, "otherReader": {Role: auth.Reader, App: "bank"},
	} {
		spec.Name = name
		if w.tokens[name], _, err = a.Create(spec); err != nil {
			t.Fatal(err)
		}
	}
	o := Options{Log: held, LogKey: func() string { return keys.Log.VKey }, Authority: a, Feed: published.New(held, held.Source()),
		Index: func() (*index.Index, error) { return index.Open(fsys, keys.Log.VKey) }}
	if change != nil {
		change(&o)
	}
	if w.server, err = New(o); err != nil {
		t.Fatal(err)
	}
	return w
}

// follow has the index follow the log until the test ends, as Serve does.
func (w *world) follow() { w.t.Cleanup(w.followUntil()) }

func (w *world) followUntil() (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		w.server.keeper.run(ctx)
	}()
	return func() {
		cancel()
		<-ended
	}
}

// reply is an answer, read to its end.
type reply struct {
	status int
	header http.Header
	body   string
}

// do sends one request, as whom a token names, or as nobody.
func (w *world) do(token, method, target string, body []byte, headers ...string) reply {
	w.t.Helper()
	r := httptest.NewRequest(method, "http://127.0.0.1"+target, bytes.NewReader(body))
	if body == nil {
		r.Body, r.ContentLength = http.NoBody, 0
	}
	if token != "" {
		text, ok := w.tokens[token]
		if !ok {
			text = token
		}
		r.Header.Set("Authorization", "Bearer "+text)
	}
	for i := 0; i < len(headers); i += 2 {
		if headers[i] == "Test-Host" {
			r.Host = headers[i+1]
			continue
		}
		r.Header.Add(headers[i], headers[i+1])
	}
	rec := httptest.NewRecorder()
	w.server.Handler().ServeHTTP(rec, r)
	return reply{rec.Code, rec.Header(), rec.Body.String()}
}

// wantRefusal demands a problem with a code, and returns it.
func wantRefusal(t testing.TB, r reply, want wire.Code) wire.Problem {
	t.Helper()
	p, ok := wire.ParseProblem([]byte(r.body))
	if !ok || p.Code != want {
		t.Fatalf("status %d, %q; want %s", r.status, r.body, want)
	}
	m, _ := wire.Lookup(want)
	if r.status != m.Status || p.Status != m.Status || r.header.Get("Content-Type") != wire.ProblemType {
		t.Errorf("%s came with status %d, %d in the problem, type %s", want, r.status, p.Status, r.header.Get("Content-Type"))
	}
	if m.Later != (r.header.Get("Retry-After") != "") {
		t.Errorf("%s came with Retry-After %q", want, r.header.Get("Retry-After"))
	}
	return p
}

func (w *world) post(token string, elements ...wire.Element) reply {
	w.t.Helper()
	body, err := wire.Append(nil, elements)
	if err != nil {
		w.t.Fatal(err)
	}
	return w.do(token, http.MethodPost, "/v1/batches", body, "Content-Type", wire.BatchesType)
}

// receipts demands an answer to batches.
func receipts(t testing.TB, r reply) wire.Receipts {
	t.Helper()
	if r.status != http.StatusOK {
		t.Fatalf("status %d: %s", r.status, r.body)
	}
	got, err := wire.ParseReceipts([]byte(r.body))
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// sender is an emitter with one stream.
type sender struct {
	t       testing.TB
	key     keyfile.Key
	app     string
	stream  event.UUID
	next    uint64
	prev    proof.Hash
	hasPrev bool
}

func newSender(t testing.TB, app string) *sender {
	return newStream(t, newKey(t, "stet-emitter/web1"), app)
}

func newStream(t testing.TB, k keyfile.Key, app string) *sender {
	t.Helper()
	var random [10]byte
	_, _ = rand.Read(random[:])
	return &sender{t: t, key: k, app: app, stream: event.NewUUIDv7(time.Now(), random), next: 1}
}

// say seals n events.
func (s *sender) say(n int) wire.Element {
	s.t.Helper()
	var all [][]byte
	for i := range n {
		all = append(all, s.event(s.next+uint64(i), "shop_checkout"))
	}
	return s.seal(all, false)
}

func (s *sender) event(seq uint64, typ string) []byte { return s.eventWith(seq, typ, nil) }

func (s *sender) eventWith(seq uint64, typ string, change func(*event.Event)) []byte {
	s.t.Helper()
	sev := event.Severity(6)
	var random [10]byte
	_, _ = rand.Read(random[:])
	e := &event.Event{
		EventID: event.NewUUIDv7(time.Now(), random), InteractionID: "order-1", AppID: s.app, AppVersion: "1.4.2", Environment: "test", CodeLocation: "shop.go:1",
		EntryPoint: &event.EntryPoint{Kind: "function", Name: "main"}, Host: &event.Host{Name: "web1", IP: "192.0.2.1"},
		Principal: &event.Principal{Type: "service_account", ID: "uid:0@web1"},
		Absent:    map[string]string{"user_id": "not_applicable", "source_ip": "not_applicable"},
		EventType: typ, Severity: &sev, Description: "something happened",
		Timestamp: time.Now(), StreamID: s.stream, StreamSeq: seq, Clock: &event.Clock{Confidence: "unknown"},
	}
	if change != nil {
		change(e)
	}
	b, err := (&event.Codec{}).Append(nil, e)
	if err != nil {
		s.t.Fatal(err)
	}
	return b
}

func (s *sender) seal(events [][]byte, final bool) wire.Element {
	s.t.Helper()
	var leaves []proof.Hash
	for _, e := range events {
		leaves = append(leaves, proof.LeafHash(e))
	}
	signer, err := s.key.NoteSigner()
	if err != nil {
		s.t.Fatal(err)
	}
	msg, err := proof.SignSeal(proof.Seal{App: s.app, Environment: "test", Key: s.key.VKey, Stream: s.stream.String(), First: s.next, Count: len(events),
		Root: proof.RootOf(leaves), Prev: s.prev, HasPrev: s.hasPrev, Final: final, Clock: proof.Clock{State: "unknown", Source: "none"}}, signer)
	if err != nil {
		s.t.Fatal(err)
	}
	b := &spool.Batch{First: s.next, Events: events, Seal: msg}
	s.next, s.prev, s.hasPrev = b.Next(), proof.SealHash(msg), true
	return wire.Element{Batch: b}
}

// checkReceipt does what an emitter does: it rebuilds the entries from its own bytes and follows the proof to the
// checkpoint.
func checkReceipt(e wire.Element, r wire.Result, checkpoint string) error {
	cp, err := proof.ParseCheckpointText([]byte(checkpoint))
	if err != nil {
		return err
	}
	if r.Seq == nil {
		return errors.New("the receipt has no seq")
	}
	var leaves []proof.Hash
	stubs := map[uint64]wire.Stub{}
	for _, s := range r.Stubs {
		stubs[s.Seq] = s
	}
	for i, raw := range e.Batch.Events {
		seq, n := *r.Seq+uint64(i), e.Batch.First+uint64(i)
		entry := proof.AppendEventEntry(nil, seq, r.ReceivedAt, r.Via, raw)
		if s, ok := stubs[n]; ok {
			entry = proof.AppendStubEntry(nil, seq, r.ReceivedAt, r.Via,
				proof.Stub{Stream: r.Stream, First: n, Last: n, Code: proof.StubRefused, Leaf: proof.LeafHash(raw), Reason: s.Reason})
		}
		leaves = append(leaves, proof.LeafHash(entry))
	}
	leaves = append(leaves, proof.LeafHash(proof.AppendSealEntry(nil, *r.Seq+uint64(len(leaves)), r.ReceivedAt, r.Via,
		proof.SealEntry{PrevSeq: r.PrevSeq, Note: e.Batch.Seal})))
	if len(leaves) != r.Count {
		return fmt.Errorf("%d entries, the receipt says %d", len(leaves), r.Count)
	}
	return proof.VerifyRange(*r.Seq, leaves, cp.Size, cp.Root, r.Proof)
}
