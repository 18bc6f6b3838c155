package admin

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/auth"
	"github.com/stetlog/stet/internal/expect"
	"github.com/stetlog/stet/internal/fsx/fsxtest"
	"github.com/stetlog/stet/internal/store"
	"github.com/stetlog/stet/internal/watch"
	"github.com/stetlog/stet/proof"
)

// fakeLog holds what it is told, where the schema takes it.
type fakeLog struct {
	mu     sync.Mutex
	events []*event.Event
	bytes  []byte
	fails  error

	checkpoint []byte
}

func (l *fakeLog) Checkpoint() []byte { return l.checkpoint }

func (l *fakeLog) Record(_ context.Context, events ...*event.Event) ([]uint64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fails != nil {
		return nil, l.fails
	}
	var seqs []uint64
	for _, e := range events {
		own := *e
		n := len(l.events)
		if own.EventID.IsZero() {
			own.EventID = event.NewUUIDv7(noon, [10]byte{byte(n)})
		}
		own.AppID, own.AppVersion, own.Timestamp, own.StreamID, own.StreamSeq = "stet", "v1", noon, event.NewUUIDv7(noon, [10]byte{}), uint64(n+1)
		own.Host, own.Clock = &event.Host{Name: "h"}, &event.Clock{Confidence: "unknown"}
		own.Absent = map[string]string{"environment": event.AbsentNotConfigured, "host.ip": event.AbsentUnavailable}
		for k, v := range e.Absent {
			own.Absent[k] = v
		}
		if own.Principal == nil {
			own.Principal = &event.Principal{Type: "service_account", ID: "uid:1@h"}
		}
		if own.UserID == "" && own.Absent["user_id"] == "" {
			own.Absent["user_id"] = event.AbsentNotApplicable
		}
		if own.SourceIP == "" && own.Absent["source_ip"] == "" {
			own.Absent["source_ip"] = event.AbsentNotApplicable
		}
		b, err := (&event.Codec{}).Append(nil, &own)
		if err != nil {
			return nil, err
		}
		l.events, l.bytes = append(l.events, &own), append(l.bytes, b...)
		seqs = append(seqs, uint64(n))
	}
	return seqs, nil
}

func (l *fakeLog) say(ctx context.Context, typ, id, by string) error {
	_, err := l.Record(ctx, &event.Event{EventType: typ, Action: typ, Object: &event.Object{Type: "emitter_key", ID: id}, InteractionID: id,
		CodeLocation: "fake", EntryPoint: &event.EntryPoint{Kind: "function", Name: "fake"}, StatusReason: by})
	return err
}

func (l *fakeLog) Enrol(ctx context.Context, vkey, by string) error {
	return l.say(ctx, "emitter_enrolled", proof.KeyID(vkey), by)
}

func (l *fakeLog) Revoke(ctx context.Context, id, by string) error {
	return l.say(ctx, "key_revoked", id, by)
}

func (l *fakeLog) Revoked(_ context.Context, id string) (bool, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.ContainsFunc(l.events, func(e *event.Event) bool { return e.EventType == "key_revoked" && e.Object.ID == id }), nil
}

func (l *fakeLog) Rotated(ctx context.Context, old, key, by string) error {
	return l.say(ctx, "key_rotated", proof.KeyID(old), by+" "+proof.KeyID(key))
}

func (l *fakeLog) Expected(context.Context) (*expect.Defined, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var all expect.Defined
	for seq, e := range l.events {
		all.Apply(watch.Entry{Seq: uint64(seq), ReceivedAt: noon, StoreKey: true, Event: e})
	}
	return &all, l.fails
}

func (l *fakeLog) LogKeys() store.LogKeys { return store.LogKeys{First: vkey("log.example/a")} }

func (l *fakeLog) RotateLogKey(context.Context, string) (store.LogKeys, error) {
	return store.LogKeys{}, store.ErrKeys
}

func (l *fakeLog) RetireLogKeys(context.Context, string) ([]string, error) { return nil, store.ErrKeys }

// told is the types of the events so far, which it forgets.
func (l *fakeLog) told() []string {
	var all []string
	for _, e := range l.took() {
		all = append(all, e.EventType)
	}
	return all
}

func (l *fakeLog) took() []*event.Event {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := l.events
	l.events = nil
	return all
}

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

var errDisk = errors.New("the disk is gone")

func vkey(name string) string {
	seed := sha256.Sum256([]byte(name))
	_, v, err := proof.NewSigner(name, ed25519.NewKeyFromSeed(seed[:]))
	if err != nil {
		panic(err)
	}
	return v
}

// world is an Office on a disk in memory.
type world struct {
	*Office
	t    testing.TB
	log  *fakeLog
	disk *fsxtest.Mem
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{t: t, log: &fakeLog{}, disk: fsxtest.New()}
	w.reopen()
	return w
}

func (w *world) reopen() {
	w.t.Helper()
	tokens, err := auth.Open(w.disk, auth.Options{LogKeys: []string{vkey("log.example/a")}, Now: func() time.Time { return noon }})
	if err != nil {
		w.t.Fatal(err)
	}
	w.Office = &Office{Log: w.log, Tokens: tokens, FS: w.disk}
}

// root is somebody who may do everything.
func root() By {
	id, _ := auth.Peer(0, 1000)
	return By{Identity: id}
}

func (w *world) create(s auth.Spec) (string, By) {
	w.t.Helper()
	text, _, err := w.CreateToken(w.t.Context(), root(), s)
	if err != nil {
		w.t.Fatal(err)
	}
	id, err := w.Tokens.Authenticate(text)
	if err != nil {
		w.t.Fatal(err)
	}
	return text, By{Identity: id, Addr: "192.0.2.7"}
}

// scan looks for what must be nowhere: a token or its secret.
func scan(t testing.TB, where string, b []byte, tokens ...string) {
	t.Helper()
	for _, token := range tokens {
		secret, err := base64.RawURLEncoding.DecodeString(token[6:49])
		if err != nil {
			t.Fatal(err)
		}
		for _, form := range [][]byte{[]byte(token), []byte(token[6:49]), secret, fmt.Appendf(nil, "%x", secret)} {
			if bytes.Contains(b, form) {
				t.Errorf("%s holds the secret of a token", where)
			}
		}
	}
}

func equal(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: the log was told %q, want %q", what, got, want)
	}
}
