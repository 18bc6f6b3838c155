package ledger_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stetlog/stet/internal/fsx"
	"github.com/stetlog/stet/internal/fsx/fsxtest"
	"github.com/stetlog/stet/internal/ledger"
	"github.com/stetlog/stet/proof"
)

func sum(b []byte) proof.Hash { return sha256.Sum256(b) }

// testdata/v1 holds two stores of format version 1, as the code wrote them that first had it: one closed, and one left by
// a crash with entries in its journal. Every later version must read them to the same entries (THREATS 40). They are the
// sample of damage_test.go; STET_UPDATE_GOLDEN=1 writes them anew, which is right only before the format is out.
const (
	goldenSize = 288
	goldenRoot = "CjmezZ5PGYX5R7TEEcsT8xqa1xfVdA401fz76nW4+OQ="
)

func TestGoldenStores(t *testing.T) {
	s := newSample(t)
	if os.Getenv("STET_UPDATE_GOLDEN") != "" {
		save(t, s.disk, "testdata/v1/crashed")
		m := s.copy(t, nil)
		mustClose(t, open(t, options(m)))
		save(t, m, "testdata/v1/closed")
		saveCorpus(t, s)
	}
	for _, name := range []string{"testdata/v1/crashed", "testdata/v1/closed"} {
		t.Run(filepath.Base(name), func(t *testing.T) {
			m := load(t, name)
			h, err := ledger.ReadHead(m)
			if err != nil {
				t.Fatal(err)
			}
			l := open(t, options(m))
			size, root := l.Head()
			if size != goldenSize || root.String() != goldenRoot {
				t.Errorf("%d entries, root %s, want %d, %s", size, root, goldenSize, goldenRoot)
			}
			for i, b := range s.batches {
				if p := mustAppend(t, l, b); !p.Again || p.First != s.placed[i].First || !p.ReceivedAt.Equal(s.placed[i].ReceivedAt) {
					t.Errorf("batch %d is at %+v, stood at %+v", i, p, s.placed[i])
				}
			}
			mustClose(t, l)
			if err := auditFiles(m, nil); err != nil {
				t.Error(err)
			}
			for name, b := range bundles(t, m) {
				if !bytes.HasPrefix(b, []byte("\x1f\x8b\x08\x00\x00\x00\x00\x00\x04\xff")) {
					t.Errorf("%s begins with %x", name, b[:10])
				}
			}
			if h.Origin != origin || h.Size > goldenSize {
				t.Errorf("head of %s with %d entries", h.Origin, h.Size)
			}
		})
	}
}

// bundles reads all entry bundles as they are stored.
func bundles(t *testing.T, m *fsxtest.Mem) map[string][]byte {
	t.Helper()
	files, err := readFiles(m, "log/tile/entries")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d bundles, %v", len(files), err)
	}
	return files
}

// save copies a disk into a directory of the repository.
func save(t *testing.T, m *fsxtest.Mem, dir string) {
	t.Helper()
	files, err := readFiles(m, ".")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	for name, b := range files {
		name = filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// load copies a directory of the repository onto a disk. Git keeps no empty directories, so those of a store are made.
func load(t *testing.T, dir string) *fsxtest.Mem {
	t.Helper()
	m := fsxtest.New()
	for _, d := range []string{"journal", "streams"} {
		if err := fsx.MkdirAll(m, d, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, name)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		if d.IsDir() {
			return fsx.MkdirAll(m, rel, 0o700)
		}
		b, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		return fsx.Replace(m, rel, b, 0o600)
	})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// saveCorpus writes seeds of the fuzz targets: real files and real frames, which mutations then start from.
func saveCorpus(t *testing.T, s *sample) {
	t.Helper()
	seed := func(target, name string, args ...any) {
		dir := filepath.Join("testdata", "fuzz", target)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		body := "go test fuzz v1\n"
		for _, arg := range args {
			switch arg := arg.(type) {
			case []byte:
				body += fmt.Sprintf("[]byte(%q)\n", arg)
			default:
				body += fmt.Sprintf("%T(%v)\n", arg, arg)
			}
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(body), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	empty := fsxtest.New()
	mustClose(t, open(t, options(empty)))
	seed("FuzzParseHead", "empty", mustRead(t, empty, "head"))
	seed("FuzzParseHead", "sample", mustRead(t, s.disk, "head"))
	ref := s.head.StreamFiles[0]
	seed("FuzzStreamFile", "sample", mustRead(t, s.disk, "streams/000001"), ref.Count)
	stub := newStream("a", 1).next(2, 50)
	stub.Items[0] = ledger.Item{Stub: &ledger.Stub{Leaf: proof.LeafHash(stub.Items[0].Event), Reason: "refused"}}
	for name, run := range map[string]func(w *worker){
		"batch": func(w *worker) { w.append(newStream("a", 1).next(2, 50)) },
		"stub":  func(w *worker) { w.append(stub) },
		"loss":  func(w *worker) { w.lose(ledger.Loss{Stream: newStream("a", 1).id, First: 1, Last: 7, Reason: "lost"}) },
		"final": func(w *worker) { w.append(newStream("a", 1).batch(0, 0, func(s *proof.Seal) { s.Final = true })) },
	} {
		w := work(fsxtest.New(), func(*ledger.Options) {})
		run(w)
		h, err := ledger.ReadHead(w.fsys)
		if err != nil {
			t.Fatal(err)
		}
		_, err = ledger.ScanJournal(w.fsys, h, func(_ uint64, entries [][]byte) error {
			var payload []byte
			for _, e := range entries {
				payload, err = proof.AppendBundleEntry(payload, e)
			}
			seed("FuzzJournalPayload", name, payload)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		w.close()
	}
}
