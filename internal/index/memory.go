package index

import (
	"bytes"
	"sync"
)

// memory is the index of the entries of one chunk that is not yet written: as much as is indexed again after a crash. One
// goroutine adds to it, any may look into it meanwhile.
type memory struct {
	mu     sync.RWMutex
	from   uint64 // the begin of a chunk
	to     uint64 // behind the last entry
	words  lexicon
	lists  lists                  // by the number of the term
	marks  []marks                // by entry
	last   [256][lastTerms]uint32 // the last terms of each first byte, + 1
	stamps []stamp
}

// lastTerms is how many terms of a kind are compared with those of the entry before, so that they need not be looked up: the
// events of a batch share much.
const lastTerms = 4

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

func newMemory(from uint64) *memory { return &memory{from: from, to: from, words: newLexicon()} }

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
	start := 0
	var nth [256]uint8 // terms of each kind so far
	for _, end := range terms.ends {
		term := terms.b[start:end]
		start = end
		last := &m.last[term[0]][nth[term[0]]%lastTerms]
		nth[term[0]]++
		if *last == 0 || !bytes.Equal(m.words.term(*last-1), term) {
			*last = m.words.number(term) + 1
			if int(*last) > len(m.lists.all) {
				m.lists.all = append(m.lists.all, list{})
			}
		}
		m.lists.add(*last-1, doc)
	}
}

// found is the run of a term. Entries that come later do not change it.
func (m *memory) found(term uint32) run {
	docs := m.lists.appendTo(make([]uint16, 0, m.lists.all[term].n), term)
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
	for _, n := range m.words.sorted([]byte(prefix)) {
		if err := fn(m.words.term(n), func() ([]run, error) { return []run{m.found(n)}, nil }); err != nil {
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
	var buf []byte
	one := func(term []byte, r run) {
		w.begin(term, r.n)
		if r.n == 1 {
			w.one(m.from + uint64(r.docs[0]))
			return
		}
		buf = appendRuns(buf[:0], m.from, []run{r})
		w.many(buf)
	}
	r := run{chunk: m.from / chunkSize}
	for first := range 256 {
		kind := []byte{byte(first)}
		if bit, ok := markOf(kind); ok {
			if r := m.marked(bit); r.n > 0 {
				one(kind, r)
			}
		}
		for _, n := range m.words.sorted(kind) {
			r.docs = m.lists.appendTo(r.docs[:0], n)
			r.n = len(r.docs)
			one(m.words.term(n), r)
		}
	}
	first, last := m.stamps[0].nanos, m.stamps[len(m.stamps)-1].nanos
	w.times(appendStamps(nil, m.from, first, m.stamps), first, last)
}
