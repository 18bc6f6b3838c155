package index

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stetlog/stet/internal/fsx"
	"github.com/stetlog/stet/internal/logread"
	"github.com/stetlog/stet/proof"
)

// Log is the log that is indexed: the store's own, which is trusted as it is.
type Log interface {
	// Head is the newest checkpoint.
	Head(ctx context.Context) (proof.Checkpoint, error)
	// Source gives the log's files.
	Source() logread.Source
}

// ErrOther says that a log is not the one that was indexed: it is another one, or its entries are others.
var ErrOther = errors.New("the index is of another log")

// ErrDamaged says that the index's files are not what was written. Catch makes them anew.
var ErrDamaged = errors.New("the index is damaged")

// ErrBusy says that another process writes the index.
var ErrBusy = errors.New("another process writes the index")

// Dir is where a store keeps its index. Who writes it holds the lock in it.
const (
	Dir      = "index"
	lockFile = "lock"
)

// fanIn is how many chunks' segments become one. A hundred million entries are a hundred such segments.
const fanIn = 16

// Index is the index of one log. Find and its like may be called from many goroutines, also while Catch or Follow runs; these, Save and
// Close are for one.
type Index struct {
	fsys  fsx.FS // of the store
	key   string // verifier key of the log
	fanIn uint64
	looks int // entries that one call may read to find out

	mu     sync.RWMutex
	parts  []part   // from entry 0 on, without holes
	Faults []string // why files were not used, when it was opened

	lock    io.Closer // while something is written
	open    *memory   // the last part, or nil
	tree    *proof.Tree
	terms   termList // of the entry that is taken in
	written sync.WaitGroup
	failed  atomic.Pointer[error] // of what is written behind
	broken  atomic.Bool           // an answer came upon damage
}

// A part holds some entries that follow each other: a segment file, or what is not yet in one.
type part interface {
	span() (from, to uint64)
	find(term string) ([]run, error)
	// scan calls fn for every term with the prefix, in order, until it returns an error.
	scan(prefix string, fn func(term []byte, runs func() ([]run, error)) error) error
	// since finds the first entry that was received at or after nanos; the end where there is none.
	since(nanos int64) (uint64, error)
	acquire()
	release()
}

const suffix = ".seg"

func segmentName(from, to uint64) string { return fmt.Sprintf("%012x-%012x%s", from, to, suffix) }

func inDir(name string) string { return Dir + "/" + name }

// Open opens the index in a store's directory, for asking and for Catch; there may be none yet. What is damaged, or of
// another log or version, is not used, and Faults says so; nothing is changed before Catch.
func Open(store fsx.FS, logKey string) (*Index, error) {
	for try := 1; ; try++ {
		x, gone, err := open(store, logKey)
		if err != nil || !gone || try == maxOpen {
			return x, err
		}
		if err := x.Close(); err != nil {
			return nil, err
		}
	}
}

// maxOpen is how often an index is opened at most whose files are replaced meanwhile: by whoever indexes, a few in a second.
const maxOpen = 4

// open is Open, once; gone says that a file was no longer there when it was to be opened.
func open(store fsx.FS, logKey string) (_ *Index, gone bool, err error) {
	x := &Index{fsys: store, key: logKey, fanIn: fanIn, looks: maxLooked, tree: &proof.Tree{}}
	names, err := store.ReadDir(Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return x, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	type file struct {
		name     string
		from, to uint64
	}
	var files []file
	for _, e := range names {
		f := file{name: e.Name()}
		if n, err := fmt.Sscanf(f.name, "%012x-%012x"+suffix, &f.from, &f.to); err == nil && n == 2 && f.name == segmentName(f.from, f.to) {
			files = append(files, f)
		}
	}
	slices.SortFunc(files, func(a, b file) int { // the widest first
		if a.from != b.from {
			return int(int64(a.from) - int64(b.from))
		}
		return int(int64(b.to) - int64(a.to))
	})
	for _, f := range files {
		if f.from != x.indexed() || x.tree.Size()%chunkSize != 0 {
			continue // within a wider one, or behind a hole
		}
		s, tree, err := x.load(f.name)
		switch {
		case errors.Is(err, ErrDamaged), errors.Is(err, ErrOther), errors.Is(err, fs.ErrNotExist):
			x.Faults = append(x.Faults, err.Error())
			gone = gone || errors.Is(err, fs.ErrNotExist)
		case err != nil:
			return nil, false, errors.Join(err, x.Close())
		default:
			x.parts, x.tree = append(x.parts, s), tree
		}
	}
	return x, gone, nil
}

// load opens a segment, which must be one of this index.
func (x *Index) load(name string) (*segment, *proof.Tree, error) {
	s, err := openSegment(x.fsys, inDir(name))
	if err != nil {
		return nil, nil, err
	}
	tree, err := proof.NewTreeFrom(s.To, s.Edge)
	switch {
	case s.Log != x.key:
		err = fmt.Errorf("%w: %s", ErrOther, name)
	case name != segmentName(s.From, s.To) || err != nil || tree.Root() != s.Root:
		err = damaged(name, "it is not what its name says")
	}
	if err != nil {
		s.release()
		return nil, nil, err
	}
	return s, tree, nil
}

// indexed is how many entries the parts hold.
func (x *Index) indexed() uint64 {
	if len(x.parts) == 0 {
		return 0
	}
	_, to := x.parts[len(x.parts)-1].span()
	return to
}

// Indexed is how many entries are indexed, from 0.
func (x *Index) Indexed() uint64 {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return x.indexed()
}

// Bytes is the size of its files.
func (x *Index) Bytes() (n int64) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	for _, p := range x.parts {
		if s, ok := p.(*segment); ok {
			n += s.bytes
		}
	}
	return n
}

