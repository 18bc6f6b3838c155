package story

import (
	"strings"
	"time"

	"github.com/stetlog/stet/event"
)

// Answer is one of the five Ws of the 108 document.
type Answer struct {
	Question string // who, what, when, where, why, code
	Text     string // printable
	Known    bool   // false: Text is an excuse
}

// Answers answers the five Ws, and which code ran, from what counts of a job's run: the request first, else the start,
// else whatever else there is. What nobody gave is excused with the reason the event has for it ("not configured"), and
// what stet found out by itself says how ("found: …"). times writes a time; nil writes it in UTC.
func (j *Job) Answers(r *Run, times func(time.Time) string) []Answer {
	if times == nil {
		times = instant
	}
	asked, from := j.asked(r), []*Entry(nil)
	for p := submission; p <= outcome; p++ {
		e := r.slot(p).Event
		if p == submission {
			e = asked
		}
		if e != nil {
			from = append(from, e)
		}
	}
	start := from
	if e := r.Execution.Event; e != nil { // the run's own place and code, not those of whoever asked for it
		start = append([]*Entry{e}, from...)
	}
	if len(from) == 0 && r.Lost != nil {
		from, start = []*Entry{r.Lost}, []*Entry{r.Lost}
	}
	return []Answer{
		answerWho(from),
		answerWhat(j, r, from),
		answerWhen(r, asked, times),
		answerWhere(start),
		answerWhy(from),
		answerCode(start),
	}
}

// asked is the request behind a run: its own, or the last that an earlier attempt of the job had.
func (j *Job) asked(r *Run) *Entry {
	var last *Entry
	for _, x := range j.Runs {
		if x.Submission.Event != nil {
			last = x.Submission.Event
		}
		if x == r {
			break
		}
	}
	return last
}

// fact is one field as it reads in an answer: its value and how it was found, or "no user (unavailable)", which cannot
// be taken for a value because a value with a space in it is quoted. intro stands before a value.
func fact(from []*Entry, path, what, intro string, get func(*event.Event, words) string) (text string, known bool) {
	for _, e := range from {
		if v := get(e.Event, wordsOf(e.Event)); v != "" {
			return intro + v + found(e.Event, path), true
		}
	}
	why := "not recorded"
	for _, e := range from {
		if s := excuse(e.Event, path); s != "" {
			why = s
			break
		}
	}
	return "no " + what + " (" + why + ")", false
}

// found says how a value was come by, where the event says that it was not given.
func found(e *event.Event, path string) string {
	for p := path; p != ""; p = parentPath(p) {
		if how, ok := e.Derived[p]; ok {
			return " (found: " + wordsOf(e).phrase(how) + ")"
		}
	}
	return ""
}

// excuse says why a field is not there, by its own entry in absent or that of an object it is in.
func excuse(e *event.Event, path string) string {
	for p := path; p != ""; p = parentPath(p) {
		if why, ok := e.Absent[p]; ok {
			return wordsOf(e).phrase(strings.ReplaceAll(why, "_", " "))
		}
	}
	return ""
}

func parentPath(p string) string {
	i := strings.LastIndexByte(p, '.')
	return p[:max(i, 0)]
}

func answerWho(from []*Entry) Answer {
	user, known := fact(from, "user_id", "user", "user ", func(e *event.Event, w words) string {
		if e.UserID == "" {
			return ""
		}
		return w.name(e.UserID)
	})
	acting, acted := fact(from, "principal.id", "account", "acting as ", func(e *event.Event, w words) string {
		if e.Principal == nil || e.Principal.ID == "" && e.Principal.Type != "unauthenticated" {
			return ""
		}
		return principal(e.Principal, w)
	})
	source, _ := fact(from, "source_ip", "source address", "from ", func(e *event.Event, w words) string {
		if e.SourceIP == "" {
			return ""
		}
		return w.name(e.SourceIP)
	})
	parts := []string{user, acting, source}
	if !known && acted { // the one who is known comes first
		parts = []string{strings.TrimPrefix(acting, "acting as "), user, source}
	}
	return Answer{"who", strings.Join(parts, "; "), known || acted}
}

func principal(p *event.Principal, w words) string {
	s := strings.ReplaceAll(w.text(p.Type), "_", " ")
	if p.ID != "" {
		s += " " + w.name(p.ID)
	}
	if len(p.Roles) > 0 {
		s += " with roles " + list(p.Roles, w)
	}
	if p.AuthMethod != "" {
		s += " by " + w.name(p.AuthMethod)
	}
	if o := p.OnBehalfOf; o != nil && o.ID != "" {
		s += " on behalf of " + strings.TrimSpace(w.text(o.Type)+" "+w.name(o.ID))
	}
	return s
}

func list(items []string, w words) string {
	out := make([]string, len(items))
	for i, s := range items {
		out[i] = w.name(s)
	}
	return strings.Join(out, ", ")
}

func answerWhat(j *Job, r *Run, from []*Entry) Answer {
	w := words{escaped: true}
	if len(from) > 0 {
		w = wordsOf(from[0].Event)
	}
	name := j.Name
	if name == "" {
		name = "a job without a name"
	} else {
		name = w.name(name)
		if len(from) > 0 {
			name += found(from[0].Event, "job.name")
		}
	}
	entry, _ := fact(from, "entry_point", "entry point", "by ", func(e *event.Event, w words) string {
		if e.EntryPoint == nil {
			return ""
		}
		s := w.name(e.EntryPoint.Kind)
		if e.EntryPoint.Method != "" {
			s += " " + w.name(e.EntryPoint.Method)
		}
		if e.EntryPoint.Name != "" {
			s += " " + w.name(e.EntryPoint.Name)
		}
		return s
	})
	parts := []string{name, entry, "job " + w.name(j.ID)}
	if r.ID != "" && r.ID != j.ID {
		parts = append(parts, "run "+w.name(r.ID))
	}
	return Answer{"what", strings.Join(parts, "; "), j.Name != ""}
}

