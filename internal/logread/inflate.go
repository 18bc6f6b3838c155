package logread

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"slices"
	"sync"

	"github.com/klauspost/compress/flate"

	"github.com/stetlog/stet/proof"
)

// A stored bundle is one gzip member (RFC 1952) with a constant header, and nothing behind it: no name, no comment, no
// time, in which something could stand that no hash covers. Its last two bytes say: fastest compressor, unknown system.
// In the middle stands the time. klauspost/compress writes the zero time.Time there where nobody sets one, which is as
// constant as the zero that RFC 1952 means by "no time".
var gzipHeaders = [2][10]byte{
	{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 4, 0xff},
	{0x1f, 0x8b, 8, 0, 0x00, 0x09, 0x6e, 0x88, 4, 0xff},
}

const gzipHeader = len(gzipHeaders[0])

const (
	gzipTrailer = 8 // CRC-32 and length, little-endian

	// maxRatio is the most that DEFLATE can grow: 258 bytes from two bits, rounded up.
	maxRatio = 1032

	// maxCompressed is the largest gzip form of the largest bundle: DEFLATE falls back to stored blocks, which add
	// five bytes to at most 65,535; the rest is allowance for a compressor that cuts its blocks shorter.
	maxCompressed = proof.MaxBundle + proof.MaxBundle/256 + 1024
)

// inflater keeps decompressors, whose windows are 32 KiB each, for reuse.
type inflater struct{ pool *sync.Pool }

// inflate unpacks a stored bundle, into the memory of buf where that is large enough. It allocates at most what the compressed bytes can hold, and at most MaxBundle.
func (p *inflater) inflate(buf, b []byte) ([]byte, error) {
	in, size, err := member(b)
	if err != nil {
		return nil, err
	}
	trailer := b[len(b)-gzipTrailer:]
	fr, err := p.reader(in)
	if err != nil {
		return nil, err
	}
	// Not closed: that only returns its memory to another pool; and after an error Reset makes it as new.
	defer p.pool.Put(fr)
	out := slices.Grow(buf[:0], int(size))[:size]
	if _, err := io.ReadFull(fr, out); err != nil {
		return nil, fmt.Errorf("unpack: %w", err)
	}
	var one [1]byte
	switch n, err := io.ReadFull(fr, one[:]); {
	case n > 0:
		return nil, fmt.Errorf("it unpacks to more than the %d bytes that it says", size)
	case !errors.Is(err, io.EOF):
		return nil, fmt.Errorf("unpack: %w", err)
	case in.Len() > 0:
		return nil, fmt.Errorf("%d bytes follow the compressed data", in.Len())
	case crc32.ChecksumIEEE(out) != binary.LittleEndian.Uint32(trailer):
		return nil, errors.New("its checksum does not match")
	}
	return out, nil
}

// member finds the compressed data of a stored bundle, and how long it says that it is when it is unpacked.
func member(b []byte) (in *bytes.Reader, size int64, err error) {
	if len(b) < gzipHeader+gzipTrailer {
		return nil, 0, fmt.Errorf("%d bytes are no gzip file", len(b))
	}
	if !slices.Contains(gzipHeaders[:], [gzipHeader]byte(b[:gzipHeader])) {
		return nil, 0, errors.New("it does not begin with the one gzip header that bundles have")
	}
	size = int64(binary.LittleEndian.Uint32(b[len(b)-4:]))
	if size > proof.MaxBundle || size > int64(len(b))*maxRatio {
		return nil, 0, fmt.Errorf("it says that it unpacks to %d bytes, which it cannot or may not", size)
	}
	return bytes.NewReader(b[gzipHeader : len(b)-gzipTrailer]), size, nil
}

func (p *inflater) reader(in io.Reader) (io.ReadCloser, error) {
	fr, _ := p.pool.Get().(io.ReadCloser)
	if fr == nil {
		return flate.NewReader(in), nil
	}
	return fr, fr.(flate.Resetter).Reset(in, nil)
}

// front unpacks the first n entries of a stored bundle of most, and further ones while more says so of the last.
func (p *inflater) front(b []byte, n, most int, more func(entry []byte) bool) ([]byte, error) {
	in, size, err := member(b)
	if err != nil {
		return nil, err
	}
	fr, err := p.reader(in)
	if err != nil {
		return nil, err
	}
	defer p.pool.Put(fr)
	guess := n + 1
	if more != nil {
		guess += proof.TileWidth / 4
	}
	out := make([]byte, 0, size*int64(min(guess, proof.TileWidth))/proof.TileWidth+1<<10)
	for i, last := 0, 0; i < n || i < most && more != nil && more(out[last:]); i++ {
		for _, length := range [2]int{2, -1} { // a length, and so many bytes
			if length < 0 {
				length, last = int(binary.BigEndian.Uint16(out[len(out)-2:])), len(out)
			}
			at := len(out)
			if int64(at+length) > size {
				return nil, errors.New("it ends early")
			}
			out = slices.Grow(out, length)[:at+length]
			if _, err := io.ReadFull(fr, out[at:]); err != nil {
				return nil, fmt.Errorf("unpack: %w", err)
			}
		}
	}
	return out, nil
}
