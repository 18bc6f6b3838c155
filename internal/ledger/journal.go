package ledger

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"

	"github.com/stetlog/stet/internal/fsx"
	"github.com/stetlog/stet/internal/segment"
	"github.com/stetlog/stet/proof"
)

const (
	journalDir = "journal"
	// JournalKind is the magic of a journal's segments.
	JournalKind segment.Kind = "stet/journal/v1"
)

func journalPath(number uint64) string { return path.Join(journalDir, fmt.Sprintf("%06d.j", number)) }

// journalMeta is what a segment says of itself.
type journalMeta struct {
	Origin string `json:"origin"`
	First  uint64 `json:"first"` // seq of the first entry that it can hold
}

func (m journalMeta) bytes() ([]byte, error) { return json.Marshal(m) }

func parseJournalMeta(name string, b []byte) (m journalMeta, err error) {
	if err := json.Unmarshal(b, &m); err != nil {
		return m, &IntegrityError{File: name, Reason: "the segment's meta", Err: err}
	}
	if again, err := m.bytes(); err != nil || string(again) != string(b) {
		return m, damaged(name, "the segment's meta is not as a ledger writes it")
	}
	return m, nil
}

// A segmentRef is a journal segment of this run.
type segmentRef struct {
	number uint64
	end    uint64 // seq behind its last entry; open when it is the one being written
}

// openEnd is the end of the segment that is being written.
const openEnd = ^uint64(0)

// A journal writes groups. The flusher owns it.
type journal struct {
	l    *Ledger
	w    *segment.Writer // nil until the first group: a store that is only read gets no journal
	old  *segment.Writer // closed: the next one has its memory; or nil
	next uint64          // number of the next segment
}

// write makes a group durable: all its frames in one write and one flush.
func (j *journal) write(g *group) error {
	if j.w != nil && j.w.Size() >= j.l.segmentBytes {
		if err := j.close(); err != nil {
			return err
		}
		j.l.segmentEnded(g.first)
	}
	if j.w == nil {
		if err := j.create(g.first); err != nil {
			return err
		}
	}
	for _, f := range g.frames {
		if err := j.w.Add(f.key, g.buf[f.from:f.to]); err != nil {
			return err
		}
	}
	return j.w.Commit()
}

func (j *journal) create(first uint64) error {
	meta, err := journalMeta{Origin: j.l.origin, First: first}.bytes()
	if err != nil {
		return err
	}
	h := segment.Header{Kind: JournalKind, Number: j.next, Meta: meta}
	if _, err := io.ReadFull(j.l.rand, h.Salt[:]); err != nil {
		return fmt.Errorf("salt of a journal segment: %w", err)
	}
	if j.w, err = segment.Create(j.l.fsys, journalPath(j.next), h, j.l.preallocate); err != nil {
		return err
	}
	if j.old != nil {
		j.w.Inherit(j.old)
		j.old = nil
	}
	j.l.segmentStarted(j.next, j.w)
	j.next++
	return nil
}

func (j *journal) close() error {
	if j.w == nil {
		return nil
	}
	j.l.segmentClosing()
	err := j.w.Close()
	j.w, j.old = nil, j.w
	return err
}

// JournalReport says what ScanJournal found.
type JournalReport struct {
	Segments int    // files that belong to the head
	Leftover int    // files below the head's first, which the next ledger removes unread
	First    uint64 // seq of the first entry found; equal to Next when there is none
	Next     uint64 // seq behind the last entry found
	Torn     bool   // the last segment ends in the remains of an unfinished write
	File     string // the last segment, where Torn
	Offset   int64  // bytes in File that are good
	last     uint64 // highest number seen, leftovers included
	files    []uint64
}

