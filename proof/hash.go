package proof

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
)

// HashSize is the length of a Hash in bytes.
const HashSize = sha256.Size

// hashBase64Len is the length of a Hash in canonical base64, with its one padding character.
const hashBase64Len = 44

// A Hash is a SHA-256 value: a leaf hash, an inner node or root of a Merkle tree, or the hash of a seal. The zero
// value stands for no hash at all; it is not the root of the empty tree (see EmptyRoot).
type Hash [HashSize]byte

// strict64 is RFC 4648 section 4 base64 that refuses non-zero trailing bits. It still skips CR and LF; callers check
// lengths, which rules those out.
var strict64 = base64.StdEncoding.Strict()

// String returns h in standard base64, the form that checkpoints, seals and proofs use.
func (h Hash) String() string { return base64.StdEncoding.EncodeToString(h[:]) }

// Hex returns h in lower-case hexadecimal, the form that entries use.
func (h Hash) Hex() string { return hex.EncodeToString(h[:]) }

// MarshalText returns h in standard base64, so that a Hash in JSON reads as it does everywhere else.
func (h Hash) MarshalText() ([]byte, error) { return h.append(nil), nil }

// UnmarshalText is the strict inverse of MarshalText.
func (h *Hash) UnmarshalText(text []byte) error {
	v, err := ParseHash(text)
	if err != nil {
		return err
	}
	*h = v
	return nil
}

// append appends h in base64.
func (h Hash) append(dst []byte) []byte { return base64.StdEncoding.AppendEncode(dst, h[:]) }

// ParseHash reads a Hash in canonical standard base64: exactly 44 characters, trailing bits zero.
func ParseHash[T ~string | ~[]byte](text T) (Hash, error) {
	var h Hash
	if len(text) != hashBase64Len {
		return h, malformed("hash", "%d characters of base64, want %d", len(text), hashBase64Len)
	}
	var src [hashBase64Len]byte
	copy(src[:], text)
	var buf [HashSize + 1]byte // one more: the decoder reserves for the padding
	n, err := strict64.Decode(buf[:], src[:])
	if err != nil || n != HashSize {
		return h, malformed("hash", "%s is not canonical base64 of %d bytes", clip(text), HashSize)
	}
	copy(h[:], buf[:])
	return h, nil
}

// parseHashHex reads a Hash in exactly 64 lower-case hexadecimal digits.
func parseHashHex(text []byte) (h Hash, ok bool) {
	if len(text) != 2*HashSize {
		return h, false
	}
	for i, c := range text {
		var n byte
		switch {
		case c >= '0' && c <= '9':
			n = c - '0'
		case c >= 'a' && c <= 'f':
			n = c - 'a' + 10
		default:
			return h, false
		}
		h[i/2] = h[i/2]<<4 | n
	}
	return h, true
}

// RFC 6962 section 2.1 separates leaves from nodes by their first byte, so that no leaf can pose as a node.
const (
	leafPrefix = 0x00
	nodePrefix = 0x01
)

// LeafHash returns the RFC 6962 hash of a leaf: SHA-256(0x00 || data).
func LeafHash(data []byte) Hash {
	// One contiguous buffer lets Sum256 run without the allocation of a hash.Hash; most entries fit.
	var buf [2048]byte
	if len(data) < len(buf) {
		buf[0] = leafPrefix
		n := copy(buf[1:], data)
		return sha256.Sum256(buf[:1+n])
	}
	d := sha256.New()
	d.Write([]byte{leafPrefix}) // hash.Hash documents that Write never fails
	d.Write(data)
	var h Hash
	d.Sum(h[:0])
	return h
}

// NodeHash returns the RFC 6962 hash of an inner node: SHA-256(0x01 || left || right).
func NodeHash(left, right Hash) Hash {
	var buf [1 + 2*HashSize]byte
	buf[0] = nodePrefix
	copy(buf[1:], left[:])
	copy(buf[1+HashSize:], right[:])
	return sha256.Sum256(buf[:])
}

// EmptyRoot returns the root of the tree without leaves: SHA-256 of nothing (RFC 6962 section 2.1).
func EmptyRoot() Hash { return sha256.Sum256(nil) }

// RootOf returns the Merkle root over leaf hashes: what a seal states for its batch. It keeps leaves unchanged.
func RootOf(leaves []Hash) Hash {
	var t Tree
	t.AppendAll(leaves, nil)
	return t.Root()
}
