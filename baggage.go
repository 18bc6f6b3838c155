package stet

import "strings"

// Limits of a baggage header (W3C Baggage 3.3.2): members, and bytes of the whole.
const (
	maxMembers      = 180
	maxBaggageBytes = 8 << 10
)

// Keys of our own members in a baggage header: they cross what lets only W3C's headers pass.
const (
	baggageInteraction = "stet.interaction_id"
	baggageParent      = "stet.parent_job_id"
	baggageRoot        = "stet.root_job_id"
)

// baggage is the content of baggage headers.
type baggage struct {
	ours   map[string][]string // by the keys above: values, still escaped
	others []string            // whole members, as they came
	size   int                 // bytes of others, with commas
}

// parseBaggage reads baggage headers. Members that do not keep to the grammar are left out, and those beyond the limits.
func parseBaggage(lines []string) baggage {
	if len(lines) == 0 {
		return baggage{}
	}
	b := baggage{ours: map[string][]string{}}
	for _, line := range lines {
		for m := range strings.SplitSeq(line, ",") {
			m = strings.Trim(m, " \t")
			key, value, ok := parseMember(m)
			if !ok {
				continue
			}
			switch key {
			case baggageInteraction, baggageParent, baggageRoot:
				if len(b.ours[key]) < 2 { // two are one too many already
					b.ours[key] = append(b.ours[key], value)
				}
			default:
				b.add(m)
			}
		}
	}
	return b
}

// add appends a member, where there is room for it.
func (b *baggage) add(m string) {
	if len(b.others) < maxMembers && b.size+len(m)+1 <= maxBaggageBytes+1 {
		b.others = append(b.others, m)
		b.size += len(m) + 1
	}
}

// has says whether there is a member of this key.
func (b *baggage) has(key string) bool {
	for _, m := range b.others {
		if k, _, _ := parseMember(m); k == key {
			return true
		}
	}
	return false
}

// parseMember splits key=value;properties (W3C Baggage 3.3.1).
func parseMember(m string) (key, value string, ok bool) {
	key, value, ok = strings.Cut(m, "=")
	key = strings.TrimRight(key, " \t")
	if !ok || key == "" || len(m) > maxBaggageBytes {
		return "", "", false
	}
	for i := range len(key) {
		if !isToken(key[i]) {
			return "", "", false
		}
	}
	value, properties, _ := strings.Cut(value, ";")
	value = strings.Trim(value, " \t")
	for i := range len(value) {
		if !isBaggage(value[i]) {
			return "", "", false
		}
	}
	for i := range len(properties) {
		if c := properties[i]; !isBaggage(c) && c != ' ' && c != '\t' && c != ';' {
			return "", "", false
		}
	}
	return key, value, true
}

// isToken says whether c may stand in a key (RFC 9110, 5.6.2).
func isToken(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0
}

// isBaggage says whether c may stand in a value: visible ASCII without what separates.
func isBaggage(c byte) bool {
	return c > ' ' && c <= '~' && c != '"' && c != ',' && c != ';' && c != '\\'
}

// escape percent-encodes a text so that a baggage value, and any header, can carry it.
func escape(s string) string {
	const digits = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; isBaggage(c) && c != '%' {
			b.WriteByte(c)
		} else {
			b.WriteString("%" + string(digits[c>>4]) + string(digits[c&15]))
		}
	}
	return b.String()
}
