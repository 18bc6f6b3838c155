package search

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/stetlog/stet/event"
)

// value reads one value of a term; name is how its field was spelled.
func (p *parser) value(t Term, name string) (Value, *Error) {
	if p.peek() == '(' {
		return Value{}, p.errorf(p.i, p.i+1, "a value must stand here", fmt.Sprintf("any of several is written with commas: %s:a,b", name))
	}
	l, err := p.lexeme(true)
	if err != nil {
		return Value{}, err
	}
	switch {
	case l.text == "" && !l.quoted && !l.star:
		return Value{}, p.errorf(l.at-1, l.end, "a value must follow, without a space", fmt.Sprintf("%s:* finds all that have one", name))
	case l.text == "" && l.quoted && l.star:
		return Value{}, p.errorf(l.at, l.end, "every value begins so", fmt.Sprintf("%s:* finds all that have one", name))
	case l.text == "" && l.star:
		if name == after || name == before || name == since || t.Field == FieldIs || t.Field == FieldHas {
			return Value{}, p.errorf(l.at, l.end, name+" needs a value", "")
		}
		return Value{Op: Present}, nil
	}
	var v Value
	var what, hint string
	switch kind := fields[t.Field].kind; {
	case name == after || name == before || name == since:
		v, what, hint = boundary(name, l)
	case kind == KindText:
		v, what, hint = textValue(t.Field, l)
	case kind == KindWord:
		v, what, hint = wordValue(t.Field, l)
	case kind == KindInt:
		v, what, hint = intValue(t.Field, l)
	case kind == KindTime:
		v, what, hint = timeValue(l)
	case kind == KindIP:
		v, what, hint = ipValue(l)
	default:
		v, what, hint = scalarValue(l)
	}
	if what != "" {
		return Value{}, p.errorf(l.at, l.end, what, hint)
	}
	return v, nil
}

// ordered says whether a bare text is written as a range: with a sign in front, or with two dots between.
func ordered(l lexeme) (sign, a, b string, ok bool) {
	if l.quoted || l.star {
		return "", "", "", false
	}
	for _, sign := range [...]string{">=", "<=", ">", "<"} {
		if a, ok := strings.CutPrefix(l.text, sign); ok {
			return sign, a, "", true
		}
	}
	a, b, ok = strings.Cut(l.text, "..")
	return "..", a, b, ok
}

func isInt(s string) bool {
	digits := strings.TrimPrefix(s, "-")
	return digits != "" && strings.Trim(digits, "0123456789") == ""
}

const quoteIt = "quote it if the text itself is meant"

func textValue(f Field, l lexeme) (v Value, what, hint string) {
	if sign, a, b, ok := ordered(l); ok && (sign != ".." || isInt(a) && isInt(b)) {
		return v, f.String() + " is text and has no order", quoteIt
	}
	if l.text == "" && f != FieldLabel {
		return v, "no " + f.String() + " is empty", fmt.Sprintf("-%s:* finds what has none", f)
	}
	v = Value{Op: Equal, Text: l.stored()}
	if l.star {
		v.Op = Prefix
	}
	if f == FieldEvent {
		return eventValue(v)
	}
	return v, "", ""
}

// eventValue refuses what cannot be the name of an event type. An unknown name may be an organisation's own.
func eventValue(v Value) (_ Value, what, hint string) {
	for i := range len(v.Text) {
		c := v.Text[i]
		if c >= 'a' && c <= 'z' || i > 0 && (c == '_' || c >= '0' && c <= '9') {
			continue
		}
		hint = "such names have small letters, digits and _"
		low := strings.ReplaceAll(strings.ToLower(v.Text), "-", "_")
		if meant := nearest(low, event.Builtin().Names()); meant != "" {
			hint = "do you mean " + meant + "?"
		}
		return v, "no event type is called so", hint
	}
	return v, "", ""
}

func wordValue(f Field, l lexeme) (v Value, what, hint string) {
	words := fields[f].words
	if !l.star && slices.Contains(words, l.stored()) {
		return Value{Op: Equal, Text: l.text}, "", ""
	}
	hint = "it is one of " + strings.Join(words, ", ")
	if meant := nearest(strings.ToLower(l.text), words); meant != "" && !l.star {
		hint = "do you mean " + meant + "? " + hint
	}
	return v, fmt.Sprintf("there is no %s:%s", f, event.Sanitize(l.text)), hint
}

