package spool

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/stetlog/stet/internal/fsx"
	"github.com/stetlog/stet/internal/fsx/fsxtest"
	"github.com/stetlog/stet/internal/segment"
)

const stream = "01980000-0000-7000-8000-000000000001"

func meta() Meta {
	return Meta{V: 1, StreamID: stream, Key: "stet-emitter/build-7/1000+6ab5fd0a+AbcdEfghIjklMnopQrstUvwxYz0123456789AbcdEfg=",
		AppID: "billing", Environment: "production", Host: "build-7", BootID: "5f0c9f0e-7a4e-4be6-8a49-1d1c4dbd6c3a",
		MachineID: strings.Repeat("0a", 32), PID: 4711, StartedAt: "2026-11-22T03:04:05.000000006Z"}
}

// salts gives every segment its own salt, the same ones each time.
func salts() func() ([8]byte, error) {
	n := byte(0)
	return func() ([8]byte, error) {
		n++
		return [8]byte{'s', 'a', 'l', 't', 0, 0, 0, n}, nil
	}
}

// made is one batch of a stream: its number of events, each of size bytes.
func made(first uint64, count, size int) Batch {
	b := Batch{First: first, Seal: fmt.Appendf(nil, "stet/seal/v1\nfirst %d\ncount %d\n", first, count)}
	for i := range count {
		e := fmt.Sprintf(`{"n":%d,"pad":"`, first+uint64(i))
		b.Events = append(b.Events, []byte(e+strings.Repeat("x", max(0, size-len(e)-2))+`"}`))
	}
	return b
}

// continued makes batches of the given sizes, one behind the other.
func continued(size int, counts ...int) (all []Batch) {
	next := uint64(1)
	for _, n := range counts {
		all = append(all, made(next, n, size))
		next += uint64(n)
	}
	return all
}

// fill commits each batch alone and closes the spool.
func fill(t testing.TB, fsys fsx.FS, batches []Batch) {
	t.Helper()
	w := open(t, fsys)
	for _, b := range batches {
		commit(t, w, b)
	}
	must(t, w.Close())
}

// fillSegments puts each group of batches into a segment of its own. The writer would need 8 MiB for each; so the
// segments are made here, in the writer's own way.
func fillSegments(t testing.TB, fsys fsx.FS, segs ...[]Batch) {
	t.Helper()
	w := open(t, fsys)
	for i, batches := range segs {
		if i > 0 {
			must(t, w.rotate())
		}
		for _, b := range batches {
			commit(t, w, b)
		}
	}
	must(t, w.Close())
}

func open(t testing.TB, fsys fsx.FS) *Writer {
	t.Helper()
	w, err := Create(fsys, Dir, meta(), salts())
	must(t, err)
	return w
}

