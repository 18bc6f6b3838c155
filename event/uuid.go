package event

import (
	"crypto/sha256"
	"encoding/hex"
	"time"
)

// UUID is a UUID of RFC 9562. Ids in events are of version 7.
type UUID [16]byte

// NewUUIDv7 makes a version 7 UUID (RFC 9562, section 5.7) of a time, to the
// millisecond, and ten random bytes of the caller's.
func NewUUIDv7(t time.Time, random [10]byte) UUID {
	var u UUID
	ms := uint64(t.UnixMilli())
	for i := range 6 {
		u[i] = byte(ms >> (40 - 8*i))
	}
	copy(u[6:], random[:])
	u.stamp()
	return u
}

// DeriveUUID makes the id of something that must come into being only once: it
// is a function of what it is about. The 48 time bits are those of the subject's
// own id, or zero where it has none; the rest is SHA-256 of
// "stet/derive/v1\n" + kind + "\n" + subject, laid out as a version 7 UUID.
func DeriveUUID(kind, subject string, time48 [6]byte) UUID {
	h := sha256.Sum256([]byte("stet/derive/v1\n" + kind + "\n" + subject))
	var u UUID
	copy(u[:6], time48[:])
	copy(u[6:], h[:10])
	u.stamp()
	return u
}

func (u *UUID) stamp() {
	u[6] = u[6]&0x0f | 0x70
	u[8] = u[8]&0x3f | 0x80
}

// Time48 returns the 48 time bits of a version 7 UUID, for DeriveUUID.
func (u UUID) Time48() (b [6]byte) {
	copy(b[:], u[:6])
	return b
}

// Time returns the time of a version 7 UUID, to the millisecond.
func (u UUID) Time() time.Time {
	var ms int64
	for _, b := range u[:6] {
		ms = ms<<8 | int64(b)
	}
	return time.UnixMilli(ms).UTC()
}

// IsZero tells whether u is the nil UUID, which means "none" here.
func (u UUID) IsZero() bool { return u == UUID{} }

// IsV7 tells whether version and variant bits are those of a version 7 UUID.
func (u UUID) IsV7() bool { return u[6]>>4 == 7 && u[8]>>6 == 2 }

// String returns the usual 36 lower-case characters.
func (u UUID) String() string {
	var b [36]byte
	return string(u.appendTo(b[:0]))
}

// MarshalText is String as bytes; it never fails.
func (u UUID) MarshalText() ([]byte, error) {
	return u.appendTo(make([]byte, 0, 36)), nil
}

// UnmarshalText is ParseUUID.
func (u *UUID) UnmarshalText(b []byte) error {
	p, ok := parseUUID(b)
	if !ok {
		return &Error{Code: string(ErrFormat), Detail: "is not a UUID of 36 lower-case characters"}
	}
	*u = p
	return nil
}

func (u UUID) appendTo(dst []byte) []byte {
	dst = hex.AppendEncode(dst, u[:4])
	for _, p := range [4][2]int{{4, 6}, {6, 8}, {8, 10}, {10, 16}} {
		dst = append(dst, '-')
		dst = hex.AppendEncode(dst, u[p[0]:p[1]])
	}
	return dst
}

// ParseUUID reads the 36 lower-case characters of a UUID of any version: one id
// has one spelling, so that it can be compared as text.
func ParseUUID(s string) (UUID, error) {
	var u UUID
	if len(s) > 64 {
		s = s[:64]
	}
	err := u.UnmarshalText([]byte(s))
	return u, err
}

func parseUUID(b []byte) (u UUID, ok bool) {
	if len(b) != 36 || b[8] != '-' || b[13] != '-' || b[18] != '-' || b[23] != '-' {
		return u, false
	}
	text, wrong := (*[36]byte)(b), byte(0)
	for i, at := range uuidDigits {
		hi, lo := hexValue[text[at]], hexValue[text[at+1]]
		wrong |= hi | lo
		u[i] = hi<<4 | lo
	}
	if wrong > 15 {
		return UUID{}, false
	}
	return u, true
}

// uuidDigits is where each byte's two digits stand.
var uuidDigits = [16]uint8{0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34}

// hexValue maps lower-case hex digits to their value, all else to 255.
var hexValue = func() (t [256]byte) {
	for i := range t {
		t[i] = 255
	}
	for i, c := range "0123456789abcdef" {
		t[c] = byte(i)
	}
	return t
}()
