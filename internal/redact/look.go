package redact

import "strings"

// secretWord tells a made-up word from one of a sentence: letters mixed with
// digits or with signs that no word has; dates, times, versions, ids and paths
// are left.
func secretWord(v string, least int) bool {
	if len(v) < least || maskLen(v) > 0 {
		return false
	}
	var letters, digits, signs, capitals int
	for i := 0; i < len(v); i++ {
		c := v[i]
		switch k := classes[c]; {
		case k&letter != 0:
			letters++
			if c >= 'A' && c <= 'Z' && i > 0 {
				capitals++
			}
		case k&digit != 0:
			digits++
		case strings.IndexByte("!#$%^&*+=~@?", c) >= 0:
			signs++
		}
	}
	switch {
	case innocent(v):
		return false
	case letters > 0 && digits > 0, letters > 0 && signs > 0, digits > 0 && signs > 0:
		return true
	}
	return len(v) >= 20 && capitals >= 4 // long and of mixed case
}

// base64Pair tells base64 of user:password from a word that follows "basic".
func base64Pair(v string) bool {
	if strings.HasSuffix(v, "=") {
		return true
	}
	lower, upper := false, false
	for i := 1; i < len(v); i++ {
		lower = lower || v[i] >= 'a' && v[i] <= 'z'
		upper = upper || v[i] >= 'A' && v[i] <= 'Z'
	}
	return len(v) >= 8 && lower && upper
}

// innocent knows words that look made up and are not secret: ids, digests,
// dates, versions, paths and addresses.
func innocent(v string) bool {
	switch {
	case isUUID(v), strings.HasPrefix(v, "sha256:"), strings.HasPrefix(v, "/"), strings.HasPrefix(v, "./"), strings.Contains(v, "://"), v[0] == '#':
		return true
	case len(v) > 1 && (v[0] == 'v' || v[0] == 'V') && classes[v[1]]&digit != 0 && allOf(v[1:], ".-"):
		return true
	}
	if allOf(v, ".-:TZ_/+") && classes[v[0]]&digit != 0 {
		return true // 2026-01-02T03:04:05Z, 1.2.3, 10.0.0.1
	}
	if len(v) >= 32 && isHex(v) {
		return true
	}
	// 30s, 15min, 2nd, 100MB: a number and its unit.
	n := 0
	for n < len(v) && (classes[v[n]]&digit != 0 || v[n] == '.') {
		n++
	}
	return n > 0 && len(v)-n <= 3
}

// looksRandom tells machine-made words: letters and digits, changing often.
func looksRandom(s string) bool {
	letters, digits, turns := 0, 0, 0
	for i := 0; i < len(s); i++ {
		k := classes[s[i]] & (letter | digit)
		switch k {
		case letter:
			letters++
		case digit:
			digits++
		}
		if i > 0 && k != classes[s[i-1]]&(letter|digit) {
			turns++
		}
	}
	return letters > 0 && digits > 0 && turns >= 3
}

func countDigits(s string) (n int) {
	for i := 0; i < len(s); i++ {
		if classes[s[i]]&digit != 0 {
			n++
		}
	}
	return n
}

func allDigits(s string) bool {
	for i := 0; i < len(s); i++ {
		if classes[s[i]]&digit == 0 {
			return false
		}
	}
	return true
}

func allOf(s, more string) bool {
	for i := 0; i < len(s); i++ {
		if classes[s[i]]&digit == 0 && strings.IndexByte(more, s[i]) < 0 {
			return false
		}
	}
	return true
}

func isHex[S string | []byte](s S) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i] | 0x20; (s[i] < '0' || s[i] > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return len(s) > 0
}

func isUUID[S string | []byte](s S) bool {
	if len(s) != 36 || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return false
	}
	var digits Bits
	for i := 0; i < len(s); i++ {
		digits += classes[s[i]] & hexa / hexa
	}
	return digits == 32
}

// isDigest knows SHA-256 as this log writes it: sha256: and 64 small hexadecimal digits.
func isDigest[S string | []byte](s S) bool {
	if len(s) != len("sha256:")+64 || string(s[:7]) != "sha256:" {
		return false
	}
	for i := 7; i < len(s); i++ {
		if k := classes[s[i]]; k&hexa == 0 || k&capital != 0 {
			return false
		}
	}
	return true
}

func printable(b []byte) bool {
	for _, c := range b {
		if c < ' ' || c > '~' {
			return false
		}
	}
	return true
}

// strong tells a password from words, numbers and names: letters, digits, and a
// sign that none of them has.
func strong(v string) bool {
	if len(v) < 6 || len(v) > 40 || maskLen(v) > 0 {
		return false
	}
	letters, digits, signs := 0, 0, 0
	for i := 0; i < len(v); i++ {
		switch k := classes[v[i]]; {
		case k&letter != 0:
			letters++
		case k&digit != 0:
			digits++
		case strings.IndexByte("!#$^*", v[i]) >= 0:
			signs++
		case strings.IndexByte("/\\()[]{}<>|=", v[i]) >= 0:
			return false // a path, a pattern, code
		}
	}
	return letters > 1 && digits > 0 && signs > 0 && !reference(v)
}

// Void tells whether a text under a secret-looking key says nothing: that it is
// unset, what happened to it, or of what kind it is.
func Void(v string) bool {
	switch strings.ToLower(v) {
	case "", "true", "false", "yes", "no", "on", "off", "none", "null", "nil", "<nil>", "undefined", "***", "****", "*****", "******", "********",
		"<redacted>", "[redacted]", "redacted", "~", "-",
		"changed", "unchanged", "updated", "expired", "reset", "rotated", "accepted", "rejected", "invalid", "missing", "kept", "required",
		"correct", "incorrect", "wrong", "hidden", "masked", "unset", "present", "absent", "empty", "enabled", "disabled", "verified",
		"revoked", "created", "deleted", "refreshed", "ok", "okay", "valid", "granted", "denied", "failed", "success", "succeeded", "unused",
		"unknown", "expires", "ldap", "oauth", "oauth2", "saml", "oidc", "kerberos", "mtls", "sso", "publickey":
		return true
	}
	return IsMask(v)
}
