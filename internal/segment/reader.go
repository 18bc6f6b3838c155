package segment

import (
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
	spent  int64 // bytes checksummed, to bound a search
	resume int64 // the first whole frame behind the bad one; 0: none
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

// Next returns the next frame, io.EOF after the last good one, or a *CorruptError where a bad frame has something behind
// it that shows it to be damage and not a torn tail. A read error is returned as it is: it says nothing about the data.
func (r *Reader) Next() (Frame, error) {
	fr, _, err := r.frameAt(r.off)
	if err != nil {
		return Frame{}, err
	}
	if fr.Payload == nil {
		damage, err := r.behind()
		if err != nil {
			return Frame{}, err
		}
		if damage == "" {
			return Frame{}, io.EOF
		}
		// A live writer may have finished the frame between the two looks.
		if fr, _, err = r.frameAt(r.off); err != nil {
			return Frame{}, err
		}
		if fr.Payload == nil {
			return Frame{}, &CorruptError{File: r.name, Offset: r.off, Key: r.last, Reason: damage}
		}
	}
	r.off = fr.end()
	r.last = fr.Key
	return fr, nil
}

// Skip goes on behind the damage that Next reported, at the first whole frame there, and says whether there is one.
// Whoever skips owes an account of what is missing: the keys on both sides tell which.
func (r *Reader) Skip() bool {
	if r.resume <= r.off {
		return false
	}
	r.off = r.resume
	return true
}

func (fr Frame) end() int64 { return fr.Offset + frameSize + int64(len(fr.Payload)) }

// frameAt reads the frame at off, and the offset of its group. The payload is nil where no frame stands there.
func (r *Reader) frameAt(off int64) (Frame, int64, error) {
	if off+frameSize > r.size {
		return Frame{}, 0, nil
	}
	var head [frameSize]byte
	if ok, err := r.read(head[:], off); !ok {
		return Frame{}, 0, err
	}
	n := int64(binary.BigEndian.Uint32(head[4:]))
	group := off - int64(binary.BigEndian.Uint32(head[16:]))
	if [4]byte(head[:4]) != marker || n == 0 || n > MaxPayload || off+frameSize+n > r.size || group < r.header.Size() {
		return Frame{}, 0, nil
	}
	if int64(cap(r.buf)) < n {
		r.buf = make([]byte, n)
	}
	r.spent += n
	payload := r.buf[:n]
	if ok, err := r.read(payload, off+frameSize); !ok {
		return Frame{}, 0, err
	}
	if checksum(r.header.Salt, head[:frameCRC], payload) != binary.BigEndian.Uint32(head[frameCRC:]) {
		return Frame{}, 0, nil
	}
	return Frame{Key: binary.BigEndian.Uint64(head[8:]), Offset: off, Payload: payload}, group, nil
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