// Check says whether the log still is the one that was indexed: ErrOther where not. It is for whoever asks without Catch.
func (x *Index) Check(ctx context.Context, log Log) error {
	size := x.tree.Size()
	if size == 0 {
		return nil
	}
	cp, err := log.Head(ctx)
	if err != nil {
		return err
	}
	if size > cp.Size {
		return fmt.Errorf("%w: %d entries are indexed and the log has %d", ErrOther, size, cp.Size)
	}
	edge, err := logread.Hashes(ctx, log.Source(), cp.Size).ReadHashes(proof.EdgeNodes(size))
	if err != nil {
		return fmt.Errorf("read the log's hashes: %w", err)
	}
	tree, err := proof.NewTreeFrom(size, edge)
	if err == nil && tree.Root() != x.tree.Root() {
		err = fmt.Errorf("%w: its first %d entries are others", ErrOther, size)
	}
	return err
}

// Whole says whether the files in use are there, and nothing has been found wrong with them; nil where it is so. It may be
// called from any goroutine.
func (x *Index) Whole() error {
	if x.broken.Load() {
		return ErrDamaged
	}
	x.mu.RLock()
	defer x.mu.RUnlock()
	if x.lock != nil { // also where nothing is in a file yet
		if _, err := x.fsys.Stat(inDir(lockFile)); err != nil {
			return err
		}
	}
	for _, p := range x.parts {
		if s, ok := p.(*segment); ok {
			if _, err := x.fsys.Stat(s.name); err != nil {
				return err
			}
		}
	}
	return nil
}

