package lost

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/fsx"
)

// MaxNotes is how many notes a directory holds; beyond, Write takes in what it finds.
const MaxNotes = 64

const (
	noteSuffix = ".json"
	lockSuffix = ".lock"
)

// Held is a note whose lock this process has. It is not safe for concurrent use.
type Held struct {
	Note Note
	fsys fsx.FS
	lock io.Closer
}

// Open opens a directory of notes, and makes it (mode 0700) where it is missing and make is set. It refuses what somebody
// else could have put there: a symbolic link, another user's directory, one that others may write to. The places where
// notes go when nothing else can be written are open to everybody.
func Open(dir string, create bool) (*fsx.Dir, error) {
	if create {
		if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, err
		}
	}
	named, err := os.Lstat(dir)
	if err != nil {
		return nil, err
	}
	if !named.IsDir() {
		return nil, fmt.Errorf("notes of losses: %s is no directory", dir)
	}
	d, err := fsx.OpenDir(dir)
	if err != nil {
		return nil, err
	}
	opened, err := d.Stat(".")
	if err == nil {
		err = private(dir, named, opened)
	}
	if err == nil && create {
		err = syncParent(dir)
	}
	if err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return d, nil
}

// private judges what was opened, which is not what was named where somebody was quick.
func private(dir string, named, opened fs.FileInfo) error {
	uid, ok := fsx.Owner(opened)
	switch {
	case !os.SameFile(named, opened):
		return fmt.Errorf("notes of losses: %s was replaced while it was opened", dir)
	case ok && uid != os.Geteuid():
		return fmt.Errorf("notes of losses: %s belongs to uid %d and you are uid %d", dir, uid, os.Geteuid())
	case opened.Mode().Perm()&0o022 != 0:
		return fmt.Errorf("notes of losses: others may write to %s", dir)
	}
	return nil
}

func syncParent(dir string) error {
	parent, err := fsx.OpenDir(filepath.Dir(dir))
	if err != nil {
		return err
	}
	return errors.Join(parent.SyncDir("."), parent.Close())
}

// Write makes a new note durable, and holds its lock. Where the directory has MaxNotes already, the new one takes in the
// counts of those whose recorder is gone, and they are removed.
func Write(fsys fsx.FS, n Note) (*Held, error) {
	if err := n.check(); err != nil {
		return nil, err
	}
	ids, err := list(fsys)
	if err != nil {
		return nil, err
	}
	var old []*Held
	if len(ids) >= MaxNotes {
		if old, err = claim(fsys, ids); err != nil {
			return nil, errors.Join(err, release(old))
		}
		n = n.with(old)
	}
	h := &Held{fsys: fsys}
	if h.lock, err = fsys.TryLock(n.ID + lockSuffix); err == nil {
		if err = h.Update(n); err != nil {
			err = errors.Join(err, h.Release())
		}
	}
	for _, o := range old {
		if err != nil {
			err = errors.Join(err, o.Release())
		} else {
			err = o.Remove()
		}
	}
	if err != nil {
		return nil, fmt.Errorf("note of a loss: %w", err)
	}
	return h, nil
}

// with is n with what others say added.
func (n Note) with(others []*Held) Note {
	for _, h := range others {
		o := h.Note
		n.Lost, n.Doubt = min(n.Lost+o.Lost, event.MaxInt), min(n.Doubt+o.Doubt, event.MaxInt)
		n.First, n.Last = min(n.First, o.First), max(n.Last, o.Last) // this form of times sorts as text
		n.Open = n.Open || o.Open
	}
	if len(others) > 0 {
		n.Why = fmt.Sprintf("%d earlier losses of this user, and: %s", len(others), n.Why)
		n.Why = n.Why[:min(len(n.Why), maxWhy)]
		n.Why = strings.ToValidUTF8(n.Why, "")
	}
	return n
}

// Claim takes the notes whose recorder is gone, at most MaxNotes. What is no note, though it is named like one, is
// claimed too: something was lost, and it says why nobody knows what.
func Claim(fsys fsx.FS) ([]*Held, error) {
	ids, err := list(fsys)
	if err != nil {
		return nil, err
	}
	return claim(fsys, ids)
}

