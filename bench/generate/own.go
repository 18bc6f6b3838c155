package generate

import (
	"fmt"
	"strconv"
	"time"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/proof"
)

// Server is the application whose events are the server's own.
const Server = "stet"

// findings are what a server finds missing, the frequent ones first, and by which rule.
var findings = [...][2]string{{"job_no_outcome", "no_outcome"}, {"job_stalled", "silent"}, {"job_never_started", "not_started"}, {"job_missed", "slot"}}

// own makes the next event of the server's own: first the keys of the applications are enrolled, then it tells of readings and now
// and then of something else. The entries that it names are any.
func (w *world) own(at time.Time) (*event.Event, error) {
	n := w.said
	w.said++
	e := w.base(at, own, "")
	e.UserID, e.SourceIP, e.CodeLocation, e.EntryPoint = "", "", "internal/admin", &event.EntryPoint{Kind: "http", Name: "own"}
	e.Principal = &event.Principal{Type: "service_account", ID: Server}
	e.Absent = map[string]string{"user_id": event.AbsentNotApplicable, "source_ip": event.AbsentNotApplicable}
	e.InteractionID = w.id(at).String()
	if n < apps {
		_, key, err := emitterOf(fmt.Sprintf("app-%02d", n))
		if err != nil {
			return nil, err
		}
		e.EventType, e.Action, e.Object = "emitter_enrolled", "enrol", &event.Object{Type: "key", ID: proof.KeyID(key)}
		e.References = []event.Reference{{Kind: "vkey", Value: key}, {Kind: "by", Value: "deploy"}}
		return e, nil
	}
	anything := strconv.Itoa(w.rng.IntN(w.n + 1))
	switch lot := w.rng.IntN(100); {
	case lot < 10:
		f := findings[min(w.rng.IntN(len(findings)), w.rng.IntN(len(findings)))]
		e.EventType, e.StatusCode, e.StatusReason = f[0], f[1], w.sentence(6)
		e.References = []event.Reference{{Kind: "seq", Value: anything}, {Kind: "app", Value: fmt.Sprintf("app-%02d", w.rng.IntN(apps))}}
		if len(w.roots) > 0 {
			j := w.roots[0]
			e.InteractionID, e.Job = j.interaction, &event.Job{ID: j.id, RunID: j.run, Name: j.name, Attempt: j.attempt}
		}
	case lot < 12:
		e.EventType, e.Action, e.Object = "log_exported", "export", &event.Object{Type: "entries", ID: "0-" + anything}
		e.References = []event.Reference{{Kind: "sha256", Value: fmt.Sprintf("%064x", w.n)}}
	case lot < 13:
		e.EventType, e.StatusReason = "clock_skewed", w.sentence(5)
		e.References = []event.Reference{{Kind: "stream", Value: w.stream[w.rng.IntN(own)].id.String()}}
	default:
		e.EventType, e.Action, e.Object = "log_read", "read", &event.Object{Type: "entries", ID: "0-" + anything}
		e.UserID, e.Principal = fmt.Sprintf("reader-%d", w.rng.IntN(12)), &event.Principal{Type: "user"}
		e.Principal.ID = e.UserID
		delete(e.Absent, "user_id")
		e.Labels = map[string]string{"entries": anything}
	}
	return e, nil
}
