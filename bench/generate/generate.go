// Package generate makes the events of a made-up company, the same ones for the same Config: some applications on some
// hosts, their users, and their jobs with children, retries, failures, and ghosts that start and never end. It is what the
// index, the search and the server are measured with.
//
// What is skewed in life is skewed here: a few actors, applications and words make most of the log, and most actors and words
// are rare. The word Rare is in one event of RareEvery.
package generate

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/stetlog/stet/event"
)

// Rare is in the description of every event whose number is a multiple of RareEvery, from 0, and in no other.
const (
	Rare      = "quicksilver"
	RareEvery = 99_991
)

// Family is the name of the one job that has Config.Children children, and no other job's.
const Family = "fan-out"

// Config says which events. The zero value of all but Seed and Events is good.
type Config struct {
	Seed     uint64
	Events   int
	Jobs     int           // as far as they fit into Events; 0: one for fifty events
	Actors   int           // 0: 5000
	Begin    time.Time     // of the log; zero: 2026-01-01
	Span     time.Duration // from Begin to the last event; 0: 30 days
	Children int           // of one job more, over the middle half of the log; 0: there is no such job
	Own      int           // events of the server's own: keys enrolled, what is missing, who read; 0: none
}

func (c Config) withDefaults() Config {
	c.Jobs = cmp.Or(c.Jobs, c.Events/50)
	c.Actors = cmp.Or(c.Actors, 5000)
	if c.Begin.IsZero() {
		c.Begin = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	c.Span = cmp.Or(c.Span, 30*24*time.Hour)
	return c
}

const (
	apps          = 24
	streamsPerApp = 4                    // an instance each
	own           = apps * streamsPerApp // the stream of the server's own events
	vocabulary    = 20_000
)

// world is what events are made of.
type world struct {
	Config
	rng    *rand.Rand
	actor  *rand.Zipf
	app    *rand.Zipf
	word   *rand.Zipf
	words  []string
	stream [own + 1]struct {
		id   event.UUID
		last uint64
	}
	n      int // events made
	due    []step
	roots  []*job // the last jobs that may have children
	family *job   // with Children of them
	born   int    // of these
	said   int    // events of the server's own
}

// A step is an event of a job that is to come.
type step struct {
	at   time.Time
	job  *job
	kind string
}

// Events calls fn for each event, in the order of their timestamps. The event is fn's own.
func Events(c Config, fn func(*event.Event) error) error {
	w := newWorld(c)
	tick := w.Span / time.Duration(max(w.Events, 1))
	jobEvery := max(w.Events/max(w.Jobs, 1), 1)
	for started := 0; w.n < w.Events; {
		at := w.Begin.Add(time.Duration(w.n) * tick)
		switch {
		case len(w.due) > 0 && !w.due[0].at.After(at):
			s := w.due[0]
			w.due = w.due[1:]
			if err := fn(w.step(at, s)); err != nil {
				return err
			}
		case started < w.Jobs && w.n >= started*jobEvery:
			started++
			if err := fn(w.submit(at)); err != nil {
				return err
			}
		case w.said < w.Own && w.n >= w.said*(w.Events/w.Own):
			e, err := w.own(at)
			if err == nil {
				err = fn(e)
			}
			if err != nil {
				return err
			}
		case w.born < w.Children && w.n >= w.Events/4+w.born*(w.Events/2)/w.Children:
			if err := fn(w.bear(at)); err != nil {
				return err
			}
		default:
			if err := fn(w.application(at)); err != nil {
				return err
			}
		}
		w.n++
	}
	return nil
}

func newWorld(c Config) *world {
	w := &world{Config: c.withDefaults(), rng: rand.New(rand.NewPCG(c.Seed, 0x57e7))}
	w.actor = rand.NewZipf(w.rng, 1.2, 4, uint64(w.Actors-1))
	w.app = rand.NewZipf(w.rng, 1.3, 3, apps-1)
	w.word = rand.NewZipf(w.rng, 1.1, 10, vocabulary-1)
	syllables := strings.Fields("ba ce di fo gu ha ke li mo nu pa re si to vu wa xe yi zo qua")
	for i := range vocabulary {
		s := ""
		for n := i + len(syllables); n > 0; n /= len(syllables) {
			s += syllables[n%len(syllables)]
		}
		w.words = append(w.words, s)
	}
	for i := range w.stream {
		w.stream[i].id = w.id(w.Begin)
	}
	return w
}

func (w *world) id(at time.Time) event.UUID {
	var b [10]byte
	for i := range b {
		b[i] = byte(w.rng.Uint32())
	}
	return event.NewUUIDv7(at, b)
}

func (w *world) sentence(n int) string {
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(w.words[w.word.Uint64()])
	}
	return b.String()
}

