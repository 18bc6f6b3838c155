package ship_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/stetlog/stet/internal/fsx/fsxtest"
	"github.com/stetlog/stet/internal/ship"
	"github.com/stetlog/stet/internal/spool"
	"github.com/stetlog/stet/internal/wire"
	"github.com/stetlog/stet/proof"
)

// stubEntry is the ledger's entry at seq for event 2 of a stream, refused.
func stubEntry(seq uint64, e *emitter, event []byte) []byte {
	x := proof.Entry{Seq: seq, ReceivedAt: receivedAt, Via: []byte(via), Stub: &proof.Stub{Stream: e.id, First: 2, Last: 2, Code: proof.StubRefused,
		Leaf: proof.LeafHash(event), Reason: `no "good"`}}
	return x.Append(nil)
}

// A lying server is refused, whatever it lies about: an integrity failure is written down, and nothing leaves the spool
// before the server tells the truth again (THREATS 5, 18, 19a).
func TestALyingServerIsRefused(t *testing.T) {
	// What was in the log before: 26 entries. Now come two events and a seal of stream 1, and then another stream's.
	const before = 26
	for name, c := range map[string]struct {
		what string
		lie  func(s *server, backup *memlog)
	}{
		"alters an event": {ship.WhatReceipt, func(s *server, _ *memlog) {
			s.entry = func(n int, e []byte) []byte {
				if n == before {
					return bytes.Replace(e, []byte(`"stream_seq":3`), []byte(`"stream_seq":7`), 1)
				}
				return e
			}
		}},
		"drops an event": {ship.WhatReceipt, func(s *server, _ *memlog) {
			dropped := false
			s.entry = func(n int, e []byte) []byte {
				if n == before && !dropped {
					dropped = true
					return nil
				}
				return e
			}
		}},
		"drops an event and says so": {ship.WhatReceipt, func(s *server, _ *memlog) {
			s.answer = func(r *wire.Receipts) { r.Results[0].Count-- }
		}},
		"drops an event behind a stub that is not in the log": {ship.WhatReceipt, func(s *server, _ *memlog) {
			s.answer = func(r *wire.Receipts) { r.Results[0].Stubs = []wire.Stub{{Seq: 3, Reason: "no"}} }
		}},
		"gives a stub for a number of another batch": {ship.WhatReceipt, func(s *server, _ *memlog) {
			s.answer = func(r *wire.Receipts) { r.Results[0].Stubs = []wire.Stub{{Seq: 9, Reason: "no"}} }
		}},
		"gives a stub with a reason that no entry can have": {ship.WhatReceipt, func(s *server, _ *memlog) {
			s.answer = func(r *wire.Receipts) { r.Results[0].Stubs = []wire.Stub{{Seq: 3, Reason: "\x1b"}} }
		}},
		"forges the range proof": {ship.WhatReceipt, func(s *server, _ *memlog) {
			s.answer = func(r *wire.Receipts) { r.Results[0].Proof[0][0] ^= 1 }
		}},
		"leaves the range proof out": {ship.WhatReceipt, func(s *server, _ *memlog) {
			s.answer = func(r *wire.Receipts) { r.Results[0].Proof = nil }
		}},
		"proves another batch": {ship.WhatReceipt, func(s *server, _ *memlog) {
			s.answer = func(r *wire.Receipts) { r.Results[0].First++ }
		}},
		"does not say where": {ship.WhatReceipt, func(s *server, _ *memlog) {
			s.answer = func(r *wire.Receipts) { r.Results[0].Seq = nil }
		}},
		"proves another place": {ship.WhatReceipt, func(s *server, _ *memlog) {
			s.answer = func(r *wire.Receipts) { *r.Results[0].Seq++ }
		}},
		"says another time": {ship.WhatReceipt, func(s *server, _ *memlog) {
			s.answer = func(r *wire.Receipts) { r.Results[0].ReceivedAt = "2026-03-01T03:00:00.000000001Z" }
		}},
		"says no time": {ship.WhatReceipt, func(s *server, _ *memlog) {
			s.answer = func(r *wire.Receipts) { r.Results[0].ReceivedAt = `","via":{}` }
		}},
		"says another sender": {ship.WhatReceipt, func(s *server, _ *memlog) {
			s.answer = func(r *wire.Receipts) { r.Results[0].Via = []byte(`{"kind":"http","addr":"192.0.2.2"}`) }
		}},
		"says no sender": {ship.WhatReceipt, func(s *server, _ *memlog) {
			s.answer = func(r *wire.Receipts) { r.Results[0].Via = []byte(`{}`) }
		}},
		"gives no checkpoint": {ship.WhatReceipt, func(s *server, _ *memlog) {
			s.answer = func(r *wire.Receipts) { r.Checkpoint = "" }
		}},
		"gives an older checkpoint": {ship.WhatReceipt, func(s *server, backup *memlog) {
			s.answer = func(r *wire.Receipts) { r.Checkpoint = backup.checkpoint(s.signer) }
		}},
		"signs with another key": {ship.WhatSignature, func(s *server, _ *memlog) { s.signer, _ = key(logName, "another") }},
		"signs as another log": {ship.WhatSignature, func(s *server, _ *memlog) {
			s.answer = func(r *wire.Receipts) {
				signer, _ := key("log.example/another", "log")
				b, err := proof.SignCheckpoint(proof.Checkpoint{Origin: "log.example/another", Size: s.log.size(), Root: proof.RootOf(s.log.leaves())}, signer)
				if err != nil {
					s.t.Error(err)
				}
				r.Checkpoint = string(b)
			}
		}},
		"signs another tree": {ship.WhatHistory, func(s *server, _ *memlog) {
			s.log.entries[1] = []byte("what has not happened")
		}},
		"is an older copy of itself":      {ship.WhatHistory, func(s *server, backup *memlog) { s.log = backup.clone() }},
		"is an older copy, and lost more": {ship.WhatHistory, func(s *server, _ *memlog) { s.log = newMemlog() }},
		"is an older copy that has grown since": {ship.WhatHistory, func(s *server, backup *memlog) {
			s.log = backup.clone()
			for range 40 {
				s.log.entries = append(s.log.entries, []byte("somebody else's"))
			}
		}},
		"has forgotten a stream": {ship.WhatForgotten, func(s *server, _ *memlog) {
			s.refuse = func(e wire.Element) *wire.Result {
				return &wire.Result{Status: wire.Refused, First: e.Batch.First, Code: wire.StreamHole, Expected: 1}
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			s, disk := newServer(t), fsxtest.New()
			living := newEmitter(t, disk, 1).say(2)
			flush(t, shipper(t, disk, s))
			backup := s.log.clone()
			newEmitter(t, disk, 5).say(20).end()
			flush(t, shipper(t, disk, s))
			if s.log.size() != before {
				t.Fatalf("%d entries", s.log.size())
			}
			living.say(2)
			newEmitter(t, disk, 6).say(1).end()
			truth := s.log.clone()
			spools, memory := contents(t, disk, spool.Dir), contents(t, disk, "known")

			c.lie(s, backup)
			sh := shipper(t, disk, s)
			for range 2 { // the second time nothing is noted twice
				_, err := sh.Flush(t.Context())
				var bad *ship.IntegrityError
				if !errors.As(err, &bad) || bad.What != c.what {
					t.Fatalf("got %v, want an integrity failure about %s", err, c.what)
				}
			}
			if d := cmp.Diff(spools, contents(t, disk, spool.Dir)); d != "" {
				t.Errorf("the spools have changed: %s", d)
			}
			if d := cmp.Diff(memory, contents(t, disk, "known")); d != "" {
				t.Errorf("the memory has changed: %s", d)
			}
			all, err := ship.ReadTrouble(disk, sh.Address)
			if err != nil || len(all) != 1 || all[0].What != c.what || all[0].Text == "" {
				t.Errorf("written down is %+v, %v", all, err)
			}

			s.honest()
			s.log = truth
			if got := flush(t, sh); got.Batches != 3 {
				t.Errorf("%+v", got)
			}
			if n := s.holds(`"stream_seq":3}`); n != 2 { // of streams 1 and 5
				t.Errorf("the log has event 3 %d times", n)
			}
		})
	}
}
