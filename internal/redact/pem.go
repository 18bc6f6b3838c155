package redact

import "strings"

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
