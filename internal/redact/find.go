package redact

import (
	"slices"
	"strings"
)

// finder collects what is to be masked in one text.
type finder struct {
	s        string
	personal bool
	spans    []span
}

func sortSpans(spans []span) {
	slices.SortStableFunc(spans, func(a, b span) int { return a.from - b.from })
}

func (f *finder) add(from, to int, rule string) {
	if from >= to || !f.personal && personalRule(rule) {
		return
	}
	// What is masked already stays as it is.
	if n := maskLen(f.s[from:to]); n > 0 && n == to-from {
		return
	}
	f.spans = append(f.spans, span{from, to, rule})
}

// Personal tells whether a rule is about a person rather than a secret, so that
// what it finds may lawfully stay in some places.
func Personal(rule string) bool { return personalRule(rule) }

// personalRule tells rules about persons from rules about secrets.
func personalRule(rule string) bool {
	switch rule {
	case "card", "iban", "ssn", "email", "phone", "personal":
		return true
	}
	return false
}

// run looks at every position once; each matcher looks a bounded way ahead, or
// moves the position on.
func (f *finder) run() {
	s := f.s
	masked := 0 // end of the mask that i is in
	value := 0  // end of the last value masked by its key
	for i := 0; i < len(s); i++ {
		if i < masked {
			continue
		}
		c := s[i]
		k := classes[c]
		var p Bits
		if i > 0 {
			p = classes[s[i-1]]
		}
		switch {
		case c == '[':
			if n := maskLen(s[i:]); n > 0 {
				masked = i + n
			}
		case c == '=' || c == ':':
			if i >= value && !strings.HasPrefix(s[i:], ":=") {
				value = max(value, f.pair(i))
			}
			if c == ':' && strings.HasPrefix(s[i:], "://") {
				f.url(i)
			}
		case c == '%' && hasFold(s[i:], "%3d"):
			if i >= value {
				value = max(value, f.pair(i))
			}
		case c == '<':
			f.element(i)
		case c == '@':
			f.email(i)
			f.login(i)
		case c == '-' && strings.HasPrefix(s[i:], "-----BEGIN"):
			if end := f.pem(i); end > i {
				masked = end
			}
		case k&letter != 0 && p&(letter|digit) == 0:
			if n := f.token(i); n > 0 {
				masked = i + n
				continue
			}
			f.word(i)
			if f.personal {
				f.iban(i)
			}
		case c == '+' && p&(letter|digit) == 0:
			f.phone(i)
		case k&digit != 0 && p&(letter|digit|High) == 0:
			if n := f.token(i); n > 0 {
				masked = i + n
				continue
			}
			f.number(i)
		}
	}
	f.commands()
}

// pair handles key=value and key: value with the mark at i, in any of the
// notations people write them in, and returns where the value ends.
func (f *finder) pair(i int) int {
	s := f.s
	// The key: back over spaces and quotes.
	e := i
	if e > 0 && s[e-1] == ':' { // :=
		e--
	}
	for e > 0 && s[e-1] == ' ' && i-e < 8 {
		e--
	}
	for e > 0 && (s[e-1] == '"' || s[e-1] == '\'' || s[e-1] == '\\' || s[e-1] == '`' || s[e-1] == ']') {
		e--
	}
	b := e
	for b > 0 && e-b < maxKey && (classes[s[b-1]]&(letter|digit|High) != 0 || s[b-1] == '_' || s[b-1] == '-' || s[b-1] == '.') {
		b--
	}
	if b == e {
		return 0
	}
	// Names of several words: "api key: x", "Shared Access Key = x".
	wide := b
	for n := 0; n < 2 && wide > 1 && s[wide-1] == ' ' && classes[s[wide-2]]&letter != 0; n++ {
		w := wide - 1
		for w > 0 && wide-w < 24 && classes[s[w-1]]&(letter|digit) != 0 {
			w--
		}
		wide = w
	}
	rule, hit := Key(s[b:e])
	if !hit && wide < b && !harmlessTail(s[b:e]) {
		rule, hit = Key(s[wide:e])
	}
	inQuery := false
	if !hit && s[i] == '=' && b > 0 && (s[b-1] == '?' || s[b-1] == '&') {
		inQuery = true
		rule, hit = queryKey(s[b:e])
	}
	if !hit || chained(s, b) {
		return 0
	}
	if inQuery && strings.EqualFold(s[b:e], "code") && f.bare(i+1, rule, true)-i < 8 {
		return 0 // ?code=200
	}
	if s[i] == '%' {
		i += 2 // %3D
	}
	return f.value(i+1, rule, s[i], inQuery || b > 0 && (s[b-1] == '?' || s[b-1] == '&'))
}

