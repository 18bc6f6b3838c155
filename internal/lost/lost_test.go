package lost

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/fsx"
	"github.com/stetlog/stet/internal/fsx/fsxtest"
)

func note(n int) Note {
	return Note{V: 1, ID: event.DeriveUUID("test", fmt.Sprint(n), [6]byte{}).String(), AppID: "billing", PID: 42, BootID: "b",
		First: "2026-01-02T15:04:05.000000001Z", Last: "2026-01-02T15:04:06.000000000Z", Lost: 3, Doubt: 1, Why: `the disk is "full"`}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// The first version's note is read for ever, and today's is written so.
func TestGoldenNote(t *testing.T) {
	file := filepath.Join("testdata", "v1", note(0).ID+noteSuffix)
	want, err := os.ReadFile(file)
	must(t, err)
	got, err := note(0).encode()
	must(t, err)
	if d := cmp.Diff(string(want), string(got)); d != "" {
		t.Error(d)
	}
	read, err := parse(want)
	must(t, err)
	if d := cmp.Diff(note(0), read); d != "" {
		t.Error(d)
	}
}

// FuzzNote reads arbitrary bytes. What is accepted is within the limits and has one spelling.
func FuzzNote(f *testing.F) {
	data, err := note(0).encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add([]byte(`{"v":1}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		n, err := parse(data)
		if err != nil {
			return
		}
		if again, err := n.encode(); err != nil || !bytes.Equal(again, data) {
			t.Fatalf("read %q, written %q, %v", data, again, err)
		}
		if first, last := n.Times(); first.IsZero() && last.IsZero() {
			t.Fatalf("no times in %q", data)
		}
	})
}

// A note that Write has returned survives a power cut, whatever the disk keeps; and a crash while it is written leaves one
// that can be claimed, or none.
func TestANoteIsDurable(t *testing.T) {
	m := fsxtest.New()
	if _, err := Write(m, note(1)); err != nil {
		t.Fatal(err)
	}
	for disk := range m.States(64, 1) {
		held, err := Claim(disk)
		if err != nil || len(held) != 1 || held[0].Note != note(1) {
			t.Fatalf("%s: %v, %v", disk.Origin(), held, err)
		}
	}
	for op := 1; op <= len(m.Ops()); op++ {
		m := fsxtest.New()
		m.CrashAt(op)
		if _, err := Write(m, note(1)); err == nil {
			t.Fatal("written in spite of a crash")
		}
		for disk := range m.States(64, 1) {
			held, err := Claim(disk)
			if err != nil || len(held) > 1 || len(held) == 1 && held[0].Note != note(1) {
				t.Fatalf("crash at %d, %s: %v, %v", op, disk.Origin(), held, err)
			}
		}
	}
}

// A note whose recorder lives is not claimed, and no note twice.
func TestClaim(t *testing.T) {
	m := fsxtest.New()
	alive := m.Process()
	if _, err := Write(alive, note(1)); err != nil {
		t.Fatal(err)
	}
	for _, want := range []int{0, 1, 0} {
		held, err := Claim(m.Process())
		if must(t, err); len(held) != want {
			t.Errorf("%d notes were claimed, want %d", len(held), want)
		}
		alive.Kill()
	}
}

// What is no note is declared as a loss that nobody knows more of; what the disk does not give stays.
func TestUnreadableNotes(t *testing.T) {
	for name, data := range map[string]string{"empty": "", "damaged": "{", "too large": strings.Repeat("x", maxFile+1), "of another": ""} {
		m := fsxtest.New()
		if name == "of another" {
			b, err := note(2).encode()
			must(t, err)
			data = string(b)
		}
		f, err := m.Create(note(1).ID+noteSuffix, 0o600)
		must(t, err)
		if _, err := f.WriteAt([]byte(data), 0); err != nil {
			t.Fatal(err)
		}
		held, err := Claim(m)
		if must(t, err); len(held) != 1 || held[0].Note.ID != note(1).ID || held[0].Note.Doubt != 1 || held[0].Note.check() != nil {
			t.Errorf("%s: %+v", name, held)
		}
	}
	m := fsxtest.New()
	h, err := Write(m, note(1))
	must(t, err)
	must(t, h.Release())
	broken := errors.New("broken")
	m.FailAt(len(m.Ops())+3, broken, false) // the note's opening, behind the directory's listing and the lock
	if held, err := Claim(m); !errors.Is(err, broken) || len(held) > 0 {
		t.Errorf("claimed %v, error %v", held, err)
	}
	if held, err := Claim(m); err != nil || len(held) != 1 {
		t.Errorf("claimed %v, error %v", held, err)
	}
}

// However many processes lose something and die, there are never more notes than the limit and one for each process that
// lives, and no count is lost.
func TestNotesAreBounded(t *testing.T) {
	m := fsxtest.New()
	for i := range 5 * MaxNotes {
		p := m.Process()
		if _, err := Write(p, note(i)); err != nil {
			t.Fatal(err)
		}
		p.Kill()
		entries, err := m.ReadDir(".")
		if must(t, err); len(entries) > 2*MaxNotes {
			t.Fatalf("%d files", len(entries))
		}
	}
	held, err := Claim(m)
	must(t, err)
	var lost int64
	for _, h := range held {
		lost += h.Note.Lost
	}
	if lost != 5*MaxNotes*3 {
		t.Errorf("%d records are noted as lost, want %d", lost, 5*MaxNotes*3)
	}
}

// Places that are open to everybody may hold somebody's trap.
func TestHostilePlaces(t *testing.T) {
	dir := t.TempDir()
	ours := filepath.Join(dir, "ours")
	d, err := Open(ours, true)
	must(t, err)
	must(t, d.Close())
	link := filepath.Join(dir, "link")
	must(t, os.Symlink(ours, link))
	open := filepath.Join(dir, "open")
	must(t, os.Mkdir(open, 0o700))
	must(t, os.Chmod(open, 0o777))
	file := filepath.Join(dir, "file")
	must(t, os.WriteFile(file, nil, 0o600))
	for _, path := range []string{link, open, file} {
		for _, create := range []bool{false, true} {
			if d, err := Open(path, create); err == nil {
				t.Errorf("%s was opened: %v", path, d.Close())
			}
		}
	}
	if d, err := Open(filepath.Join(dir, "none"), false); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing directory: %v, %v", d, err)
	}
	if os.Geteuid() != 0 {
		t.Log("the rest needs root: it gives a directory to another user")
		return
	}
	must(t, os.Chown(ours, 65534, 65534))
	if d, err := Open(ours, true); err == nil {
		t.Errorf("another user's directory was opened: %v", d.Close())
	}
}

// A note in the directory may be a link to somewhere else: it is not followed out of it.
func TestALinkIsNotFollowed(t *testing.T) {
	dir := t.TempDir()
	secret := filepath.Join(dir, "secret")
	must(t, os.WriteFile(secret, []byte("secret"), 0o600))
	d, err := Open(filepath.Join(dir, "notes"), true)
	must(t, err)
	t.Cleanup(func() { must(t, d.Close()) })
	must(t, os.Symlink(secret, filepath.Join(dir, "notes", note(1).ID+noteSuffix)))
	if held, err := Claim(d); err == nil {
		t.Errorf("claimed %v", held)
	}
	if b, err := os.ReadFile(secret); err != nil || string(b) != "secret" {
		t.Errorf("the file has %q, %v", b, err)
	}
}

func TestLine(t *testing.T) {
	at := time.Date(2026, 1, 2, 15, 4, 5, 0, time.UTC)
	if got, want := Line(at, 7, "a\nb\x1b[2J token=ghp_0123456789abcdefghijABCDEFGHIJ012345"), `<108>Jan  2 15:04:05 stet[7]: a\nb\u001b[2J token=`; !strings.HasPrefix(got, want) || strings.Contains(got, "ghp_0123") {
		t.Errorf("got %q, want %q…", got, want)
	}
	if got := Line(at, 7, strings.Repeat("ü", 2000)); len(got) > maxLine || !strings.HasSuffix(got, "ü") {
		t.Errorf("%d bytes", len(got))
	}
}

// Notes are looked for where they may be written, and nowhere else (docs/spec/lost.md).
func TestPlaces(t *testing.T) {
	const digest = "f09a053685c2"
	state := Place{"/var/lib/stet/lost", true}
	memory := func(dir string, uid int) Place {
		return Place{fmt.Sprintf("%s/stet-lost-%d-%s", dir, uid, digest), false}
	}
	for name, tc := range map[string]struct {
		runtime string
		uid     int
		want    []Place
	}{
		"root":                 {"", 0, []Place{state, memory("/run", 0), memory("/dev/shm", 0)}},
		"user":                 {"/run/user/7", 7, []Place{state, memory("/run/user/7", 7), memory("/dev/shm", 7)}},
		"user without session": {"", 7, []Place{state, memory("/dev/shm", 7)}},
		"relative":             {"run", 7, []Place{state, memory("/dev/shm", 7)}},
	} {
		if d := cmp.Diff(tc.want, Places("/var/lib/stet", tc.runtime, tc.uid)); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
}

// Whoever only looks sees what is noted, also by one who lives, and changes nothing.
func TestLook(t *testing.T) {
	m := fsxtest.New()
	if _, err := Write(m, note(1)); err != nil { // and keeps it
		t.Fatal(err)
	}
	must(t, fsx.Replace(m, note(2).ID+noteSuffix, []byte("{}"), 0o600))
	must(t, fsx.Replace(m, note(3).ID+lockSuffix, nil, 0o600))
	before, err := m.ReadDir(".")
	must(t, err)
	notes, err := Look(m)
	must(t, err)
	got := map[string]int64{}
	for _, n := range notes {
		got[n.ID] = n.Lost + n.Doubt
	}
	if d := cmp.Diff(map[string]int64{note(1).ID: 4, note(2).ID: 1}, got); d != "" {
		t.Error(d)
	}
	if after, err := m.ReadDir("."); err != nil || len(after) != len(before) {
		t.Errorf("%d files became %d, %v", len(before), len(after), err)
	}
}
