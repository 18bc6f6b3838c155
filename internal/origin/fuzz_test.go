package origin

import (
	"fmt"
	"strings"
	"testing"
)

// What the system and other programs say in a line shares a target: which form an input is for, its first argument says.
const (
	smallUnit = iota
	smallLineage
	smallStat
	smallForms
)

func FuzzSmallForms(f *testing.F) {
	f.Add(byte(smallUnit), "0::/system.slice/backup.service")
	f.Add(byte(smallUnit), "0::a.service")
	f.Add(byte(smallLineage), lineageParent)
	f.Add(byte(smallLineage), "a/b/c")
	f.Add(byte(smallLineage), "a/b/01890A5D-ac96-774b-bcce-b302099a8057\n")
	f.Add(byte(smallStat), stat(self, "a) S 1 (b", 100, pts3, 777))
	f.Add(byte(smallStat), "1 (x) S 1")
	f.Add(byte(smallStat), ") 1 (")
	f.Add(byte(smallStat), "1 () S 1 1 1 -1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 18446744073709551615")
	f.Fuzz(func(t *testing.T, form byte, s string) {
		switch form % smallForms {
		case smallUnit:
			fuzzUnit(t, s)
		case smallLineage:
			fuzzLineage(t, s)
		case smallStat:
			fuzzStat(t, s)
		}
	})
}

func fuzzUnit(t *testing.T, line string) {
	t.Helper()
	if u := unitOf(line); u != "" && (!strings.HasSuffix(u, ".service") || strings.Contains(u, "/") || !strings.Contains(line, u)) {
		t.Errorf("%q is taken for unit %q", line, u)
	}
}

func fuzzLineage(t *testing.T, s string) {
	t.Helper()
	l, ok := ParseLineage(s)
	if ok != (l != Lineage{}) || ok && l.String() != s {
		t.Errorf("%q: %+v, %v", s, l, ok)
	}
}

// Whatever stands in /proc: no panic, no half process, and what was read is read again from its own plain form.
func fuzzStat(t *testing.T, s string) {
	t.Helper()
	p := parseStat(s)
	if !p.ok {
		if p != (process{}) {
			t.Errorf("half a process: %+v", p)
		}
		return
	}
	again := parseStat(fmt.Sprintf("1 (%s) S %d 1 1 %d%s %d", p.name, p.ppid, int32(p.tty), strings.Repeat(" 0", 14), p.start))
	if again != p {
		t.Errorf("%+v became %+v", p, again)
	}
	if v := p.terminal(); v.Found() != (p.tty != 0) {
		t.Errorf("device %d is called %q", p.tty, v.Text)
	}
}
