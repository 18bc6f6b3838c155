package fsxtest

import (
	"crypto/sha256"
	"io"
	"slices"
)

// content is a file's bytes: data, then zeros up to size. Reserved space costs no memory, and two disks share bytes
// until one of them writes.
type content struct {
	data   []byte
	size   int64
	shared bool               // data belongs to another content too: copy before writing
	sum    *[sha256.Size]byte // memo of the hash; nil where unknown
}

// share returns a copy that is independent of c; neither copies bytes before it writes.
func (c *content) share() content {
	c.shared = true
	return *c
}

func (c *content) writable() {
	c.sum = nil
	if c.shared {
		c.data = slices.Clone(c.data)
		c.shared = false
	}
}

func (c *content) writeAt(b []byte, off int64) {
	if len(b) == 0 {
		return
	}
	c.writable()
	end := off + int64(len(b))
	if grow := int(end) - len(c.data); grow > 0 {
		c.data = append(c.data, make([]byte, grow)...)
	}
	copy(c.data[off:], b)
	c.size = max(c.size, end)
}

func (c *content) truncate(size int64) {
	c.writable()
	if size < int64(len(c.data)) {
		clear(c.data[size:])
		c.data = c.data[:size]
	}
	c.size = size
}

func (c *content) readAt(b []byte, off int64) (int, error) {
	if off >= c.size {
		return 0, io.EOF
	}
	n := int(min(int64(len(b)), c.size-off))
	copied := 0
	if off < int64(len(c.data)) {
		copied = copy(b[:n], c.data[off:])
	}
	clear(b[copied:n])
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

// hash covers size and bytes; trailing zeros that are stored and those that are not count the same.
func (c *content) hash() [sha256.Size]byte {
	if c.sum == nil {
		d := c.data
		for len(d) > 0 && d[len(d)-1] == 0 {
			d = d[:len(d)-1]
		}
		h := sha256.New()
		var n [8]byte
		for i := range n {
			n[i] = byte(c.size >> (8 * i))
		}
		h.Write(n[:])
		h.Write(d)
		c.sum = (*[sha256.Size]byte)(h.Sum(nil))
	}
	return *c.sum
}
