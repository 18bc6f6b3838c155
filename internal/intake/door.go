package intake

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"net/netip"
	"slices"
	"time"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/convert"
	"github.com/stetlog/stet/internal/foreign"
	"github.com/stetlog/stet/internal/fsx"
	"github.com/stetlog/stet/internal/redact"
	"github.com/stetlog/stet/internal/store"
	"github.com/stetlog/stet/internal/wire"
	"github.com/stetlog/stet/proof"
)

// Log is where events go. *store.Held is one.
type Log interface {
	// RecordFor completes the events (stream, number, timestamp, clock), redacts, sanitises and checks them, seals them, and
	// says where each stands when they are durable (L1), and what was changed of it; in order, each judged by itself. It is
	// safe for concurrent use. An error means that none of them is acknowledged; where it comes of the disk or of ctx, they
	// may be in the log all the same.
	RecordFor(ctx context.Context, via proof.Via, app, environment string, events []*event.Event) ([]store.Recorded, error)
}

// Sender is who brings events, as the server knows it.
type Sender struct {
	Via         proof.Via // its Sender is whose event_ids are told apart
	App         string    // of events that name none; "" where there is no such
	Environment string    // the same
	// May says what must not be recorded for an application and environment. An *event.Error is handed on; any other error means
	// that it is not allowed, and says why by itself.
	May func(app, environment string) error
}

func (s Sender) may(app, environment string) error {
	err := s.May(app, environment)
	var refused *event.Error
	if err == nil || errors.As(err, &refused) {
		return err
	}
	return &event.Error{Code: string(wire.NotAllowed), Path: "app_id", Detail: err.Error(), Hint: "leave app_id and environment out, or use their token"}
}

// Options are what a Door is made of. Log, Now and Explain must be set.
type Options struct {
	Log     Log
	Now     func() time.Time
	Explain func(context.Context, error) wire.Problem // what to say of an error of the log

	FS     fsx.FS                                                              // the store's; nil: refused records are kept nowhere
	Record func(ctx context.Context, events ...*event.Event) ([]uint64, error) // of the log's own events; nil: it is told of no counts
	Count  func(kind Kind, status string)                                      // is told what became of each foreign record; nil: nobody is
	Logger *slog.Logger                                                        // nil: nothing is logged
}

// Door takes unsealed events: it completes them as stet import does, keeps out what its sender may not write and what was
// there before, and has the log write them, each judged by itself. It is safe for concurrent use.
type Door struct {
	o     Options
	codec event.Codec
	seen  *seen
	tally tally
	kept  quarantine
}

// New makes a door in front of a log.
func New(o Options) *Door {
	d := &Door{o: o, seen: newSeen(seenMax), kept: quarantine{fs: o.FS}}
	d.logged(d.tally.load(o.FS))
	return d
}

// Verdict is what became of one event: one element of the answer.
type Verdict struct {
	Status  string   `json:"status"`             // one of the Verdict… constants
	Seq     uint64   `json:"seq,omitempty"`      // of its entry, where it is in the log
	EventID string   `json:"event_id,omitempty"` // the sender's, or the one that it was given
	Changed []string `json:"changed,omitempty"`  // paths that were redacted or sanitised
	Code    string   `json:"code,omitempty"`     // why it was refused: a code of package event or of package wire
	Path    string   `json:"path,omitempty"`
	Detail  string   `json:"detail,omitempty"`
	Hint    string   `json:"hint,omitempty"`
}

// What becomes of an event.
const (
	Accepted = "accepted" // it is in the log now
	Again    = "again"    // it was there
	Ignored  = "ignored"  // a foreign record that is no event of the catalogue: counted
	Refused  = "refused"
)

// arrival is one event on its way through the Door.
type arrival struct {
	event   *event.Event
	sum     foreign.Sum
	key     Key
	claimed bool   // its claim is ours to settle
	named   bool   // it came with an event_id
	noise   string // what it is, where it is Ignored
	wait    <-chan struct{}
	result  *Verdict
}

