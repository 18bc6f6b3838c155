package store

import (
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stetlog/stet/internal/fsx"
	"github.com/stetlog/stet/internal/fsx/fsxtest"
	"github.com/stetlog/stet/internal/spool"
)

var update = flag.Bool("update", false, "make testdata/v1 anew; what is there stands for stores that people have")

const golden = "testdata/v1"

// TestVersion1 opens a store that was made when format 1 was new: in its ledger an ended stream, one whose process died
// with a run open, a refused event and a declared loss; in its spool a process that died later. It must always verify,
// drain, and verify again (THREATS 40).
func TestVersion1(t *testing.T) {
	if *update {
		makeGolden(t)
	}
	top := t.TempDir()
	copyGolden(t, top)
	dir, err := fsx.OpenDir(top)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := dir.Close(); err != nil {
			t.Error(err)
		}
	}()
	mustVerify(t, dir)
	s := storeOn(dir)
	before := mustRead(t, s)
	d := mustDrain(t, s)
	if d.Events != 2 || d.Lost != 1 || len(d.Left)+len(d.Damaged)+d.Refused > 0 {
		t.Errorf("drained %+v, want 2 events and one lost run", d)
	}
	got := mustRead(t, s)
	for id := range before.events {
		if got.events[id] != 1 {
			t.Errorf("event %s is there %d times after draining", id, got.events[id])
		}
	}
	for run, lost := range map[string]int{"a": 0, "b": 1, "z": 1} {
		if got.started[run] != 1 || got.lost[run] != lost {
			t.Errorf("run %s: started %d times, lost %d times, want 1 and %d", run, got.started[run], got.lost[run], lost)
		}
	}
	if len(got.stubs) != 2 || got.types["event_refused"] != 1 || got.types["spool_quarantined"] != 1 {
		t.Errorf("stubs %v, types %v: want one refused and one lost", got.stubs, got.types)
	}
	mustVerify(t, dir)
	last := mustDrain(t, storeOn(dir))
	if last.Size != d.Size {
		t.Errorf("a second drain grew the log from %d to %d", d.Size, last.Size)
	}
}

// copyGolden copies the fixture, and gives files the modes that git does not keep.
func copyGolden(t *testing.T, to string) {
	t.Helper()
	err := filepath.WalkDir(golden, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(golden, path)
		if err != nil || rel == "." {
			return err
		}
		if e.IsDir() {
			return os.MkdirAll(filepath.Join(to, rel), 0o700)
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, rel), b, 0o600)
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{"journal", "streams", "spool"} { // git keeps no empty directories
		if err := os.MkdirAll(filepath.Join(to, dir), 0o700); err != nil {
			t.Fatal(err)
		}
	}
}

// makeGolden builds the store in memory and writes it down.
func makeGolden(t *testing.T) {
	t.Helper()
	m := fsxtest.New()
	tidy := begin(m, 1)
	tidy.start("a")
	tidy.end("a")
	tidy.close()
	dying := m.Process()
	dead := begin(dying, 2)
	dead.start("b")
	dying.Kill()
	dead.close()
	f := newForge(t, m, streamID(5))
	f.batch(trouble{})
	f.batch(trouble{bytes: func([]byte) []byte { return []byte(`{"x":1}`) }})
	f.batch(trouble{note: func(b []byte) []byte { b[len(b)-10] ^= 1; return b }})
	f.batch(trouble{})
	f.die()
	mustDrain(t, storeOn(m))
	late := m.Process()
	p := begin(late, 6)
	p.note()
	p.start("z")
	noneFailed(t, tidy, p)
	late.Kill()
	p.close()
	if streams, err := spool.List(m, spool.Dir); err != nil || len(streams) != 1 {
		t.Fatalf("spools %v, %v, want one", streams, err)
	}
	if err := os.RemoveAll(golden); err != nil {
		t.Fatal(err)
	}
	writeTree(t, m, ".")
}

func writeTree(t *testing.T, m *fsxtest.Mem, dir string) {
	t.Helper()
	entries, err := m.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		name := filepath.ToSlash(filepath.Join(dir, e.Name()))
		if e.IsDir() {
			writeTree(t, m, name)
			continue
		}
		if e.Name() == "lock" || filepath.Ext(name) == ".lock" { // made again by whoever needs it
			continue
		}
		b, err := fsx.ReadFile(m, name, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		to := filepath.Join(golden, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(to, b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
