package spool

import (
	"bytes"
	"encoding/json"
	"testing"
)

// FuzzBatch reads arbitrary bytes as a frame's payload. What is accepted is within the limits, and has one spelling only.
func FuzzBatch(f *testing.F) {
	f.Fuzz(func(t *testing.T, first uint64, payload []byte) {
		b, err := parseBatch(first, payload, nil)
		if err != nil {
			return
		}
		if err := b.check(); err != nil {
			t.Fatalf("accepted, and yet: %v", err)
		}
		if again := appendBatch(nil, b); !bytes.Equal(again, payload) {
			t.Fatalf("read %x, written %x", payload, again)
		}
	})
}

// FuzzMeta reads arbitrary bytes as a segment's meta. What is accepted is valid, has one spelling only, and means the
// same to a plain JSON decoder.
func FuzzMeta(f *testing.F) {
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := parseMeta(data)
		if err != nil {
			return
		}
		again, err := m.encode()
		if err != nil || !bytes.Equal(again, data) {
			t.Fatalf("read %q, written %q, %v", data, again, err)
		}
		var plain map[string]any
		if err := json.Unmarshal(data, &plain); err != nil || len(plain) != 10 || plain["stream_id"] != m.StreamID || plain["host"] != m.Host {
			t.Fatalf("%q: %v, %v", data, plain, err)
		}
	})
}
