package convert

import (
	"cmp"
	"strconv"
	"unicode/utf8"

	"github.com/stetlog/stet/event"
)

// Limits of RFC 5424, section 6, in bytes.
const (
	syslogFacility = 13 // "log audit"
	syslogHostname = 255
	syslogAppName  = 48
	syslogMsgID    = 32
	syslogSoftware = 48
	syslogVersion  = 32
)

// SyslogID is the SD-ID of our structured data. We have no number of our own from IANA: 32473 is the one for examples (RFC 5612).
const SyslogID = "stet@32473"

// appendSyslog appends a message of RFC 5424. What its short header fields cut stands whole in the structured data; the message
// is the description. What is in neither, such as params, is in the log alone.
func appendSyslog(dst []byte, r *Row) []byte {
	e := r.event
	dst = append(dst, '<')
	dst = strconv.AppendInt(dst, int64(8*syslogFacility+r.severity()), 10)
	dst = append(dst, ">1 "...)
	dst = e.Timestamp.UTC().AppendFormat(dst, "2006-01-02T15:04:05.000000Z") // six digits are the most
	for _, field := range [...]struct {
		text  string
		limit int
	}{{r.host().Name, syslogHostname}, {cmp.Or(e.AppID, "stet"), syslogAppName}, {uuid(e.StreamID), 128}, {e.EventType, syslogMsgID}} {
		dst = append(dst, ' ')
		dst = append(dst, printUSASCII(field.text, field.limit)...)
	}
	dst = append(dst, ' ')
	dst = appendTimeQuality(dst, r.clock())
	dst = append(dst, "[origin"...)
	dst = appendParam(dst, "ip", r.host().IP)
	dst = appendParam(dst, "software", cut(cmp.Or(e.AppID, "stet"), syslogSoftware))
	dst = appendParam(dst, "swVersion", cut(e.AppVersion, syslogVersion))
	dst = append(dst, "][meta"...)
	dst = appendParam(dst, "sequenceId", strconv.FormatUint(r.Seq%(1<<31-1)+1, 10)) // 1 to 2147483647, then from 1 again
	dst = append(dst, "]["+SyslogID...)
	r.each(Syslog, func(name, value string) { dst = appendParam(dst, name, value) })
	dst = append(dst, "] \ufeff"...)
	return append(dst, e.Description...)
}

// appendTimeQuality says how good the clock was. An emitter's clock is in step where its kernel said so; what it was off at most is
// said only then, as RFC 5424 demands.
func appendTimeQuality(dst []byte, c event.Clock) []byte {
	synced := c.Confidence == "high" || c.Confidence == "medium"
	if c.Synchronized != nil {
		synced = *c.Synchronized
	}
	dst = append(dst, `[timeQuality tzKnown="1" isSynced="`...)
	if !synced {
		return append(dst, `0"]`...)
	}
	dst = append(dst, `1"`...)
	dst = appendParam(dst, "syncAccuracy", optional(c.MaxErrorUS))
	return append(dst, ']')
}

// appendParam appends ` name="value"`, or nothing where there is none.
func appendParam(dst []byte, name, value string) []byte {
	if value == "" {
		return dst
	}
	dst = append(dst, ' ')
	dst = append(dst, name...)
	dst = append(dst, `="`...)
	for i := range len(value) {
		switch value[i] {
		case '"', '\\', ']':
			dst = append(dst, '\\')
		}
		dst = append(dst, value[i])
	}
	return append(dst, '"')
}

// printUSASCII is a header field: a text that has other characters is not there at all, since half of it would name another.
func printUSASCII(s string, limit int) string {
	for i := range len(s) {
		if s[i] < '!' || s[i] > '~' {
			return "-"
		}
	}
	return cmp.Or(cut(s, limit), "-")
}

// SyslogFrame appends a message in octet-counted framing (RFC 6587, section 3.4.1; RFC 5425, section 4.3).
func SyslogFrame(dst, message []byte) []byte {
	dst = strconv.AppendInt(dst, int64(len(message)), 10)
	dst = append(dst, ' ')
	return append(dst, message...)
}

// cut cuts a text to at most n bytes, between two characters.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
