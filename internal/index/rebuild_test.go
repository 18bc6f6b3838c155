package index

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/index/indextest"
	"github.com/stetlog/stet/internal/search"
	"github.com/stetlog/stet/proof"
)

// small is a log of a few events of alice and bob.
func small(t testing.TB) *testLog {
	l := newLog()
	s := newSender(t, "host/1")
	for i := range 6 {
		l.now = l.now.Add(10 * time.Minute)
		l.batch(t, s, proof.Via{Kind: proof.ViaSpool}, login(t, 2*i, "alice"), nil, login(t, 2*i+1, "bob"))
	}
	return l
}

func login(t testing.TB, n int, user string) []byte {
	return encode(t, &event.Event{EventID: indextest.ID("login", n), Timestamp: epoch, InteractionID: fmt.Sprint("i", n), AppID: "web", UserID: user,
		EventType: "authn_login_success", Description: "came in by door " + fmt.Sprint(n), StreamID: indextest.ID("stream", 1), StreamSeq: uint64(n + 1)})
}

// saved makes the index of a log in a directory, and returns its one file.
func saved(t *testing.T, l *testLog) (dir, file string) {
	t.Helper()
	dir = t.TempDir()
	x := openIndex(t, openDir(t, dir))
	catchUp(t, x, l)
	if err := x.Save(); err != nil {
		t.Fatal(err)
	}
	if err := x.Close(); err != nil {
		t.Fatal(err)
	}
	names := files(t, dir)
	if len(names) != 1 {
		t.Fatalf("files: %v", names)
	}
	return dir, filepath.Join(dir, Dir, names[0])
}

func files(t *testing.T, dir string) (names []string) {
	t.Helper()
	all, err := os.ReadDir(filepath.Join(dir, Dir))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range all {
		if e.Name() != lockFile {
			names = append(names, e.Name())
		}
	}
	return names
}

// TestPrivate: nobody else can look into the index.
func TestPrivate(t *testing.T) {
	_, file := saved(t, small(t))
	for path, want := range map[string]os.FileMode{file: 0o600, filepath.Dir(file): 0o700 | os.ModeDir} {
		if fi, err := os.Stat(path); err != nil || fi.Mode() != want {
			t.Errorf("%s: %v, %v", path, fi.Mode(), err)
		}
	}
}

// TestDamageIsNoticed: whichever byte of a file is another, or where the file ends early, it is not used, and the next Catch
// makes it anew.
func TestDamageIsNoticed(t *testing.T) {
	l := small(t)
	dir, file := saved(t, l)
	good, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	fsys := openDir(t, dir)
	refused := func(what string, b []byte) {
		if err := os.WriteFile(file, b, 0o600); err != nil {
			t.Fatal(err)
		}
		x := openIndex(t, fsys)
		if x.Indexed() != 0 || len(x.Faults) != 1 {
			t.Errorf("%s: %d entries are indexed, faults %v", what, x.Indexed(), x.Faults)
		}
	}
	for i := range good {
		b := slices.Clone(good)
		b[i] ^= 0x20
		refused(fmt.Sprint("byte ", i), b)
	}
	for n := range good {
		refused(fmt.Sprint("cut to ", n), good[:n])
	}
	refused("one more byte", append(slices.Clone(good), 0))
	x := openIndex(t, fsys)
	catchUp(t, x, l)
	if got := find(t, x, l, parse(t, "actor:bob"), true, 10); len(got) != 6 {
		t.Errorf("made anew, it finds %v", got)
	}
}

