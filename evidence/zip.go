package evidence

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"math"

	"crypto/sha256"

	"github.com/klauspost/compress/flate"

	"github.com/stetlog/stet/internal/logread"
	"github.com/stetlog/stet/proof"
)

// The zip of evidence has one form, of which every header byte follows from names, sizes and checksums: local header, data
// and descriptor of each member, one behind the other from the first byte on, then the directory, then its end. So it cannot
// say one thing to a tool that reads it from the front, and another to one that reads it from the back.

// The members, in their order.
const (
	entriesName  = "entries.jsonl"
	treeName     = "tree.txt"
	batchesName  = "batches.txt"
	cpName       = logread.CheckpointPath
	keysName     = proof.KeyChainPath
	tableName    = "events.csv"
	storiesName  = "stories.html"
	verifierName = "verify.html"
	manifestName = "manifest.json"
)

// MaxFile is the size limit of a file of evidence, and of each member as it is unpacked, in bytes: what a zip without its
// 64-bit extension can say.
const MaxFile = math.MaxUint32

var members = [...]struct {
	name     string
	limit    uint64 // of bytes, unpacked
	optional bool
}{
	{entriesName, MaxFile, false},
	{treeName, MaxFile, false},
	{batchesName, MaxFile, false},
	{cpName, proof.MaxCheckpoint, false},
	{keysName, uint64(proof.MaxKeyChain), true},
	{tableName, MaxFile, true},
	{storiesName, MaxFile, true},
	{verifierName, 4 << 20, true},
}

const (
	localSize, centralSize, endSize, descriptorSize = 30, 46, 22, 16

	// maxRatio bounds how much larger than its packed bytes a member may be, beyond the first MiB. An entry has at most 65,535
	// bytes, 64 or so that no other has, and deflate needs 2 bits for 258 repeated ones.
	maxRatio  = 800
	freeRatio = 1 << 20
	// deflateLevel is fixed, so that the same input makes the same bytes.
	deflateLevel = 5
)

// header is all that can differ between members.
type header struct {
	name         string
	crc          uint32
	packed, size uint32
	offset       uint32 // of the local header
}

func (h header) local(b []byte) []byte {
	b = binary.LittleEndian.AppendUint32(b, 0x04034b50)
	b = append(b, 20, 0, 8, 0, 8, 0, 0, 0, 0x21, 0) // version 2.0; a descriptor follows; deflate; the first time that a zip can say
	b = append(b, make([]byte, 12)...)
	b = binary.LittleEndian.AppendUint16(b, uint16(len(h.name)))
	return append(append(b, 0, 0), h.name...)
}

func (h header) descriptor(b []byte) []byte {
	b = binary.LittleEndian.AppendUint32(b, 0x08074b50)
	b = binary.LittleEndian.AppendUint32(b, h.crc)
	b = binary.LittleEndian.AppendUint32(b, h.packed)
	return binary.LittleEndian.AppendUint32(b, h.size)
}

func (h header) central(b []byte) []byte {
	b = binary.LittleEndian.AppendUint32(b, 0x02014b50)
	b = append(b, 20, 0, 20, 0, 8, 0, 8, 0, 0, 0, 0x21, 0)
	b = binary.LittleEndian.AppendUint32(b, h.crc)
	b = binary.LittleEndian.AppendUint32(b, h.packed)
	b = binary.LittleEndian.AppendUint32(b, h.size)
	b = binary.LittleEndian.AppendUint16(b, uint16(len(h.name)))
	b = append(b, make([]byte, 12)...)
	b = binary.LittleEndian.AppendUint32(b, h.offset)
	return append(b, h.name...)
}

func endOf(n int, size, offset uint32) []byte {
	b := binary.LittleEndian.AppendUint32(nil, 0x06054b50)
	b = append(b, 0, 0, 0, 0, byte(n), 0, byte(n), 0)
	b = binary.LittleEndian.AppendUint32(b, size)
	b = binary.LittleEndian.AppendUint32(b, offset)
	return append(b, 0, 0)
}

// errTooLarge ends the writing of a file that its format cannot hold.
var errTooLarge = fmt.Errorf("evidence of more than %d bytes, or a member of it: ask for less", uint64(MaxFile))

// zipWriter writes members one after the other.
type zipWriter struct {
	w    *bufio.Writer
	at   uint64
	done []header
}

