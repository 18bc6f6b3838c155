package ledger

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"
	"path"
	"slices"

	"github.com/stetlog/stet/internal/fsx"
	"github.com/stetlog/stet/proof"
)

const (
	streamDir    = "streams"
	streamMagic  = "stet/streams/v1\x00"
	streamHeader = 32
	streamBlock  = 512 * recordSize // what is read or written at once
)

func streamPath(number uint64) string { return path.Join(streamDir, fmt.Sprintf("%06d", number)) }

// A streamFile is an open, immutable file of records sorted by id. Every record that is looked at is checked against its
// own checksum, so a search through a damaged file ends in an error, never in "not found".
type streamFile struct {
	ref      StreamFile
	f        fsx.File
	min, max streamID
}

// openStreamFile checks the header, the length, and the first and last record. The hash over everything is for verify and
// for merging, which read everything anyway.
func openStreamFile(fsys fsx.FS, ref StreamFile) (_ *streamFile, err error) {
	name := streamPath(ref.Number)
	f, err := fsys.Open(name)
	if err != nil {
		return nil, missing(name, err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.Close())
		}
	}()
	size, err := f.Size()
	if err != nil {
		return nil, err
	}
	if size != streamHeader+int64(ref.Count)*recordSize {
		return nil, damaged(name, "%d bytes, the head says %d records", size, ref.Count)
	}
	var h [streamHeader]byte
	if err := readAt(f, name, h[:], 0); err != nil {
		return nil, err
	}
	if !bytes.Equal(h[:], ref.header()) {
		return nil, damaged(name, "its header is not that of stream file %d with %d records", ref.Number, ref.Count)
	}
	s := &streamFile{ref: ref, f: f}
	first, err := s.at(0)
	if err != nil {
		return nil, err
	}
	last, err := s.at(ref.Count - 1)
	if err != nil {
		return nil, err
	}
	s.min, s.max = first.id, last.id
	return s, nil
}

func (ref StreamFile) header() []byte {
	b := append(make([]byte, 0, streamHeader), streamMagic...)
	b = binary.BigEndian.AppendUint64(b, ref.Number)
	return binary.BigEndian.AppendUint64(b, ref.Count)
}

func closeStreamFiles(files []*streamFile) error {
	var errs []error
	for _, f := range files {
		errs = append(errs, f.f.Close())
	}
	return errors.Join(errs...)
}

func (s *streamFile) at(i uint64) (record, error) {
	var b [recordSize]byte
	name := streamPath(s.ref.Number)
	if err := readAt(s.f, name, b[:], streamHeader+int64(i)*recordSize); err != nil {
		return record{}, err
	}
	r, err := parseRecord(b[:], s.ref.Number)
	if err != nil {
		return record{}, damaged(name, "record %d: %v", i, err)
	}
	return r, nil
}

func (s *streamFile) find(id streamID) (StreamState, bool, error) {
	if bytes.Compare(id[:], s.min[:]) < 0 || bytes.Compare(id[:], s.max[:]) > 0 {
		return StreamState{}, false, nil
	}
	lo, hi := uint64(0), s.ref.Count
	for lo < hi {
		mid := lo + (hi-lo)/2
		r, err := s.at(mid)
		if err != nil {
			return StreamState{}, false, err
		}
		switch c := bytes.Compare(id[:], r.id[:]); {
		case c == 0:
			return r.StreamState, true, nil
		case c < 0:
			hi = mid
		default:
			lo = mid + 1
		}
	}
	return StreamState{}, false, nil
}

// lookup searches files, the newest first.
func lookup(files []*streamFile, id streamID) (StreamState, bool, error) {
	for _, f := range slices.Backward(files) {
		if s, ok, err := f.find(id); ok || err != nil {
			return s, ok, err
		}
	}
	return StreamState{}, false, nil
}

// A recordSource gives records in order of id, then io.EOF.
type recordSource interface{ next() (record, error) }

type sliceSource struct{ records []record }

func (s *sliceSource) next() (record, error) {
	if len(s.records) == 0 {
		return record{}, io.EOF
	}
	r := s.records[0]
	s.records = s.records[1:]
	return r, nil
}

// fileSource reads a whole file in blocks and checks, at its end, the hash that the head states.
type fileSource struct {
	f    *streamFile
	off  int64
	buf  []byte
	sum  hash.Hash
	last streamID
	n    uint64
}

func (s *streamFile) source() recordSource {
	sum := sha256.New()
	sum.Write(s.ref.header()) // hash.Hash documents that Write never fails
	return &fileSource{f: s, off: streamHeader, sum: sum}
}

func (s *fileSource) next() (record, error) {
	name := streamPath(s.f.ref.Number)
	if s.n == s.f.ref.Count {
		if proof.Hash(s.sum.Sum(nil)) != s.f.ref.Hash {
			return record{}, damaged(name, "it does not have the hash that the head states")
		}
		return record{}, io.EOF
	}
	if len(s.buf) == 0 {
		s.buf = make([]byte, min(streamBlock, int64(s.f.ref.Count-s.n)*recordSize))
		if err := readAt(s.f.f, name, s.buf, s.off); err != nil {
			return record{}, err
		}
		s.sum.Write(s.buf)
		s.off += int64(len(s.buf))
	}
	r, err := parseRecord(s.buf[:recordSize], s.f.ref.Number)
	if err != nil || s.n > 0 && bytes.Compare(s.last[:], r.id[:]) >= 0 {
		return record{}, damaged(name, "record %d is damaged or out of order", s.n)
	}
	s.buf = s.buf[recordSize:]
	s.last = r.id
	s.n++
	return r, nil
}