// begin makes ready for adding: a part that ends within a chunk is indexed again, so that files stay whole chunks.
func (x *Index) begin() error {
	if err := fsx.MkdirAll(x.fsys, Dir, 0o700); err != nil {
		return err
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.lock == nil {
		lock, err := x.fsys.TryLock(inDir(lockFile))
		if errors.Is(err, fsx.ErrLocked) {
			return ErrBusy
		}
		if err != nil {
			return err
		}
		x.lock = lock
	}
	if n := len(x.parts); n > 0 && x.indexed()%chunkSize != 0 {
		last := x.parts[n-1].(*segment)
		x.parts = x.parts[:n-1]
		last.release()
		if from, _ := last.span(); from == 0 {
			x.tree = &proof.Tree{}
		} else {
			before := x.parts[n-2].(*segment)
			tree, err := proof.NewTreeFrom(before.To, before.Edge)
			if err != nil {
				return err
			}
			x.tree = tree
		}
	}
	keep := map[string]bool{inDir(lockFile): true}
	for _, p := range x.parts {
		keep[p.(*segment).name] = true
	}
	names, err := x.fsys.ReadDir(Dir)
	for _, e := range names {
		if name := inDir(e.Name()); err == nil && !keep[name] {
			err = x.fsys.Remove(name)
		}
	}
	if err != nil {
		return err
	}
	x.open = newMemory(x.indexed(), nil)
	x.parts = append(x.parts, x.open)
	return nil
}

func (x *Index) add(received time.Time, terms *termList, leaf proof.Hash) error {
	x.open.add(received.UnixNano(), terms)
	x.tree.Append(leaf)
	if x.tree.Size()%chunkSize != 0 {
		return nil
	}
	full, tree := x.open, x.tree.Clone()
	x.mu.Lock()
	x.open = newMemory(full.to, full)
	x.parts = append(x.parts, x.open)
	x.mu.Unlock()
	x.written.Wait() // one at a time: memory holds two chunks at most
	x.written.Go(func() {
		if err := x.store(full, tree); err != nil {
			x.failed.Store(&err)
		}
	})
	return x.failure()
}

func (x *Index) failure() error {
	if err := x.failed.Load(); err != nil {
		return *err
	}
	return nil
}

// store writes a chunk, and makes one segment of several where they are complete.
func (x *Index) store(m *memory, tree *proof.Tree) error {
	s, err := x.write(m.from, m.to, tree, func(w *writer) error { m.write(w); return nil })
	if err != nil {
		return err
	}
	x.replace(1, m.from, s)
	if (m.to/chunkSize)%x.fanIn != 0 {
		return nil
	}
	var all []*segment
	x.mu.RLock()
	for _, p := range x.parts {
		if s, ok := p.(*segment); ok && s.To-s.From == chunkSize && s.To <= m.to && s.To+x.fanIn*chunkSize > m.to {
			all = append(all, s)
		}
	}
	x.mu.RUnlock()
	if uint64(len(all)) != x.fanIn {
		return nil
	}
	s, err = x.write(all[0].From, m.to, tree, func(w *writer) error { return merge(w, all) })
	if err != nil {
		return err
	}
	x.replace(len(all), s.From, s)
	for _, old := range all {
		err = errors.Join(err, x.fsys.Remove(old.name))
	}
	return err
}

// replace puts s in the place of the n parts from entry from on.
func (x *Index) replace(n int, from uint64, s *segment) {
	x.mu.Lock()
	defer x.mu.Unlock()
	i := slices.IndexFunc(x.parts, func(p part) bool { f, _ := p.span(); return f == from })
	for _, p := range x.parts[i : i+n] {
		p.release()
	}
	x.parts = slices.Replace(x.parts, i, i+n, part(s))
}

// write makes a segment file: whole and durable before it has its name.
func (x *Index) write(from, to uint64, tree *proof.Tree, fill func(*writer) error) (*segment, error) {
	name := segmentName(from, to)
	temp := inDir(strings.TrimSuffix(name, suffix) + ".tmp")
	if err := x.fsys.Remove(temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	f, err := x.fsys.Create(temp, 0o600)
	if err != nil {
		return nil, err
	}
	w := newWriter(f, meta{Version: version, Log: x.key, From: from, To: to, Root: tree.Root(), Edge: tree.Edge()})
	err = fill(w)
	if err == nil {
		err = w.finish()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = x.fsys.Rename(temp, inDir(name))
	}
	if err != nil {
		return nil, fmt.Errorf("write the index: %w", err)
	}
	s, _, err := x.load(name)
	return s, err
}

// Save writes what is not yet in a file, so that whoever opens the index next finds it. Catch after it indexes up to a chunk
// again.
func (x *Index) Save() error {
	x.written.Wait()
	if x.open == nil || x.open.from == x.open.to || x.failure() != nil {
		return x.failure()
	}
	m := x.open
	s, err := x.write(m.from, m.to, x.tree, func(w *writer) error { m.write(w); return nil })
	if err != nil {
		return err
	}
	x.replace(1, m.from, s)
	x.open = nil
	return nil
}

// Rebuild throws away what there is, indexes the whole log, and saves it. Of a log that cannot be read to its end the old index may
// know more than a new one could: then it is kept, and the error is a *logread.UnreadError.
func (x *Index) Rebuild(ctx context.Context, log Log, progress Progress) error {
	cp, err := log.Head(ctx)
	if err == nil {
		err = logread.Entries(ctx, log.Source(), 0, cp.Size, func(uint64, []byte) error { return nil })
	}
	if err == nil {
		err = x.clear()
	}
	if err == nil {
		err = x.Catch(ctx, log, progress)
	}
	if err == nil {
		err = x.Save()
	}
	return err
}

// Close gives the files up. What was not saved is indexed again by the next one.
func (x *Index) Close() error {
	x.written.Wait()
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, p := range x.parts {
		p.release()
	}
	x.parts, x.open = nil, nil
	if x.lock == nil {
		return nil
	}
	lock := x.lock
	x.lock = nil
	return lock.Close()
}

// clear throws everything away.
func (x *Index) clear() error {
	err := x.Close()
	x.failed.Store(nil)
	x.broken.Store(false)
	x.tree = &proof.Tree{}
	return err
}

// snapshot is the parts as they are now, which stay readable until done.
func (x *Index) snapshot() (parts []part, done func()) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	parts = slices.Clone(x.parts)
	for _, p := range parts {
		p.acquire()
	}
	return parts, func() {
		for _, p := range parts {
			p.release()
		}
	}
}
