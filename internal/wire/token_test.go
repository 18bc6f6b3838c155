package wire

import (
	"crypto/sha256"
	"errors"
	"testing"
)

func TestTokens(t *testing.T) {
	secret, logID := sha256.Sum256([]byte("secret")), sha256.Sum256([]byte("vkey"))
	text := FormatToken(secret, logID)
	// A vector for other implementations.
	const want = "stet1_K7gNU3sdo-OL0wNhqoVWhr3g6s1xYv72ol_pe_Unols_KTyYaAGuQgCMmLXwgV7TNWUcuxqMNu9i-ijeCd-ci-w"
	if text != want {
		t.Errorf("a token is %q, want %q", text, want)
	}
	gotSecret, gotLog, err := ParseToken(text)
	if err != nil || gotSecret != secret || gotLog != logID {
		t.Errorf("it reads back as %x, %x, %v", gotSecret, gotLog, err)
	}
	if !Pins(text, "vkey") || Pins(text, "another") || Pins(text[1:], "vkey") {
		t.Error("a token does not tell its log's key from another")
	}
	for i := range len(text) {
		if _, _, err := ParseToken(text[:i]); !errors.Is(err, ErrToken) {
			t.Errorf("cut to %d: %v", i, err)
		}
		for _, c := range []byte{' ', '\n', '\r', '=', '+', 0} {
			b := []byte(text)
			b[i] = c
			if _, _, err := ParseToken(string(b)); !errors.Is(err, ErrToken) {
				t.Errorf("%q at %d: %v", c, i, err)
			}
		}
	}
	for _, bad := range []string{text + "\n", text + "A", text[:48] + "t" + text[49:]} { // the last has bits that no byte has
		if _, _, err := ParseToken(bad); !errors.Is(err, ErrToken) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func FuzzParseToken(f *testing.F) {
	f.Add(FormatToken(sha256.Sum256(nil), sha256.Sum256(nil)))
	f.Add("stet1_")
	f.Fuzz(func(t *testing.T, text string) {
		secret, logID, err := ParseToken(text)
		if err == nil && FormatToken(secret, logID) != text {
			t.Error("two texts are read as one token")
		}
	})
}