// merge calls fn for every stream in order of id; of several records of one stream the one of the earliest source counts.
func merge(sources []recordSource, fn func(record) error) error {
	heads := make([]*record, len(sources))
	pull := func(i int) error {
		r, err := sources[i].next()
		if errors.Is(err, io.EOF) {
			heads[i] = nil
			return nil
		}
		heads[i] = &r
		return err
	}
	for i := range sources {
		if err := pull(i); err != nil {
			return err
		}
	}
	for {
		var least *record
		for _, h := range heads {
			if h != nil && (least == nil || bytes.Compare(h.id[:], least.id[:]) < 0) {
				least = h
			}
		}
		if least == nil {
			return nil
		}
		r := *least
		for i, h := range heads {
			if h != nil && h.id == r.id {
				if err := pull(i); err != nil {
					return err
				}
			}
		}
		if err := fn(r); err != nil {
			return err
		}
	}
}

// writeStreamFile makes a stream file durable. The number of records is known only at the end, so the header is written
// last, and hashed over again: two passes would read the sources twice.
func writeStreamFile(fsys fsx.FS, number uint64, sources []recordSource) (StreamFile, error) {
	name := streamPath(number)
	tmp := name + tempSuffix
	f, err := createOver(fsys, tmp, 0o444)
	if err != nil {
		return StreamFile{}, err
	}
	ref := StreamFile{Number: number}
	off := int64(streamHeader)
	var block []byte
	flush := func() error {
		_, err := f.WriteAt(block, off)
		off += int64(len(block))
		block = block[:0]
		return err
	}
	err = merge(sources, func(r record) error {
		block = r.append(block, number)
		ref.Count++
		if len(block) >= streamBlock {
			return flush()
		}
		return nil
	})
	if err == nil {
		err = flush()
	}
	if err == nil {
		_, err = f.WriteAt(ref.header(), 0)
	}
	if err == nil {
		err = f.Sync()
	}
	if err == nil {
		ref.Hash, err = hashFile(f, name, off)
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return StreamFile{}, fmt.Errorf("write %s: %w", name, errors.Join(err, fsys.Remove(tmp)))
	}
	if err := fsys.Rename(tmp, name); err != nil {
		return StreamFile{}, err
	}
	return ref, fsys.SyncDir(streamDir)
}

func hashFile(f fsx.File, name string, size int64) (proof.Hash, error) {
	sum := sha256.New()
	buf := make([]byte, streamBlock)
	for off := int64(0); off < size; off += int64(len(buf)) {
		buf = buf[:min(int64(cap(buf)), size-off)]
		if err := readAt(f, name, buf, off); err != nil {
			return proof.Hash{}, err
		}
		sum.Write(buf) // hash.Hash documents that Write never fails
	}
	return proof.Hash(sum.Sum(nil)), nil
}

// LookupStream finds a stream in a head and the files that it names. It only reads.
func LookupStream(fsys fsx.FS, h Head, stream string) (_ StreamState, found bool, err error) {
	id, err := parseStreamID(stream)
	if err != nil {
		return StreamState{}, false, err
	}
	for _, s := range h.Streams {
		if s.ID == stream {
			return s.StreamState, true, nil
		}
	}
	files, err := openStreamFiles(fsys, h)
	if err != nil {
		return StreamState{}, false, err
	}
	defer func() { err = errors.Join(err, closeStreamFiles(files)) }()
	return lookup(files, id)
}

// WalkStreams calls fn for every stream of a head, in order of id, and checks each stream file's hash on the way. It only
// reads, in bounded memory.
func WalkStreams(fsys fsx.FS, h Head, fn func(Stream) error) (err error) {
	files, err := openStreamFiles(fsys, h)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeStreamFiles(files)) }()
	own := make([]record, 0, len(h.Streams))
	for _, s := range h.Streams {
		id, err := parseStreamID(s.ID)
		if err != nil {
			return err
		}
		own = append(own, record{id, s.StreamState})
	}
	slices.SortFunc(own, func(a, b record) int { return bytes.Compare(a.id[:], b.id[:]) })
	sources := []recordSource{&sliceSource{records: own}}
	for _, f := range slices.Backward(files) {
		sources = append(sources, f.source())
	}
	return merge(sources, func(r record) error { return fn(Stream{r.id.String(), r.StreamState}) })
}

func openStreamFiles(fsys fsx.FS, h Head) ([]*streamFile, error) {
	var files []*streamFile
	for _, ref := range h.StreamFiles {
		f, err := openStreamFile(fsys, ref)
		if err != nil {
			return nil, errors.Join(err, closeStreamFiles(files))
		}
		files = append(files, f)
	}
	return files, nil
}
