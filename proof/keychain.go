package proof

import (
	"bytes"
	"fmt"
	"slices"

	"golang.org/x/mod/sumdb/note"
)

const (
	// KeyChainPath is where a log keeps the chain of its keys: beside its checkpoint. Where its key has never changed nothing
	// stands there.
	KeyChainPath = "logkeys"
	// MaxHandovers is how many handovers a chain may have.
	MaxHandovers = 256
	// MaxKeyChain is the size limit of an encoded chain in bytes.
	MaxKeyChain = len(chainHeader) + MaxHandovers*(MaxHandover+1)

	chainHeader = "stet/logkeys/v1\n\n"
	// handoverLines are those of a signed handover and the empty one behind it.
	handoverLines = 9
)

// KeyChain is how the key of a log came from one to the next: its handovers, oldest first, each from the key that the one
// before led to. It has no fork and no way back: no key stands in it twice, and sizes rise. A chain that is not empty was
// checked, signature by signature; but whose the first key is, it cannot say. So it is followed from a key that is
// trusted, and a key that it does not lead to is a stranger's.
//
// The zero value is the chain of a log that has only ever had one key. A KeyChain is not changed once made, and safe for
// concurrent use.
type KeyChain struct {
	steps []step
}

type step struct {
	Handover
	note []byte
}

// Len is how many handovers there are.
func (c KeyChain) Len() int { return len(c.steps) }

// At returns handover i, from 0, and the signed note.
func (c KeyChain) At(i int) (Handover, []byte) { return c.steps[i].Handover, c.steps[i].note }

// Add returns the chain with one more handover, which it checks. Errors wrap ErrMalformed or ErrSignature.
func (c KeyChain) Add(msg []byte) (KeyChain, error) {
	h, err := OpenHandover(msg)
	if err != nil {
		return KeyChain{}, err
	}
	if len(c.steps) == MaxHandovers {
		return KeyChain{}, malformed("chain of keys", "it has more than %d handovers", MaxHandovers)
	}
	if n := len(c.steps); n > 0 {
		last := c.steps[n-1].Handover
		switch {
		case h.Old != last.New:
			return KeyChain{}, fmt.Errorf("chain of keys of %s: %w: a handover is signed by %s, and the one before it led to %s", clip(last.Origin()), ErrSignature, clip(h.Old), clip(last.New))
		case h.Size <= last.Size:
			return KeyChain{}, malformed("chain of keys", "a handover at size %d follows one at size %d", h.Size, last.Size)
		}
	}
	for _, s := range c.steps {
		if s.Old == h.New || s.New == h.New {
			return KeyChain{}, malformed("chain of keys", "the key %s comes back", clip(h.New))
		}
	}
	return KeyChain{append(slices.Clip(c.steps), step{h, bytes.Clone(msg)})}, nil
}

// Append appends the chain in its one form: "stet/logkeys/v1", an empty line, and the signed handovers, each with an empty
// line behind it.
func (c KeyChain) Append(dst []byte) []byte {
	dst = append(dst, chainHeader...)
	for _, s := range c.steps {
		dst = append(append(dst, s.note...), '\n')
	}
	return dst
}

// ParseKeyChain is the strict inverse of Append, for a chain that is not empty. Errors wrap ErrMalformed or ErrSignature.
func ParseKeyChain(b []byte) (c KeyChain, err error) {
	const what = "chain of keys"
	rest, ok := bytes.CutPrefix(b, []byte(chainHeader))
	if !ok || len(b) > MaxKeyChain || len(rest) == 0 {
		return KeyChain{}, malformed(what, "it is not of the form stet/logkeys/v1, or has more than %d handovers", MaxHandovers)
	}
	for len(rest) > 0 {
		end := 0
		for range handoverLines {
			i := bytes.IndexByte(rest[end:], '\n')
			if i < 0 {
				return KeyChain{}, malformed(what, "it is cut short")
			}
			end += i + 1
		}
		if rest[end-2] != '\n' {
			return KeyChain{}, malformed(what, "no empty line stands behind a handover")
		}
		if c, err = c.Add(rest[:end-1]); err != nil {
			return KeyChain{}, err
		}
		rest = rest[end:]
	}
	return c, nil
}

// From returns the part of the chain that begins with a key; ok is false where the chain does not know it. From the newest
// key it is empty, and so is that of an empty chain, from any key.
func (c KeyChain) From(vkey string) (part KeyChain, ok bool) {
	if len(c.steps) == 0 {
		return c, true
	}
	for i, s := range c.steps {
		if s.Old == vkey {
			return KeyChain{c.steps[i:]}, true
		}
	}
	return KeyChain{}, c.steps[len(c.steps)-1].New == vkey
}

