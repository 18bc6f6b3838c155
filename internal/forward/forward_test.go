package forward

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stetlog/stet/internal/fsx/fsxtest"
	"github.com/stetlog/stet/internal/logread"
	"github.com/stetlog/stet/internal/search"
	"github.com/stetlog/stet/proof"
)

// All that is in the log arrives, in its order, with seq and entry hash, over several batches and bundles; whoever begins anew has
// nothing to do.
func TestEverythingArrivesInOrder(t *testing.T) {
	l := record(t, "a", 1, 700, 3, 900)
	if n := len(l.rows); n != 1605 { // one enrols the key
		t.Fatalf("%d rows", n)
	}
	disk := fsxtest.New()
	for round := range 2 {
		to := &receiver{}
		c := openCursor(t, disk)
		if err := New(options(l, to, c)).Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		want := l.rows
		if round > 0 {
			want = nil
		}
		if got := to.rows(); !same(got, want) {
			t.Errorf("round %d: %d rows, want %d", round, len(got), len(want))
		}
		size := l.checkpoints[l.at].Size
		if c.Next != size || c.Rows != uint64(len(l.rows)) || c.Size != size {
			t.Errorf("the cursor is at %+v", c.Place)
		}
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// A log that grows is followed until the forwarder is to end, which brings what is under way to its end.
func TestFollow(t *testing.T) {
	l := record(t, "a", 1, 2, 3)
	synctest.Test(t, func(t *testing.T) {
		l.at = 0
		to := &receiver{lazy: true}
		c := openCursor(t, fsxtest.New())
		o := options(l, to, c)
		o.Once = false
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- New(o).Run(ctx) }()
		for i := range l.checkpoints {
			l.mu.Lock()
			l.at = i
			l.mu.Unlock()
			time.Sleep(2 * lookEvery)
			if got := to.rows(); !same(got, l.upTo(l.checkpoints[i])) {
				t.Errorf("publication %d: %d rows", i, len(got))
			}
		}
		if c.Next != 0 {
			t.Errorf("nothing was safe, and the cursor is at %d", c.Next)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if c.Next != l.checkpoints[l.at].Size {
			t.Errorf("the cursor is at %d in the end", c.Next)
		}
	})
}

// What a receiver may have lost is sent again from where it was safe, in its order.
func TestLostIsSentAgain(t *testing.T) {
	l := record(t, "a", 1200)
	to := &receiver{lazy: true, loses: true}
	c := openCursor(t, fsxtest.New())
	if err := New(options(l, to, c)).Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := to.rows(); !same(got, l.rows) {
		t.Errorf("the receiver has %d rows", len(got))
	}
}

// A receiver that takes some rows, or none for a while, is sent the others again, and no row is left out or comes out of its place.
func TestSomeAreLeft(t *testing.T) {
	l := record(t, "a", 1200)
	to := &receiver{answer: func(call int, rows []Row) Result {
		switch call % 3 {
		case 1:
			return Result{Left: rows, Err: errors.New("not now")}
		case 2:
			return Result{Left: rows[len(rows)/3:], Err: errors.New("too many"), Wait: 2 * time.Millisecond}
		}
		return Result{}
	}}
	if err := New(options(l, to, openCursor(t, fsxtest.New()))).Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := to.rows(); !same(got, l.rows) {
		t.Errorf("the receiver has %d rows", len(got))
	}
}

// The cursor never stands behind a row that is not safe, and a batch that is only handed over does not move it.
func TestCursorWaitsForTheReceiver(t *testing.T) {
	l := record(t, "a", 1200)
	c := openCursor(t, fsxtest.New())
	to := &receiver{}
	to.answer = func(call int, rows []Row) Result {
		if c.Next > rows[0].Seq {
			t.Errorf("the cursor is at %d before entry %d is taken", c.Next, rows[0].Seq)
		}
		if call == 3 {
			return Result{Left: rows, Err: &EndError{errors.New("no more")}}
		}
		return Result{}
	}
	if err := New(options(l, to, c)).Run(t.Context()); err == nil {
		t.Fatal("it did not end")
	}
	if got := to.rows(); c.Next != got[len(got)-1].Seq+1 || c.Rows != uint64(len(got)) || len(got) != 2*maxRows {
		t.Errorf("the cursor is at %+v, and the receiver has %d rows", c.Place, len(got))
	}
}

// A row that is refused ends the forwarder: those before it are safe, none behind it is passed over, and it is named. Told to, it is
// skipped, counted and told.
func TestRefusedRows(t *testing.T) {
	l := record(t, "a", 20)
	bad := l.rows[11].Seq
	answer := func(_ int, rows []Row) (r Result) {
		for i, row := range rows {
			if row.Seq == bad {
				r.Refused, r.Left = []Refusal{{bad, bad, 1, "not liked"}}, append(append([]Row{}, rows[:i]...), rows[i+1:]...)
			}
		}
		return r
	}
	disk := fsxtest.New()
	c := openCursor(t, disk)
	to := &receiver{answer: answer}
	for range 2 { // whoever begins anew is no better off
		var refused *RefusedError
		err := New(options(l, to, c)).Run(t.Context())
		if !errors.As(err, &refused) || refused.First != bad || !strings.Contains(err.Error(), fmt.Sprintf("test refuses entry %d: not liked", bad)) {
			t.Fatalf("it ends with %v", err)
		}
	}
	if got := to.rows(); c.Next != bad || !same(got, l.rows[:11]) || c.Rows != 11 {
		t.Errorf("the cursor is at %+v, and the receiver has %d rows", c.Place, len(got))
	}
	o := options(l, to, c)
	var told []Refusal
	o.SkipRefused, o.Skipped = true, func(_ context.Context, r Refusal) error {
		if c.Next > bad {
			t.Error("the cursor has moved before it was told")
		}
		told = append(told, r)
		return nil
	}
	if err := New(o).Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := to.rows(); len(got) != len(l.rows)-1 || len(told) != 1 || told[0].First != bad || c.Skipped != 1 || c.Rows != uint64(len(got)) {
		t.Errorf("%d rows, told %v, the cursor is at %+v", len(got), told, c.Place)
	}
	o.Skipped = func(context.Context, Refusal) error { return errors.New("the log is full") }
	o.Cursor, o.To = openCursor(t, fsxtest.New()), &receiver{answer: answer}
	if err := New(o).Run(t.Context()); err == nil || !strings.Contains(err.Error(), "the log is full") {
		t.Errorf("what cannot be recorded is skipped: %v", err)
	}
}

// A query decides what is sent; the cursor passes over the rest.
func TestQuery(t *testing.T) {
	l := record(t, "a", 300)
	want := l.rows[250]
	q, err := search.Parse(fmt.Sprintf("seq:%d", want.Seq))
	if err != nil {
		t.Fatal(err)
	}
	to := &receiver{}
	o := options(l, to, openCursor(t, fsxtest.New()))
	o.Query = q
	if err := New(o).Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := to.rows(); !same(got, []Row{want}) || o.Cursor.Next != l.checkpoints[0].Size {
		t.Errorf("%d rows, the cursor is at %d", len(got), o.Cursor.Next)
	}
}

// altered is a log of which somebody has changed a file behind the server's back.
type altered struct {
	*tape
	old, new string
}

func (a altered) Source() logread.Source { return a }

func (a altered) Fetch(ctx context.Context, path string) ([]byte, error) {
	b, err := a.src.Fetch(ctx, path)
	return bytes.Replace(b, []byte(a.old), []byte(a.new), 1), err
}

// What is not under the log's checkpoint is not sent on.
func TestForgedEntriesAreNotSent(t *testing.T) {
	l := record(t, "a", 300)
	to := &receiver{}
	c := openCursor(t, fsxtest.New())
	err := New(options(altered{l, `"a 290"`, `"b 290"`}, to, c)).Run(t.Context())
	var damage *logread.DamageError
	if !errors.As(err, &damage) {
		t.Errorf("it ends with %v", err)
	}
	for _, row := range to.rows() {
		if bytes.Contains(row.Data, []byte(`"b 290"`)) || row.Seq >= 256 {
			t.Errorf("entry %d is sent on", row.Seq)
		}
	}
	if c.Next > 256 {
		t.Errorf("the cursor is at %d", c.Next)
	}
}

// Another log, one that has become smaller and a fork are not gone on with, also where they change while they are followed.
func TestAnotherLogIsRefused(t *testing.T) {
	mine := record(t, "a", 10, 300)
	for name, other := range map[string]*tape{
		"another origin": record(t, "b", 10, 300, 5),
		"a fork":         record(t, "a fork", 10, 300, 5),
		"smaller":        record(t, "a", 10),
	} {
		t.Run(name, func(t *testing.T) {
			disk := fsxtest.New()
			c := openCursor(t, disk)
			if err := New(options(mine, &receiver{}, c)).Run(t.Context()); err != nil {
				t.Fatal(err)
			}
			before := c.Place
			to := &receiver{}
			var damage *logread.DamageError
			if err := New(options(other, to, c)).Run(t.Context()); !errors.As(err, &damage) {
				t.Errorf("it ends with %v", err)
			}
			changing := &swapped{tape: mine, other: other}
			changing.at = 0
			o := options(changing, to, openCursor(t, fsxtest.New()))
			o.Once, o.Cursor.Place = false, Place{}
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
				defer cancel()
				if err := New(o).Run(ctx); !errors.As(err, &damage) {
					t.Errorf("while it is followed it ends with %v", err)
				}
			})
			mine.at = 1
			if got := to.rows(); len(got) > len(mine.upTo(mine.checkpoints[0])) || c.Place != before {
				t.Errorf("%d rows, the cursor is at %+v, want %+v", len(got), c.Place, before)
			}
		})
	}
}

