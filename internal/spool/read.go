package spool

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"

	"github.com/stetlog/stet/internal/fsx"
	"github.com/stetlog/stet/internal/segment"
)

// Report is what Read found.
type Report struct {
	Meta     Meta     // of the first segment that is sound; the zero Meta where none is
	Segments []string // file names, oldest first
	Next     uint64   // the stream_seq behind the last whole batch; 0 where there is none
	Torn     bool     // the spool ends in what its owner was writing when it died, or is writing now
	Damaged  []Damage // in order
}

// Damage is what cannot be read and no crash explains. What it cost is what is missing between AfterSeq and BeforeSeq:
// whoever drains the spool declares that lost, durably, and only then moves the segment away with Quarantine. A damaged
// file is reported for as long as it is there, also where the numbers are all below what Read was asked for, which then
// have been accounted for; missing files and missing numbers only where something is missing that was asked for.
type Damage struct {
	Segment   string // file name
	Offset    int64  // bytes from its start
	Reason    string
	AfterSeq  uint64 // the last good stream_seq in front of it; 0: none
	BeforeSeq uint64 // the first good stream_seq behind it; 0: none, and what is lost has no known end
	hole      bool   // nothing is damaged that is there
}

// maxDamage bounds a Report. A spool with more is not worth a finer account.
const maxDamage = 10_000

// ErrTooDamaged says that Read gave up.
var ErrTooDamaged = errors.New("spool has too many damaged places to list")

// Read calls fn for each whole batch that holds an event with a number of at least from, or begins there, in the order of
// the stream. With from 0 it accepts whatever stream_seq the spool begins with; otherwise missing numbers from there on
// are damage. The batch refers to memory that is overwritten after fn returned; fn's error ends the reading and is
// returned as it is.
//
// It holds one batch in memory, needs no lock, and works while the owner writes and another process trims: what was
// trimmed meanwhile is left out without complaint, what was added meanwhile may be left out. Damage does not end it: it
// is reported, and reading goes on behind it. An error is about reading itself, and says nothing about the data;
// fs.ErrNotExist: there is no such spool.
func Read(fsys fsx.FS, dir, stream string, from uint64, fn func(Batch) error) (Report, error) {
	if err := checkStream(stream); err != nil {
		return Report{}, err
	}
	r := &reading{fsys: fsys, spool: path.Join(dir, stream), stream: stream, from: from, expect: from, fn: fn}
	err := r.all()
	for _, d := range r.open { // nothing good came behind
		d.AfterSeq = max(d.AfterSeq, from-min(1, from))
		r.report.Damaged = append(r.report.Damaged, d)
	}
	if err != nil && !r.stopped {
		err = fmt.Errorf("read the spool of stream %s: %w", stream, err)
	}
	return r.report, err
}

// ReadMeta reads who writes a spool, from the first segment that says so soundly.
func ReadMeta(fsys fsx.FS, dir, stream string) (Meta, error) {
	if err := checkStream(stream); err != nil {
		return Meta{}, err
	}
	r := &reading{fsys: fsys, spool: path.Join(dir, stream), stream: stream}
	numbers, err := segments(fsys, r.spool)
	if err != nil {
		return Meta{}, fmt.Errorf("read who writes stream %s: %w", stream, err)
	}
	why := errors.New("it has no segment")
	for _, n := range numbers {
		if why = r.readMeta(n); why == nil {
			return r.report.Meta, nil
		}
	}
	return Meta{}, fmt.Errorf("read who writes stream %s: %w", stream, why)
}

func (r *reading) readMeta(n uint64) error {
	f, err := r.fsys.Open(path.Join(r.spool, segmentName(n)))
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // read only: nothing to lose
	h, err := segment.ReadHeader(f, segmentName(n), Kind)
	if err != nil {
		return err
	}
	if reason := r.identify(h, n); reason != "" {
		return &segment.CorruptError{File: segmentName(n), Reason: reason}
	}
	return nil
}

// reading is the state of one Read.
type reading struct {
	fsys          fsx.FS
	spool, stream string
	from          uint64
	fn            func(Batch) error
	stopped       bool // by fn

	expect uint64 // what the next batch should begin with; 0: anything
	final  bool   // the stream ended
	meta   []byte // of the first sound segment
	events [][]byte
	open   []Damage // found since the last good batch: what comes behind is not known yet
	report Report
}

func (r *reading) all() error {
	numbers, err := segments(r.fsys, r.spool)
	if err != nil {
		return err
	}
	for _, n := range numbers {
		r.report.Segments = append(r.report.Segments, segmentName(n))
	}
	for i, n := range numbers {
		switch {
		case i > 0 && n != numbers[i-1]+1:
			r.missing(numbers[i-1] + 1)
		case n == 1 && r.expect == 0:
			r.expect = 1
		}
		if err := r.segment(n, i == len(numbers)-1); err != nil {
			return err
		}
	}
	return nil
}