func harmlessTail(w string) bool {
	_, hit := Key("secret_" + w)
	return !hit
}

// chained knows resource names, arn:…:secret:name, whose parts are no values.
func chained(s string, b int) bool {
	from := strings.LastIndexAny(s[:b], " \t\n\"'=,")
	return strings.HasPrefix(s[from+1:], "arn:")
}

// queryKey knows keys that are secret in a URL's query alone.
func queryKey(k string) (string, bool) {
	switch strings.ToLower(k) {
	case "sig", "signature", "x-amz-signature", "x-amz-credential", "x-amz-security-token", "x-goog-signature", "code", "auth", "sas", "apikey", "assertion", "ticket":
		return "url", true
	}
	return "", false
}

// value masks the value that begins at or after i and returns its end.
func (f *finder) value(i int, rule string, sep byte, query bool) int {
	s := f.s
	if sep == '=' && i < len(s) && (s[i] == '=' || s[i] == '>' || s[i] == '~') {
		i++ // ==, =>
	}
	for n := 0; i < len(s) && (s[i] == ' ' || s[i] == '\t') && n < 64; n++ {
		i++
	}
	if i >= len(s) {
		return i
	}
	if n := maskLen(s[i:]); n > 0 {
		return i + n
	}
	// YAML block scalars: the indented lines that follow.
	if (s[i] == '|' || s[i] == '>') && sep == ':' {
		if nl := strings.IndexByte(s[i:], '\n'); nl >= 0 && nl < 4 {
			return f.block(i+nl+1, rule)
		}
	}
	from := i
	for i < len(s) && s[i] == '\\' && i-from < 8 {
		i++
	}
	if i < len(s) && (s[i] == '"' || s[i] == '\'' || s[i] == '`') {
		quote := s[from : i+1]
		start := i + 1
		end := closing(s, start, quote)
		if n := maskLen(s[start:end]); n > 0 && n == end-start {
			return end
		}
		f.add(start, end, rule)
		return end
	}
	i = from
	if s[i] == '{' || s[i] == '[' {
		end := nested(s, i)
		if inner := strings.TrimSpace(s[i+1 : max(i+1, end-1)]); inner == "" {
			return end
		}
		f.add(i, end, rule)
		return end
	}
	end := f.bare(i, rule, query)
	if end < len(s) && s[end] == '}' && reference(s[i:end+1]) || reference(s[i:end]) {
		return end
	}
	switch strings.ToLower(s[i:end]) {
	case "changed", "unchanged", "updated", "expired", "reset", "rotated", "accepted", "rejected", "invalid", "missing", "kept", "required",
		"correct", "incorrect", "wrong", "hidden", "masked", "unset", "present", "absent", "empty", "enabled", "disabled", "verified",
		"revoked", "created", "deleted", "refreshed":
		return end // what happened to it, not what it is
	case "", "true", "false", "null", "none", "nil", "yes", "no", "***", "****", "*****", "******", "********", "<nil>", "<redacted>", "[redacted]", "redacted", "undefined", "~", "-":
		return end
	}
	f.add(i, end, rule)
	return end
}

