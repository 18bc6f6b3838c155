package convert

import "github.com/stetlog/stet/event"

// Append appends a record as one flat JSON object of texts, in the order of its leaves: {"path":"value",…}. What does not show itself
// is escaped as in an event, so that two records that differ have two forms, also where they are not UTF-8.
func (r *Record) Append(dst []byte) []byte {
	dst = append(dst, '{')
	for i, l := range r.Leaves {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(appendText(dst, l.Key), ':')
		dst = appendText(dst, l.Text)
	}
	return append(dst, '}')
}

func appendText(dst []byte, s string) []byte {
	dst = append(dst, '"')
	for _, c := range []byte(event.Sanitize(s)) {
		if c == '"' || c == '\\' {
			dst = append(dst, '\\')
		}
		dst = append(dst, c)
	}
	return append(dst, '"')
}
