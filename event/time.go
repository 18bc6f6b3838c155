package event

import (
	"encoding/binary"
	"time"
)

// timeLen is the length of every time in an event: 2006-01-02T15:04:05.000000000Z.
const timeLen = 30

// FormatTime writes t in UTC with nine fraction digits and Z (RFC 3339), so
// that times of one length sort as text. Years outside 0000–9999 have no such
// form; the codec refuses them.
func FormatTime(t time.Time) string {
	var b [timeLen]byte
	return string(AppendTime(b[:0], t))
}

// AppendTime appends FormatTime(t) to dst.
func AppendTime(dst []byte, t time.Time) []byte {
	t = t.UTC()
	y, mo, d := t.Date()
	h, mi, s := t.Clock()
	y = min(max(y, 0), 9999)
	ns := t.Nanosecond()
	dst = append(dst,
		byte('0'+y/1000), byte('0'+y/100%10), byte('0'+y/10%10), byte('0'+y%10), '-',
		byte('0'+int(mo)/10), byte('0'+int(mo)%10), '-', byte('0'+d/10), byte('0'+d%10), 'T',
		byte('0'+h/10), byte('0'+h%10), ':', byte('0'+mi/10), byte('0'+mi%10), ':',
		byte('0'+s/10), byte('0'+s%10), '.')
	for p := 100_000_000; p > 0; p /= 10 {
		dst = append(dst, byte('0'+ns/p%10))
	}
	return append(dst, 'Z')
}

// ParseTime reads what FormatTime writes and nothing else.
func ParseTime(s string) (time.Time, error) {
	var b [timeLen]byte
	if len(s) == timeLen {
		copy(b[:], s)
		if t, ok := parseTime(b[:]); ok {
			return t, nil
		}
	}
	return time.Time{}, &Error{Code: string(ErrFormat), Detail: "is not a time such as 2026-01-02T15:04:05.000000000Z"}
}

func parseTime(b []byte) (time.Time, bool) {
	if !validTime(b) {
		return time.Time{}, false
	}
	ns := num2(b[20:])*10_000_000 + num2(b[22:])*100_000 + num2(b[24:])*1_000 + num2(b[26:])*10 + int(b[28]-'0')
	return time.Date(num2(b)*100+num2(b[2:]), time.Month(num2(b[5:])), num2(b[8:]),
		num2(b[11:]), num2(b[14:]), num2(b[17:]), ns, time.UTC), true
}

func num2(b []byte) int { return int(b[0]-'0')*10 + int(b[1]-'0') }

var timeShape = [timeLen]byte([]byte("0000-00-00T00:00:00.000000000Z"))

// timeWords are the eight bytes of a time's shape at four places, which overlap,
// and how far each byte is from 0x80 once the shape is taken from it.
var timeWords = func() (words [4]struct {
	at          int
	shape, room uint64
}) {
	for i := range words {
		w := &words[i]
		w.at = min(8*i, timeLen-8)
		w.shape = binary.LittleEndian.Uint64(timeShape[w.at:])
		for j, c := range timeShape[w.at : w.at+8] {
			room := uint64(0x7f)
			if c == '0' {
				room -= 9
			}
			w.room |= room << (8 * j)
		}
	}
	return words
}()

var monthDays = [13]int{0, 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31}

// validTime checks the exact form and the calendar. A leap second (:60) is
// refused: no Go time holds one.
func validTime(b []byte) bool {
	if len(b) != timeLen {
		return false
	}
	for i := range timeWords {
		w := &timeWords[i]
		// Of a digit its value is left, of all else as it should be zero; adding fills a byte that has more up to 0x80.
		left := binary.LittleEndian.Uint64(b[w.at:]) ^ w.shape
		if (left|(left+w.room))&(every*0x80) != 0 {
			return false
		}
	}
	mo, d := num2(b[5:]), num2(b[8:])
	if mo < 1 || mo > 12 || d < 1 || d > monthDays[mo] {
		return false
	}
	if mo == 2 && d == 29 {
		y := num2(b)*100 + num2(b[2:])
		if y%4 != 0 || y%100 == 0 && y%400 != 0 {
			return false
		}
	}
	return num2(b[11:]) < 24 && num2(b[14:]) < 60 && num2(b[17:]) < 60
}
