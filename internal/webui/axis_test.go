package webui

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// A long time at which nothing was at work is cut out, a short one is not; what is later is never drawn further left, and the axis
// goes through an address and comes out the same.
func TestAxis(t *testing.T) {
	day := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	at := func(m int) time.Time { return day.Add(time.Duration(m) * time.Minute) }
	a := axisOf([]period{{at(0), at(10)}, {at(5), at(12)}, {at(13), at(20)}, {at(300), at(310)}})
	if d := cmp.Diff(axis{{at(0), at(20)}, {at(300), at(310)}}, a); d != "" {
		t.Fatal(d)
	}
	if x := a.x(at(150)); x != a.x(at(20))+foldWide/2 {
		t.Errorf("what lies in the fold stands at %d", x)
	}
	v := &visit{now: day}
	if f := v.folds(a); len(f) != 1 || f[0].Brief != "4 h" {
		t.Errorf("%+v", f)
	}
	for _, wrong := range []string{"", "1", "2.1", "1.2_2.3", "a.b_c.d_e.f_g.h_i.j_k.l", "!.?"} {
		if a, ok := parseAxis(wrong); ok {
			t.Errorf("%q is the axis %v", wrong, a)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		var work []period
		for range rapid.IntRange(1, 12).Draw(t, "n") {
			from := rapid.IntRange(0, 100_000).Draw(t, "from")
			work = append(work, period{at(from), at(from + rapid.IntRange(0, 500).Draw(t, "long"))})
		}
		a := axisOf(work)
		again, ok := parseAxis(a.String())
		if d := cmp.Diff(a, again); d != "" || !ok || len(a) > foldsMost+1 {
			t.Fatalf("%d parts: %s", len(a), d)
		}
		last := 0
		for m := 0; m < 101_000; m += 97 {
			x := a.x(at(m))
			if x < last || x > axisWide {
				t.Fatalf("minute %d stands at %d, behind %d", m, x, last)
			}
			last = x
		}
		for _, p := range work {
			if b := a.bar(p); b.X < 0 || b.W < barLeast || b.X+b.W > axisWide {
				t.Fatalf("%+v is drawn as %+v", p, b)
			}
		}
	})
}