func intValue(f Field, l lexeme) (v Value, what, hint string) {
	const form = "write 5, 5..10, >=5 or <5"
	number := func(s string) (n int64, ok bool) {
		if f == FieldSeverity {
			for w := event.SeverityEmergency; w <= event.SeverityDebug; w++ {
				if w.String() == s {
					return int64(w), true
				}
			}
		}
		if !isInt(s) {
			what, hint = event.Sanitize(s)+" is not a whole number", form
			if f == FieldSeverity {
				what, hint = "there is no severity "+event.Sanitize(s), "it is 0 to 7, emergency, alert, critical, error, warning, notice, info or debug"
			}
			return 0, false
		}
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil || n > fields[f].hi || n < fields[f].lo {
			what, hint = fmt.Sprintf("no %s is %s", f, s), fmt.Sprintf("it lies between %d and %d", fields[f].lo, fields[f].hi)
			return 0, false
		}
		return n, true
	}
	if l.star {
		return v, "a number has no beginning", form
	}
	sign, a, b, ok := ordered(l)
	if !ok {
		n, _ := number(l.text)
		return Value{Op: Ints, Min: n, Max: n}, what, hint
	}
	if f == FieldSeverity && !isInt(a) {
		return v, "words have no order here, for 0 is the worst severity", "error and worse is severity:<=3"
	}
	v = Value{Op: Ints, Min: fields[f].lo, Max: fields[f].hi}
	n, ok := number(a)
	switch {
	case !ok:
		return v, what, hint
	case sign == ">=":
		v.Min = n
	case sign == ">":
		v.Min = n + 1
	case sign == "<=":
		v.Max = n
	case sign == "<":
		v.Max = n - 1
	default:
		v.Min = n
		if v.Max, ok = number(b); !ok {
			return v, what, hint
		}
	}
	if v.Min > v.Max {
		return v, fmt.Sprintf("no %s lies there", f), fmt.Sprintf("it lies between %d and %d, and a range goes from the smaller to the greater", fields[f].lo, fields[f].hi)
	}
	return v, "", ""
}

// scalarValue is a value of job.params, which may be any text or a whole number.
func scalarValue(l lexeme) (v Value, what, hint string) {
	if sign, a, b, ok := ordered(l); ok && (sign != ".." || isInt(a) && isInt(b)) {
		return intValue(FieldParam, l)
	}
	v = Value{Op: Equal, Text: l.stored()}
	if l.star {
		v.Op = Prefix
	}
	return v, "", ""
}

func ipValue(l lexeme) (v Value, what, hint string) {
	const form = "write 192.0.2.7, 192.0.2.*, 192.0.2.0/24 or their like of IPv6"
	text := l.stored()
	hidden := strings.HasPrefix(text, hmacPrefix)
	if l.star {
		text = strings.ToLower(text)
		if !hidden && strings.Trim(text, "0123456789abcdef.:") != "" {
			return v, "no address begins so", form
		}
		return Value{Op: Prefix, Text: text}, "", ""
	}
	if hidden {
		return Value{Op: Equal, Text: text}, "", ""
	}
	if net, err := netip.ParsePrefix(text); err == nil {
		switch {
		case net.Addr().Is4In6():
			return v, "this is a network of IPv4 in IPv6", "write it as IPv4"
		case net != net.Masked():
			return v, "the network has bits behind its mask", "do you mean " + net.Masked().String() + "?"
		}
		return Value{Op: Network, Text: net.String()}, "", ""
	}
	a, err := netip.ParseAddr(text)
	if err != nil || a.Zone() != "" {
		return v, "this is not an IP address", form
	}
	return Value{Op: Equal, Text: a.Unmap().String()}, "", ""
}

// The times that a query can name: those that fit 64 bits of nanoseconds, without the zero time.
var (
	earliest = time.Date(1970, 1, 1, 0, 0, 0, 0, time.UTC)
	latest   = time.Date(2262, 1, 1, 0, 0, 0, 0, time.UTC)
)

const timeForm = "write 2026-01-31, 2026-01-31T08:30 or 2026-01-31T08:30:00+01:00; without an offset it is UTC"

