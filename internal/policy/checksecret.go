package policy

import (
	"errors"
	"slices"
	"strings"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/convert"
	"github.com/stetlog/stet/internal/redact"
)

// leak is one value that should not be there: where, and by which rule of internal/redact.
type leak struct{ key, rule, how string }

// rule says which of our rules a find breaks.
func (k leak) breaks() string {
	switch {
	case redact.Personal(k.rule):
		return "personal-data"
	case k.rule == "session" || k.rule == "cookie":
		return "session-id"
	case k.rule == "dsn" || k.rule == "url":
		return "connection-string"
	}
	return "secret"
}

// leaks finds what should not be in an event. Of a stet event it is what its own encoder would have masked.
func (l *Linter) leaks(r *Record) []leak {
	if r.native() {
		_, err := l.refusing.Check(r.raw)
		var refused *event.Error
		if !errors.As(err, &refused) || !errors.Is(err, event.ErrSecret) {
			return nil
		}
		v, _ := r.Leaf(refused.Path)
		if k, ok := l.leakIn(v, false); ok {
			return []leak{k}
		}
		return []leak{{refused.Path, "secret", "holds"}}
	}
	var all []leak
	for _, v := range r.Leaves {
		if _, finds := l.memo.Text(v.Key); len(finds) > 0 {
			all = append(all, leak{v.Key, finds[0].Rule, "in the key itself"})
		}
		if k, ok := l.leakIn(v, slices.Contains(identity, r.field(v.Key))); ok {
			all = append(all, k)
		}
	}
	return all
}

// identity are the fields that say who and where from, and the ids of events: no leak of personal data (SCHEMA "Never in
// plaintext").
var identity = []string{"user_id", "principal.id", "source_ip", "source.device_id", "timestamp", "event_time", "event_id", "interaction_id",
	"trace_id", "span_id", "stream_id", "stream_seq", "job.id", "job.run_id", "job.parent_id", "job.root_id", "before.digest", "after.digest",
	"job.code_digest", "job.env_digest", "session_hash", "host.ip"}

func (l *Linter) leakIn(v convert.Leaf, identity bool) (leak, bool) {
	if v.Void() || v.Kind == convert.Bool {
		return leak{}, false
	}
	if rule, hit := redact.Key(lastName(v.Key)); hit && !(identity && redact.Personal(rule)) && !redact.IsMask(v.Text) && !redact.Void(v.Text) && !masked(v.Text) && !hashed(v.Text) {
		return leak{v.Key, rule, "by the key's name"}, true
	}
	if v.Kind == convert.Number {
		return leak{}, false
	}
	find := l.memo.Text
	if identity {
		find = redact.Secrets
	}
	if _, finds := find(v.Text); len(finds) > 0 {
		return leak{v.Key, finds[0].Rule, "by the value's form"}, true
	}
	return leak{}, false
}

// lastName is the name that a value stands under: what is before an index, and behind the last object.
func lastName(key string) string {
	key, _, _ = strings.Cut(key, "[")
	return key
}

// masked knows what others put in place of a secret: one character over and over, or a word in brackets.
func masked(s string) bool {
	if strings.Trim(s, "*") == "" || strings.Trim(s, "xX") == "" || strings.Trim(s, "•") == "" {
		return true
	}
	word := strings.ToLower(strings.Trim(s, "[]<>(){}*_- "))
	return slices.Contains([]string{"redacted", "masked", "filtered", "hidden", "removed", "secret", "protected", "sanitized", "scrubbed", "omitted"}, word)
}

// hashed knows a value that says of itself that it is a digest.
func hashed(s string) bool {
	for _, p := range []string{"hmac-sha256:", "sha256:", "sha-256:", "sha512:"} {
		if strings.HasPrefix(s, p) {
			return true
		}
	}
	return false
}

// leakRule judges an event by what was found in it.
func leakRule(id, words string) func(*Linter, *Record) verdict {
	return func(l *Linter, r *Record) verdict {
		for _, k := range l.found {
			if k.breaks() == id {
				return fails(words + " under " + show(k.key) + " (" + k.rule + ", " + k.how + ")")
			}
		}
		return pass
	}
}

func checkSecret(l *Linter, r *Record) verdict { return leakRule("secret", "a secret")(l, r) }

func checkSession(l *Linter, r *Record) verdict {
	return leakRule("session-id", "a session's id")(l, r)
}

func checkConnection(l *Linter, r *Record) verdict {
	return leakRule("connection-string", "a connection string")(l, r)
}

func checkPersonal(l *Linter, r *Record) verdict {
	return leakRule("personal-data", "personal data")(l, r)
}
