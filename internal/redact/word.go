package redact

import "strings"

// word masks what follows a keyword at i without a mark between them: "Bearer
// x", "password hunter2", "token is abc123".
func (f *finder) word(i int) {
	s := f.s
	if !keyword(s[i:]) {
		return
	}
	if clause := "identified by "; hasFold(s[i:], clause) { // SQL
		from := skipSpace(s, i+len(clause))
		if from < len(s) && (s[from] == '\'' || s[from] == '"') {
			f.add(from+1, closing(s, from+1, s[from:from+1]), "password")
		}
		return
	}
	e := i
	for e < len(s) && e-i < 64 && (classes[s[e]]&(letter|digit|High) != 0 || s[e] == '_' || s[e] == '-' || s[e] == '.') {
		e++
	}
	w := strings.ToLower(s[i:e])
	if e >= len(s) || s[e] != ' ' && s[e] != '\t' {
		return
	}
	if w == "bearer" || w == "basic" {
		from := skipSpace(s, e)
		end := from
		for end < len(s) && (classes[s[end]]&(letter|digit|joiner) != 0 || strings.IndexByte("+=~", s[end]) >= 0) {
			end++
		}
		for end > from && s[end-1] == '.' {
			end--
		}
		v := s[from:end]
		if strings.HasSuffix(v, "=") && end < len(s) && s[end] == '"' {
			return // WWW-Authenticate: Basic realm="…"
		}
		if secretWord(v, 6) && (w == "bearer" || base64Pair(v)) || w == "bearer" && (len(v) >= 16 || strings.HasPrefix(v, "eyJ")) {
			f.add(from, end, w)
		}
		return
	}
	rule, hit := Key(w)
	if !hit {
		switch w { // the last of two or three: api key, verification code, mot de passe
		case "key", "code", "passe", "string", "phrase", "number":
			from := i
			for n := 0; n < 2 && !hit; n++ {
				if from = wordBefore(s, from); from < i {
					rule, hit = Key(s[from:e])
				}
			}
		}
	}
	if !hit || i > 0 && (s[i-1] == '-' && (i == 1 || classes[s[i-2]]&(letter|digit) == 0) || s[i-1] == '/' || s[i-1] == '.') {
		return
	}
	from, linked := links(s, skipSpace(s, e), rule)
	end := f.said(from, rule, linked)
	// "changed the password from X to Y"
	if n := linkWord(s[min(len(s), end+1):]); end > from && s[min(end, len(s)-1)] == ' ' && n > 0 {
		f.said(skipSpace(s, end+1+n), rule, true)
	}
}

// wordBefore returns where the word before the one at i begins.
func wordBefore(s string, i int) int {
	if i < 2 || s[i-1] != ' ' && s[i-1] != '_' {
		return i
	}
	b := i - 1
	for b > 0 && i-b < 24 && classes[s[b-1]]&(letter|digit) != 0 {
		b--
	}
	if b == i-1 {
		return i
	}
	return b
}

// links steps from the name at from over the words that join it to its value:
// "for alice is now".
func links(s string, from int, rule string) (at int, linked bool) {
	for _, w := range [...]string{"for ", "of ", "für ", "von ", "pour ", "de "} {
		if !hasFold(s[from:], w) {
			continue
		}
		whom := from + len(w)
		for range 3 {
			sp := strings.IndexByte(s[whom:min(len(s), whom+64)], ' ')
			if sp < 1 {
				break
			}
			if whom += sp + 1; s[whom-2] == ':' {
				from, linked = whom, true // "for alice: …"
				break
			}
			if linkWord(s[whom:]) > 0 {
				from = whom
				break
			}
		}
		break
	}
	for range 3 {
		n := linkWord(s[from:])
		if n == 0 && rule == "session" && hasFold(s[from:], "id ") {
			n = 3
		}
		if n == 0 {
			break
		}
		linked = true
		from = skipSpace(s, from+n)
	}
	return from, linked
}

// said masks the word at from where it looks like the value of what was named
// before it, and returns where the mask ends, or from.
func (f *finder) said(from int, rule string, linked bool) int {
	s := f.s
	if from >= len(s) {
		return from
	}
	if q := s[from]; q == '"' || q == '\'' || q == '`' {
		end := closing(s, from+1, s[from:from+1])
		v := s[from+1 : end]
		if v != "" && !IsMask(v) && (rule == "passphrase" || strings.IndexByte(v, ' ') < 0) && (linked || rule == "password" || rule == "passphrase" || secretWord(v, 4)) {
			f.add(from+1, end, rule)
			return min(end+1, len(s))
		}
		return from
	}
	if rule == "phone" {
		return f.called(from)
	}
	end := from
	for end < len(s) && strings.IndexByte(" \t\n\r\"'`,;<>()[]{}", s[end]) < 0 {
		end++
	}
	for end > from && strings.IndexByte(".:!?", s[end-1]) >= 0 && end-from > 1 {
		end--
	}
	v := s[from:end]
	least := 6
	if linked {
		least = 5
	}
	switch rule {
	case "pin", "otp", "card":
		if digits := countDigits(v); digits >= 3 && digits == len(v) || digits >= 4 && linked && allOf(v, "- ") {
			f.add(from, end, rule)
			return end
		}
	}
	if rule == "key" && (len(v) == 8 || len(v) == 16) && isHex(v) {
		return from // the id of a key
	}
	// A long hex number behind such a word is the secret, not a digest.
	if secretWord(v, least) || len(v) >= 24 && isHex(v) && rule != "credential" {
		f.add(from, end, rule)
		return end
	}
	return from
}

func skipSpace(s string, i int) int {
	for i < len(s) && (s[i] == ' ' || s[i] == '\t') {
		i++
	}
	return i
}

// linkWord returns the length of a word that joins a name to its value, with the
// colon behind it and the space.
func linkWord(s string) int {
	for _, w := range [...]string{"is", "was", "to", "as", "of", "value", "now", "set", "=>", "->", "code", "hash", "from", "ist", "war", "lautet", "auf", "von", "est", "es", "é"} {
		if !hasFold(s, w) {
			continue
		}
		switch n := len(w); {
		case strings.HasPrefix(s[n:], " "):
			return n + 1
		case strings.HasPrefix(s[n:], ": "):
			return n + 2
		}
	}
	return 0
}
