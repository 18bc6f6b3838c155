package fsxtest_test

import (
	"errors"
	"io"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/stetlog/stet/internal/fsx"
	"github.com/stetlog/stet/internal/fsx/fsxtest"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// file makes a durable file and returns it open.
func file(t *testing.T, m *fsxtest.Mem, name, data string) fsx.File {
	t.Helper()
	f, err := m.Create(name, 0o600)
	must(t, err)
	_, err = f.WriteAt([]byte(data), 0)
	must(t, err)
	must(t, f.Sync())
	must(t, m.SyncDir("."))
	return f
}

// found crashes the machine and returns what each possible disk holds at name, sorted; "-" where the name is missing.
func found(t *testing.T, m *fsxtest.Mem, name string) (all []string) {
	t.Helper()
	m.Crash()
	for s := range m.States(1000, 1) {
		b, err := fsx.ReadFile(s, name, 1<<20)
		if err != nil {
			b = []byte("-")
		}
		all = append(all, string(b))
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func TestWhatACrashLeaves(t *testing.T) {
	for name, c := range map[string]struct {
		do   func(m *fsxtest.Mem, f fsx.File) error // f is the durable file "a", holding "old"
		want []string                               // of "a"
	}{
		"nothing happened": {func(*fsxtest.Mem, fsx.File) error { return nil }, []string{"old"}},
		"written": {func(_ *fsxtest.Mem, f fsx.File) error { _, err := f.WriteAt([]byte("new"), 0); return err },
			[]string{"new", "old"}},
		"appended": {func(_ *fsxtest.Mem, f fsx.File) error { _, err := f.WriteAt([]byte("er"), 3); return err },
			[]string{"old", "old\x00\x00", "older"}},
		"two writes, the second may overtake": {func(_ *fsxtest.Mem, f fsx.File) error {
			_, err := f.WriteAt([]byte("n"), 0)
			_, err2 := f.WriteAt([]byte("w"), 2)
			return errors.Join(err, err2)
		}, []string{"nld", "nlw", "old", "olw"}},
		"written and synced": {func(_ *fsxtest.Mem, f fsx.File) error {
			_, err := f.WriteAt([]byte("new"), 0)
			return errors.Join(err, f.Sync())
		}, []string{"new"}},
		"truncated": {func(_ *fsxtest.Mem, f fsx.File) error { return f.Truncate(1) }, []string{"o", "old"}},
		"reserved":  {func(_ *fsxtest.Mem, f fsx.File) error { return f.Preallocate(4) }, []string{"old", "old\x00"}},
		"removed":   {func(m *fsxtest.Mem, _ fsx.File) error { return m.Remove("a") }, []string{"-", "old"}},
		"removed for good": {func(m *fsxtest.Mem, _ fsx.File) error { return errors.Join(m.Remove("a"), m.SyncDir(".")) },
			[]string{"-"}},
		"replaced by a file that was not synced": {func(m *fsxtest.Mem, _ fsx.File) error {
			f, err := m.Create("b", 0o600)
			_, err2 := f.WriteAt([]byte("new"), 0)
			return errors.Join(err, err2, m.Rename("b", "a"), m.SyncDir("."))
		}, []string{"", "\x00\x00\x00", "new"}},
		"replaced, the name not synced": {func(m *fsxtest.Mem, _ fsx.File) error {
			f, err := m.Create("b", 0o600)
			_, err2 := f.WriteAt([]byte("new"), 0)
			return errors.Join(err, err2, f.Sync(), m.Rename("b", "a"))
		}, []string{"new", "old"}},
		"moved to a directory, one of two synced": {func(m *fsxtest.Mem, _ fsx.File) error {
			return errors.Join(m.Mkdir("d", 0o700), m.SyncDir("."), m.Rename("a", "d/a"), m.SyncDir("d"))
		}, []string{"-", "old"}},
		"moved to a directory, both synced": {func(m *fsxtest.Mem, _ fsx.File) error {
			return errors.Join(m.Mkdir("d", 0o700), m.SyncDir("."), m.Rename("a", "d/a"), m.SyncDir("d"), m.SyncDir("."))
		}, []string{"-"}},
	} {
		t.Run(name, func(t *testing.T) {
			m := fsxtest.New()
			f := file(t, m, "a", "old")
			must(t, c.do(m, f))
			if got := found(t, m, "a"); !slices.Equal(got, c.want) {
				t.Errorf("found %q, want %q", got, c.want)
			}
		})
	}
}

// A long write is torn at sectors, anywhere and not only at its end.
func TestWritesAreTornAtSectors(t *testing.T) {
	m := fsxtest.New()
	f := file(t, m, "a", strings.Repeat("o", 2000))
	_, err := f.WriteAt([]byte(strings.Repeat("n", 1700)), 100)
	must(t, err)
	masks := map[string]bool{} // which sectors are new
	for _, s := range found(t, m, "a") {
		mask := ""
		for at := 0; at < 2000; at += 512 {
			part := s[max(at, 100):min(at+512, 1800)]
			if strings.Trim(part, part[:1]) != "" {
				t.Fatalf("a sector is torn: %q", part)
			}
			mask += part[:1]
		}
		masks[mask] = true
	}
	if len(masks) != 16 {
		t.Errorf("%d choices of 4 sectors were tried: %v", len(masks), masks)
	}
}

func TestAFailedSyncIsNeverMadeGood(t *testing.T) {
	for _, persisted := range []bool{false, true} {
		m := fsxtest.New()
		f := file(t, m, "a", "old")
		_, err := f.WriteAt([]byte("new"), 0)
		must(t, err)
		m.FailAt(len(m.Ops())+1, syscall.EIO, persisted)
		if err := f.Sync(); !errors.Is(err, syscall.EIO) {
			t.Fatalf("sync: %v", err)
		}
		must(t, f.Sync()) // as Linux does
		if b, err := fsx.ReadFile(m, "a", 10); err != nil || string(b) != "new" {
			t.Errorf("read %q, %v", b, err)
		}
		want := []string{"new", "old"}
		if persisted {
			want = want[:1]
		}
		if got := found(t, m, "a"); !slices.Equal(got, want) {
			t.Errorf("persisted %v: found %q, want %q", persisted, got, want)
		}
	}
	m := fsxtest.New()
	f, err := m.Create("a", 0o600)
	must(t, err)
	must(t, f.Sync())
	m.FailAt(len(m.Ops())+1, syscall.EIO, false)
	if err := m.SyncDir("."); !errors.Is(err, syscall.EIO) {
		t.Fatalf("sync of the directory: %v", err)
	}
	must(t, m.SyncDir("."))
	if got := found(t, m, "a"); !slices.Equal(got, []string{"", "-"}) {
		t.Errorf("found %q", got)
	}
}

func TestFailedCallsWithAndWithoutEffect(t *testing.T) {
	for _, persisted := range []bool{false, true} {
		m := fsxtest.New()
		for op := 1; op <= 2; op++ {
			m.FailAt(op, syscall.EIO, persisted)
		}
		if _, err := m.Create("a", 0o600); !errors.Is(err, syscall.EIO) {
			t.Errorf("create: %v", err)
		}
		if err := m.Mkdir("d", 0o700); !errors.Is(err, syscall.EIO) {
			t.Errorf("mkdir: %v", err)
		}
		want := ""
		if persisted {
			want = "a (0 bytes)\nd/\n"
		}
		if got := m.Tree(); got != want {
			t.Errorf("persisted %v: %q", persisted, got)
		}
	}
}

func TestPartlyFailedCallsDoHalf(t *testing.T) {
	m := fsxtest.New()
	f := file(t, m, "a", "1234")
	m.FailPartlyAt(len(m.Ops())+1, syscall.ENOSPC)
	if n, err := f.WriteAt([]byte("abcdef"), 2); n != 3 || !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("wrote %d, %v", n, err)
	}
	if got, err := fsx.ReadFile(m, "a", 10); err != nil || string(got) != "12abc" {
		t.Errorf("holds %q, %v", got, err)
	}
	m.FailPartlyAt(len(m.Ops())+1, syscall.ENOSPC)
	if err := f.Preallocate(15); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("reserved: %v", err)
	}
	if size, err := f.Size(); err != nil || size != 10 {
		t.Errorf("%d bytes after half a reservation, %v", size, err)
	}
}

func TestLocksEndWithTheirProcess(t *testing.T) {
	m := fsxtest.New()
	other := m.Process()
	l, err := m.TryLock("lock")
	must(t, err)
	if _, err := other.TryLock("lock"); !errors.Is(err, fsx.ErrLocked) {
		t.Errorf("the lock is held by a living process: %v", err)
	}
	m.Kill()
	if err := l.Close(); !errors.Is(err, fsxtest.ErrKilled) {
		t.Errorf("a dead process unlocks: %v", err)
	}
	if _, err := m.Stat("lock"); !errors.Is(err, fsxtest.ErrKilled) {
		t.Errorf("a dead process looks: %v", err)
	}
	_, err = other.TryLock("lock")
	must(t, err)
	other.Crash()
	if _, err := other.Stat("lock"); !errors.Is(err, fsxtest.ErrCrashed) {
		t.Errorf("after the crash: %v", err)
	}
	for s := range m.States(10, 0) {
		if _, err := s.TryLock("lock"); err != nil {
			t.Errorf("after the restart: %v", err)
		}
	}
}

func TestAFullDiskTakesAsMuchAsItCan(t *testing.T) {
	m := fsxtest.New()
	f := file(t, m, "a", "12345")
	m.Limit(8)
	if n, err := f.WriteAt([]byte("abcdef"), 4); n != 4 || !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("wrote %d, %v", n, err)
	}
	if got, err := fsx.ReadFile(m, "a", 10); err != nil || string(got) != "1234abcd" {
		t.Errorf("holds %q, %v", got, err)
	}
	if _, err := f.WriteAt([]byte("ABCDEFGH"), 0); err != nil {
		t.Errorf("overwriting: %v", err)
	}
	must(t, f.Truncate(2))
	if err := f.Preallocate(9); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("reserved too much: %v", err)
	}
	must(t, f.Preallocate(8))
	must(t, m.Remove("a"))
	if used := m.Used(); used != 0 {
		t.Errorf("%d bytes are used on an empty disk", used)
	}
}

