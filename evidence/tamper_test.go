package evidence_test

import (
	"bytes"
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
	"github.com/stetlog/stet/internal/evidencetest"
	"github.com/stetlog/stet/proof"
)

// sample is evidence of a part of a log, with all kinds of entries in it.
func sample(t testing.TB) (*evidencetest.World, []byte) {
	w := evidencetest.New(t, 8)
	w.Fill(12)
	w.Rotate(70)
	w.Fill(12)
	return w, evidencetest.Pack(t, w.Contents(evidencetest.By("user1"), 20, 60))
}

// TestNoByteCanBeChanged: whichever bit of the file is turned, it is refused; or what was turned is padding between packed
// bits, and what is unpacked is the same.
func TestNoByteCanBeChanged(t *testing.T) {
	w, file := sample(t)
	mustBe(t, verify(t, file, w.Log.VKey), "verified", "the sample")
	good := evidencetest.Unpack(t, file)
	step := 31
	if os.Getenv("STET_LONG") != "" {
		step = 1
	}
	for i := 0; i < len(file); i += step {
		bad := slices.Clone(file)
		bad[i] ^= 1 << (i % 8)
		switch rep := verify(t, bad, w.Log.VKey); rep.State() {
		case evidence.Failed:
		case evidence.Verified:
			if diff := cmp.Diff(good, evidencetest.Unpack(t, bad)); diff != "" {
				t.Fatalf("byte %d changed, and it verifies: %s", i, diff)
			}
		default:
			t.Fatalf("byte %d: %s: %v", i, rep.Word(), rep.Findings)
		}
	}
	for cut := 0; cut < len(file); cut += 503 {
		mustFail(t, verify(t, file[:cut], w.Log.VKey), "cut")
		mustFail(t, verify(t, file[cut+1:], w.Log.VKey), "without its beginning")
	}
	mustFail(t, verify(t, append(slices.Clone(file), 0), w.Log.VKey), "with one byte more")
	mustFail(t, verify(t, append([]byte("PK"), file...), w.Log.VKey), "with something before it")
}

func mustFail(t testing.TB, rep evidence.Report, what string) {
	t.Helper()
	if rep.State() != evidence.Failed {
		t.Fatalf("%s: %s", what, rep.Word())
	}
}

