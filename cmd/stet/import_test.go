package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/stetlog/stet"
	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/store"
)

// However a file is cut into lines, and however it is read, they are its lines.
func TestLines(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := strings.Join(rapid.SliceOf(rapid.SampledFrom([]string{"", "a", "bb\r", "\x00", strings.Repeat("x", 70_000)})).Draw(t, "lines"), "\n")
		if rapid.Bool().Draw(t, "ended") && text != "" {
			text += "\n"
		}
		want := strings.SplitAfter(text, "\n")
		if want[len(want)-1] == "" {
			want = want[:len(want)-1]
		}
		l := newLineReader(iotestReader{strings.NewReader(text), rapid.IntRange(1, 5000).Draw(t, "piece")})
		for i, w := range want {
			got, err := l.next()
			if err != nil || string(got) != strings.TrimSuffix(w, "\n") || l.number != i+1 {
				t.Fatalf("line %d is %.20q (%v), number %d, want %.20q", i+1, got, err, l.number, w)
			}
		}
		if _, err := l.next(); !errors.Is(err, io.EOF) || l.read != uint64(len(text)) {
			t.Fatalf("at the end: %v, %d bytes of %d", err, l.read, len(text))
		}
	})
}

// iotestReader reads in small pieces.
type iotestReader struct {
	r io.Reader
	n int
}

func (r iotestReader) Read(b []byte) (int, error) { return r.r.Read(b[:min(len(b), r.n)]) }

// A line that is too long is told, kept where somebody keeps it, and costs no other line.
func TestLongLines(t *testing.T) {
	for _, n := range []int{maxLine, maxLine + 1, maxLine + 2, 3 * maxLine} {
		for _, end := range []string{"\n", "\r\n", ""} {
			long := strings.Repeat("y", n)
			text := "a\n" + long + end
			if end != "" {
				text += "b"
			}
			var kept bytes.Buffer
			l := newLineReader(strings.NewReader(text))
			l.keep = func(b []byte) error { kept.Write(b); return nil }
			if got, err := l.next(); err != nil || string(got) != "a" {
				t.Fatalf("%.10q, %v", got, err)
			}
			_, err := l.next()
			tooLong := len(strings.TrimSuffix(long+end, "\n")) > maxLine
			if errors.Is(err, errLongLine) != tooLong {
				t.Errorf("%d bytes and %q: %v", n, end, err)
			}
			if tooLong && kept.String() != long+end {
				t.Errorf("%d bytes and %q: kept %d bytes", n, end, kept.Len())
			}
			if end == "" {
				continue
			}
			if got, err := l.next(); err != nil || string(got) != "b" {
				t.Errorf("behind it: %.10q, %v", got, err)
			}
		}
	}
}

// An import that is killed anywhere and started again has taken every event once.
func TestImportKilled(t *testing.T) {
	x := newShop(t)
	file := filepath.Join(x.dir, "events.jsonl")
	var text bytes.Buffer
	const events = 6000
	for i := range events {
		fmt.Fprintf(&text, `{"event_type":"user_created","app_id":"app%d","labels":{"n":"%d"}}`+"\n", i%3, i)
	}
	if err := os.WriteFile(file, text.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	for round := range 4 {
		cmd := x.command(t.Context(), "import", "-")
		in, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		part := text.Bytes()[:text.Len()/5*(round+1)]
		if _, err := in.Write(part); err != nil { // blocks until most of it is taken: a pipe holds 64 KiB
			t.Fatal(err)
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait() // it was killed
	}
	x.must(t, exitOK, "import", file)
	out := x.must(t, exitOK, "import", file)
	if want := fmt.Sprintf("%d lines: 0 events taken, %d already there, 0 refused\n", events, events); string(out) != want {
		t.Errorf("once more: %s", out)
	}
	seen := map[string]int{}
	created, _ := x.recorded(t, "user_created")
	for _, e := range created {
		seen[e.AppID+e.Labels["n"]]++
	}
	for i := range events {
		if n := seen[fmt.Sprintf("app%d%d", i%3, i)]; n != 1 {
			t.Fatalf("event %d is there %d times", i, n)
		}
	}
	x.must(t, exitOK, "verify")
}

// More applications than streams that may be open at once, one after the other and back again.
func TestImportManyApplications(t *testing.T) {
	x := newShop(t)
	var text bytes.Buffer
	const apps = maxRecorders + 5
	for i := range 2 * apps {
		fmt.Fprintf(&text, `{"event_type":"user_created","app_id":"app%d","environment":"test","labels":{"n":"%d"}}`+"\n", i%apps, i)
	}
	file := filepath.Join(x.dir, "events.jsonl")
	if err := os.WriteFile(file, text.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	if out := x.must(t, exitOK, "import", file); !bytes.Contains(out, fmt.Appendf(nil, " %d events taken", 2*apps)) {
		t.Errorf("%s", out)
	}
	x.must(t, exitOK, "verify")
}

// What an import keeps in mind is bounded.
func TestSeenIsBounded(t *testing.T) {
	n := newSeen()
	n.max = 2
	id := func(i byte) event.UUID { return event.DeriveUUID("test", string(i), [6]byte{}) }
	if err := errors.Join(n.add(id(1), 1), n.add(id(2), 2)); err != nil {
		t.Fatal(err)
	}
	if err := n.add(id(3), 3); !errors.Is(err, errMany) {
		t.Errorf("a third: %v", err)
	}
	if err := n.add(id(2), 2); !errors.Is(err, errSeen) {
		t.Errorf("one that is there: %v", err)
	}
	if err := n.add(id(2), 3); !errors.Is(err, errOther) {
		t.Errorf("another with its id: %v", err)
	}
	n.forget(id(1))
	if err := n.add(id(3), 3); err != nil {
		t.Errorf("after one was forgotten: %v", err)
	}
}

// What is spooled is brought in before an import looks into the log, however long that takes: what is limited is the wait for others.
func TestSettleTakesItsTime(t *testing.T) {
	x := newShop(t)
	rec, err := stet.Open(t.Context(), x.store, stet.Options{App: "sdk", StateDir: x.state})
	if err == nil {
		err = rec.Do(t.Context(), stet.Job{Name: "spooled"}, func(context.Context, *stet.Run) error { return nil })
		err = errors.Join(err, rec.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	s, err := store.Open(x.store, x.state)
	if err != nil {
		t.Fatal(err)
	}
	err = settle(&env{ctx: t.Context(), stderr: os.Stderr}, s, time.Nanosecond)
	if err := errors.Join(err, s.Close()); err != nil {
		t.Fatal(err)
	}
	if out := x.must(t, exitOK, "export", "--json"); !bytes.Contains(out, []byte(`"spooled"`)) {
		t.Errorf("it is not in the log: %s", out)
	}
}
