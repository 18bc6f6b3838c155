package redact

import "strings"

// dashes handles what begins with dashes at i: a key block, or the end of one
// whose beginning was cut off, as in the tail of an output. It returns the end
// of what it masks, or i; nothing before since is its own.
func (f *finder) dashes(i, since int) int {
	s := f.s
	switch {
	case strings.HasPrefix(s[i:], "-----BEGIN"):
		return f.pem(i)
	case strings.HasPrefix(s[i:], "---- BEGIN SSH2 ") && strings.Contains(s[i:min(len(s), i+64)], "PRIVATE"):
		end := blockEnd(s, i)
		f.add(i, end, "pem")
		return end
	case strings.HasPrefix(s[i:], "-----END") && strings.Contains(s[i:min(len(s), i+64)], "PRIVATE"):
		from := i
		for from > since && (classes[s[from-1]]&(letter|digit) != 0 || strings.IndexByte("+/=\\\r\n \t", s[from-1]) >= 0) {
			from--
		}
		if i-from < 16 {
			return i
		}
		end := i + len("-----END")
		if d := strings.Index(s[end:min(len(s), end+64)], "-----"); d >= 0 {
			end += d + 5
		}
		f.add(from, end, "pem")
		return end
	}
	return i
}

// putty masks the private lines of a PuTTY key file, which are base64 without a
// frame, where it says how many there are, and returns their length.
func (f *finder) putty(i int) int {
	const head = "Private-Lines:"
	if !strings.HasPrefix(f.s[i:], head) {
		return 0
	}
	from := skipSpace(f.s, i+len(head))
	end := blockEnd(f.s, from)
	f.add(from, end, "pem")
	return end - i
}

// blockEnd returns where the header lines and base64 end that begin at i.
func blockEnd(s string, i int) int {
	for i < len(s) && (classes[s[i]]&(letter|digit|joiner) != 0 || strings.IndexByte("+=\n\r \\:,", s[i]) >= 0) {
		i++
	}
	return i
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
	end := blockEnd(s, i+len("-----BEGIN"))
	f.add(i, end, "pem")
	return end
}
