package watch

import (
	"fmt"
	"strings"
	"time"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/proof"
)

// gap is a stream whose sender came with later numbers than those that must come next. The log does not take them, so it
// knows nothing of it before the finding: whoever refuses them tells.
type gap struct {
	stream      event.UUID
	first, last uint64    // the numbers that are missing
	since       time.Time // it was refused for the first time
	found       bool      // by this watch
	inLog       bool      // the finding is in the log, as
	seq         uint64    // this entry
	filledBy    *Entry    // the batch that filled it while the finding was on its way into the log
	look        deadline
}

// maxGaps bounds the streams with a hole. Of more, none is noticed until there is room: their senders come again.
const maxGaps = 4096

func (g *gap) deadline() *deadline { return &g.look }

// Hole says that a batch was refused because the numbers before it are missing: expected must come next, and got came.
func (w *Watch) Hole(stream event.UUID, expected, got uint64, at time.Time) {
	g := w.gaps[stream]
	if g != nil && g.first == expected || got <= expected {
		return
	}
	if g == nil && len(w.gaps) >= maxGaps {
		return
	}
	if g != nil {
		w.due.set(g, time.Time{})
	}
	g = &gap{stream: stream, first: expected, last: got - 1, since: at}
	w.gaps[stream] = g
	w.due.set(g, w.silence(at.Add(w.p.GapAfter)))
}

func (g *gap) fire(w *Watch, _ time.Time) {
	g.found = true
	w.raise(w.gapOf(g))
}

// about names the numbers that are missing.
func (g *gap) about() string { return fmt.Sprintf("%s/%d", g.stream, g.first) }

// sealed takes in that a batch came: the runs of a stream that is closed will hear no more from it, and a hole is filled.
func (w *Watch) sealed(e Entry) {
	if !e.Seal.Final && len(w.gaps) == 0 {
		return
	}
	id, err := event.ParseUUID(e.Seal.Stream)
	if err != nil {
		return // no stream of ours
	}
	if e.Seal.Final && !strings.HasPrefix(e.Seal.Key, proof.DoorKey) {
		for _, r := range w.streams[id] {
			r.ended = e.ReceivedAt
			w.reschedule(r)
		}
	}
	if g := w.gaps[id]; g != nil && e.Seal.Next() > g.last {
		w.fill(g, e)
	}
}

// fill ends a hole whose numbers came.
func (w *Watch) fill(g *gap, e Entry) {
	_, mine := w.ready[identity{"stream_gap", g.about()}]
	if g.found && !g.inLog && !mine {
		g.filledBy = &e
		return
	}
	w.due.set(g, time.Time{})
	delete(w.gaps, g.stream)
	w.settled("stream_gap", g.about())
	if g.inLog {
		w.raise(w.filled(g, e))
	}
}

// stub takes in that numbers of a stream will never come: its sender says so. What was refused is an event_refused.
func (w *Watch) stub(e Entry) {
	if e.Stub.Code != proof.StubLost {
		return
	}
	id, err := event.ParseUUID(e.Stub.Stream)
	if err != nil {
		return
	}
	w.raise(w.lostNumbers(e, id))
	if g := w.gaps[id]; g != nil && e.Stub.Last >= g.last { // answered: with the finding about this entry
		w.due.set(g, time.Time{})
		delete(w.gaps, id)
	}
}
