package follow

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/stetlog/stet/internal/fsx"
)

// world is a log that a program writes and somebody rotates, and who follows it.
type world struct {
	t       fataler
	dir     string
	state   *fsx.Dir
	f       *Follower
	o       Options
	lines   int
	want    []string
	got     []string
	known   map[string]bool // by file and offset
	rotated int
	notes   []string
}

// fataler is what testing.T and rapid.T have in common.
type fataler interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

func newWorld(t fataler, dir string) *world {
	t.Helper()
	if err := os.Mkdir(filepath.Join(dir, "state"), 0o700); err != nil {
		t.Fatal(err)
	}
	state, err := fsx.OpenDir(filepath.Join(dir, "state"))
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, dir: dir, state: state, known: map[string]bool{}}
	w.o = Options{Linger: 1, Note: func(s string) { w.notes = append(w.notes, s) }}
	w.start()
	return w
}

func (w *world) path() string { return filepath.Join(w.dir, "app.log") }

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) start() {
	f, err := New(w.path(), w.state, "place.json", w.o)
	w.must(err)
	w.f = f
}

// crash ends the follower as kill -9 does: nothing is noted any more.
func (w *world) crash() {
	w.must(w.f.closeFiles())
	w.start()
}

func (w *world) close() { w.must(errors.Join(w.f.closeFiles(), w.state.Close())) }

func (w *world) write(text string) {
	f, err := os.OpenFile(w.path(), os.O_APPEND|os.O_WRONLY|os.O_CREATE, 0o600)
	w.must(err)
	_, err = f.WriteString(text)
	w.must(errors.Join(err, f.Close()))
}

// say writes some lines.
func (w *world) say(n int) {
	var b strings.Builder
	for range n {
		line := fmt.Sprintf("line %d %s", w.lines, strings.Repeat("x", w.lines%7))
		w.lines++
		w.want = append(w.want, line)
		b.WriteString(line + "\n")
	}
	w.write(b.String())
}

func (w *world) rename() {
	w.rotated++
	if err := os.Rename(w.path(), filepath.Join(w.dir, fmt.Sprintf("app.log.%d", w.rotated))); !errors.Is(err, os.ErrNotExist) {
		w.must(err)
	}
}

func (w *world) copyTruncate() {
	w.rotated++
	b, err := os.ReadFile(w.path())
	if errors.Is(err, os.ErrNotExist) {
		return
	}
	w.must(err)
	w.must(os.WriteFile(filepath.Join(w.dir, fmt.Sprintf("app.log.%d", w.rotated)), b, 0o600))
	w.must(os.Truncate(w.path(), 0))
}

// take polls until nothing is new, at most times. A record that was given out twice under one name is taken once.
func (w *world) take(most int) {
	for range most {
		b, err := w.f.Poll()
		w.must(err)
		if len(b.Records) == 0 {
			return
		}
		w.keep(b)
		w.f.Done()
	}
}

// keep is what a caller records: each record once, by its file, offset and text.
func (w *world) keep(b Batch) {
	for _, r := range b.Records {
		name := fmt.Sprintf("%s@%d %s", b.Digest(), r.At, r.Text)
		if w.known[name] {
			if !r.Again && string(r.Text) != "head" {
				w.t.Fatalf("%s was given out twice, and is not said to be", name)
			}
			continue
		}
		w.known[name] = true
		w.got = append(w.got, string(r.Text))
	}
}

