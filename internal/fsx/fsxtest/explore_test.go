package fsxtest_test

import (
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"strings"
	"testing"

	"github.com/stetlog/stet/internal/fsx"
	"github.com/stetlog/stet/internal/fsx/fsxtest"
)

// caught is a testing.TB that only remembers that the test failed.
type caught struct {
	testing.TB
	message string
}

func (c *caught) Helper()             {}
func (c *caught) Logf(string, ...any) {}
func (c *caught) Fatalf(format string, args ...any) {
	c.message = fmt.Sprintf(format, args...)
	runtime.Goexit()
}

// explored runs fn with a testing.TB that survives its failure, and returns the failure.
func explored(t *testing.T, fn func(testing.TB)) string {
	c := &caught{TB: t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		fn(c)
	}()
	<-done
	return c.message
}

// save puts data at name in the order that steps give: w write, s sync, c close, r rename, d sync the directory. Each
// step but the last must succeed for the next; R retries a failed sync, which is the classic mistake.
func save(fsys fsx.FS, name, data, steps string) error {
	f, err := fsys.Create(name+".new", 0o600)
	if err != nil {
		return err
	}
	for _, step := range steps {
		switch step {
		case 'w':
			_, err = f.WriteAt([]byte(data), 0)
		case 's':
			err = f.Sync()
		case 'R':
			if err = f.Sync(); err != nil {
				err = f.Sync()
			}
		case 'c':
			err = f.Close()
		case 'r':
			err = fsys.Rename(name+".new", name)
		case 'd':
			err = fsys.SyncDir(".")
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// saver is a program that replaces a file twice, and what must hold of it: the last acknowledged text is there, or a
// later one, whole.
func saver(steps string) fsxtest.Plan {
	text := func(i int) string { return strings.Repeat(string(rune('a'+i)), 3000) }
	return fsxtest.Plan{
		Run: func(fsys *fsxtest.Mem) any {
			for i := range 2 {
				if save(fsys, "f", text(i), steps) != nil {
					return i
				}
			}
			return 2
		},
		Check: func(fsys *fsxtest.Mem, acked any) error {
			b, err := fsx.ReadFile(fsys, "f", 1<<20)
			if acked == 0 && errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			if err != nil {
				return err
			}
			for i := max(acked.(int)-1, 0); i < 2; i++ {
				if string(b) == text(i) {
					return nil
				}
			}
			return fmt.Errorf("f holds %d bytes %.10q…", len(b), b)
		},
		MaxStates: 1000,
	}
}

func TestExploreCatchesEveryMissingStep(t *testing.T) {
	for _, c := range []struct{ steps, mistake string }{
		{"wscrd", ""},
		{"wcrd", "no sync of the file"},
		{"wscr", "no sync of the directory"},
		{"wrscd", "renamed before it was synced"},
		{"swcrd", "synced before it was written"},
	} {
		t.Run(c.steps, func(t *testing.T) {
			got := explored(t, func(tb testing.TB) { fsxtest.Explore(tb, saver(c.steps)) })
			if (got != "") != (c.mistake != "") {
				t.Errorf("mistake %q, caught %q", c.mistake, got)
			}
		})
	}
}

func TestFaultsCatchARetriedSync(t *testing.T) {
	if got := explored(t, func(tb testing.TB) { fsxtest.Faults(tb, saver("wscrd"), 50) }); got != "" {
		t.Errorf("a program that stops at the first error: %s", got)
	}
	got := explored(t, func(tb testing.TB) { fsxtest.Faults(tb, saver("wRcrd"), 0) })
	if !strings.Contains(got, "sync f.new") {
		t.Errorf("a program that retries fsync: %q", got)
	}
}

// What one process saw of another's unsynced work is not durable because it was seen.
func TestExploreCatchesTrustInWhatIsReadable(t *testing.T) {
	for _, resync := range []bool{true, false} {
		p := fsxtest.Plan{
			Run: func(fsys *fsxtest.Mem) any { _ = save(fsys, "f", "text", "wscrd"); return false },
			Again: func(fsys *fsxtest.Mem, _ any) any {
				if _, err := fsys.Stat("f"); err != nil {
					return false
				}
				return !resync || fsys.SyncDir(".") == nil
			},
			Check: func(fsys *fsxtest.Mem, acked any) error {
				if !acked.(bool) {
					return nil
				}
				_, err := fsys.Stat("f")
				return err
			},
		}
		got := explored(t, func(tb testing.TB) { fsxtest.Explore(tb, p) })
		if (got == "") != resync {
			t.Errorf("resync %v, caught %q", resync, got)
		}
	}
}

func TestReplaceAndMkdirAllSurviveEveryCrash(t *testing.T) {
	const name = "a/b/f"
	run := func(fsys *fsxtest.Mem, from int) int {
		if fsx.MkdirAll(fsys, "a/b", 0o700) != nil {
			return from
		}
		for i := from + 1; i <= from+3; i++ {
			if fsx.Replace(fsys, name, []byte(strings.Repeat(fmt.Sprint(i), 700)), 0o600) != nil {
				return i - 1
			}
		}
		return from + 3
	}
	check := func(fsys *fsxtest.Mem, acked any) error {
		b, err := fsx.ReadFile(fsys, name, 1000)
		if errors.Is(err, fs.ErrNotExist) && acked == 0 {
			return nil
		}
		if err != nil {
			return err
		}
		if len(b) != 700 || strings.Trim(string(b), string(b[:1])) != "" || int(b[0]-'0') < acked.(int) {
			return fmt.Errorf("acknowledged %d, found %d bytes %.5q…", acked, len(b), b)
		}
		return nil
	}
	p := fsxtest.Plan{
		Run:   func(fsys *fsxtest.Mem) any { return run(fsys, 0) },
		Again: func(fsys *fsxtest.Mem, acked any) any { return run(fsys, acked.(int)) },
		Check: check,
	}
	if r := fsxtest.Explore(t, p); r.Distinct < 10 {
		t.Errorf("only %d distinct states", r.Distinct)
	}
	fsxtest.Faults(t, p, 200)
}

// A clerk saves three texts with save, one after the other; another goes on where one failed. It implements World.
type clerk struct {
	steps string
	saved int
	note  func(*clerk) // what it believes after an error
}

func (c *clerk) Live(fsys *fsxtest.Mem) (bool, error) {
	for ; c.saved < 3; c.saved++ {
		if err := fsx.MkdirAll(fsys, "d", 0o700); err != nil {
			return false, err
		}
		if err := fsys.Remove("d/f.new"); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return false, err
		}
		if err := saveIn(fsys, strings.Repeat(string(rune('a'+c.saved)), 1000), c.steps); err != nil {
			c.note(c)
			return false, err
		}
	}
	return true, nil
}

func saveIn(fsys fsx.FS, data, steps string) error {
	f, err := fsys.Create("d/f.new", 0o600)
	if err != nil {
		return err
	}
	for _, step := range steps {
		switch step {
		case 'w':
			_, err = f.WriteAt([]byte(data), 0)
		case 'n': // forgets that a write can be short
			if n, werr := f.WriteAt([]byte(data), 0); n == 0 {
				err = werr
			}
		case 's':
			err = f.Sync()
		case 'R': // believes a second sync
			if err = f.Sync(); err != nil {
				err = f.Sync()
			}
		case 'r':
			err = fsys.Rename("d/f.new", "d/f")
		case 'd':
			err = fsys.SyncDir("d")
		}
		if err != nil {
			return err
		}
	}
	return f.Close()
}

func (c *clerk) Facts() string { return fmt.Sprint(c.saved) }

func (c *clerk) Audit(fsys *fsxtest.Mem) error {
	b, err := fsx.ReadFile(fsys, "d/f", 2000)
	if err == nil && string(b) != strings.Repeat(string(rune('a'+c.saved-1)), 1000) {
		err = fmt.Errorf("the file is not text %d of %d bytes, but has %d", c.saved, 1000, len(b))
	}
	return err
}

// TestPairsFindsEveryKindOfMistake: sound code passes all faults and pairs; each classic mistake fails.
func TestPairsFindsEveryKindOfMistake(t *testing.T) {
	for steps, want := range map[string]string{
		"wsrd": "",
		"wRrd": "after a power cut",        // the sync that failed is repeated
		"nsrd": "failed, partly persisted", // a short write
		"wsr":  "after a power cut",        // no sync of the directory
	} {
		message := explored(t, func(t testing.TB) {
			c := fsxtest.Pairs(t, fsxtest.Lives{World: func() fsxtest.World { return &clerk{steps: steps, note: func(*clerk) {}} }})
			if c.Pairs < c.Singles*c.Sites/4 || c.Runs == 0 || c.Skipped != 0 {
				t.Fatalf("covered only %+v", c)
			}
		})
		if want == "" && message != "" || !strings.Contains(message, want) {
			t.Errorf("%s: %s", steps, message)
		}
	}
	impatient := func() fsxtest.World { return &clerk{steps: "wsrd", note: func(c *clerk) { c.saved++ }} } // counts as done what failed
	if message := explored(t, func(t testing.TB) { fsxtest.Pairs(t, fsxtest.Lives{World: impatient}) }); message == "" {
		t.Error("a text that was not saved is not missed")
	}
	if message := explored(t, func(t testing.TB) {
		fsxtest.Pairs(t, fsxtest.Lives{World: func() fsxtest.World { return &clerk{steps: "wsrd!", note: func(*clerk) {}} }, Share: 7})
	}); message != "" {
		t.Errorf("a share: %s", message)
	}
}
