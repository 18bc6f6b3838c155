package redact

import "strings"

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
	switch s[b:e] {
	case "name", "Name", "key", "Key", "id", "header":
		if end := f.named(i + 1); end > 0 {
			return end
		}
	}
	rule, hit := Key(s[b:e])
	if !hit && len(s[b:e]) <= 2 && f.jwk(s[b:e]) {
		rule, hit = "key", true
	}
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
	if counted(s[b:e], s[i+1:]) || wide < b && unexpected(s[wide:b]) {
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

// counted tells whether a number of things follows, not one of them: "pass: 12
// fail: 0", "sessions: 40", "secrets synced: 3".
func counted(key, value string) bool {
	most := 6
	switch {
	case allDigits(key): // "pass 1: 120 files"
	case strings.EqualFold(key, "pass"):
		most = 3
	case !ends(key, "s") && !ends(key, "ed") || ends(key, "ss"):
		return false
	}
	value = strings.TrimLeft(value, " ")
	n := 0
	for n < len(value) && classes[value[n]]&digit != 0 {
		n++
	}
	return n > 0 && n <= most && (n == len(value) || strings.IndexByte(" ,;\n)}", value[n]) >= 0)
}

// unexpected knows what parsers say: "unexpected token: identifier".
func unexpected(before string) bool {
	return hasFold(before, "unexpected ") || hasFold(before, "illegal ")
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
	if n := codeReference(s[i:]); n > 0 {
		return i + n
	}
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
	if rule == "phone" {
		return f.called(i) // nothing in "phone: verified"
	}
	if Void(s[i:end]) {
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
	case v == "?" || v == "%s" || v == "%v" || v == "%q" || len(v) > 1 && len(v) < 4 && v[0] == '$' && allDigits(v[1:]):
		return true // in SQL and in formats
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

// codeReference returns the length of an expression that fetches a secret
// instead of being one, or 0: ${{ secrets.X }}, {{ .Values.x }}, $(X), !ref X,
// os.environ["X"].
func codeReference(s string) int {
	for _, p := range [...][2]string{{"${{", "}}"}, {"{{", "}}"}, {"$(", ")"}} {
		if strings.HasPrefix(s, p[0]) {
			if n := strings.Index(s[:min(len(s), 128)], p[1]); n > 0 {
				return n + len(p[1])
			}
		}
	}
	for _, p := range [...]string{"!ref ", "!sub ", "!vault ", "!env ", "process.env.", "process.env[", "os.environ[", "os.environ.get(", "os.getenv(", "getenv(", "system.getenv(", "env(", "env[", "import.meta.env."} {
		if !hasFold(s, p) {
			continue
		}
		n := len(p)
		for n < len(s) && (classes[s[n]]&(letter|digit) != 0 || strings.IndexByte("_.\"')]", s[n]) >= 0) {
			n++
		}
		return n
	}
	return 0
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
			// A pass phrase is many words, and "user / password" three.
			if rule == "passphrase" && i+1 < len(s) && classes[s[i+1]]&letter != 0 && !pairAhead(s[i+1:]) {
				i++
				continue
			}
			if rule == "credential" && strings.HasPrefix(s[i:], " / ") {
				i += 3
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
	// A scheme that is not known: a word, and what only a machine would write.
	n := 0
	for n < len(s) && n < 24 && classes[s[n]]&letter != 0 {
		n++
	}
	if n < 2 || n >= len(s) || s[n] != ' ' {
		return 0
	}
	v := s[n+1:]
	if sp := strings.IndexAny(v, " \t\r\n\"'"); sp >= 0 {
		v = v[:sp]
	}
	if len(v) >= 16 && secretWord(v, 16) {
		return n + 1
	}
	return 0
}

// jwk tells whether the name is that of a private part of a JSON Web Key
// (RFC 7518), and the text one.
func (f *finder) jwk(name string) bool {
	if !JWK(name) {
		return false
	}
	if !f.asked {
		f.asked, f.webKey = true, strings.Contains(f.s, `"kty"`)
	}
	return f.webKey
}

// hasFold is HasPrefix for a lower-case prefix in any case.
func hasFold[S string | []byte](s S, prefix string) bool {
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
