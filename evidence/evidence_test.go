package evidence_test

import (
	"archive/zip"
	"bytes"
	"testing"

	"github.com/stetlog/stet/evidence"
	"github.com/stetlog/stet/internal/evidencetest"
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
		w := evidencetest.New(t, seed)
		w.Fill(int(2 * seed))
		if seed%3 == 0 {
			w.Rotate(70)
			w.Fill(3)
			w.Rotate(71)
			w.Fill(3)
		}
		last := uint64(len(w.Entries) - 1)
		for name, c := range map[string]evidence.Contents{
			"of one user":     w.Contents(evidencetest.By("user1")),
			"of nobody":       w.Contents(evidencetest.By("nobody")),
			"everything":      w.Contents(evidencetest.Everything),
			"the whole":       w.Contents(evidencetest.By("user1"), 0, last),
			"a part as whole": w.Contents(evidencetest.By("user1"), last/3, last/2),
		} {
			file := evidencetest.Pack(t, c)
			if again := evidencetest.Pack(t, c); !bytes.Equal(file, again) {
				t.Fatalf("%s: the same contents make other bytes", name)
			}
			rep := verify(t, file, w.Log.VKey)
			mustBe(t, rep, "verified", name)
			mustBe(t, verify(t, file, w.First), "verified", name+", by the log's first key")
			mustBe(t, verify(t, file, ""), "consistent, author unknown", name)
			mustBe(t, verify(t, file, evidencetest.NewSigner(t, evidencetest.Origin, 99).VKey), "failed", name+", by another key")
			if rep.Found != rep.Manifest.Counts.Found || rep.Events+rep.Refused+rep.Losses != rep.Found+uint64(len(rep.Manifest.Context)) {
				t.Fatalf("%s: %+v", name, rep)
			}
			if z, err := zip.NewReader(bytes.NewReader(file), int64(len(file))); err != nil || len(z.File) != len(rep.Manifest.Members)+1 {
				t.Fatalf("%s: other tools do not read it: %v", name, err)
			}
		}
	}
}

func verify(t testing.TB, file []byte, key string) evidence.Report {
	t.Helper()
	rep, err := evidence.Verify(t.Context(), bytes.NewReader(file), int64(len(file)), evidence.Options{LogKey: key, Workers: 2})
	if err != nil {
		t.Fatal(err)
	}
	return rep
}
