package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// followedLog is a log that grows and is rotated while a follower is killed.
type followedLog struct {
	t    *testing.T
	x    *shop
	path string
	next int
}

func (l *followedLog) write(lines int) {
	l.t.Helper()
	f, err := os.OpenFile(l.path, os.O_APPEND|os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		l.t.Fatal(err)
	}
	for range lines {
		if _, err := fmt.Fprintf(f, "time=2026-01-13T10:00:00Z event=user_created n=%d\n", l.next); err != nil {
			l.t.Fatal(err)
		}
		l.next++
	}
	if err := f.Close(); err != nil {
		l.t.Fatal(err)
	}
}

func (l *followedLog) start() *exec.Cmd {
	l.t.Helper()
	cmd := l.x.command(l.t.Context(), "import", "--follow", "--format", "logfmt", "--map", filepath.Join(l.x.dir, "map.yaml"), l.path)
	var said bytes.Buffer
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() {
		_ = cmd.Process.Kill() // where it has not ended
		_ = cmd.Wait()
		if l.t.Failed() {
			l.t.Logf("a follower said: %s", said.String())
		}
	})
	return cmd
}

// place is the file in which the follower says how far it has come; nil where there is none yet.
func (l *followedLog) place() []byte {
	l.t.Helper()
	places, err := filepath.Glob(filepath.Join(l.x.state, placesDir, "*.json"))
	if err != nil {
		l.t.Fatal(err)
	}
	if len(places) == 0 {
		return nil
	}
	b, err := os.ReadFile(places[0])
	if err != nil {
		l.t.Fatal(err)
	}
	return b
}

// until waits for a place, other than it was, whose last file is the one that is at the path now. A rotation that comes before that
// would be one that nobody could know of.
func (l *followedLog) until(was []byte, ok func(offset int64, files int) bool) {
	l.t.Helper()
	fi, err := os.Stat(l.path)
	if err != nil {
		l.t.Fatal(err)
	}
	now := was
	for deadline := time.Now().Add(5 * time.Minute); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		var p struct {
			Files []struct {
				Ino    uint64
				Offset int64
			}
		}
		if now = l.place(); bytes.Equal(now, was) || json.Unmarshal(now, &p) != nil || len(p.Files) == 0 {
			continue
		}
		if last := p.Files[len(p.Files)-1]; last.Ino == fi.Sys().(*syscall.Stat_t).Ino && ok(last.Offset, len(p.Files)) {
			return
		}
	}
	l.t.Fatalf("the follower does not get on: %s", now)
}

// A follower that is killed in the middle, again and again, while the log grows and is rotated, has every line in the log once.
func TestFollowKilled(t *testing.T) {
	x := newShop(t)
	l := &followedLog{t: t, x: x, path: filepath.Join(x.dir, "app.log")}
	if err := os.WriteFile(filepath.Join(x.dir, "map.yaml"), []byte("format: stet.map/1\nfields:\n  event_time: time\n  event_type: event\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for round := range 5 {
		l.write(1500)
		was := l.place()
		cmd := l.start()
		l.until(was, func(int64, int) bool { return true }) // something is on its way
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait() // it was killed
		switch l.write(200); round {
		case 1:
			if err := os.Rename(l.path, l.path+".1"); err != nil {
				t.Fatal(err)
			}
		case 3:
			b, err := os.ReadFile(l.path)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(l.path+".2", b, 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Truncate(l.path, 0); err != nil {
				t.Fatal(err)
			}
		}
	}
	cmd := l.start()
	fi, err := os.Stat(l.path)
	if err != nil {
		t.Fatal(err)
	}
	l.until(nil, func(offset int64, files int) bool { return offset == fi.Size() && files == 1 })
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatalf("told to end: %v", err)
	}
	x.once(t, l.next)
}

// once demands that every event of a number below n is in the log once.
func (x *shop) once(t *testing.T, n int) {
	t.Helper()
	seen := map[string]int{}
	created, _ := x.recorded(t, "user_created")
	for _, e := range created {
		seen[e.Labels["n"]]++
	}
	for i := range n {
		if c := seen[fmt.Sprint(i)]; c != 1 {
			t.Errorf("event %d is there %d times", i, c)
		}
	}
	x.must(t, exitOK, "verify")
}