// Take judges events, each a draft in JSON, and records what it takes, in their order. It returns a verdict for each. err is what
// kept all those that were good from being recorded; where some were, the verdicts of the others say why they were not.
func (d *Door) Take(ctx context.Context, from Sender, drafts [][]byte) ([]Verdict, error) {
	return d.take(ctx, from, len(drafts), func(i int, a *arrival) error {
		original, err := foreign.Parse(drafts[i])
		if err == nil {
			err = d.judge(from, original, a)
		}
		return err
	})
}

// Source is what foreign records come from.
type Source struct {
	Kind Kind
	Map  convert.Map // which of their values mean what
	// Retries says that the source sends all of a call's records again where the call fails: each has an ID then.
	Retries bool
}

// TakeRecords judges records of another system, and records those that are events of the catalogue, in their order. What is none is
// Ignored and counted; what is refused is kept in quarantine, without secrets, and counted: so nothing of a sender that does not try
// again is lost without a word. err is as of Take; of a source that tries again it is also what will pass, a *wire.Problem, and then
// nothing is counted or kept.
func (d *Door) TakeRecords(ctx context.Context, from Sender, src Source, records []Record) ([]Verdict, error) {
	noise := make([]string, len(records))
	verdicts, err := d.take(ctx, from, len(records), func(i int, a *arrival) error {
		err := d.judgeRecord(from, src, &records[i], a)
		noise[i] = a.noise
		return err
	})
	if err == nil && src.Retries {
		err = passing(verdicts)
	}
	if err != nil && src.Retries {
		return verdicts, err
	}
	kind, of := src.Kind, source{src.Kind, from.Via.Sender()}
	now := d.o.Now()
	var refused []kept
	for i, v := range verdicts {
		switch v.Status {
		case Ignored:
			d.tally.add(of, ignoredPrefix+noise[i], now)
		case Refused:
			d.tally.add(of, Refused+"."+v.Code, now)
			refused = append(refused, keep(now, kind, of.Sender, &records[i], v))
		}
		if d.o.Count != nil {
			d.o.Count(kind, v.Status)
		}
	}
	if len(refused) > 0 {
		n, kerr := d.kept.add(refused)
		for range len(refused) - n {
			d.tally.add(of, "not_kept", now)
		}
		d.logged(kerr)
	}
	return verdicts, err
}

// passing is why one of them may be taken later; nil where none may.
func passing(verdicts []Verdict) error {
	for _, v := range verdicts {
		if m, ok := wire.Lookup(wire.Code(v.Code)); ok && m.Later {
			p := wire.NewProblem(m.Code, v.Detail)
			return &p
		}
	}
	return nil
}

