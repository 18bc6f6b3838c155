package proof

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/mod/sumdb/note"
)

// The files in testdata/vectors are version 1 of the formats and stay as they are for ever: what they call valid must
// stay valid, byte for byte, and what they call invalid must stay refused. New cases go into new files.

func loadVectors(t testing.TB, name string, into any) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "vectors", name))
	if err != nil {
		t.Fatal(err)
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

type sealVectors struct {
	About string
	Valid []struct {
		Name, Seed, App, Environment, Key string
		KeyID                             string `json:"key_id"`
		Stream                            string
		First                             uint64
		Count                             int
		Root                              Hash
		Prev                              *Hash
		Clock                             struct {
			State       string
			OffsetUS    int64 `json:"offset_us"`
			MaxErrorUS  int64 `json:"max_error_us"`
			MonotonicUS int64 `json:"monotonic_us"`
			Source      string
			BootID      string `json:"boot_id"`
		}
		Final    bool
		Events   []string
		Note     string
		SealHash Hash `json:"seal_hash"`
	}
	Invalid []struct{ Name, Error, Note string }
}

// sentinel maps the words of the vectors to this package's errors.
func sentinel(t *testing.T, word string) error {
	t.Helper()
	err, ok := map[string]error{"malformed": ErrMalformed, "signature": ErrSignature, "proof": ErrProof}[word]
	if !ok {
		t.Fatalf("the vector says error %q", word)
	}
	return err
}

func seedSigner(t testing.TB, seed, name string) (note.Signer, string) {
	t.Helper()
	raw, err := hex.DecodeString(seed)
	if err != nil {
		t.Fatal(err)
	}
	s, vkey, err := NewSigner(name, ed25519.NewKeyFromSeed(raw))
	if err != nil {
		t.Fatal(err)
	}
	return s, vkey
}

func TestSealVectors(t *testing.T) {
	var v sealVectors
	loadVectors(t, "seals.json", &v)
	for _, c := range v.Valid {
		t.Run(c.Name, func(t *testing.T) {
			want := Seal{App: c.App, Environment: c.Environment, Key: c.Key, Stream: c.Stream, First: c.First, Count: c.Count, Root: c.Root,
				Clock: Clock(c.Clock), Final: c.Final}
			if c.Prev != nil {
				want.Prev, want.HasPrev = *c.Prev, true
			}
			got, err := OpenSeal([]byte(c.Note))
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Error("OpenSeal (-want +got):", d)
			}
			if got := KeyID(c.Key); got != c.KeyID {
				t.Errorf("KeyID = %s, want %s", got, c.KeyID)
			}
			if got := SealHash([]byte(c.Note)); got != c.SealHash {
				t.Errorf("SealHash = %s, want %s", got, c.SealHash)
			}
			var leaves []Hash
			for _, e := range c.Events {
				leaves = append(leaves, LeafHash([]byte(e)))
			}
			if got := RootOf(leaves); got != c.Root || len(leaves) != c.Count {
				t.Errorf("root over %d events = %s, want %s over %d", len(leaves), got, c.Root, c.Count)
			}
			name, _, _ := bytes.Cut([]byte(c.Key), []byte("+"))
			s, vkey := seedSigner(t, c.Seed, string(name))
			if vkey != c.Key {
				t.Errorf("vkey = %s, want %s", vkey, c.Key)
			}
			signed, err := SignSeal(want, s)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(c.Note, string(signed)); d != "" {
				t.Error("SignSeal (-want +got):", d)
			}
		})
	}
	for _, c := range v.Invalid {
		t.Run("refuse "+c.Name, func(t *testing.T) {
			if _, err := OpenSeal([]byte(c.Note)); !errors.Is(err, sentinel(t, c.Error)) {
				t.Errorf("OpenSeal: %v, want %s", err, c.Error)
			}
			if _, err := new(SealVerifier).Open([]byte(c.Note)); !errors.Is(err, sentinel(t, c.Error)) {
				t.Errorf("SealVerifier.Open: %v, want %s", err, c.Error)
			}
			if _, err := ParseSeal([]byte(c.Note)); c.Error == "malformed" && !errors.Is(err, ErrMalformed) {
				t.Errorf("ParseSeal: %v, want malformed", err)
			}
		})
	}
}

