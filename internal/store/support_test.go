package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/clock"
	"github.com/stetlog/stet/internal/emitter"
	"github.com/stetlog/stet/internal/fsx"
	"github.com/stetlog/stet/internal/fsx/fsxtest"
	"github.com/stetlog/stet/internal/keyfile"
	"github.com/stetlog/stet/internal/known"
	"github.com/stetlog/stet/internal/origin"
	"github.com/stetlog/stet/internal/spool"
	"github.com/stetlog/stet/internal/verify"
	"github.com/stetlog/stet/proof"
)

// zeros makes runs repeatable.
type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

// key makes the same key for the same name.
func key(name string) keyfile.Key {
	k, err := keyfile.Generate(name, strings.NewReader(strings.Repeat(name, 32)))
	if err != nil {
		panic(err)
	}
	return k
}

// keyText is the file of key(name).
func keyText(name string) []byte {
	dir, err := os.MkdirTemp("", "stet-key-")
	if err != nil {
		panic(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	path := filepath.Join(dir, "key")
	if _, err := keyfile.LoadOrCreate(path, name, strings.NewReader(strings.Repeat(name, 32))); err != nil {
		panic(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		panic(err)
	}
	return b
}

const logName, storeName = "stet.local/test", "stet-store/test"

var keyTexts = sync.OnceValue(func() map[string][]byte {
	return map[string][]byte{"keys/log.key": keyText(logName), "keys/store.key": keyText(storeName)}
})

// keysOn keeps the store's keys on a disk, as loadKeys does in a directory.
func keysOn(fsys fsx.FS) func(bool) (Keys, error) {
	return func(create bool) (Keys, error) {
		k := Keys{Log: key(logName), Store: key(storeName)}
		for _, name := range []string{"keys/log.key", "keys/store.key"} {
			_, err := fsys.Stat(name)
			switch {
			case errors.Is(err, fs.ErrNotExist) && create:
				if err := fsx.MkdirAll(fsys, "keys", 0o700); err != nil {
					return Keys{}, err
				}
				if err := fsx.Replace(fsys, name, keyTexts()[name], 0o600); err != nil {
					return Keys{}, err
				}
			case errors.Is(err, fs.ErrNotExist) && name == "keys/log.key": // retired
				k.Log = keyfile.Key{}
			case err != nil:
				return Keys{}, err
			case create: // whoever made it may have died before its sync
				if err := errors.Join(fsys.SyncDir("keys"), fsys.SyncDir(".")); err != nil {
					return Keys{}, err
				}
			}
		}
		return k, nil
	}
}

var day = time.Date(2026, 3, 1, 3, 0, 0, 0, time.UTC)

// ticker is a clock that moves a millisecond a look.
func ticker() *clock.Clock {
	var looks atomic.Int64
	return clock.From(clock.Sources{
		Wall:   func() time.Time { return day.Add(time.Duration(looks.Add(1)) * time.Millisecond) },
		Mono:   func() time.Duration { return 0 },
		Boot:   func() (string, bool) { return "", false },
		Uptime: func() (time.Duration, bool) { return 0, false },
		Kernel: func() (clock.Kernel, bool) { return clock.Kernel{}, false },
	})
}

// place is where the store is, without asking the machine.
var place = origin.Origin{Hostname: origin.Value{Text: "web1", How: "kernel"}}

// storeOn opens the store on a disk, with its memory in the directory "state" on the same disk, so that a crash meets
// both. Its operations come in one order.
func storeOn(fsys fsx.FS) *Store {
	return &Store{FS: fsys, Known: known.Dir{FS: fsys, Name: "state"}, keys: keysOn(fsys), Door: func(string) (keyfile.Key, error) { return key("stet-door/test"), nil }, where: place, clock: ticker(),
		codec: &event.Codec{}, rand: zeros{}, workers: 1, window: 1}
}

func streamID(n int) string { return event.DeriveUUID("test", fmt.Sprint(n), timeBits()).String() }

func timeBits() [6]byte { return event.NewUUIDv7(day, [10]byte{}).Time48() }

// process is an emitter's side: one stream, what it was told is durable, and what it started.
type process struct {
	em      *emitter.Emitter
	stream  string
	signer  note.Signer
	vkey    string
	said    int
	acked   []string // event ids
	started []string // runs whose start was acknowledged
	ended   []string // runs whose outcome was handed in, acknowledged or not
	err     error    // the first
}

func meta(stream, vkey string) spool.Meta {
	return spool.Meta{V: 1, StreamID: stream, Key: vkey, AppID: "shop", Environment: "test", Host: "web1", PID: 4711, StartedAt: event.FormatTime(day)}
}

// begin starts stream n of the emitter's key.
func begin(fsys fsx.FS, n int) *process {
	k := key("stet-emitter/web1/0")
	p := &process{stream: streamID(n), vkey: k.VKey}
	if p.signer, p.err = k.NoteSigner(); p.err != nil {
		return p
	}
	p.em, p.err = emitter.Open(emitter.Options{FS: fsys, Dir: spool.Dir, Signer: p.signer, Codec: &event.Codec{}, Clock: ticker(), Rand: zeros{}, Meta: meta(p.stream, k.VKey)})
	return p
}

// base makes an event of a stream that needs nothing more than its ids.
func (p *process) base(typ string) *event.Event {
	p.said++
	sev := event.Severity(6)
	return &event.Event{
		EventID:       event.DeriveUUID("event", fmt.Sprintf("%s/%d", p.stream, p.said), timeBits()),
		InteractionID: "order-1", AppID: "shop", AppVersion: "1.4.2", Environment: "test", CodeLocation: "shop.go:1",
		EntryPoint: &event.EntryPoint{Kind: "function", Name: "main"}, Host: &event.Host{Name: "web1", IP: "192.0.2.1"},
		Principal: &event.Principal{Type: "service_account", ID: "uid:0@web1"},
		Absent:    map[string]string{"user_id": "not_applicable", "source_ip": "not_applicable"},
		EventType: typ, Severity: &sev, Description: "something happened",
	}
}

func (p *process) emit(e *event.Event) bool {
	if p.err != nil {
		return false
	}
	if p.err = p.em.Emit(context.Background(), e); p.err == nil {
		p.acked = append(p.acked, e.EventID.String())
	}
	return p.err == nil
}

// note says something that starts and ends nothing.
func (p *process) note() { p.emit(p.base("shop_checkout")) }

func (p *process) start(run string) {
	e := p.base("job_started")
	e.Job = &event.Job{ID: "job-" + run, RunID: run, Name: "nightly", Phase: "execution", Attempt: 1}
	e.Absent["job.code_digest"], e.Absent["job.env_digest"] = "unavailable", "unavailable"
	if p.emit(e) {
		p.started = append(p.started, run)
	}
}

func (p *process) end(run string) {
	e := p.base("job_succeeded")
	e.Job = &event.Job{ID: "job-" + run, RunID: run, Name: "nightly", Phase: "outcome", Attempt: 1}
	e.Status = event.StatusSuccess
	us := int64(5)
	e.Timing = &event.Timing{DurationUS: &us}
	e.Absent["impact"] = event.AbsentNotProvided
	p.ended = append(p.ended, run)
	p.emit(e)
}

// close ends the stream properly.
func (p *process) close() {
	if p.em == nil {
		return
	}
	if err := p.em.Close(); p.err == nil {
		p.err = err
	}
}

// told is what a log says, read entry by entry.
type told struct {
	events  map[string]int // event id → how often
	types   map[string]int
	started map[string]int // run → how often
	ended   map[string]int // run → outcomes and losses
	lost    map[string]int
	enrols  map[string]int // key id → how often
	stubs   []proof.Stub
	seals   map[string]int // stream → how many
	reasons []string       // status_reason of the store's own
}

func read(s *Store) (told, error) {
	t := told{events: map[string]int{}, types: map[string]int{}, started: map[string]int{}, ended: map[string]int{}, lost: map[string]int{}, enrols: map[string]int{}, seals: map[string]int{}}
	err := s.Entries(context.Background(), func(_ uint64, raw []byte) error {
		e, err := proof.ParseEntry(raw)
		if err != nil {
			return err
		}
		if e.Stub != nil {
			t.stubs = append(t.stubs, *e.Stub)
		}
		if e.Seal != nil {
			seal, err := proof.ParseSeal(e.Seal.Note)
			if err != nil {
				return err
			}
			t.seals[seal.Stream]++
		}
		if e.Event == nil {
			return nil
		}
		ev, err := event.Parse(e.Event)
		if err != nil {
			return err
		}
		t.events[ev.EventID.String()]++
		t.types[ev.EventType]++
		switch ev.EventType {
		case "job_started":
			t.started[ev.Job.RunID]++
		case "job_lost":
			t.lost[ev.Job.RunID]++
			t.ended[ev.Job.RunID]++
			t.reasons = append(t.reasons, ev.StatusReason)
		case "job_succeeded":
			t.ended[ev.Job.RunID]++
		case "emitter_enrolled":
			t.enrols[ev.Object.ID]++
		case "spool_quarantined", "event_conflict", "event_refused":
			t.reasons = append(t.reasons, ev.StatusReason)
		}
		return nil
	})
	if errors.Is(err, ErrNoStore) {
		err = nil
	}
	return t, err
}

// sound drains a store on which every process is dead, and says what is wrong with what comes of it. claimed are
// checkpoints that earlier drains returned.
func sound(fsys *fsxtest.Mem, acked []string, claimed [][]byte) error {
	ctx := context.Background()
	s := storeOn(fsys)
	d, err := s.Drain(ctx)
	if err != nil {
		return fmt.Errorf("drain: %w", err)
	}
	if len(d.Left) > 0 || len(d.Damaged) > 0 || d.Refused > 0 {
		return fmt.Errorf("drained with remainders: %+v", d)
	}
	t, err := read(s)
	if err != nil {
		return err
	}
	for _, id := range acked {
		if t.events[id] == 0 {
			return fmt.Errorf("acknowledged event %s is lost", id)
		}
	}
	for id, n := range t.events {
		if n != 1 {
			return fmt.Errorf("event %s is there %d times", id, n)
		}
	}
	for id, n := range t.enrols {
		if n != 1 {
			return fmt.Errorf("key %s was enrolled %d times", id, n)
		}
	}
	for run := range t.started {
		if t.ended[run] != 1 {
			return fmt.Errorf("run %s has %d outcomes, %d of them job_lost; a run of a dead process has one", run, t.ended[run], t.lost[run])
		}
	}
	if err := verified(fsys, append(claimed, d.Checkpoint)); err != nil {
		return err
	}
	if left, err := spool.List(fsys, spool.Dir); err != nil || len(left) > 0 {
		return fmt.Errorf("spools are left: %v, %w", left, err)
	}
	before := fsys.Hash()
	again, err := storeOn(fsys).Drain(ctx)
	if err != nil {
		return fmt.Errorf("second drain: %w", err)
	}
	if again.Batches+again.Events+again.Lost+again.Refused > 0 || again.Size != d.Size || fsys.Hash() != before {
		return fmt.Errorf("the second drain changed something: %+v", again)
	}
	return nil
}

// verified holds a store and the checkpoints that were seen of it against the verifier.
func verified(fsys fsx.FS, seen [][]byte) error {
	o := verify.Options{Workers: 1, LogKey: key(logName).VKey}
	for _, msg := range seen {
		o.Known = append(o.Known, verify.Known{Checkpoint: msg, From: "a drain"})
	}
	last, ok, err := (known.Dir{FS: fsys, Name: "state"}).Last(logName)
	if err != nil {
		return err
	}
	if ok {
		o.Known = append(o.Known, verify.Known{Checkpoint: last.Note, From: "this computer"})
	}
	rep, err := verify.Store(context.Background(), fsys, o)
	if err != nil {
		return err
	}
	if rep.State() != verify.Verified {
		return fmt.Errorf("verify: %v", rep.Findings)
	}
	return nil
}

func mustDrain(t testing.TB, s *Store) Drained {
	t.Helper()
	d, err := s.Drain(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func mustRead(t testing.TB, s *Store) told {
	t.Helper()
	got, err := read(s)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func mustVerify(t testing.TB, fsys fsx.FS) {
	t.Helper()
	if err := verified(fsys, nil); err != nil {
		t.Fatal(err)
	}
}

// noneFailed fails the test where a process met an error.
func noneFailed(t testing.TB, ps ...*process) {
	t.Helper()
	for _, p := range ps {
		if p.err != nil {
			t.Fatal(p.err)
		}
	}
}
