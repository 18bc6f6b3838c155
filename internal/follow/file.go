package follow

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"time"
)

// errMoved says that a file is not any more what it was: it was truncated, or written anew.
var errMoved = errors.New("the file was written anew")

// file is one file that is read, open as long as it is.
type file struct {
	f      *os.File
	at     point
	first  [sha256.Size]byte // once at.First is known
	before []byte            // what stands before at.Offset, at most beforeBytes
	none   int64             // up to here there is no end of the record that begins at at.Offset
	old    bool              // nobody will open it any more
	copied bool              // it was made by copytruncate: nobody writes it either
	since  time.Time         // when it became old, or last grew after that
	end    int64             // of the batch that was given out and is not done
	tail   []byte            // what stands before end
}

// newFile begins to read f at a point.
func newFile(f *os.File, at point) (*file, error) {
	before, err := beforeOf(f, at.Offset)
	if err != nil {
		return nil, err
	}
	x := &file{f: f, at: at, before: before, none: at.Offset}
	if at.First != "" {
		_, err = hex.Decode(x.first[:], []byte(at.First))
	}
	return x, err
}

// read gives out the records behind the offset that have ended, at most maxRecords in about maxBytes; of one that is longer than
// MaxRecord without its text. What has no end yet is a record where final is set.
func (x *file) read(open func([]byte) bool, final bool) (records []Record, err error) {
	if x.at.First == "" {
		sum, ok, err := firstOf(x.f)
		if err != nil || !ok && !final {
			return nil, err
		}
		x.first, x.at.First = sum, hex.EncodeToString(sum[:])
	}
	if err := x.still(); err != nil {
		return nil, err
	}
	x.end, x.tail = x.at.Offset, x.before
	s := &scan{open: open, tail: x.before}
	from := x.at.Offset
	if x.none-x.at.Offset > MaxRecord { // of which only the end is looked for
		if from, s.size = x.none, x.none-x.at.Offset; open == nil {
			s.tail, err = beforeOf(x.f, from)
		} else {
			from, s.size = x.at.Offset, 0
		}
		if err != nil {
			return nil, err
		}
	}
	s.r = bufio.NewReaderSize(io.NewSectionReader(x.f, from, 1<<62-from), 64<<10)
	for len(records) < maxRecords && x.end-x.at.Offset < maxBytes {
		ended, err := s.next()
		if err != nil {
			return nil, err
		}
		if !ended && (!final || s.size == 0) {
			break
		}
		r := Record{At: x.end, Size: s.size, Again: x.end < x.at.Until}
		if s.size <= MaxRecord+1 {
			r.Text = bytes.TrimSuffix(s.text, []byte{'\n'})
		}
		records = append(records, r)
		x.end += s.size
		x.tail = bytes.Clone(s.tail)
		s.text, s.size = nil, 0
	}
	if len(records) == 0 {
		x.none = x.at.Offset + s.size
	}
	return records, x.still() // else what was read may be of two files
}

// scan reads records one by one.
type scan struct {
	r    *bufio.Reader
	open func([]byte) bool
	text []byte // of the record, with its end; not all of it where size is more than MaxRecord+1
	size int64  // of the record, as far as it was read
	tail []byte // the last bytes that were read, at most beforeBytes
}

// next reads to the end of a record; ended is false where the file ends before that.
func (s *scan) next() (ended bool, err error) {
	for {
		part, err := s.r.ReadSlice('\n')
		s.size += int64(len(part))
		if s.size <= MaxRecord+1 {
			s.text = append(s.text, part...)
		}
		if s.tail = append(s.tail[:len(s.tail):len(s.tail)], part...); len(s.tail) > beforeBytes {
			s.tail = s.tail[len(s.tail)-beforeBytes:]
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
		case errors.Is(err, io.EOF):
			return false, nil
		case err != nil:
			return false, err
		case s.open == nil || s.size > MaxRecord+1 || !s.open(s.text):
			return true, nil
		}
	}
}

// still says errMoved where what stands before the offset is not what was read there.
func (x *file) still() error {
	if x.at.First == "" {
		return nil
	}
	now, err := beforeOf(x.f, x.at.Offset)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || err == nil && !bytes.Equal(now, x.before) {
		return errMoved
	}
	if err != nil {
		return err
	}
	first, _, err := firstOf(x.f)
	if err == nil && first != x.first {
		return errMoved
	}
	return err
}

// done moves the offset behind what was given out.
func (x *file) done() {
	if x.end <= x.at.Offset {
		return
	}
	x.before, x.at.Before = x.tail, digest(x.tail)
	x.at.Offset, x.at.Until, x.none, x.end = x.end, max(x.at.Until, x.end), x.end, 0
}
