package event

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"testing"

	"github.com/stetlog/stet/internal/redact"
)

// TestWordsStopWhereBytesDo: of every byte at every place the scanner says the same as the class table, whatever stands
// behind it.
func TestWordsStopWhereBytesDo(t *testing.T) {
	for c := range 256 {
		for place := range 8 {
			for _, behind := range []byte{'a', ' ', 0x7e, 0xff, 0x00, '"'} {
				b := bytes.Repeat([]byte{'z'}, 8)
				b[place] = byte(c)
				for i := place + 1; i < 8; i++ {
					b[i] = behind
				}
				want := 0
				for want < 8 && redact.Class(b[want])&redact.Stop == 0 {
					want++
				}
				if got := bits.TrailingZeros64(stops(binary.LittleEndian.Uint64(b))) / 8; got != want {
					t.Fatalf("%q: stops at %d, by bytes at %d", b, got, want)
				}
			}
		}
	}
}

// TestWordsOfATime: one byte changed, anywhere, to anything, is a time only where it is a digit of a date that exists.
func TestWordsOfATime(t *testing.T) {
	const good = "2026-01-02T03:04:05.123456789Z"
	for i := range good {
		for c := range 256 {
			b := []byte(good)
			b[i] = byte(c)
			shape := true
			for j, want := range timeShape {
				shape = shape && (want == '0' && b[j] >= '0' && b[j] <= '9' || want != '0' && b[j] == want)
			}
			mo, d := num2(b[5:]), num2(b[8:])
			want := shape && mo >= 1 && mo <= 12 && d >= 1 && d <= monthDays[max(min(mo, 12), 0)] && num2(b[11:]) < 24 && num2(b[14:]) < 60 && num2(b[17:]) < 60
			if validTime(b) != want {
				t.Fatalf("%q: %v", b, !want)
			}
		}
	}
}

// TestWordsOfAName: a name is taken for a row's only where it is spelt so to its end, and also near the end of the input.
func TestWordsOfAName(t *testing.T) {
	for _, o := range objects {
		for i, f := range o.fields {
			text := `"` + f.name + `":`
			for n := range len(text) + 1 {
				for _, behind := range []string{"", "1", "12345678"} {
					s := scanner{b: []byte(text[:n] + behind)}
					next := i
					got := s.expect(o, &next)
					if got != nil && (got != f || n < len(text) || s.i != n || next != i+1) {
						t.Fatalf("%q was taken for %s, to byte %d", s.b, got.path, s.i)
					}
					if got == nil && n == len(text) && len(s.b) >= 8 {
						t.Fatalf("%q was not taken for %s", s.b, f.path)
					}
				}
			}
			for j := range text { // every other name
				b := []byte(text + "12345678")
				b[j] ^= 1
				s := scanner{b: b}
				next := 0
				if got := s.expect(o, &next); got != nil && !bytes.HasPrefix(b, []byte(`"`+got.name+`":`)) {
					t.Fatalf("%q was taken for %s", b, got.path)
				}
			}
		}
	}
}
