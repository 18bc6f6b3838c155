package snapshot

import (
	"encoding/binary"
	"hash"
	"math"
	"strconv"
	"time"
)

// Tags of the items that a digest is taken over (docs/spec/snapshot.md).
const (
	tagNull  = 'n' // nothing
	tagBool  = 'b' // one byte, 0 or 1
	tagInt   = 'i' // decimal, no leading zero, '-' where negative
	tagFloat = 'd' // IEEE 754 binary64, big-endian
	tagText  = 's' // bytes as they are, not known to be UTF-8
	tagBytes = 'x'
	tagTime  = 't' // RFC 3339, UTC, nine fraction digits
	tagList  = 'l' // followed by so many items
	tagMap   = 'm' // followed by so many pairs of text and item, sorted by the bytes of the text
)

// encoder writes items: a tag, a length or a number of items as eight bytes big-endian, and the bytes or items. Nothing
// written by two different sequences of calls is the same.
type encoder struct {
	w   hash.Hash
	buf []byte // of the last head
	n   int64  // bytes written
}

func (e *encoder) open(tag byte, n int) {
	e.buf = append(e.buf[:0], tag)
	e.buf = binary.BigEndian.AppendUint64(e.buf, uint64(n)) //nolint:gosec // a length is not negative
	e.write(e.buf)
}

func (e *encoder) write(b []byte) {
	_, _ = e.w.Write(b) // a hash.Hash never fails
	e.n += int64(len(b))
}

func (e *encoder) bytes(tag byte, b []byte) {
	e.open(tag, len(b))
	e.write(b)
}

func (e *encoder) null()         { e.open(tagNull, 0) }
func (e *encoder) text(s string) { e.bytes(tagText, []byte(s)) }
func (e *encoder) int(n int64)   { e.bytes(tagInt, strconv.AppendInt(nil, n, 10)) }

func (e *encoder) bool(b bool) {
	v := []byte{0}
	if b {
		v[0] = 1
	}
	e.bytes(tagBool, v)
}

// float writes every NaN alike, and -0 as it is.
func (e *encoder) float(f float64) {
	if f != f {
		f = math.NaN()
	}
	e.bytes(tagFloat, binary.BigEndian.AppendUint64(nil, math.Float64bits(f)))
}

func (e *encoder) time(t time.Time) {
	e.bytes(tagTime, t.UTC().AppendFormat(nil, "2006-01-02T15:04:05.000000000Z"))
}
