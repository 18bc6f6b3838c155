package policy

import (
	"github.com/stetlog/stet/internal/convert"
	"hash/maphash"
	"strconv"
	"time"

	"github.com/stetlog/stet/event"
)

// sameTime is how far the time of an event and that of its line may be apart and count as one (SCHEMA, event_time).
const sameTime = time.Second

// Bounds of what a Linter keeps in mind of a log, some 100 MB at worst; of what is beyond it says "not checked".
const (
	maxSeen    = 1_000_000 // ids of events, and of jobs
	maxStreams = 100_000
)

// maxSame is how many equal events in a row are no flood yet.
const maxSame = 100

// seen is what a Linter keeps of the events before.
type seen struct {
	seed    maphash.Seed
	events  map[uint64]uint64 // event → stream
	jobs    map[uint64]uint64 // job → interaction
	streams map[uint64]uint64 // stream → its last number

	last uint64 // hash of the event before
	same int    // how many like it stood in a row

	keys      map[string]bool // the policy's seven, that some line has
	flagged   uint64
	unflagged tally // first places of events without the flag
	debug     bool
	security  bool // an event whose type is of security
	ordinary  bool // and one whose type is not
}

func newSeen() seen {
	return seen{seed: maphash.MakeSeed(), events: map[uint64]uint64{}, jobs: map[uint64]uint64{}, streams: map[uint64]uint64{}, keys: map[string]bool{}}
}

func (s *seen) hash(parts ...string) uint64 {
	var h maphash.Hash
	h.SetSeed(s.seed)
	for _, p := range parts {
		_, _ = h.WriteString(strconv.Itoa(len(p))) // never fails
		_, _ = h.WriteString(":" + p)
	}
	return h.Sum64()
}

func checkEventID(l *Linter, r *Record) verdict {
	v, ok := r.value("event_id")
	if !ok {
		return notChecked("no id of the event: whether it stands here twice cannot be told")
	}
	in, _ := r.value("stream_id")
	h, stream := l.seen.hash(v.Text), l.seen.hash(in.Text)
	if before, twice := l.seen.events[h]; twice {
		if r.native() && before != stream {
			return pass // a copy: its sender could not know that the first was durable (internal/story)
		}
		return fails("the event's id stands here a second time")
	}
	if len(l.seen.events) >= maxSeen {
		return notChecked("more than " + strconv.Itoa(maxSeen) + " events before it")
	}
	l.seen.events[h] = stream
	return pass
}

func checkOneInteraction(l *Linter, r *Record) verdict {
	if !r.job() {
		return verdict{}
	}
	id, ok := r.value("interaction_id")
	if !ok {
		return fails("an event of a job without an interaction id")
	}
	job, _ := r.value("job.id")
	app, _ := r.value("app_id")
	h, interaction := l.seen.hash(app.Text, job.Text), l.seen.hash(id.Text)
	switch before, there := l.seen.jobs[h]; {
	case there && before != interaction:
		return fails("another interaction id than the job's first event has")
	case !there && len(l.seen.jobs) >= maxSeen:
		return notChecked("more than " + strconv.Itoa(maxSeen) + " jobs before it")
	}
	l.seen.jobs[h] = interaction
	return pass
}

func checkSequence(l *Linter, r *Record) verdict {
	v, ok := r.value("stream_seq")
	if !ok {
		if !r.job() {
			return verdict{}
		}
		return fails("an event of a job without a number in its stream")
	}
	n, err := strconv.ParseUint(v.Text, 10, 64)
	if err != nil {
		return fails("what stands under " + show(v.Key) + " is no number")
	}
	stream, _ := r.value("stream_id")
	app, _ := r.value("app_id")
	host, _ := r.value("host.name")
	h := l.seen.hash(stream.Text)
	if stream.Text == "" {
		h = l.seen.hash(app.Text, host.Text)
	}
	last, there := l.seen.streams[h]
	if !there && len(l.seen.streams) >= maxStreams {
		return notChecked("more than " + strconv.Itoa(maxStreams) + " streams before it")
	}
	l.seen.streams[h] = max(n, last)
	switch {
	case !there && r.native() && n != 1:
		return notChecked("the stream's beginning is not in this log")
	case !there, n == last+1:
		return pass
	case n > last:
		return fails("a number is missing before it in its stream")
	}
	return fails("its number is not above the last of its stream")
}

// flood judges an event by those before it.
func (l *Linter) flood(r *Record) verdict {
	var parts []string
	for _, field := range []string{"event_type", "description", "user_id", "source_ip", "entry_point.name", "job.id"} {
		v, _ := r.value(field)
		parts = append(parts, v.Text)
	}
	h := l.seen.hash(parts...)
	if h != l.seen.last {
		l.seen.last, l.seen.same = h, 0
	}
	if l.seen.same++; l.seen.same > maxSame {
		return fails("more than " + strconv.Itoa(maxSame) + " equal events in a row")
	}
	return pass
}

// sevenKeys are the policy's, as it spells them (Planner Extraction Hints).
var sevenKeys = [...]string{"timestamp", "app_id", "user_id", "source_ip", "event_type", "severity", "interaction_id"}

// note keeps what rules about the whole log need of an event.
func (l *Linter) note(r *Record) {
	s := &l.seen
	for _, key := range sevenKeys {
		if !s.keys[key] && (r.has(key) || r.native()) { // the schema demands the key of a stet event
			s.keys[key] = true
		}
	}
	level, ok := r.value("severity")
	if n, standard := convert.SeverityOf(level); ok && standard && n == event.SeverityDebug {
		s.debug = true
	}
	if r.known {
		s.security, s.ordinary = s.security || r.typ.Security, s.ordinary || !r.typ.Security
	}
	if r.has("security") {
		s.flagged++
		return
	}
	if s.unflagged.Count++; len(s.unflagged.Places) < l.o.Places {
		s.unflagged.Places = append(s.unflagged.Places, r.place)
	}
}

// finish judges the log as a whole.
func (l *Linter) finish() {
	s := &l.seen
	if l.records > 0 {
		for _, key := range sevenKeys {
			if s.keys[key] {
				l.count("required-keys", Place{}, pass)
			} else {
				l.count("required-keys", Place{}, fails("no line has "+key))
			}
		}
	}
	r := l.result("security-flag")
	r.Pass += s.flagged
	if s.unflagged.Count > 0 {
		what, state := "no flag, in a log of which it cannot be told whether it is mixed", NotChecked
		switch {
		case s.debug:
			what, state = "no flag, in a log that debug messages are in, too", Fail
		case s.flagged > 0:
			what, state = "no flag, where other events of this log have one", Fail
		case s.security && s.ordinary:
			what, state = "no flag, in a log with types of security and others", Fail
		}
		r.addTally(state, what, l.o.Places, s.unflagged)
	}
}
