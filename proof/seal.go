package proof

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"strconv"

	"golang.org/x/mod/sumdb/note"
)

// Limits of a seal and of the batch under it.
const (
	MaxSeal        = 4 << 10 // bytes of a signed seal
	MaxBatch       = 1000    // events under one seal
	MaxBatchBytes  = 1 << 20 // bytes of events under one seal; the seal does not say, the ledger counts
	MaxApp         = 128     // bytes of an app id
	MaxEnvironment = 32      // bytes of an environment
	maxClockWord   = 64      // bytes of a clock's source or boot id
)

// sealHeader is the first line of a seal. It also keeps a seal's text from being any other note's text: a checkpoint
// has three lines, a seal eleven.
const sealHeader = "stet/seal/v1"

// DoorKey begins the name of the key with which a server seals what comes to it unsealed. Such a stream is the server's: that
// it ends says nothing of the sender.
const DoorKey = "stet-door/"

// A Seal is an emitter's statement over one batch: consecutive events of one stream, in the exact bytes it made.
type Seal struct {
	App         string // app_id of every event in the stream: [A-Za-z0-9._-], 1 to MaxApp bytes
	Environment string // environment of every event, at most MaxEnvironment bytes; "" when none is configured
	Key         string // verifier key (vkey) of the signing emitter, canonical; see KeyID
	Stream      string // stream_id, a UUIDv7 in lower case
	First       uint64 // stream_seq of the first event, from 1
	Count       int    // events in the batch: 1 to MaxBatch, or 0 in a final seal that only closes the stream
	Root        Hash   // Merkle root over the events' leaf hashes; EmptyRoot when Count is 0
	Prev        Hash   // SealHash of the stream's previous seal, when HasPrev
	HasPrev     bool   // false for the first seal of a stream
	Clock       Clock  // evidence for the emitter's clock when it sealed
	Final       bool   // the stream is closed: nothing may follow
}

// A Clock is evidence of how far a system clock could be trusted, read from the kernel at sealing time.
type Clock struct {
	State       string // ClockSynchronized, ClockUnsynchronized or ClockUnknown
	OffsetUS    int64  // estimated offset from true time in microseconds, may be negative
	MaxErrorUS  int64  // bound of the error in microseconds, from 0
	MonotonicUS int64  // monotonic clock in microseconds since some start, from 0; comparable within one boot
	Source      string // where this was read, such as adjtimex; "" for unknown
	BootID      string // identity of the boot, within which monotonic times compare; "" for unknown
}

// The states of a clock.
const (
	ClockSynchronized   = "synchronized"
	ClockUnsynchronized = "unsynchronized"
	ClockUnknown        = "unknown"
)

// Next returns the stream_seq that follows the batch.
func (s Seal) Next() uint64 { return s.First + uint64(s.Count) }

// AppendText appends the note text of s, whether or not it is valid; SignSeal refuses an invalid one.
func (s Seal) AppendText(dst []byte) []byte {
	dst = append(dst, sealHeader+"\napp "...)
	dst = append(dst, s.App...)
	dst = append(dst, "\nenvironment "...)
	dst = appendOrDash(dst, s.Environment)
	dst = append(dst, "\nkey "...)
	dst = append(dst, s.Key...)
	dst = append(dst, "\nstream "...)
	dst = append(dst, s.Stream...)
	dst = append(dst, "\nfirst "...)
	dst = strconv.AppendUint(dst, s.First, 10)
	dst = append(dst, "\ncount "...)
	dst = strconv.AppendInt(dst, int64(s.Count), 10)
	dst = append(dst, "\nroot "...)
	dst = s.Root.append(dst)
	dst = append(dst, "\nprev "...)
	if s.HasPrev {
		dst = s.Prev.append(dst)
	} else {
		dst = append(dst, '-')
	}
	dst = append(dst, "\nclock "...)
	dst = append(dst, s.Clock.State...)
	for _, n := range [...]int64{s.Clock.OffsetUS, s.Clock.MaxErrorUS, s.Clock.MonotonicUS} {
		dst = append(dst, ' ')
		dst = strconv.AppendInt(dst, n, 10)
	}
	dst = append(dst, ' ')
	dst = appendOrDash(dst, s.Clock.Source)
	dst = append(dst, ' ')
	dst = appendOrDash(dst, s.Clock.BootID)
	dst = append(dst, "\nfinal "...)
	dst = strconv.AppendBool(dst, s.Final)
	return append(dst, '\n')
}

