package proof

import (
	"errors"
	"fmt"
)

// The three ways in which a check can fail. Every error of this package wraps exactly one of them, except those that
// a caller's own HashReader, TileReader or signer returned, which are passed on wrapped.
var (
	// ErrMalformed: the bytes are not of this format, or a value is outside the format's limits.
	ErrMalformed = errors.New("malformed")
	// ErrProof: the proof is well formed but does not lead to the expected root.
	ErrProof = errors.New("proof does not hold")
	// ErrSignature: the note is well formed, but the signature that it needs is missing or wrong.
	ErrSignature = errors.New("signature does not verify")
)

// malformed makes an error that wraps ErrMalformed; what is the thing that was being read.
func malformed(what, format string, args ...any) error {
	return fmt.Errorf("%w %s: %s", ErrMalformed, what, fmt.Sprintf(format, args...))
}

// broken makes an error that wraps ErrProof; what is the kind of proof.
func broken(what, format string, args ...any) error {
	return fmt.Errorf("%s: %w: %s", what, ErrProof, fmt.Sprintf(format, args...))
}

// clip shortens hostile text for an error message: at most 40 bytes, quoted, so that no control character and no
// flood reaches a terminal.
func clip[T ~string | ~[]byte](s T) string {
	if len(s) > 40 {
		return fmt.Sprintf("%+q… (%d bytes)", string(s[:40]), len(s))
	}
	return fmt.Sprintf("%+q", string(s))
}