// TestOtherLog: an index of another log, of one whose entries are others now, or of a longer one, is not believed.
func TestOtherLog(t *testing.T) {
	changed, shorter := newLog(), newLog()
	s := newSender(t, "host/1")
	for i := range 6 {
		changed.batch(t, s, proof.Via{Kind: proof.ViaSpool}, login(t, i, "carol"), login(t, i, "bob"), login(t, i, "bob"))
	}
	shorter.lost("gone")
	for name, l := range map[string]*testLog{"changed": changed, "shorter": shorter} {
		dir, _ := saved(t, small(t))
		x := openIndex(t, openDir(t, dir))
		if x.Indexed() == 0 {
			t.Fatal("there is no index")
		}
		if err := x.Check(t.Context(), l); !errors.Is(err, ErrOther) {
			t.Errorf("%s: checked: %v", name, err)
		}
		catchUp(t, x, l)
		if err := x.Check(t.Context(), l); err != nil {
			t.Errorf("%s: made anew: %v", name, err)
		}
		if got := find(t, x, l, parse(t, "actor:alice"), true, 10); len(got) != 0 {
			t.Errorf("%s: the index of another log finds %v", name, got)
		}
		if got, want := find(t, x, l, search.Query{}, true, 10), naive(l.records(t), search.Query{}); !slices.Equal(got, want) {
			t.Errorf("%s: found %v, want %v", name, got, want)
		}
	}
	// One that is in use is of another log from one moment to the next.
	x := openIndex(t, openDir(t, t.TempDir()))
	catchUp(t, x, small(t))
	for changed.tree.Size() <= x.Indexed() {
		changed.batch(t, s, proof.Via{Kind: proof.ViaSpool}, login(t, 7, "bob"))
	}
	catchUp(t, x, changed)
	if got, want := find(t, x, changed, search.Query{}, true, 100), naive(changed.records(t), search.Query{}); !slices.Equal(got, want) {
		t.Errorf("in use: found %v, want %v", got, want)
	}
	if got := find(t, x, changed, parse(t, "actor:alice"), true, 10); len(got) != 0 {
		t.Errorf("in use: the index of another log finds %v", got)
	}
	dir, _ := saved(t, small(t))
	x, err := Open(openDir(t, dir), "other+00000000+key")
	if err != nil || x.Indexed() != 0 || len(x.Faults) != 1 || !strings.Contains(x.Faults[0], ErrOther.Error()) {
		t.Errorf("the index of another key: %v, %v", x.Faults, err)
	}
}

// TestWrongEntries: what the log hands out must be what its checkpoint says; otherwise nothing of it is indexed for good.
func TestWrongEntries(t *testing.T) {
	l := small(t)
	l.entries[4] = slices.Clone(l.entries[4])
	l.entries[4] = []byte(strings.Replace(string(l.entries[4]), "alice", "mlice", 1))
	x := openIndex(t, openDir(t, t.TempDir()))
	if err := x.Catch(t.Context(), l, nil); !errors.Is(err, ErrOther) {
		t.Errorf("indexed entries that are not under the checkpoint: %v", err)
	}
}

// TestDeleted: an index that is deleted while it is in use is made anew.
func TestDeleted(t *testing.T) {
	l := small(t)
	dir, _ := saved(t, l)
	fsys := openDir(t, dir)
	x := openIndex(t, fsys)
	if err := os.RemoveAll(filepath.Join(dir, Dir)); err != nil {
		t.Fatal(err)
	}
	if got := find(t, x, l, parse(t, "actor:bob"), true, 10); len(got) != 6 {
		t.Errorf("an open index finds %v", got)
	}
	var steps []uint64
	if err := x.Catch(t.Context(), l, func(done, size uint64) { steps = append(steps, done, size) }); err != nil {
		t.Fatal(err)
	}
	if want := []uint64{0, 24, 24, 24}; !cmp.Equal(steps, want) {
		t.Errorf("progress was %v, want %v", steps, want)
	}
	if err := x.Save(); err != nil {
		t.Fatal(err)
	}
	if got := find(t, openIndex(t, fsys), l, parse(t, "actor:bob"), true, 10); len(got) != 6 {
		t.Errorf("made anew, it finds %v", got)
	}
}

// TestDoubt: a row that was altered in an index in use, and an entry that was altered in the ledger, are shown and flagged.
func TestDoubt(t *testing.T) {
	l := small(t)
	dir, file := saved(t, l)
	x := openIndex(t, openDir(t, dir))
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	altered := []byte(strings.ReplaceAll(string(b), "bob", "bop"))
	if err := os.WriteFile(file, altered, 0o600); err != nil {
		t.Fatal(err)
	}
	p, err := x.Find(t.Context(), l, parse(t, "actor:bop"), epoch, Everything(), 10)
	if err != nil || len(p.Rows) != 6 {
		t.Fatalf("%d rows, %v", len(p.Rows), err)
	}
	for _, r := range p.Rows {
		if r.Doubt == "" {
			t.Errorf("entry %d is not of bop, and nothing says so", r.Record.Seq)
		}
	}
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
	l.entries[4] = []byte(strings.Replace(string(l.entries[4]), "by door", "in haste", 1))
	p, err = x.Find(t.Context(), l, parse(t, "actor:alice"), epoch, Everything(), 10)
	if err != nil || len(p.Rows) != 6 {
		t.Fatalf("%d rows, %v", len(p.Rows), err)
	}
	for _, r := range p.Rows {
		if want := r.Record.Seq == 4; (r.Doubt != "") != want {
			t.Errorf("entry %d: %q", r.Record.Seq, r.Doubt)
		}
	}
}

