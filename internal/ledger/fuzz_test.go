package ledger_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/stetlog/stet/internal/fsx"
	"github.com/stetlog/stet/internal/fsx/fsxtest"
	"github.com/stetlog/stet/internal/ledger"
	"github.com/stetlog/stet/internal/segment"
	"github.com/stetlog/stet/proof"
)

// FuzzFiles: the head, and the stream files that it names, share a target: which of them an input is for, its first
// argument says.
func FuzzFiles(f *testing.F) {
	f.Add(byte(0), []byte{}, uint64(0))
	f.Add(byte(1), []byte{}, uint64(1))
	f.Fuzz(func(t *testing.T, form byte, b []byte, count uint64) {
		if form%2 == 0 {
			fuzzHead(t, b)
		} else {
			fuzzStreamFile(t, b, count)
		}
	})
}

// fuzzHead: a head has one encoding, and whatever else comes is refused as damage.
func fuzzHead(t *testing.T, b []byte) {
	t.Helper()
	h, err := ledger.ParseHead(b)
	if err != nil {
		if !isDamage(err) {
			t.Fatalf("%v is no integrity failure", err)
		}
		return
	}
	again, err := h.Append(nil)
	if err != nil || !bytes.Equal(again, b) {
		t.Fatalf("it reads as %+v, which is written as %x, %v", h, again, err)
	}
}

// FuzzJournalPayload puts bytes into a frame whose checksum is right, as a mistake or an attacker would, and opens the
// ledger: it refuses them, or takes what then passes the audit.
func FuzzJournalPayload(f *testing.F) {
	f.Add([]byte{0, 0})
	f.Fuzz(func(t *testing.T, payload []byte) {
		if len(payload) == 0 || len(payload) > 1<<16 {
			return
		}
		fsys := fsxtest.New()
		if err := ledger.Recover(t.Context(), options(fsys)); err != nil {
			t.Fatal(err)
		}
		h := segment.Header{Kind: ledger.JournalKind, Number: 1, Meta: []byte(`{"origin":"` + origin + `","first":0}`)}
		w, err := segment.Create(fsys, "journal/000001.j", h, 0)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(w.Add(0, payload), w.Commit(), w.Close()); err != nil {
			t.Fatal(err)
		}
		if err := ledger.Recover(t.Context(), options(fsys)); err != nil {
			if !isDamage(err) {
				t.Fatalf("%v is no integrity failure", err)
			}
			return
		}
		if err := auditFiles(fsys, []proof.Checkpoint{opened(t, mustRead(t, fsys, "log/checkpoint"))}); err != nil {
			t.Fatal(err)
		}
	})
}

// fuzzStreamFile puts bytes in place of a stream file and names them in the head: searches and walks refuse them, or agree.
func fuzzStreamFile(t *testing.T, b []byte, count uint64) {
	t.Helper()
	fsys := fsxtest.New()
	if err := errors.Join(fsys.Mkdir("streams", 0o700), fsx.Replace(fsys, "streams/000001", b, 0o400)); err != nil {
		t.Fatal(err)
	}
	h := ledger.Head{Size: proof.MaxSize, StreamFiles: []ledger.StreamFile{{Number: 1, Count: count, Hash: sum(b)}}}
	var walked []ledger.Stream
	err := ledger.WalkStreams(fsys, h, func(s ledger.Stream) error { walked = append(walked, s); return nil })
	if err != nil {
		if !isDamage(err) {
			t.Fatalf("%v is no integrity failure", err)
		}
		return
	}
	for _, want := range walked {
		got, ok, err := ledger.LookupStream(fsys, h, want.ID)
		if err != nil || !ok || got != want.StreamState {
			t.Fatalf("a walk meets %+v, a look-up %+v, %v, %v", want, got, ok, err)
		}
	}
}
