package interop

import (
	"crypto/rand"
	"os"
	"path/filepath"
	"testing"

	"github.com/transparency-dev/formats/log"
	cosign "github.com/transparency-dev/formats/note"
	"golang.org/x/mod/sumdb/note"

	stet "github.com/stetlog/stet/proof"
)

// TestCosignedCheckpoint: a checkpoint of stet's that a witness has cosigned, as c2sp.org/tlog-cosignature says, is still
// stet's own checkpoint, and the witness's to whoever knows it.
func TestCosignedCheckpoint(t *testing.T) {
	d := buildLog(t, 9)
	checkpoint, err := os.ReadFile(filepath.Join(d.path, "checkpoint"))
	if err != nil {
		t.Fatal(err)
	}
	own, err := note.NewVerifier(d.vkey)
	if err != nil {
		t.Fatal(err)
	}
	skey, vkey, err := note.GenerateKey(rand.Reader, "witness.example")
	if err != nil {
		t.Fatal(err)
	}
	witness, err := cosign.NewSignerForCosignatureV1(skey)
	if err != nil {
		t.Fatal(err)
	}
	n, err := note.Open(checkpoint, note.VerifierList(own))
	if err != nil {
		t.Fatal(err)
	}
	cosigned, err := note.Sign(n, witness)
	if err != nil {
		t.Fatal(err)
	}
	c, err := stet.OpenCheckpoint(cosigned, d.origin, own)
	if err != nil {
		t.Fatal(err)
	}
	seen, err := cosign.NewVerifierForCosignatureV1(vkey)
	if err != nil {
		t.Fatal(err)
	}
	theirs, _, all, err := log.ParseCheckpoint(cosigned, d.origin, own, seen)
	if err != nil {
		t.Fatal(err)
	}
	if len(all.Sigs) != 2 || theirs.Size != c.Size || stet.Hash(theirs.Hash) != c.Root {
		t.Errorf("formats reads %+v with %d good signatures, stet %+v", theirs, len(all.Sigs), c)
	}
	// A witness alone does not make a log's checkpoint.
	alone, err := note.Sign(&note.Note{Text: n.Text}, witness)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stet.OpenCheckpoint(alone, d.origin, own, seen); err == nil {
		t.Error("a checkpoint with a witness's signature only was taken for the log's")
	}
}