// ScanJournal reads the journal that belongs to a head, frame after frame, and calls fn with each batch's entries, which
// are valid until fn returns. It only reads, and changes nothing whatever it finds. What no crash explains is an
// *IntegrityError: a missing or foreign file, damage in the middle, a tail torn below the head, entries that do not
// follow each other. A journal that ends cleanly below the head is sound: what is missing of it is in the bundles.
func ScanJournal(fsys fsx.FS, h Head, fn func(seq uint64, entries [][]byte) error) (JournalReport, error) {
	rep := JournalReport{First: h.Size, Next: h.Size, last: max(h.JournalLast, h.JournalFirst-1)}
	entries, err := fsys.ReadDir(journalDir)
	if err != nil {
		return rep, missing(journalDir, err)
	}
	want := h.JournalFirst
	for _, e := range entries {
		name := path.Join(journalDir, e.Name())
		number, ok := parseNumber(e.Name(), ".j")
		switch {
		case !ok:
			return rep, damaged(name, "it does not belong here: move it away")
		case number < h.JournalFirst:
			rep.Leftover++
		case number != want:
			return rep, damaged(journalPath(want), "it is missing, and with it entries that may have been acknowledged")
		default:
			want++
			rep.Segments++
		}
		rep.files = append(rep.files, number)
		rep.last = max(rep.last, number)
	}
	if want <= h.JournalLast {
		return rep, damaged(journalPath(want), "it is missing, and with it entries that may have been acknowledged")
	}
	s := journalScan{h: h, rep: &rep, fn: fn}
	for number := h.JournalFirst; number < want; number++ {
		if err := s.segment(fsys, number, number == want-1); err != nil {
			return rep, err
		}
	}
	if s.started && rep.Next < h.Size {
		// The head only ever covers what had been flushed, so a whole frame is gone; what it held is in the bundles. A
		// shorter journal is accepted only where the end is clean.
		if rep.Torn {
			return rep, damagedAt(rep.Next, rep.File, "it is torn at byte %d, below the head's %d entries: damage, not a crash", rep.Offset, h.Size)
		}
	}
	return rep, nil
}

type journalScan struct {
	h       Head
	rep     *JournalReport
	fn      func(uint64, [][]byte) error
	started bool
	entries [][]byte
}

func (s *journalScan) segment(fsys fsx.FS, number uint64, last bool) (err error) {
	name := journalPath(number)
	f, err := fsys.Open(name)
	if err != nil {
		return missing(name, err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	r, err := segment.NewReader(f, name, JournalKind)
	if errors.Is(err, segment.ErrNoHeader) && last && number > s.h.JournalLast {
		s.rep.Torn, s.rep.File = true, name // a crash while it was made
		return nil
	}
	if errors.Is(err, segment.ErrNoHeader) {
		return &IntegrityError{File: name, Reason: "a segment that was in use", Err: err}
	}
	if err != nil {
		return asIntegrity(name, err)
	}
	meta, err := parseJournalMeta(name, r.Header().Meta)
	switch {
	case err != nil:
		return err
	case meta.Origin != s.h.Origin:
		return damaged(name, "it belongs to the log %q", meta.Origin)
	case r.Header().Number != number:
		return damaged(name, "it is segment %d under another name", r.Header().Number)
	case s.started && meta.First != s.rep.Next, !s.started && meta.First > s.h.Size:
		return damagedAt(s.rep.Next, name, "it starts at entry %d: entries between are missing", meta.First)
	}
	if !s.started {
		s.started = true
		s.rep.First, s.rep.Next = meta.First, meta.First
	}
	for {
		fr, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return asIntegrity(name, err)
		}
		if err := s.frame(name, fr); err != nil {
			return err
		}
	}
	if !r.Torn() {
		return nil
	}
	if !last {
		return damagedAt(s.rep.Next, name, "it is torn at byte %d, yet segments follow: damage, not a crash", r.Offset())
	}
	s.rep.Torn, s.rep.File, s.rep.Offset = true, name, r.Offset()
	return nil
}

func (s *journalScan) frame(name string, fr segment.Frame) error {
	if fr.Key != s.rep.Next {
		return damagedAt(s.rep.Next, name, "the frame at byte %d starts at entry %d", fr.Offset, fr.Key)
	}
	s.entries = s.entries[:0]
	for rest := fr.Payload; len(rest) > 0; {
		entry, r, err := proof.NextBundleEntry(rest)
		if err != nil {
			return &IntegrityError{Seq: fr.Key + uint64(len(s.entries)), HasSeq: true, File: name, Reason: "entries of a frame", Err: err}
		}
		s.entries, rest = append(s.entries, entry), r
	}
	if err := s.fn(fr.Key, s.entries); err != nil {
		return err
	}
	s.rep.Next += uint64(len(s.entries))
	return nil
}