// reference tells whether v names a variable instead of holding a value:
// ${VAR}, $(command), $VAR, {{ template }}, %VAR%.
func reference(v string) bool {
	switch {
	case strings.HasPrefix(v, "${") && strings.IndexByte(v, '}') == len(v)-1,
		strings.HasPrefix(v, "$(") && strings.IndexByte(v, ')') == len(v)-1,
		strings.HasPrefix(v, "{{"):
		return true
	case len(v) < 3 || v[0] != '$' && v[0] != '%':
		return false
	}
	for _, c := range []byte(strings.Trim(v, "$%")) {
		if (c < 'A' || c > 'Z') && c != '_' && classes[c]&digit == 0 {
			return false
		}
	}
	return classes[v[1]]&digit == 0
}

// closing returns where the string that began at start ends: at the same quote,
// with the same backslashes before it.
func closing(s string, start int, quote string) int {
	slashes, q := len(quote)-1, quote[len(quote)-1]
	run := 0
	for i := start; i < len(s); i++ {
		switch {
		case s[i] == '\\':
			run++
			continue
		case s[i] == q && (slashes == 0 && run%2 == 0 || slashes > 0 && run <= slashes):
			return i - min(run, slashes)
		}
		run = 0
	}
	return len(s)
}

// nested returns the end of the brackets that open at i, or of the text.
func nested(s string, i int) int {
	depth := 0
	var quote byte
	for ; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\':
			i++
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '"' || c == '\'':
			quote = c
		case c == '{' || c == '[':
			depth++
		case c == '}' || c == ']':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return len(s)
}

// block returns the end of the indented lines from i on, masking them.
func (f *finder) block(i int, rule string) int {
	s := f.s
	end := i
	for end < len(s) && (s[end] == ' ' || s[end] == '\t') {
		nl := strings.IndexByte(s[end:], '\n')
		if nl < 0 {
			end = len(s)
			break
		}
		end += nl + 1
	}
	from := i
	for from < end && (s[from] == ' ' || s[from] == '\t') {
		from++
	}
	to := end
	for to > from && (s[to-1] == '\n' || s[to-1] == ' ') {
		to--
	}
	f.add(from, to, rule)
	return end
}

// bare returns the end of a value without quotes.
func (f *finder) bare(i int, rule string, query bool) int {
	s := f.s
	start := i
	if rule == "authorization" {
		if n := scheme(s[i:]); n > 0 {
			// Everything to the end of the header: "Digest username=…, response=…".
			quoted := hasFold(s[i:], "digest") || hasFold(s[i:], "oauth") || hasFold(s[i:], "signature") || hasFold(s[i:], "hmac")
			i += n
			for i < len(s) && s[i] != '\n' && s[i] != '\r' && (quoted || s[i] != '"' && s[i] != '\'') {
				i++
			}
			return i
		}
	}
	for i < len(s) {
		switch c := s[i]; c {
		case ' ':
			// Cookies go on behind "; ", numbers in groups behind a space.
			if rule == "session" && s[i-1] == ';' && pairAhead(s[i+1:]) {
				i++
				continue
			}
			if personalRule(rule) && i+1 < len(s) && classes[s[i+1]]&digit != 0 && i-start < 40 {
				i++
				continue
			}
			return i
		case '\t', '\n', '\r', '"', '\'', '`', '<', '>':
			return i
		case ';':
			if rule == "session" && i+1 < len(s) && s[i+1] == ' ' && pairAhead(s[i+2:]) {
				i++
				continue
			}
			return i
		case '&':
			return i
		case '#':
			if query {
				return i
			}
		case ',':
			if i+1 == len(s) || s[i+1] == ' ' || s[i+1] == '"' || s[i+1] == '\'' || pairAhead(s[i+1:]) {
				return i
			}
		case ')', ']', '}':
			if i+1 == len(s) || strings.IndexByte(" ,;.)]}\"'\n", s[i+1]) >= 0 {
				return i
			}
		case '.':
			// The end of a sentence is not part of the secret, nor worth keeping.
			if i+1 == len(s) || s[i+1] == ' ' {
				return i
			}
		case '[':
			if i > start && maskLen(s[i:]) > 0 {
				i += maskLen(s[i:])
				continue
			}
		}
		i++
	}
	return i
}

