// Package segment reads and writes append-only files of checksummed frames: the journal of a ledger and the spool of an
// emitter are both made of them.
//
// A segment is a header and then frames, nothing between them. The header carries a random salt that seeds every
// frame's checksum, so that a frame left over from another file can never be taken for one of this file.
//
//	header (64 bytes, then meta)                     frame (24 bytes, then payload)
//	 0  16  magic: kind and version, zero-padded      0  4  marker F7 73 66 31
//	16   8  salt                                      4  4  length of the payload in bytes
//	24   8  number of the segment, from 1             8  8  key: what the payload starts with (see the kind's spec)
//	32   4  length of meta                           16  4  back: bytes from the start of the group to this frame
//	36   4  CRC-32C of the header and meta           20  4  CRC-32C of salt, the 20 bytes above, payload
//	        with this field zero                     24     payload
//	40  24  zero
//	64      meta: the kind's own JSON
//
// All integers are big-endian. A group is what one Commit wrote: its frames become durable together, and no group is
// begun before the one in front of it is durable.
//
// What follows the last good frame is nothing, zeros (reserved space), or a torn tail: the remains of the group that was
// being written when the machine stopped. Power cuts do not tear in order, so a group may have lost its first sectors
// and kept its last, and a good frame behind a bad one is not yet damage. It is damage, reported and never cut,
//
//   - if the good frame's group begins behind the bad frame: then the bad one was durable once, or
//   - if both are of one group and no 512-byte sector in front of the good one reads as zeros: segments are written to
//     where nothing stood before, so what did not arrive reads as zeros.
//
// What cannot be told from a torn tail: damage to the very last frame, and sectors of the last group that turned to
// zeros later. Whoever needs to know the difference keeps the number of the last acknowledged frame elsewhere.
package segment

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/stetlog/stet/internal/fsx"
)

const (
	headerSize = 64
	frameSize  = 24
	frameCRC   = 20 // where a frame's checksum stands
	crcOffset  = 36

	// MaxMeta is the largest meta of a segment, in bytes.
	MaxMeta = 4 << 10
	// MaxPayload is the largest payload of a frame, in bytes: a batch of 1,000 events and 1 MiB, with 2 KiB around each.
	MaxPayload = 4 << 20
	// MaxGroup is how many bytes may wait for one Commit before another frame is refused.
	MaxGroup = 64 << 20

	// window is how much of a file is searched at a time, in bytes.
	window = 64 << 10
	// searchBudget bounds what a search behind a bad frame reads for markers that turn out to be none, in bytes.
	searchBudget = 64 * MaxPayload
)

var (
	marker     = [4]byte{0xF7, 's', 'f', '1'}
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
)

// Kind is a segment's magic: what it holds, and the version of that format. At most 16 bytes.
type Kind string

// Header is what a segment says of itself.
type Header struct {
	Kind   Kind
	Salt   [8]byte
	Number uint64
	Meta   []byte
}

// Size is where the first frame stands, in bytes.
func (h Header) Size() int64 { return int64(headerSize + len(h.Meta)) }

func (h Header) append(dst []byte) []byte {
	start := len(dst)
	dst = append(dst, h.Kind...)
	dst = append(dst, make([]byte, 16-len(h.Kind))...)
	dst = append(dst, h.Salt[:]...)
	dst = binary.BigEndian.AppendUint64(dst, h.Number)
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(h.Meta)))
	dst = append(dst, make([]byte, headerSize-crcOffset)...)
	dst = append(dst, h.Meta...)
	binary.BigEndian.PutUint32(dst[start+crcOffset:], crc32.Checksum(dst[start:], castagnoli))
	return dst
}

// CorruptError is damage that no crash explains. Nothing was changed because of it.
type CorruptError struct {
	File   string
	Offset int64 // bytes from the start of the file
	Key    uint64
	Reason string
}

func (e *CorruptError) Error() string {
	return fmt.Sprintf("%s is damaged at byte %d (after key %d): %s", e.File, e.Offset, e.Key, e.Reason)
}

// ErrNoHeader says that a file has no whole header and no frame, as a crash during its creation leaves it: it never held
// a durable frame, because a segment's header is synced before its first frame.
var ErrNoHeader = errors.New("segment has no whole header")

// ReadHeader reads and checks the header. What a crash during creation can leave (too short, or with sectors of zeros,
// and no frame) is ErrNoHeader; a file of another kind or version, or one whose header is damaged, is a *CorruptError.
func ReadHeader(f fsx.File, name string, kind Kind) (Header, error) {
	var b [headerSize]byte
	n, err := f.ReadAt(b[:], 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return Header{}, fmt.Errorf("read %s: %w", name, err)
	}
	if n < headerSize || allZero(b[:]) {
		return Header{}, unborn(f, name)
	}
	magic := string(bytes.TrimRight(b[:16], "\x00"))
	if magic != string(kind) {
		return Header{}, &CorruptError{File: name, Reason: fmt.Sprintf("it says %q where %q is expected", magic, kind)}
	}
	metaLen := binary.BigEndian.Uint32(b[32:])
	if metaLen > MaxMeta {
		return Header{}, &CorruptError{File: name, Offset: 32, Reason: fmt.Sprintf("meta of %d bytes, limit %d", metaLen, MaxMeta)}
	}
	h := Header{Kind: kind, Salt: [8]byte(b[16:24]), Number: binary.BigEndian.Uint64(b[24:]), Meta: make([]byte, metaLen)}
	n, err = f.ReadAt(h.Meta, headerSize)
	if err != nil && !errors.Is(err, io.EOF) {
		return Header{}, fmt.Errorf("read %s: %w", name, err)
	}
	if n < len(h.Meta) {
		return Header{}, unborn(f, name)
	}
	if !bytes.Equal(h.append(nil)[:headerSize], b[:]) {
		if missingSector(h.Meta, headerSize) {
			return Header{}, unborn(f, name)
		}
		return Header{}, &CorruptError{File: name, Offset: crcOffset, Reason: "the header does not match its checksum"}
	}
	return h, nil
}

// unborn tells a segment whose creation was cut short from one that lost its header: only the second holds frames.
func unborn(f fsx.File, name string) error {
	b := make([]byte, window)
	for at := int64(0); ; at += window - int64(len(marker)) + 1 {
		n, err := f.ReadAt(b, at)
		if err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("read %s at byte %d: %w", name, at, err)
		}
		if i := bytes.Index(b[:n], marker[:]); i >= 0 {
			return &CorruptError{File: name, Offset: at + int64(i), Reason: "a frame stands here, but the header is gone"}
		}
		if n < window {
			return fmt.Errorf("%s: %w", name, ErrNoHeader)
		}
	}
}

func checksum(salt [8]byte, head, payload []byte) uint32 {
	crc := crc32.Update(0, castagnoli, salt[:])
	crc = crc32.Update(crc, castagnoli, head)
	return crc32.Update(crc, castagnoli, payload)
}

// sector is the unit that a disk writes whole or not at all, in bytes.
const sector = 512

// missingSector says whether b, which stands at off in a file, holds a sector of zeros, or the zeros that are its part
// of one.
func missingSector(b []byte, off int64) bool {
	for len(b) > 0 {
		n := min(int64(len(b)), sector-off%sector)
		if allZero(b[:n]) {
			return true
		}
		b, off = b[n:], off+n
	}
	return false
}

func allZero(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}