// States are machines of their own: what one does, no other sees.
func TestStatesAreIndependent(t *testing.T) {
	m := fsxtest.New()
	f := file(t, m, "a", "old")
	_, err := f.WriteAt([]byte("new"), 0)
	must(t, err)
	m.Crash()
	before := map[fsxtest.Hash]bool{}
	for s := range m.States(10, 0) {
		h := s.Hash()
		if before[h] {
			t.Error("the same disk twice")
		}
		before[h] = true
		if len(s.Ops()) != 0 {
			t.Errorf("operations do not count from 1: %v", s.Ops())
		}
		must(t, fsx.Replace(s, "a", []byte("other"), 0o600))
		if s.Hash() == h {
			t.Error("the hash does not see the content")
		}
	}
	for s := range m.States(10, 0) {
		if !before[s.Hash()] {
			t.Errorf("another disk the second time, where %s", s.Origin())
		}
	}
	if len(before) != 2 {
		t.Errorf("%d disks", len(before))
	}
}

func TestReservedSpaceAndZerosHashTheSame(t *testing.T) {
	a, b := fsxtest.New(), fsxtest.New()
	f := file(t, a, "a", "x\x00\x00")
	g := file(t, b, "a", "x")
	if a.Hash() == b.Hash() {
		t.Error("the hash does not see the length")
	}
	must(t, g.Preallocate(3))
	if a.Hash() != b.Hash() {
		t.Error("the same bytes, and another hash")
	}
	if n, err := f.ReadAt(make([]byte, 4), 0); n != 3 || !errors.Is(err, io.EOF) {
		t.Errorf("read %d, %v", n, err)
	}
}
