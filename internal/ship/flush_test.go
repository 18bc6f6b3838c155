package ship_test

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stetlog/stet/internal/fsx"
	"github.com/stetlog/stet/internal/fsx/fsxtest"
	"github.com/stetlog/stet/internal/ship"
	"github.com/stetlog/stet/internal/spool"
	"github.com/stetlog/stet/internal/wire"
)

func TestWhatIsSpooledIsSentOnceAndRemoved(t *testing.T) {
	s, disk := newServer(t), fsxtest.New()
	for n := range 5 {
		newEmitter(t, disk, n).say(3).say(1).end()
	}
	sh := shipper(t, disk, s)
	got := flush(t, sh)
	if want := (ship.Report{Batches: 15, Events: 20, Size: 36}); !cmp.Equal(want, got) {
		t.Error(cmp.Diff(want, got))
	}
	if s.requests != 1 {
		t.Errorf("%d requests, one is enough", s.requests)
	}
	if left := contents(t, disk, spool.Dir); len(left) > 0 {
		t.Errorf("left are %v", left)
	}
	if n := s.holds(`"stream_seq":4}`); n != 5 {
		t.Errorf("the log has %d of 5 last events", n)
	}
	if got := flush(t, sh); !cmp.Equal(ship.Report{}, got) || s.requests != 1 {
		t.Errorf("nothing to do, and yet: %+v, %d requests", got, s.requests)
	}
}

func TestALivingStreamIsSentAsFarAsItIs(t *testing.T) {
	s, disk := newServer(t), fsxtest.New()
	e := newEmitter(t, disk, 1).say(2)
	sh := shipper(t, disk, s)
	if got := flush(t, sh); got.Events != 2 {
		t.Errorf("%+v", got)
	}
	before := s.requests
	if got := flush(t, sh); got.Batches != 0 || s.requests != before {
		t.Errorf("what is proven is sent again: %+v", got)
	}
	e.say(1)
	again := shipper(t, disk, s) // another process, which has only what is on the disk
	if got := flush(t, again); got.Events != 1 {
		t.Errorf("%+v", got)
	}
	e.end()
	if got := flush(t, sh); got.Batches != 1 || len(contents(t, disk, spool.Dir)) > 0 {
		t.Errorf("%+v", got)
	}
	if n := s.holds(`"stream_seq"`); n != 3 || len(s.log.gone) > 0 {
		t.Errorf("the log has %d of 3 events, and was told of %v", n, s.log.gone)
	}
}

func TestALivingSpoolIsTrimmed(t *testing.T) {
	s, disk := newServer(t), fsxtest.New()
	e := newEmitter(t, disk, 1)
	e.pad = strings.Repeat("x", 60_000)
	for len(contents(t, disk, spool.Dir)) < 3 { // lock and two segments
		e.say(16)
	}
	flush(t, shipper(t, disk, s))
	if left := contents(t, disk, spool.Dir); len(left) != 2 {
		t.Errorf("%d files are left, lock and last segment are to", len(left))
	}
	e.say(1).die()
	flush(t, shipper(t, disk, s))
	if s.log.gone[e.id] != 1 || len(contents(t, disk, spool.Dir)) > 0 {
		t.Errorf("told that it is gone %d times", s.log.gone[e.id])
	}
}

func TestTheDeadAreReported(t *testing.T) {
	s, disk := newServer(t), fsxtest.New()
	e := newEmitter(t, disk, 1).say(2).die()
	newEmitter(t, disk, 2).die() // before its first word
	living := newEmitter(t, disk, 3).say(1)
	if got := flush(t, shipper(t, disk, s)); got.Lost != 1 {
		t.Errorf("%+v", got)
	}
	if want := map[string]int{e.id: 1}; !cmp.Equal(want, s.log.gone) {
		t.Error(cmp.Diff(want, s.log.gone))
	}
	if ids, err := spool.List(disk, spool.Dir); err != nil || !cmp.Equal([]string{living.id}, ids) {
		t.Errorf("left are %v, %v", ids, err)
	}
}

