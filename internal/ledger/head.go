package ledger

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"

	"github.com/stetlog/stet/internal/fsx"
	"github.com/stetlog/stet/proof"
)

// HeadFile is the head's path in the store.
const HeadFile = "head"

const (
	headMagic     = "stet/head/v1\x00\x00\x00\x00"
	headFixed     = 128
	streamRefSize = 48
	// MaxHeadStreams is the largest number of stream records in a head.
	MaxHeadStreams = 1 << 16
	maxStreamFiles = 64
	maxHead        = headFixed + proof.MaxKeyName + maxStreamFiles*streamRefSize + MaxHeadStreams*recordSize + sha256.Size
)

// Head is what the ledger has committed: the one file from which everything else is judged.
type Head struct {
	Epoch        uint64 // how many times a ledger that was opened has gone on to commit; fences an older process
	Size         uint64 // entries
	Root         proof.Hash
	PrevSize     uint64 // the size that this commit replaced, whose partial tiles a crash may have left behind
	JournalFirst uint64 // lowest number of a journal segment that may hold entries from Size on
	JournalLast  uint64 // highest number of a segment that existed; below JournalFirst when there was none
	ReceivedAt   string // of the last entry, see proof.FormatTime; "" when Size is 0
	Origin       string
	StreamFiles  []StreamFile // oldest first; a newer one's records win, and the head's win over all
	Streams      []Stream     // least recently used first
}

// StreamFile names one immutable file of stream records.
type StreamFile struct {
	Number uint64 // its name is streams/ and the number in six digits
	Count  uint64 // records
	Hash   proof.Hash
}

// Stream is one stream's id and state.
type Stream struct {
	ID string // UUID
	StreamState
}

// Append adds the head's bytes.
func (h Head) Append(dst []byte) ([]byte, error) {
	start := len(dst)
	dst = append(dst, headMagic...)
	dst = binary.BigEndian.AppendUint64(dst, h.Epoch)
	dst = binary.BigEndian.AppendUint64(dst, h.Size)
	dst = append(dst, h.Root[:]...)
	dst = binary.BigEndian.AppendUint64(dst, h.PrevSize)
	dst = binary.BigEndian.AppendUint64(dst, h.JournalFirst)
	dst = binary.BigEndian.AppendUint64(dst, h.JournalLast)
	var at [30]byte
	if copy(at[:], h.ReceivedAt) != len(h.ReceivedAt) {
		return nil, fmt.Errorf("head: received_at %q is longer than %d bytes", h.ReceivedAt, len(at))
	}
	dst = append(dst, at[:]...)
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(h.Origin)))
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(h.StreamFiles)))
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(h.Streams)))
	dst = append(dst, h.Origin...)
	for _, f := range h.StreamFiles {
		dst = binary.BigEndian.AppendUint64(dst, f.Number)
		dst = binary.BigEndian.AppendUint64(dst, f.Count)
		dst = append(dst, f.Hash[:]...)
	}
	for _, s := range h.Streams {
		id, err := parseStreamID(s.ID)
		if err != nil {
			return nil, fmt.Errorf("head: %w", err)
		}
		dst = record{id, s.StreamState}.append(dst, 0)
	}
	sum := sha256.Sum256(dst[start:])
	return append(dst, sum[:]...), nil
}

// ParseHead reads a head strictly: it accepts what Append writes for a head that a ledger can have, and nothing else.
// Its error is an *IntegrityError.
func ParseHead(b []byte) (Head, error) {
	bad := func(format string, args ...any) (Head, error) { return Head{}, damaged(HeadFile, format, args...) }
	if len(b) < headFixed+sha256.Size {
		return bad("%d bytes are too few for a head", len(b))
	}
	if string(b[:16]) != headMagic {
		return bad("it begins with %q, not with %q: not a head, or one of another version", b[:16], headMagic)
	}
	body := b[:len(b)-sha256.Size]
	if sum := sha256.Sum256(body); !bytes.Equal(sum[:], b[len(body):]) {
		return bad("it does not match its checksum")
	}
	u64 := func(at int) uint64 { return binary.BigEndian.Uint64(b[at:]) }
	h := Head{
		Epoch: u64(16), Size: u64(24), Root: proof.Hash(b[32:64]), PrevSize: u64(64),
		JournalFirst: u64(72), JournalLast: u64(80), ReceivedAt: string(bytes.TrimRight(b[88:118], "\x00")),
	}
	originLen := int(binary.BigEndian.Uint16(b[118:]))
	files, streams := binary.BigEndian.Uint32(b[120:]), binary.BigEndian.Uint32(b[124:])
	if originLen == 0 || originLen > proof.MaxKeyName || files > maxStreamFiles || streams > MaxHeadStreams {
		return bad("an origin of %d bytes, %d stream files, %d streams: outside what is allowed", originLen, files, streams)
	}
	if want := headFixed + originLen + int(files)*streamRefSize + int(streams)*recordSize; len(body) != want {
		return bad("%d bytes, %d are expected", len(b), want+sha256.Size)
	}
	body = body[headFixed:]
	h.Origin, body = string(body[:originLen]), body[originLen:]
	for range files {
		f := StreamFile{binary.BigEndian.Uint64(body), binary.BigEndian.Uint64(body[8:]), proof.Hash(body[16:48])}
		if n := len(h.StreamFiles); f.Number == 0 || f.Count == 0 || f.Count > proof.MaxSize || n > 0 && h.StreamFiles[n-1].Number >= f.Number {
			return bad("stream file %d with %d records out of order", f.Number, f.Count)
		}
		h.StreamFiles = append(h.StreamFiles, f)
		body = body[streamRefSize:]
	}
	seen := make(map[streamID]bool, streams)
	for range streams {
		r, err := parseRecord(body[:recordSize], 0)
		if err != nil || seen[r.id] || r.last() >= h.Size {
			return bad("stream record %d: damaged, twice there, or ahead of the head", len(h.Streams))
		}
		seen[r.id] = true
		h.Streams = append(h.Streams, Stream{r.id.String(), r.StreamState})
		body = body[recordSize:]
	}
	switch {
	case h.Size > proof.MaxSize || h.PrevSize > h.Size:
		return bad("size %d after size %d", h.Size, h.PrevSize)
	case h.Size == 0 && (h.Root != proof.EmptyRoot() || h.ReceivedAt != "" || streams+files > 0):
		return bad("size 0 with content")
	case h.JournalFirst == 0 || h.JournalLast == ^uint64(0) || h.JournalLast+1 < h.JournalFirst:
		return bad("journal segments %d to %d", h.JournalFirst, h.JournalLast)
	}
	if h.Size > 0 {
		if _, err := proof.ParseTime(h.ReceivedAt); err != nil {
			return Head{}, &IntegrityError{File: HeadFile, Reason: "received_at", Err: err}
		}
	}
	return h, nil
}

// ReadHead reads the head of a store. A missing head is fs.ErrNotExist; a damaged one an *IntegrityError.
func ReadHead(fsys fsx.FS) (Head, error) {
	b, err := fsx.ReadFile(fsys, HeadFile, maxHead)
	if err != nil {
		return Head{}, err
	}
	return ParseHead(b)
}
