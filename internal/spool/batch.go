package spool

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Limits of a batch, as sealed.
const (
	MaxEvents     = 1000
	MaxEvent      = 65_535  // bytes of one event
	MaxEventBytes = 1 << 20 // bytes of all events of a batch
	MaxSeal       = 4 << 10 // bytes, as in an entry
	// MaxSeq is the largest stream_seq: every number in stet is exact as a JSON number.
	MaxSeq = 1<<53 - 1
)

// Batch is consecutive events of a stream under one seal.
type Batch struct {
	First  uint64   // stream_seq of the first event; where there is none, the number it would have
	Events [][]byte // exact bytes; empty only under the final seal of a stream
	Seal   []byte   // the signed note
}

// Next is the stream_seq that follows the batch.
func (b Batch) Next() uint64 { return b.First + uint64(len(b.Events)) }

func (b Batch) check() error {
	if b.First < 1 || b.First > MaxSeq {
		return fmt.Errorf("first is %d, allowed are 1 to %d", b.First, uint64(MaxSeq))
	}
	if len(b.Events) > MaxEvents || b.Next() > MaxSeq {
		return fmt.Errorf("%d events from %d, allowed are %d up to number %d", len(b.Events), b.First, MaxEvents, uint64(MaxSeq))
	}
	total := 0
	for i, e := range b.Events {
		if len(e) == 0 || len(e) > MaxEvent {
			return fmt.Errorf("event %d has %d bytes, allowed are 1 to %d", b.First+uint64(i), len(e), MaxEvent)
		}
		total += len(e)
	}
	if total > MaxEventBytes {
		return fmt.Errorf("events of %d bytes, limit %d", total, MaxEventBytes)
	}
	if len(b.Seal) == 0 || len(b.Seal) > MaxSeal {
		return fmt.Errorf("seal of %d bytes, allowed are 1 to %d", len(b.Seal), MaxSeal)
	}
	return nil
}

// AppendPayload appends a batch as a frame's payload, which is also its form on the way to a server.
func AppendPayload(dst []byte, b Batch) ([]byte, error) {
	if err := b.check(); err != nil {
		return dst, err
	}
	return appendBatch(dst, b), nil
}

// ParsePayload reads a frame's payload whose key is first. The batch refers to it.
func ParsePayload(first uint64, payload []byte) (Batch, error) {
	var events [][]byte
	if len(payload) >= 4 { // what the count says is believed as far as the bytes can hold it
		events = make([][]byte, 0, min(int(binary.BigEndian.Uint32(payload)), MaxEvents, len(payload)/3))
	}
	return parseBatch(first, payload, events)
}

// appendBatch appends a batch that was checked, as a frame's payload.
func appendBatch(dst []byte, b Batch) []byte {
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(b.Events)))
	for _, e := range b.Events {
		dst = binary.BigEndian.AppendUint16(dst, uint16(len(e)))
		dst = append(dst, e...)
	}
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(b.Seal)))
	return append(dst, b.Seal...)
}

var errShort = errors.New("it ends too early")

// parseBatch reads a frame's payload. The batch refers to it, and to the array of events where that is large enough.
func parseBatch(first uint64, payload []byte, events [][]byte) (Batch, error) {
	if len(payload) < 4 {
		return Batch{}, errShort
	}
	count := binary.BigEndian.Uint32(payload)
	payload = payload[4:]
	if count > MaxEvents {
		return Batch{}, fmt.Errorf("%d events, limit %d", count, MaxEvents)
	}
	b := Batch{First: first, Events: events[:0]}
	for range count {
		e, rest, err := prefixed(payload)
		if err != nil {
			return Batch{}, err
		}
		b.Events, payload = append(b.Events, e), rest
	}
	seal, rest, err := prefixed(payload)
	if err != nil {
		return Batch{}, err
	}
	if len(rest) > 0 {
		return Batch{}, fmt.Errorf("%d bytes stand behind the seal", len(rest))
	}
	b.Seal = seal
	return b, b.check()
}

func prefixed(b []byte) (value, rest []byte, err error) {
	if len(b) < 2 {
		return nil, nil, errShort
	}
	n := 2 + int(binary.BigEndian.Uint16(b))
	if len(b) < n {
		return nil, nil, errShort
	}
	return b[2:n:n], b[n:], nil
}
