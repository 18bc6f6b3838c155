package proof

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
)

// MaxHandover is the size limit of a signed handover in bytes.
const MaxHandover = 4096

// handoverHeader is the first line of a handover: its kind and version.
const handoverHeader = "stet/logkey/v1\n"

// A Handover says that one key of a log takes another's place: docs/spec/seal.md, "Handover". Both keys are named as the
// log's origin, so that the log stays the same one.
type Handover struct {
	Old, New string // verifier keys
	Size     uint64 // entries under the log's head when it was signed: New signs checkpoints of more entries only
	Time     string // when that was, as ParseTime has it; a claim
}

// Origin is the log's name.
func (h Handover) Origin() string {
	name, _, _ := strings.Cut(h.New, "+")
	return name
}

// Append appends the note text: five lines, each ended by LF.
func (h Handover) Append(dst []byte) []byte {
	dst = append(dst, handoverHeader...)
	dst = append(append(append(dst, "old "...), h.Old...), '\n')
	dst = append(append(append(dst, "new "...), h.New...), '\n')
	dst = append(strconv.AppendUint(append(dst, "size "...), h.Size, 10), '\n')
	return append(append(append(dst, "time "...), h.Time...), '\n')
}

// check takes the keys apart, and returns an error that wraps ErrMalformed when h cannot be a handover.
func (h Handover) check() (old, next verifierKey, err error) {
	const what = "handover"
	if old, err = parseVKey(h.Old); err != nil {
		return old, next, err
	}
	if next, err = parseVKey(h.New); err != nil {
		return old, next, err
	}
	switch {
	case old.name != next.name:
		return old, next, malformed(what, "the keys are of two logs, %s and %s", clip(old.name), clip(next.name))
	case old.hash == next.hash: // also where one was made to collide: a signature line would not say whose it is
		return old, next, malformed(what, "the two keys of %s have one key hash, %08x", clip(old.name), old.hash)
	case h.Size > MaxSize:
		return old, next, malformed(what, "size %d is above 2^53 - 1", h.Size)
	}
	_, err = ParseTime(h.Time)
	return old, next, err
}

// SignHandover signs h with both keys: the old one says that it is replaced, the new one shows that whoever brings it has
// it.
func SignHandover(h Handover, old, next note.Signer) ([]byte, error) {
	ok, nk, err := h.check()
	if err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	if old.Name() != ok.name || old.KeyHash() != ok.hash || next.Name() != nk.name || next.KeyHash() != nk.hash {
		return nil, fmt.Errorf("sign handover of %s: %w: the signers are not the two keys that it names, in that order", ok.name, ErrSignature)
	}
	msg, err := note.Sign(&note.Note{Text: string(h.Append(nil))}, old, next)
	if err != nil {
		return nil, fmt.Errorf("sign handover of %s: %w", ok.name, err)
	}
	if len(msg) > MaxHandover {
		return nil, malformed("handover", "%d bytes with its signatures, at most %d are allowed", len(msg), MaxHandover)
	}
	return msg, nil
}

// OpenHandover reads a signed handover and checks both signatures. That the old key is one to believe is for the caller to
// say: see KeyChain.
//
// Errors wrap ErrMalformed, or ErrSignature when the text is fine and a signature is missing or wrong.
func OpenHandover(msg []byte) (Handover, error) {
	h, old, next, err := parseHandover(msg)
	if err != nil {
		return Handover{}, err
	}
	n, err := note.Open(msg, note.VerifierList(old, next))
	if err != nil {
		return Handover{}, fmt.Errorf("handover of %s: %w: %w", h.Origin(), ErrSignature, err)
	}
	// One note has one form: both signatures, the old key's first, and none beside them.
	if len(n.Sigs) != 2 || len(n.UnverifiedSigs) > 0 || n.Sigs[0].Hash != old.KeyHash() || n.Sigs[1].Hash != next.KeyHash() {
		return Handover{}, fmt.Errorf("handover of %s: %w: it must be signed by the old key and then by the new one, and by nobody else", h.Origin(), ErrSignature)
	}
	return h, nil
}

func parseHandover(msg []byte) (h Handover, old, next note.Verifier, err error) {
	const what = "handover"
	bad := func(err error) (Handover, note.Verifier, note.Verifier, error) { return Handover{}, nil, nil, err }
	if len(msg) > MaxHandover {
		return bad(malformed(what, "%d bytes, at most %d are allowed", len(msg), MaxHandover))
	}
	text, sigs, _ := bytes.Cut(msg, []byte("\n\n"))
	if n := bytes.Count(sigs, []byte("\n")); n != 2 { // note.Open passes over a signature that stands there twice
		return bad(malformed(what, "%d signature lines, it has two", n))
	}
	rest, ok := bytes.CutPrefix(text, []byte(handoverHeader))
	lines := bytes.Split(rest, []byte("\n"))
	if !ok || len(lines) != 4 {
		return bad(malformed(what, "its text is not the five lines of %s", strings.TrimSpace(handoverHeader)))
	}
	var values [4]string
	for i, name := range [...]string{"old ", "new ", "size ", "time "} {
		v, ok := bytes.CutPrefix(lines[i], []byte(name))
		if !ok {
			return bad(malformed(what, "line %d is %s, it must begin with %q", i+2, clip(lines[i]), name))
		}
		values[i] = string(v)
	}
	h = Handover{Old: values[0], New: values[1], Time: values[3]}
	if h.Size, ok = parseUint(values[2], MaxSize); !ok {
		return bad(malformed(what, "size %s is not a plain decimal below 2^53", clip(values[2])))
	}
	if _, _, err := h.check(); err != nil {
		return bad(err)
	}
	if err := checkSignatureLines(msg); err != nil {
		return bad(fmt.Errorf("handover of %s: %w", h.Origin(), err))
	}
	if old, err = note.NewVerifier(h.Old); err == nil {
		next, err = note.NewVerifier(h.New)
	}
	if err != nil {
		return bad(fmt.Errorf("%w %s: %w", ErrMalformed, what, err))
	}
	return h, old, next, nil
}
