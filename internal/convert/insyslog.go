package convert

import (
	"strconv"
	"strings"
	"time"

	"github.com/stetlog/stet/event"
)

// This is our own reading of syslog, because what people send keeps to no grammar: the parsers that exist (leodido/go-syslog
// among them, which is the oracle of the tests for what does) stop at a time with nine digits, or a name of 49 characters,
// and what stood behind it is lost.

// The keys under which a record has what the header of a syslog message says.
const (
	keyFacility = "syslog.facility"
	keySeverity = "syslog.severity"
	keyTime     = "syslog.timestamp"
	keyHost     = "syslog.hostname"
	keyApp      = "syslog.appname"
	keyProc     = "syslog.procid"
	keyMsgID    = "syslog.msgid"
	keyMessage  = "syslog.message"
	// SyslogAssumed says what a timestamp of RFC 3164 leaves open, and was filled in: "year and zone", or "zone".
	SyslogAssumed = "syslog.assumed"
)

// ReadSyslog reads one message, without its framing: RFC 5424, or RFC 3164 as people send it. now is about when it was sent: a
// time without a year is given the one that is nearest before it, and one without a zone has now's.
//
// A parameter of structured data stands under SD-ID:NAME or, where the SD-ID is somebody's own (it has an @), under NAME, unless
// that is taken. A message that is CEF, or one JSON object, also behind the cookie @cee:, is read as that. Of two values with one key
// the first counts, so that a message cannot take the place of the header. Errors are *LineError.
func ReadSyslog(msg []byte, now time.Time) (Record, error) {
	t := text{of: "syslog"}
	s := strings.TrimRight(string(msg), "\r\n\x00")
	rest, ok := t.priority(s)
	if !ok {
		return t.bad("has no priority <0> to <191>")
	}
	return t.syslog(rest, now)
}

// readSyslogLine is ReadSyslog of a line of a file, where there need not be a priority.
func readSyslogLine(line string, now time.Time) (Record, error) {
	t := text{of: "syslog"}
	rest, ok := t.priority(line)
	if !ok && (line == "" || line[0] == '<') {
		return t.bad("has no priority <0> to <191>")
	}
	if !ok {
		if _, _, known := oldTime(line, now); !known { // else any text would be a message
			return t.bad("begins with no priority and no time")
		}
	}
	return t.syslog(rest, now)
}

// priority reads <N>.
func (t *text) priority(s string) (rest string, ok bool) {
	if s == "" || s[0] != '<' {
		return s, false
	}
	digits, rest, ok := strings.Cut(s[1:], ">")
	n, err := strconv.ParseUint(digits, 10, 8)
	if !ok || err != nil || n > 191 || len(digits) > 3 {
		return s, false
	}
	t.add(Leaf{Key: keyFacility, Kind: Number, Text: strconv.FormatUint(n>>3, 10)})
	t.add(Leaf{Key: keySeverity, Kind: Number, Text: strconv.FormatUint(n&7, 10)})
	return rest, true
}

func (t *text) syslog(s string, now time.Time) (Record, error) {
	var err error
	if rest, ok := strings.CutPrefix(s, "1 "); ok {
		s, err = t.header(rest)
	} else {
		s = t.oldHeader(s, now)
	}
	if err == nil {
		err = t.message(s)
	}
	if err != nil {
		return Record{}, err
	}
	return t.record()
}

// header reads the rest of an RFC 5424 header and the structured data, and returns the message.
func (t *text) header(s string) (msg string, err error) {
	for _, key := range [...]string{keyTime, keyHost, keyApp, keyProc, keyMsgID} {
		value, rest, ok := strings.Cut(s, " ")
		if !ok || value == "" {
			_, err := t.bad("has a header of RFC 5424 that ends too early")
			return "", err
		}
		if value != "-" {
			t.add(Leaf{Key: key, Text: value, Raw: hidden([]byte(value))})
		}
		s = rest
	}
	if rest, ok := strings.CutPrefix(s, "-"); ok {
		return strings.TrimPrefix(rest, " "), nil
	}
	if s == "" || s[0] != '[' {
		_, err := t.bad("has neither structured data nor a dash in its place")
		return "", err
	}
	ids := map[string]bool{}
	for s != "" && s[0] == '[' {
		if s, err = t.element(s[1:], ids); err != nil {
			return "", err
		}
	}
	return strings.TrimPrefix(s, " "), nil
}

// element reads one element of structured data, behind its bracket.
func (t *text) element(s string, ids map[string]bool) (rest string, err error) {
	id, s := sdName(s)
	if id == "" {
		_, err := t.bad("has structured data without an id")
		return "", err
	}
	if ids[id] {
		return "", &LineError{event.ErrDuplicate, "has an element of structured data twice, so nobody can say which of the two counts"}
	}
	ids[id] = true
	seen := map[string]int{}
	for s != "" {
		if s[0] == ']' {
			return s[1:], nil
		}
		var name string
		name, s = sdName(strings.TrimLeft(s, " "))
		if name == "" || !strings.HasPrefix(s, `="`) {
			if name == "" && s != "" && s[0] == ']' { // a space too many
				continue
			}
			break
		}
		value, n, ok := sdValue(s[2:])
		if !ok {
			break
		}
		s = s[2+n:]
		key := id + ":" + name
		if strings.ContainsRune(id, '@') && (!t.keys[name] || seen[name] > 0) {
			key = name
		}
		if seen[name]++; seen[name] > 1 { // RFC 5424 allows it (6.3.3), for lists
			key += "[" + strconv.Itoa(seen[name]-1) + "]"
		}
		t.add(bare(key, value))
	}
	_, err = t.bad("has structured data that does not end, or is not NAME=\"VALUE\"")
	return "", err
}

// sdName reads an SD-NAME: printable ASCII but for = ] " and space. That it has at most 32 characters is not asked for.
func sdName(s string) (name, rest string) {
	n := 0
	for n < len(s) && s[n] > ' ' && s[n] < 0x7f && s[n] != '=' && s[n] != ']' && s[n] != '"' {
		n++
	}
	return s[:n], s[n:]
}

// sdValue reads a PARAM-VALUE up to its quote. A backslash in front of anything but ", \ and ] is itself (RFC 5424, 6.3.3).
func sdValue(s string) (value string, n int, ok bool) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '"':
			return b.String(), i + 1, true
		case s[i] == '\\' && i+1 < len(s) && (s[i+1] == '"' || s[i+1] == '\\' || s[i+1] == ']'):
			i++
		}
		b.WriteByte(s[i])
	}
	return "", 0, false
}

// message reads what stands behind the header.
func (t *text) message(s string) error {
	s = strings.TrimPrefix(s, "\ufeff")
	if t.err != nil {
		return t.err
	}
	if s == "" {
		return nil
	}
	t.add(Leaf{Key: keyMessage, Text: s, Raw: hidden([]byte(s))})
	if strings.HasPrefix(s, cefBegin) {
		return t.cef(s)
	}
	object := strings.TrimSpace(strings.TrimPrefix(s, "@cee:"))
	if object == "" || object[0] != '{' {
		return nil
	}
	if records, err := ReadLine([]byte(object)); err == nil && len(records) == 1 { // else it only looks so
		for _, l := range records[0].Leaves {
			if !t.keys[l.Key] {
				t.add(l)
			}
		}
	}
	return t.err
}
