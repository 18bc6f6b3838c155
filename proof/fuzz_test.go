package proof

import (
	"bytes"
	"encoding/json"
	"reflect"
	"slices"
	"testing"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// Every parser accepts only what its encoder writes: whatever a fuzzer finds acceptable must encode to the same bytes.

func FuzzOpenSeal(f *testing.F) {
	f.Fuzz(func(t *testing.T, msg []byte) {
		s, err := ParseSeal(msg)
		if err != nil {
			if _, err := OpenSeal(msg); err == nil {
				t.Fatal("OpenSeal accepts what ParseSeal refuses")
			}
			return
		}
		if !bytes.HasPrefix(msg, s.AppendText(nil)) {
			t.Fatalf("%q does not begin with its own text", msg)
		}
		if _, err := OpenSeal(msg); err != nil {
			return
		}
		// A second opinion on what is accepted, signature and all.
		v, err := note.NewVerifier(s.Key)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := note.Open(msg, note.VerifierList(v)); err != nil {
			t.Fatal(err)
		}
	})
}

// FuzzEntries: an entry, and a bundle of them, share a target: which of them an input is for, its first argument says.
func FuzzEntries(f *testing.F) {
	f.Fuzz(func(t *testing.T, form byte, b []byte) {
		if form%2 == 0 {
			fuzzEntry(t, b)
		} else {
			fuzzBundle(t, b)
		}
	})
}

func fuzzEntry(t *testing.T, b []byte) {
	t.Helper()
	e, err := ParseEntry(b)
	var p EnvelopeParser
	around, aerr := p.Parse(b)
	if again, err := p.Parse(b); !reflect.DeepEqual(again, around) || (err == nil) != (aerr == nil) {
		t.Fatalf("%q is %v (%v), and behind itself %v (%v)", b, around, aerr, again, err)
	}
	switch {
	case err == nil && (aerr != nil || !reflect.DeepEqual(e, around)):
		t.Fatalf("%q is %v, its envelope %v (%v)", b, e, around, aerr)
	case err != nil && aerr == nil && (around.Event == nil || strictObject(around.Event)):
		t.Fatalf("%q is no entry (%v), but its envelope is, and what is in it", b, err)
	}
	if err != nil {
		return
	}
	if got := e.Append(nil); !bytes.Equal(got, b) {
		t.Fatalf("%q encodes to %q", b, got)
	}
	if json.Valid(b) != (e.Event == nil || json.Valid(e.Event)) {
		t.Fatalf("%q is JSON: %v, its event is not of the same mind", b, json.Valid(b))
	}
	// An independent reader must see one event, seal or stub, and the same one.
	if !json.Valid(b) {
		return
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(b, &members); err != nil {
		t.Fatal(err)
	}
	if len(members) != 5 {
		t.Fatalf("%q has %d members", b, len(members))
	}
	if e.Event != nil && !bytes.Equal(members["event"], e.Event) {
		t.Fatalf("another reader sees the event %q", members["event"])
	}
}

// strictObject tells what package event would accept at most: one JSON object without white space around it, not deeper
// than an entry allows.
func strictObject(b []byte) bool {
	return b[0] == '{' && b[len(b)-1] == '}' && bytes.Count(b, []byte("{"))+bytes.Count(b, []byte("[")) < maxEventDepth && json.Valid(b)
}

func fuzzBundle(t *testing.T, b []byte) {
	t.Helper()
	var again []byte
	for rest := b; len(rest) > 0; {
		entry, next, err := NextBundleEntry(rest)
		if err != nil {
			return
		}
		if again, err = AppendBundleEntry(again, entry); err != nil {
			t.Fatal(err)
		}
		rest = next
	}
	if !bytes.Equal(again, b) {
		t.Fatalf("%q encodes to %q", b, again)
	}
}

func FuzzOpenCheckpoint(f *testing.F) {
	signer, vkey := testSigner(f, 3, "log.example/stet")
	verifier := mustVerifier(f, vkey)
	good, err := SignCheckpoint(Checkpoint{Origin: "log.example/stet", Size: 2, Root: Hash{1}}, signer)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Fuzz(func(t *testing.T, msg []byte) {
		c, err := ParseCheckpointText(msg)
		if err == nil && !bytes.HasPrefix(msg, []byte(c.Text())) {
			t.Fatalf("%q does not begin with its own text", msg)
		}
		signed, err2 := OpenCheckpoint(msg, "log.example/stet", verifier)
		if err2 != nil {
			return
		}
		if err != nil || signed != c {
			t.Fatalf("OpenCheckpoint reads %+v, ParseCheckpointText %+v, %v", signed, c, err)
		}
		if !bytes.HasPrefix(msg, good[:bytes.Index(good, []byte("\n\n"))]) {
			t.Fatalf("%q was never signed", msg)
		}
	})
}

func FuzzParseTlogProof(f *testing.F) {
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := ParseTlogProof(b)
		if err != nil {
			return
		}
		if got := AppendTlogProof(nil, p); !bytes.Equal(got, b) {
			t.Fatalf("%q encodes to %q", b, got)
		}
	})
}

