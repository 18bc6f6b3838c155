package policy

import (
	"net/netip"
	"slices"
	"strings"
	"unicode"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/convert"
)

// State is one of the three words.
type State int

// The states. None means that a rule has nothing to say of an event.
const (
	None State = iota
	Pass
	Fail
	NotChecked
)

// String is the word.
func (s State) String() string {
	return [...]string{"", "pass", "fail", "not checked"}[s]
}

// verdict is what a rule says of one thing. what explains fail and not checked, and never quotes a value.
type verdict struct {
	state State
	what  string
}

var pass = verdict{state: Pass}

func fails(what string) verdict { return verdict{Fail, what} }

func notChecked(what string) verdict { return verdict{NotChecked, what} }

// present demands a field, or one of those that will do in its place.
func present(field, words string, others ...string) func(*Linter, *Record) verdict {
	fields := append([]string{field}, others...)
	return func(_ *Linter, r *Record) verdict {
		mapped := false
		for _, f := range fields {
			if r.has(f) {
				return pass
			}
			mapped = mapped || r.mapped(f)
		}
		switch why := r.excuse(field); {
		case settled(why):
			return pass
		case why != "":
			return fails("the event has no " + words + " (" + why + ")")
		case !mapped:
			return fails("no key of this log holds the " + words + " (if one does, name it in the mapping)")
		}
		return fails("no " + words)
	}
}

// jobs limits a check to events of jobs.
func jobs(check func(*Linter, *Record) verdict) func(*Linter, *Record) verdict {
	return func(l *Linter, r *Record) verdict {
		if !r.job() {
			return verdict{}
		}
		return check(l, r)
	}
}

func checkTimestamp(l *Linter, r *Record) verdict {
	v, ok := r.value("timestamp")
	if !ok {
		return present("timestamp", "time")(l, r)
	}
	switch _, form := convert.ReadTime(v.Text); form {
	case convert.TimeISO:
		return pass
	case convert.TimeLocal:
		return fails("the time under " + show(v.Key) + " names no offset from UTC, so nobody knows which hour it was")
	case convert.TimeEpoch:
		if v.Key == "timeUnixNano" || v.Key == "observedTimeUnixNano" {
			return notChecked("OTLP prescribes nanoseconds since 1970 under " + show(v.Key) + "; whether people get them as ISO 8601 is for what shows them")
		}
		return fails("the time under " + show(v.Key) + " is a count since 1970, not ISO 8601")
	case convert.TimeCLF:
		return fails("the time under " + show(v.Key) + " is in the Common Log Format, not ISO 8601")
	}
	return fails("what stands under " + show(v.Key) + " is no time that ISO 8601 knows")
}

func checkEventTime(_ *Linter, r *Record) verdict {
	v, ok := r.value("event_time")
	if !ok {
		if r.native() {
			return pass // the schema demands it where it differs
		}
		return notChecked("no time of its own: whether the event was earlier than its line cannot be told")
	}
	t, form := convert.ReadTime(v.Text)
	if form == convert.TimeUnknown {
		return fails("what stands under " + show(v.Key) + " is no time")
	}
	logged, ok := r.value("timestamp")
	if !ok {
		return notChecked("no time of the log beside the event's")
	}
	at, form := convert.ReadTime(logged.Text)
	if form == convert.TimeUnknown {
		return notChecked("no time of the log beside the event's")
	}
	if t.After(at.Add(sameTime)) {
		return fails("the event says that it happened after it was logged")
	}
	return pass
}

func checkUser(_ *Linter, r *Record) verdict {
	if r.has("user_id") {
		return pass
	}
	why := r.excuse("user_id")
	switch {
	case settled(why):
		return pass
	case why != "":
		return fails("the event has no user (" + why + ")")
	case !r.mapped("user_id"):
		return fails("no key of this log holds the user (if one does, name it in the mapping)")
	}
	if v, ok := r.value("event_type"); ok {
		name := convert.TypeName(v.Text)
		for _, p := range []string{"authn_login_success", "authn_password_change", "authz_", "session_", "user_", "privilege_", "sensitive_"} {
			if strings.HasPrefix(name, p) {
				return fails("no user in an event of a kind that only a user who is logged in causes")
			}
		}
	}
	return notChecked("no user: whether somebody was logged in cannot be told")
}

