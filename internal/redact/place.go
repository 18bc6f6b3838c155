package redact

import "strings"

// place is a bare argument that is secret by its place: the n-th behind a word,
// or behind the program where the word is empty; options are not counted.
type place struct {
	word string
	n    int
}

// places lists them by program; n 0 marks user/password@service. The secret of
// a program whose name is an English word must look like one.
var places = map[string][]place{
	"rabbitmqctl":    {{"add_user", 2}, {"change_password", 2}, {"authenticate_user", 2}},
	"net":            {{"user", 2}, {"use", 3}},
	"wpa_passphrase": {{"", 2}},
	"mysqladmin":     {{"password", 1}},
	"ipmitool":       {{"password", 2}},
	"redis-cli":      {{"auth", 1}, {"AUTH", 1}},
	"samba-tool":     {{"create", 2}},
	"mc":             {{"set", 4}},
	"bw":             {{"unlock", 1}, {"login", 2}},
	"vault":          {{"unseal", 1}},
	"keyctl":         {{"user", 2}},
	"sqlplus":        {{"", 0}}, "sqlldr": {{"", 0}}, "rman": {{"", 0}}, "exp": {{"", 0}}, "imp": {{"", 0}}, "expdp": {{"", 0}}, "impdp": {{"", 0}},
	"htpasswd": {{"", 3}},
}

// maxPlace is how far behind its program a place is looked for, so that long
// texts take linear time.
const maxPlace = 24

// inPlace masks words[i] where its place behind words[0], the program, says so.
func inPlace(words []arg, i int, program string) {
	w := &words[i]
	if i > maxPlace {
		return
	}
	for _, p := range places[program] {
		if p.n == 0 {
			if a, b := slashLogin(w.text); b > a {
				w.from, w.to, w.rule = a, b, "url"
			}
			continue
		}
		n, want, seen := 0, p.n, p.word == ""
		for k := 1; k <= i; k++ {
			t := words[k].text
			switch {
			case len(t) > 1 && t[0] == '-':
				if program == "htpasswd" {
					want = htpasswd(t, want)
				}
			case seen:
				n++
			case t == p.word:
				seen = true
			}
		}
		if program == "htpasswd" && want == p.n && !batch(words[:i]) {
			continue
		}
		if seen && n == want && !boolean(w.text) && (program != "net" || secretWord(w.text, 4)) {
			w.mask(0, "password")
		}
	}
}

// htpasswd -n prints instead of writing a file, so that there is one argument
// less before the password.
func htpasswd(option string, want int) int {
	if strings.IndexByte(option, 'n') > 0 {
		return want - 1
	}
	return want
}

// batch tells whether htpasswd takes the password from its arguments: -b.
func batch(words []arg) bool {
	for _, w := range words {
		if len(w.text) > 1 && w.text[0] == '-' && strings.IndexByte(w.text, 'b') > 0 {
			return true
		}
	}
	return false
}

// slashOption handles the options of Windows programs: /Password X, and the /p:X
// of remote desktops.
func slashOption(words []arg, i int, program string) {
	w := &words[i]
	if w.text[0] != '/' {
		return
	}
	if strongOption(words, i) {
		return
	}
	name := w.text[1:]
	if program == "xfreerdp" && strings.HasPrefix(name, "p:") {
		w.mask(3, "password")
		return
	}
	for k := range len(name) {
		if classes[name[k]]&letter == 0 {
			return
		}
	}
	if rule, hit := Key(name); hit && i+1 < len(words) && !option(words[i+1].text) && !boolean(words[i+1].text) {
		words[i+1].mask(0, rule)
	}
}

// strongOption masks what stands behind -p and its like where the program is not
// known but nothing but a password looks so.
func strongOption(words []arg, i int) bool {
	switch words[i].text {
	case "-p", "-P", "-w", "-W", "-pw", "/p", "/P", "/rp":
		if i+1 < len(words) && strong(words[i+1].text) {
			words[i+1].mask(0, "password")
			return true
		}
	}
	return false
}

// piped masks what a command line echoes into a program that reads a password.
func (f *finder) piped(i int) {
	s := f.s
	if !hasFold(s[i:], "echo ") && !hasFold(s[i:], "printf ") {
		return
	}
	line := s[i:min(len(s), i+256)]
	if nl := strings.IndexByte(line, '\n'); nl >= 0 {
		line = line[:nl]
	}
	pipe := strings.IndexByte(line, '|')
	if pipe < 0 {
		return
	}
	from := skipSpace(line, strings.IndexByte(line, ' '))
	end := len(strings.TrimRight(line[:pipe], " "))
	for _, w := range [...]string{"-n ", "-e ", "%s "} {
		if strings.HasPrefix(line[from:], w) {
			from += len(w)
		}
	}
	if from >= end {
		return
	}
	if q := line[from]; (q == '"' || q == '\'') && line[end-1] == q && end-1 > from {
		from, end = from+1, end-1
	}
	if into := line[pipe:]; strings.Contains(into, "chpasswd") {
		colon := strings.IndexByte(line[from:end], ':')
		if colon < 0 {
			return
		}
		from += colon + 1
	} else if !strings.Contains(into, "-stdin") && !strings.Contains(into, "sudo -S") {
		return
	}
	if !reference(line[from:end]) {
		f.add(i+from, i+end, "password")
	}
}
