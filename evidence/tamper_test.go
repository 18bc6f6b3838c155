package evidence_test

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/evidence"
	"github.com/stetlog/stet/proof"
)

// unpack reads a file as any other tool would.
func unpack(t testing.TB, file []byte) (all []evidence.Packed) {
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
		all = append(all, evidence.Packed{Name: f.Name, Data: b})
	}
	return all
}

// sample is evidence of a part of a log, with all kinds of entries in it.
func sample(t testing.TB) (*world, []byte) {
	w := newWorld(t, 8)
	w.fill(12)
	w.rotate(70)
	w.fill(12)
	return w, pack(t, w.contents(by("user1"), 20, 60))
}

// TestNoByteCanBeChanged: whichever bit of the file is turned, it is refused; or what was turned is padding between packed
// bits, and what is unpacked is the same.
func TestNoByteCanBeChanged(t *testing.T) {
	w, file := sample(t)
	mustBe(t, verify(t, file, w.log.vkey), "verified", "the sample")
	good := unpack(t, file)
	step := 31
	if os.Getenv("STET_LONG") != "" {
		step = 1
	}
	for i := 0; i < len(file); i += step {
		bad := slices.Clone(file)
		bad[i] ^= 1 << (i % 8)
		switch rep := verify(t, bad, w.log.vkey); rep.State() {
		case evidence.Failed:
		case evidence.Verified:
			if diff := cmp.Diff(good, unpack(t, bad)); diff != "" {
				t.Fatalf("byte %d changed, and it verifies: %s", i, diff)
			}
		default:
			t.Fatalf("byte %d: %s: %v", i, rep.Word(), rep.Findings)
		}
	}
	for cut := 0; cut < len(file); cut += 503 {
		mustFail(t, verify(t, file[:cut], w.log.vkey), "cut")
		mustFail(t, verify(t, file[cut+1:], w.log.vkey), "without its beginning")
	}
	mustFail(t, verify(t, append(slices.Clone(file), 0), w.log.vkey), "with one byte more")
	mustFail(t, verify(t, append([]byte("PK"), file...), w.log.vkey), "with something before it")
}

func mustFail(t testing.TB, rep evidence.Report, what string) {
	t.Helper()
	if rep.State() != evidence.Failed {
		t.Fatalf("%s: %s", what, rep.Word())
	}
}

// forgery is a file that somebody takes apart, changes, and packs again so that sizes, hashes and counts agree.
type forgery struct {
	t     testing.TB
	all   []evidence.Packed
	m     evidence.Manifest
	lines []string // of entries.jsonl
}

func forge(t testing.TB, file []byte) *forgery {
	t.Helper()
	f := &forgery{t: t, all: unpack(t, file)}
	if err := json.Unmarshal(*f.member("manifest.json"), &f.m); err != nil {
		t.Fatal(err)
	}
	f.lines = strings.SplitAfter(strings.TrimSuffix(string(*f.member("entries.jsonl")), "\n"), "\n")
	f.lines[len(f.lines)-1] += "\n"
	return f
}

func (f *forgery) member(name string) *[]byte {
	for i := range f.all {
		if f.all[i].Name == name {
			return &f.all[i].Data
		}
	}
	f.t.Fatalf("no member %s", name)
	return nil
}

// line is the index of the first line that holds a text.
func (f *forgery) line(text string) int {
	i := slices.IndexFunc(f.lines, func(l string) bool { return strings.Contains(l, text) })
	if i < 0 {
		f.t.Fatalf("no line with %s", text)
	}
	return i
}

func (f *forgery) seq(line int) uint64 {
	e, err := proof.ParseEntry([]byte(strings.TrimSuffix(f.lines[line], "\n")))
	if err != nil {
		f.t.Fatal(err)
	}
	return e.Seq
}

func (f *forgery) pack() []byte {
	f.t.Helper()
	*f.member("entries.jsonl") = []byte(strings.Join(f.lines, ""))
	f.m.Counts.Entries = uint64(len(f.lines))
	f.m.Counts.Tree = uint64(bytes.Count(*f.member("tree.txt"), []byte("\n")))
	f.m.Counts.Batches = uint64(bytes.Count(*f.member("batches.txt"), []byte("\n")))
	b, err := evidence.Pack(f.all, &f.m)
	if err != nil {
		f.t.Fatal(err)
	}
	return b
}