// span reads a time and says from when to when it is: a year, month, day, minute, second or nanosecond.
func span(s string) (from, until time.Time, ok bool) {
	for _, form := range [...]struct {
		layout string
		next   func(time.Time) time.Time
	}{
		{"2006", func(t time.Time) time.Time { return t.AddDate(1, 0, 0) }},
		{"2006-01", func(t time.Time) time.Time { return t.AddDate(0, 1, 0) }},
		{"2006-01-02", func(t time.Time) time.Time { return t.AddDate(0, 0, 1) }},
		{"2006-01-02T15:04", func(t time.Time) time.Time { return t.Add(time.Minute) }},
		{"2006-01-02T15:04Z07:00", func(t time.Time) time.Time { return t.Add(time.Minute) }},
		{"2006-01-02T15:04:05", secondOrLess(s)},
		{"2006-01-02T15:04:05Z07:00", secondOrLess(s)},
	} {
		if t, err := time.Parse(form.layout, s); err == nil {
			return t.UTC(), form.next(t).UTC(), true
		}
	}
	return from, until, false
}

func secondOrLess(s string) func(time.Time) time.Time {
	unit := time.Second
	if strings.ContainsAny(s, ".,") {
		unit = time.Nanosecond
	}
	return func(t time.Time) time.Time { return t.Add(unit) }
}

func timeValue(l lexeme) (v Value, what, hint string) {
	sign, a, b, ok := ordered(l)
	if !ok {
		a = l.text
	}
	from, until, good := span(a)
	if !good || l.star {
		return v, fmt.Sprintf("%s is not a time", event.Sanitize(a)), timeForm
	}
	v.Op = Times
	switch sign {
	case ">=":
		v.From = from
	case ">":
		v.From = until
	case "<=":
		v.Until = until
	case "<":
		v.Until = from
	default:
		v.From, v.Until = from, until
		if ok {
			if _, v.Until, good = span(b); !good {
				return v, fmt.Sprintf("%s is not a time", event.Sanitize(b)), timeForm
			}
		}
	}
	return within(v)
}

// within refuses times that no query can name, and ranges that hold none.
func within(v Value) (_ Value, what, hint string) {
	for _, t := range [...]time.Time{v.From, v.Until} {
		if !t.IsZero() && (t.Before(earliest) || t.After(latest)) {
			return v, "this is out of bounds", "a time lies in the years 1970 to 2261"
		}
	}
	if !v.From.IsZero() && !v.Until.IsZero() && !v.From.Before(v.Until) {
		return v, "the range goes backwards", "the earlier time stands first"
	}
	return v, "", ""
}

// boundary is the value of after, before and since.
func boundary(name string, l lexeme) (v Value, what, hint string) {
	if name == since {
		if ago, ok := duration(l.text); ok && !l.star {
			return Value{Op: Ago, Ago: ago}, "", ""
		}
	}
	from, _, ok := span(l.text)
	if !ok || l.star {
		hint = timeForm
		if name == since {
			hint = "write how long ago it was: 90m, 12h, 7d, 1d12h; or a time: 2026-01-31"
		}
		if _, _, _, ranged := ordered(l); ranged {
			hint = "a range is written received:A..B"
		}
		return v, fmt.Sprintf("%s is not a time", event.Sanitize(l.text)), hint
	}
	v.Op = Times
	if name == before {
		v.Until = from
	} else {
		v.From = from
	}
	return within(v)
}

const day = 24 * time.Hour

// maxAgo is more than any log is old.
const maxAgo = 36500 * day

// duration reads whole numbers of weeks, days, hours, minutes and seconds, such as 1d12h.
func duration(s string) (sum time.Duration, ok bool) {
	for s != "" {
		n := 0
		for n < len(s) && s[n] >= '0' && s[n] <= '9' {
			n++
		}
		if n == 0 || n > 10 || n == len(s) {
			return 0, false
		}
		unit, ok := map[byte]time.Duration{'w': 7 * day, 'd': day, 'h': time.Hour, 'm': time.Minute, 's': time.Second}[s[n]]
		count, err := strconv.ParseInt(s[:n], 10, 64)
		if err != nil || !ok || count > int64(maxAgo/unit) {
			return 0, false
		}
		if sum += time.Duration(count) * unit; sum > maxAgo {
			return 0, false
		}
		s = s[n+1:]
	}
	return sum, sum > 0
}
