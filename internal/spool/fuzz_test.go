package spool

import (
	"bytes"
	"encoding/json"
	"testing"
)

// FuzzForms: a frame's payload and a segment's meta share a target: which of them an input is for, its first argument says.
func FuzzForms(f *testing.F) {
	f.Fuzz(func(t *testing.T, form byte, first uint64, b []byte) {
		if form%2 == 0 {
			fuzzBatch(t, first, b)
		} else {
			fuzzMeta(t, b)
		}
	})
}

// fuzzBatch: what is accepted as a frame's payload is within the limits, and has one spelling only.
func fuzzBatch(t *testing.T, first uint64, payload []byte) {
	t.Helper()
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
}

// fuzzMeta: what is accepted as a segment's meta is valid, has one spelling only, and means the same to a plain JSON
// decoder.
func fuzzMeta(t *testing.T, data []byte) {
	t.Helper()
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
}
