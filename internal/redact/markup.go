package redact

import "strings"

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