// fuzzTree is the tree that proofs are fuzzed against: every proof that is accepted must be the one proof there is.
func fuzzTree() naive { return newNaive(64) }

// hashesOf cuts bytes into hashes, dropping what is left over.
func hashesOf(b []byte) []Hash {
	var out []Hash
	for len(b) >= HashSize && len(out) < 70 {
		out, b = append(out, Hash(b[:HashSize])), b[HashSize:]
	}
	return out
}

// The forms of a line or less share a target: which of them an input is for, its first argument says.
const (
	smallVia = iota
	smallTilePath
	smallHash
	smallTime
	smallVKey
	smallForms
)

func FuzzSmallForms(f *testing.F) {
	f.Fuzz(func(t *testing.T, form byte, b []byte) {
		switch form % smallForms {
		case smallVia:
			fuzzVia(t, b)
		case smallTilePath:
			fuzzTilePath(t, string(b))
		case smallHash:
			fuzzHash(t, b)
		case smallTime:
			fuzzTime(t, string(b))
		case smallVKey:
			fuzzVKey(t, string(b))
		}
	})
}

func fuzzVia(t *testing.T, b []byte) {
	t.Helper()
	v, err := ParseVia(b)
	if err != nil {
		return
	}
	if got := v.Append(nil); !bytes.Equal(got, b) {
		t.Fatalf("%q encodes to %q", b, got)
	}
	if !json.Valid(b) || len(b) > MaxVia {
		t.Fatalf("%q is not JSON, or too long", b)
	}
}

func fuzzTilePath(t *testing.T, path string) {
	t.Helper()
	if tile, err := ParseTilePath(path); err == nil && tile.Path() != path {
		t.Fatalf("%q is written as %q", path, tile.Path())
	}
}

func fuzzHash(t *testing.T, b []byte) {
	t.Helper()
	if h, err := ParseHash(b); err == nil && h.String() != string(b) {
		t.Fatalf("%q is written as %q", b, h)
	}
}

func fuzzTime(t *testing.T, s string) {
	t.Helper()
	at, err := ParseTime(s)
	if (err == nil) != validTime([]byte(s)) {
		t.Fatalf("%q: ParseTime says %v, an entry %v", s, err, validTime([]byte(s)))
	}
	if err == nil && FormatTime(at) != s {
		t.Fatalf("%q is written as %q", s, FormatTime(at))
	}
}

func fuzzVKey(t *testing.T, vkey string) {
	t.Helper()
	if CheckVKey(vkey) != nil {
		return
	}
	v, err := note.NewVerifier(vkey)
	if err != nil {
		t.Fatalf("%q: x/mod refuses it: %v", vkey, err)
	}
	k, err := parseVKey(vkey)
	if err != nil {
		t.Fatal(err)
	}
	if canonical, err := note.NewEd25519VerifierKey(v.Name(), k.key); err != nil || canonical != vkey {
		t.Fatalf("%q is written as %q, %v", vkey, canonical, err)
	}
}

