package evidence_test

import (
	"archive/zip"
	"bytes"
	"testing"

	"github.com/stetlog/stet/evidence"
)

// mustBe checks the word; "failed" is at any entry or at none.
func mustBe(t testing.TB, rep evidence.Report, word, what string) {
	t.Helper()
	if got := rep.Word(); got != word && (word != "failed" || rep.State() != evidence.Failed) {
		t.Fatalf("%s: %s, want %s: %v", what, rep.Word(), word, rep.Findings)
	}
}

// TestWhatIsWrittenVerifies: for any log, query and range, by the log's key, and by no other.
func TestWhatIsWrittenVerifies(t *testing.T) {
	for seed := range uint64(16) {
		w := newWorld(t, seed)
		w.fill(int(2 * seed))
		if seed%3 == 0 {
			w.rotate(70)
			w.fill(3)
			w.rotate(71)
			w.fill(3)
		}
		last := uint64(len(w.entries) - 1)
		for name, c := range map[string]evidence.Contents{
			"of one user":     w.contents(by("user1")),
			"of nobody":       w.contents(by("nobody")),
			"everything":      w.contents(everything),
			"the whole":       w.contents(by("user1"), 0, last),
			"a part as whole": w.contents(by("user1"), last/3, last/2),
		} {
			file := pack(t, c)
			if again := pack(t, c); !bytes.Equal(file, again) {
				t.Fatalf("%s: the same contents make other bytes", name)
			}
			rep := verify(t, file, w.log.vkey)
			mustBe(t, rep, "verified", name)
			mustBe(t, verify(t, file, w.first), "verified", name+", by the log's first key")
			mustBe(t, verify(t, file, ""), "consistent, author unknown", name)
			mustBe(t, verify(t, file, newSigner(t, origin, 99).vkey), "failed", name+", by another key")
			if rep.Found != rep.Manifest.Counts.Found || rep.Events+rep.Refused+rep.Losses != rep.Found+uint64(len(rep.Manifest.Context)) {
				t.Fatalf("%s: %+v", name, rep)
			}
			if z, err := zip.NewReader(bytes.NewReader(file), int64(len(file))); err != nil || len(z.File) != len(rep.Manifest.Members)+1 {
				t.Fatalf("%s: other tools do not read it: %v", name, err)
			}
		}
	}
}