// take is Take for n events, each of which judge makes.
func (d *Door) take(ctx context.Context, from Sender, n int, judge func(i int, a *arrival) error) (verdicts []Verdict, err error) {
	verdicts = make([]Verdict, n)
	arrivals := make([]*arrival, 0, n)
	for i := range verdicts {
		a := &arrival{result: &verdicts[i]}
		if err := judge(i, a); err != nil {
			d.refuse(ctx, a, err)
			continue
		}
		if a.event == nil { // nothing to be recorded
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
	if err != nil && slices.ContainsFunc(verdicts, func(v Verdict) bool { return v.Status != Refused }) {
		err = nil
	}
	return verdicts, err
}

// judge makes the event that will be recorded of what came. What the schema says of it the log finds out when it writes it.
func (d *Door) judge(from Sender, original foreign.Original, a *arrival) error {
	e := original.Event
	if t, ok := event.Builtin().Lookup(e.EventType); ok && t.Reserved {
		return &event.Error{Code: string(wire.ReservedType), Path: "event_type", Detail: "may be raised only by the server itself", Hint: "use another event type"}
	}
	if e.AppID == "" {
		e.AppID = from.App
	}
	if e.Environment == "" && e.Absent["environment"] == "" {
		e.Environment = from.Environment
	}
	if err := from.may(e.AppID, e.Environment); err != nil {
		return err
	}
	original.Adopt("")
	d.complete(e, a, d.o.Now())
	if a.named {
		a.key = KeyOf(from.Via.Sender(), e.AppID, e.EventID)
	}
	a.event, a.sum = e, original.Sum
	return nil
}

// complete gives an event what every event has and it did not bring.
func (d *Door) complete(e *event.Event, a *arrival, now time.Time) {
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

// claim sorts out what is in the log already, and what somebody else records just now.
func (d *Door) claim(ctx context.Context, arrivals []*arrival) (ours, others []*arrival) {
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
			*a.result = Verdict{Status: Again, Seq: seq, EventID: a.result.EventID}
		case claimConflict:
			d.refuse(ctx, a, &event.Error{Code: string(wire.EventConflict), Path: "event_id", Detail: "another event has come under this id", Hint: "a new event needs a new id"})
		case claimPending:
			a.wait = wait
			others = append(others, a)
		}
	}
	return ours, others
}

// record records events that are new, those that follow each other for the same application and environment together.
func (d *Door) record(ctx context.Context, from Sender, arrivals []*arrival) (err error) {
	defer func() { // whatever happens, nobody waits for ever
		for _, a := range arrivals {
			if a.claimed {
				d.seen.settle(a.key, a.result.Seq, a.result.Status == Accepted)
				a.claimed = false
			}
		}
	}()
	for len(arrivals) > 0 {
		n := 1
		for n < len(arrivals) && arrivals[n].together(arrivals[0], from.Via.Kind) {
			n++
		}
		if rerr := d.recordRun(ctx, from, arrivals[:n]); err == nil {
			err = rerr
		}
		for _, a := range arrivals[:n] {
			if a.claimed {
				d.seen.settle(a.key, a.result.Seq, a.result.Status == Accepted)
				a.claimed = false
			}
		}
		arrivals = arrivals[n:]
	}
	return err
}

// together tells whether two events belong to one stream. Those of syslog are told apart by host, too.
func (a *arrival) together(b *arrival, via string) bool {
	return a.event.AppID == b.event.AppID && a.event.Environment == b.event.Environment && (via != proof.ViaSyslog || hostOf(a.event) == hostOf(b.event))
}

// hostOf is the host that an event names.
func hostOf(e *event.Event) string {
	if e.Host == nil {
		return ""
	}
	return e.Host.Name
}

func (d *Door) recordRun(ctx context.Context, from Sender, run []*arrival) error {
	events := make([]*event.Event, len(run))
	for i, a := range run {
		events[i] = a.event
	}
	out, err := d.o.Log.RecordFor(ctx, from.Via, events[0].AppID, events[0].Environment, events)
	if err == nil && len(out) != len(run) {
		err = errors.New("the log has not said where each event stands")
	}
	for i, a := range run {
		switch {
		case err != nil:
			d.refuse(ctx, a, err)
		case out[i].Err != nil:
			a.result.EventID = "" // of no entry, and of none to come
			d.refuse(ctx, a, out[i].Err)
		default:
			a.result.Status, a.result.Seq, a.result.Changed = Accepted, out[i].Seq, out[i].Changed
		}
	}
	return err
}

// refuse turns down an event. Nothing that the sender wrote is repeated where it could be a secret.
func (d *Door) refuse(ctx context.Context, a *arrival, err error) {
	*a.result = Verdict{Status: Refused, EventID: a.result.EventID}
	var refused *event.Error
	if errors.As(err, &refused) {
		path, _ := redact.Text(event.Sanitize(refused.Path))
		a.result.Code, a.result.Path, a.result.Detail, a.result.Hint = refused.Code, path, refused.Detail, refused.Hint
		return
	}
	p := d.o.Explain(ctx, err)
	a.result.Code, a.result.Detail, a.result.Hint = string(p.Code), p.Detail, p.Hint
}
