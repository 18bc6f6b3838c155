package index

import (
	"maps"
	"slices"
	"strings"
	"sync"
)

// memory is the index of the entries of one chunk that is not yet written: as much as is indexed again after a crash. One
// goroutine adds to it, any may look into it meanwhile.
type memory struct {
	mu     sync.RWMutex
	from   uint64                 // the begin of a chunk
	to     uint64                 // behind the last entry
	terms  [256]map[string]uint32 // by first byte: the rest of a term, and where its entries are
	last   [256][lastTerms]uint32 // where the last terms of each first byte are, + 1
	keys   []string               // the rest of each term
	docs   [][]uint16             // the entries of each term
	room   []uint16               // for the first entry of each term
	stamps []stamp
}

// lastTerms is how many terms of a kind are compared with those of the entry before, so that they need not be looked up: the
// events of a batch share much.
const lastTerms = 4

func newMemory(from uint64) *memory { return &memory{from: from, to: from} }

// add indexes the next entry. terms may hold one twice.
func (m *memory) add(nanos int64, terms *termList) {
	m.mu.Lock()
	defer m.mu.Unlock()
	doc := uint16(m.to % chunkSize)
	if n := len(m.stamps); n == 0 || m.stamps[n-1].nanos != nanos {
		m.stamps = append(m.stamps, stamp{m.to, nanos})
	}
	m.to++
	start := 0
	var nth [256]uint8 // terms of each kind so far
	for _, end := range terms.ends {
		term := terms.b[start:end]
		start = end
		last := &m.last[term[0]][nth[term[0]]%lastTerms]
		nth[term[0]]++
		if *last == 0 || m.keys[*last-1] != string(term[1:]) {
			*last = m.term(term) + 1
		}
		at := *last - 1
		if docs := m.docs[at]; len(docs) == 0 {
			m.docs[at] = m.one(doc)
		} else if docs[len(docs)-1] != doc {
			m.docs[at] = append(docs, doc)
		}
	}
}

// term looks a term up, and makes it where it is new.
func (m *memory) term(term []byte) uint32 {
	kind := m.terms[term[0]]
	if kind == nil {
		kind = map[string]uint32{}
		m.terms[term[0]] = kind
	}
	at, there := kind[string(term[1:])]
	if !there {
		key := string(term[1:])
		at = uint32(len(m.docs))
		kind[key] = at
		m.keys, m.docs = append(m.keys, key), append(m.docs, nil)
	}
	return at
}

// one is a list of one entry, which grows elsewhere: most terms have one.
func (m *memory) one(doc uint16) []uint16 {
	if len(m.room) == 0 {
		m.room = make([]uint16, 4096)
	}
	m.room[0] = doc
	list := m.room[:1:1]
	m.room = m.room[1:]
	return list
}

// found is the run of a term. Entries that come later do not change it.
func (m *memory) found(i uint32) run {
	return run{chunk: m.from / chunkSize, n: len(m.docs[i]), docs: m.docs[i]}
}

func (m *memory) span() (from, to uint64) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.from, m.to
}

func (*memory) acquire() {}
func (*memory) release() {}

func (m *memory) find(term string) ([]run, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if i, ok := m.terms[term[0]][term[1:]]; ok {
		return []run{m.found(i)}, nil
	}
	return nil, nil
}

func (m *memory) scan(prefix string, fn func(term []byte, runs func() ([]run, error)) error) error {
	m.mu.RLock()
	defer m.mu.RUnlock()
	kind := m.terms[prefix[0]]
	var keys []string
	for k := range kind {
		if strings.HasPrefix(k, prefix[1:]) {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	var term []byte
	for _, k := range keys {
		term = append(append(term[:0], prefix[0]), k...)
		if err := fn(term, func() ([]run, error) { return []run{m.found(kind[k])}, nil }); err != nil {
			return err
		}
	}
	return nil
}

func (m *memory) since(nanos int64) (uint64, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return sinceIn(m.stamps, nanos, m.to), nil
}

// write writes the chunk, which nobody adds to any more.
func (m *memory) write(w *writer) {
	var term, runs []byte
	for first, kind := range m.terms {
		for _, k := range slices.Sorted(maps.Keys(kind)) {
			term = append(append(term[:0], byte(first)), k...)
			r := m.found(kind[k])
			w.begin(term, r.n)
			if r.n == 1 {
				w.one(m.from + uint64(r.docs[0]))
				continue
			}
			runs = appendRuns(runs[:0], m.from, []run{r})
			w.many(runs)
		}
	}
	first, last := m.stamps[0].nanos, m.stamps[len(m.stamps)-1].nanos
	w.times(appendStamps(nil, m.from, first, m.stamps), first, last)
}
