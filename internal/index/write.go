package index

import (
	"encoding/binary"
	"encoding/json"
	"hash"
	"hash/crc32"

	"github.com/stetlog/stet/internal/fsx"
	"github.com/stetlog/stet/proof"
)

// A segment file is immutable:
//
//	magic (8 bytes)
//	blocks: up to blockTerms terms in order, and behind them their runs
//	times:  a list of (entry, received_at) a chunk, see times.go
//	first terms of the blocks, and where these lie
//	meta (JSON)
//	u32 length of the first terms, u32 length of meta, u32 CRC-32C of everything before, magic
//
// A block is: uvarint count of terms, uvarint length of what describes them; for each term uvarint bytes shared with the
// term before, uvarint length of the rest, the rest, uvarint n, the entries that have it; where n is 1, uvarint of entry −
// first of the segment, else uvarint length of its runs. Runs of a term: uvarint count of chunks; for each, uvarint of
// chunk − first of the segment, uvarint n, uvarint bytes; then the bytes of each.
const (
	magic      = "stetidx1"
	version    = 1
	blockTerms = 64
	tailBytes  = 12 + len(magic)
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// meta says what a segment holds, and of which log.
type meta struct {
	Version int          `json:"version"`
	Log     string       `json:"log"`  // verifier key of the log
	From    uint64       `json:"from"` // first entry, the begin of a chunk
	To      uint64       `json:"to"`   // behind the last
	Root    proof.Hash   `json:"root"` // of the log's tree of To entries
	Edge    []proof.Hash `json:"edge"` // of that tree, to go on from
	Times   []timesAt    `json:"times"`
}

// timesAt says where the times of a chunk lie, and their bounds.
type timesAt struct {
	Off   int64 `json:"off"`
	Len   int   `json:"len"`
	First int64 `json:"first"` // nanoseconds since 1970
	Last  int64 `json:"last"`
}

// A writer writes one segment file.
type writer struct {
	f    fsx.File
	buf  []byte
	off  int64 // of the end of buf
	sum  hash.Hash32
	err  error
	meta meta

	heads []byte // first terms of the blocks
	n     int    // terms in the open block
	first []byte
	last  []byte
	terms []byte
	runs  []byte
	docs  []byte // of the runs of one term
}

func newWriter(f fsx.File, m meta) *writer {
	w := &writer{f: f, sum: crc32.New(castagnoli), meta: m}
	w.write([]byte(magic))
	return w
}

func (w *writer) write(b []byte) {
	w.buf = append(w.buf, b...)
	w.off += int64(len(b))
	if len(w.buf) >= 1<<18 {
		w.flush()
	}
}

func (w *writer) flush() {
	if w.err == nil {
		_, _ = w.sum.Write(w.buf) // a hash does not fail
		_, w.err = w.f.WriteAt(w.buf, w.off-int64(len(w.buf)))
	}
	w.buf = w.buf[:0]
}

// begin opens the next term, which must be greater than the last.
func (w *writer) begin(term []byte, n int) {
	if w.n == blockTerms {
		w.endBlock()
	}
	shared := 0
	if w.n == 0 {
		w.first = append(w.first[:0], term...)
	} else {
		for shared < len(term) && shared < len(w.last) && term[shared] == w.last[shared] {
			shared++
		}
	}
	w.terms = binary.AppendUvarint(w.terms, uint64(shared))
	w.terms = binary.AppendUvarint(w.terms, uint64(len(term)-shared))
	w.terms = append(w.terms, term[shared:]...)
	w.terms = binary.AppendUvarint(w.terms, uint64(n))
	w.last = append(w.last[:0], term...)
	w.n++
}

// one ends a term that a single entry has.
func (w *writer) one(seq uint64) { w.terms = binary.AppendUvarint(w.terms, seq-w.meta.From) }

// many ends a term with its runs, by chunk.
func (w *writer) many(runs ...run) {
	was := len(w.runs)
	w.docs = w.docs[:0]
	w.runs = binary.AppendUvarint(w.runs, uint64(len(runs)))
	for _, r := range runs {
		begin := len(w.docs)
		w.docs = r.bytes(w.docs)
		w.runs = binary.AppendUvarint(w.runs, r.chunk-w.meta.From/chunkSize)
		w.runs = binary.AppendUvarint(w.runs, uint64(r.n))
		w.runs = binary.AppendUvarint(w.runs, uint64(len(w.docs)-begin))
	}
	w.runs = append(w.runs, w.docs...)
	w.terms = binary.AppendUvarint(w.terms, uint64(len(w.runs)-was))
}

func (w *writer) endBlock() {
	if w.n == 0 {
		return
	}
	start := w.off
	var head []byte
	head = binary.AppendUvarint(head, uint64(w.n))
	head = binary.AppendUvarint(head, uint64(len(w.terms)))
	w.write(head)
	w.write(w.terms)
	w.write(w.runs)
	w.heads = binary.AppendUvarint(w.heads, uint64(len(w.first)))
	w.heads = append(w.heads, w.first...)
	w.heads = binary.AppendUvarint(w.heads, uint64(start))
	w.heads = binary.AppendUvarint(w.heads, uint64(len(head)+len(w.terms)))
	w.n, w.terms, w.runs = 0, w.terms[:0], w.runs[:0]
}

// times appends what is known of the times of the next chunk.
func (w *writer) times(b []byte, first, last int64) {
	w.endBlock()
	w.meta.Times = append(w.meta.Times, timesAt{w.off, len(b), first, last})
	w.write(b)
}

// finish ends the file and makes it durable.
func (w *writer) finish() error {
	m, err := json.Marshal(w.meta)
	if err != nil {
		return err
	}
	w.write(w.heads)
	w.write(m)
	var lens []byte
	lens = binary.LittleEndian.AppendUint32(lens, uint32(len(w.heads)))
	lens = binary.LittleEndian.AppendUint32(lens, uint32(len(m)))
	w.write(lens)
	w.flush()
	tail := binary.LittleEndian.AppendUint32(nil, w.sum.Sum32())
	tail = append(tail, magic...)
	if w.err == nil {
		_, w.err = w.f.WriteAt(tail, w.off)
	}
	if w.err == nil {
		w.err = w.f.Sync()
	}
	return w.err
}
