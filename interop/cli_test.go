package interop

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestExportedLog has the built binary record some jobs and export its log, and the independent checks judge that: the
// log as it is, and every corrupted copy.
func TestExportedLog(t *testing.T) {
	stet := build(t, "..", "./cmd/stet")
	home := t.TempDir()
	store, dir := filepath.Join(home, "store"), filepath.Join(home, "tlog")
	for _, job := range []string{"nightly", "weekly", "monthly"} {
		execute(t, home, stet, "run", "--store", store, "--job", job, "--why", "interop", "--", "true")
	}
	execute(t, home, stet, "verify", "--store", store)
	execute(t, home, stet, "export", "--store", store, "--tlog", dir)
	d := tlogDir{path: dir}
	d.origin, d.vkey = logKey(t, store, dir)
	accept(t, d.log())
	refuseCorrupted(t, d)
}

// logKey finds the log's origin in its exported checkpoint, and the key of that name in the store's marker file. A real
// auditor has both from elsewhere.
func logKey(t *testing.T, store, dir string) (origin, vkey string) {
	t.Helper()
	checkpoint, err := os.ReadFile(filepath.Join(dir, "checkpoint"))
	if err != nil {
		t.Fatal(err)
	}
	origin, _, _ = strings.Cut(string(checkpoint), "\n")
	marker, err := os.ReadFile(filepath.Join(store, "store"))
	if err != nil {
		t.Fatal(err)
	}
	for word := range strings.FieldsSeq(string(marker)) {
		if strings.HasPrefix(word, origin+"+") {
			return origin, word
		}
	}
	t.Fatalf("no key of %q in the store's marker:\n%s", origin, marker)
	return "", ""
}