// Actor is the user id of an actor, from the one who does most.
func Actor(n int) string { return fmt.Sprintf("user-%04d", n) }

func (w *world) base(at time.Time, stream int, actor string) *event.Event {
	s := &w.stream[stream]
	s.last++
	app := stream / streamsPerApp
	maxError := int64(100 + w.rng.IntN(100))
	e := &event.Event{
		EventID: w.id(at), Timestamp: at, AppID: fmt.Sprintf("app-%02d", app), AppVersion: "1.4." + fmt.Sprint(app),
		CodeLocation: fmt.Sprintf("worker/task%d.go:%d", w.rng.IntN(20), 20+w.rng.IntN(300)),
		EntryPoint:   &event.EntryPoint{Kind: "function", Name: "Run"},
		Host:         &event.Host{Name: fmt.Sprintf("node-%02d", stream%40), IP: fmt.Sprintf("10.0.0.%d", stream%40)},
		Environment:  "production", UserID: actor, SourceIP: fmt.Sprintf("192.0.2.%d", w.rng.IntN(250)),
		Principal: &event.Principal{Type: "user", ID: actor},
		StreamID:  s.id, StreamSeq: s.last, Clock: &event.Clock{Confidence: "high", MaxErrorUS: &maxError},
	}
	if app%8 == 7 {
		e.Environment = "staging"
	}
	if stream == own {
		e.AppID = Server
	}
	if w.n%RareEvery == 0 {
		e.Description = w.sentence(3) + " " + Rare
	}
	return e
}

// applications are the types of events that are not of jobs, the frequent ones first.
var applications = []string{"sensitive_read", "sensitive_read", "sensitive_update", "authn_login_success", "authn_login_success", "session_created",
	"user_updated", "input_validation_fail", "authn_login_fail", "authz_fail", "upload_complete", "sensitive_delete", "excess_rate_limit_exceeded"}

func (w *world) application(at time.Time) *event.Event {
	app := int(w.app.Uint64())
	e := w.base(at, app*streamsPerApp+w.rng.IntN(streamsPerApp), Actor(int(w.actor.Uint64())))
	e.InteractionID = w.id(at).String()
	e.EventType = applications[min(w.rng.IntN(len(applications)), w.rng.IntN(len(applications)))]
	if e.Description == "" {
		e.Description = w.sentence(4 + w.rng.IntN(6))
	}
	e.Action, e.Object = "access", &event.Object{Type: "record", ID: fmt.Sprintf("rec-%d", w.rng.IntN(200_000))}
	e.Labels = map[string]string{"team": w.words[app], "region": []string{"eu", "us", "ap"}[w.rng.IntN(3)]}
	return e
}

// Each page of a story is a line of steps. A job is one of these shapes, by lot.
type job struct {
	id, run, name, interaction string
	actor                      string
	stream                     int
	attempt                    int64
	parent, root               string
	submitted, started         time.Time
	beats                      uint64
}

var names = []string{"purge", "invoice", "report", "backup", "reindex", "mail-digest", "import-prices", "rotate-keys"}

// submit makes the first event of a job, and plans the others.
func (w *world) submit(at time.Time) *event.Event {
	var parent *job
	if len(w.roots) > 0 && w.rng.IntN(10) < 6 {
		parent = w.roots[w.rng.IntN(len(w.roots))]
	}
	j := w.job(at, names[w.rng.IntN(len(names))], parent)
	if w.roots = append(w.roots, j); len(w.roots) > 8 {
		w.roots = slices.Delete(w.roots, 0, 1)
	}
	w.plan(j)
	return w.submitted(at, j)
}

// bear makes the first event of the job of the name Family, or of its next child, and plans the others.
func (w *world) bear(at time.Time) *event.Event {
	if w.family == nil {
		w.family = w.job(at, Family, nil)
		w.after(at.Add(time.Second), w.family, "job_started")
		w.after(at.Add(w.Span/2+time.Minute), w.family, "job_succeeded")
		return w.submitted(at, w.family)
	}
	w.born++
	j := w.job(at, names[w.born%len(names)], w.family)
	w.plan(j)
	return w.submitted(at, j)
}