// How a run of a dead process ended may stand in another stream of the same jobs: nobody is declared dead before that is
// in the log.
func TestNobodyIsDeclaredDeadBeforeAllIsSaid(t *testing.T) {
	s, disk := newServer(t), fsxtest.New()
	dead, other := newEmitter(t, disk, 1).say(1).die(), newEmitter(t, disk, 2).say(1).end()
	s.refuse = func(e wire.Element) *wire.Result {
		if e.Batch != nil && strings.Contains(string(e.Batch.Seal), other.id) {
			return &wire.Result{Status: wire.Refused, Stream: other.id, First: e.Batch.First, Code: wire.KeyRevoked, Detail: "since\x1b[2J yesterday"}
		}
		return nil
	}
	sh := shipper(t, disk, s)
	got, err := sh.Flush(t.Context())
	if err != nil || len(s.log.gone) > 0 || len(got.Left) != 2 {
		t.Fatalf("%v, %+v, gone %v", err, got, s.log.gone)
	}
	if why := got.Left[1].Why; !strings.Contains(why, "key_revoked") || !strings.Contains(why, `since\u001b[2J yesterday`) {
		t.Errorf("%q", why)
	}
	s.honest()
	flush(t, sh)
	if s.log.gone[dead.id] != 1 || len(contents(t, disk, spool.Dir)) > 0 {
		t.Errorf("gone %v", s.log.gone)
	}
}

func TestASpoolOfAnotherMachineIsLeft(t *testing.T) {
	s, disk := newServer(t), fsxtest.New()
	_, vkey := key("stet-emitter/web1/0", "emitter")
	w, err := spool.Create(disk, spool.Dir, spool.Meta{V: 1, StreamID: fmt.Sprintf("01900000-0000-7000-8000-%012x", 9), Key: vkey, AppID: "shop", Host: "web2",
		MachineID: "other", StartedAt: receivedAt}, func() (salt [8]byte, err error) { return salt, nil })
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	sh := shipper(t, disk, s)
	sh.Machine = "this"
	got, err := sh.Flush(t.Context())
	if err != nil || len(got.Left) != 1 || !strings.Contains(got.Left[0].Why, "web2") {
		t.Errorf("%v, %+v", err, got)
	}
}

// What was damaged on this disk is declared lost, kept, and does not block what comes behind.
func TestDamageIsDeclaredLost(t *testing.T) {
	for name, c := range map[string]struct {
		hurt       string
		lost       string
		events     int
		quarantine bool
	}{
		"an event":      {`"stream_seq":3}`, `"first":3,"last":4,"code":"lost"`, 3, true},
		"the first":     {`"stream_seq":1}`, `"first":1,"last":2,"code":"lost"`, 3, true},
		"the last ones": {`"stream_seq":5}`, "", 4, true},
	} {
		t.Run(name, func(t *testing.T) {
			s, disk := newServer(t), fsxtest.New()
			e := newEmitter(t, disk, 1).say(2).say(2).say(1)
			e.die()
			for file, text := range contents(t, disk, spool.Dir) {
				if i := strings.Index(text, c.hurt); i > 0 {
					b := []byte(text)
					b[i] ^= 1
					rewrite(t, disk, file, b)
				}
			}
			got, err := shipper(t, disk, s).Flush(t.Context())
			if c.lost == "" { // not to be told from a torn tail
				if err != nil || got.Events != c.events {
					t.Errorf("%v, %+v", err, got)
				}
				return
			}
			if err != nil || got.Events != c.events || len(got.Damaged) != 1 || s.holds(c.lost) != 1 {
				t.Errorf("%v, %+v; the log has the loss %d times", err, got, s.holds(c.lost))
			}
			if kept := contents(t, disk, spool.QuarantineDir); len(kept) != 1 || len(contents(t, disk, spool.Dir)) > 0 {
				t.Errorf("kept are %d files", len(kept))
			}
		})
	}
}