// TestForgeries: whoever changes evidence and makes sizes, hashes and counts agree again is found out by the proofs, with
// the word that names the entry where one can be named.
func TestForgeries(t *testing.T) {
	w, file := sample(t)
	user1 := `"user_id":"user1"`
	for _, tt := range []struct {
		name  string
		forge func(f *forgery) (word string)
	}{
		{"nothing changed", func(*forgery) string { return "verified" }},
		{"another actor", func(f *forgery) string {
			i := f.line(user1)
			f.lines[i] = strings.Replace(f.lines[i], user1, `"user_id":"user2"`, 1)
			return fmt.Sprintf("failed at seq %d", f.seq(i))
		}},
		{"an event dropped", func(f *forgery) string {
			i := f.line(user1)
			f.lines = slices.Delete(f.lines, i, i+1)
			f.m.Counts.Found--
			return "failed"
		}},
		{"an event dropped and called hidden", func(f *forgery) string {
			i := f.line(user1)
			f.lines = slices.Delete(f.lines, i, i+1)
			f.m.Counts.Found--
			f.m.Counts.Hidden++
			return "failed"
		}},
		{"two entries swapped", func(f *forgery) string {
			i := f.line(user1)
			word := fmt.Sprintf("failed at seq %d", f.seq(i))
			f.lines[i], f.lines[i+1] = f.lines[i+1], f.lines[i]
			return word
		}},
		{"an entry twice", func(f *forgery) string {
			i := f.line(user1)
			f.lines = slices.Insert(f.lines, i, f.lines[i])
			return fmt.Sprintf("failed at seq %d", f.seq(i))
		}},
		{"an event at another number", func(f *forgery) string {
			i := f.line(user1)
			f.lines[i] = strings.Replace(f.lines[i], fmt.Sprintf(`"seq":%d,`, f.seq(i)), fmt.Sprintf(`"seq":%d,`, f.seq(i)+1000), 1)
			return fmt.Sprintf("failed at seq %d", f.seq(i))
		}},
		{"received earlier", func(f *forgery) string {
			i := f.line(user1)
			e, _ := proof.ParseEntry([]byte(strings.TrimSuffix(f.lines[i], "\n")))
			f.lines[i] = strings.Replace(f.lines[i], e.ReceivedAt, e.ReceivedAt[:29]+"Z", 1)
			f.lines[i] = strings.Replace(f.lines[i], `"received_at":"2026`, `"received_at":"2025`, 1)
			return fmt.Sprintf("failed at seq %d", f.seq(i))
		}},
		{"a seal dropped", func(f *forgery) string {
			i := f.line(user1)
			first := f.seq(i)
			for !strings.Contains(f.lines[i], `"seal":{`) {
				i++
			}
			f.lines = slices.Delete(f.lines, i, i+1)
			f.m.Counts.Seals--
			return fmt.Sprintf("failed at seq %d", first)
		}},
		{"an enrolment dropped", func(f *forgery) string {
			i := f.line(`"event_type":"emitter_enrolled"`)
			f.lines = slices.Delete(f.lines, i, i+2)
			f.m.Context = f.m.Context[1:]
			return "failed"
		}},
		{"a hash of the tree changed", func(f *forgery) string {
			b := *f.member("tree.txt")
			b[0] = 'A' + (b[0]-'A'+1)%26
			return "failed"
		}},
		{"a hash of the tree dropped", func(f *forgery) string {
			*f.member("tree.txt") = (*f.member("tree.txt"))[45:]
			return "failed"
		}},
		{"a hash more in the tree", func(f *forgery) string {
			b := f.member("tree.txt")
			*b = append(*b, (*b)[:45]...)
			return "failed"
		}},
		{"a hash more for the batches", func(f *forgery) string {
			b := f.member("batches.txt")
			*b = append(*b, (*f.member("tree.txt"))[:45]...)
			return "failed"
		}},
		{"another key named", func(f *forgery) string {
			f.m.Log.Key = newSigner(f.t, origin, 99).vkey
			return "failed"
		}},
		{"the checkpoint signed by another key", func(f *forgery) string {
			cp, err := proof.ParseCheckpointText(*f.member("checkpoint"))
			if err != nil {
				f.t.Fatal(err)
			}
			key := newSigner(f.t, origin, 99)
			if *f.member("checkpoint"), err = proof.SignCheckpoint(cp, key); err != nil {
				f.t.Fatal(err)
			}
			f.m.Log.Key = key.vkey
			return "failed"
		}},
		{"a smaller whole range", func(f *forgery) string {
			f.m.Whole.First++
			return "failed"
		}},
		{"a whole range that is not the one that was searched", func(f *forgery) string {
			f.m.Searched.First = 0
			return fmt.Sprintf("failed at seq %d", f.m.Whole.First)
		}},
		{"no whole range any more", func(f *forgery) string {
			f.m.Whole, f.m.Counts.Hidden = nil, 0
			return "failed"
		}},
		{"a found event called context", func(f *forgery) string {
			f.m.Context = append(f.m.Context, f.seq(f.line(user1)))
			slices.Sort(f.m.Context)
			return "failed"
		}},
		{"a key enrolled elsewhere", func(f *forgery) string {
			f.m.Keys[1].Enrolled++
			return fmt.Sprintf("failed at seq %d", f.m.Keys[1].Enrolled)
		}},
		{"a revocation that was none", func(f *forgery) string {
			f.m.Keys[1].Revoked = new(uint64)
			return fmt.Sprintf("failed at seq %d", f.m.Keys[1].Enrolled)
		}},
		{"another count", func(f *forgery) string {
			f.m.Counts.Found++
			return "failed"
		}},
		{"another table, its hash unchanged", func(f *forgery) string { return "" }},
		{"a member more", func(f *forgery) string {
			f.all = slices.Insert(f.all, 0, evidence.Packed{Name: "README", Data: []byte("hello")})
			return "failed"
		}},
		{"a member twice", func(f *forgery) string {
			f.all = slices.Insert(f.all, 0, f.all[0])
			return "failed"
		}},
		{"a member of another path", func(f *forgery) string {
			f.all[len(f.all)-2].Name = "../stories.html"
			return "failed"
		}},
		{"a bomb", func(f *forgery) string {
			*f.member("events.csv") = make([]byte, 64<<20)
			return "failed"
		}},
	} {
		f := forge(t, file)
		word := tt.forge(f)
		if word == "" {
			*f.member("events.csv") = []byte("SEQ\r\n")
			bad, err := evidence.Pack(f.all, nil)
			if err != nil {
				t.Fatal(err)
			}
			mustBe(t, verify(t, bad, w.log.vkey), "failed", tt.name)
			continue
		}
		mustBe(t, verify(t, f.pack(), w.log.vkey), word, tt.name)
	}
}

