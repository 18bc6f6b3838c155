package evidencetest

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/stetlog/stet/evidence"
	"github.com/stetlog/stet/proof"
)

// Packed is a member of a zip.
type Packed struct {
	Name string
	Data []byte
}

// Unpack reads a file as any other tool would.
func Unpack(t testing.TB, file []byte) (all []Packed) {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, Packed{f.Name, b})
	}
	return all
}

// Zip packs members as any other tool could that wants the one form of docs/spec/evidence.md.
func Zip(t testing.TB, all []Packed) []byte {
	t.Helper()
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	for _, p := range all {
		w, err := z.CreateHeader(&zip.FileHeader{Name: p.Name, Method: zip.Deflate, ModifiedDate: 0x21}) //nolint:staticcheck // the field that writes no extra one
		if err == nil {
			_, err = w.Write(p.Data)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// A Forgery is a file that somebody takes apart, changes, and packs again so that sizes, hashes and counts agree.
type Forgery struct {
	All      []Packed
	Manifest evidence.Manifest
	Lines    []string // of entries.jsonl
	// Text is the manifest's, in place of Manifest; "" is none.
	Text string
	// What is not made to fit again: lines are counted, and members listed, where it is false.
	LeftCounts, LeftHashes bool

	t testing.TB
}

// Forge takes a file apart.
func Forge(t testing.TB, file []byte) *Forgery {
	t.Helper()
	f := &Forgery{t: t, All: Unpack(t, file)}
	if err := json.Unmarshal(*f.Member("manifest.json"), &f.Manifest); err != nil {
		t.Fatal(err)
	}
	f.Lines = slices.Collect(strings.Lines(string(*f.Member("entries.jsonl"))))
	return f
}

// Member is a member's bytes.
func (f *Forgery) Member(name string) *[]byte {
	for i := range f.All {
		if f.All[i].Name == name {
			return &f.All[i].Data
		}
	}
	f.t.Fatalf("no member %s", name)
	return nil
}

// Line is the index of the first line that holds a text.
func (f *Forgery) Line(text string) int {
	i := slices.IndexFunc(f.Lines, func(l string) bool { return strings.Contains(l, text) })
	if i < 0 {
		f.t.Fatalf("no line with %s", text)
	}
	return i
}

// Entry is the one at a line.
func (f *Forgery) Entry(line int) proof.Entry {
	e, err := proof.ParseEntry([]byte(strings.TrimSuffix(f.Lines[line], "\n")))
	if err != nil {
		f.t.Fatal(err)
	}
	return e
}

// Again is the same for another test, or the same test again; changing one does not change the other, but for the bytes of a
// member.
func (f *Forgery) Again(t testing.TB) *Forgery {
	again := *f
	again.t, again.All, again.Lines = t, slices.Clone(f.All), slices.Clone(f.Lines)
	return &again
}

// Pack packs it again.
func (f *Forgery) Pack() []byte {
	f.t.Helper()
	*f.Member("entries.jsonl") = []byte(strings.Join(f.Lines, ""))
	if !f.LeftCounts {
		f.Manifest.Counts.Entries = uint64(len(f.Lines))
		f.Manifest.Counts.Tree = uint64(bytes.Count(*f.Member("tree.txt"), []byte("\n")))
		f.Manifest.Counts.Batches = uint64(bytes.Count(*f.Member("batches.txt"), []byte("\n")))
	}
	if !f.LeftHashes {
		f.Manifest.Members = []evidence.Member{}
		for _, p := range f.All {
			if sum := sha256.Sum256(p.Data); p.Name != "manifest.json" {
				f.Manifest.Members = append(f.Manifest.Members, evidence.Member{Name: p.Name, Bytes: uint64(len(p.Data)), SHA256: hex.EncodeToString(sum[:])})
			}
		}
	}
	text := []byte(f.Text)
	if f.Text == "" {
		text = f.Spell()
	}
	for i := range f.All {
		if f.All[i].Name == "manifest.json" {
			f.All[i].Data = text
		}
	}
	return Zip(f.t, f.All)
}

// Spell is the manifest as manifests are written.
func (f *Forgery) Spell() []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(f.Manifest); err != nil {
		f.t.Fatal(err)
	}
	return b.Bytes()
}
