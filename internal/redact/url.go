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
		if c <= ' ' || c == '"' || c == '\'' || c == '<' || c == '>' || c == '`' {
			break
		}
		// DOMAIN\user is part of a login; \" and the \n of JSON end the URL.
		if c == '\\' && (end+1 == len(s) || strings.IndexByte("\"'\\nrtu", s[end+1]) >= 0) {
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

// pathToken masks what stands behind a segment of a path that promises a token,
// /reset-password/TOKEN, with the slash before the token at i.
func (f *finder) pathToken(i int) {
	s := f.s
	end := i + 1
	letters, capitals, digits := 0, 0, 0
	for ; end < len(s); end++ {
		switch k := classes[s[end]]; {
		case k&capital != 0:
			capitals++
		case k&letter != 0:
			letters++
		case k&digit != 0:
			digits++
		case s[end] != '_' && s[end] != '-':
			goto done
		}
	}
done:
	v := s[i+1 : end]
	random := letters >= 3 && capitals >= 3 && digits >= 1 || len(v) >= 32 && isHex(v)
	if len(v) < 20 || !random {
		return
	}
	b := i
	for b > 0 && i-b < 40 && (classes[s[b-1]]&letter != 0 || s[b-1] == '-' || s[b-1] == '_') {
		b--
	}
	if b == 0 || s[b-1] != '/' {
		return
	}
	for _, w := range strings.FieldsFunc(strings.ToLower(s[b:i]), func(r rune) bool { return r == '-' || r == '_' }) {
		switch w {
		case "reset", "password", "token", "tokens", "session", "sessions", "invite", "invitation", "verify", "confirm", "magic", "activate", "login", "unsubscribe":
			f.add(i+1, end, "url")
			return
		}
	}
}

// oracle masks the password of user/password@service, where the words before it
// at i say that this is no path and no repository.
func (f *finder) oracle(i int) {
	s := f.s
	for _, p := range [...]string{"sqlplus ", "oracle:thin:"} {
		if hasFold(s[i:], p) {
			from := i + len(p)
			end := from
			for end < len(s) && end-from < 256 && strings.IndexByte(" \t\n\"'", s[end]) < 0 {
				end++
			}
			if a, b := slashLogin(s[from:end]); b > a {
				f.add(from+a, from+b, "url")
			}
		}
	}
}

// slashLogin returns where the password of user/password@service stands.
func slashLogin(s string) (from, to int) {
	slash := strings.IndexByte(s, '/')
	if slash < 1 || classes[s[0]]&letter == 0 {
		return 0, 0
	}
	from, to = slash+1, len(s)
	if at := strings.IndexByte(s[from:], '@'); at >= 0 {
		to = from + at
	}
	if IsMask(s[from:to]) {
		return 0, 0
	}
	return from, to
}

// pgpass masks the fifth field of host:port:database:user:password, with the
// colon before the port at i.
func (f *finder) pgpass(i int) {
	s := f.s
	j := i + 1
	for j < len(s) && j-i < 7 && classes[s[j]]&digit != 0 {
		j++
	}
	b := i
	for b > 0 && i-b < 254 && (classes[s[b-1]]&(letter|digit) != 0 || s[b-1] == '.' || s[b-1] == '-') {
		b--
	}
	if j-i < 4 || i-b < 2 || b > 0 && s[b-1] == ':' {
		return // a fingerprint, a time
	}
	for range 2 {
		if j+1 >= len(s) || s[j] != ':' || classes[s[j+1]]&letter == 0 && s[j+1] != '*' {
			return
		}
		for j++; j < len(s) && j-i < 512 && (classes[s[j]]&(letter|digit) != 0 || strings.IndexByte("_-.*", s[j]) >= 0); j++ {
		}
	}
	if j >= len(s) || s[j] != ':' {
		return
	}
	end := j + 1
	for end < len(s) && end-j < 256 && s[end] > ' ' && s[end] != '"' && s[end] != '\'' {
		end++
	}
	f.add(j+1, end, "password")
}

// colonLogin masks the password of user:password where nothing but its strength
// gives it away, with the colon at i.
func (f *finder) colonLogin(i int) {
	s := f.s
	if i == 0 || classes[s[i-1]]&(letter|digit) == 0 {
		return
	}
	end := i + 1
	for end < len(s) && end-i < 48 && strings.IndexByte(" \t\r\n\"'`,;<>()[]{}/=:@\\", s[end]) < 0 {
		end++
	}
	if strong(s[i+1:end]) && (end == len(s) || strings.IndexByte(" \t\r\n\"',;)", s[end]) >= 0) {
		f.add(i+1, end, "password")
	}
}
