package segment_test

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/stetlog/stet/internal/fsx"
	"github.com/stetlog/stet/internal/fsx/fsxtest"
	"github.com/stetlog/stet/internal/segment"
)

const kind segment.Kind = "stet/test/v1"

var header = segment.Header{Kind: kind, Salt: [8]byte{1, 2, 3, 4, 5, 6, 7, 8}, Number: 7, Meta: []byte(`{"v":1}`)}

type frame struct {
	Key     uint64
	Payload string
}

// groups are the frames of a segment as they are committed. The keys go up from 1.
type groups [][]string

func (g groups) frames() (all []frame) {
	for _, group := range g {
		for _, p := range group {
			all = append(all, frame{uint64(len(all) + 1), p})
		}
	}
	return all
}

func text(n int, tag string) string { return strings.Repeat(tag, n/len(tag)+1)[:n] }

// small is a segment of a few groups, each much smaller than a sector; large has groups that span sectors.
var (
	small = groups{{"alpha"}, {"b", "gamma gamma"}, {text(60, "delta ")}, {"e", "f", "g"}}
	large = groups{{text(700, "one ")}, {text(400, "two "), text(1300, "three "), text(90, "four ")}, {text(1100, "five "), text(30, "six"), text(900, "seven ")}}
)

func write(t testing.TB, fsys fsx.FS, name string, h segment.Header, prealloc int64, gs groups) {
	t.Helper()
	if n, err := commit(fsys, name, h, prealloc, gs); err != nil {
		t.Fatalf("after %d groups: %v", n, err)
	}
}

// commit writes a segment and returns how many groups were acknowledged.
func commit(fsys fsx.FS, name string, h segment.Header, prealloc int64, gs groups) (acked int, err error) {
	w, err := segment.Create(fsys, name, h, prealloc)
	if err != nil {
		return 0, err
	}
	key := uint64(0)
	for i, g := range gs {
		for _, p := range g {
			key++
			if err := w.Add(key, []byte(p[:len(p)/2]), []byte(p[len(p)/2:])); err != nil {
				return i, errors.Join(err, w.Close())
			}
		}
		if err := w.Commit(); err != nil {
			return i, errors.Join(err, w.Close())
		}
	}
	return len(gs), w.Close()
}

// scan reads a segment to its end; err is nil after io.EOF.
func scan(fsys fsx.FS, name string) (fs []frame, r *segment.Reader, err error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = f.Close() }()
	if r, err = segment.NewReader(f, name, kind); err != nil {
		return nil, nil, err
	}
	for {
		fr, err := r.Next()
		if errors.Is(err, io.EOF) {
			return fs, r, nil
		}
		if err != nil {
			return fs, r, err
		}
		fs = append(fs, frame{fr.Key, string(fr.Payload)})
	}
}