func (w *world) job(at time.Time, name string, parent *job) *job {
	j := &job{id: w.id(at).String(), run: w.id(at).String(), name: name, actor: Actor(int(w.actor.Uint64())),
		stream: int(w.app.Uint64())*streamsPerApp + w.rng.IntN(streamsPerApp), attempt: 1, submitted: at}
	j.interaction, j.root = w.id(at).String(), j.id
	if parent != nil {
		j.parent, j.root, j.interaction, j.stream, j.actor = parent.id, parent.root, parent.interaction, parent.stream, parent.actor
	}
	return j
}

// after has an event of a job come, at that time or soon after.
func (w *world) after(at time.Time, j *job, kind string) {
	i, _ := slices.BinarySearchFunc(w.due, at, func(s step, t time.Time) int { return s.at.Compare(t) })
	w.due = slices.Insert(w.due, i, step{at, j, kind})
}

// plan has the events of a job come that are behind its first.
func (w *world) plan(j *job) {
	next := j.submitted
	plan := func(kind string, most time.Duration) {
		next = next.Add(time.Second + time.Duration(w.rng.Int64N(int64(most))))
		w.after(next, j, kind)
	}
	attempt := func(outcome string) {
		plan("job_started", time.Minute)
		for range w.rng.IntN(12) {
			plan("job_heartbeat", time.Minute)
		}
		if outcome != "" {
			plan(outcome, time.Minute)
		}
	}
	switch lot := w.rng.IntN(1000); {
	case lot < 5: // never starts
	case lot < 15:
		plan("job_denied", time.Second)
	case lot < 25: // starts and never ends
		plan("job_authorized", time.Second)
		attempt("")
	case lot < 65: // fails, and is tried again
		plan("job_authorized", time.Second)
		attempt("job_failed")
		attempt("job_succeeded")
	case lot < 95:
		plan("job_authorized", time.Second)
		attempt("job_failed")
	case lot < 115:
		plan("job_authorized", time.Second)
		attempt("job_aborted")
	default:
		plan("job_authorized", time.Second)
		attempt("job_succeeded")
	}
}

func (w *world) submitted(at time.Time, j *job) *event.Event {
	e := w.of(at, j, "job_submitted")
	e.Job.Params = map[string]any{"older_than_days": w.rng.IntN(90), "region": w.words[w.rng.IntN(200)]}
	return e
}

func (w *world) of(at time.Time, j *job, kind string) *event.Event {
	e := w.base(at, j.stream, j.actor)
	e.InteractionID, e.EventType = j.interaction, kind
	e.Why = &event.Why{Trigger: "schedule", Reason: w.sentence(3), Reference: "cron:" + j.name}
	e.Job = &event.Job{ID: j.id, Name: j.name, Attempt: j.attempt}
	if j.parent != "" {
		e.Why.Trigger = "parent"
		e.Job.ParentID, e.Job.RootID = j.parent, j.root
	}
	return e
}

func (w *world) step(at time.Time, s step) *event.Event {
	e, j := w.of(at, s.job, s.kind), s.job
	switch s.kind {
	case "job_authorized", "job_denied":
		e.Status = event.StatusSuccess
		e.Authorization = &event.Authorization{Basis: "policy", Decision: "allowed", PolicyID: "jobs", PolicyVersion: "7"}
		if s.kind == "job_denied" {
			e.Status, e.Authorization.Decision = event.StatusDenied, "denied"
			e.Action, e.Object = "start", &event.Object{Type: "job", ID: j.id}
		}
	case "job_started":
		if !j.started.IsZero() { // again
			j.attempt++
			j.run, j.beats = w.id(at).String(), 0
			e.Job.Attempt = j.attempt
		}
		j.started = at
		e.Job.RunID, e.Job.CodeDigest = j.run, "sha256:"+strings.Repeat("5e", 32)
	case "job_heartbeat":
		j.beats++
		e.Job.RunID, e.Heartbeat = j.run, &event.Heartbeat{N: j.beats, NextDue: at.Add(2 * time.Minute)}
	default:
		e.Job.RunID = j.run
		e.Timing = &event.Timing{SubmittedAt: j.submitted, StartedAt: j.started, EndedAt: at, DurationUS: new(at.Sub(j.started).Microseconds())}
		e.Status = event.StatusSuccess
		if s.kind == "job_succeeded" {
			e.Impact = &event.Impact{Summary: w.sentence(5), Counts: map[string]int64{"rows": int64(w.rng.IntN(10_000))}}
			break
		}
		e.Status, e.StatusCode, e.StatusReason = event.StatusFailure, fmt.Sprint("E", w.rng.IntN(40)), w.sentence(4)
		if s.kind == "job_aborted" {
			e.Status = event.StatusAborted
		}
		e.References = []event.Reference{{Kind: "sqlstate", Value: "40001"}}
	}
	return e
}
