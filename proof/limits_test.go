package proof

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
)

// TestLimits: every parser takes what is just within its limits and refuses what is just beyond.
func TestLimits(t *testing.T) {
	via := Via{Kind: ViaStore}.Append(nil)
	event := func(e string) error {
		_, err := ParseEntry(AppendEventEntry(nil, 0, testTime, via, []byte(e)))
		return err
	}
	room := MaxEntry - len(AppendEventEntry(nil, 0, testTime, via, []byte(`{"a":""}`)))
	stub := func(reason string) error {
		_, err := ParseEntry(AppendStubEntry(nil, 0, testTime, via, Stub{Stream: testStream, First: 1, Last: 1, Code: StubLost, Reason: reason}))
		return err
	}
	seal := func(note string) error {
		_, err := ParseEntry(AppendSealEntry(nil, 0, testTime, via, SealEntry{Note: []byte(note)}))
		return err
	}
	viaOf := func(v Via) error {
		v.Kind = ViaHTTP
		_, err := ParseVia(v.Append(nil))
		return err
	}
	many := func(n, size int) (out []string) {
		for range n {
			out = append(out, strings.Repeat("p", size))
		}
		return out
	}
	// Seven long paths and one that fills up the rest.
	viaSize := func(n int) error {
		v := Via{Kind: ViaHTTP, Changed: append(many(7, maxViaText), "")}
		v.Changed[7] = strings.Repeat("p", n-len(v.Append(nil)))
		return viaOf(v)
	}
	levels := func(n int) string {
		return strings.Repeat(`{"a":[`, n/2) + strings.Repeat(`]}`, n/2)
	}
	checkpoint := Checkpoint{Origin: "log", Size: 1, Root: Hash{1}}.Text() + "\n— log AAAAAAAA\n"
	path := func(n int) error {
		_, err := ParseTlogProof(AppendTlogProof(nil, TlogProof{Path: make([]Hash, n), Checkpoint: []byte(checkpoint)}))
		return err
	}
	extra := func(n int) error {
		p, err := ParseTlogProof(AppendTlogProof(nil, TlogProof{Extra: make([]byte, n), Checkpoint: []byte(checkpoint)}))
		if err == nil && len(p.Extra) != n {
			return fmt.Errorf("%d bytes of extra became %d", n, len(p.Extra))
		}
		return err
	}
	padded := func(n int) error {
		_, err := ParseCheckpointText([]byte(checkpoint + strings.Repeat("x", n-len(checkpoint))))
		return err
	}
	for _, c := range []struct {
		name    string
		in, out error
	}{
		{"bytes of an entry", event(`{"a":"` + strings.Repeat("x", room) + `"}`), event(`{"a":"` + strings.Repeat("x", room+1) + `"}`)},
		{"levels of an event", event(levels(maxEventDepth)), event(levels(maxEventDepth + 2))},
		{"bytes of a reason", stub(strings.Repeat("x", MaxReason)), stub(strings.Repeat("x", MaxReason+1))},
		{"bytes of a reason, all of them escaped", stub(strings.Repeat(`"`, MaxReason)), stub(strings.Repeat(`"`, MaxReason+1))},
		{"bytes of a reason, some of them escaped", stub(`\` + strings.Repeat("x", MaxReason-1)), stub(`\` + strings.Repeat("x", MaxReason))},
		{"bytes of a seal in an entry", seal(strings.Repeat("x\n", MaxSeal/2)), seal(strings.Repeat("x\n", MaxSeal/2) + "x")},
		{"bytes of a text in via", viaOf(Via{Addr: strings.Repeat("a", maxViaText)}), viaOf(Via{Addr: strings.Repeat("a", maxViaText+1)})},
		{"paths in via", viaOf(Via{Changed: many(maxViaChanged, 1)}), viaOf(Via{Changed: many(maxViaChanged+1, 1)})},
		{"bytes of via", viaSize(MaxVia), viaSize(MaxVia + 1)},
		{"hashes in a tlog-proof", path(maxProofHashes), path(maxProofHashes + 1)},
		{"bytes of extra in a tlog-proof", extra(MaxTlogExtra), extra(MaxTlogExtra + 1)},
		{"bytes of a checkpoint", padded(MaxCheckpoint), padded(MaxCheckpoint + 1)},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.in != nil {
				t.Errorf("at the limit: %v", c.in)
			}
			if !errors.Is(c.out, ErrMalformed) {
				t.Errorf("beyond the limit: %v", c.out)
			}
		})
	}
}

// TestHugeInput: what is far too large is refused before anything of its size is allocated.
func TestHugeInput(t *testing.T) {
	huge := bytes.Repeat([]byte("stet/seal/v1\n"), 1<<20)
	for name, parse := range map[string]func() error{
		"seal":            func() error { _, err := OpenSeal(huge); return err },
		"cached seal":     func() error { _, err := new(SealVerifier).Open(huge); return err },
		"entry":           func() error { _, err := ParseEntry(huge); return err },
		"via":             func() error { _, err := ParseVia(huge); return err },
		"checkpoint text": func() error { _, err := ParseCheckpointText(huge); return err },
		"checkpoint":      func() error { _, err := OpenCheckpoint(huge, "log"); return err },
		"tlog-proof":      func() error { _, err := ParseTlogProof(huge); return err },
		"tile path":       func() error { _, err := ParseTilePath(string(huge[:1000])); return err },
		"hash":            func() error { _, err := ParseHash(huge); return err },
		"time":            func() error { _, err := ParseTime(string(huge[:1000])); return err },
		"key":             func() error { return CheckVKey(string(huge[:1000])) },
	} {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			err := parse()
			runtime.ReadMemStats(&after)
			if !errors.Is(err, ErrMalformed) {
				t.Errorf("%v, want malformed", err)
			} else if len(err.Error()) > 400 {
				t.Errorf("an error of %d bytes", len(err.Error()))
			}
			if grown := after.TotalAlloc - before.TotalAlloc; grown > 64<<10 {
				t.Errorf("%d bytes allocated", grown)
			}
		})
	}
}

// TestLeafHash compares both ways of hashing a leaf, short and long, with the definition.
func TestLeafHash(t *testing.T) {
	for _, n := range []int{0, 1, 2046, 2047, 2048, 2049, MaxEntry} {
		data := bytes.Repeat([]byte{7}, n)
		if got, want := LeafHash(data), Hash(sha256.Sum256(append([]byte{0}, data...))); got != want {
			t.Errorf("%d bytes: %s, want %s", n, got, want)
		}
	}
}

// TestHashText: a Hash in JSON and other text formats is the base64 that it is everywhere.
func TestHashText(t *testing.T) {
	want := LeafHash(nil)
	text, err := want.MarshalText()
	if err != nil || string(text) != want.String() {
		t.Errorf("MarshalText = %s, %v", text, err)
	}
	var got Hash
	if err := got.UnmarshalText(text); err != nil || got != want {
		t.Errorf("UnmarshalText = %s, %v", got, err)
	}
	if err := got.UnmarshalText(text[1:]); !errors.Is(err, ErrMalformed) || got != want {
		t.Errorf("UnmarshalText of a cut text: %v, and the hash is %s", err, got)
	}
}
