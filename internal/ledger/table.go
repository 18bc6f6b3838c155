package ledger

import (
	"container/list"
	"fmt"
	"path"
	"slices"
	"sync"

	"github.com/stetlog/stet/internal/fsx"
)

// A table holds every stream's state, in three layers: what entries above the committed head changed, the records in the
// head, and the files that older ones spilled into. The upper layer wins.
type table struct {
	fsys  fsx.FS
	limit int // records in the head before half of them spill

	mu     sync.RWMutex
	live   map[streamID]StreamState // changed by entries above the head; the sequencer puts, the publisher removes
	recent map[streamID]*list.Element
	order  *list.List // of record, least recently used first
	files  []*streamFile
	next   uint64 // number of the next stream file
	closed bool
}

func newTable(fsys fsx.FS, limit int) *table {
	return &table{
		fsys: fsys, limit: limit, next: 1,
		live: make(map[streamID]StreamState), recent: make(map[streamID]*list.Element), order: list.New(),
	}
}

// load takes the records of a head and opens its files.
func (t *table) load(h Head) error {
	for _, ref := range h.StreamFiles {
		f, err := openStreamFile(t.fsys, ref)
		if err != nil {
			return err
		}
		t.files = append(t.files, f)
		t.next = ref.Number + 1
	}
	for _, s := range h.Streams {
		id, err := parseStreamID(s.ID)
		if err != nil {
			return err
		}
		t.recent[id] = t.order.PushBack(record{id, s.StreamState})
	}
	return nil
}

func (t *table) close() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
	return closeStreamFiles(t.files)
}

// get finds a stream. It may read a stream file.
func (t *table) get(id streamID) (StreamState, bool, error) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if t.closed {
		return StreamState{}, false, ErrClosed
	}
	if s, ok := t.live[id]; ok {
		return s, true, nil
	}
	if e, ok := t.recent[id]; ok {
		return e.Value.(record).StreamState, true, nil
	}
	return lookup(t.files, id)
}

// put notes a state that an entry above the head led to.
func (t *table) put(id streamID, s StreamState) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.live[id] = s
}

// advance makes changes, in order, part of what the next head says, spilling the least recently used streams into a new
// durable file when there are too many. It returns that head's part, and the files that it replaces: they can go when the
// head is durable. The publisher alone calls it, and ends the ledger when it or the commit fails.
func (t *table) advance(changes []record) (streams []Stream, files []StreamFile, obsolete []*streamFile, err error) {
	t.mu.Lock()
	for _, r := range changes {
		if e, ok := t.recent[r.id]; ok {
			e.Value = r
			t.order.MoveToBack(e)
		} else {
			t.recent[r.id] = t.order.PushBack(r)
		}
	}
	t.mu.Unlock()
	if t.order.Len() > t.limit {
		if obsolete, err = t.spill(t.order.Len() - t.limit/2); err != nil {
			return nil, nil, nil, err
		}
	}
	streams = make([]Stream, 0, t.order.Len())
	for e := t.order.Front(); e != nil; e = e.Next() {
		r := e.Value.(record)
		streams = append(streams, Stream{r.id.String(), r.StreamState})
	}
	for _, f := range t.files {
		files = append(files, f.ref)
	}
	return streams, files, obsolete, nil
}

// spill writes the n least recently used records to a new file, merging into it the newest files as long as they are not
// larger than what is already to be written: the number of files stays logarithmic, and so does what is written a stream.
func (t *table) spill(n int) ([]*streamFile, error) {
	old := make([]record, 0, n)
	for e := t.order.Front(); len(old) < n; e = e.Next() {
		old = append(old, e.Value.(record))
	}
	slices.SortFunc(old, func(a, b record) int { return slices.Compare(a.id[:], b.id[:]) })
	total, keep := uint64(n), len(t.files)
	for keep > 0 && (t.files[keep-1].ref.Count <= total || keep >= maxStreamFiles) {
		keep--
		total += t.files[keep].ref.Count
	}
	merged := t.files[keep:]
	sources := []recordSource{&sliceSource{records: old}}
	for _, f := range slices.Backward(merged) { // newest first
		sources = append(sources, f.source())
	}
	ref, err := writeStreamFile(t.fsys, t.next, sources)
	if err != nil {
		return nil, err
	}
	f, err := openStreamFile(t.fsys, ref)
	if err != nil {
		return nil, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.next++
	t.files = append(slices.Clone(t.files[:keep]), f)
	for _, r := range old {
		t.order.Remove(t.recent[r.id])
		delete(t.recent, r.id)
	}
	return merged, nil
}

// committed forgets what the head now says: changes that nothing newer has replaced.
func (t *table) committed(changes []record, obsolete []*streamFile) error {
	t.mu.Lock()
	for _, r := range changes {
		if t.live[r.id].last() <= r.last() {
			delete(t.live, r.id)
		}
	}
	t.mu.Unlock()
	if len(obsolete) == 0 {
		return nil
	}
	if err := closeStreamFiles(obsolete); err != nil {
		return err
	}
	for _, f := range obsolete {
		if err := t.fsys.Remove(streamPath(f.ref.Number)); err != nil {
			return err
		}
	}
	return nil
}

// tidy removes what a crash left in the directory: files that the head does not name. A name that no ledger makes is
// reported, because nobody but the ledger has business there.
func (t *table) tidy() error {
	entries, err := t.fsys.ReadDir(streamDir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		name := path.Join(streamDir, e.Name())
		if slices.ContainsFunc(t.files, func(f *streamFile) bool { return streamPath(f.ref.Number) == name }) {
			continue
		}
		if _, ok := parseNumber(trimTemp(e.Name()), ""); !ok {
			return damaged(name, "it does not belong here: move it away")
		}
		if err := t.fsys.Remove(name); err != nil {
			return fmt.Errorf("remove what a crash left: %w", err)
		}
	}
	return nil
}

// trimTemp takes off the suffix of a file that was not renamed yet.
func trimTemp(name string) string {
	if fsx.IsTemp(name) {
		return name[:len(name)-len(path.Ext(name))]
	}
	return name
}

// parseNumber reads a file name of at least six digits and a suffix.
func parseNumber(name, suffix string) (uint64, bool) {
	digits := len(name) - len(suffix)
	if digits < 6 || digits > 18 || name[digits:] != suffix {
		return 0, false
	}
	var n uint64
	for _, c := range []byte(name[:digits]) {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + uint64(c-'0')
	}
	return n, n > 0 && fmt.Sprintf("%06d", n) == name[:digits]
}