// list returns the ids for which there is anything, sorted.
func list(fsys fsx.FS) ([]string, error) {
	entries, err := fsys.ReadDir(".")
	if err != nil {
		return nil, fmt.Errorf("notes of losses: %w", err)
	}
	var ids []string
	for _, e := range entries {
		id, _, _ := strings.Cut(e.Name(), ".")
		if u, err := event.ParseUUID(id); err != nil || u.String() != id || len(ids) > 0 && ids[len(ids)-1] == id {
			continue
		}
		ids = append(ids, id)
	}
	return ids, nil
}

func claim(fsys fsx.FS, ids []string) ([]*Held, error) {
	var all []*Held
	for _, id := range ids {
		if len(all) == MaxNotes {
			break
		}
		lock, err := fsys.TryLock(id + lockSuffix)
		if errors.Is(err, fsx.ErrLocked) {
			continue // its recorder lives
		}
		if err != nil {
			return all, fmt.Errorf("notes of losses: %w", err)
		}
		h := &Held{fsys: fsys, lock: lock}
		h.Note, err = read(fsys, id)
		if errors.Is(err, fs.ErrNotExist) { // a crash came before the note, or after its removal
			h.Note.ID = id
			if err := h.Remove(); err != nil {
				return all, err
			}
			continue
		}
		if err != nil {
			return all, errors.Join(err, lock.Close())
		}
		all = append(all, h)
	}
	return all, nil
}

// read reads a note, and makes one of what is none. An error is the disk's fault, not the note's: it stays.
func read(fsys fsx.FS, id string) (Note, error) {
	data, err := fsx.ReadFile(fsys, id+noteSuffix, maxFile)
	if err != nil && !errors.Is(err, fsx.ErrTooLarge) {
		return Note{}, fmt.Errorf("notes of losses: %w", err)
	}
	n, err := parse(data)
	if err != nil || n.ID != id {
		n = Note{V: 1, ID: id, AppID: "unknown", First: unknownTime, Last: unknownTime, Doubt: 1, Why: "the note of the loss cannot be read"}
	}
	return n, nil
}

// Look returns the notes that are there, at most MaxNotes, those of recorders that live among them. It takes no lock and
// changes nothing, so what it returns may be declared already.
func Look(fsys fsx.FS) ([]Note, error) {
	ids, err := list(fsys)
	if err != nil {
		return nil, err
	}
	var notes []Note
	for _, id := range ids {
		n, err := read(fsys, id)
		if errors.Is(err, fs.ErrNotExist) {
			continue // a lock alone, or a note that was removed meanwhile
		}
		if err != nil {
			return notes, err
		}
		if notes = append(notes, n); len(notes) == MaxNotes {
			break
		}
	}
	return notes, nil
}

// unknownTime stands in a note that could not be read.
const unknownTime = "1970-01-01T00:00:00.000000000Z"

// Update makes the note say something else, durably.
func (h *Held) Update(n Note) error {
	data, err := n.encode()
	if err != nil {
		return err
	}
	if err := fsx.Replace(h.fsys, n.ID+noteSuffix, data, 0o600); err != nil {
		return err
	}
	h.Note = n
	return nil
}

// Remove removes the note, whose loss is declared durably, and lets its lock go.
func (h *Held) Remove() error {
	var err error
	for _, name := range []string{h.Note.ID + noteSuffix, h.Note.ID + noteSuffix + ".tmp", h.Note.ID + lockSuffix} {
		if rerr := h.fsys.Remove(name); rerr != nil && !errors.Is(rerr, fs.ErrNotExist) {
			err = errors.Join(err, rerr)
		}
	}
	return errors.Join(err, h.fsys.SyncDir("."), h.lock.Close())
}

func release(all []*Held) (err error) {
	for _, h := range all {
		err = errors.Join(err, h.Release())
	}
	return err
}

// Release lets the note's lock go, so that another recorder can declare the loss.
func (h *Held) Release() error { return h.lock.Close() }
