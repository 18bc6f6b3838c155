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
	for e < len(s) && e-i < 64 && (classes[s[e]]&(letter|digit) != 0 || s[e] == '_' || s[e] == '-' || s[e] == '.') {
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
		if secretWord(v, 6) && (w == "bearer" || base64Pair(v)) || w == "bearer" && (len(v) >= 16 || strings.HasPrefix(v, "eyJ")) {
			f.add(from, end, w)
		}
		return
	}
	rule, hit := Key(w)
	if !hit && w == "key" && i > 1 {
		b := i - 1
		for b > 0 && i-b < 24 && classes[s[b-1]]&letter != 0 {
			b--
		}
		rule, hit = Key(s[b:e])
	}
	if !hit || i > 0 && (s[i-1] == '-' || s[i-1] == '/' || s[i-1] == '.') {
		return
	}
	from := skipSpace(s, e)
	linked := false
	if hasFold(s[from:], "for ") || hasFold(s[from:], "of ") { // "password for alice is …"
		whom := skipSpace(s, from+strings.IndexByte(s[from:], ' '))
		if sp := strings.IndexByte(s[whom:min(len(s), whom+64)], ' '); sp > 0 && linkWord(s[whom+sp+1:]) > 0 {
			from = whom + sp + 1
		}
	}
	for range 3 {
		n := linkWord(s[from:])
		if n == 0 {
			break
		}
		linked = true
		from = skipSpace(s, from+n)
	}
	if from >= len(s) {
		return
	}
	if q := s[from]; q == '"' || q == '\'' || q == '`' {
		end := closing(s, from+1, s[from:from+1])
		if v := s[from+1 : end]; v != "" && !IsMask(v) && strings.IndexByte(v, ' ') < 0 && (linked || rule == "password" || secretWord(v, 4)) {
			f.add(from+1, end, rule)
		}
		return
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
		if digits := countDigits(v); digits >= 3 && digits == len(v) {
			f.add(from, end, rule)
			return
		}
	}
	// A long hex number behind such a word is the secret, not a digest.
	if secretWord(v, least) || len(v) >= 24 && isHex(v) && rule != "credential" {
		f.add(from, end, rule)
	}
}

func skipSpace(s string, i int) int {
	for i < len(s) && (s[i] == ' ' || s[i] == '\t') {
		i++
	}
	return i
}

// linkWord returns the length of a word that joins a name to its value.
func linkWord(s string) int {
	for _, w := range [...]string{"is ", "was ", "to ", "as ", "of ", "value ", "now ", "set ", "=> ", "-> ", "code ", "hash ", "ist ", "est "} {
		if hasFold(s, w) {
			return len(w)
		}
	}
	return 0
}