// TestHandoversAreFollowed from a key that somebody trusts, and none is believed that is not there.
func TestHandoversAreFollowed(t *testing.T) {
	w, file := sample(t)
	f := forge(t, file)
	f.all = slices.DeleteFunc(f.all, func(p evidence.Packed) bool { return p.Name == "logkeys" })
	bad := f.pack()
	mustBe(t, verify(t, file, w.first), "verified", "by the first key")
	mustBe(t, verify(t, bad, w.log.vkey), "verified", "without the chain, by the newest key")
	mustBe(t, verify(t, bad, w.first), "failed", "without the chain, by the first key")
}

// TestRevokedKeys: what a key seals after its revocation is refused, also in evidence.
func TestRevokedKeys(t *testing.T) {
	w := newWorld(t, 3)
	s := w.emitter(10, "billing")
	w.batch(s, []event.Event{w.login("user1")}, nil)
	w.revoke(s.key)
	mustBe(t, verify(t, pack(t, w.contents(by("user1"))), w.log.vkey), "verified", "before its revocation")
	late := uint64(len(w.entries) + 1)
	w.batch(s, []event.Event{w.login("user1")}, nil)
	mustBe(t, verify(t, pack(t, w.contents(by("user1"))), w.log.vkey), fmt.Sprintf("failed at seq %d", late), "after it")
}

