package expect

import (
	"encoding/hex"
	"slices"
	"time"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/story"
	"github.com/stetlog/stet/internal/watch"
	"github.com/stetlog/stet/proof"
)

// The words of a verdict.
const (
	Verified   = "verified"
	Failed     = "failed"
	NotChecked = "not checked"
)

// SlotReport is what is told of a slot, with the entries as evidence.
type SlotReport struct {
	Expectation string       `json:"expectation"` // id
	Slot        string       `json:"slot"`
	Local       string       `json:"local"` // in the zone of the expectation
	Word        string       `json:"word"`
	Why         string       `json:"why,omitempty"`
	State       State        `json:"state"`
	Run         *RunReport   `json:"run,omitempty"`
	Missed      *EntryReport `json:"missed,omitempty"` // the job_missed that says so
}

// EntryReport names an entry.
type EntryReport struct {
	Seq      uint64 `json:"seq"`
	Hash     string `json:"hash"` // of the entry, as the log's tree has it
	EventID  string `json:"event_id"`
	Type     string `json:"event_type"`
	Received string `json:"received_at"`
}

// RunReport is what came for a slot.
type RunReport struct {
	Late        string       `json:"late,omitempty"` // why it does not count
	JobID       string       `json:"job_id"`
	RunID       string       `json:"run_id,omitempty"`
	App         string       `json:"app"`
	Environment string       `json:"environment,omitempty"`
	Began       string       `json:"began"`
	State       story.State  `json:"state"` // unclear where no story has it
	Start       EntryReport  `json:"start"`
	End         *EntryReport `json:"end,omitempty"`
	Ended       string       `json:"ended,omitempty"`
}

// Reporter tells how it went with slots, by the same words whoever asks.
type Reporter struct {
	runs map[[2]string]*story.Run // by job and run
	hash func(seq uint64) proof.Hash
}

// NewReporter takes the stories of the jobs that may have come for a slot, and what gives an entry's hash: it is asked about
// the entries of slots.
func NewReporter(stories []story.Story, hash func(seq uint64) proof.Hash) *Reporter {
	r := &Reporter{runs: map[[2]string]*story.Run{}, hash: hash}
	for _, s := range stories {
		for next := append(slices.Clone(s.Jobs), s.Orphans...); len(next) > 0; next = next[1:] {
			for _, run := range next[0].Runs {
				r.runs[[2]string{run.JobID, run.ID}] = run
			}
			next = append(next, next[0].Children...)
		}
	}
	return r
}

// Report tells how it went with a slot.
func (r *Reporter) Report(s Slot) SlotReport {
	x := SlotReport{Expectation: s.ID(), Slot: slotText(s.At), State: s.State}
	x.Local = s.LocalText(s.At)
	if s.Run != nil {
		x.Run = r.run(*s.Run)
	}
	switch s.State {
	case StateRan:
		x.Word = Verified
		if x.Run.open() {
			x.Word, x.Why = NotChecked, "it came, and the log does not say how it ended"
		}
	case StateMissed:
		x.Word = Failed
		if s.Missing != nil {
			m := r.entry(*s.Missing)
			x.Missed = &m
		} else {
			x.Why = "not recorded: no server has watched this log since"
		}
		if x.Run != nil {
			x.Run.Late = "it began too late"
			if end := s.At.Add(s.Grace); Start(*s.Run).Before(end) {
				x.Run.Late = "it began in time, and the log had it too late"
			}
		}
	case StateWaiting:
		x.Word, x.Why = NotChecked, "it is not judged before "+slotText(s.Due)+notJudged(s)
	default:
		x.Word, x.Why = NotChecked, "it was no longer expected before its time was over"
	}
	return x
}

// notJudged says why a slot waits longer than its grace.
func notJudged(s Slot) string {
	if s.Due.After(s.At.Add(s.Grace)) {
		return ": a server that began shortly before waits for what was recorded meanwhile"
	}
	return ""
}

// LocalText is a time in the zone of a definition, to the minute.
func (d Definition) LocalText(at time.Time) string {
	zone, err := Zone(d.Zone)
	if err != nil {
		return slotText(at)
	}
	return at.In(zone).Format("2006-01-02 15:04 -07:00")
}

func (r *Reporter) entry(e watch.Entry) EntryReport {
	h := r.hash(e.Seq)
	return EntryReport{e.Seq, hex.EncodeToString(h[:]), e.Event.EventID.String(), e.Event.EventType, event.FormatTime(e.ReceivedAt)}
}

// run tells of a run, and how it ended.
func (r *Reporter) run(e watch.Entry) *RunReport {
	j := e.Event.Job
	x := &RunReport{JobID: j.ID, RunID: j.RunID, App: e.Event.AppID, Environment: e.Event.Environment, Began: event.FormatTime(Start(e)), Start: r.entry(e), State: story.StateUnclear}
	run := r.runs[[2]string{j.ID, j.RunID}]
	if run == nil {
		return x
	}
	x.State = run.State()
	end := run.Outcome.Event
	if end == nil {
		end = run.Lost
	}
	if end != nil {
		x.End = &EntryReport{end.Seq, hex.EncodeToString(end.EntryHash[:]), end.Event.EventID.String(), end.Event.EventType, event.FormatTime(end.ReceivedAt)}
		x.Ended = event.FormatTime(end.When())
	}
	return x
}

// open says that the log has no end of a run.
func (r *RunReport) open() bool { return r.End == nil && r.State != story.StateDenied }
