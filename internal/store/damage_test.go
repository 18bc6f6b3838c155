package store

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/fsx/fsxtest"
	"github.com/stetlog/stet/internal/spool"
	"github.com/stetlog/stet/proof"
)

// TestNoTroubleBlocksAStream puts every kind of trouble at every place of a stream of five batches, among three streams
// (THREATS 19b). Everything else must arrive, the trouble must be on record once and kept, and nothing may be left to do.
func TestNoTroubleBlocksAStream(t *testing.T) {
	stranger := key("stet-emitter/evil/0")
	const n = 5
	troubles := []struct {
		name    string
		x       trouble
		refused bool   // the event becomes a stub; otherwise the batch is lost
		except  int    // a place where it means something else; -1: none
		reason  string // of the act
	}{
		{name: "no event", x: trouble{bytes: func([]byte) []byte { return []byte(`{"x":1}`) }}, refused: true, except: -1, reason: "schema"},
		{name: "another stream's event", x: trouble{event: func(e *event.Event) { e.StreamID = event.DeriveUUID("x", "y", timeBits()) }}, refused: true, except: -1, reason: "stream_id"},
		{name: "another number", x: trouble{event: func(e *event.Event) { e.StreamSeq += 7 }}, refused: true, except: -1, reason: "stream_seq"},
		{name: "another application", x: trouble{event: func(e *event.Event) { e.AppID = "till" }}, refused: true, except: -1, reason: "app_id"},
		{name: "another environment", x: trouble{event: func(e *event.Event) { e.Environment = "production" }}, refused: true, except: -1, reason: "environment"},
		{name: "the store's word", x: trouble{event: func(e *event.Event) {
			e.EventType = "emitter_enrolled"
			e.Severity, e.Security = nil, true
		}}, refused: true, except: -1, reason: "event_type"},
		{name: "broken signature", x: trouble{note: func(b []byte) []byte { b[len(b)-10] ^= 1; return b }}, except: -1},
		{name: "no seal", x: trouble{note: func([]byte) []byte { return []byte("sealed, honestly") }}, except: -1},
		{name: "other bytes than sealed", x: trouble{swap: func(b []byte) []byte { return bytes.Replace(b, []byte("happened"), []byte("hoppened"), 1) }}, except: -1, reason: "Merkle root"},
		{name: "another stream's seal", x: trouble{seal: func(s *proof.Seal) { s.Stream = streamID(99) }}, except: -1, reason: "of stream"},
		{name: "another number's seal", x: trouble{seal: func(s *proof.Seal) { s.First += 3 }}, except: -1, reason: "of stream"},
		{name: "another key", x: trouble{signer: &stranger}, except: 0, reason: "somebody else"},
		{name: "another chain", x: trouble{seal: func(s *proof.Seal) { s.Prev, s.HasPrev = proof.Hash{1}, true }}, except: 0, reason: "conflict"},
	}
	for _, tt := range troubles {
		for at := range n {
			if at == tt.except {
				continue
			}
			for _, window := range []int{1, 64} {
				t.Run(fmt.Sprintf("%s/%d/%d", tt.name, at, window), func(t *testing.T) {
					m := fsxtest.New()
					for _, neighbour := range []int{1, 9} {
						p := begin(m, neighbour)
						p.note()
						p.close()
						noneFailed(t, p)
					}
					f := newForge(t, m, streamID(5))
					for i := range n {
						if i == at {
							f.batch(tt.x)
						} else {
							f.batch(trouble{})
						}
					}
					f.die()
					s := storeOn(m)
					s.window = window
					d := mustDrain(t, s)
					got := mustRead(t, s)
					wantStubs := 1
					if !tt.refused && at == n-1 {
						wantStubs = 0 // nothing behind it shows how far the stream went
					}
					if len(got.stubs) != wantStubs {
						t.Errorf("%d stubs, want %d", len(got.stubs), wantStubs)
					}
					for _, stub := range got.stubs {
						if stub.First != uint64(at+1) || stub.Last != stub.First || (stub.Code == proof.StubRefused) != tt.refused {
							t.Errorf("stub %+v, want one of number %d", stub, at+1)
						}
					}
					if n := got.types["shop_checkout"]; n != 2+4 {
						t.Errorf("%d events arrived, want the 2 of the neighbours and 4 of 5", n)
					}
					if len(got.reasons) != 1 || !strings.Contains(got.reasons[0], tt.reason) {
						t.Errorf("on record: %q, want one with %q", got.reasons, tt.reason)
					}
					if (d.Refused == 1) != tt.refused || (len(d.Damaged) == 1) == tt.refused || len(d.Left) != 0 {
						t.Errorf("drained: %+v", d)
					}
					mustVerify(t, m)
					kept, err := m.ReadDir("quarantine")
					if err != nil || len(kept) != 1 {
						t.Errorf("in quarantine: %v, %v, want one file", kept, err)
					}
					if left, err := spool.List(m, spool.Dir); err != nil || len(left) > 0 {
						t.Errorf("spools left: %v, %v", left, err)
					}
					before := m.Hash()
					mustDrain(t, storeOn(m))
					if m.Hash() != before {
						t.Error("a second drain changed something")
					}
				})
			}
		}
	}
}