// TestOneWriter: who finds the index being written goes away; asking needs no lock.
func TestOneWriter(t *testing.T) {
	l := small(t)
	dir := t.TempDir()
	a, b := openIndex(t, openDir(t, dir)), openIndex(t, openDir(t, dir))
	if err := a.Rebuild(t.Context(), l, nil); err != nil {
		t.Fatal(err)
	}
	if err := b.Catch(t.Context(), l, nil); !errors.Is(err, ErrBusy) {
		t.Errorf("two write one index: %v", err)
	}
	if got := find(t, openIndex(t, openDir(t, dir)), l, parse(t, "actor:bob"), true, 10); len(got) != 6 {
		t.Errorf("beside a writer, somebody finds %v", got)
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	catchUp(t, b, l)
}

// TestBehind: an answer says how far the index is.
func TestBehind(t *testing.T) {
	l := small(t)
	x := openIndex(t, openDir(t, t.TempDir()))
	catchUp(t, x, l)
	l.batch(t, newSender(t, "host/2"), proof.Via{Kind: proof.ViaSpool}, login(t, 99, "bob"))
	p, err := x.Find(t.Context(), l, parse(t, "actor:bob"), epoch, Everything(), 10)
	if err != nil || len(p.Rows) != 6 || p.Searched != (Searched{Indexed: 24, Size: 26}) {
		t.Errorf("%d rows, %+v, %v", len(p.Rows), p.Searched, err)
	}
}

// TestChunks: an index of several chunks, some of them merged, finds what a scan finds; and it is the same files, byte for byte,
// however often the log was looked at while it grew, and where a start was from a file that ended within a chunk.
func TestChunks(t *testing.T) {
	l := newLog()
	s := newSender(t, "host/1")
	dirs := [2]string{t.TempDir(), t.TempDir()}
	index := func(dir string) *Index {
		x := openIndex(t, openDir(t, dir))
		x.fanIn = 2
		return x
	}
	steps := index(dirs[1])
	for i := range 23 {
		for k := range 6000 {
			l.now = l.now.Add(time.Duration(k%3) * time.Second)
			l.lost(fmt.Sprintf("loss %d of %d", i*6000+k, k%50))
		}
		l.batch(t, s, proof.Via{Kind: proof.ViaSpool}, login(t, 2*i, "alice"), nil, login(t, 2*i+1, "bob"))
		if i%4 == 0 {
			catchUp(t, steps, l)
		}
		if i == 15 {
			if err := steps.Save(); err != nil {
				t.Fatal(err)
			}
			if err := steps.Close(); err != nil {
				t.Fatal(err)
			}
			steps = index(dirs[1])
		}
	}
	once := index(dirs[0])
	for _, x := range []*Index{once, steps} {
		catchUp(t, x, l)
		if err := x.Save(); err != nil {
			t.Fatal(err)
		}
	}
	want := []string{"000000000000-000000020000.seg", fmt.Sprintf("000000020000-%012x.seg", len(l.entries))}
	for _, dir := range dirs {
		if got := files(t, dir); !cmp.Equal(got, want) {
			t.Fatalf("files %v, want %v", got, want)
		}
	}
	for _, name := range want {
		a, aerr := os.ReadFile(filepath.Join(dirs[0], Dir, name))
		b, berr := os.ReadFile(filepath.Join(dirs[1], Dir, name))
		if err := errors.Join(aerr, berr); err != nil || string(a) != string(b) {
			t.Errorf("%s: %d and %d bytes, %v", name, len(a), len(b), err)
		}
	}
	for _, name := range want { // and not the lock, as TestDeleted
		if err := os.Remove(filepath.Join(dirs[1], Dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	catchUp(t, steps, l)
	steps.written.Wait()
	if got := files(t, dirs[1]); !cmp.Equal(got, want[:1]) {
		t.Errorf("deleted while it is in use, it is made anew with files %v, want %v", got, want[:1])
	}
	all := l.records(t)
	for _, text := range []string{"actor:bob", "-actor:bob has:gap 7", "loss 65535", `"loss 77777 of"`, "seq:65530..65545", "seq:131070..131080 -seq:131072",
		"after:2026-01-02T20:00 before:2026-01-02T20:01", "before:2026-01-02T03:04:30", "time:2026 emitter:host/1", "6553*", "received:* actor:*"} {
		q := parse(t, text)
		if got, want := find(t, once, l, q, true, MaxRows), naive(all, q); len(want) == 0 || !slices.Equal(got, want) {
			t.Errorf("%s: found %d, a scan finds %d", q, len(got), len(want))
		}
	}
}
