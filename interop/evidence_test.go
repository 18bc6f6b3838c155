package interop

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stetlog/stet/evidence"
	"github.com/stetlog/stet/internal/evidencetest"
)

// verifierModule is the verifier in JavaScript.
const verifierModule = "../internal/verifierpage/verify.mjs"

// verdict is what a verifier says.
type verdict struct{ State, Word, Why string }

// TestVerifiersAgree gives the same files, good and forged, to package evidence and to the verifier in JavaScript, under Node:
// the same word, with the same seq. STET_LONG=1 makes ten thousand cases of them.
//
// Two kinds are held to the state alone: a file whose own bytes were damaged, for how much of a damaged member can be unpacked
// is for the unpacker to say; and one of which package evidence names an event that is not of event.md, which the other does
// not look at: it finds the changed bytes by their hash, at the first entry of the batch.
func TestVerifiersAgree(t *testing.T) {
	n := 600
	if os.Getenv("STET_LONG") != "" {
		n = 10_000
	}
	var cases []evidencetest.Case
	var want []evidence.Report
	for c := range evidencetest.Cases(t, 1, n) {
		rep, err := evidence.Verify(t.Context(), bytes.NewReader(c.File), int64(len(c.File)), evidence.Options{LogKey: c.Key, Workers: 1})
		if err != nil {
			t.Fatal(err)
		}
		cases, want = append(cases, c), append(want, rep)
	}
	got := inNode(t, cases)
	words, loose := map[string]int{}, 0
	for i, c := range cases {
		rep := want[i]
		words[strings.TrimRight(rep.Word(), "0123456789")]++
		first, _ := rep.First()
		if c.Torn || strings.HasPrefix(first.What, "this event is not a valid") {
			if loose++; got[i].State == rep.State().String() {
				continue
			}
		}
		if got[i].State != rep.State().String() || got[i].Word != rep.Word() {
			t.Errorf("case %d, %s: package evidence says %s (%s), the other %s: %s", i, c.Name, rep.Word(), first, got[i].Word, got[i].Why)
		}
	}
	t.Logf("%d cases, %d of them held to the state alone: %v", n, loose, words)
	if loose > n/4 {
		t.Errorf("%d of %d cases are held to the state alone", loose, n)
	}
	for _, word := range []string{"verified", "failed", "failed at seq ", "consistent, author unknown"} {
		if words[word] < n/100 {
			t.Errorf("%d of %d cases are %q: they show little", words[word], n, word)
		}
	}
}

// inNode verifies cases in one process.
func inNode(t *testing.T, cases []evidencetest.Case) []verdict {
	t.Helper()
	node, err := exec.LookPath("node")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip("no node on this machine: apt-get install nodejs, or make tools")
	}
	var file []byte
	for _, c := range cases {
		file = binary.BigEndian.AppendUint32(file, uint32(len(c.Key)))
		file = binary.BigEndian.AppendUint32(file, uint32(len(c.File)))
		file = append(append(file, c.Key...), c.File...)
	}
	path := filepath.Join(t.TempDir(), "cases")
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	var stderr bytes.Buffer
	cmd := exec.CommandContext(t.Context(), node, "testdata/verify.mjs", verifierModule, path)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("node: %v\n%s", err, stderr.Bytes())
	}
	var all []verdict
	for line := range bytes.Lines(out) {
		var v verdict
		if err := json.Unmarshal(line, &v); err != nil {
			t.Fatal(err)
		}
		all = append(all, v)
	}
	if len(all) != len(cases) {
		t.Fatalf("node judged %d of %d cases", len(all), len(cases))
	}
	return all
}
