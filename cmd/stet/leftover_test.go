package main

import (
	"os"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/stetlog/stet/internal/fsx"
	"github.com/stetlog/stet/internal/keyfile"
	"github.com/stetlog/stet/internal/ledger"
	"github.com/stetlog/stet/proof"
)

// A publish that was killed behind a tile boundary, before its head was swapped, leaves partial tiles of the next tile. A
// ledger that opens before the boundary and publishes on until that tile is full must cope with them.
func TestLeftover(t *testing.T) {
	s := newScene(t, true)
	l := s.now
	ctx := t.Context()
	forged := steal(t, l.dir)
	for _, name := range []string{"head", "log", "journal", "streams"} {
		forged.remove(name)
	}
	key, err := keyfile.Load(forged.path("keys/log.key"))
	l.must(err)
	signer, err := key.NoteSigner()
	l.must(err)
	verifier, err := note.NewVerifier(key.VKey)
	l.must(err)
	dir, err := fsx.OpenDir(forged.dir)
	l.must(err)
	log, err := ledger.Open(ctx, ledger.Options{FS: dir, Origin: key.Name, Signer: signer, Verifier: verifier, Now: time.Now, PublishBusy: time.Microsecond})
	l.must(err)
	var b ledger.Batch
	left := false
	for _, raw := range l.entries() {
		e, err := proof.ParseEntry(raw)
		l.must(err)
		if e.Seal == nil {
			b.Items = append(b.Items, ledger.Item{Event: e.Event})
			continue
		}
		b.Via, b.Seal = e.Via, []byte(e.Seal.Note)
		_, err = log.Append(ctx, b)
		l.must(err)
		b = ledger.Batch{}
		if !left {
			left = true
			l.must(os.MkdirAll(forged.path("log/tile/0/001.p"), 0o700))
			forged.write("log/tile/0/001.p/13", make([]byte, 13*32))
			forged.write("log/tile/0/001.p/14", make([]byte, 14*32))
		}
		if _, err = log.Publish(ctx); err != nil {
			t.Fatalf("at entry %d: %v", e.Seq, err)
		}
	}
	l.must(log.Close())
}