// TestForgeries: whoever changes evidence and makes sizes, hashes and counts agree again is found out by the proofs, with
// the word that names the entry where one can be named.
func TestForgeries(t *testing.T) {
	w, file := sample(t)
	user1 := `"user_id":"user1"`
	for _, tt := range []struct {
		name  string
		forge func(f *evidencetest.Forgery) (word string)
	}{
		{"nothing changed", func(*evidencetest.Forgery) string { return "verified" }},
		{"another actor", func(f *evidencetest.Forgery) string {
			i := f.Line(user1)
			f.Lines[i] = strings.Replace(f.Lines[i], user1, `"user_id":"user2"`, 1)
			return fmt.Sprintf("failed at seq %d", f.Entry(i).Seq)
		}},
		{"an event dropped", func(f *evidencetest.Forgery) string {
			i := f.Line(user1)
			f.Lines = slices.Delete(f.Lines, i, i+1)
			f.Manifest.Counts.Found--
			return "failed"
		}},
		{"an event dropped and called hidden", func(f *evidencetest.Forgery) string {
			i := f.Line(user1)
			f.Lines = slices.Delete(f.Lines, i, i+1)
			f.Manifest.Counts.Found--
			f.Manifest.Counts.Hidden++
			return "failed"
		}},
		{"two entries swapped", func(f *evidencetest.Forgery) string {
			i := f.Line(user1)
			word := fmt.Sprintf("failed at seq %d", f.Entry(i).Seq)
			f.Lines[i], f.Lines[i+1] = f.Lines[i+1], f.Lines[i]
			return word
		}},
		{"an entry twice", func(f *evidencetest.Forgery) string {
			i := f.Line(user1)
			f.Lines = slices.Insert(f.Lines, i, f.Lines[i])
			return fmt.Sprintf("failed at seq %d", f.Entry(i).Seq)
		}},
		{"an event at another number", func(f *evidencetest.Forgery) string {
			i := f.Line(user1)
			f.Lines[i] = strings.Replace(f.Lines[i], fmt.Sprintf(`"seq":%d,`, f.Entry(i).Seq), fmt.Sprintf(`"seq":%d,`, f.Entry(i).Seq+1000), 1)
			return fmt.Sprintf("failed at seq %d", f.Entry(i).Seq)
		}},
		{"received earlier", func(f *evidencetest.Forgery) string {
			i := f.Line(user1)
			e := f.Entry(i)
			f.Lines[i] = strings.Replace(f.Lines[i], e.ReceivedAt, e.ReceivedAt[:29]+"Z", 1)
			f.Lines[i] = strings.Replace(f.Lines[i], `"received_at":"2026`, `"received_at":"2025`, 1)
			return fmt.Sprintf("failed at seq %d", f.Entry(i).Seq)
		}},
		{"a seal dropped", func(f *evidencetest.Forgery) string {
			i := f.Line(user1)
			first := f.Entry(i).Seq
			for !strings.Contains(f.Lines[i], `"seal":{`) {
				i++
			}
			f.Lines = slices.Delete(f.Lines, i, i+1)
			f.Manifest.Counts.Seals--
			return fmt.Sprintf("failed at seq %d", first)
		}},
		{"an enrolment dropped", func(f *evidencetest.Forgery) string {
			i := f.Line(`"event_type":"emitter_enrolled"`)
			f.Lines = slices.Delete(f.Lines, i, i+2)
			f.Manifest.Context = f.Manifest.Context[1:]
			return "failed"
		}},
		{"a hash of the tree changed", func(f *evidencetest.Forgery) string {
			b := *f.Member("tree.txt")
			b[0] = 'A' + (b[0]-'A'+1)%26
			return "failed"
		}},
		{"a hash of the tree dropped", func(f *evidencetest.Forgery) string {
			*f.Member("tree.txt") = (*f.Member("tree.txt"))[45:]
			return "failed"
		}},
		{"a hash more in the tree", func(f *evidencetest.Forgery) string {
			b := f.Member("tree.txt")
			*b = append(*b, (*b)[:45]...)
			return "failed"
		}},
		{"a hash more for the batches", func(f *evidencetest.Forgery) string {
			b := f.Member("batches.txt")
			*b = append(*b, (*f.Member("tree.txt"))[:45]...)
			return "failed"
		}},
		{"another key named", func(f *evidencetest.Forgery) string {
			f.Manifest.Log.Key = evidencetest.NewSigner(t, evidencetest.Origin, 99).VKey
			return "failed"
		}},
		{"the checkpoint signed by another key", func(f *evidencetest.Forgery) string {
			cp, err := proof.ParseCheckpointText(*f.Member("checkpoint"))
			if err != nil {
				t.Fatal(err)
			}
			key := evidencetest.NewSigner(t, evidencetest.Origin, 99)
			if *f.Member("checkpoint"), err = proof.SignCheckpoint(cp, key); err != nil {
				t.Fatal(err)
			}
			f.Manifest.Log.Key = key.VKey
			return "failed"
		}},
		{"a smaller whole range", func(f *evidencetest.Forgery) string {
			f.Manifest.Whole.First++
			return "failed"
		}},
		{"a whole range that is not the one that was searched", func(f *evidencetest.Forgery) string {
			f.Manifest.Searched.First = 0
			return fmt.Sprintf("failed at seq %d", f.Manifest.Whole.First)
		}},
		{"no whole range any more", func(f *evidencetest.Forgery) string {
			f.Manifest.Whole, f.Manifest.Counts.Hidden = nil, 0
			return "failed"
		}},
		{"a found event called context", func(f *evidencetest.Forgery) string {
			f.Manifest.Context = append(f.Manifest.Context, f.Entry(f.Line(user1)).Seq)
			slices.Sort(f.Manifest.Context)
			return "failed"
		}},
		{"a key enrolled elsewhere", func(f *evidencetest.Forgery) string {
			f.Manifest.Keys[1].Enrolled++
			return fmt.Sprintf("failed at seq %d", f.Manifest.Keys[1].Enrolled)
		}},
		{"a revocation that was none", func(f *evidencetest.Forgery) string {
			f.Manifest.Keys[1].Revoked = new(uint64)
			return fmt.Sprintf("failed at seq %d", f.Manifest.Keys[1].Enrolled)
		}},
		{"a key left out", func(f *evidencetest.Forgery) string {
			seq := f.Manifest.Keys[1].Enrolled
			f.Manifest.Keys = slices.Delete(f.Manifest.Keys, 1, 2)
			return fmt.Sprintf("failed at seq %d", seq)
		}},
		{"a key twice", func(f *evidencetest.Forgery) string {
			f.Manifest.Keys = append(f.Manifest.Keys, f.Manifest.Keys[1])
			return "failed"
		}},
		{"another count", func(f *evidencetest.Forgery) string {
			f.Manifest.Counts.Found++
			return "failed"
		}},
		{"another table, its hash unchanged", func(f *evidencetest.Forgery) string { return "" }},
		{"a member more", func(f *evidencetest.Forgery) string {
			f.All = slices.Insert(f.All, 0, evidencetest.Packed{Name: "README", Data: []byte("hello")})
			return "failed"
		}},
		{"a member twice", func(f *evidencetest.Forgery) string {
			f.All = slices.Insert(f.All, 0, f.All[0])
			return "failed"
		}},
		{"a member of another path", func(f *evidencetest.Forgery) string {
			f.All[len(f.All)-2].Name = "../stories.html"
			return "failed"
		}},
		{"a bomb", func(f *evidencetest.Forgery) string {
			*f.Member("events.csv") = make([]byte, 64<<20)
			return "failed"
		}},
	} {
		f := evidencetest.Forge(t, file)
		word := tt.forge(f)
		if word == "" {
			*f.Member("events.csv") = []byte("SEQ\r\n")
			mustBe(t, verify(t, evidencetest.Zip(t, f.All), w.Log.VKey), "failed", tt.name)
			continue
		}
		mustBe(t, verify(t, f.Pack(), w.Log.VKey), word, tt.name)
	}
}