func commit(t testing.TB, w *Writer, batches ...Batch) {
	t.Helper()
	for _, b := range batches {
		must(t, w.Add(b))
	}
	must(t, w.Commit())
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// collect reads a spool and keeps what it gets.
func collect(fsys fsx.FS, from uint64) (all []Batch, r Report, err error) {
	r, err = Read(fsys, Dir, stream, from, func(b Batch) error {
		all = append(all, clone(b))
		return nil
	})
	return all, r, err
}

func clone(b Batch) Batch {
	c := Batch{First: b.First, Seal: slices.Clone(b.Seal)}
	for _, e := range b.Events {
		c.Events = append(c.Events, slices.Clone(e))
	}
	return c
}

// byBytes compares slices of bytes as a whole: cmp takes a minute for some MiB otherwise.
var byBytes = cmp.Comparer(bytes.Equal)

func firsts(batches []Batch) (f []uint64) {
	for _, b := range batches {
		f = append(f, b.First)
	}
	return f
}

func TestReadsWhatWasCommitted(t *testing.T) {
	m := fsxtest.New()
	batches := append(continued(40, 1, 3, 2), Batch{First: 7, Seal: []byte("final")})
	fill(t, m, batches)
	got, r, err := collect(m, 0)
	must(t, err)
	if d := cmp.Diff(batches, got, byBytes); d != "" {
		t.Error(d)
	}
	want := Report{Meta: meta(), Segments: []string{"000001.seg"}, Next: 7}
	if d := cmp.Diff(want, r, cmp.AllowUnexported(Damage{})); d != "" {
		t.Error(d)
	}
	if got, err := ReadMeta(m, Dir, stream); err != nil || got != meta() {
		t.Errorf("meta %+v, %v", got, err)
	}
	for from, want := range map[uint64][]uint64{0: {1, 2, 5, 7}, 1: {1, 2, 5, 7}, 2: {2, 5, 7}, 4: {2, 5, 7}, 5: {5, 7}, 7: {7}, 8: nil} {
		got, r, err := collect(m, from)
		must(t, err)
		if !slices.Equal(firsts(got), want) || len(r.Damaged) > 0 || r.Next != 7 {
			t.Errorf("from %d: batches %d, report %+v", from, firsts(got), r)
		}
	}
}

func TestReadStopsWhereItIsTold(t *testing.T) {
	m := fsxtest.New()
	fill(t, m, continued(10, 1, 1, 1))
	stop := errors.New("enough")
	n := 0
	_, err := Read(m, Dir, stream, 0, func(Batch) error {
		if n++; n == 2 {
			return stop
		}
		return nil
	})
	if err != stop || n != 2 { //nolint:errorlint // the very error, as it is
		t.Errorf("after %d batches: %v", n, err)
	}
}

func TestLockSaysWhetherTheOwnerLives(t *testing.T) {
	m := fsxtest.New()
	w, err := Create(m, Dir, meta(), nil)
	must(t, err)
	if _, err := Own(m, Dir, stream); !errors.Is(err, fsx.ErrLocked) {
		t.Errorf("the owner lives: %v", err)
	}
	if _, err := Create(m, Dir, meta(), nil); !errors.Is(err, fs.ErrExist) {
		t.Errorf("a second spool of one stream: %v", err)
	}
	must(t, w.Close())
	l, err := Own(m, Dir, stream)
	must(t, err)
	must(t, l.Close())
	if _, err := Own(m, Dir, strings.Replace(stream, "1", "2", 1)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no spool: %v", err)
	}
}

func TestListShowsSpoolsOnly(t *testing.T) {
	m := fsxtest.New()
	if got, err := List(m, Dir); err != nil || got != nil {
		t.Errorf("no directory: %q, %v", got, err)
	}
	fill(t, m, nil)
	must(t, m.Mkdir(Dir+"/new-"+stream+".0", 0o700))
	must(t, m.Mkdir(Dir+"/"+strings.ToUpper(stream[:35])+"F", 0o700))
	f, err := m.Create(Dir+"/"+strings.Replace(stream, "1", "2", 1), 0o600)
	must(t, err)
	must(t, f.Close())
	if got, err := List(m, Dir); err != nil || !slices.Equal(got, []string{stream}) {
		t.Errorf("listed %q, %v", got, err)
	}
}

// Names come from others: none may lead out of the spool.
func TestStreamsAndSegmentsAreCheckedAsNames(t *testing.T) {
	m := fsxtest.New()
	for _, s := range []string{"", ".", "..", "../" + stream[3:], stream + "0", stream[:35], "0198000g" + stream[8:], strings.ToUpper("a" + stream[1:]), "0198/000" + stream[8:]} {
		_, err1 := Own(m, Dir, s)
		_, err2 := Read(m, Dir, s, 0, func(Batch) error { return nil })
		_, err3 := ReadMeta(m, Dir, s)
		for _, err := range []error{err1, err2, err3, Trim(m, Dir, s, 1), Remove(m, Dir, s), Quarantine(m, Dir, s, "000001.seg")} {
			if !errors.Is(err, ErrStream) {
				t.Errorf("%q: %v", s, err)
			}
		}
		bad := meta()
		bad.StreamID = s
		if _, err := Create(m, Dir, bad, nil); !errors.Is(err, ErrStream) {
			t.Errorf("%q: %v", s, err)
		}
	}
	for _, s := range []string{"", "lock", "../000001.seg", "1.seg", "+00001.seg", "0000001.seg", "000000.seg", "000001.seg/", "000001"} {
		if err := Quarantine(m, Dir, stream, s); err == nil {
			t.Errorf("quarantine of %q", s)
		}
	}
	if segmentNumber("1000000.seg") != 1_000_000 || segmentNumber("000001.seg") != 1 {
		t.Error("names of segments are not read back")
	}
}

func TestBatchesThatDoNotBelongAreRefused(t *testing.T) {
	long := strings.Repeat("x", MaxEvent+1)
	for name, b := range map[string]Batch{
		"a hole":              made(3, 1, 10),
		"backwards":           made(1, 1, 10),
		"no number":           made(0, 1, 10),
		"no seal":             {First: 2, Events: [][]byte{[]byte("e")}},
		"seal too long":       {First: 2, Events: [][]byte{[]byte("e")}, Seal: make([]byte, MaxSeal+1)},
		"empty event":         {First: 2, Events: [][]byte{{}}, Seal: []byte("s")},
		"event too long":      {First: 2, Events: [][]byte{[]byte(long)}, Seal: []byte("s")},
		"too many events":     made(2, MaxEvents+1, 10),
		"too many bytes":      made(2, 17, 64<<10-1),
		"numbers beyond 2^53": made(MaxSeq, 1, 10),
		"first beyond all":    {First: 1 << 63, Events: [][]byte{[]byte("e")}, Seal: []byte("s")},
	} {
		m := fsxtest.New()
		w := open(t, m)
		commit(t, w, made(1, 1, 10))
		if err := w.Add(b); err == nil {
			t.Errorf("%s: accepted", name)
		}
		commit(t, w, made(2, 1, 10)) // a refusal changes nothing
		must(t, w.Close())
		if got, r, err := collect(m, 0); err != nil || !slices.Equal(firsts(got), []uint64{1, 2}) || r.Torn || len(r.Damaged) > 0 {
			t.Errorf("%s: afterwards %d, %+v, %v", name, firsts(got), r, err)
		}
	}
}

func TestNothingFollowsTheEnd(t *testing.T) {
	m := fsxtest.New()
	w := open(t, m)
	commit(t, w, made(1, 2, 10), Batch{First: 3, Seal: []byte("final")})
	if err := w.Add(made(3, 1, 10)); err == nil {
		t.Error("a batch behind the end was accepted")
	}
	must(t, w.Close())
}

func TestCloseTellsOfWhatWasNeverCommitted(t *testing.T) {
	m := fsxtest.New()
	w := open(t, m)
	must(t, w.Add(made(1, 1, 10)))
	if err := w.Close(); err == nil {
		t.Error("closed without a word")
	}
	if err := w.Commit(); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("commit after close: %v", err)
	}
	if _, err := Own(m, Dir, stream); err != nil {
		t.Errorf("the lock is still held: %v", err)
	}
}

