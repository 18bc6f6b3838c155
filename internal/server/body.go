package server

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/klauspost/compress/zstd"
)

const (
	// maxWindow is the largest zstd window that is accepted, in bytes: what RFC 8878 asks of decoders.
	maxWindow = 8 << 20
	// firstBuffer and keptBuffer are the sizes in bytes of a new body buffer, and of the largest that is kept for reuse.
	firstBuffer = 64 << 10
	keptBuffer  = 4 << 20
)

// Errors of reading a body; see bodies.read.
var (
	errTooLarge   = errors.New("the body is too large")
	errEncoding   = errors.New("unsupported content encoding")
	errGarbled    = errors.New("the body cannot be unpacked")
	errOverloaded = errors.New("all memory for requests is in use")
	errSlow       = errors.New("the body did not arrive in time")
	errCut        = errors.New("the body ended before all of it had arrived")
	errFraming    = errors.New("the body's chunks are not of HTTP's form")
)

// memory counts the bytes of request bodies that are held at once, over all requests.
type memory struct {
	limit int64
	used  atomic.Int64
}

// take takes n bytes, or nothing.
func (m *memory) take(n int64) bool {
	if m.used.Add(n) > m.limit {
		m.used.Add(-n)
		return false
	}
	return true
}

// bodies reads bodies into buffers that are used again, within the memory that all of them share. A body is received as it
// comes, and unpacked only once it is there: so a slow sender holds what it has sent, and no decompressor.
type bodies struct {
	mem     *memory
	buffers sync.Pool       // of *body
	unpack  chan *unpackers // as many as may unpack at once
}

// unpackers are the decompressors of one goroutine, made when they are first needed. Their windows are part of no budget,
// because there are as many as processors.
type unpackers struct {
	gzip *gzip.Reader
	zstd *zstd.Decoder
}

func newBodies(limit int64, processors int) *bodies {
	s := &bodies{mem: &memory{limit: limit}, unpack: make(chan *unpackers, processors)}
	for range processors {
		s.unpack <- new(unpackers)
	}
	return s
}

// body is bytes in a buffer that goes back when its owner calls free, once, after the last use of b.
type body struct {
	b     []byte
	taken int64
	from  *bodies
}

func (s *bodies) get() (*body, error) {
	b, ok := s.buffers.Get().(*body)
	if !ok {
		b = &body{from: s}
	}
	if !s.mem.take(int64(cap(b.b))) {
		s.buffers.Put(b)
		return nil, errOverloaded
	}
	b.b, b.taken = b.b[:0], int64(cap(b.b))
	return b, nil
}

func (b *body) free() {
	b.from.mem.used.Add(-b.taken)
	b.taken = 0
	if cap(b.b) <= keptBuffer {
		b.from.buffers.Put(b)
	}
}

// fill reads all of r, at most limit bytes, and accounts for memory before it allocates it.
func (b *body) fill(r io.Reader, limit int64) error {
	for {
		if len(b.b) == cap(b.b) {
			next := min(max(2*int64(cap(b.b)), firstBuffer), limit+1) // one more, so that the end of a body of the very limit is seen
			if !b.from.mem.take(next - b.taken) {
				return errOverloaded
			}
			b.taken = next
			wider := make([]byte, len(b.b), next)
			copy(wider, b.b)
			b.b = wider
		}
		n, err := r.Read(b.b[len(b.b):cap(b.b)])
		b.b = b.b[:len(b.b)+n]
		if int64(len(b.b)) > limit {
			return fmt.Errorf("%w: at most %d bytes are taken", errTooLarge, limit)
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// read reads the whole body: at most packed bytes as they come, and at most inflated bytes once unpacked. received is how
// many came, also with an error. Errors wrap errTooLarge, errEncoding, errGarbled, errOverloaded, errSlow,
// errCut or errFraming; then nothing is left to free.
func (s *bodies) read(w http.ResponseWriter, r *http.Request, packed, inflated int64) (b *body, received int64, err error) {
	encoding, err := contentEncoding(r.Header)
	if err != nil {
		return nil, 0, err
	}
	if r.ContentLength > packed {
		return nil, 0, fmt.Errorf("%w: it says %d bytes, at most %d are taken", errTooLarge, r.ContentLength, packed)
	}
	if b, err = s.get(); err != nil {
		return nil, 0, err
	}
	if err = b.fill(http.MaxBytesReader(w, r.Body, packed), packed); err != nil {
		received = int64(len(b.b))
		b.free()
		return nil, received, receiveError(err)
	}
	received = int64(len(b.b))
	if encoding == "" {
		if received > inflated {
			b.free()
			return nil, received, fmt.Errorf("%w: at most %d bytes are taken", errTooLarge, inflated)
		}
		return b, received, nil
	}
	defer b.free()
	plain, err := s.get()
	if err != nil {
		return nil, received, err
	}
	if err := s.inflate(plain, encoding, b.b, inflated); err != nil {
		plain.free()
		return nil, received, err
	}
	return plain, received, nil
}

// contentEncoding is gzip, zstd, or "" for none.
func contentEncoding(h http.Header) (string, error) {
	values := h.Values("Content-Encoding")
	if len(values) == 0 {
		return "", nil
	}
	switch name := strings.ToLower(strings.TrimSpace(values[0])); {
	case len(values) > 1: // one in the other is a bomb, or a mistake
	case name == "identity", name == "":
		return "", nil
	case name == "gzip", name == "zstd":
		return name, nil
	}
	return "", fmt.Errorf("%w: gzip, zstd or none of them is taken, and no two", errEncoding) // what came is the sender's text: not repeated
}

func (s *bodies) inflate(dst *body, encoding string, src []byte, limit int64) error {
	u := <-s.unpack // held while the processor works, and no longer
	defer func() { s.unpack <- u }()
	in := bytes.NewReader(src)
	r, err := u.reader(encoding, in)
	if err == nil {
		err = dst.fill(r, limit)
	}
	switch {
	case err == nil && in.Len() > 0:
		return fmt.Errorf("%w: %d bytes follow the compressed data", errGarbled, in.Len())
	case err == nil, errors.Is(err, errTooLarge), errors.Is(err, errOverloaded):
		return err
	}
	return fmt.Errorf("%w: %w", errGarbled, err)
}

func (u *unpackers) reader(encoding string, in *bytes.Reader) (io.Reader, error) {
	if encoding == "gzip" {
		if u.gzip == nil {
			u.gzip = new(gzip.Reader)
		}
		return u.gzip, u.gzip.Reset(in)
	}
	if u.zstd == nil {
		// No goroutines of its own. What a frame says of its size is not believed: output is written where fill has room.
		z, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecoderLowmem(true))
		if err != nil {
			return nil, err
		}
		u.zstd = z
	}
	return u.zstd, u.zstd.Reset(in)
}

// receiveError translates the errors of net/http.
func receiveError(err error) error {
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return fmt.Errorf("%w: at most %d bytes are taken", errTooLarge, large.Limit)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return errSlow
	case errors.Is(err, errTooLarge), errors.Is(err, errOverloaded):
		return err
	case errors.Is(err, io.ErrUnexpectedEOF), errors.As(err, new(net.Error)): // something on the way may have cut it: the sender knows nothing of that
		return errCut
	}
	return errFraming // net/http's text may repeat what came
}