func appendOrDash(dst []byte, s string) []byte {
	if s == "" {
		return append(dst, '-')
	}
	return append(dst, s...)
}

// SignSeal signs s with the key that s.Key names and returns the whole signed note. It refuses a seal that OpenSeal
// would refuse, and a signer that is not s.Key's.
func SignSeal(s Seal, signer note.Signer) ([]byte, error) {
	text := s.AppendText(make([]byte, 0, 1024))
	back, err := parseSealText(text)
	if err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	if back != s {
		return nil, malformed("seal", "it would read back as another one: \"-\" stands for an absent value, and Prev needs HasPrev")
	}
	k, err := parseVKey(s.Key)
	if err != nil {
		return nil, fmt.Errorf("sign seal: %w", err)
	}
	if signer.Name() != k.name || signer.KeyHash() != k.hash {
		return nil, fmt.Errorf("sign seal: %w: the signer is %s+%08x, the seal names %s+%08x",
			ErrSignature, signer.Name(), signer.KeyHash(), k.name, k.hash)
	}
	sig, err := signer.Sign(text)
	if err != nil {
		return nil, fmt.Errorf("sign seal: %w", err)
	}
	if len(sig) != ed25519.SignatureSize {
		return nil, fmt.Errorf("sign seal: %w: %d bytes of signature, Ed25519 has %d", ErrSignature, len(sig), ed25519.SignatureSize)
	}
	var raw [4 + ed25519.SignatureSize]byte
	binary.BigEndian.PutUint32(raw[:], k.hash)
	copy(raw[4:], sig)
	text = append(text, '\n')
	text = append(text, signaturePrefix...)
	text = append(text, k.name...)
	text = append(text, ' ')
	text = base64.StdEncoding.AppendEncode(text, raw[:])
	text = append(text, '\n')
	if len(text) > MaxSeal {
		return nil, malformed("seal", "%d bytes, at most %d are allowed", len(text), MaxSeal)
	}
	return text, nil
}

// OpenSeal reads a signed seal and checks its signature with the key that it names itself. That shows the seal to be
// whole and in the hands of that key; whose key it is, and whether it may speak for this stream, is for the caller to
// decide. Errors wrap ErrMalformed or ErrSignature. To open many seals of few keys use a SealVerifier.
func OpenSeal(msg []byte) (Seal, error) {
	p, err := splitSeal(msg)
	if err != nil {
		return Seal{}, err
	}
	k, err := parseVKey(p.seal.Key)
	if err != nil {
		return Seal{}, fmt.Errorf("seal: %w", err)
	}
	return p.verify(k)
}

// ParseSeal reads a signed seal as strictly as OpenSeal does, but does not compute its signature: for replaying what
// was checked before it was stored. It costs a few microseconds, a signature ten times as much.
func ParseSeal(msg []byte) (Seal, error) {
	p, err := splitSeal(msg)
	if err != nil {
		return Seal{}, err
	}
	k, err := parseVKey(p.seal.Key)
	if err != nil {
		return Seal{}, fmt.Errorf("seal: %w", err)
	}
	if err := p.matches(k); err != nil {
		return Seal{}, err
	}
	return p.seal, nil
}

// SealHash returns the identity of a signed seal: SHA-256 over all bytes of the note, its signature included.
func SealHash(msg []byte) Hash { return sha256.Sum256(msg) }

// signaturePrefix begins a signature line of a note.
const signaturePrefix = "— "

// sealParts is a seal note taken apart, its signature not yet checked.
type sealParts struct {
	seal Seal
	text []byte // what is signed; aliases the message
	name []byte // key name in the signature line; aliases the message
	hash uint32 // key hash in the signature line
	sig  [ed25519.SignatureSize]byte
}

