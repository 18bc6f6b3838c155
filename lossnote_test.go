package stet_test

import (
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stetlog/stet"
	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/fsx/fsxtest"
	"github.com/stetlog/stet/internal/lost"
)

// lose opens a Recorder that can record nothing, on a view of the notes, and makes it lose n records.
func lose(t *testing.T, notes *fsxtest.Mem, n int) *world {
	t.Helper()
	o := stet.Options{Policy: stet.BestEffort, App: "loser", Deadline: 3 * time.Second}
	w := prepare(t, &o)
	var err error
	if w.Recorder, err = stet.OpenBeside(w.disk, notes, "", o, func() error { return errDisk }); err != nil {
		t.Fatal(err)
	}
	for range n {
		if err := w.Record(t.Context(), event.Event{EventType: "sys_startup"}); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

// heir opens a Recorder whose disk works, on a view of the notes.
func heir(t *testing.T, notes *fsxtest.Mem) *world {
	t.Helper()
	o := stet.Options{App: "heir", Deadline: 3 * time.Second}
	w := prepare(t, &o)
	var err error
	if w.Recorder, err = stet.OpenBeside(w.disk, notes, "", o, w.disk.find); err != nil {
		t.Fatal(err)
	}
	return w
}

func shut(t *testing.T, w *world) {
	t.Helper()
	if err := w.Close(); err != nil {
		t.Error(err)
	}
}

// files are the notes and locks that are there.
func files(t *testing.T, notes *fsxtest.Mem) (names []string) {
	t.Helper()
	entries, err := notes.Process().ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// What a process lost and could not declare, the next recorder declares, of whatever application: who lost it, how much,
// when and why. Then the note is gone, and nobody declares it again.
func TestTheNextRecorderDeclares(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		notes := fsxtest.New()
		loser := lose(t, notes.Process(), 3)
		from := time.Now()
		shut(t, loser)
		next := heir(t, notes.Process())
		shut(t, next)
		e := next.only("sys_monitor_disabled")
		if e.AppID != "heir" || e.Labels["lost_by_app"] != "loser" || e.Labels["lost_by_pid"] == "" || e.Object.ID != "loser" ||
			e.Impact.Counts["lost"] != 3 || e.Impact.Counts["in_doubt"] != 0 || !strings.Contains(e.StatusReason, "3 records of loser") ||
			!strings.Contains(e.StatusReason, errDisk.Error()) || e.Timing.StartedAt.Before(from.Add(-time.Second)) {
			t.Errorf("declared is %q, %+v, %v", e.StatusReason, e.Impact, e.Labels)
		}
		if left := files(t, notes); len(left) > 0 {
			t.Errorf("left is %v", left)
		}
		again := heir(t, notes.Process())
		shut(t, again)
		if n := len(again.of("sys_monitor_disabled")); n != 0 {
			t.Errorf("declared again %d times", n)
		}
	})
}

// A process that is killed leaves the note of its first loss, which says that there may have been more. While it lives,
// nobody declares in its stead.
func TestALossOutlivesItsProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		notes := fsxtest.New()
		view := notes.Process()
		loser := lose(t, view, 3)
		synctest.Wait()
		other := heir(t, notes.Process())
		shut(t, other)
		if n := len(other.of("sys_monitor_disabled")); n != 0 {
			t.Error("a loss was declared while the one who lost it lives")
		}
		view.Kill()
		next := heir(t, notes.Process())
		shut(t, next)
		if e := next.only("sys_monitor_disabled"); e.Impact.Counts["lost"] != 1 || !strings.HasPrefix(e.StatusReason, "at least 1 records of loser") {
			t.Errorf("declared is %q, %+v", e.StatusReason, e.Impact)
		}
		_ = loser.Close() // its process is dead
	})
}

// Who can declare the loss himself does, and takes the note away.
func TestALossDeclaredAtHome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		notes := fsxtest.New()
		o := stet.Options{Policy: stet.BestEffort}
		w := prepare(t, &o)
		var err error
		if w.Recorder, err = stet.OpenBeside(w.disk, notes.Process(), "", o, w.disk.find); err != nil {
			t.Fatal(err)
		}
		synctest.Wait() // it has looked at what others left
		w.mem().FailAt(len(w.mem().Ops())+1, errDisk, false)
		for range 2 {
			if err := w.Record(t.Context(), event.Event{EventType: "sys_startup"}); err != nil {
				t.Fatal(err)
			}
		}
		if w.only("sys_monitor_disabled"); len(files(t, notes)) > 0 {
			t.Errorf("left is %v", files(t, notes))
		}
		shut(t, w)
	})
}

