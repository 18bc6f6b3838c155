package ledger

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"

	"github.com/stetlog/stet/proof"
)

// StreamState is how far a stream is in the ledger.
type StreamState struct {
	Owner       proof.Hash // see OwnerOf; zero while nothing but a declared loss is known of the stream
	Next        uint64     // the stream_seq that must come next, from 1
	Sealed      bool       // it has a seal; LastSeal and LastSealSeq hold
	LastSeal    proof.Hash // SealHash of its last seal
	LastSealSeq uint64     // ledger seq of that seal's entry
	Lossy       bool       // it has a declared loss; LastLossSeq holds
	LastLossSeq uint64     // ledger seq of the last declared loss
	AfterLoss   bool       // the loss came last, so the next seal may continue one that was lost
	Final       bool       // closed: nothing may follow
}

// OwnerOf is what a stream belongs to: one key, for one application and environment.
func OwnerOf(vkey, app, environment string) proof.Hash {
	return sha256.Sum256([]byte(vkey + "\n" + app + "\n" + environment))
}

// last is the seq of the newest entry that changed the state.
func (s StreamState) last() uint64 { return max(s.LastSealSeq, s.LastLossSeq) }

// admit decides about a sealed batch. known is false where the ledger has never heard of the stream. older means that
// the numbers are used up: the stored batch decides whether it is the same one.
func (s StreamState) admit(known bool, seal proof.Seal, hash proof.Hash) (older bool, err error) {
	if !known {
		s.Next = 1
	}
	if s.Owner != (proof.Hash{}) && s.Owner != OwnerOf(seal.Key, seal.App, seal.Environment) {
		return false, fmt.Errorf("stream %s: %w", seal.Stream, ErrNotOwner)
	}
	switch {
	case s.Sealed && hash == s.LastSeal, seal.First < s.Next:
		return true, nil
	case s.Final:
		return false, fmt.Errorf("stream %s: %w", seal.Stream, ErrFinal)
	case seal.First > s.Next:
		return false, &HoleError{Stream: seal.Stream, Expected: s.Next, Got: seal.First}
	case s.AfterLoss, s.Sealed == seal.HasPrev && s.LastSeal == seal.Prev:
		return false, nil
	}
	return false, fmt.Errorf("stream %s: %w: the seal of number %d does not continue the stream's last seal", seal.Stream, ErrConflict, seal.First)
}

// Admits says what a ledger will answer to a sealed batch whose note is sound, as far as the stream's state tells: older,
// where its numbers are used up, so that it is there already or a conflict; an error where it cannot follow. known is
// what Stream returned with the state.
func (s StreamState) Admits(known bool, seal proof.Seal, note []byte) (older bool, err error) {
	return s.admit(known, seal, proof.SealHash(note))
}

// seal is the state after a batch whose seal entry stands at seq.
func (s StreamState) seal(seal proof.Seal, hash proof.Hash, seq uint64) StreamState {
	s.Owner = OwnerOf(seal.Key, seal.App, seal.Environment)
	s.Next = seal.Next()
	s.Sealed, s.LastSeal, s.LastSealSeq = true, hash, seq
	s.AfterLoss, s.Final = false, seal.Final
	return s
}

// admitLoss decides about a declared loss. owner is zero where the caller does not know it.
func (s StreamState) admitLoss(known bool, stream string, first, last uint64, owner proof.Hash) (older bool, err error) {
	if !known {
		s.Next = 1
	}
	switch {
	case s.Owner != (proof.Hash{}) && owner != (proof.Hash{}) && s.Owner != owner:
		return false, fmt.Errorf("stream %s: %w", stream, ErrNotOwner)
	case first < s.Next:
		if last >= s.Next {
			return false, fmt.Errorf("stream %s: %w: a loss of %d to %d, but %d is there already", stream, ErrConflict, first, last, s.Next-1)
		}
		return true, nil
	case s.Final:
		return false, fmt.Errorf("stream %s: %w", stream, ErrFinal)
	case first > s.Next:
		return false, &HoleError{Stream: stream, Expected: s.Next, Got: first}
	}
	return false, nil
}

// lose is the state after a declared loss up to last whose entry stands at seq. The owner is not taken from a loss: the
// entry does not name it, and recovery must come to the same state from the entries alone.
func (s StreamState) lose(last, seq uint64) StreamState {
	s.Next = last + 1
	s.Lossy, s.LastLossSeq, s.AfterLoss = true, seq, true
	return s
}