// A spool that a writer fills goes over to another segment at 8 MiB, and a drainer trims behind it.
func TestRotateAndTrim(t *testing.T) {
	m := fsxtest.New()
	w := open(t, m)
	for len(must1(segments(m, Dir+"/"+stream))) < 3 {
		for range 4 {
			must(t, w.Add(made(w.Next(), 16, 64<<10-1)))
		}
		must(t, w.Commit())
	}
	end := w.Next()
	got, r, err := collect(m, 0)
	must(t, err)
	if !slices.Equal(r.Segments, []string{"000001.seg", "000002.seg", "000003.seg"}) || r.Next != end || len(r.Damaged) > 0 {
		t.Errorf("report %+v", r)
	}
	second := uint64(0) // the first event of the second segment
	f, err := m.Open(Dir + "/" + stream + "/000002.seg")
	must(t, err)
	s, err := segment.NewReader(f, "000002.seg", Kind)
	must(t, err)
	fr, err := s.Next()
	must(t, err)
	second = fr.Key
	must(t, f.Close())

	must(t, Trim(m, Dir, stream, second-1))
	if n := must1(segments(m, Dir+"/"+stream)); len(n) != 3 {
		t.Errorf("segments %d: the first is needed still", n)
	}
	must(t, Trim(m, Dir, stream, second))
	if n := must1(segments(m, Dir+"/"+stream)); !slices.Equal(n, []uint64{2, 3}) {
		t.Errorf("segments %d after the first was drained", n)
	}
	after, r, err := collect(m, second)
	must(t, err)
	if d := cmp.Diff(got[len(got)-len(after):], after, byBytes); d != "" || len(r.Damaged) > 0 {
		t.Errorf("%s %+v", d, r.Damaged)
	}
	if _, r, err := collect(m, second-1); err != nil || len(r.Damaged) != 1 || r.Damaged[0].AfterSeq != second-2 || r.Damaged[0].BeforeSeq != second {
		t.Errorf("asked for what is trimmed: %+v, %v", r.Damaged, err)
	}
	must(t, Trim(m, Dir, stream, end))
	if n := must1(segments(m, Dir+"/"+stream)); !slices.Equal(n, []uint64{3}) {
		t.Errorf("segments %d: the last stays while its owner lives", n)
	}
	commit(t, w, made(end, 1, 10))
	must(t, w.Close())
	if got, r, err := collect(m, end); err != nil || !slices.Equal(firsts(got), []uint64{end}) || len(r.Damaged) > 0 {
		t.Errorf("%d, %+v, %v", firsts(got), r, err)
	}
	must(t, Remove(m, Dir, stream))
	must(t, Remove(m, Dir, stream))
	if tree := m.Tree(); tree != "spool/\n" {
		t.Errorf("left:\n%s", tree)
	}
}

