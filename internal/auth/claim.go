package auth

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/mod/sumdb/note"

	"github.com/stetlog/stet/internal/keyfile"
	"github.com/stetlog/stet/internal/wire"
	"github.com/stetlog/stet/proof"
)

// A claim is the proof that who asks for a key to be enrolled has it: a signed note that says for which log and which token
// it was made, so that nobody else can use it anywhere else. Where the key takes the place of another, both sign.
//
//	stet/enrol/v1
//	log <id of the log's key>
//	token <SHA-256 of "stet/enrol/v1", LF and the hash that is kept of the token, 64 hexadecimal digits>
//	key <verifier key>
//	old <verifier key, or ->
const claimHeader = "stet/enrol/v1\n"

// MaxClaim bounds a claim in bytes.
const MaxClaim = 4 << 10

// ErrClaim says that a claim does not prove what it must.
var ErrClaim = errors.New("the proof of possession does not hold")

// bound is what a claim says of a token: nothing that could be taken for it, or for what is kept of it.
func bound(h hash) string {
	sum := sha256.Sum256(append([]byte(claimHeader), h[:]...))
	return hex.EncodeToString(sum[:])
}

func claimText(logID, token, key, old string) string {
	if old == "" {
		old = "-"
	}
	return claimHeader + "log " + logID + "\ntoken " + token + "\nkey " + key + "\nold " + old + "\n"
}

// SignClaim makes the claim to a key, for the holder of a token. old, where its Name is not empty, is the key that this one
// takes the place of.
func SignClaim(token string, key, old keyfile.Key) ([]byte, error) {
	secret, logID, err := wire.ParseToken(token)
	if err != nil {
		return nil, err
	}
	keys := []keyfile.Key{key}
	if old.Name != "" {
		keys = append(keys, old)
	}
	signers := make([]note.Signer, len(keys))
	for i, k := range keys {
		s, err := k.NoteSigner()
		if err != nil {
			return nil, err
		}
		signers[i] = s
	}
	text := claimText(hex.EncodeToString(logID[:]), bound(sha256.Sum256(secret[:])), key.VKey, old.VKey)
	return note.Sign(&note.Note{Text: text}, signers...)
}

// OpenClaim checks a claim that came to the log that has had these keys from this caller, and returns the key, and the one
// whose place it takes or "". Its errors wrap ErrClaim, and repeat nothing of the claim.
func OpenClaim(id Identity, logKeys []string, claim []byte) (key, old string, err error) {
	bad := func(why string) (string, string, error) { return "", "", fmt.Errorf("%w: %s", ErrClaim, why) }
	if len(claim) > MaxClaim {
		return bad(fmt.Sprintf("it is larger than %d bytes", MaxClaim))
	}
	text, _, ok := bytes.Cut(claim, []byte("\n\n"))
	lines := strings.Split(string(text), "\n")
	if !ok || len(lines) != 5 {
		return bad("it is not of the form stet/enrol/v1")
	}
	key, old = strings.TrimPrefix(lines[3], "key "), strings.TrimPrefix(lines[4], "old ")
	if old == "-" {
		old = ""
	}
	var verifiers []note.Verifier
	for _, vkey := range []string{key, old} {
		if vkey == "" {
			continue
		}
		if proof.CheckVKey(vkey) != nil {
			return bad("it names what is no verifier key")
		}
		v, err := note.NewVerifier(vkey)
		if err != nil {
			return bad("it names what is no verifier key")
		}
		verifiers = append(verifiers, v)
	}
	if key == "" || key == old {
		return bad("it names no key, or one twice")
	}
	// One text for one claim: whatever else a line holds, this one differs from it. It names the key that the token names.
	if !slices.ContainsFunc(logKeys, func(logKey string) bool {
		return claimText(proof.KeyID(logKey), bound(id.hash), key, old) == string(text)+"\n"
	}) {
		return bad("it was made for another log or another token")
	}
	n, err := note.Open(claim, note.VerifierList(verifiers...))
	if err != nil || len(n.Sigs) != len(verifiers) {
		return bad("a signature is missing or wrong")
	}
	return key, old, nil
}
