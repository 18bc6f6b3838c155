package proof

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"

	"golang.org/x/mod/sumdb/note"
)

// MaxCheckpoint is the size limit of a signed checkpoint in bytes, its cosignatures included.
const MaxCheckpoint = 16 << 10

// A Checkpoint is a statement of a log's whole content: C2SP tlog-checkpoint without extension lines, which stet
// neither writes nor reads, as nobody audits them.
type Checkpoint struct {
	Origin string // identity of the log, equal to the name of its key
	Size   uint64 // number of entries, at most MaxSize
	Root   Hash   // Merkle tree hash at Size; EmptyRoot when Size is 0
}

// Text returns the note text: three lines, each ended by LF.
func (c Checkpoint) Text() string { return string(c.Append(nil)) }

// Append appends the note text.
func (c Checkpoint) Append(dst []byte) []byte {
	dst = append(dst, c.Origin...)
	dst = append(dst, '\n')
	dst = strconv.AppendUint(dst, c.Size, 10)
	dst = append(dst, '\n')
	dst = c.Root.append(dst)
	return append(dst, '\n')
}

// check returns an error that wraps ErrMalformed when c cannot be a checkpoint.
func (c Checkpoint) check() error {
	const what = "checkpoint"
	if why := checkKeyName(c.Origin); why != "" {
		return malformed(what, "the origin %s %s", clip(c.Origin), why)
	}
	if c.Size > MaxSize {
		return malformed(what, "size %d is above 2^53 - 1", c.Size)
	}
	if c.Size == 0 && c.Root != EmptyRoot() {
		return malformed(what, "size 0 with root %s, which is not the root of the empty tree", c.Root)
	}
	return nil
}

// SignCheckpoint signs c. One of the signers must be named as the origin: that is what makes it this log's
// checkpoint. The caller must have made (Size, Root) durable before, and never sign two roots for one size.
func SignCheckpoint(c Checkpoint, signers ...note.Signer) ([]byte, error) {
	if err := c.check(); err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	own := false
	for _, s := range signers {
		own = own || s.Name() == c.Origin
	}
	if !own {
		return nil, fmt.Errorf("sign checkpoint of %s: %w: none of the %d signers has the origin's name", c.Origin, ErrSignature, len(signers))
	}
	msg, err := note.Sign(&note.Note{Text: c.Text()}, signers...)
	if err != nil {
		return nil, fmt.Errorf("sign checkpoint of %s: %w", c.Origin, err)
	}
	if len(msg) > MaxCheckpoint {
		return nil, malformed("checkpoint", "%d bytes with its signatures, at most %d are allowed", len(msg), MaxCheckpoint)
	}
	return msg, nil
}

// OpenCheckpoint reads a signed checkpoint of the log called origin. At least one signature under that name must
// verify with one of the verifiers; signatures of keys that are not among them are ignored, as C2SP signed-note
// demands (witnesses cosign, keys rotate), and a wrong signature under a given key refuses the whole note.
//
// Errors wrap ErrMalformed, or ErrSignature when the text is fine but no such signature is there or it is wrong.
func OpenCheckpoint(msg []byte, origin string, verifiers ...note.Verifier) (Checkpoint, error) {
	c, err := ParseCheckpointText(msg)
	if err != nil {
		return Checkpoint{}, err
	}
	if c.Origin != origin {
		return Checkpoint{}, fmt.Errorf("checkpoint of %s: %w: it is of another log, %s", clip(origin), ErrSignature, clip(c.Origin))
	}
	if err := checkSignatureLines(msg); err != nil {
		return Checkpoint{}, fmt.Errorf("checkpoint of %s: %w", origin, err)
	}
	n, err := note.Open(msg, note.VerifierList(verifiers...))
	if err != nil {
		var unverified *note.UnverifiedNoteError
		var invalid *note.InvalidSignatureError
		if errors.As(err, &unverified) || errors.As(err, &invalid) {
			return Checkpoint{}, fmt.Errorf("checkpoint of %s: %w: %w", origin, ErrSignature, err)
		}
		return Checkpoint{}, fmt.Errorf("%w checkpoint of %s: %w", ErrMalformed, origin, err)
	}
	for _, sig := range n.Sigs {
		if sig.Name == origin {
			return c, nil
		}
	}
	return Checkpoint{}, fmt.Errorf("checkpoint of %s: %w: it carries no signature under the origin's own name", origin, ErrSignature)
}

// checkSignatureLines refuses signatures in base64 that is not canonical. note.Open lets the spare bits of the last
// character be anything, so that one signature would have four spellings.
func checkSignatureLines(msg []byte) error {
	_, sigs, _ := bytes.Cut(msg, []byte("\n\n"))
	for line := range bytes.Lines(sigs) {
		line = bytes.TrimSuffix(line, []byte("\n"))
		sig := line[bytes.LastIndexByte(line, ' ')+1:]
		if _, err := strict64.AppendDecode(nil, sig); err != nil || len(sig) == 0 {
			return malformed("note", "the signature line %s does not end in canonical base64", clip(line))
		}
	}
	return nil
}

// ParseCheckpointText reads a checkpoint's three lines, with or without signatures behind them, and checks no
// signature: for looking at a checkpoint before its key is known, never for trusting it.
func ParseCheckpointText(msg []byte) (Checkpoint, error) {
	const what = "checkpoint"
	if len(msg) > MaxCheckpoint {
		return Checkpoint{}, malformed(what, "%d bytes, at most %d are allowed", len(msg), MaxCheckpoint)
	}
	text := msg
	if i := bytes.Index(msg, []byte("\n\n")); i >= 0 {
		text = msg[:i+1]
	}
	origin, rest, ok1 := bytes.Cut(text, []byte("\n"))
	size, rest, ok2 := bytes.Cut(rest, []byte("\n"))
	root, rest, ok3 := bytes.Cut(rest, []byte("\n"))
	if !ok1 || !ok2 || !ok3 || len(rest) != 0 {
		return Checkpoint{}, malformed(what, "its text is not exactly three lines: origin, size, root")
	}
	c := Checkpoint{Origin: string(origin)}
	var ok bool
	if c.Size, ok = parseUint(size, MaxSize); !ok {
		return Checkpoint{}, malformed(what, "size %s is not a plain decimal below 2^53", clip(size))
	}
	var err error
	if c.Root, err = ParseHash(root); err != nil {
		return Checkpoint{}, fmt.Errorf("checkpoint root: %w", err)
	}
	if err := c.check(); err != nil {
		return Checkpoint{}, err
	}
	return c, nil
}