func must1[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// What a drainer trims while another reads is left out, without a false alarm.
func TestReadWhileTrimming(t *testing.T) {
	all := continued(30, 2, 2, 2, 2)
	for trimmedAt := range 4 { // at which batch the trim happens
		m := fsxtest.New()
		fillSegments(t, m, all[:1], all[1:2], all[2:3], all[3:])
		var got []Batch
		r, err := Read(m, Dir, stream, 1, func(b Batch) error {
			if len(got) == trimmedAt {
				must(t, Trim(m, Dir, stream, 100))
			}
			got = append(got, clone(b))
			return nil
		})
		must(t, err)
		want := append(slices.Clone(firsts(all[:trimmedAt+1])), 7)
		if want = slices.Compact(want); !slices.Equal(firsts(got), want) || len(r.Damaged) > 0 {
			t.Errorf("trimmed at batch %d: got %d, want %d, damage %+v", trimmedAt, firsts(got), want, r.Damaged)
		}
	}
}

func TestCleanRemovesLeftoversOnly(t *testing.T) {
	m := fsxtest.New()
	fill(t, m, continued(10, 1))
	must(t, m.Mkdir(Dir+"/new-"+stream+".0", 0o700))
	must(t, m.Mkdir(Dir+"/new-"+stream+".1", 0o700))
	l, err := m.TryLock(Dir + "/new-" + stream + ".1/lock")
	must(t, err)
	must(t, m.Mkdir(Dir+"/new-else", 0o700))
	must(t, Clean(m, Dir))
	must(t, Clean(m, "none"))
	want := "spool/\nspool/" + stream + "/\nspool/" + stream + "/000001.seg (%d bytes)\nspool/" + stream + "/lock (0 bytes)\nspool/new-" + stream + ".1/\nspool/new-" + stream + ".1/lock (0 bytes)\nspool/new-else/\n"
	fi, err := m.Stat(Dir + "/" + stream + "/000001.seg")
	must(t, err)
	if d := cmp.Diff(fmt.Sprintf(want, fi.Size()), m.Tree()); d != "" {
		t.Error(d)
	}
	must(t, l.Close())
}

// Whatever moment a Clean chooses, a Create ends with a spool that is locked.
func TestCreateSurvivesCleanAtEveryOperation(t *testing.T) {
	undisturbed := fsxtest.New()
	fill(t, undisturbed, nil)
	for at := range undisturbed.Ops() {
		m := &interrupted{Mem: fsxtest.New()}
		m.at, m.do = at, func() { must(t, Clean(m.Mem, Dir)) }
		w, err := Create(m, Dir, meta(), nil)
		if err != nil {
			t.Fatalf("clean before operation %d: %v", at, err)
		}
		if _, err := Own(m.Mem, Dir, stream); !errors.Is(err, fsx.ErrLocked) {
			t.Errorf("clean before operation %d: the spool is not locked: %v", at, err)
		}
		commit(t, w, made(1, 1, 10))
		must(t, w.Close())
		if got, r, err := collect(m.Mem, 1); err != nil || len(got) != 1 || len(r.Damaged) > 0 {
			t.Errorf("clean before operation %d: %d batches, %+v, %v", at, len(got), r, err)
		}
	}
}

// unlinking is a file system on which the lock of a spool loses its name when the first segment is made, as by a Clean
// that was killed between two of its steps.
type unlinking struct {
	*fsxtest.Mem
	done bool
}

func (u *unlinking) Create(name string, perm fs.FileMode) (fsx.File, error) {
	if !u.done {
		u.done = true
		if err := u.Remove(filepath.Dir(name) + "/lock"); err != nil {
			return nil, err
		}
	}
	return u.Mem.Create(name, perm)
}

func TestALockWithoutANameIsNoLock(t *testing.T) {
	m := &unlinking{Mem: fsxtest.New()}
	w, err := Create(m, Dir, meta(), nil)
	must(t, err)
	if _, err := Own(m.Mem, Dir, stream); !errors.Is(err, fsx.ErrLocked) {
		t.Errorf("the spool is not locked: %v", err)
	}
	must(t, w.Close())
}