// rewrite replaces a file's bytes in place.
func rewrite(t *testing.T, disk fsx.FS, name string, b []byte) {
	t.Helper()
	if err := fsx.Replace(disk, name, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestAStubIsKeptInQuarantine(t *testing.T) {
	s, disk := newServer(t), fsxtest.New()
	e := newEmitter(t, disk, 1)
	if err := errors.Join(e.w.Add(e.batch(3, true)), e.w.Commit(), e.w.Close()); err != nil {
		t.Fatal(err)
	}
	event := e.event(2)
	s.entry = func(n int, b []byte) []byte {
		if n == 2 {
			b = stubEntry(2, e, event)
		}
		return b
	}
	s.answer = func(r *wire.Receipts) {
		r.Results[0].Stubs = []wire.Stub{{Seq: 2, Code: "bad", Path: "labels.x", Reason: "no \"good\""}}
	}
	if got := flush(t, shipper(t, disk, s)); got.Refused != 1 || got.Events != 3 {
		t.Errorf("%+v", got)
	}
	want := map[string]string{spool.QuarantineDir + "/" + e.id + "-2.json": string(event)}
	if got := contents(t, disk, spool.QuarantineDir); !cmp.Equal(want, got) {
		t.Error(cmp.Diff(want, got))
	}
	waiting, err := spool.ListRefused(disk, spool.Dir)
	if err != nil || len(waiting) != 1 || waiting[0].Seq != 2 || waiting[0].Code != "bad" || waiting[0].Path != "labels.x" || waiting[0].Key == "" {
		t.Errorf("%+v, %v: nobody knows that it must be recorded again", waiting, err)
	}
}

// What cannot be kept is not let go: the spool stays, and it is said why; others go on.
func TestAFullQuarantineLetsNothingGo(t *testing.T) {
	s, disk := newServer(t), fsxtest.New()
	e := newEmitter(t, disk, 1)
	if err := errors.Join(e.w.Add(e.batch(3, true)), e.w.Commit(), e.w.Close()); err != nil {
		t.Fatal(err)
	}
	newEmitter(t, disk, 2).say(1).end()
	event := e.event(2)
	s.entry = func(n int, b []byte) []byte {
		if n == 2 {
			b = stubEntry(2, e, event)
		}
		return b
	}
	s.answer = func(r *wire.Receipts) { r.Results[0].Stubs = []wire.Stub{{Seq: 2, Code: "bad", Reason: "no \"good\""}} }
	if err := disk.Mkdir(spool.QuarantineDir, 0o700); err != nil {
		t.Fatal(err)
	}
	for n := range spool.MaxQuarantined {
		f, err := disk.Create(fmt.Sprintf("%s/%d", spool.QuarantineDir, n), 0o600)
		if err != nil {
			t.Fatal(err)
		}
		_ = f.Close()
	}
	got, err := shipper(t, disk, s).Flush(t.Context())
	if err != nil || got.Refused != 0 || len(got.Left) != 1 || got.Left[0].Stream != e.id || !strings.Contains(got.Left[0].Why, "the quarantine is full") {
		t.Errorf("%+v, %v", got, err)
	}
	if there, err := spool.List(disk, spool.Dir); err != nil || !slices.Equal(there, []string{e.id}) {
		t.Errorf("left are the spools %v, %v", there, err)
	}
	if err := disk.Remove(spool.QuarantineDir + "/0"); err != nil {
		t.Fatal(err)
	}
	if got := flush(t, shipper(t, disk, s)); got.Refused != 1 || len(got.Left) != 0 || len(contents(t, disk, spool.Dir)) > 0 {
		t.Errorf("with room: %+v", got)
	}
}

func TestARequestThatIsTooLargeIsSentInParts(t *testing.T) {
	s, disk := newServer(t), fsxtest.New()
	for n := range 5 {
		newEmitter(t, disk, n).say(1).say(1).end()
	}
	s.most = 2
	if got := flush(t, shipper(t, disk, s)); got.Batches != 15 || len(contents(t, disk, spool.Dir)) > 0 {
		t.Errorf("%+v", got)
	}
}

// A server that cannot take anything now is no reason for alarm, and nothing is removed.
func TestRefusalsAndOutages(t *testing.T) {
	for name, c := range map[string]struct {
		before func(s *server) http.HandlerFunc
		later  bool
		after  time.Duration
		code   wire.Code
	}{
		"overloaded": {func(s *server) http.HandlerFunc {
			return func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Retry-After", "7")
				s.problem(w, wire.NewProblem(wire.Overloaded, "busy"))
			}
		}, true, 7 * time.Second, wire.Overloaded},
		"for ever": {func(s *server) http.HandlerFunc {
			return func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Retry-After", "999999999")
				s.problem(w, wire.NewProblem(wire.RateLimited, ""))
			}
		}, true, time.Hour, wire.RateLimited},
		"no token": {func(s *server) http.HandlerFunc {
			return func(w http.ResponseWriter, _ *http.Request) { s.problem(w, wire.NewProblem(wire.Unauthenticated, "")) }
		}, false, 0, wire.Unauthenticated},
		"a proxy's page": {func(*server) http.HandlerFunc {
			return func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(http.StatusBadGateway)
				_, _ = w.Write([]byte("<html>"))
			}
		}, true, 0, "unknown"},
		"a redirection": {func(*server) http.HandlerFunc {
			return func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Location", "http://192.0.2.1/")
				w.WriteHeader(http.StatusTemporaryRedirect)
			}
		}, false, 0, "unknown"},
	} {
		t.Run(name, func(t *testing.T) {
			s, disk := newServer(t), fsxtest.New()
			newEmitter(t, disk, 1).say(1).end()
			before := contents(t, disk, spool.Dir)
			s.before = c.before(s)
			_, err := shipper(t, disk, s).Flush(t.Context())
			var refused *ship.RefusedError
			if !errors.As(err, &refused) || refused.Later() != c.later || refused.RetryAfter != c.after || refused.Code != c.code {
				t.Errorf("got %v: %+v", err, refused)
			}
			if d := cmp.Diff(before, contents(t, disk, spool.Dir)); d != "" {
				t.Error(d)
			}
			if all, err := ship.ReadTrouble(disk, address(t, s.http.URL)); err != nil || len(all) > 0 {
				t.Errorf("taken for an integrity failure: %v, %v", all, err)
			}
			s.honest()
			flush(t, shipper(t, disk, s))
		})
	}
	t.Run("nobody there", func(t *testing.T) {
		s, disk := newServer(t), fsxtest.New()
		newEmitter(t, disk, 1).say(1).end()
		s.http.Close()
		if _, err := shipper(t, disk, s).Flush(t.Context()); !errors.Is(err, ship.ErrUnreachable) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("one element", func(t *testing.T) {
		s, disk := newServer(t), fsxtest.New()
		newEmitter(t, disk, 1).say(1).say(1).end()
		s.refuse = func(e wire.Element) *wire.Result {
			if e.Batch.First == 2 {
				return &wire.Result{Status: wire.Refused, First: 2, Code: wire.DiskFull}
			}
			return nil
		}
		sh := shipper(t, disk, s)
		var refused *ship.RefusedError
		if got, err := sh.Flush(t.Context()); !errors.As(err, &refused) || !refused.Later() || got.Batches != 1 {
			t.Errorf("got %v, %+v", err, got)
		}
		s.honest()
		if got := flush(t, sh); got.Batches != 2 {
			t.Errorf("%+v: what was proven before the refusal is sent again", got)
		}
	})
}

func TestOneShipsAtATime(t *testing.T) {
	s, disk := newServer(t), fsxtest.New()
	newEmitter(t, disk, 1).say(1).end()
	lock, err := disk.TryLock("ship.lock")
	if err != nil {
		t.Fatal(err)
	}
	sh := shipper(t, disk, s)
	if got, err := sh.Flush(t.Context()); err != nil || !got.Busy || s.requests > 0 {
		t.Errorf("%v, %+v", err, got)
	}
	if err := lock.Close(); err != nil {
		t.Fatal(err)
	}
	flush(t, sh)
}

func tokenFile(t *testing.T, vkey string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte(tokenFor(vkey)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// The log's key is pinned at the first contact, by the token or, on this machine, by what is there.
func TestTheKeyIsPinned(t *testing.T) {
	s, disk := newServer(t), fsxtest.New()
	a := address(t, s.http.URL)
	newEmitter(t, disk, 1).say(1).end()
	flush(t, shipper(t, disk, s))
	if got, err := ship.ReadServer(disk, a); err != nil || got.LogKey != s.vkey {
		t.Errorf("%+v, %v", got, err)
	}
	newEmitter(t, disk, 2).say(1).end()
	sh := shipper(t, disk, s)
	sh.TokenFile = tokenFile(t, vkey)
	if _, err := sh.Flush(t.Context()); err == nil || !strings.Contains(err.Error(), "another log") {
		t.Errorf("a token for another log: %v", err)
	}
	sh.TokenFile = tokenFile(t, s.vkey)
	flush(t, sh)

	fresh := fsxtest.New()
	newEmitter(t, fresh, 1).say(1).end()
	sh = shipper(t, fresh, s)
	sh.TokenFile = tokenFile(t, vkey)
	var bad *ship.IntegrityError
	if _, err := sh.Flush(t.Context()); !errors.As(err, &bad) || bad.What != ship.WhatKey {
		t.Errorf("got %v", err)
	}
	if _, err := ship.ReadServer(fresh, a); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it was pinned all the same: %v", err)
	}
}
