package store

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/ledger"
	"github.com/stetlog/stet/internal/spool"
	"github.com/stetlog/stet/proof"
)

// stubOf is the stub of an event that can never be accepted.
func stubOf(raw []byte, why error) *ledger.Stub {
	return &ledger.Stub{Leaf: proof.LeafHash(raw), Reason: plain(why.Error())}
}

// refuse records that an event can never be accepted, and keeps its bytes in quarantine, before its stub takes its number,
// so that a crash in between repeats both. again says that its emitter is this user, and has yet to record it again. Where
// the quarantine is full the bytes are not kept, and the record says so: a refusal must not block the stream.
func (r *desk) refuse(ctx context.Context, seal proof.Seal, seq uint64, raw []byte, stub *ledger.Stub, why error, again bool) error {
	subject, reason := fmt.Sprintf("%s-%d", seal.Stream, seq), stub.Reason
	objection := reasonOf(why)
	err := spool.KeepRefused(r.s.FS, spool.Dir, spool.Refused{Stream: seal.Stream, Seq: seq, Key: seal.Key,
		App: seal.App, Environment: seal.Environment, Code: objection.Code, Path: objection.Path}, raw, again)
	if errors.Is(err, spool.ErrQuarantineFull) {
		reason, err = plain(notKept+reason), nil
	}
	if err != nil {
		return err
	}
	e := r.s.own("event_refused")
	e.InteractionID = seal.Stream
	e.Object = &event.Object{Type: "event", ID: subject}
	e.Action = "refuse"
	e.Status, e.StatusReason = event.StatusDenied, reason
	_, err = r.act(ctx, actRefuse, subject, time48(seal.Stream), []*event.Event{e})
	return err
}

const notKept = "its bytes were not kept, because the quarantine is full: "

// reject records, once a stream, that its spool holds what the log does not take: a broken seal, another's stream, other
// content under numbers that are taken. It comes before anything is declared lost because of it, and makes the spool
// evidence for good.
func (r *drain) reject(ctx context.Context, stream, typ, why string) error {
	if r.rejected[stream] { // in this round already; one trouble often brings others
		return nil
	}
	r.rejected[stream] = true
	r.d.Damaged = append(r.d.Damaged, Left{stream, why})
	e := r.s.own(typ)
	e.InteractionID = stream
	e.Object = &event.Object{Type: "spool", ID: stream}
	e.Action = "quarantine"
	e.Status, e.StatusReason = event.StatusFailure, plain(why)
	_, err := r.act(ctx, actReject, stream, time48(stream), []*event.Event{e})
	return err
}

// damaged records, once a segment, which segments of a spool could not be read, and returns their names: they are
// evidence. The numbers that were in them have been declared lost where a later batch showed how far they went; the end of
// a stream that is lost with its last segment leaves no number to count. The last segment of a living owner waits.
func (r *drain) damaged(ctx context.Context, stream string, report spool.Report, gone bool) (segments []string, err error) {
	last := ""
	if n := len(report.Segments); n > 0 && !gone {
		last = report.Segments[n-1]
	}
	seen := map[string]bool{last: true}
	for _, dmg := range report.Damaged {
		if seen[dmg.Segment] {
			continue
		}
		seen[dmg.Segment] = true
		why := fmt.Sprintf("segment %s is damaged at byte %d, behind number %d of the stream: %s", dmg.Segment, dmg.Offset, dmg.AfterSeq, dmg.Reason)
		r.d.Damaged = append(r.d.Damaged, Left{stream, why})
		subject := stream + "-" + dmg.Segment
		e := r.s.own("spool_quarantined")
		e.InteractionID = stream
		e.Object = &event.Object{Type: "spool_segment", ID: subject}
		e.Action = "quarantine"
		e.Status, e.StatusReason = event.StatusFailure, plain(why)
		if _, err := r.act(ctx, actQuarantine, subject, time48(stream), []*event.Event{e}); err != nil {
			return nil, err
		}
		segments = append(segments, dmg.Segment)
	}
	return segments, nil
}

// plain makes a reason fit for a stub: printable ASCII of at most proof.MaxReason bytes, which is also what an event
// allows for a status_reason. What it is about may come from a hostile spool.
func plain(s string) string {
	s = strings.Map(func(c rune) rune {
		if c < ' ' || c > '~' {
			return '?'
		}
		return c
	}, s)
	return s[:min(len(s), proof.MaxReason/2)] // half: every quotation mark is escaped once more in the event's limit
}