// pairAhead tells whether s begins with another key and its mark.
func pairAhead(s string) bool {
	for i := 0; i < len(s) && i < 48; i++ {
		c := s[i]
		if c == '=' || c == ':' {
			return i > 0
		}
		if classes[c]&(letter|digit) == 0 && c != '_' && c != '-' && c != '.' && c != ' ' && c != '"' && c != '\'' {
			return false
		}
	}
	return false
}

// scheme returns the length of an HTTP authentication scheme and its space.
func scheme(s string) int {
	for _, w := range [...]string{"bearer ", "basic ", "digest ", "token ", "negotiate ", "apikey ", "aws4-hmac-sha256 ", "hmac ", "signature ", "ntlm ", "oauth ", "dpop ", "sharedkey ", "sharedaccesssignature ", "key ", "splunk ", "genie"} {
		if hasFold(s, w) {
			return len(w)
		}
	}
	return 0
}

// hasFold is HasPrefix for a lower-case prefix in any case.
func hasFold(s, prefix string) bool {
	if len(s) < len(prefix) {
		return false
	}
	for i := 0; i < len(prefix); i++ {
		c := s[i]
		if c >= 'A' && c <= 'Z' {
			c |= 0x20
		}
		if c != prefix[i] {
			return false
		}
	}
	return true
}

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

func allDigits(s string) bool {
	for i := 0; i < len(s); i++ {
		if classes[s[i]]&digit == 0 {
			return false
		}
	}
	return true
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

// element masks <password>…</password>.
func (f *finder) element(i int) {
	s := f.s
	j := i + 1
	for j < len(s) && j-i < maxKey && (classes[s[j]]&(letter|digit) != 0 || s[j] == '_' || s[j] == '-' || s[j] == '.' || s[j] == ':') {
		j++
	}
	if j == i+1 || j >= len(s) || s[j] != '>' {
		return
	}
	name := s[i+1 : j]
	if c := strings.LastIndexByte(name, ':'); c >= 0 {
		name = name[c+1:]
	}
	rule, hit := Key(name)
	if !hit {
		return
	}
	from := j + 1
	end := strings.Index(s[from:], "</")
	if end < 0 {
		end = len(s) - from
	}
	if v := s[from : from+end]; strings.TrimSpace(v) != "" && !IsMask(v) {
		f.add(from, from+end, rule)
	}
}

// pem masks a PEM block with its dashes at i, to its END line or, where that is
// missing, as far as base64 goes; public certificates and keys are left alone.
func (f *finder) pem(i int) int {
	s := f.s
	label := s[i+len("-----BEGIN"):]
	if n := strings.IndexByte(label, '\n'); n >= 0 {
		label = label[:n]
	}
	label = label[:min(len(label), 64)]
	if d := strings.Index(label, "-----"); d >= 0 {
		label = label[:d]
	}
	if !strings.Contains(label, "PRIVATE") && (strings.Contains(label, "CERTIFICATE") || strings.Contains(label, "PUBLIC")) {
		return i
	}
	if e := strings.Index(s[i:], "-----END"); e >= 0 {
		end := i + e + len("-----END")
		if d := strings.Index(s[end:], "-----"); d >= 0 && d < 64 {
			end += d + 5
		} else {
			for end < len(s) && classes[s[end]]&letter != 0 || end < len(s) && s[end] == ' ' {
				end++
			}
		}
		f.add(i, end, "pem")
		return end
	}
	end := i + len("-----BEGIN")
	for end < len(s) {
		c := s[end]
		if classes[c]&(letter|digit|joiner) == 0 && c != '+' && c != '=' && c != '\n' && c != '\r' && c != ' ' && c != '\\' && c != ':' && c != ',' {
			break
		}
		end++
	}
	f.add(i, end, "pem")
	return end
}