// TestManifestsThatOthersWouldReadOtherwise are refused as such, before anything else of the file is looked at.
func TestManifestsThatOthersWouldReadOtherwise(t *testing.T) {
	_, file := sample(t)
	for name, change := range map[string]func(m *evidence.Manifest){
		"no key of the log":             func(m *evidence.Manifest) { m.Log.Key = "" },
		"a seq that would be rounded":   func(m *evidence.Manifest) { m.Keys[1].Enrolled = 1<<53 + 1 },
		"a count that would be as well": func(m *evidence.Manifest) { m.Counts.Found = 1<<53 + 1 },
	} {
		f := evidencetest.Forge(t, file)
		change(&f.Manifest)
		rep := verify(t, f.Pack(), "")
		if rep.Word() != "failed" || rep.Size != 0 {
			t.Errorf("%s: %s, with a log of %d entries", name, rep.Word(), rep.Size)
		}
	}
}

// TestHandoversAreFollowed from a key that somebody trusts, and none is believed that is not there.
func TestHandoversAreFollowed(t *testing.T) {
	w, file := sample(t)
	f := evidencetest.Forge(t, file)
	f.All = slices.DeleteFunc(f.All, func(p evidencetest.Packed) bool { return p.Name == "logkeys" })
	bad := f.Pack()
	mustBe(t, verify(t, file, w.First), "verified", "by the first key")
	mustBe(t, verify(t, bad, w.Log.VKey), "verified", "without the chain, by the newest key")
	mustBe(t, verify(t, bad, w.First), "failed", "without the chain, by the first key")
}