// Whatever happens between two looks, with at most one rotation among it, every line comes once and in order.
func TestNothingLostNothingTwice(t *testing.T) {
	base := t.TempDir()
	n := 0
	rapid.Check(t, func(t *rapid.T) {
		n++
		dir := filepath.Join(base, fmt.Sprint(n))
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		w := newWorld(t, dir)
		defer w.close()
		for range rapid.IntRange(1, 12).Draw(t, "rounds") {
			// A file that came and went while nobody looked was never there.
			_, err := os.Stat(w.path())
			rotated := err != nil
			for range rapid.IntRange(0, 4).Draw(t, "steps") {
				switch rapid.SampledFrom([]string{"say", "say", "rename", "truncate", "crash", "gone"}).Draw(t, "step") {
				case "say":
					w.say(rapid.IntRange(1, 30).Draw(t, "lines"))
				case "rename":
					if !rotated {
						rotated = true
						w.rename()
					}
				case "truncate":
					if n := len(w.f.files); !rotated && n > 0 && w.f.files[n-1].at.First != "" { // else nobody knows what it was
						rotated = true
						w.copyTruncate()
					}
				case "crash":
					w.crash()
				case "gone": // given out and recorded, and the crash came before that was noted
					b, err := w.f.Poll()
					if err != nil {
						t.Fatal(err)
					}
					w.keep(b)
					w.crash()
				}
			}
			w.take(rapid.IntRange(3, 6).Draw(t, "polls"))
		}
		w.take(100)
		w.take(100)
		if diff := cmp.Diff(w.want, w.got); diff != "" {
			t.Fatalf("%s\nnotes: %q", diff, w.notes)
		}
	})
}

func TestRotation(t *testing.T) {
	for _, c := range []struct {
		name string
		do   func(w *world)
		note string // that a person is told; "" nothing but of the rotation
	}{
		{"the writer goes on with the renamed file until it is told", func(w *world) {
			w.f.o.Linger = time.Hour
			w.say(2)
			w.take(9)
			w.rename()
			f, err := os.OpenFile(filepath.Join(w.dir, "app.log.1"), os.O_APPEND|os.O_WRONLY, 0)
			w.must(err)
			w.write("new\n")
			w.take(9)
			_, err = f.WriteString("old\n")
			w.must(errors.Join(err, f.Close()))
			w.take(9)
			w.want = append(w.want, "new", "old")
		}, ""},
		{"a renamed file's last line has no end", func(w *world) {
			w.say(1)
			w.write("half")
			w.take(9)
			w.rename()
			w.say(1)
			w.take(9)
			w.want = []string{w.want[0], "half", w.want[1]}
		}, ""},
		{"truncated and longer than before", func(w *world) {
			w.say(3)
			w.take(9)
			w.copyTruncate()
			w.say(30)
			w.take(9)
		}, "from the copy"},
		{"what came before it was truncated is in the copy", func(w *world) {
			w.say(3)
			w.take(9)
			w.say(3)
			w.copyTruncate()
			w.say(3)
			w.take(9)
		}, "from the copy"},
		{"known, and copied away before any of it was read", func(w *world) {
			w.say(3)
			_, err := w.f.Poll()
			w.must(err)
			w.copyTruncate()
			w.say(3)
			w.crash()
			w.take(9)
		}, ""},
		{"written anew, under the same first line", func(w *world) {
			w.write("head\n")
			w.say(3)
			w.take(9)
			w.copyTruncate()
			w.write("head\n")
			w.say(30)
			w.take(9)
			w.want = append([]string{"head"}, w.want...) // which is there once: the same record at the same place
		}, "from the copy"},
		{"truncated without a copy", func(w *world) {
			w.say(3)
			w.take(9)
			w.say(2)
			w.must(os.Truncate(w.path(), 0))
			w.want = w.want[:3]
			w.say(3)
			w.take(9)
		}, "was not read"},
		{"rotated while nobody looked", func(w *world) {
			w.say(3)
			w.take(9)
			w.say(3)
			w.rename()
			w.say(3)
			w.crash()
			w.take(9)
		}, ""},
		{"gone while nobody looked", func(w *world) {
			w.say(3)
			w.take(9)
			w.must(os.Remove(w.path()))
			w.say(3)
			w.crash()
			w.take(9)
		}, "not here any more"},
		{"not there yet", func(w *world) {
			w.take(9)
			w.say(1)
			w.take(9)
		}, ""},
		{"more than one batch", func(w *world) {
			w.say(2*maxRecords + 1)
			w.take(9)
		}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, t.TempDir())
			defer w.close()
			c.do(w)
			if diff := cmp.Diff(w.want, w.got); diff != "" {
				t.Error(diff)
			}
			if all := strings.Join(w.notes, "\n"); !strings.Contains(all, c.note) || c.note == "" && strings.Contains(all, "not read") {
				t.Errorf("a person is told: %s", all)
			}
		})
	}
}