// TestTwoHistories: a checkpoint of the same size that somebody kept must be the same.
func TestTwoHistories(t *testing.T) {
	w, file := sample(t)
	other := newWorld(t, 9)
	for len(other.entries) < len(w.entries) {
		other.fill(1)
	}
	msg := func(root proof.Hash) []byte {
		b, err := proof.SignCheckpoint(proof.Checkpoint{Origin: origin, Size: uint64(len(w.entries)), Root: root}, w.log)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	for name, tt := range map[string]struct {
		root proof.Hash
		want evidence.State
	}{"the same": {proof.RootOf(w.leaves), evidence.Verified}, "another": {proof.RootOf(other.leaves), evidence.Failed}} {
		rep, err := evidence.Verify(t.Context(), bytes.NewReader(file), int64(len(file)), evidence.Options{LogKey: w.log.vkey, Known: []evidence.Known{{Checkpoint: msg(tt.root), From: "somebody"}}})
		if err != nil || rep.State() != tt.want {
			t.Errorf("%s: %s, %v", name, rep.Word(), err)
		}
	}
}

// TestUnreadable: what cannot be read is not checked, and never a failure.
func TestUnreadable(t *testing.T) {
	w, file := sample(t)
	rapid.Check(t, func(t *rapid.T) {
		at := rapid.Int64Range(0, int64(len(file)-1)).Draw(t, "at")
		rep, err := evidence.Verify(w.t.Context(), broken{bytes.NewReader(file), at}, int64(len(file)), evidence.Options{LogKey: w.log.vkey, Workers: 1})
		if err != nil || rep.State() != evidence.NotChecked {
			t.Fatalf("%s, %v: %v", rep.Word(), err, rep.Findings)
		}
	})
}

// broken cannot read one byte.
type broken struct {
	*bytes.Reader
	at int64
}

func (b broken) ReadAt(p []byte, off int64) (int, error) {
	if off <= b.at && b.at < off+int64(len(p)) {
		return 0, io.ErrNoProgress
	}
	return b.Reader.ReadAt(p, off)
}

// TestAnUnsealedEnd: the last events of a file need their seal as much as the others.
func TestAnUnsealedEnd(t *testing.T) {
	w := newWorld(t, 3)
	s := w.emitter(10, "billing")
	w.batch(s, []event.Event{w.login("user1")}, nil)
	f := forge(t, pack(t, w.contents(by("user1"))))
	last := len(f.lines) - 1
	seq := f.seq(last)
	f.lines = f.lines[:last]
	f.m.Counts.Seals--
	tree := f.member("tree.txt")
	*tree = append(*tree, w.leaves[seq].String()+"\n"...) // so that the tree is as good as before
	mustBe(t, verify(t, f.pack(), w.log.vkey), fmt.Sprintf("failed at seq %d", seq-1), "an event without its seal at the end")
}

// TestAWholeWithAnEntryThatNothingAccountsFor: whoever makes evidence with the right hashes for a batch of the range, and leaves
// its seal out, could have left out anything there.
func TestAWholeWithAnEntryThatNothingAccountsFor(t *testing.T) {
	w, _ := sample(t)
	whole, tried := w.contents(by("user1"), 20, 60).Whole, 0
	for seal, events := range w.batches {
		first := seal - uint64(len(events))
		batch := w.entries[first:seal]
		if first <= whole.First || seal >= whole.Last || slices.ContainsFunc(batch, func(b []byte) bool {
			return bytes.Contains(b, []byte(`"user1"`)) || bytes.Contains(b, []byte(`"stub":`))
		}) {
			continue
		}
		tried++
		c := w.contents(by("user1"), 20, 60)
		all := c.Entries
		c.Entries = func(yield func(evidence.Shown, error) bool) {
			for s, err := range all {
				if s.Seq != seal && !yield(s, err) {
					return
				}
			}
		}
		mustBe(t, verify(t, pack(t, c), w.log.vkey), fmt.Sprintf("failed at seq %d", first), "without a seal")
	}
	if tried == 0 {
		t.Fatal("no batch of the range is hidden whole")
	}
}
