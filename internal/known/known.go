// Package known keeps the checkpoints that this host and user have seen, outside any store: the memory by which a
// client is a witness. A log that forks, is cut, or comes back from an old backup contradicts it, whoever signed it.
//
// A file per log, named for its origin, in one directory:
//
//	stet/known/v1
//	<the log's verifier key>
//
//	<the checkpoint, a signed note>
package known

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"

	"golang.org/x/mod/sumdb/note"

	"github.com/stetlog/stet/internal/fsx"
	"github.com/stetlog/stet/proof"
)

const header = "stet/known/v1\n"

// maxFile bounds a file: header, verifier key, checkpoint.
const maxFile = proof.MaxCheckpoint + 1024

// ErrContradiction says that a log contradicts what was seen of it before. Whoever meets it must trim nothing and tell
// a person: it is the reason why this package exists.
var ErrContradiction = errors.New("this log contradicts a checkpoint that this computer has seen")

// Checkpoint is one that was seen, with the key that signed it.
type Checkpoint struct {
	proof.Checkpoint
	VKey string
	Note []byte // the signed note
}

// Dir is where the files are. Methods are safe for concurrent use by several processes that hold the lock of the log
// in question; a reader needs none, because files are replaced whole.
type Dir struct {
	FS   fsx.FS
	Name string // directory within FS, made at the first Remember
}

func (d Dir) file(origin string) string {
	sum := sha256.Sum256([]byte(origin))
	return d.Name + "/" + hex.EncodeToString(sum[:16])
}

// Last returns what was last seen of a log; ok is false where nothing was.
func (d Dir) Last(origin string) (c Checkpoint, ok bool, err error) {
	name := d.file(origin)
	b, err := fsx.ReadFile(d.FS, name, maxFile)
	if errors.Is(err, fs.ErrNotExist) {
		return c, false, nil
	}
	if err != nil {
		return c, false, err
	}
	c, err = parse(b, origin)
	if err != nil {
		return c, false, fmt.Errorf("known checkpoint %s of %s: %w (if you must, move the file away: stet then has no memory of this log)", name, origin, err)
	}
	return c, true, nil
}

func parse(b []byte, origin string) (c Checkpoint, err error) {
	rest, ok := bytes.CutPrefix(b, []byte(header))
	if !ok {
		return c, errors.New("does not begin with " + header[:len(header)-1])
	}
	vkey, msg, ok := bytes.Cut(rest, []byte("\n\n"))
	if !ok {
		return c, errors.New("has no verifier key and checkpoint")
	}
	v, err := note.NewVerifier(string(vkey))
	if err != nil {
		return c, err
	}
	cp, err := proof.OpenCheckpoint(msg, origin, v)
	if err != nil {
		return c, err
	}
	return Checkpoint{Checkpoint: cp, VKey: string(vkey), Note: msg}, nil
}

// Agrees checks a log's checkpoint against what was last seen of that log: the same key, not smaller, and consistent.
// nodes reads the log's tree. A contradiction wraps ErrContradiction; where nothing was seen before, all agrees.
func (d Dir) Agrees(now Checkpoint, nodes proof.HashReader) error {
	old, ok, err := d.Last(now.Origin)
	if err != nil || !ok {
		return err
	}
	if old.VKey != now.VKey {
		return fmt.Errorf("%w: %s was signed by %s, now it is signed by %s", ErrContradiction, now.Origin, old.VKey, now.VKey)
	}
	if now.Size < old.Size {
		return fmt.Errorf("%w: %s had %d entries under a signed checkpoint, now it has %d: it was cut or restored from an older copy",
			ErrContradiction, now.Origin, old.Size, now.Size)
	}
	p, err := proof.ProveConsistency(old.Size, now.Size, nodes)
	if err != nil {
		return err
	}
	if err := proof.VerifyConsistency(old.Size, now.Size, old.Root, now.Root, p); err != nil {
		return fmt.Errorf("%w: its first %d entries are not those that were signed: %w", ErrContradiction, old.Size, err)
	}
	return nil
}

// Remember keeps now as the last seen checkpoint of its log; it is durable when Remember returns. The caller has found
// that it Agrees and holds the log's lock, so that of two writers the later does not put the older one back.
func (d Dir) Remember(now Checkpoint) error {
	if err := fsx.MkdirAll(d.FS, d.Name, 0o700); err != nil {
		return err
	}
	b := append([]byte(header), now.VKey...)
	b = append(b, "\n\n"...)
	b = append(b, now.Note...)
	return fsx.Replace(d.FS, d.file(now.Origin), b, 0o600)
}
