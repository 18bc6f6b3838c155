package syslog

import (
	"bufio"
	"errors"
	"io"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

const testMax = 100

// all reads a connection to its end: each message, and behind it what is wrong with it.
func all(r io.Reader, buffer int) (out []string) {
	f := frames{r: bufio.NewReaderSize(r, buffer), max: testMax}
	for {
		m, err := f.next()
		if len(m.Text) > 0 || m.Err != nil {
			text := string(m.Text)
			for name, e := range map[string]error{"LONG": ErrLong, "CUT": ErrCut, "FRAMING": ErrFraming} {
				if errors.Is(m.Err, e) {
					text += " " + name
				}
			}
			out = append(out, text)
		}
		if err != nil || errors.Is(m.Err, ErrFraming) {
			return out
		}
	}
}

func TestFraming(t *testing.T) {
	x100 := strings.Repeat("x", testMax-4)
	for _, c := range []struct {
		name, in string
		want     []string
	}{
		{"line breaks", "<13>a\n<13>b\n", []string{"<13>a", "<13>b"}},
		{"octets", "5 <13>a6 <13>bc", []string{"<13>a", "<13>bc"}},
		{"octets with a line break in it", "7 <13>a\nb", []string{"<13>a\nb"}},
		{"octets with a line break between", "5 <13>a\n5 <13>b\n", []string{"<13>a", "<13>b"}},
		{"one and the other", "<13>a\n5 <13>b<13>c\n", []string{"<13>a", "<13>b", "<13>c"}},
		{"no line break at the end", "<13>a\n<13>b", []string{"<13>a", "<13>b"}},
		{"CRLF, NULs and blank lines between", "<13>a\r\n\n\x00<13>b\x00\n", []string{"<13>a\r", "<13>b\x00"}},
		{"no syslog at all", "GET / HTTP/1.1\n\n", []string{"GET / HTTP/1.1"}},
		{"a line that begins with a number", "2026-01-13 x\n12 monkeys\n", []string{"2026-01-13 x", "12 monkeys"}},
		{"the longest", "<13>" + x100 + "\n100 <13>" + x100, []string{"<13>" + x100, "<13>" + x100}},
		{"too long a line", "<13>" + x100 + "y\n<13>b\n", []string{"<13>" + x100 + " LONG", "<13>b"}},
		{"too many octets", "105 <13>" + x100 + "yyyyy5 <13>b", []string{"<13>" + x100 + " LONG", "<13>b"}},
		{"octets that never come", "50 <13>a", []string{"<13>a CUT"}},
		{"too few octets", "4 <13>a5 <13>b", []string{"<13>", "a FRAMING"}},
		{"a count that nobody believes", "99999999999 <13>a\n<13>b\n", []string{"99999999999 <13>a", "<13>b"}},
		{"a count of nothing", "0 <13>a\n", []string{"0 <13>a"}},
		{"nothing", "", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, r := range []io.Reader{strings.NewReader(c.in), iotest.OneByteReader(strings.NewReader(c.in))} {
				got := all(r, 32)
				if n := len(got) - 1; n >= 0 && strings.HasSuffix(got[n], " FRAMING") { // as much of it as is here
					got[n] = got[n][:1] + " FRAMING"
				}
				if diff := cmp.Diff(c.want, got); diff != "" {
					t.Error(diff)
				}
			}
		})
	}
	if got := all(io.MultiReader(strings.NewReader("<13>a\n<13>b"), iotest.ErrReader(errors.New("reset"))), 32); !cmp.Equal(got, []string{"<13>a", "<13>b CUT"}) {
		t.Errorf("a connection that breaks: %q", got)
	}
}

// Messages come as they were sent, in whichever framing, and however the network cuts them.
func TestFramingRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var sent strings.Builder
		var want []string
		for range rapid.IntRange(0, 20).Draw(t, "messages") {
			m := "<13>" + rapid.StringMatching(`[a-z <>0-9]{0,90}[a-z]`).Draw(t, "message")
			want = append(want, m)
			if rapid.Bool().Draw(t, "counted") {
				sent.WriteString(strconv.Itoa(len(m)) + " " + m)
			} else {
				sent.WriteString(m + "\n")
			}
		}
		r := io.Reader(strings.NewReader(sent.String()))
		if rapid.Bool().Draw(t, "in pieces") {
			r = iotest.HalfReader(r)
		}
		if diff := cmp.Diff(want, all(r, rapid.IntRange(16, 200).Draw(t, "buffer"))); diff != "" {
			t.Fatal(diff)
		}
	})
}