func (r *reading) damage(segment string, offset int64, reason string) {
	r.open = append(r.open, Damage{Segment: segment, Offset: offset, Reason: reason, AfterSeq: r.report.Next - min(1, r.report.Next)})
}

func (r *reading) missing(n uint64) {
	r.damage(segmentName(n), 0, "the segment is missing")
	r.open[len(r.open)-1].hole = true
}

func (r *reading) segment(n uint64, last bool) error {
	name := segmentName(n)
	f, err := r.fsys.Open(path.Join(r.spool, name))
	if errors.Is(err, fs.ErrNotExist) {
		return r.vanished(n)
	}
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // read only: nothing to lose
	s, err := segment.NewReader(f, name, Kind)
	var corrupt *segment.CorruptError
	switch {
	case errors.Is(err, segment.ErrNoHeader) && last: // its owner died while it made this one
		r.report.Torn = true
		return nil
	case errors.Is(err, segment.ErrNoHeader):
		r.damage(name, 0, "it has no header, though it is not the last segment")
		return nil
	case errors.As(err, &corrupt):
		r.damage(name, corrupt.Offset, corrupt.Reason)
		return nil
	case err != nil:
		return err
	}
	if reason := r.identify(s.Header(), n); reason != "" {
		r.damage(name, 0, reason)
		return nil
	}
	for len(r.open)+len(r.report.Damaged) <= maxDamage {
		fr, err := s.Next()
		switch {
		case errors.Is(err, io.EOF):
			if s.Torn() && last {
				r.report.Torn = true
			} else if s.Torn() {
				r.damage(name, s.Offset(), "it ends in an unfinished batch, though it is not the last segment")
			}
			return nil
		case errors.As(err, &corrupt):
			r.damage(name, corrupt.Offset, corrupt.Reason)
			if !s.Skip() {
				return nil
			}
			continue
		case err != nil:
			return err
		}
		b, err := parseBatch(fr.Key, fr.Payload, r.events)
		if err != nil {
			r.damage(name, fr.Offset, "the batch is malformed: "+err.Error())
			continue
		}
		r.events = b.Events
		if reason := r.misplaced(b); reason != "" {
			r.damage(name, fr.Offset, reason)
			continue
		}
		if err := r.batch(b, name, fr.Offset); err != nil {
			return err
		}
	}
	return ErrTooDamaged
}

// vanished judges a segment that was listed and is gone. Trim goes from the oldest on, so it is trimmed where nothing
// older is left.
func (r *reading) vanished(n uint64) error {
	left, err := segments(r.fsys, r.spool)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if len(left) > 0 && slices.Min(left) < n {
		r.missing(n)
		return nil
	}
	r.expect = 0
	return nil
}

// identify compares a segment's header with where it stands, so that files cannot be swapped.
func (r *reading) identify(h segment.Header, n uint64) string {
	if h.Number != n {
		return fmt.Sprintf("it says that it is segment %d", h.Number)
	}
	m, err := parseMeta(h.Meta)
	switch {
	case err != nil:
		return err.Error()
	case m.StreamID != r.stream:
		return "it belongs to stream " + m.StreamID
	case r.meta == nil:
		r.meta, r.report.Meta = h.Meta, m
	case !bytes.Equal(r.meta, h.Meta):
		return "its meta differs from that of the segments in front of it"
	}
	return ""
}

// misplaced says why a whole batch does not belong where it stands; "" where it does, or where only something in front
// of it is missing.
func (r *reading) misplaced(b Batch) string {
	if r.final {
		return fmt.Sprintf("a batch from event %d stands behind the end of the stream", b.First)
	}
	if b.First < r.report.Next {
		return fmt.Sprintf("the batch begins with event %d, expected is %d", b.First, r.report.Next)
	}
	return ""
}

// batch accounts for a good batch: it closes what was open in front of it, reports a hole, and hands the batch on.
func (r *reading) batch(b Batch, name string, offset int64) error {
	if expect := max(r.expect, r.report.Next); r.expect > 0 && b.First > expect && len(r.open) == 0 {
		r.damage(name, offset, fmt.Sprintf("the batch begins with event %d, expected is %d: what was between is missing", b.First, expect))
		r.open[0].AfterSeq, r.open[0].hole = expect-1, true
	}
	for _, d := range r.open {
		d.BeforeSeq = b.First
		if b.First > r.from {
			d.AfterSeq = max(d.AfterSeq, r.from-min(1, r.from))
		} else if d.hole { // nothing that the caller still wants can have been there
			continue
		}
		r.report.Damaged = append(r.report.Damaged, d)
	}
	r.open = r.open[:0]
	r.report.Next = b.Next()
	r.expect = b.Next()
	r.final = len(b.Events) == 0
	if b.Next() <= r.from && (len(b.Events) > 0 || b.First < r.from) {
		return nil
	}
	if err := r.fn(b); err != nil {
		r.stopped = true
		return err
	}
	return nil
}
