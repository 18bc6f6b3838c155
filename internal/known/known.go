// Package known keeps the checkpoints that this host and user have seen, outside any store: the memory by which a
// client is a witness. A log that forks, is cut, or comes back from an old backup contradicts it, whoever signed it.
//
// A file per log, named for its origin, in one directory; beside it a lock, held while the memory moves on:
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

// DirName is where known checkpoints are, within the state directory.
const DirName = "known"

// maxFile bounds a file in bytes: header, verifier key, checkpoint.
const maxFile = proof.MaxCheckpoint + 1024

var (
	// ErrContradiction says that a log contradicts what was seen of it before. Whoever meets it must trim nothing and tell
	// a person: it is the reason why this package exists.
	ErrContradiction = errors.New("this log contradicts a checkpoint that this computer has seen")
	// ErrDamaged says that the memory itself cannot be read as what it must be. It says nothing about the log.
	ErrDamaged = errors.New("the known checkpoint is damaged")
)

// Checkpoint is one that was seen, with the key that signed it.
type Checkpoint struct {
	proof.Checkpoint
	Note []byte // the signed note
	VKey string
	// Chain is how the log's key came to be VKey, as the log says it. It is followed from the key that was seen last, and not
	// remembered: only a key to which handovers lead from that one is the log's.
	Chain proof.KeyChain
}

// Dir is where the files are. All methods are safe for concurrent use by any number of processes: files are replaced
// whole, and two writers for one log, which two copies of a store make, exclude each other.
type Dir struct {
	FS   fsx.FS
	Name string // directory within FS, made at the first Advance
}

func (d Dir) file(origin string) string {
	sum := sha256.Sum256([]byte(origin))
	return d.Name + "/" + hex.EncodeToString(sum[:16])
}

// Last returns what was last seen of a log; ok is false where nothing was. A file that is there and holds something else
// is ErrDamaged.
func (d Dir) Last(origin string) (c Checkpoint, ok bool, err error) {
	name := d.file(origin)
	b, err := fsx.ReadFile(d.FS, name, maxFile)
	if errors.Is(err, fs.ErrNotExist) {
		return c, false, nil
	}
	if err == nil {
		c, err = parse(b, origin)
	} else if errors.Is(err, fsx.ErrTooLarge) {
		err = fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	if err != nil {
		return Checkpoint{}, false, fmt.Errorf("known checkpoint %s of %s: %w (if you must, move the file away: stet then has no memory of this log)", name, origin, err)
	}
	return c, true, nil
}

// append is the one form of a file.
func (c Checkpoint) append(dst []byte) []byte {
	dst = append(dst, header...)
	dst = append(dst, c.VKey...)
	dst = append(dst, "\n\n"...)
	return append(dst, c.Note...)
}

// parse accepts what append makes, for a checkpoint of this origin that VKey signed, and nothing else.
func parse(b []byte, origin string) (Checkpoint, error) {
	damaged := func(why string) error { return fmt.Errorf("%w: %s", ErrDamaged, why) }
	rest, ok := bytes.CutPrefix(b, []byte(header))
	if !ok {
		return Checkpoint{}, damaged("it does not begin with " + header[:len(header)-1])
	}
	vkey, msg, ok := bytes.Cut(rest, []byte("\n\n"))
	if !ok {
		return Checkpoint{}, damaged("it has no verifier key and checkpoint")
	}
	if err := proof.CheckVKey(string(vkey)); err != nil {
		return Checkpoint{}, damaged(err.Error())
	}
	v, err := note.NewVerifier(string(vkey))
	if err != nil {
		return Checkpoint{}, damaged(err.Error())
	}
	cp, err := proof.OpenCheckpoint(msg, origin, v)
	if err != nil {
		return Checkpoint{}, damaged(err.Error())
	}
	return Checkpoint{Checkpoint: cp, VKey: string(vkey), Note: msg}, nil
}

// Agrees checks a log's size and root against what was last seen of that log: the same key or one to which handovers lead
// from it, not smaller, and consistent.
// nodes reads the log's tree; its errors are passed on. A contradiction wraps ErrContradiction; where nothing was seen
// before, all agrees.
func (d Dir) Agrees(now Checkpoint, nodes proof.HashReader) error {
	old, ok, err := d.Last(now.Origin)
	if err != nil || !ok {
		return err
	}
	return now.continues(old, nodes)
}

func (c Checkpoint) continues(old Checkpoint, nodes proof.HashReader) error {
	if err := c.follows(old); err != nil {
		return err
	}
	if c.Size < old.Size {
		return fmt.Errorf("%w: %s had %d entries under a signed checkpoint, now it has %d: it was cut or restored from an older copy",
			ErrContradiction, c.Origin, old.Size, c.Size)
	}
	p, err := proof.ProveConsistency(old.Size, c.Size, nodes)
	if err != nil {
		return fmt.Errorf("compare %s with the checkpoint over its first %d entries: %w", c.Origin, old.Size, err)
	}
	if err := proof.VerifyConsistency(old.Size, c.Size, old.Root, c.Root, p); err != nil {
		return fmt.Errorf("%w: its first %d entries are not those that were signed: %w", ErrContradiction, old.Size, err)
	}
	return nil
}

// follows checks that the log's key is the one that was seen, or took its place.
func (c Checkpoint) follows(old Checkpoint) error {
	if old.VKey == c.VKey {
		return nil
	}
	newest, err := c.Chain.Newest(old.VKey)
	if err == nil && newest != c.VKey {
		err = errors.New("no handover says that one took the other's place")
	}
	if err != nil {
		return fmt.Errorf("%w: %s was signed by %s, now it is signed by %s: %w", ErrContradiction, c.Origin, old.VKey, c.VKey, err)
	}
	return nil
}

// Advance checks a signed checkpoint as Agrees does, and its signature, and keeps it as the last seen one of its log. It
// is durable when Advance returns. It fails with fsx.ErrLocked, and changes nothing, while another process advances the
// same log, which only happens where a store was copied.
func (d Dir) Advance(now Checkpoint, nodes proof.HashReader) (err error) {
	b := now.append(nil)
	if again, err := parse(b, now.Origin); err != nil {
		return fmt.Errorf("not to be remembered: %w", err)
	} else if again.Checkpoint != now.Checkpoint {
		return fmt.Errorf("not to be remembered: %w: the note says otherwise", ErrDamaged)
	}
	name := d.file(now.Origin)
	// A file that is there was made in a directory that had been made durable before.
	if _, err := d.FS.Stat(name); err != nil {
		if err := fsx.MkdirAll(d.FS, d.Name, 0o700); err != nil {
			return err
		}
	}
	lock, err := d.FS.TryLock(name + ".lock")
	if err != nil {
		return fmt.Errorf("known checkpoint %s of %s: %w", name, now.Origin, err)
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	old, ok, err := d.Last(now.Origin)
	if err != nil {
		return err
	}
	if ok {
		if err := now.continues(old, nodes); err != nil {
			return err
		}
	}
	// Also where it is there already: whoever put it there may have died before its sync, or met an error in it, and after
	// that no other sync helps.
	return fsx.Replace(d.FS, name, b, 0o600)
}
