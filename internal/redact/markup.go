package redact

import "strings"

// element masks <password>…</password>, with or without attributes.
func (f *finder) element(i int) {
	s := f.s
	j := i + 1
	for j < len(s) && j-i < maxKey && (classes[s[j]]&(letter|digit) != 0 || s[j] == '_' || s[j] == '-' || s[j] == '.' || s[j] == ':') {
		j++
	}
	if j == i+1 || j >= len(s) || s[j] != '>' && s[j] != ' ' {
		return
	}
	name := s[i+1 : j]
	if s[j] == ' ' {
		close := strings.IndexByte(s[j:min(len(s), j+256)], '>')
		if close < 0 || s[j+close-1] == '/' {
			return
		}
		j += close
	}
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

// named masks the value of name="password" value="…" and its like in XML, HTML,
// YAML and JSON, where the key stands in one member and the value in the next;
// from is where the name begins. It returns the value's end, or 0.
func (f *finder) named(from int) int {
	s := f.s
	for from < len(s) && strings.IndexByte(" \"'\\", s[from]) >= 0 {
		from++
	}
	end := from
	for end < len(s) && end-from < maxKey && (classes[s[end]]&(letter|digit) != 0 || strings.IndexByte("_-.", s[end]) >= 0) {
		end++
	}
	rule, hit := Key(s[from:end])
	if !hit {
		return 0
	}
	window := s[end:min(len(s), end+96)]
	if stop := strings.IndexAny(window, "<>{}"); stop >= 0 {
		window = window[:stop]
	}
	for i := range len(window) {
		if !hasFold(window[i:], "value") || i > 0 && classes[window[i-1]]&(letter|digit) != 0 {
			continue
		}
		m := i + len("value")
		for m < len(window) && strings.IndexByte(" \"'\\", window[m]) >= 0 {
			m++
		}
		if m < len(window) && (window[m] == '=' || window[m] == ':') {
			return f.value(end+m+1, rule, window[m], false)
		}
	}
	return 0
}

// call masks the second argument of set("password", "…"), with its bracket at i.
func (f *finder) call(i int) {
	s := f.s
	key, end := quoted(s, skipSpace(s, i+1))
	rule, hit := Key(key)
	if end = skipSpace(s, end); !hit || end >= len(s) || s[end] != ',' {
		return
	}
	from := skipSpace(s, end+1)
	v, end := quoted(s, from)
	if _, column := Key(v); v == "" || column || Void(v) {
		return // ("password", "secret") names columns
	}
	f.add(from+1, end-1, rule)
}

// quoted returns the text in the quotes that begin at i, and where they end.
func quoted(s string, i int) (text string, end int) {
	if i >= len(s) || s[i] != '"' && s[i] != '\'' {
		return "", i
	}
	window := s[:min(len(s), i+1024)]
	if end = closing(window, i+1, s[i:i+1]); end == len(window) {
		return "", i
	}
	return s[i+1 : end], end + 1
}
