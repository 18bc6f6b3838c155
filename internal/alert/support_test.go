package alert

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/fsx/fsxtest"
	"github.com/stetlog/stet/internal/keyfile"
	"github.com/stetlog/stet/internal/known"
	"github.com/stetlog/stet/internal/logread"
	"github.com/stetlog/stet/internal/published"
	"github.com/stetlog/stet/internal/search"
	"github.com/stetlog/stet/internal/store"
	"github.com/stetlog/stet/proof"
)

// world is a held store on a disk in memory, with alerts.
type world struct {
	t    testing.TB
	disk *fsxtest.Mem
	held *store.Held
	*Alerts
	key  string // the store's
	log  lockedBuffer
	stop func() // ends Run
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func testKey(t testing.TB, name string) keyfile.Key {
	t.Helper()
	k, err := keyfile.Generate(name, bytes.NewReader(bytes.Repeat([]byte(name[:1]), ed25519.SeedSize)))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{t: t, disk: fsxtest.New()}
	w.open()
	return w
}

// open holds the store on the disk.
func (w *world) open() {
	w.t.Helper()
	keys := store.Keys{Log: testKey(w.t, "log.example/a"), Store: testKey(w.t, "stet-store/a")}
	s := store.New(w.disk, known.Dir{FS: w.disk, Name: "state"}, func(bool) (store.Keys, error) { return keys, nil })
	s.Door = func(name string) (keyfile.Key, error) { return testKey(w.t, name), nil }
	var err error
	if w.held, err = s.Hold(context.Background(), store.HoldOptions{Preallocate: -1, PublishBusy: time.Millisecond, PublishIdle: 20 * time.Millisecond}); err != nil {
		w.t.Fatal(err)
	}
	w.key = keys.Store.VKey
	w.reopen()
}

// reopen reads the alerts, as a process does that begins.
func (w *world) reopen() {
	w.t.Helper()
	var err error
	w.Alerts, err = Open(Options{Log: w.held, Source: w.held.Source(), FS: w.disk, StoreKey: w.key, Logger: slog.New(slog.NewJSONHandler(&w.log, nil)),
		Jitter: func() float64 { return 1 }})
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) run() {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.Run(ctx, published.New(w.held, w.held.Source()))
	}()
	w.stop = func() {
		cancel()
		<-done
	}
}

func (w *world) close() {
	w.t.Helper()
	if err := w.held.Close(context.Background()); err != nil {
		w.t.Error(err)
	}
}

// add makes an alert, whose secret is the test's.
func (w *world) add(s Spec) {
	w.t.Helper()
	s.Secret, s.AllowPrivate = knownSecret, true
	if s.URL == "" {
		s.URL = "http://hook.example/secret-path?token=hidden"
	}
	if _, _, err := w.Add(s, func(Info) error { return nil }); err != nil {
		w.t.Fatal(err)
	}
}

const knownSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

// say records n events of a type and waits until they are published.
func (w *world) say(typ string, n int) {
	w.t.Helper()
	last := uint64(0)
	for n > 0 {
		some := min(n, 100)
		var all []*event.Event
		for range some {
			all = append(all, &event.Event{EventType: typ, Description: "something happened", InteractionID: "i-1", CodeLocation: "shop.go:1",
				EntryPoint: &event.EntryPoint{Kind: "function", Name: "main"}})
		}
		seqs, err := w.held.Record(context.Background(), all...)
		if err != nil {
			w.t.Fatal(err)
		}
		n -= some
		last = seqs[len(seqs)-1]
	}
	for w.size() <= last {
		time.Sleep(time.Millisecond) // the ledger publishes by itself
	}
}

// events are those of a type in the log.
func (w *world) events(typ string) (all []*event.Event) {
	w.t.Helper()
	cp, err := proof.ParseCheckpointText(w.held.Checkpoint())
	if err != nil {
		w.t.Fatal(err)
	}
	err = logread.Entries(context.Background(), w.held.Source(), 0, cp.Size, func(_ uint64, raw []byte) error {
		e, err := proof.ParseEntry(raw)
		if err != nil {
			return err
		}
		if r, ok, err := search.NewRecord(e, ""); err == nil && ok && r.Event != nil && r.Event.EventType == typ {
			all = append(all, r.Event)
		}
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return all
}

// got is a message as its target sees it.
type got struct {
	at     time.Time
	url    string
	header http.Header
	body   []byte
	payload
}

// look gives the alerts what is published from an entry on.
func (w *world) look(from uint64) {
	w.t.Helper()
	cp, err := proof.ParseCheckpointText(w.held.Checkpoint())
	if err != nil {
		w.t.Fatal(err)
	}
	r, err := published.NewReader(context.Background(), w.held.Source(), from, cp.Size)
	if err == nil {
		err = r.Read(context.Background(), cp, (*follower)(w.Alerts))
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

// target is the other end of all alerts: what it is sent, and what it answers.
type target struct {
	t      testing.TB
	mu     sync.Mutex
	all    []got
	answer func(n int, r *http.Request) (*http.Response, error) // n: of its messages, from 1; nil: 200
}

func (h *target) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	h.mu.Lock()
	g := got{at: time.Now(), url: r.URL.String(), header: r.Header, body: body}
	if err := json.Unmarshal(body, &g.payload); err != nil {
		h.t.Errorf("the body is no JSON: %v", err)
	}
	h.all = append(h.all, g)
	n := len(h.all)
	h.mu.Unlock()
	if h.answer == nil {
		return answer(http.StatusOK, ""), nil
	}
	return h.answer(n, r)
}

func answer(status int, body string, header ...string) *http.Response {
	r := &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body))}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	return r
}

// messages are those that came so far.
func (h *target) messages() []got {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.all)
}

// at has all messages go to a target instead of the network.
func (w *world) at(h *target) *target {
	w.any.Transport, w.public.Transport = h, h
	return h
}