// swapped is another log from the second look on.
type swapped struct {
	*tape
	other *tape
	looks int
}

func (s *swapped) Source() logread.Source { return s }

func (s *swapped) Fetch(ctx context.Context, path string) ([]byte, error) {
	if s.looks > 1 {
		return s.other.src.Fetch(ctx, path)
	}
	return s.src.Fetch(ctx, path)
}

func (s *swapped) Checkpoint(ctx context.Context) (proof.Checkpoint, error) {
	if s.looks++; s.looks > 1 {
		cp, err := s.other.Checkpoint(ctx)
		if cp.Size == s.checkpoints[0].Size { // "smaller" is what this one was before
			cp.Size--
		}
		return cp, err
	}
	return s.tape.Checkpoint(ctx)
}

// Who is told to end before everything is safe has not done what was asked for once, and says so; who follows has.
func TestToldToEndTooEarly(t *testing.T) {
	l := record(t, "a", 1, 2, 3)
	for once, want := range map[bool]string{true: "up to entry 0", false: ""} {
		synctest.Test(t, func(t *testing.T) {
			o := options(l, &receiver{answer: func(_ int, rows []Row) Result { return Result{Left: rows, Err: errors.New("not now")} }}, openCursor(t, fsxtest.New()))
			o.Once = once
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			err := New(o).Run(ctx)
			if said := fmt.Sprint(err); once != (err != nil) || once && !strings.Contains(said, want) {
				t.Errorf("once %v: %v", once, err)
			}
		})
	}
}