// Newest is the key that the chain leads to from a trusted one. Its error wraps ErrSignature: the chain does not know the
// trusted key, so nothing vouches for the others.
func (c KeyChain) Newest(trusted string) (string, error) {
	part, ok := c.From(trusted)
	switch {
	case !ok:
		return "", fmt.Errorf("chain of keys of %s: %w: no handover leads from the trusted key %s to any other", clip(c.steps[0].Origin()), ErrSignature, clip(trusted))
	case len(part.steps) == 0:
		return trusted, nil
	}
	return part.steps[len(part.steps)-1].New, nil
}

// Continues says whether c has all of old's handovers, in their places, and perhaps more behind them.
func (c KeyChain) Continues(old KeyChain) bool {
	return len(c.steps) >= len(old.steps) && slices.EqualFunc(c.steps[:len(old.steps)], old.steps, func(a, b step) bool { return bytes.Equal(a.note, b.note) })
}

// Keys lists the log's keys, first being its first one, in the order they came.
func (c KeyChain) Keys(first string) []string {
	all := []string{first}
	for _, s := range c.steps {
		all = append(all, s.New)
	}
	return all
}

// OpenCheckpoint is the function of that name for a log whose key may have changed since it was trusted: the newest key
// that the chain leads to must have signed. It returns that key. An older one may have signed beside it; what only an
// older one has signed is refused, for it was replaced for a reason.
func (c KeyChain) OpenCheckpoint(msg []byte, trusted string) (cp Checkpoint, vkey string, err error) {
	if vkey, err = c.Newest(trusted); err != nil {
		return Checkpoint{}, "", err
	}
	cp, err = c.openBy(msg, vkey)
	return cp, vkey, err
}

// OpenOlder opens a checkpoint that was kept from earlier, which any key that the trusted one leads to, or that leads to
// it, may have signed. It returns the newest that has.
func (c KeyChain) OpenOlder(msg []byte, trusted string) (cp Checkpoint, vkey string, err error) {
	if _, err := c.Newest(trusted); err != nil {
		return Checkpoint{}, "", err
	}
	first := trusted
	if len(c.steps) > 0 {
		first = c.steps[0].Old
	}
	all := c.Keys(first)
	for i := len(all) - 1; i >= 0; i-- {
		var e error
		if cp, e = c.openBy(msg, all[i]); e == nil {
			return cp, all[i], nil
		}
		if err == nil {
			err = e // the newest key's
		}
	}
	return Checkpoint{}, "", err
}

// openBy opens a checkpoint with one key, which signs only what is larger than the log was when it came.
func (c KeyChain) openBy(msg []byte, vkey string) (Checkpoint, error) {
	k, err := parseVKey(vkey)
	if err != nil {
		return Checkpoint{}, err
	}
	v, err := note.NewVerifier(vkey)
	if err != nil {
		return Checkpoint{}, fmt.Errorf("%w verifier key: %w", ErrMalformed, err)
	}
	cp, err := OpenCheckpoint(msg, k.name, v)
	if err != nil {
		return Checkpoint{}, err
	}
	for _, s := range c.steps {
		if s.New == vkey && cp.Size <= s.Size {
			return Checkpoint{}, fmt.Errorf("checkpoint of %s: %w: its size is %d, and its key %s signs only what is larger than %d", k.name, ErrSignature, cp.Size, clip(vkey), s.Size)
		}
	}
	return cp, nil
}

// SignedByOthers says whether a note carries a signature line under an origin's own name by a key that is not among those given:
// a sign that the log has a key that its reader has not heard of. It verifies nothing.
func SignedByOthers(msg []byte, origin string, known ...string) bool {
	_, sigs, _ := bytes.Cut(msg, []byte("\n\n"))
	for line := range bytes.Lines(sigs) {
		sig, ok := bytes.CutPrefix(bytes.TrimSuffix(line, []byte("\n")), []byte("— "+origin+" "))
		raw, err := strict64.DecodeString(string(sig))
		if !ok || err != nil || len(raw) < 4 {
			continue
		}
		if !slices.ContainsFunc(known, func(vkey string) bool {
			k, err := parseVKey(vkey)
			return err == nil && bytes.Equal(raw[:4], []byte{byte(k.hash >> 24), byte(k.hash >> 16), byte(k.hash >> 8), byte(k.hash)})
		}) {
			return true
		}
	}
	return false
}