func TestEntryVectors(t *testing.T) {
	var v struct {
		About string
		Valid []struct {
			Name, Kind string
			Seq        uint64
			ReceivedAt string `json:"received_at"`
			Entry      string
			LeafHash   Hash `json:"leaf_hash"`
		}
		Invalid []struct{ Name, Entry string }
	}
	loadVectors(t, "entries.json", &v)
	for _, c := range v.Valid {
		t.Run(c.Name, func(t *testing.T) {
			e, err := ParseEntry([]byte(c.Entry))
			if err != nil {
				t.Fatal(err)
			}
			kind := map[bool]string{e.Event != nil: "event", e.Seal != nil: "seal", e.Stub != nil: "stub"}[true]
			if e.Seq != c.Seq || e.ReceivedAt != c.ReceivedAt || kind != c.Kind {
				t.Errorf("seq %d, received at %s, %s; want %d, %s, %s", e.Seq, e.ReceivedAt, kind, c.Seq, c.ReceivedAt, c.Kind)
			}
			if got := string(e.Append(nil)); got != c.Entry {
				t.Errorf("Append gives %s, want %s", got, c.Entry)
			}
			if got := LeafHash([]byte(c.Entry)); got != c.LeafHash {
				t.Errorf("LeafHash = %s, want %s", got, c.LeafHash)
			}
			if !json.Valid([]byte(c.Entry)) {
				t.Error("not JSON")
			}
			if e.Seal != nil {
				if _, err := OpenSeal(e.Seal.Note); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for _, c := range v.Invalid {
		t.Run("refuse "+c.Name, func(t *testing.T) {
			if _, err := ParseEntry([]byte(c.Entry)); !errors.Is(err, ErrMalformed) {
				t.Errorf("ParseEntry: %v, want malformed", err)
			}
		})
	}
}

// TestRangeVectors: leaf i of every tree is the leaf hash of i in eight big-endian bytes.
func TestRangeVectors(t *testing.T) {
	type vector struct {
		Name        string
		First, Size uint64
		Leaves      []Hash
		Root        Hash
		Proof       []Hash
	}
	var v struct {
		About          string
		Valid, Invalid []vector
	}
	loadVectors(t, "ranges.json", &v)
	for _, c := range v.Valid {
		t.Run(c.Name, func(t *testing.T) {
			if err := VerifyRange(c.First, c.Leaves, c.Size, c.Root, c.Proof); err != nil {
				t.Error(err)
			}
			for i, leaf := range c.Leaves {
				if want := LeafHash(binary.BigEndian.AppendUint64(nil, c.First+uint64(i))); leaf != want {
					t.Errorf("leaf %d = %s, want %s", i, leaf, want)
				}
			}
			got, err := ProveRange(c.First, uint64(len(c.Leaves)), c.Size, newNaive(int(c.Size)))
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(c.Proof, append([]Hash{}, got...)); d != "" {
				t.Error("ProveRange (-want +got):", d)
			}
		})
	}
	for _, c := range v.Invalid {
		t.Run("refuse "+c.Name, func(t *testing.T) {
			err := VerifyRange(c.First, c.Leaves, c.Size, c.Root, c.Proof)
			if !errors.Is(err, ErrProof) && !errors.Is(err, ErrMalformed) {
				t.Errorf("VerifyRange: %v", err)
			}
		})
	}
}

func TestCheckpointVectors(t *testing.T) {
	var v struct {
		About string
		Valid []struct {
			Name, Seed, Origin, VKey, Note string
			Size                           uint64
			Root                           Hash
		}
		Invalid []struct{ Name, Error, Origin, VKey, Note string }
	}
	loadVectors(t, "checkpoints.json", &v)
	for _, c := range v.Valid {
		t.Run(c.Name, func(t *testing.T) {
			want := Checkpoint{Origin: c.Origin, Size: c.Size, Root: c.Root}
			got, err := OpenCheckpoint([]byte(c.Note), c.Origin, mustVerifier(t, c.VKey))
			if err != nil {
				t.Fatal(err)
			}
			if got != want {
				t.Errorf("OpenCheckpoint = %+v, want %+v", got, want)
			}
			if root := newNaive(int(c.Size)).root(); root != c.Root {
				t.Errorf("root of the tree = %s, want %s", root, c.Root)
			}
			if c.Seed == "" {
				return // cosigned: the witness's key is not in the vector
			}
			s, vkey := seedSigner(t, c.Seed, c.Origin)
			if vkey != c.VKey {
				t.Errorf("vkey = %s, want %s", vkey, c.VKey)
			}
			signed, err := SignCheckpoint(want, s)
			if err != nil {
				t.Fatal(err)
			}
			if string(signed) != c.Note {
				t.Errorf("SignCheckpoint = %q, want %q", signed, c.Note)
			}
		})
	}
	for _, c := range v.Invalid {
		t.Run("refuse "+c.Name, func(t *testing.T) {
			if _, err := OpenCheckpoint([]byte(c.Note), c.Origin, mustVerifier(t, c.VKey)); !errors.Is(err, sentinel(t, c.Error)) {
				t.Errorf("OpenCheckpoint: %v, want %s", err, c.Error)
			}
		})
	}
}

func mustVerifier(t testing.TB, vkey string) note.Verifier {
	t.Helper()
	v, err := note.NewVerifier(vkey)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestTlogProofVectors(t *testing.T) {
	var v struct {
		About string
		Valid []struct {
			Name, Origin, VKey, Extra, Proof string
			Leaf                             Hash
			Index                            uint64
		}
		Invalid []struct {
			Name, Error, Origin, VKey, Proof string
			Leaf                             Hash
		}
	}
	loadVectors(t, "tlogproofs.json", &v)
	for _, c := range v.Valid {
		t.Run(c.Name, func(t *testing.T) {
			p, err := ParseTlogProof([]byte(c.Proof))
			if err != nil {
				t.Fatal(err)
			}
			if p.Index != c.Index || base64.StdEncoding.EncodeToString(p.Extra) != c.Extra {
				t.Errorf("index %d, extra %q; want %d, %s", p.Index, p.Extra, c.Index, c.Extra)
			}
			if _, err := p.Verify(c.Leaf, c.Origin, mustVerifier(t, c.VKey)); err != nil {
				t.Error(err)
			}
			if got := string(AppendTlogProof(nil, p)); got != c.Proof {
				t.Errorf("AppendTlogProof = %q, want %q", got, c.Proof)
			}
		})
	}
	for _, c := range v.Invalid {
		t.Run("refuse "+c.Name, func(t *testing.T) {
			p, err := ParseTlogProof([]byte(c.Proof))
			if err == nil {
				_, err = p.Verify(c.Leaf, c.Origin, mustVerifier(t, c.VKey))
			}
			if !errors.Is(err, sentinel(t, c.Error)) {
				t.Errorf("%v, want %s", err, c.Error)
			}
		})
	}
}

func TestPathVectors(t *testing.T) {
	var v struct {
		About string
		Valid []struct {
			Path    string
			Entries bool
			Level   uint8
			Index   uint64
			Width   int
		}
		Invalid []string
	}
	loadVectors(t, "paths.json", &v)
	for _, c := range v.Valid {
		want := Tile{Entries: c.Entries, Level: c.Level, Index: c.Index, Width: c.Width}
		if got, err := ParseTilePath(c.Path); err != nil || got != want {
			t.Errorf("ParseTilePath(%q) = %+v, %v; want %+v", c.Path, got, err, want)
		}
		if got := want.Path(); got != c.Path {
			t.Errorf("Path of %+v = %q, want %q", want, got, c.Path)
		}
	}
	for _, path := range v.Invalid {
		if got, err := ParseTilePath(path); !errors.Is(err, ErrMalformed) {
			t.Errorf("ParseTilePath(%q) = %+v, %v; want malformed", path, got, err)
		}
	}
}

// TestRFC6962Vectors checks this package against the reference tree that every RFC 6962 implementation is tested with.
func TestRFC6962Vectors(t *testing.T) {
	type path struct {
		Index, Size, Old, New uint64
		Path                  []string
	}
	var v struct {
		About                  string
		Leaves, Roots          []string
		Inclusion, Consistency []path
	}
	loadVectors(t, "rfc6962.json", &v)
	unhex := func(s string) Hash {
		h, ok := parseHashHex([]byte(s))
		if !ok {
			t.Fatalf("vector %q is no hash", s)
		}
		return h
	}
	var tree Tree
	var leaves naive
	if tree.Root() != unhex(v.Roots[0]) || EmptyRoot() != unhex(v.Roots[0]) {
		t.Error("the empty tree has another root")
	}
	for i, in := range v.Leaves {
		data, err := hex.DecodeString(in)
		if err != nil {
			t.Fatal(err)
		}
		leaves = append(leaves, LeafHash(data))
		tree.Append(leaves[i])
		if got, want := tree.Root(), unhex(v.Roots[i+1]); got != want {
			t.Errorf("root of %d = %s, want %s", i+1, got.Hex(), want.Hex())
		}
	}
	hashes := func(in []string) []Hash {
		out := []Hash{}
		for _, s := range in {
			out = append(out, unhex(s))
		}
		return out
	}
	for _, c := range v.Inclusion {
		want := hashes(c.Path)
		got, err := ProveInclusion(c.Index, c.Size, leaves[:c.Size])
		if err != nil || !cmp.Equal(want, append([]Hash{}, got...)) {
			t.Errorf("inclusion of %d in %d: %v, %v", c.Index, c.Size, got, err)
		}
		if err := VerifyInclusion(c.Index, c.Size, leaves[c.Index], unhex(v.Roots[c.Size]), want); err != nil {
			t.Error(err)
		}
	}
	for _, c := range v.Consistency {
		want := hashes(c.Path)
		got, err := ProveConsistency(c.Old, c.New, leaves[:c.New])
		if err != nil || !cmp.Equal(want, append([]Hash{}, got...)) {
			t.Errorf("consistency of %d and %d: %v, %v", c.Old, c.New, got, err)
		}
		if err := VerifyConsistency(c.Old, c.New, unhex(v.Roots[c.Old]), unhex(v.Roots[c.New]), want); err != nil {
			t.Error(err)
		}
	}
}
