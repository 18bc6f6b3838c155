package redact

import (
	"strings"
	"testing"
)

// stet's own tokens must not be in its log: wherever one stands, its secret half goes.
func TestOwnTokens(t *testing.T) {
	for _, secret := range []string{
		"aBcDeFgHiJkLmNoPqRsTuVwXyZ0123456789-_abcde",
		"-----------------------------------------xA",
		"___________________________________________",
		"0000000000000000000000000000000000000000000",
	} {
		token := "stet1_" + secret + "_bCdEfGhIjKlMnOpQrStUvWxYz0123456789-_ABCDEF"
		for _, text := range []string{token, "the token is " + token + ".", "Authorization: Bearer " + token, `{"x":"` + token + `"}`, "curl -H 'X: " + token + "' https://x/"} {
			if out, finds := Text(text); strings.Contains(out, secret[:20]) || len(finds) == 0 {
				t.Errorf("%q became %q", text, out)
			}
		}
	}
}