func (z *zipWriter) Write(b []byte) (int, error) {
	if z.at += uint64(len(b)); z.at > MaxFile {
		return 0, errTooLarge
	}
	return z.w.Write(b)
}

// member writes a member with what fill writes.
func (z *zipWriter) member(name string, fill func(io.Writer) error) (Member, error) {
	h := header{name: name, offset: uint32(z.at)}
	if _, err := z.Write(h.local(nil)); err != nil {
		return Member{}, err
	}
	start := z.at
	pack, err := flate.NewWriter(z, deflateLevel)
	if err != nil {
		return Member{}, err
	}
	sums := newSums()
	buffered := bufio.NewWriterSize(io.MultiWriter(pack, sums), 64<<10)
	if err := fill(buffered); err != nil {
		return Member{}, err
	}
	if err := errors.Join(buffered.Flush(), pack.Close()); err != nil {
		return Member{}, err
	}
	if sums.n > MaxFile {
		return Member{}, errTooLarge
	}
	h.crc, h.packed, h.size = sums.crc.Sum32(), uint32(z.at-start), uint32(sums.n)
	z.done = append(z.done, h)
	_, err = z.Write(h.descriptor(nil))
	return Member{Name: name, Bytes: sums.n, SHA256: sums.hex()}, err
}

func (z *zipWriter) close() error {
	start := z.at
	for _, h := range z.done {
		if _, err := z.Write(h.central(nil)); err != nil {
			return err
		}
	}
	if _, err := z.Write(endOf(len(z.done), uint32(z.at-start), uint32(start))); err != nil {
		return err
	}
	return z.w.Flush()
}

// sums are the checksums of what is written to them.
type sums struct {
	crc hash.Hash32
	sha hash.Hash
	n   uint64
}

func newSums() *sums { return &sums{crc: crc32.NewIEEE(), sha: sha256.New()} }

func (s *sums) Write(b []byte) (int, error) {
	_, _ = s.crc.Write(b)
	_, _ = s.sha.Write(b)
	s.n += uint64(len(b))
	return len(b), nil
}

func (s *sums) hex() string { return proof.Hash(s.sha.Sum(nil)).Hex() }

// readZip reads the directory of a file of size bytes, and refuses every zip that is not of the one form. Damage is a
// *logread.DamageError; other errors are those of r.
func readZip(r io.ReaderAt, size int64) ([]header, error) {
	const dirLimit = int64(centralSize+32) * int64(len(members)+1)
	if size < endSize || size > MaxFile {
		return nil, damaged("", "it has %d bytes, which no evidence has", size)
	}
	tail := make([]byte, min(size, endSize+dirLimit))
	if err := readAt(r, tail, size-int64(len(tail))); err != nil {
		return nil, err
	}
	end := tail[len(tail)-endSize:]
	n, dirSize, dirAt := int(end[8]), int64(binary.LittleEndian.Uint32(end[12:])), int64(binary.LittleEndian.Uint32(end[16:]))
	if string(end) != string(endOf(n, uint32(dirSize), uint32(dirAt))) || dirAt+dirSize+endSize != size || dirSize > dirLimit || n > len(members)+1 {
		return nil, damaged("", "it does not end as evidence does: it is cut, something follows it, or it was packed anew")
	}
	dir := tail[int64(len(tail))-endSize-dirSize : len(tail)-endSize]
	var all []header
	at := int64(0)
	for range n {
		if len(dir) < centralSize || len(dir) < centralSize+int(binary.LittleEndian.Uint16(dir[28:])) {
			return nil, damaged("", "its directory is cut")
		}
		h := header{crc: binary.LittleEndian.Uint32(dir[16:]), packed: binary.LittleEndian.Uint32(dir[20:]), size: binary.LittleEndian.Uint32(dir[24:]),
			offset: binary.LittleEndian.Uint32(dir[42:]), name: string(dir[centralSize : centralSize+int(binary.LittleEndian.Uint16(dir[28:]))])}
		want := h.central(nil)
		if len(dir) < len(want) || string(dir[:len(want)]) != string(want) || int64(h.offset) != at {
			return nil, damaged("", "its directory is not one that evidence has: it was packed anew")
		}
		dir = dir[len(want):]
		if err := h.check(r, dirAt); err != nil {
			return nil, err
		}
		at += int64(localSize+len(h.name)+descriptorSize) + int64(h.packed)
		all = append(all, h)
	}
	if len(dir) > 0 || at != dirAt {
		return nil, damaged("", "bytes that are no member stand between its members and its directory")
	}
	return all, checkNames(all)
}