// TestDamagedFiles flips one byte of every frame of a segment, and of its header.
func TestDamagedFiles(t *testing.T) {
	size := func() int {
		m := fsxtest.New()
		f := newForge(t, m, streamID(5))
		for range 5 {
			f.batch(trouble{})
		}
		f.die()
		fi, err := m.Stat("spool/" + streamID(5) + "/000001.seg")
		if err != nil {
			t.Fatal(err)
		}
		return int(fi.Size())
	}()
	for off := 3; off < size*4/5; off += size / 23 { // the last frame would be a torn tail
		t.Run(fmt.Sprint(off), func(t *testing.T) {
			m := fsxtest.New()
			f := newForge(t, m, streamID(5))
			for range 5 {
				f.batch(trouble{})
				f.commit()
			}
			f.die()
			rewrite(t, m, "spool/"+streamID(5)+"/000001.seg", func(b []byte) []byte { b[off] ^= 0x40; return b })
			s := storeOn(m)
			d := mustDrain(t, s)
			got := mustRead(t, s)
			lost := 0
			for _, stub := range got.stubs {
				lost += int(stub.Last - stub.First + 1)
			}
			if len(d.Damaged) != 1 || len(got.reasons) != 1 {
				t.Errorf("damaged %v, on record %q, want one each", d.Damaged, got.reasons)
			}
			if n := got.types["shop_checkout"]; n+lost != 5 && n != 0 { // without a header nothing is known
				t.Errorf("%d events arrived and %d are declared lost", n, lost)
			}
			mustVerify(t, m)
			before := m.Hash()
			mustDrain(t, storeOn(m))
			if m.Hash() != before {
				t.Error("a second drain changed something")
			}
		})
	}
}

// TestTroubleWhileTheOwnerLives: a broken batch does not hold up what a living process says afterwards, and the spool
// stays until it has ended.
func TestTroubleWhileTheOwnerLives(t *testing.T) {
	m := fsxtest.New()
	f := newForge(t, m.Process(), streamID(5))
	f.batch(trouble{})
	f.batch(trouble{note: func(b []byte) []byte { b[len(b)-10] ^= 1; return b }})
	f.batch(trouble{})
	f.commit()
	s := storeOn(m)
	d := mustDrain(t, s)
	if d.Batches != 2 || len(d.Damaged) != 1 {
		t.Fatalf("drained %+v, want 2 batches and one damaged spool", d)
	}
	f.batch(trouble{})
	f.commit()
	if d = mustDrain(t, s); d.Batches != 1 {
		t.Fatalf("drained %+v, want the batch behind", d)
	}
	if _, err := m.Stat("quarantine"); err == nil {
		t.Error("the spool of a living process was moved")
	}
	f.die()
	mustDrain(t, s)
	if kept, err := m.ReadDir("quarantine"); err != nil || len(kept) != 1 {
		t.Errorf("in quarantine: %v, %v, want the segment", kept, err)
	}
	got := mustRead(t, s)
	if got.types["spool_quarantined"] != 1 || got.types["shop_checkout"] != 3 || len(got.stubs) != 1 {
		t.Errorf("the log has %v and stubs %v", got.types, got.stubs)
	}
	mustVerify(t, m)
}