// FuzzVerify: the three kinds of proof share a target, and a proof of one kind is tried as the others.
func FuzzVerify(f *testing.F) {
	all := fuzzTree()
	f.Fuzz(func(t *testing.T, kind byte, a, b, size uint64, raw []byte) {
		switch kind % 3 {
		case 0:
			fuzzInclusion(t, all, a, size, raw)
		case 1:
			fuzzConsistency(t, all, a, size, raw)
		case 2:
			fuzzRange(t, all, a, b, size, raw)
		}
	})
}

func fuzzInclusion(t *testing.T, all naive, index, size uint64, raw []byte) {
	t.Helper()
	p := hashesOf(raw)
	n := size % 65
	root, leaf := all[:n].root(), all[index%64]
	err := VerifyInclusion(index, n, leaf, root, p)
	if index < n {
		theirs := tlog.CheckRecord(tlogProof(p), int64(n), tlog.Hash(root), int64(index), tlog.Hash(leaf))
		if (err == nil) != (theirs == nil) {
			t.Fatalf("leaf %d of %d: we say %v, tlog %v", index, n, err, theirs)
		}
	}
	if err != nil {
		return
	}
	want, err := ProveInclusion(index, n, all[:n])
	if err != nil || !slices.Equal(p, want) {
		t.Fatalf("leaf %d of %d: accepted another proof than the one there is (%v)", index, n, err)
	}
}

func fuzzConsistency(t *testing.T, all naive, old, size uint64, raw []byte) {
	t.Helper()
	p := hashesOf(raw)
	n, m := size%65, old%65
	a, b := all[:m].root(), all[:n].root()
	err := VerifyConsistency(m, n, a, b, p)
	if 0 < m && m <= n {
		theirs := tlog.CheckTree(tlogProof(p), int64(n), tlog.Hash(b), int64(m), tlog.Hash(a))
		if (err == nil) != (theirs == nil) {
			t.Fatalf("%d to %d: we say %v, tlog %v", m, n, err, theirs)
		}
	}
	if err != nil {
		return
	}
	want, err := ProveConsistency(m, n, all[:n])
	if err != nil || !slices.Equal(p, want) {
		t.Fatalf("%d to %d: accepted another proof than the one there is (%v)", m, n, err)
	}
}

func fuzzRange(t *testing.T, all naive, first, count, size uint64, raw []byte) {
	t.Helper()
	p := hashesOf(raw)
	n := size % 65
	lo := min(first, 64)
	leaves := all[lo : lo+min(count, 64-lo)]
	if VerifyRange(first, leaves, n, all[:n].root(), p) != nil {
		return
	}
	want, err := ProveRange(first, uint64(len(leaves)), n, all[:n])
	if err != nil || !slices.Equal(p, want) {
		t.Fatalf("%d from %d of %d: accepted another proof than the one there is (%v)", len(leaves), first, n, err)
	}
}

// FuzzKeyChain: what is accepted has one form, every handover in it opens by itself, and it leads from its first key to its
// last.
func FuzzKeyChain(f *testing.F) {
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := ParseKeyChain(b)
		if err != nil {
			return
		}
		if got := c.Append(nil); !bytes.Equal(got, b) {
			t.Fatalf("%q is written as %q", b, got)
		}
		first, _ := c.At(0)
		for i := range c.Len() {
			h, msg := c.At(i)
			if again, err := OpenHandover(msg); err != nil || again != h {
				t.Fatalf("handover %d is %+v, %v", i, again, err)
			}
			if h.Origin() != first.Origin() {
				t.Fatalf("handover %d is of %s", i, h.Origin())
			}
			// A second opinion on the signatures.
			for _, vkey := range []string{h.Old, h.New} {
				v, err := note.NewVerifier(vkey)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := note.Open(msg, note.VerifierList(v)); err != nil {
					t.Fatal(err)
				}
			}
		}
		last, _ := c.At(c.Len() - 1)
		if got, err := c.Newest(first.Old); err != nil || got != last.New {
			t.Fatalf("leads to %s, %v", got, err)
		}
	})
}
