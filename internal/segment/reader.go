package segment

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/stetlog/stet/internal/fsx"
)

// Frame is one frame as read. Payload is valid until the next call of Next.
type Frame struct {
	Key     uint64
	Offset  int64 // bytes from the start of the file
	Payload []byte
}

// Reader reads the frames of one segment in order, in bounded memory. It is not safe for concurrent use. A segment that
// is being written can be read: what the writer has not finished looks like a torn tail.
type Reader struct {
	f      fsx.File
	name   string
	header Header
	off    int64
	size   int64
	last   uint64 // key of the last good frame
	buf    []byte
	torn   bool
}

// NewReader checks the header and stands before the first frame. The caller keeps and closes f.
func NewReader(f fsx.File, name string, kind Kind) (*Reader, error) {
	h, err := ReadHeader(f, name, kind)
	if err != nil {
		return nil, err
	}
	size, err := f.Size()
	if err != nil {
		return nil, err
	}
	return &Reader{f: f, name: name, header: h, off: h.Size(), size: size}, nil
}

// Header is the segment's header.
func (r *Reader) Header() Header { return r.header }

// Offset is where the next frame would start: after io.EOF, the end of what is good, in bytes.
func (r *Reader) Offset() int64 { return r.off }

// Torn says, after io.EOF, whether the file ends in the remains of an unfinished frame. In a segment that is not the
// last of its directory that is damage, for its successor was only made when it was whole: the caller decides.
func (r *Reader) Torn() bool { return r.torn }

// Next returns the next frame, io.EOF after the last good one, or a *CorruptError where a bad frame has a good one
// behind it. A read error is returned as it is: it says nothing about the data.
func (r *Reader) Next() (Frame, error) {
	fr, ok, err := r.frameAt(r.off)
	if err != nil {
		return Frame{}, err
	}
	if !ok {
		later, err := r.findLater()
		if err != nil {
			return Frame{}, err
		}
		if later == "" {
			return Frame{}, io.EOF
		}
		// A live writer may have finished the frame between the two looks.
		if fr, ok, err = r.frameAt(r.off); err != nil {
			return Frame{}, err
		}
		if !ok {
			return Frame{}, &CorruptError{File: r.name, Offset: r.off, Key: r.last, Reason: later}
		}
	}
	r.off += int64(frameSize + len(fr.Payload))
	r.last = fr.Key
	return fr, nil
}

// frameAt reads the frame at off; ok is false where none stands there.
func (r *Reader) frameAt(off int64) (Frame, bool, error) {
	if off+frameSize > r.size {
		return Frame{}, false, nil
	}
	var head [frameSize]byte
	if ok, err := r.read(head[:], off); !ok {
		return Frame{}, false, err
	}
	n := int64(binary.BigEndian.Uint32(head[4:]))
	if [4]byte(head[:4]) != marker || n == 0 || n > MaxPayload || off+frameSize+n > r.size {
		return Frame{}, false, nil
	}
	if int64(cap(r.buf)) < n {
		r.buf = make([]byte, n)
	}
	payload := r.buf[:n]
	if ok, err := r.read(payload, off+frameSize); !ok {
		return Frame{}, false, err
	}
	if checksum(r.header.Salt, head[:16], payload) != binary.BigEndian.Uint32(head[16:]) {
		return Frame{}, false, nil
	}
	return Frame{Key: binary.BigEndian.Uint64(head[8:]), Offset: off, Payload: payload}, true, nil
}

// read fills b; false without an error means that the file is shorter than it was.
func (r *Reader) read(b []byte, off int64) (bool, error) {
	n, err := r.f.ReadAt(b, off)
	if n == len(b) {
		return true, nil
	}
	if errors.Is(err, io.EOF) {
		return false, nil
	}
	return false, fmt.Errorf("read %s at byte %d: %w", r.name, off, err)
}

// maxCandidates bounds the search for a later frame. The marker is not valid UTF-8, so our own payloads never hold it.
const maxCandidates = 1024

// findLater looks at what stands behind the last good frame, every byte once, in windows that overlap by a marker. It
// returns why that is damage, or "" where it is nothing, zeros or a torn tail.
func (r *Reader) findLater() (string, error) {
	const window = 64 << 10
	b := make([]byte, window)
	candidates := 0
	for at := r.off; at < r.size; {
		n := min(window, r.size-at)
		if ok, err := r.read(b[:n], at); !ok {
			return "", err
		}
		if !r.torn && !allZero(b[:n]) {
			r.torn = true
		}
		for i := 0; ; i++ {
			j := bytes.Index(b[i:n], marker[:])
			if j < 0 {
				break
			}
			i += j
			if candidates++; candidates > maxCandidates {
				return "more frame markers stand behind it than a torn write leaves", nil
			}
			fr, ok, err := r.frameAt(at + int64(i))
			if err != nil {
				return "", err
			}
			if ok && fr.Offset > r.off {
				return fmt.Sprintf("a whole frame (key %d) stands behind it at byte %d, so this is not a torn write", fr.Key, fr.Offset), nil
			}
		}
		if n < window {
			break
		}
		at += n - int64(len(marker)) + 1
	}
	return "", nil
}
