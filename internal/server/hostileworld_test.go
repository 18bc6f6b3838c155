package server

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/auth"
	"github.com/stetlog/stet/internal/fsx"
	"github.com/stetlog/stet/internal/index"
	"github.com/stetlog/stet/internal/intake"
	"github.com/stetlog/stet/internal/published"
	"github.com/stetlog/stet/internal/spool"
	"github.com/stetlog/stet/internal/store"
	"github.com/stetlog/stet/internal/verify"
	"github.com/stetlog/stet/internal/wire"
	"github.com/stetlog/stet/proof"
)

// hostileWorld is a real server, with a real store on a real disk, two applications and somebody of every role.
type hostileWorld struct {
	t        testing.TB
	server   *Server
	held     *store.Held
	contract *contract
	log      *logbook
	dir      string
	addr     string
	end      func() // ends the server, once
	tokens   map[string]string
	secrets  map[string]string // by a name that may be shown

	ours   *hand // of the writer, with a stream that is in the log
	theirs *hand // of another application's writer
	seqOf  map[string]uint64
}

func newHostileWorld(t testing.TB) *hostileWorld { return newHostileWorldWith(t, Limits{}) }

func newHostileWorldWith(t testing.TB, l Limits) *hostileWorld {
	t.Helper()
	w := &hostileWorld{t: t, contract: readContract(t), log: new(logbook), dir: filepath.Join(t.TempDir(), "store"), tokens: map[string]string{},
		secrets: map[string]string{}, seqOf: map[string]uint64{}}
	s, err := store.OpenOrMake(w.dir, filepath.Join(t.TempDir(), "state"))
	if err != nil {
		t.Fatal(err)
	}
	if w.held, err = s.Hold(context.Background(), store.HoldOptions{PublishBusy: time.Millisecond, SegmentBytes: 4 << 20}); err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	clock := func() time.Time { return now }
	tokens, err := auth.Open(s.FS, auth.Options{LogKeys: []string{w.held.Marker().LogKey}, Now: func() time.Time { return clock() }})
	if err != nil {
		t.Fatal(err)
	}
	for name, spec := range map[string]auth.Spec{
		"writer":  {Role: auth.Writer, App: "billing"},
		"second":  {Role: auth.Writer, App: "billing"}, // another machine of the same application
		"other":   {Role: auth.Writer, App: "payroll"},
		"staging": {Role: auth.Writer, App: "billing", Environment: "staging"},
		"reader":  {Role: auth.Reader, App: "billing"},
		"auditor": {Role: auth.Auditor}, "admin": {Role: auth.Admin},
		"expired": {Role: auth.Auditor, Expires: time.Nanosecond}, "revoked": {Role: auth.Auditor},
	} {
		spec.Name = name
		if w.tokens[name], _, err = tokens.Create(spec); err != nil {
			t.Fatal(err)
		}
		w.secrets["token of "+name] = w.tokens[name][:40] // its secret half, in any company
	}
	if _, err := tokens.Revoke("revoked"); err != nil {
		t.Fatal(err)
	}
	now = now.Add(time.Second)
	if w.server, err = New(Options{Log: w.held, Authority: tokens, Limits: l, Logger: w.log.logger(), OwnUID: ^uint32(0), FS: s.FS,
		Feed:  published.New(w.held, w.held.Source()),
		Index: func() (*index.Index, error) { return index.Open(s.FS, w.held.Marker().LogKey) }}); err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w.addr = listener.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- w.server.Serve(ctx, 10*time.Second, listener) }()
	w.end = func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if err := w.held.Close(context.Background()); err != nil {
			t.Error(err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(w.stop)
	w.furnish()
	return w
}

func (w *hostileWorld) stop() {
	if w.end != nil {
		w.end()
		w.end = nil
	}
}

// furnish puts into the log what the attacks are after.
func (w *hostileWorld) furnish() {
	w.t.Helper()
	w.ours, w.theirs = newHand(1, "billing"), newHand(2, "payroll")
	for token, h := range map[string]*hand{"writer": w.ours, "second": newHand(3, "billing"), "other": w.theirs} {
		sealed := func() []byte {
			b := h.next(3)
			return w.batches(w.tokens[token], wire.Element{Batch: &b})
		}
		w.must(sealed(), "200 placed") // brings the key
		got := w.must(w.post("/v1/events", w.tokens[token], typeJSON, []byte(`{"event_type":"user_created"}`)), "200 accepted")
		w.seqOf[h.app] = got[0].Seq
		w.must(sealed(), "200 placed") // and with its receipt all before it is under a checkpoint
	}
	// The token of staging has no key yet.
	for k := w.server.keeper; ; { // what asks the index finds it there
		next := k.next()
		if k.indexed() > 0 {
			break
		}
		<-next
	}
}

// must sends what is in order.
func (w *hostileWorld) must(raw []byte, want string) []intake.Verdict {
	w.t.Helper()
	got, err := w.send(raw)
	if err != nil || got.brief != want {
		w.t.Fatalf("answered %q, want %q: %v\n%s", got.brief, want, err, clipped(got.all))
	}
	_, body, _ := bytes.Cut(got.all, []byte("\r\n\r\n"))
	var answer struct{ Results []intake.Verdict }
	if err := json.Unmarshal(body, &answer); err != nil {
		w.t.Fatal(err)
	}
	return answer.Results
}

// verify holds the store, with all that was let in, against the verifier.
func (w *hostileWorld) verify() {
	w.t.Helper()
	dir, err := fsx.OpenDir(w.dir)
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = dir.Close() }()
	r, err := verify.Store(context.Background(), dir, verify.Options{})
	if err != nil || r.State() == verify.Failed {
		w.t.Errorf("the store does not verify: %v %+v", err, r.Findings)
	}
}

