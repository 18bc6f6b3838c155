package server

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/foreign"
	"github.com/stetlog/stet/internal/redact"
	"github.com/stetlog/stet/internal/store"
	"github.com/stetlog/stet/internal/wire"
	"github.com/stetlog/stet/proof"
)

// eventLog is where unsealed events go. *store.Held is one.
type eventLog interface {
	// RecordFor completes the events (stream, number, timestamp, clock), seals them, and says where each stands when they are
	// durable (L1); in order, each judged by itself. changed are the paths that via names for each. It is safe for concurrent
	// use. An error means that none of them is acknowledged; where it comes of the disk or of ctx, they may be in the log all
	// the same.
	RecordFor(ctx context.Context, via proof.Via, app, environment string, events []*event.Event, changed [][]string) ([]store.Recorded, error)
}

// poster is who posts events, as the server knows it.
type poster struct {
	name        string // of the token, or of the Unix peer: whose event_ids are told apart
	via         proof.Via
	app         string                              // of events that name none; "" where there is no such
	environment string                              // the same
	may         func(app, environment string) error // says what an event must not be recorded for; a refusal says why by itself
}

// door takes unsealed events: it completes, redacts, sanitises and checks them as stet import does, and judges each by
// itself. It is safe for concurrent use.
type door struct {
	log     eventLog
	codec   event.Codec
	now     func() time.Time
	explain func(error) error // makes a refusal of what the log could not do
	seen    *seen
	streams lately
	tools   sync.Pool // of *doorTools
}

// doorTools is memory that is used again.
type doorTools struct {
	scratch event.Scratch
	buf     []byte
}

func newDoor(log eventLog, now func() time.Time, explain func(error) error) *door {
	return &door{log: log, now: now, explain: explain, seen: newSeen(seenMax)}
}

// verdict is what became of one event: one element of the answer.
type verdict struct {
	Status  string   `json:"status"`             // one of the verdict… constants
	Seq     uint64   `json:"seq,omitempty"`      // of its entry, where it is in the log
	EventID string   `json:"event_id,omitempty"` // the sender's, or the one that it was given
	Changed []string `json:"changed,omitempty"`  // paths that were redacted or sanitised
	Code    string   `json:"code,omitempty"`     // why it was refused: a code of package event or of package wire
	Path    string   `json:"path,omitempty"`
	Detail  string   `json:"detail,omitempty"`
	Hint    string   `json:"hint,omitempty"`
}

const (
	verdictAccepted = "accepted" // it is in the log now
	verdictAgain    = "again"    // it was there
	verdictRefused  = "refused"
)

// arrival is one event on its way through the door.
type arrival struct {
	event   *event.Event
	sum     foreign.Sum
	key     seenKey
	claimed bool // its claim is ours to settle
	named   bool // it came with an event_id
	changed []string
	wait    <-chan struct{}
	result  *verdict
}

// take judges the events and records what it takes, in their order. It returns a verdict for each. err is what kept all
// those that were good from being recorded; where some were, the verdicts of the others say why they were not.
func (d *door) take(ctx context.Context, from poster, raws [][]byte) (verdicts []verdict, err error) {
	verdicts = make([]verdict, len(raws))
	arrivals := make([]*arrival, 0, len(raws))
	for i, raw := range raws {
		a := &arrival{result: &verdicts[i]}
		if err := d.judge(from, raw, a); err != nil {
			a.refuse(ctx, err)
			continue
		}
		a.result.EventID = a.event.EventID.String()
		arrivals = append(arrivals, a)
	}
	for len(arrivals) > 0 {
		ours, others := d.claim(ctx, arrivals)
		if rerr := d.record(ctx, from, ours); err == nil {
			err = rerr
		}
		// Only now is anybody waited for, so that no two requests wait for each other.
		for _, a := range others {
			select {
			case <-a.wait:
			case <-ctx.Done():
				return verdicts, ctx.Err()
			}
		}
		arrivals = others
	}
	if err != nil && slices.ContainsFunc(verdicts, func(v verdict) bool { return v.Status != verdictRefused }) {
		err = nil
	}
	return verdicts, err
}

