package index

import "sync"

// memory is the index of the entries of one chunk that is not yet written: as much as is indexed again after a crash. One
// goroutine adds to it, any may look into it meanwhile.
type memory struct {
	mu     sync.RWMutex
	from   uint64 // the begin of a chunk
	to     uint64 // behind the last entry
	words  *lexicon
	marks  []marks // by entry
	stamps []stamp

	hashes []uint32 // of the terms of an entry
	near   uint32   // of what is in their slots: of no use to anybody
}

// marks say which of the terms an entry has that are nothing but their first byte: that it is an answer, that a field has a
// value. Nearly every entry has a dozen of them; a bit each is less than a place in a dozen lists.
type marks uint32

// answerMark is that of byAnswer. Below it are those of byPresence, by field.
const answerMark = 31

// markOf is the mark that stands for a term.
func markOf(term []byte) (bit int, ok bool) {
	switch {
	case len(term) != 1:
	case term[0] == byAnswer:
		return answerMark, true
	case term[0] >= byPresence && term[0] < byPresence+answerMark:
		return int(term[0] - byPresence), true
	}
	return 0, false
}

// newMemory begins a chunk. It will be about as large as the one before, which may be nil.
func newMemory(from uint64, before *memory) *memory {
	m := &memory{from: from, to: from}
	if before == nil {
		m.words = newLexicon(nil)
		return m
	}
	m.words, m.marks = newLexicon(before.words), make([]marks, 0, chunkSize)
	return m
}

// add indexes the next entry. terms may hold one twice.
func (m *memory) add(nanos int64, terms *termList) {
	m.mu.Lock()
	defer m.mu.Unlock()
	doc := uint16(m.to % chunkSize)
	if n := len(m.stamps); n == 0 || m.stamps[n-1].nanos != nanos {
		m.stamps = append(m.stamps, stamp{m.to, nanos})
	}
	m.to++
	m.marks = append(m.marks, terms.marks)
	// The slots of all are touched before the first is needed, so that the processor waits for their memory once and not in turn.
	m.hashes, m.near = m.hashes[:0], 0
	start := 0
	for _, end := range terms.ends {
		hash := m.words.hash(terms.b[start:end])
		m.hashes, m.near = append(m.hashes, hash), m.near|m.words.near(hash)
		start = end
	}
	start = 0
	for i, end := range terms.ends {
		m.words.add(m.words.number(m.hashes[i], terms.b[start:end]), doc)
		start = end
	}
}

// found is the run of a term. Entries that come later do not change it.
func (m *memory) found(term uint32) run {
	docs := m.words.appendDocs(make([]uint16, 0, m.words.terms[term].n), term)
	return run{chunk: m.from / chunkSize, n: len(docs), docs: docs}
}

// marked is the run of a mark; n is 0 where no entry has it.
func (m *memory) marked(bit int) run {
	r := run{chunk: m.from / chunkSize}
	for doc, has := range m.marks {
		if has>>bit&1 == 1 {
			r.docs = append(r.docs, uint16(doc))
		}
	}
	r.n = len(r.docs)
	return r
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
	if bit, ok := markOf([]byte(term)); ok {
		if r := m.marked(bit); r.n > 0 {
			return []run{r}, nil
		}
		return nil, nil
	}
	if n, ok := m.words.find([]byte(term)); ok {
		return []run{m.found(n)}, nil
	}
	return nil, nil
}

// scan does not know terms of one byte: nobody asks for what begins so.
func (m *memory) scan(prefix string, fn func(term []byte, runs func() ([]run, error)) error) error {
	m.mu.RLock()
	defer m.mu.RUnlock()
	for _, k := range m.words.sorted([]byte(prefix)) {
		if err := fn(m.words.bytes(k.term), func() ([]run, error) { return []run{m.found(k.term)}, nil }); err != nil {
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
	one := func(term []byte, r run) {
		w.begin(term, r.n)
		if r.n == 1 {
			w.one(m.from + uint64(r.docs[0]))
			return
		}
		w.many(r)
	}
	r := run{chunk: m.from / chunkSize}
	for first := range 256 {
		kind := []byte{byte(first)}
		if bit, ok := markOf(kind); ok {
			if r := m.marked(bit); r.n > 0 {
				one(kind, r)
			}
		}
		for _, k := range m.words.sorted(kind) {
			r.docs = m.words.appendDocs(r.docs[:0], k.term)
			r.n = len(r.docs)
			one(m.words.bytes(k.term), r)
		}
	}
	first, last := m.stamps[0].nanos, m.stamps[len(m.stamps)-1].nanos
	w.times(appendStamps(nil, m.from, first, m.stamps), first, last)
}