// A line that is too long is given out as such, once, however slowly it comes; what is behind it is read.
func TestLongRecord(t *testing.T) {
	w := newWorld(t, t.TempDir())
	defer w.close()
	for range 5 {
		w.write(strings.Repeat("x", MaxRecord/4+1))
		if b, err := w.f.Poll(); err != nil || len(b.Records) != 0 {
			t.Fatalf("%d records before the end, %v", len(b.Records), err)
		}
	}
	w.write("\nshort\n")
	b, err := w.f.Poll()
	if err != nil || len(b.Records) != 2 || b.Records[0].Text != nil || b.Records[0].Size != 5*(MaxRecord/4+1)+1 || string(b.Records[1].Text) != "short" {
		t.Fatalf("%+v, %v", b, err)
	}
	w.f.Done()
	if b, err = w.f.Poll(); err != nil || len(b.Records) != 0 {
		t.Errorf("again %+v, %v", b, err)
	}
}

// Rows of CSV have line breaks within quotes, and who goes on in the middle is told the first row.
func TestRecordsOfSeveralLines(t *testing.T) {
	w := newWorld(t, t.TempDir())
	defer w.close()
	w.f.o.Open = func(b []byte) bool { return bytes.Count(b, []byte{'"'})%2 == 1 }
	w.write("a,b\n1,\"x\ny\"\n2,\"half\n")
	w.take(9)
	w.write("whole\"\n")
	b, err := w.f.Poll()
	if err != nil || string(b.Head) != "a,b" || len(b.Records) != 1 || string(b.Records[0].Text) != "2,\"half\nwhole\"" {
		t.Errorf("%+v, %v", b, err)
	}
	if diff := cmp.Diff([]string{"a,b", "1,\"x\ny\""}, w.got); diff != "" {
		t.Error(diff)
	}
}

// What the file has when it is first seen may be in the log already, by an import without --follow; what comes then is not.
func TestFirstSight(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "app.log"), []byte("old\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, dir)
	defer w.close()
	w.write("")
	b, err := w.f.Poll()
	if err != nil || len(b.Records) != 1 || !b.Records[0].Again {
		t.Fatalf("%+v, %v", b, err)
	}
	w.f.Done()
	w.write("new\n")
	if b, err = w.f.Poll(); err != nil || len(b.Records) != 1 || b.Records[0].Again {
		t.Fatalf("%+v, %v", b, err)
	}
}

func TestPlaceFile(t *testing.T) {
	w := newWorld(t, t.TempDir())
	defer w.close()
	for _, text := range []string{"", "{", `{"format":"stet.place/2"}`, `{"format":"stet.place/1","path":"/elsewhere"}`, fmt.Sprintf(`{"format":"stet.place/1","path":%q,"files":[{"offset":5,"until":1}]}`, w.path())} {
		if err := fsx.Replace(w.state, "place.json", []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := New(w.path(), w.state, "place.json", w.o); err == nil || !strings.Contains(err.Error(), "place.json") {
			t.Errorf("%q: %v", text, err)
		}
	}
	if _, err := New(w.dir, w.state, "another.json", w.o); err != nil {
		t.Fatal(err)
	} else if f, _ := New(w.dir, w.state, "another.json", w.o); f != nil {
		if _, err := f.Poll(); err == nil || !strings.Contains(err.Error(), "no regular file") {
			t.Errorf("a directory: %v", err)
		}
	}
}