// Wherever whoever declares a loss dies: it is declared, and if twice, under one id.
func TestDeclaringSurvivesDeath(t *testing.T) {
	for op := 1; op < 40; op++ {
		synctest.Test(t, func(t *testing.T) {
			notes := fsxtest.New()
			shut(t, lose(t, notes.Process(), 3))
			view := notes.Process()
			view.KillAt(len(notes.Ops()) + op)
			dies, next := heir(t, view), (*world)(nil)
			_ = dies.Close()
			view.Kill()
			next = heir(t, notes.Process())
			shut(t, next)
			ids := map[event.UUID]bool{}
			for _, e := range append(dies.of("sys_monitor_disabled"), next.of("sys_monitor_disabled")...) {
				ids[e.EventID] = true
				if e.Impact.Counts["lost"] != 3 {
					t.Errorf("operation %d: declared is %+v", op, e.Impact)
				}
			}
			if len(ids) != 1 || len(files(t, notes)) > 0 {
				t.Errorf("operation %d: declared under %d ids, left is %v", op, len(ids), files(t, notes))
			}
		})
	}
}

// A loss is declared before its note is removed: as long as it cannot be, the note stays.
func TestANoteStaysUntilItIsDeclared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		notes := fsxtest.New()
		shut(t, lose(t, notes.Process(), 3))
		o := stet.Options{App: "broken", Deadline: 3 * time.Second}
		w := prepare(t, &o)
		begun := len(fsxtestOps(t))
		w.mem().FailAt(begun+1, errDisk, false) // the first write behind the opening of the stream
		var err error
		if w.Recorder, err = stet.OpenBeside(w.disk, notes.Process(), "", o, w.disk.find); err != nil {
			t.Fatal(err)
		}
		_ = w.Close()
		if len(files(t, notes)) != 2 {
			t.Fatalf("left is %v", files(t, notes))
		}
		next := heir(t, notes.Process())
		shut(t, next)
		next.only("sys_monitor_disabled")
	})
}

// fsxtestOps are the operations that opening a Recorder makes.
func fsxtestOps(t *testing.T) []fsxtest.Op {
	t.Helper()
	w := open(t, stet.Options{App: "broken"})
	return w.mem().Ops()
}

// Many recorders that start at once declare a loss once.
func TestOneHeirDeclares(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		notes := fsxtest.New()
		shut(t, lose(t, notes.Process(), 3))
		var all []*world
		for range 10 {
			o := stet.Options{App: "heir"}
			all = append(all, prepare(t, &o))
		}
		var wg sync.WaitGroup
		for _, w := range all {
			wg.Go(func() {
				rec, err := stet.OpenBeside(w.disk, notes.Process(), "", stet.Options{App: "heir"}, w.disk.find)
				if err != nil {
					t.Error(err)
					return
				}
				if err := rec.Close(); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		n := 0
		for _, w := range all {
			n += len(w.of("sys_monitor_disabled"))
		}
		if n != 1 {
			t.Errorf("declared %d times", n)
		}
	})
}

// A disk with notes that hangs holds nobody.
func TestNotesThatHang(t *testing.T) {
	for op := 1; op < 25; op++ {
		synctest.Test(t, func(t *testing.T) {
			notes := fsxtest.New()
			shut(t, lose(t, notes.Process(), 1))
			release := notes.HangAt(len(notes.Ops()) + op)
			from := time.Now()
			w := heir(t, notes.Process())
			if err := w.Do(t.Context(), job("a"), nothing); err != nil || time.Since(from) > 0 {
				t.Errorf("operation %d: %v after %v", op, err, time.Since(from))
			}
			shut(t, w)
			loser := lose(t, notes.Process(), 100)
			if d := time.Since(from); d > 3*time.Second {
				t.Errorf("operation %d: it took %v", op, d)
			}
			_ = loser.Close()
			if d := time.Since(from); d > 9*time.Second {
				t.Errorf("operation %d: it took %v", op, d)
			}
			release()
		})
	}
}

// The system's log is told once for each cause and minute, without secrets, and a log that does not read holds nobody.
func TestSystemLogIsTold(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	log, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = log.Close() }() // nothing to lose
	o := stet.Options{Policy: stet.BestEffort}
	w := prepare(t, &o)
	broken := fmt.Errorf("%w: password=hunter2\nline", errDisk)
	if w.Recorder, err = stet.OpenBeside(w.disk, nil, path, o, func() error { return broken }); err != nil {
		t.Fatal(err)
	}
	for range 20 {
		if err := w.Record(t.Context(), event.Event{EventType: "sys_startup"}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err == nil || !strings.Contains(err.Error(), "could not be declared") {
		t.Errorf("Close: %v", err)
	}
	buf := make([]byte, 4096)
	n, err := log.Read(buf)
	if err != nil {
		t.Fatal(err)
	}
	line := string(buf[:n])
	if !strings.HasPrefix(line, "<108>") || !strings.Contains(line, "audit records of billing are being lost, 1 so far: ") ||
		!strings.Contains(line, errDisk.Error()) || strings.Contains(line, "hunter2") || strings.Contains(line, "\n") {
		t.Errorf("told was %q", line)
	}
	if err := lost.Tell(path, "end of the test", time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if n, err := log.Read(buf); err != nil || string(buf[:n]) != "end of the test" {
		t.Errorf("told again: %q, %v", buf[:n], err)
	}
}
