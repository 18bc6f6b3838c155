package redact

import "strings"

// url masks the password of scheme://user:password@host with "://" at i, and a
// user without one that looks like a token.
func (f *finder) url(i int) {
	s := f.s
	from := i + 3
	end := from
	at, colon, slash := -1, -1, -1
	for end < len(s) && end-from < 4096 {
		c := s[end]
		if c <= ' ' || c == '"' || c == '\'' || c == '<' || c == '>' || c == '`' || c == '\\' {
			break
		}
		if c == '[' {
			if n := maskLen(s[end:]); n > 0 {
				end += n
				continue
			}
		}
		if c == ':' && strings.HasPrefix(s[end:], "://") {
			break // the next URL looks after itself, and nothing is read twice
		}
		if (c == '?' || c == '#') && at >= 0 {
			break
		}
		switch c {
		case '@':
			at = end
		case ':':
			if colon < 0 && slash < 0 {
				colon = end
			}
		case '/', '?':
			if slash < 0 {
				slash = end
			}
			// host:port/path@x is no userinfo, u:p/w@host is one.
			if at >= 0 || colon < 0 || allDigits(s[colon+1:end]) {
				goto done
			}
		}
		end++
	}
done:
	if at < 0 {
		return
	}
	if colon >= 0 && colon < at {
		f.add(colon+1, at, "url")
		return
	}
	if at-from >= 16 && (looksRandom(s[from:at])) {
		f.add(from, at, "url")
	}
}

// login masks the password of user:password@host:port and of Go's
// user:password@tcp(host), which have no scheme, with the @ at i.
func (f *finder) login(i int) {
	s := f.s
	b := i
	for b > 0 && i-b < 128 && strings.IndexByte(" \t\n\"'`<>=,;/[]", s[b-1]) < 0 {
		b--
	}
	colon := strings.IndexByte(s[b:i], ':')
	if colon < 1 || colon+1 == i-b || classes[s[b]]&letter == 0 {
		return
	}
	e := i + 1
	for e < len(s) && e-i < 254 && (classes[s[e]]&(letter|digit) != 0 || s[e] == '-' || s[e] == '.') {
		e++
	}
	if e == i+1 || e == len(s) || s[i+1:e] == "sha256" {
		return
	}
	if s[e] == '(' || s[e] == ':' && e+1 < len(s) && classes[s[e+1]]&digit != 0 {
		f.add(b+colon+1, i, "url")
	}
}