// check holds what stands around a member's data against its line in the directory, which begins at dirAt.
func (h header) check(r io.ReaderAt, dirAt int64) error {
	local, descriptor := h.local(nil), h.descriptor(nil)
	end := int64(h.offset) + int64(len(local)) + int64(h.packed)
	if end+descriptorSize > dirAt {
		return damaged(h.name, "it reaches beyond the file")
	}
	if uint64(h.size) > freeRatio+maxRatio*uint64(h.packed) {
		return damaged(h.name, "it says that it unpacks to %d bytes from %d, which no evidence does", h.size, h.packed)
	}
	for _, part := range []struct {
		want []byte
		at   int64
	}{{local, int64(h.offset)}, {descriptor, end}} {
		got := make([]byte, len(part.want))
		if err := readAt(r, got, part.at); err != nil {
			return err
		}
		if string(got) != string(part.want) {
			return damaged(h.name, "what stands around it is not what the directory says of it")
		}
	}
	return nil
}

// checkNames demands the members in their order, each once, and no others.
func checkNames(all []header) error {
	next := 0
	for _, m := range members {
		switch {
		case next < len(all) && all[next].name == m.name:
			if uint64(all[next].size) > m.limit {
				return damaged(m.name, "it has %d bytes, at most %d are allowed", all[next].size, m.limit)
			}
			next++
		case !m.optional:
			return damaged(m.name, "this member is missing, or not in its place")
		}
	}
	if next != len(all)-1 || all[next].name != manifestName {
		return damaged(manifestName, "the last member is not this one, or others stand where none are allowed")
	}
	if all[next].size > MaxManifest {
		return damaged(manifestName, "it has %d bytes, at most %d are allowed", all[next].size, MaxManifest)
	}
	return nil
}

func readAt(r io.ReaderAt, b []byte, at int64) error {
	if n, err := r.ReadAt(b, at); n < len(b) {
		if errors.Is(err, io.EOF) {
			return damaged("", "it ends where it should not")
		}
		return fmt.Errorf("read at byte %d: %w", at, err)
	}
	return nil
}

func damaged(file, format string, args ...any) error {
	return &logread.DamageError{File: file, Reason: fmt.Sprintf(format, args...)}
}

// stream is a member as it is unpacked. Its end is reached only where all of it is what the directory says.
type stream struct {
	h      header
	packed *bufio.Reader
	from   *faultReader
	r      io.Reader
	sums   *sums
}

// faultReader keeps what went wrong in reading, which unpacking would take for damage.
type faultReader struct {
	r   io.Reader
	err error
}

func (f *faultReader) Read(b []byte) (int, error) {
	n, err := f.r.Read(b)
	if err != nil && !errors.Is(err, io.EOF) {
		f.err = err
	}
	return n, err
}

func open(r io.ReaderAt, h header) *stream {
	from := &faultReader{r: io.NewSectionReader(r, int64(h.offset)+int64(localSize+len(h.name)), int64(h.packed))}
	packed := bufio.NewReaderSize(from, 64<<10)
	return &stream{h: h, packed: packed, from: from, r: flate.NewReader(packed), sums: newSums()}
}

// Read is io.Reader's. At the end it has compared size and checksum.
func (s *stream) Read(b []byte) (int, error) {
	n, err := s.r.Read(b)
	_, _ = s.sums.Write(b[:n])
	switch {
	case s.sums.n > uint64(s.h.size):
		return 0, damaged(s.h.name, "it unpacks to more than the %d bytes it says", s.h.size)
	case err == nil:
	case s.from.err != nil:
		return n, s.from.err
	case !errors.Is(err, io.EOF):
		return n, damaged(s.h.name, "it cannot be unpacked: %v", err)
	default:
		if _, more := s.packed.ReadByte(); more == nil || s.sums.n != uint64(s.h.size) || s.sums.crc.Sum32() != s.h.crc {
			return n, damaged(s.h.name, "its size or checksum is not what the directory says")
		}
	}
	return n, err
}