// judge makes the event that will be recorded of what came, and checks it.
func (d *door) judge(from poster, raw []byte, a *arrival) error {
	original, err := foreign.Parse(raw)
	if err != nil {
		return err
	}
	e := original.Event
	if t, ok := d.catalogue().Lookup(e.EventType); ok && t.Reserved {
		return &event.Error{Code: string(wire.ReservedType), Path: "event_type", Detail: "may be raised only by the server itself", Hint: "use another event type"}
	}
	if e.AppID == "" {
		e.AppID = from.app
	}
	if e.Environment == "" && e.Absent["environment"] == "" {
		e.Environment = from.environment
	}
	err = from.may(e.AppID, e.Environment)
	var limited *refusal
	if errors.As(err, &limited) {
		return &event.Error{Code: string(limited.problem.Code), Path: "environment", Detail: limited.problem.Detail, Hint: limited.problem.Hint}
	}
	if err != nil {
		return &event.Error{Code: string(wire.NotAllowed), Path: "app_id", Detail: err.Error(), Hint: "leave app_id and environment out, or use their token"}
	}
	original.Adopt("")
	now := d.now()
	d.complete(e, a, now)
	if a.named {
		a.key = keyOf(from.name, e.AppID, e.EventID)
	}
	a.event, a.sum = e, original.Sum
	a.changed, err = d.check(e, now)
	a.result.Changed = a.changed
	return err
}

// complete gives an event what every event has and it did not bring.
func (d *door) complete(e *event.Event, a *arrival, now time.Time) {
	if a.named = !e.EventID.IsZero(); !a.named {
		e.EventID = newID(now)
	}
	if e.InteractionID == "" {
		e.InteractionID = newID(now).String()
		e.Derived["interaction_id"] = "none was given"
	}
	if addr, err := netip.ParseAddr(e.SourceIP); err == nil { // one spelling an address
		e.SourceIP = addr.Unmap().WithZone("").String()
	}
}

func newID(now time.Time) event.UUID {
	var random [10]byte
	_, _ = rand.Read(random[:]) // never fails: crypto/rand's word
	return event.NewUUIDv7(now, random)
}

// check has the schema judge an event as the log will write it, with what RecordFor fills in at its longest, and says
// which paths of it are redacted or sanitised on the way.
func (d *door) check(e *event.Event, now time.Time) (changed []string, err error) {
	tools, _ := d.tools.Get().(*doorTools)
	if tools == nil {
		tools = new(doorTools)
	}
	defer d.tools.Put(tools)
	judged := *e
	longest := int64(event.MaxInt)
	judged.Timestamp, judged.StreamID, judged.StreamSeq = now, e.EventID, event.MaxInt
	judged.Clock = &event.Clock{Confidence: "unknown", MaxErrorUS: &longest}
	b, err := d.codec.AppendWith(&tools.scratch, tools.buf[:0], &judged)
	if tools.buf = b[:0]; err != nil {
		return nil, err
	}
	if !bytes.Contains(b, []byte(`"redactions":`)) && !bytes.Contains(b, []byte(`"sanitized":`)) {
		return nil, nil
	}
	written, err := d.codec.Parse(b)
	if err != nil {
		return nil, err
	}
	for _, r := range written.Redactions[min(len(e.Redactions), len(written.Redactions)):] { // behind what the sender's own tools had done
		changed = append(changed, r.Path)
	}
	for _, s := range written.Sanitized[min(len(e.Sanitized), len(written.Sanitized)):] {
		changed = append(changed, s.Path)
	}
	return fitChanged(changed), nil
}

// Limits of what via says was changed: via as a whole has 2 KiB, and what else is in it needs its part.
const (
	changedPaths = 32
	changedBytes = 1 << 10
)