func checkSource(l *Linter, r *Record) verdict {
	v, ok := r.value("source_ip")
	if !ok {
		return present("source_ip", "source address", "source.device_id")(l, r)
	}
	text := v.Text
	if first, _, several := strings.Cut(text, ","); several {
		text = strings.TrimSpace(first) // X-Forwarded-For
	}
	if _, err := netip.ParseAddr(text); err == nil {
		return pass
	}
	if _, err := netip.ParseAddrPort(text); err == nil {
		return pass
	}
	return fails("what stands under " + show(v.Key) + " is no IP address")
}

func checkDocumented(l *Linter, r *Record) verdict {
	switch v, ok := r.value("event_type"); {
	case !ok:
		return verdict{}
	case r.known:
		return pass
	case l.o.Catalogue != nil:
		return fails("the catalogue does not have the type")
	case r.native():
		return fails("stet's catalogue does not have the type; where yours has it, name it with --catalogue")
	default:
		return notChecked("the type under " + show(v.Key) + " is not in the OWASP Logging Vocabulary, and no catalogue was named")
	}
}

func checkSeverity(l *Linter, r *Record) verdict {
	v, ok := r.value("severity")
	if !ok {
		return present("severity", "severity")(l, r)
	}
	if _, ok := convert.SeverityOf(v); !ok {
		return fails("what stands under " + show(v.Key) + " is of no standard scale")
	}
	return pass
}

func checkDebug(_ *Linter, r *Record) verdict {
	v, ok := r.value("severity")
	if !ok {
		return notChecked("no severity")
	}
	s, ok := convert.SeverityOf(v)
	switch {
	case !ok:
		return notChecked("a severity of no standard scale")
	case s == event.SeverityDebug:
		return fails("a debug message among audit events")
	}
	return pass
}

func checkClock(_ *Linter, r *Record) verdict {
	if r.has("clock.confidence") || r.has("clock.max_error_us") {
		return pass
	}
	return notChecked("nothing about the clock: whether it was synchronised cannot be told")
}

func checkPrincipal(l *Linter, r *Record) verdict {
	if v, ok := r.value("principal.type"); ok && v.Text == "unauthenticated" {
		return pass
	}
	return jobs(present("principal.id", "principal", "user_id"))(l, r)
}

func checkCascade(_ *Linter, r *Record) verdict {
	v, ok := r.value("why.trigger")
	switch {
	case !ok || strings.ToLower(v.Text) != "event":
		return verdict{}
	case !r.has("principal.upstream.system"):
		return fails("triggered by an event, and the system that it came from is not named")
	case !r.has("principal.upstream.event_ref"):
		return fails("triggered by an event that is not named")
	}
	return pass
}

func checkCorrection(_ *Linter, r *Record) verdict {
	named := r.has("corrects.event_id") || r.has("corrects.seq") || r.has("corrects.entry_hash")
	kind, _ := r.value("event_type")
	switch {
	case !named && !strings.Contains(convert.TypeName(kind.Text), "correct"):
		return verdict{}
	case !named:
		return fails("a correction that names no event")
	case !r.has("corrects.reason"):
		return fails("a correction without a reason")
	}
	return pass
}

// free are the fields whose text people write: a line break in it is no attempt.
var free = []string{"description", "why.reason", "corrects.reason", "impact.summary"}

// requested are the marks of keys that hold what a client sent.
var requested = []string{"useragent", "referer", "referrer", "header", "uri", "url", "path", "query", "cookie", "forwarded", "request"}

func checkInjection(_ *Linter, r *Record) verdict {
	for _, v := range r.Leaves {
		if v.Raw {
			return fails("the value or key at " + show(v.Key) + " has a character that does not show itself, as it is and not encoded")
		}
		if r.native() || v.Kind != convert.Text || !strings.ContainsFunc(v.Text, unicode.IsControl) {
			continue
		}
		if strings.ContainsFunc(v.Text, func(c rune) bool { return unicode.IsControl(c) && c != '\t' && c != '\n' && c != '\r' }) {
			return fails("the value under " + show(v.Key) + " has a control character, such as those that move a terminal's cursor, once it is decoded")
		}
		name := strings.NewReplacer("_", "", "-", "", ".", "").Replace(strings.ToLower(v.Key))
		field := r.field(v.Key)
		asked := slices.ContainsFunc(requested, func(mark string) bool { return strings.Contains(name, mark) })
		if (asked || field != "") && !slices.Contains(free, field) && strings.ContainsAny(v.Text, "\r\n") {
			return fails("the value under " + show(v.Key) + " has a line break once it is decoded: a forged entry for every reader that does")
		}
	}
	return pass
}