// inflated is what a file of the log says, where it is packed.
func inflated(b []byte) []byte {
	z, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		return b
	}
	if plain, err := io.ReadAll(z); err == nil {
		return plain
	}
	return b
}

// A hand seals batches, as an emitter does, and as none does.
type hand struct {
	app, environment string
	signer           note.Signer
	vkey             string
	stream           event.UUID
	seal             proof.Seal // of the last batch that next made
	prev             proof.Hash
	began            bool
}

func newHand(n byte, app string) *hand {
	seed := sha256.Sum256([]byte{n})
	signer, vkey, err := proof.NewSigner(fmt.Sprintf("test/hand-%d", n), ed25519.NewKeyFromSeed(seed[:]))
	if err != nil {
		panic(err)
	}
	return &hand{app: app, signer: signer, vkey: vkey, stream: streamOf(uint64(n))}
}

func streamOf(n uint64) event.UUID {
	sum := sha256.Sum256(fmt.Appendf(nil, "stream %d", n))
	return event.NewUUIDv7(time.UnixMilli(1_770_000_000_000), [10]byte(sum[:10]))
}

// at is a copy of h that has another stream, from its beginning.
func (h *hand) at(stream event.UUID) *hand {
	c := *h
	c.stream, c.seal, c.prev, c.began = stream, proof.Seal{}, proof.Hash{}, false
	return &c
}

// next seals n events behind the last.
func (h *hand) next(n int) spool.Batch { return h.sealed(n, nil, nil) }

// sealed is next, with each event changed before it is written and the seal before it is signed.
func (h *hand) sealed(n int, change func(i int, e *event.Event), seal func(*proof.Seal)) spool.Batch {
	first := uint64(1)
	if h.began {
		first = h.seal.Next()
	}
	b := spool.Batch{First: first}
	var leaves []proof.Hash
	for i := range n {
		id := sha256.Sum256(fmt.Append(nil, h.stream, first, i))
		e := &event.Event{EventID: event.NewUUIDv7(h.stream.Time(), [10]byte(id[:10])), Timestamp: h.stream.Time(), InteractionID: "i", AppID: h.app, Environment: h.environment,
			EventType: "user_created", StreamID: h.stream, StreamSeq: first + uint64(i), Clock: &event.Clock{Confidence: "unknown"}}
		if change != nil {
			change(i, e)
		}
		raw, err := (&event.Codec{}).Append(nil, e)
		if err != nil {
			panic(err)
		}
		b.Events = append(b.Events, raw)
		leaves = append(leaves, proof.LeafHash(raw))
	}
	h.seal = proof.Seal{App: h.app, Environment: h.environment, Key: h.vkey, Stream: h.stream.String(), First: first, Count: n, Root: proof.RootOf(leaves),
		Prev: h.prev, HasPrev: h.began, Clock: proof.Clock{State: proof.ClockUnknown}}
	if seal != nil {
		seal(&h.seal)
	}
	var err error
	if b.Seal, err = proof.SignSeal(h.seal, h.signer); err != nil {
		panic(err)
	}
	b.First = h.seal.First
	h.prev, h.began = proof.SealHash(b.Seal), true
	return b
}

// A secretMaker makes what must not be repeated, in the forms that the redactor knows.
func (w *hostileWorld) makeSecrets(r *rand.Rand) []string {
	letters := func(n int) string {
		const all = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
		b := make([]byte, n)
		for i := range b {
			b[i] = all[r.IntN(len(all))]
		}
		return string(b)
	}
	var all []string
	for name, parts := range map[string][3]string{
		"a GitHub token":    {"ghp_", letters(36), ""},
		"a password":        {"postgres://app:", letters(24), "@db.example/x"},
		"a bearer":          {"Bearer ", letters(40), ""},
		"a signed token":    {"eyJhbGciOiJIUzI1NiJ9.", base64.RawURLEncoding.EncodeToString([]byte(`{"sub":"`+letters(12)+`"}`)) + "." + letters(43), ""},
		"a connection text": {"Server=db;User Id=sa;Password=", letters(20), ";"},
		"a key":             {"-----BEGIN PRIVATE KEY-----\\n", letters(64), "\\n-----END PRIVATE KEY-----"},
		"an access key":     {"AKIA" + strings.ToUpper(letters(16)) + " aws_secret_access_key=", letters(40), ""},
	} {
		w.secrets[name] = parts[1]
		all = append(all, parts[0]+parts[1]+parts[2])
	}
	return all
}
