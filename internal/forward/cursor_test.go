package forward

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/stetlog/stet/internal/fsx"
	"github.com/stetlog/stet/internal/fsx/fsxtest"
	"github.com/stetlog/stet/proof"
)

func TestCursorForm(t *testing.T) {
	const want = "stet/forward/v1\n" +
		`{"log":"log.example/a","to":"00ff","format":"jsonl","query":"app:<shop>","next":12,"size":40,"root":"` +
		`0700000000000000000000000000000000000000000000000000000000000000","rows":9,"skipped":1}` + "\n" +
		"d2cd76b6349ca35c59a9c6c0c673fe671a375600118e3535dd3a88764cb00cd1\n"
	p, u := Place{Log: "log.example/a", Next: 12, Size: 40, Root: proof.Hash{7}, Rows: 9, Skipped: 1}, Use{"00ff", "jsonl", "app:<shop>"}
	b, err := encodeCursor(p, u)
	if err != nil {
		t.Fatal(err)
	}
	if string(b) != want {
		t.Errorf("%s", b)
	}
	rapid.Check(t, func(t *rapid.T) {
		p := Place{Log: rapid.StringN(1, 40, 80).Draw(t, "log"), Next: rapid.Uint64Max(99).Draw(t, "next"), Size: rapid.Uint64Range(99, proof.MaxSize).Draw(t, "size"),
			Rows: rapid.Uint64().Draw(t, "rows")}
		u := Use{rapid.String().Draw(t, "to"), "jsonl", rapid.String().Draw(t, "query")}
		b, err := encodeCursor(p, u)
		if err != nil {
			t.Fatal(err)
		}
		if gotP, gotU, err := parseCursor(b); err != nil || gotP != p || gotU != u {
			t.Fatalf("%+v, %+v, %v", gotP, gotU, err)
		}
		b[rapid.IntRange(0, len(b)-1).Draw(t, "at")] ^= 1 << rapid.IntRange(0, 6).Draw(t, "bit")
		if _, _, err := parseCursor(b); !errors.Is(err, ErrDamaged) {
			t.Fatalf("damaged: %v", err)
		}
	})
}

func FuzzCursor(f *testing.F) {
	b, err := encodeCursor(Place{Log: "log.example/a", Next: 12, Size: 40}, Use{"00ff", "jsonl", "app:shop"})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte(cursorHeader))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, u, err := parseCursor(b)
		if err != nil {
			if !errors.Is(err, ErrDamaged) {
				t.Error(err)
			}
			return
		}
		if again, err := encodeCursor(p, u); err != nil || !bytes.Equal(again, b) {
			t.Errorf("%s, %v", again, err)
		}
	})
}

// A cursor is for one process at a time, one destination, one format and one query, and it is not guessed at where it is
// damaged.
func TestCursorIsForOneUse(t *testing.T) {
	disk := fsxtest.New()
	c := openCursor(t, disk)
	if _, err := Open(disk, "test", use); !errors.Is(err, ErrTaken) {
		t.Errorf("a second one: %v", err)
	}
	if err := c.save(Place{Log: "log.example/a", Next: 1, Size: 2}); err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	for _, other := range []Use{{To: "01", Format: use.Format}, {To: use.To, Format: "cef"}, {To: use.To, Format: use.Format, Query: "app:shop"}} {
		if _, err := Open(disk, "test", other); !errors.Is(err, ErrOtherUse) {
			t.Errorf("%+v: %v", other, err)
		}
	}
	for _, name := range []string{"", ".", "..", "../test", "a/b", "-a", string(bytes.Repeat([]byte("a"), 65))} {
		if _, err := Open(disk, name, use); !errors.Is(err, ErrName) {
			t.Errorf("%q: %v", name, err)
		}
	}
	b, err := fsx.ReadFile(disk, "forward/test/cursor", maxCursor)
	if err == nil {
		err = fsx.Replace(disk, "forward/test/cursor", b[:len(b)-1], 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Open(disk, "test", use); !errors.Is(err, ErrDamaged) {
		t.Errorf("damaged: %v", err)
	}
	if err := fsx.Replace(disk, "forward/test/cursor", b, 0o600); err != nil {
		t.Fatal(err)
	}
	if c := openCursor(t, disk); c.Next != 1 {
		t.Errorf("it is at %d", c.Next)
	}
}

// claim is what a receiver has.
type claim []Row

func (c claim) String() string { return fmt.Sprint(len(c), " rows") }

// Wherever the machine dies, and whatever was not on its disk: whoever goes on sends everything that was not safe, and the receiver,
// which does not die, has all rows in their order.
func TestForwardingSurvivesCrashes(t *testing.T) {
	l := record(t, "a", 3, 4, 2, 5)
	live := func(fsys *fsxtest.Mem, to *receiver, publications ...int) error {
		c, err := Open(fsys, "test", use)
		if err != nil {
			return err
		}
		for _, at := range publications {
			o := options(l, to, c)
			l.at = at
			if err := New(o).Run(context.Background()); err != nil {
				return errors.Join(err, c.Close())
			}
		}
		return c.Close()
	}
	for _, lazy := range []bool{false, true} {
		p := fsxtest.Plan{
			Run: func(fsys *fsxtest.Mem) any {
				to := &receiver{lazy: lazy}
				if err := live(fsys, to, 0, 1, 2); err != nil && lazy {
					to.got = to.got[:to.safe] // the receiver dies with us, and what it did not have safe with it
				}
				return claim(to.rows())
			},
			Check: func(fsys *fsxtest.Mem, acked any) error {
				to := &receiver{got: acked.(claim)}
				before := len(to.got)
				if err := live(fsys, to, 3); err != nil {
					return err
				}
				if err := complete(l.rows, to.rows()); err != nil {
					return fmt.Errorf("%w (%d rows before)", err, before)
				}
				return nil
			},
			MaxStates: 150,
		}
		fsxtest.Explore(t, p)
		fsxtest.Faults(t, p, 2)
	}
}

// A pause grows, and has an end.
func TestPauses(t *testing.T) {
	for try, most := range map[int]time.Duration{1: firstPause, 2: 2 * firstPause, 7: 32 * time.Second, 8: lastPause, 1000: lastPause} {
		if d := pause(try); d < most/2 || d >= most {
			t.Errorf("try %d: %v", try, d)
		}
	}
}
