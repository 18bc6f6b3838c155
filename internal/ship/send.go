package ship

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"

	"github.com/stetlog/stet/internal/spool"
	"github.com/stetlog/stet/internal/wire"
	"github.com/stetlog/stet/proof"
)

// maxParcel is how many bytes a request has before it is sent. A batch is at most a quarter of it.
const maxParcel = 4 << 20

// item is an element of a request, and whose it is.
type item struct {
	st      *stream
	element wire.Element
	seal    proof.Seal // of a batch
	next    uint64     // the stream_seq behind it; 0 of a dead stream
}

// put writes an element into the next request, and sends that first where it is full. The element's bytes may be
// overwritten when put has returned.
func (p *pass) put(ctx context.Context, it item) error {
	size := wire.MaxClaim
	if it.element.Batch != nil {
		size = wire.Size(*it.element.Batch)
	}
	if len(p.items) == wire.MaxElements || len(p.body)+size > maxParcel {
		if err := p.send(ctx); err != nil {
			return err
		}
		if it.st.stuck != "" { // the server's answer was about what stands in front of it
			return errStuck
		}
	}
	if len(p.items) == 0 {
		p.body = wire.Begin(p.body[:0])
	}
	var err error
	if p.body, err = it.element.Append(p.body); err != nil {
		return err
	}
	it.element = wire.Element{}
	p.items = append(p.items, it)
	if it.next > 0 {
		it.st.queued = it.next
	}
	return nil
}

// send sends what was put, and checks what comes back.
func (p *pass) send(ctx context.Context) error {
	items := p.items
	if len(items) == 0 {
		return nil
	}
	p.items = p.items[:0]
	elements, err := wire.Parse(p.body)
	if err != nil {
		return err
	}
	return p.exchange(ctx, p.body, items, elements)
}

// exchange sends one body. Where the server finds it too large, or its answer would be, it sends halves.
func (p *pass) exchange(ctx context.Context, body []byte, items []item, elements []wire.Element) error {
	r, err := p.client.Batches(ctx, body, len(items))
	var refused *RefusedError
	if n := len(items); n > 1 && (errors.Is(err, wire.ErrTooLarge) || errors.As(err, &refused) && refused.Status == http.StatusRequestEntityTooLarge) {
		for _, part := range [][2]int{{0, n / 2}, {n / 2, n}} {
			body, err := wire.Append(nil, elements[part[0]:part[1]])
			if err != nil {
				return err
			}
			if err := p.exchange(ctx, body, items[part[0]:part[1]], elements[part[0]:part[1]]); err != nil {
				return err
			}
		}
		return nil
	}
	if err != nil {
		return err
	}
	return p.answered(ctx, items, elements, r)
}

// answered holds an answer against what was sent. Nothing in it counts before all of it is proven and the checkpoint is
// remembered.
func (p *pass) answered(ctx context.Context, items []item, elements []wire.Element, r wire.Receipts) error {
	var cp proof.Checkpoint
	var err error
	if r.Checkpoint != "" {
		if cp, err = p.open(ctx, []byte(r.Checkpoint)); err != nil {
			return err
		}
	}
	good := make([]bool, len(items))
	stubs := make([][]stubbed, len(items))
	var no error
	for i := range items {
		it, e, res := &items[i], elements[i], &r.Results[i]
		if it.st.stuck != "" {
			continue // what is said of it follows from what stands in front of it
		}
		switch {
		case res.Status == wire.Refused:
			if no = p.refused(ctx, it, e, res); no != nil {
				break
			}
			continue
		case e.Batch != nil:
			stubs[i], err = checkBatch(e.Batch, it.seal, res, cp)
		case e.Loss != nil:
			err = checkLoss(e.Loss, res, cp)
		}
		if no != nil {
			break
		}
		if err != nil {
			return p.integrity(WhatReceipt, err, []byte(r.Checkpoint))
		}
		good[i] = true
	}
	if r.Checkpoint != "" {
		if err := p.remember(ctx, []byte(r.Checkpoint), cp); err != nil {
			return errors.Join(no, err)
		}
	}
	for i := range items {
		if good[i] && items[i].st.stuck == "" { // else what is proven stays, too, and is sent again
			if err := p.proven(&items[i], elements[i], &r.Results[i], stubs[i]); err != nil {
				return errors.Join(no, err)
			}
		}
	}
	return no
}

// proven takes note of what is in the log for good.
func (p *pass) proven(it *item, e wire.Element, r *wire.Result, stubs []stubbed) error {
	for _, s := range stubs {
		switch err := p.keep(it, s); {
		case errors.Is(err, spool.ErrQuarantineFull):
			it.st.stuck = fmt.Sprintf("the log refused event %d of it, whose bytes must be kept: %v", s.seq, err)
			return nil
		case err != nil:
			return err
		}
		p.rep.Refused++
	}
	switch {
	case e.Gone != nil:
		it.st.asked = true
		if r.Status == wire.Placed {
			p.rep.Lost += r.Count
		}
		return nil
	case e.Batch != nil:
		p.rep.Batches++
		p.rep.Events += len(e.Batch.Events)
		it.st.final = it.seal.Final
	}
	it.st.proven = it.next
	return nil
}

