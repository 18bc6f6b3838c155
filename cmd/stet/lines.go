package main

import (
	"bufio"
	"errors"
	"io"
)

// maxLine bounds one line of a file that is brought in, in bytes without its end.
const maxLine = 1 << 20

// errLongLine says that a line is longer than maxLine. The next call goes on behind it.
var errLongLine = errors.New("line too long")

// lineReader reads a file line by line, in bounded memory whatever is in it.
type lineReader struct {
	r      *bufio.Reader
	number int    // of the line that next returned last, from 1
	read   uint64 // bytes
	buf    []byte
	// keep gets the bytes of a line that is too long; nil: nobody does.
	keep func([]byte) error
}

func newLineReader(r io.Reader) *lineReader {
	return &lineReader{r: bufio.NewReaderSize(r, 64<<10)}
}

// next returns a line without its end, valid until the next call, and io.EOF behind the last one. A last line without an
// end is a line.
func (l *lineReader) next() ([]byte, error) {
	l.buf = l.buf[:0]
	l.number++
	long := false
	for {
		part, err := l.r.ReadSlice('\n')
		l.read += uint64(len(part))
		ended := err == nil
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) && !errors.Is(err, io.EOF) {
			return nil, err
		}
		if errors.Is(err, io.EOF) && len(part) == 0 && len(l.buf) == 0 && !long {
			l.number--
			return nil, io.EOF
		}
		if !long && len(l.buf)+len(part) > maxLine+1 {
			long = true
			if err := l.keeps(l.buf); err != nil {
				return nil, err
			}
			l.buf = l.buf[:0]
		}
		if !long {
			l.buf = append(l.buf, part...)
		} else if err := l.keeps(part); err != nil {
			return nil, err
		}
		if !ended && !errors.Is(err, io.EOF) {
			continue
		}
		if n := len(l.buf); n > 0 && l.buf[n-1] == '\n' {
			l.buf = l.buf[:n-1]
		}
		if !long && len(l.buf) > maxLine { // only the last line, which has no end
			long = true
			if err := l.keeps(l.buf); err != nil {
				return nil, err
			}
		}
		if long {
			return nil, errLongLine
		}
		return l.buf, nil
	}
}

func (l *lineReader) keeps(b []byte) error {
	if l.keep == nil {
		return nil
	}
	return l.keep(b)
}
