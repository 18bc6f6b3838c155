package proof

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"strconv"

	"golang.org/x/mod/sumdb/note"
)

const (
	tlogProofHeader = "c2sp.org/tlog-proof@v1"
	// MaxTlogExtra is the size limit of a tlog-proof's extra data in bytes, decoded. Readers in other languages and
	// libraries stop at lines of 64 KiB; the encoded line stays well below.
	MaxTlogExtra = 32 << 10
	// maxProofHashes is the length of the longest audit path in a tree of MaxSize leaves.
	maxProofHashes = 53
	// MaxTlogProof is the size limit of a tlog-proof in bytes.
	MaxTlogProof = len(tlogProofHeader) + 1 + len("extra \n") + (MaxTlogExtra+2)/3*4 + len("index \n") + 16 +
		maxProofHashes*(hashBase64Len+1) + 1 + MaxCheckpoint
)

// A TlogProof is a self-contained proof of inclusion, C2SP tlog-proof@v1: a signed checkpoint, with cosignatures if
// there are any, and the audit path to one leaf of it.
type TlogProof struct {
	Extra      []byte // opaque, not authenticated, at most MaxTlogExtra bytes; nil for none
	Index      uint64 // of the leaf, from 0
	Path       []Hash // audit path, from the leaf's sibling to the root's child
	Checkpoint []byte // the signed note, verbatim
}

// AppendTlogProof appends p in its one encoding. It checks nothing; ParseTlogProof does.
func AppendTlogProof(dst []byte, p TlogProof) []byte {
	dst = append(dst, tlogProofHeader+"\n"...)
	if len(p.Extra) > 0 {
		dst = append(dst, "extra "...)
		dst = base64.StdEncoding.AppendEncode(dst, p.Extra)
		dst = append(dst, '\n')
	}
	dst = append(dst, "index "...)
	dst = strconv.AppendUint(dst, p.Index, 10)
	dst = append(dst, '\n')
	for _, h := range p.Path {
		dst = h.append(dst)
		dst = append(dst, '\n')
	}
	dst = append(dst, '\n')
	return append(dst, p.Checkpoint...)
}

// ParseTlogProof reads a tlog-proof strictly and verifies nothing: see Verify. The result aliases b. Errors wrap
// ErrMalformed.
func ParseTlogProof(b []byte) (TlogProof, error) {
	const what = "tlog-proof"
	if len(b) > MaxTlogProof {
		return TlogProof{}, malformed(what, "%d bytes, at most %d are allowed", len(b), MaxTlogProof)
	}
	var p TlogProof
	rest, ok := bytes.CutPrefix(b, []byte(tlogProofHeader+"\n"))
	if !ok {
		return TlogProof{}, malformed(what, "the first line is not %q", tlogProofHeader)
	}
	line, rest, _ := bytes.Cut(rest, []byte("\n"))
	if extra, ok := bytes.CutPrefix(line, []byte("extra ")); ok {
		if len(extra) == 0 || bytes.IndexByte(extra, '\r') >= 0 || base64.StdEncoding.DecodedLen(len(extra)) > MaxTlogExtra+2 {
			return TlogProof{}, malformed(what, "the extra line is empty, too long or not base64")
		}
		var err error
		if p.Extra, err = strict64.AppendDecode(nil, extra); err != nil || len(p.Extra) > MaxTlogExtra {
			return TlogProof{}, malformed(what, "the extra line is too long or not canonical base64")
		}
		line, rest, _ = bytes.Cut(rest, []byte("\n"))
	}
	index, ok := bytes.CutPrefix(line, []byte("index "))
	if ok {
		p.Index, ok = parseUint(index, MaxSize-1)
	}
	if !ok {
		return TlogProof{}, malformed(what, "the line %s is not %q and a plain decimal", clip(line), "index")
	}
	for {
		line, after, ok := bytes.Cut(rest, []byte("\n"))
		if !ok {
			return TlogProof{}, malformed(what, "no blank line before the checkpoint")
		}
		rest = after
		if len(line) == 0 {
			break
		}
		h, err := ParseHash(line)
		if err != nil {
			return TlogProof{}, fmt.Errorf("tlog-proof path: %w", err)
		}
		if p.Path = append(p.Path, h); len(p.Path) > maxProofHashes {
			return TlogProof{}, malformed(what, "more than %d hashes", maxProofHashes)
		}
	}
	p.Checkpoint = rest
	c, err := ParseCheckpointText(rest)
	if err != nil {
		return TlogProof{}, fmt.Errorf("tlog-proof: %w", err)
	}
	if p.Index >= c.Size {
		return TlogProof{}, malformed(what, "index %d is not in a tree of %d", p.Index, c.Size)
	}
	return p, nil
}

// Verify checks that the log called origin, under one of the verifiers, has stated a tree with leaf at p.Index, and
// returns that statement. The errors are those of OpenCheckpoint and VerifyInclusion.
func (p TlogProof) Verify(leaf Hash, origin string, verifiers ...note.Verifier) (Checkpoint, error) {
	c, err := OpenCheckpoint(p.Checkpoint, origin, verifiers...)
	if err != nil {
		return Checkpoint{}, fmt.Errorf("tlog-proof: %w", err)
	}
	if err := VerifyInclusion(p.Index, c.Size, leaf, c.Root, p.Path); err != nil {
		return Checkpoint{}, fmt.Errorf("tlog-proof: %w", err)
	}
	return c, nil
}