// splitSeal reads everything of a seal but its key.
func splitSeal(msg []byte) (p sealParts, err error) {
	const what = "seal"
	if len(msg) > MaxSeal {
		return p, malformed(what, "%d bytes, at most %d are allowed", len(msg), MaxSeal)
	}
	i := bytes.Index(msg, []byte("\n\n"))
	if i < 0 {
		return p, malformed(what, "no blank line before a signature")
	}
	p.text = msg[:i+1]
	line, ok := bytes.CutPrefix(msg[i+2:], []byte(signaturePrefix))
	if !ok {
		return p, malformed(what, "the line after the blank one is not a signature")
	}
	name, rest, ok1 := bytes.Cut(line, []byte(" "))
	sig64, rest, ok2 := bytes.Cut(rest, []byte("\n"))
	if !ok1 || !ok2 || len(rest) != 0 {
		return p, malformed(what, "it does not end with exactly one signature line")
	}
	p.name = name
	const rawLen = 4 + ed25519.SignatureSize
	var raw [rawLen + 1]byte
	if len(sig64) != base64.StdEncoding.EncodedLen(rawLen) {
		return p, malformed(what, "%d characters of signature, want %d", len(sig64), base64.StdEncoding.EncodedLen(rawLen))
	}
	if n, err := strict64.Decode(raw[:], sig64); err != nil || n != rawLen {
		return p, malformed(what, "the signature is not canonical base64 of %d bytes", rawLen)
	}
	p.hash = binary.BigEndian.Uint32(raw[:])
	copy(p.sig[:], raw[4:])
	p.seal, err = parseSealText(p.text)
	return p, err
}

// matches checks that the signature line is of the key that the seal names.
func (p *sealParts) matches(k verifierKey) error {
	if string(p.name) != k.name || p.hash != k.hash {
		return fmt.Errorf("seal: %w: it names key %s+%08x and is signed as %s+%08x", ErrSignature, k.name, k.hash, clip(p.name), p.hash)
	}
	return nil
}

func (p *sealParts) verify(k verifierKey) (Seal, error) {
	if err := p.matches(k); err != nil {
		return Seal{}, err
	}
	if !ed25519.Verify(k.key, p.text, p.sig[:]) {
		return Seal{}, fmt.Errorf("seal of stream %s from %d: %w under the key it names, %s+%08x",
			p.seal.Stream, p.seal.First, ErrSignature, k.name, k.hash)
	}
	return p.seal, nil
}

// parseSealText reads the eleven lines of a seal. It checks everything but the form of the key.
func parseSealText(text []byte) (s Seal, err error) {
	const what = "seal"
	header, rest, _ := bytes.Cut(text, []byte("\n"))
	if string(header) != sealHeader {
		return s, malformed(what, "the first line is %s, want %q", clip(header), sealHeader)
	}
	var v [len(sealFields)][]byte
	for i, name := range sealFields {
		line, after, ok := bytes.Cut(rest, []byte("\n"))
		if !ok {
			return s, malformed(what, "it ends before its line %q", name)
		}
		value, ok := bytes.CutPrefix(line, []byte(name))
		if !ok || len(value) < 2 || value[0] != ' ' {
			return s, malformed(what, "line %d is %s, want %q, a space and a value", i+2, clip(line), name)
		}
		v[i], rest = value[1:], after
	}
	if len(rest) != 0 {
		return s, malformed(what, "more lines follow the line %q", "final")
	}
	bad := func(i int, why string) (Seal, error) {
		return Seal{}, malformed(what, "%s %s %s", sealFields[i], clip(v[i]), why)
	}
	if !isWord(v[0], MaxApp) {
		return bad(0, "is not 1 to 128 of A-Z a-z 0-9 . _ -")
	}
	s.App = string(v[0])
	if why := checkEnvironment(v[1]); why != "" {
		return bad(1, why)
	}
	s.Environment = dashToEmpty(v[1])
	s.Key = string(v[2])
	if !isUUIDv7(v[3]) {
		return bad(3, "is not a UUIDv7 in lower case")
	}
	s.Stream = string(v[3])
	var ok bool
	if s.First, ok = parseUint(v[4], MaxSize); !ok || s.First == 0 {
		return bad(4, "is not a plain decimal from 1 to 2^53 - 1")
	}
	count, ok := parseUint(v[5], MaxBatch)
	if !ok {
		return bad(5, "is not a plain decimal from 0 to 1000")
	}
	s.Count = int(count)
	if s.Root, err = ParseHash(v[6]); err != nil {
		return Seal{}, fmt.Errorf("seal root: %w", err)
	}
	if s.HasPrev = string(v[7]) != "-"; s.HasPrev {
		if s.Prev, err = ParseHash(v[7]); err != nil {
			return Seal{}, fmt.Errorf("seal prev: %w", err)
		}
	}
	if s.Clock, err = parseClock(v[8]); err != nil {
		return Seal{}, err
	}
	switch string(v[9]) {
	case "true":
		s.Final = true
	case "false":
	default:
		return bad(9, "is neither true nor false")
	}
	switch {
	case s.Count == 0 && !s.Final:
		return bad(5, "is allowed only in a final seal")
	case s.Count == 0 && s.Root != EmptyRoot():
		return bad(6, "is not the root of no events")
	case s.First+count-1 > MaxSize:
		return bad(5, "runs past the last stream number, 2^53 - 1")
	case s.First == 1 && s.HasPrev:
		return bad(7, "is given, yet nothing can come before number 1")
	}
	return s, nil
}