// bytesOf returns what a file holds.
func bytesOf(t testing.TB, fsys fsx.FS, name string) []byte {
	t.Helper()
	b, err := fsx.ReadFile(fsys, name, 1<<24)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// disk returns a file system with one file.
func disk(t testing.TB, name string, data []byte) *fsxtest.Mem {
	t.Helper()
	m := fsxtest.New()
	f, err := m.Create(name, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt(data, 0); err != nil {
		t.Fatal(err)
	}
	return m
}

// encoded returns a segment as bytes, and the offsets at which its frames end, the header first.
func encoded(t testing.TB, gs groups) (data []byte, ends []int) {
	t.Helper()
	m := fsxtest.New()
	write(t, m, "s", header, 0, gs)
	ends = []int{int(header.Size())}
	for _, fr := range gs.frames() {
		ends = append(ends, ends[len(ends)-1]+24+len(fr.Payload))
	}
	data = bytesOf(t, m, "s")
	if len(data) != ends[len(ends)-1] {
		t.Fatalf("%d bytes, expected %d", len(data), ends[len(ends)-1])
	}
	return data, ends
}

func TestReadsWhatWasCommitted(t *testing.T) {
	for _, prealloc := range []int64{0, 1, 5000, 200_000} {
		for _, gs := range []groups{nil, small, large} {
			m := fsxtest.New()
			write(t, m, "s", header, prealloc, gs)
			got, r, err := scan(m, "s")
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(gs.frames(), got); d != "" {
				t.Error(d)
			}
			if d := cmp.Diff(header, r.Header()); d != "" {
				t.Error(d)
			}
			if r.Torn() {
				t.Error("a whole segment counts as torn")
			}
		}
	}
}

// The bytes that docs/spec/spool.md describes. A change here is a new version of every kind.
func TestFormat(t *testing.T) {
	data, _ := encoded(t, groups{{"a", "bc"}})
	want := "" +
		"737465742f746573742f763100000000" + "0102030405060708" + "0000000000000007" + "00000007" + "9a4a5740" +
		"000000000000000000000000000000000000000000000000" + "7b2276223a317d" +
		"f7736631" + "00000001" + "0000000000000001" + "00000000" + "b2604009" + "61" +
		"f7736631" + "00000002" + "0000000000000002" + "00000019" + "912883b8" + "6263"
	if got := fmt.Sprintf("%x", data); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestLimits(t *testing.T) {
	m := fsxtest.New()
	for _, h := range []segment.Header{
		{Kind: "seventeen letters"},
		{Kind: kind, Meta: make([]byte, segment.MaxMeta+1)},
	} {
		if _, err := segment.Create(m, "s", h, 0); err == nil {
			t.Errorf("a header with kind %q and %d bytes of meta was accepted", h.Kind, len(h.Meta))
		}
	}
	w, err := segment.Create(m, "s", segment.Header{Kind: kind, Meta: make([]byte, segment.MaxMeta)}, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{0, segment.MaxPayload + 1} {
		if err := w.Add(1, make([]byte, n)); err == nil {
			t.Errorf("a payload of %d bytes was accepted", n)
		}
	}
	if err := w.Add(1, make([]byte, segment.MaxPayload-1), []byte{1}); err != nil {
		t.Error(err)
	}
	for n := 0; w.Pending() <= segment.MaxGroup; n++ {
		if err := w.Add(1, make([]byte, segment.MaxPayload)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Add(1, []byte("x")); err == nil {
		t.Error("a group without end was accepted")
	}
	if err := w.Close(); err != nil {
		t.Error(err)
	}
	if _, err := segment.Create(m, "s", header, 0); !errors.Is(err, fs.ErrExist) {
		t.Errorf("creating it again: %v", err)
	}
}

// After any failure the writer stays failed: the second Commit must not succeed on what the first one lost.
func TestAFailedCommitIsTerminal(t *testing.T) {
	for op, what := range map[int]string{5: "write", 6: "sync"} {
		m := fsxtest.New()
		m.FailAt(op, fsxtest.ErrInjected, false)
		w, err := segment.Create(m, "s", header, 0)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Add(1, []byte("a")); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			if err := w.Commit(); !errors.Is(err, fsxtest.ErrInjected) {
				t.Errorf("failed %s: Commit returned %v", what, err)
			}
			if err := w.Add(2, []byte("b")); !errors.Is(err, fsxtest.ErrInjected) {
				t.Errorf("failed %s: Add returned %v", what, err)
			}
		}
		if got := m.Ops()[op-1].Kind; string(got) != what {
			t.Errorf("operation %d is %s, not %s", op, got, what)
		}
	}
}

func TestAFailedCreateLeavesNoFile(t *testing.T) {
	for op := 1; op <= 5; op++ { // create, preallocate, write, sync, sync of the directory
		m := fsxtest.New()
		m.FailAt(op, fsxtest.ErrInjected, false)
		if _, err := segment.Create(m, "s", header, 1000); !errors.Is(err, fsxtest.ErrInjected) {
			t.Errorf("operation %d: %v", op, err)
		}
		if tree := m.Tree(); tree != "" {
			t.Errorf("operation %d left %s", op, tree)
		}
	}
}

// A writer that has the memory of the one before writes what it was given and nothing else.
func TestInherit(t *testing.T) {
	fsys := fsxtest.New()
	old, err := segment.Create(fsys, "a", header, 0)
	if err != nil {
		t.Fatal(err)
	}
	for key := range uint64(3) {
		if err := old.Add(key+1, []byte("never committed")); err != nil {
			t.Fatal(err)
		}
	}
	if err := old.Close(); err != nil {
		t.Fatal(err)
	}
	w, err := segment.Create(fsys, "b", header, 0)
	if err != nil {
		t.Fatal(err)
	}
	w.Inherit(old)
	if w.Pending() != 0 || old.Pending() != 0 {
		t.Errorf("%d and %d bytes wait", w.Pending(), old.Pending())
	}
	if err := errors.Join(w.Add(1, []byte("alpha")), w.Commit(), w.Close()); err != nil {
		t.Fatal(err)
	}
	got, err := fsx.ReadFile(fsys, "b", 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	write(t, fsys, "c", header, 0, groups{{"alpha"}})
	want, err := fsx.ReadFile(fsys, "c", 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}
