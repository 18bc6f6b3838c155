package convert

import (
	"fmt"
	"net/netip"
	"strconv"
	"time"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/proof"
)

// The types of rows that are no events. No catalogue has them: they say what stands at a seq, so that none is missing without a
// word.
const (
	RowRefused = "stub_refused" // one event that could not be stored
	RowLost    = "stub_lost"    // numbers of a stream that are lost
	RowSeal    = "seal"         // the signature over the batch before it
)

// A Row is one entry of a log on its way out. It is made by NewRow alone, so that every text in it has passed the checks of
// package event: no format has to expect a line break or another character that does not show itself.
type Row struct {
	Seq      uint64
	Hash     proof.Hash // the entry's leaf hash
	SealedBy string     // verifier key of the seal over it; "" where none covers it, or it is not known

	raw      []byte // the entry's exact bytes
	entry    proof.Entry
	received time.Time
	event    *event.Event // of a stub or a seal: what is known of it, under a type of its own
}

// NewRow reads an entry. sealedBy is the verifier key of the seal over it, or "". The row refers to raw.
func NewRow(raw []byte, sealedBy string) (*Row, error) {
	e, err := proof.ParseEntry(raw)
	if err != nil {
		return nil, err
	}
	r := &Row{Seq: e.Seq, Hash: proof.LeafHash(raw), SealedBy: sealedBy, raw: raw, entry: e}
	if r.received, err = proof.ParseTime(e.ReceivedAt); err == nil {
		switch {
		case e.Stub != nil:
			r.event, err = stubEvent(e.Stub)
		case e.Seal != nil:
			r.event, err = sealEvent(e.Seal)
		default:
			r.event, err = event.Parse(e.Event)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("entry %d: %w", e.Seq, err)
	}
	if e.Event == nil {
		r.event.Timestamp = r.received
	}
	return r, nil
}

// stubEvent is what a stub says. Its time is when the log took it.
func stubEvent(s *proof.Stub) (*event.Event, error) {
	severity := event.SeverityWarning
	e := &event.Event{EventType: RowRefused, Severity: &severity, Security: true, StreamSeq: s.First, Escaped: true}
	e.Description = fmt.Sprintf("Number %d of stream %s could not be stored", s.First, s.Stream)
	if s.Code == proof.StubLost {
		e.EventType, severity = RowLost, event.SeverityError
		e.Description = fmt.Sprintf("Numbers %d to %d of stream %s are lost", s.First, s.Last, s.Stream)
	}
	e.StatusCode, e.StatusReason = s.Code, event.Sanitize(s.Reason)
	var err error
	e.StreamID, err = event.ParseUUID(s.Stream)
	return e, err
}

// sealEvent is what a seal says.
func sealEvent(s *proof.SealEntry) (*event.Event, error) {
	seal, err := proof.ParseSeal(s.Note)
	if err != nil {
		return nil, err
	}
	severity := event.SeverityDebug
	e := &event.Event{EventType: RowSeal, Severity: &severity, AppID: seal.App, Environment: event.Sanitize(seal.Environment), StreamSeq: seal.First, Escaped: true}
	e.Description = "Seal over " + strconv.Itoa(seal.Count) + " events of the stream"
	e.StreamID, err = event.ParseUUID(seal.Stream)
	return e, err
}

// IsEvent tells an event from a stub or a seal.
func (r *Row) IsEvent() bool { return r.entry.Event != nil }

// happened is when it happened, as far as that is known to be another time than when it was logged.
func (r *Row) happened() time.Time {
	if r.event.EventTime.IsZero() {
		return r.event.Timestamp
	}
	return r.event.EventTime
}

// severity is 0 to 7: the checks let no event pass without one.
func (r *Row) severity() int {
	if r.event.Severity == nil {
		return int(event.SeverityNotice)
	}
	return int(*r.event.Severity)
}

func (r *Row) entryHash() string { return "sha256:" + r.Hash.Hex() }

// id is the event's id; of a row that is no event its entry hash, which is unique as well.
func (r *Row) id() string {
	if r.event.EventID.IsZero() {
		return r.entryHash()
	}
	return r.event.EventID.String()
}

// isAddress tells an address from a pseudonym, which a setting puts in the place of source_ip.
func isAddress(s string) bool {
	_, err := netip.ParseAddr(s)
	return err == nil
}

// The parts of an event that may be missing, as empty ones.

func (r *Row) job() event.Job                     { return deref(r.event.Job) }
func (r *Row) host() event.Host                   { return deref(r.event.Host) }
func (r *Row) principal() event.Principal         { return deref(r.event.Principal) }
func (r *Row) entryPoint() event.EntryPoint       { return deref(r.event.EntryPoint) }
func (r *Row) source() event.Source               { return deref(r.event.Source) }
func (r *Row) why() event.Why                     { return deref(r.event.Why) }
func (r *Row) object() event.Object               { return deref(r.event.Object) }
func (r *Row) clock() event.Clock                 { return deref(r.event.Clock) }
func (r *Row) target() event.Target               { return deref(r.event.Target) }
func (r *Row) corrects() event.Corrects           { return deref(r.event.Corrects) }
func (r *Row) authorization() event.Authorization { return deref(r.event.Authorization) }

func deref[T any](p *T) (zero T) {
	if p == nil {
		return zero
	}
	return *p
}