// streamID is a stream's UUID in binary.
type streamID [16]byte

// parseStreamID reads the canonical lower-case form and nothing else.
func parseStreamID(s string) (id streamID, err error) {
	if len(s) == 36 {
		compact := s[:8] + s[9:13] + s[14:18] + s[19:23] + s[24:]
		if _, err := hex.Decode(id[:], []byte(compact)); err == nil && id.String() == s {
			return id, nil
		}
	}
	return streamID{}, fmt.Errorf("%w: stream id %.40q is not a UUID in lower case", ErrInvalid, s)
}

func (id streamID) String() string {
	var b [36]byte
	hex.Encode(b[:8], id[:4])
	hex.Encode(b[9:13], id[4:6])
	hex.Encode(b[14:18], id[6:8])
	hex.Encode(b[19:23], id[8:10])
	hex.Encode(b[24:], id[10:])
	b[8], b[13], b[18], b[23] = '-', '-', '-', '-'
	return string(b[:])
}

// A record is one stream in the head or in a stream file.
type record struct {
	id streamID
	StreamState
}

// recordSize is a record's length in bytes; the layout is in docs/spec/ledger.md.
const recordSize = 112

const (
	flagFinal = 1 << iota
	flagAfterLoss
	flagSealed
	flagLossy
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// append adds the record's bytes. file, the number of the stream file or 0 for the head, goes into the checksum, so that
// a record copied in from another file is not taken for one of this.
func (r record) append(dst []byte, file uint64) []byte {
	start := len(dst)
	dst = append(dst, r.id[:]...)
	dst = append(dst, r.Owner[:]...)
	dst = binary.BigEndian.AppendUint64(dst, r.Next)
	dst = append(dst, r.LastSeal[:]...)
	dst = binary.BigEndian.AppendUint64(dst, r.LastSealSeq)
	dst = binary.BigEndian.AppendUint64(dst, r.LastLossSeq)
	var flags byte
	for _, f := range [...]struct {
		set  bool
		flag byte
	}{{r.Final, flagFinal}, {r.AfterLoss, flagAfterLoss}, {r.Sealed, flagSealed}, {r.Lossy, flagLossy}} {
		if f.set {
			flags |= f.flag
		}
	}
	dst = append(dst, flags, 0, 0, 0)
	return binary.BigEndian.AppendUint32(dst, recordSum(file, dst[start:]))
}

func recordSum(file uint64, b []byte) uint32 {
	return crc32.Update(crc32.Checksum(binary.BigEndian.AppendUint64(nil, file), castagnoli), castagnoli, b)
}

var errRecord = errors.New("a stream record does not match its checksum or holds what no ledger writes")

// parseRecord is the strict inverse of append.
func parseRecord(b []byte, file uint64) (record, error) {
	var r record
	if len(b) != recordSize || recordSum(file, b[:recordSize-4]) != binary.BigEndian.Uint32(b[recordSize-4:]) {
		return r, errRecord
	}
	r.id = streamID(b[:16])
	r.Owner = proof.Hash(b[16:48])
	r.Next = binary.BigEndian.Uint64(b[48:])
	r.LastSeal = proof.Hash(b[56:88])
	r.LastSealSeq = binary.BigEndian.Uint64(b[88:])
	r.LastLossSeq = binary.BigEndian.Uint64(b[96:])
	flags := b[104]
	r.Final, r.AfterLoss = flags&flagFinal != 0, flags&flagAfterLoss != 0
	r.Sealed, r.Lossy = flags&flagSealed != 0, flags&flagLossy != 0
	if string(r.append(nil, file)) != string(b) || r.check() != nil {
		return record{}, errRecord
	}
	return r, nil
}

// check refuses a state that no sequence of entries leads to.
func (s StreamState) check() error {
	switch {
	case s.Next == 0 || s.Next > proof.MaxSize+1,
		!s.Sealed && !s.Lossy,
		!s.Sealed && (s.LastSeal != proof.Hash{} || s.LastSealSeq != 0 || s.Final || s.Owner != proof.Hash{}),
		!s.Lossy && (s.LastLossSeq != 0 || s.AfterLoss),
		s.AfterLoss && (s.Final || s.Sealed && s.LastLossSeq < s.LastSealSeq),
		s.LastSealSeq > proof.MaxSize || s.LastLossSeq > proof.MaxSize:
		return errRecord
	}
	return nil
}
