package snapshot_test

import (
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/snapshot"
)

// vectors are digests computed by another program from docs/spec/snapshot.md.
type vectors struct {
	Values  []struct{ JSON, Digest string }
	Bytes   []struct{ Hex, Digest string }
	Streams []struct {
		Text, Digest string
		Count        int64
	}
	Keyed struct{ Key, JSON, Digest string }
	Trees map[string]string
	Rows  map[string]string
	List  struct{ Digest string }
}

func readVectors(t *testing.T) (v vectors) {
	t.Helper()
	b, err := os.ReadFile("testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

var public = snapshot.Options{Public: true}

func digest(t *testing.T, s *event.Snapshot, err error) string {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	return s.Digest
}

func TestVectors(t *testing.T) {
	v := readVectors(t)
	for _, x := range v.Values {
		s, err := snapshot.Value(json.RawMessage(x.JSON), public)
		if got := digest(t, s, err); got != x.Digest {
			t.Errorf("%s: %s, want %s", x.JSON, got, x.Digest)
		}
	}
	for _, x := range v.Bytes {
		b, err := hex.DecodeString(x.Hex)
		if err != nil {
			t.Fatal(err)
		}
		s, err := snapshot.Value(b, public)
		if got := digest(t, s, err); got != x.Digest {
			t.Errorf("%s: %s, want %s", x.Hex, got, x.Digest)
		}
	}
	for _, x := range v.Streams {
		s, err := snapshot.Reader(t.Context(), strings.NewReader(x.Text), 100, public)
		if got := digest(t, s, err); got != x.Digest || *s.Count != x.Count {
			t.Errorf("%q: %s, %d lines, want %s, %d", x.Text, got, *s.Count, x.Digest, x.Count)
		}
	}
	s, err := snapshot.Value(json.RawMessage(v.Keyed.JSON), snapshot.Options{Key: []byte(v.Keyed.Key)})
	if got := digest(t, s, err); got != v.Keyed.Digest {
		t.Errorf("keyed: %s, want %s", got, v.Keyed.Digest)
	}
	one, err := snapshot.Value(1, snapshot.Options{Public: true, Object: "one"})
	if err != nil {
		t.Fatal(err)
	}
	s, err = snapshot.Join(snapshot.Options{}, one, &event.Snapshot{Object: "two", Summary: "not taken"})
	if got := digest(t, s, err); got != v.List.Digest {
		t.Errorf("list: %s, want %s", got, v.List.Digest)
	}
	for name, want := range v.Trees {
		o := snapshot.TreeOptions{}
		root := makeTree(t, name)
		if name == "skipped" {
			o.Skip = []string{"b"}
		}
		f, err := snapshot.Tree(t.Context(), root, o)
		if err != nil {
			t.Fatal(err)
		}
		if got := f.Snapshot().Digest; got != want {
			t.Errorf("tree %s: %s, want %s", name, got, want)
		}
	}
}

// makeTree makes the trees of the vectors.
func makeTree(t *testing.T, name string) string {
	t.Helper()
	root := filepath.Join(t.TempDir(), "root")
	if name == "missing" {
		return root
	}
	if name == "file" {
		write(t, root, "hello\n", 0o644)
		return root
	}
	mkdir(t, root, 0o755)
	if name == "empty" {
		return root
	}
	write(t, filepath.Join(root, "a.txt"), "hello\n", 0o644)
	mkdir(t, filepath.Join(root, "b"), 0o750)
	write(t, filepath.Join(root, "b", "c"), "", 0o600)
	if err := os.Symlink("b/c", filepath.Join(root, "d")); err != nil {
		t.Fatal(err)
	}
	return root
}

func write(t *testing.T, path, text string, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil { // whatever the umask
		t.Fatal(err)
	}
}

func mkdir(t *testing.T, path string, mode os.FileMode) {
	t.Helper()
	if err := os.Mkdir(path, mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}