// TestRevokedKeys: what a key seals after its revocation is refused, also in evidence.
func TestRevokedKeys(t *testing.T) {
	w := evidencetest.New(t, 3)
	s := w.Emitter(10, "billing")
	w.Batch(s, []event.Event{w.Login("user1")}, nil)
	w.Revoke(s.Key)
	mustBe(t, verify(t, evidencetest.Pack(t, w.Contents(evidencetest.By("user1"))), w.Log.VKey), "verified", "before its revocation")
	late := uint64(len(w.Entries) + 1)
	w.Batch(s, []event.Event{w.Login("user1")}, nil)
	mustBe(t, verify(t, evidencetest.Pack(t, w.Contents(evidencetest.By("user1"))), w.Log.VKey), fmt.Sprintf("failed at seq %d", late), "after it")
}

// TestTwoHistories: a checkpoint of the same size that somebody kept must be the same.
func TestTwoHistories(t *testing.T) {
	w, file := sample(t)
	other := evidencetest.New(t, 9)
	for len(other.Entries) < len(w.Entries) {
		other.Fill(1)
	}
	msg := func(root proof.Hash) []byte {
		b, err := proof.SignCheckpoint(proof.Checkpoint{Origin: evidencetest.Origin, Size: uint64(len(w.Entries)), Root: root}, w.Log)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	for name, tt := range map[string]struct {
		root proof.Hash
		want evidence.State
	}{"the same": {proof.RootOf(w.Leaves), evidence.Verified}, "another": {proof.RootOf(other.Leaves), evidence.Failed}} {
		rep, err := evidence.Verify(t.Context(), bytes.NewReader(file), int64(len(file)), evidence.Options{LogKey: w.Log.VKey, Known: []evidence.Known{{Checkpoint: msg(tt.root), From: "somebody"}}})
		if err != nil || rep.State() != tt.want {
			t.Errorf("%s: %s, %v", name, rep.Word(), err)
		}
	}
}

// TestUnreadable: what cannot be read is not checked, and never a failure.
func TestUnreadable(t *testing.T) {
	w, file := sample(t)
	ctx := t.Context()
	rapid.Check(t, func(t *rapid.T) {
		at := rapid.Int64Range(0, int64(len(file)-1)).Draw(t, "at")
		rep, err := evidence.Verify(ctx, broken{bytes.NewReader(file), at}, int64(len(file)), evidence.Options{LogKey: w.Log.VKey, Workers: 1})
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
	w := evidencetest.New(t, 3)
	s := w.Emitter(10, "billing")
	w.Batch(s, []event.Event{w.Login("user1")}, nil)
	f := evidencetest.Forge(t, evidencetest.Pack(t, w.Contents(evidencetest.By("user1"))))
	last := len(f.Lines) - 1
	seq := f.Entry(last).Seq
	f.Lines = f.Lines[:last]
	f.Manifest.Counts.Seals--
	tree := f.Member("tree.txt")
	*tree = append(*tree, w.Leaves[seq].String()+"\n"...) // so that the tree is as good as before
	mustBe(t, verify(t, f.Pack(), w.Log.VKey), fmt.Sprintf("failed at seq %d", seq-1), "an event without its seal at the end")
}

// TestAWholeWithAnEntryThatNothingAccountsFor: whoever makes evidence with the right hashes for a batch of the range, and leaves
// its seal out, could have left out anything there.
func TestAWholeWithAnEntryThatNothingAccountsFor(t *testing.T) {
	w, _ := sample(t)
	whole, tried := w.Contents(evidencetest.By("user1"), 20, 60).Whole, 0
	for seal, events := range w.Batches {
		first := seal - uint64(len(events))
		batch := w.Entries[first:seal]
		if first <= whole.First || seal >= whole.Last || slices.ContainsFunc(batch, func(b []byte) bool {
			return bytes.Contains(b, []byte(`"user1"`)) || bytes.Contains(b, []byte(`"stub":`))
		}) {
			continue
		}
		tried++
		c := w.Contents(evidencetest.By("user1"), 20, 60)
		all := c.Entries
		c.Entries = func(yield func(evidence.Shown, error) bool) {
			for s, err := range all {
				if s.Seq != seal && !yield(s, err) {
					return
				}
			}
		}
		mustBe(t, verify(t, evidencetest.Pack(t, c), w.Log.VKey), fmt.Sprintf("failed at seq %d", first), "without a seal")
	}
	if tried == 0 {
		t.Fatal("no batch of the range is hidden whole")
	}
}