func answerWhen(r *Run, asked *Entry, times func(time.Time) string) Answer {
	var parts []string
	known := false
	for _, x := range []struct {
		word    string
		e       *Entry
		missing Missing
	}{
		{"asked for", asked, r.Submission.Missing},
		{"started", r.Execution.Event, r.Execution.Missing},
		{"ended", r.Outcome.Event, r.Outcome.Missing},
	} {
		if x.e == nil {
			parts = append(parts, x.word+": "+x.missing.String())
			continue
		}
		known = true
		parts = append(parts, x.word+" "+times(x.e.When()))
	}
	if o := r.Outcome.Event; o != nil {
		if d := after(o.Event); d != "" {
			parts = append(parts, "took"+strings.TrimPrefix(d, " after"))
		}
	}
	return Answer{"when", strings.Join(parts, "; ") + clockState(r), known}
}

// clockState says how far the times are to be believed.
func clockState(r *Run) string {
	for p := execution; ; p = submission {
		if e := r.slot(p).Event; e != nil && e.Event.Clock != nil {
			c := e.Event.Clock
			s := "; clock " + wordsOf(e.Event).text(c.Confidence) + " confidence"
			if c.MaxErrorUS != nil {
				s += ", off by at most " + duration(microseconds(*c.MaxErrorUS))
			}
			return s
		}
		if p == submission {
			return ""
		}
	}
}

func answerWhere(from []*Entry) Answer {
	host, known := fact(from, "host.name", "host", "host ", func(e *event.Event, w words) string {
		h := e.Host
		if h == nil {
			return ""
		}
		var parts []string
		for _, s := range []string{h.Name, h.IP, h.Cluster, h.InstanceID} {
			if s != "" {
				parts = append(parts, w.name(s))
			}
		}
		return strings.Join(parts, " ")
	})
	app, _ := fact(from, "app_id", "application", "application ", func(e *event.Event, w words) string {
		if e.AppID == "" {
			return ""
		}
		return w.name(e.AppID)
	})
	environment, _ := fact(from, "environment", "environment", "environment ", func(e *event.Event, w words) string {
		if e.Environment == "" {
			return ""
		}
		return w.name(e.Environment)
	})
	parts := []string{host, app, environment}
	target, aimed := fact(from, "target", "target", "acts on ", func(e *event.Event, w words) string {
		t := e.Target
		if t == nil {
			return ""
		}
		var s []string
		for _, v := range []string{t.System, t.Environment} {
			if v != "" {
				s = append(s, w.name(v))
			}
		}
		return strings.Join(s, " in ")
	})
	if aimed {
		parts = append(parts, target)
	}
	return Answer{"where", strings.Join(parts, "; "), known}
}

func answerWhy(from []*Entry) Answer {
	reason, known := fact(from, "why.reason", "reason", "", func(e *event.Event, w words) string {
		if e.Why == nil || e.Why.Reason == "" {
			return ""
		}
		return w.phrase(e.Why.Reason)
	})
	trigger, triggered := fact(from, "why.trigger", "trigger", "triggered by ", func(e *event.Event, w words) string {
		if e.Why == nil {
			return ""
		}
		if e.Why.Trigger == "" {
			return ""
		}
		return w.name(e.Why.Trigger)
	})
	parts := []string{reason, trigger}
	if s, ok := fact(from, "why.reference", "reference", "reference ", func(e *event.Event, w words) string {
		if e.Why == nil || e.Why.Reference == "" {
			return ""
		}
		return w.name(e.Why.Reference)
	}); ok {
		parts = append(parts, s)
	}
	if s, ok := fact(from, "principal.upstream", "cause", "caused by ", func(e *event.Event, w words) string {
		if e.Principal == nil || e.Principal.Upstream == nil {
			return ""
		}
		u := e.Principal.Upstream
		var s []string
		for _, v := range []string{u.System, u.EventType, u.EventRef} {
			if v != "" {
				s = append(s, w.name(v))
			}
		}
		return strings.Join(s, " ")
	}); ok {
		parts = append(parts, s)
	}
	return Answer{"why", strings.Join(parts, "; "), known || triggered}
}

func answerCode(from []*Entry) Answer {
	version, known := fact(from, "app_version", "version", "version ", func(e *event.Event, w words) string {
		if e.AppVersion == "" {
			return ""
		}
		return w.name(e.AppVersion)
	})
	digest, digested := fact(from, "job.code_digest", "code digest", "code ", func(e *event.Event, w words) string {
		if e.Job == nil {
			return ""
		}
		return w.text(e.Job.CodeDigest)
	})
	place, _ := fact(from, "code_location", "code location", "at ", func(e *event.Event, w words) string {
		if e.CodeLocation == "" {
			return ""
		}
		return w.name(e.CodeLocation)
	})
	parts := []string{version, digest, place}
	if env, ok := fact(from, "job.env_digest", "environment digest", "environment ", func(e *event.Event, w words) string {
		if e.Job == nil {
			return ""
		}
		return w.text(e.Job.EnvDigest)
	}); ok {
		parts = append(parts, env)
	}
	return Answer{"code", strings.Join(parts, "; "), known || digested}
}