// keep puts the bytes of an event that stands as a stub in the log into quarantine, durably, for the spool goes; and notes
// that the emitter has yet to record it again.
func (p *pass) keep(it *item, s stubbed) error {
	return spool.KeepRefused(p.s.Place, spool.Dir, spool.Refused{Stream: it.st.id, Seq: s.seq, Key: it.seal.Key,
		App: it.seal.App, Environment: it.seal.Environment, Code: shown(s.why.Code), Path: shown(s.why.Path)}, s.event, true)
}

// refused decides about an element that the server did not take. An error ends the pass; otherwise the stream alone is
// stuck.
func (p *pass) refused(ctx context.Context, it *item, e wire.Element, r *wire.Result) error {
	m, ok := wire.Lookup(r.Code)
	if !ok {
		m = wire.Meaning{Code: wire.Code(shown(string(r.Code))), Title: "refused"}
	}
	what, first := "that its process is gone", uint64(0)
	switch {
	case e.Batch != nil:
		what, first = fmt.Sprintf("the batch from number %d on", e.Batch.First), e.Batch.First
	case e.Loss != nil:
		what, first = fmt.Sprintf("that numbers %d to %d are lost", e.Loss.First, e.Loss.Last), e.Loss.First
	}
	why := (&wire.Problem{Title: m.Title, Code: m.Code, Detail: shown(r.Detail), Hint: shown(r.Hint)}).Error()
	if m.Later {
		return &RefusedError{Problem: wire.Problem{Title: m.Title, Status: m.Status, Code: m.Code, Detail: shown(r.Detail), Hint: m.Hint}}
	}
	if r.Code == wire.StreamHole && r.Expected < first {
		// What is in front of it is not here any more. Why it is not there either, the log's history may tell.
		signed, cp, err := p.checkpoint(ctx)
		if err == nil {
			err = p.remember(ctx, signed, cp)
		}
		if err != nil {
			return err
		}
		if had := it.st.proven; r.Expected < had {
			return p.integrity(WhatForgotten, fmt.Errorf("it asks for number %d of stream %s, and had proven to hold all below %d", r.Expected, it.st.id, had), signed)
		}
	}
	it.st.stuck = "the server does not take " + what + ": " + why
	return nil
}

// sendGone tells the server which streams will never go on, when everything of them, and of others that may hold how their
// jobs ended, is in the log.
func (p *pass) sendGone(ctx context.Context) error {
	behind := map[owner]bool{}
	for _, st := range p.streams {
		if !st.complete() {
			behind[st.app] = true
		}
	}
	for _, st := range p.streams {
		if !st.gone || st.final || st.proven == 0 || !st.complete() || behind[st.app] {
			continue
		}
		m := st.meta
		gone := &wire.Gone{Stream: st.id, Evidence: wire.Evidence{Host: shown(m.Host), BootID: m.BootID, MachineID: m.MachineID, PID: m.PID, StartedAt: m.StartedAt,
			Why: "the lock of its spool could be taken"}}
		if err := p.put(ctx, item{st: st, element: wire.Element{Gone: gone}}); err != nil {
			return err
		}
	}
	return p.send(ctx)
}

// complete says that everything in the spool is proven to be in the log, or is damage.
func (st *stream) complete() bool {
	return st.stuck == "" && (st.whole || st.kept) && (st.proven == st.queued || st.proven == 0 && st.queued <= 1)
}

// tidy removes what is proven and remembered, and notes how far the rest is.
func (p *pass) tidy() error {
	var there []string
	for _, st := range p.streams {
		if p.sent.next != nil && st.proven > 0 {
			p.sent.next[st.id] = st.proven
		}
		switch {
		case st.gone && st.complete() && (st.final || st.asked || st.proven == 0):
			if err := p.remove(st); err != nil {
				p.left(st, "it is in the log, but could not be removed: "+err.Error())
				there = append(there, st.id)
			}
			continue
		case st.stuck != "":
			p.left(st, st.stuck)
		case st.gone && st.complete():
			p.left(st, "the server has not been told that its process is gone")
		case st.gone:
			p.left(st, "not all of it is sent")
		}
		there = append(there, st.id)
	}
	if err := p.sent.write(p.s.Place, there); err != nil {
		return err
	}
	for _, st := range p.streams {
		if st.proven == 0 || len(st.segments) < 2 || st.gone && st.complete() {
			continue
		}
		if err := spool.Trim(p.s.Place, spool.Dir, st.id, st.proven); err != nil && !errors.Is(err, fs.ErrNotExist) {
			p.left(st, "what the log has of it could not be trimmed: "+err.Error())
		}
	}
	return nil
}

// remove removes a dead stream's spool, and keeps what is evidence.
func (p *pass) remove(st *stream) error {
	keep := st.damaged
	if st.kept {
		keep = st.segments
	}
	for _, segment := range keep {
		if err := spool.Quarantine(p.s.Place, spool.Dir, st.id, segment); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return spool.Remove(p.s.Place, spool.Dir, st.id)
}