// fitChanged is paths as via takes them: each once, and where they are too many, the first with "*" behind them. The event
// itself lists them in redactions and sanitized.
func fitChanged(paths []string) []string {
	var kept []string
	size := 0
	for _, p := range paths {
		if slices.Contains(kept, p) {
			continue
		}
		if size += len(p) + 8; len(kept) == changedPaths || size > changedBytes {
			return append(kept, "*")
		}
		kept = append(kept, p)
	}
	return kept
}

func (d *door) catalogue() *event.Catalogue {
	if d.codec.Catalogue != nil {
		return d.codec.Catalogue
	}
	return event.Builtin()
}

// claim sorts out what is in the log already, and what somebody else records just now.
func (d *door) claim(ctx context.Context, arrivals []*arrival) (ours, others []*arrival) {
	for _, a := range arrivals {
		if !a.named {
			ours = append(ours, a)
			continue
		}
		c, seq, wait := d.seen.claim(a.key, a.sum)
		switch c {
		case claimNew:
			a.claimed = true
			ours = append(ours, a)
		case claimAgain:
			*a.result = verdict{Status: verdictAgain, Seq: seq, EventID: a.result.EventID}
		case claimConflict:
			a.refuse(ctx, &event.Error{Code: string(wire.EventConflict), Path: "event_id", Detail: "another event has come under this id", Hint: "a new event needs a new id"})
		case claimPending:
			a.wait = wait
			others = append(others, a)
		}
	}
	return ours, others
}

// record records events that are new, those that follow each other for the same application and environment together.
func (d *door) record(ctx context.Context, from poster, arrivals []*arrival) (err error) {
	defer func() { // whatever happens, nobody waits for ever
		for _, a := range arrivals {
			if a.claimed {
				d.seen.settle(a.key, a.result.Seq, a.result.Status == verdictAccepted)
				a.claimed = false
			}
		}
	}()
	for len(arrivals) > 0 {
		n := 1
		for n < len(arrivals) && arrivals[n].together(arrivals[0]) {
			n++
		}
		if rerr := d.recordRun(ctx, from, arrivals[:n]); err == nil {
			err = rerr
		}
		for _, a := range arrivals[:n] {
			if a.claimed {
				d.seen.settle(a.key, a.result.Seq, a.result.Status == verdictAccepted)
				a.claimed = false
			}
		}
		arrivals = arrivals[n:]
	}
	return err
}

// together tells whether two events belong to one stream.
func (a *arrival) together(b *arrival) bool {
	return a.event.AppID == b.event.AppID && a.event.Environment == b.event.Environment
}

func (d *door) recordRun(ctx context.Context, from poster, run []*arrival) error {
	events, changed := make([]*event.Event, len(run)), [][]string(nil)
	for i, a := range run {
		events[i] = a.event
		if len(a.changed) > 0 && changed == nil {
			changed = make([][]string, len(run))
		}
		if changed != nil {
			changed[i] = a.changed
		}
	}
	out, err := d.log.RecordFor(ctx, from.via, events[0].AppID, events[0].Environment, events, changed)
	if err == nil && len(out) != len(run) {
		err = errors.New("the log has not said where each event stands")
	}
	for i, a := range run {
		switch {
		case err != nil:
			a.refuse(ctx, d.explain(err))
		case out[i].Err != nil:
			a.refuse(ctx, out[i].Err)
		default:
			a.result.Status, a.result.Seq = verdictAccepted, out[i].Seq
		}
	}
	return err
}

// refuse turns down an event. Nothing that the sender wrote is repeated where it could be a secret.
func (a *arrival) refuse(ctx context.Context, err error) {
	*a.result = verdict{Status: verdictRefused, EventID: a.result.EventID}
	var refused *event.Error
	if errors.As(err, &refused) {
		path, _ := redact.Text(event.Sanitize(refused.Path))
		a.result.Code, a.result.Path, a.result.Detail, a.result.Hint = refused.Code, path, refused.Detail, refused.Hint
		return
	}
	p := asRefusal(ctx, err).problem
	a.result.Code, a.result.Detail, a.result.Hint = string(p.Code), p.Detail, p.Hint
}