var sealFields = [...]string{"app", "environment", "key", "stream", "first", "count", "root", "prev", "clock", "final"}

func parseClock(value []byte) (c Clock, err error) {
	var v [6][]byte
	rest := value
	for i := range v {
		var more bool
		v[i], rest, more = bytes.Cut(rest, []byte(" "))
		if more != (i < len(v)-1) {
			return c, malformed("seal", "clock %s is not six words", clip(value))
		}
	}
	switch c.State = string(v[0]); c.State {
	case ClockSynchronized, ClockUnsynchronized, ClockUnknown:
	default:
		return Clock{}, malformed("seal", "clock state %s is none of synchronized, unsynchronized, unknown", clip(v[0]))
	}
	for i, field := range [...]*int64{&c.OffsetUS, &c.MaxErrorUS, &c.MonotonicUS} {
		digits, negative := bytes.CutPrefix(v[1+i], []byte("-"))
		n, ok := parseUint(digits, MaxSize)
		if !ok || negative && (i > 0 || n == 0) {
			return Clock{}, malformed("seal", "clock %s: number %d is not a plain decimal below 2^53", clip(value), i+1)
		}
		if *field = int64(n); negative {
			*field = -*field
		}
	}
	for _, w := range v[4:] {
		if !isWord(w, maxClockWord) {
			return Clock{}, malformed("seal", "clock %s: source and boot id are 1 to 64 of A-Z a-z 0-9 . _ -", clip(value))
		}
	}
	c.Source, c.BootID = dashToEmpty(v[4]), dashToEmpty(v[5])
	return c, nil
}

func dashToEmpty(b []byte) string {
	if len(b) == 1 && b[0] == '-' {
		return ""
	}
	return string(b)
}

// checkEnvironment returns why b cannot be an environment line's value, or "".
func checkEnvironment(b []byte) string {
	switch {
	case len(b) > MaxEnvironment:
		return "is longer than 32 bytes"
	case b[0] == ' ' || b[len(b)-1] == ' ':
		return "begins or ends with a space"
	case !plainText(b):
		return "holds a control or format character, or is not UTF-8"
	}
	return ""
}

// isWord reports whether b is 1 to limit bytes of A-Z a-z 0-9 . _ -
func isWord[T ~string | ~[]byte](b T, limit int) bool {
	if len(b) == 0 || len(b) > limit {
		return false
	}
	for i := range len(b) {
		switch c := b[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '.', c == '_', c == '-':
		default:
			return false
		}
	}
	return true
}

// isUUIDv7 reports whether b is a UUID of version 7 (RFC 9562) in the canonical lower-case form.
func isUUIDv7[T ~string | ~[]byte](b T) bool {
	if len(b) != 36 || b[14] != '7' {
		return false
	}
	for i := range len(b) {
		c := b[i]
		switch i {
		case 8, 13, 18, 23:
			if c != '-' {
				return false
			}
		case 19:
			if c != '8' && c != '9' && c != 'a' && c != 'b' {
				return false
			}
		default:
			if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
				return false
			}
		}
	}
	return true
}
