package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/stetlog/stet/internal/auth"
	"github.com/stetlog/stet/internal/ledger"
	"github.com/stetlog/stet/internal/logread"
	"github.com/stetlog/stet/internal/store"
	"github.com/stetlog/stet/internal/wire"
	"github.com/stetlog/stet/proof"
)

// postBatches takes sealed batches, declared losses and the news of dead streams, and answers when what it took is under a
// signed checkpoint. Elements are judged one by one; consecutive batches go to the log together, so that they share a
// flush.
func (s *Server) postBatches(w http.ResponseWriter, r *http.Request, c *Call) error {
	began := time.Now()
	elements, err := wire.Parse(c.Body)
	switch {
	case errors.Is(err, wire.ErrTooLarge):
		return Refuse(wire.TooLarge, err.Error())
	case err != nil:
		return Refuse(wire.Malformed, err.Error())
	}
	if _, ok := s.log.(Ends); !ok {
		for _, e := range elements {
			if e.Batch == nil {
				return Refuse(wire.Malformed, "this server takes batches only")
			}
		}
	}
	in := &delivery{s: s, c: c, via: viaOf(c), results: make([]wire.Result, len(elements))}
	for i, n := 0, 1; i < len(elements); i, n = i+n, 1 {
		switch e := elements[i]; {
		case e.Batch != nil:
			for i+n < len(elements) && elements[i+n].Batch != nil {
				n++
			}
			err = in.place(r.Context(), elements[i:i+n], i)
		case e.Loss != nil:
			err = in.lose(r.Context(), e.Loss, i)
		default:
			err = in.gone(r.Context(), e.Gone, i)
		}
		if err != nil {
			return err
		}
	}
	c.drop() // a publish is waited for, perhaps behind many others'
	s.metrics.acked.WithLabelValues(levelDurable).Observe(time.Since(began).Seconds())
	answer, err := in.receipts(r.Context())
	if err != nil {
		return err
	}
	s.metrics.acked.WithLabelValues(levelSigned).Observe(time.Since(began).Seconds())
	return writeReceipts(w, answer)
}

// viaOf is what the server itself knows of a sender.
func viaOf(c *Call) proof.Via {
	v := proof.Via{Kind: proof.ViaHTTP, Token: c.Token, Clock: c.clock}
	if !c.Peer.Unix {
		v.Addr = c.Peer.Addr.Addr().Unmap().WithZone("").String()
		return v
	}
	v.Kind = proof.ViaUnix
	if p := c.Peer; p.HasIDs {
		v.UID, v.GID = &p.UID, &p.GID
		if p.PID != 0 {
			v.PID = &p.PID
		}
	}
	return v
}

// delivery is one request's elements on their way.
type delivery struct {
	s       *Server
	c       *Call
	via     proof.Via
	results []wire.Result
	placed  []store.Placed
	at      []int // the results that these belong to
}

// place places consecutive batches, which are elements from number first on.
func (in *delivery) place(ctx context.Context, elements []wire.Element, first int) error {
	batches := make([]store.Sealed, len(elements))
	for i, e := range elements {
		batches[i] = store.Sealed{Batch: *e.Batch, May: func(seal proof.Seal) error { return in.may(seal, e.Batch.Seal) }}
	}
	if wait := in.newStreams(elements); wait > 0 {
		ref := refuse(wire.RateLimited, "too many new streams")
		ref.retry = wait
		return ref
	}
	for i, p := range in.s.log.Place(ctx, in.via, batches) {
		res := &in.results[first+i]
		res.Stream, res.First = p.Seal.Stream, elements[i].Batch.First
		if p.Err != nil {
			if err := in.refuse(res, p.Err); err != nil {
				return err
			}
			continue
		}
		in.s.metrics.events.Add(float64(len(elements[i].Batch.Events)))
		in.stands(first+i, p, p.Again)
	}
	return nil
}

// newStreams charges the caller for the streams that these batches open.
func (in *delivery) newStreams(elements []wire.Element) time.Duration {
	n := 0
	for _, e := range elements {
		if e.Batch.First == 1 {
			n++
		}
	}
	if n == 0 {
		return 0
	}
	now := time.Now()
	if wait := debt(in.c.quota.streams, now); wait > 0 {
		return wait
	}
	charge(in.c.quota.streams, now, n)
	return 0
}

// may is asked of each batch, with what its seal claims. The first key that a writer's token comes with is its own from then
// on: if it comes with a seal, that must be the key's.
func (in *delivery) may(seal proof.Seal, note []byte) error {
	err := in.c.May(auth.Append, auth.Subject{App: seal.App, Environment: seal.Environment, Key: seal.Key})
	if !errors.Is(err, auth.ErrKey) {
		return err
	}
	if _, err := proof.OpenSeal(note); err != nil {
		return fmt.Errorf("%w: %w", ledger.ErrInvalid, err)
	}
	_, err = in.s.o.Authority.Bind(in.c.Identity, seal.Key, true)
	return err
}

// ends is who takes losses and dead streams; postBatches has seen that there is one.
func (in *delivery) ends() Ends { return in.s.log.(Ends) }

// lose places a declared loss, for who may add to that stream.
func (in *delivery) lose(ctx context.Context, l *wire.Loss, i int) error {
	res := &in.results[i]
	res.Stream, res.First = l.Stream, l.First
	err := in.c.May(auth.Append, auth.Subject{App: l.App, Environment: l.Environment, Key: l.Key})
	var p ledger.Placed
	if err == nil {
		p, err = in.ends().Lose(ctx, in.via, ledger.Loss{Stream: l.Stream, First: l.First, Last: l.Last, Reason: l.Reason,
			Owner: ledger.OwnerOf(l.Key, l.App, l.Environment)})
	}
	if err != nil {
		return in.refuse(res, err)
	}
	again := p.Again
	p.Again = false // for the log: there is no batch to be found
	in.stands(i, store.Placed{Placed: p, Via: in.via.Append(nil)}, again)
	return nil
}

// stands notes where an element was placed.
func (in *delivery) stands(i int, p store.Placed, again bool) {
	res := &in.results[i]
	res.Status = wire.Placed
	if again {
		res.Status = wire.Again
	}
	in.s.gaps.close(res.Stream)
	in.s.metrics.batches.WithLabelValues(res.Status).Inc()
	in.placed, in.at = append(in.placed, p), append(in.at, i)
}

// gone closes a dead process's stream, for who may add to it.
func (in *delivery) gone(ctx context.Context, g *wire.Gone, i int) error {
	res := &in.results[i]
	res.Stream = g.Stream
	may := func(seal proof.Seal) error {
		return in.c.May(auth.Append, auth.Subject{App: seal.App, Environment: seal.Environment, Key: seal.Key})
	}
	lost, err := in.ends().Gone(ctx, in.via, g.Stream, evidence(g.Evidence), may)
	if err != nil {
		return in.refuse(res, err)
	}
	res.Status, res.Count = wire.Placed, lost
	return nil
}

// refuse says why an element was refused. An error that is about no element, but about the server, refuses the request: what
// was placed is placed, and stands as again when it is sent again.
func (in *delivery) refuse(res *wire.Result, err error) error {
	code, expected := codeOf(err)
	if code == "" {
		return in.s.stopped(err)
	}
	m, _ := wire.Lookup(code)
	res.Status, res.Code, res.Detail, res.Hint, res.Expected = wire.Refused, code, err.Error(), m.Hint, expected
	var hole *ledger.HoleError
	if errors.As(err, &hole) {
		in.s.gaps.open(res.Stream)
		if in.s.o.Hole != nil {
			in.s.o.Hole(hole.Stream, hole.Expected, hole.Got)
		}
	}
	in.s.metrics.batches.WithLabelValues(res.Status).Inc()
	in.s.metrics.refused.WithLabelValues(string(code)).Inc()
	return nil
}

// codeOf is the code of an error about one element; "" where it is about the server.
func codeOf(err error) (code wire.Code, expected uint64) {
	var hole *ledger.HoleError
	if errors.As(err, &hole) {
		return wire.StreamHole, hole.Expected
	}
	for _, c := range []struct {
		is   error
		code wire.Code
	}{
		{ledger.ErrConflict, wire.StreamConflict}, {ledger.ErrNotOwner, wire.NotOwner}, {ledger.ErrFinal, wire.StreamFinal},
		{store.ErrRevoked, wire.KeyRevoked},
		{auth.ErrKey, wire.KeyNotEnrolled}, {auth.ErrNotAllowed, wire.NotAllowed},
		{ledger.ErrUnknown, wire.NotFound}, {ledger.ErrInvalid, wire.InvalidBatch},
	} {
		if errors.Is(err, c.is) {
			return c.code, 0
		}
	}
	return "", 0
}

// stopped is the answer where the log cannot take anything, or did not say in time what became of it.
func (s *Server) stopped(err error) error {
	var ref *refusal
	switch {
	case errors.Is(err, store.ErrFull):
		ref = refuse(wire.DiskFull, "the disk is nearly full")
		ref.retry = notReadyRetry
	case errors.Is(err, ledger.ErrFailed), errors.Is(err, ledger.ErrClosed), errors.Is(err, store.ErrClosed):
		ref = refuse(wire.NotReady, "the log has stopped; whether this is in it is not known: send it again")
		ref.retry = notReadyRetry
	default:
		return err
	}
	ref.err = err
	return ref
}

// explain is what is said of an event that the log could not take.
func (s *Server) explain(ctx context.Context, err error) wire.Problem {
	return asRefusal(ctx, s.stopped(err)).problem
}

// receipts puts the answer together once everything that was placed is under one checkpoint.
func (in *delivery) receipts(ctx context.Context) (wire.Receipts, error) {
	answer := wire.Receipts{Results: in.results}
	if len(in.placed) == 0 {
		return answer, nil
	}
	receipts, note, err := in.s.log.Receipts(ctx, in.placed)
	if err != nil {
		return answer, in.s.stopped(err)
	}
	answer.Checkpoint = string(note)
	for n, rec := range receipts {
		res := &in.results[in.at[n]]
		fill(res, rec)
		if res.Status == wire.Again && in.placed[n].Seal.Stream == "" { // a loss: it came another way perhaps, or by another token
			if res.Via, err = in.s.viaAt(ctx, rec.First); err != nil {
				return answer, err
			}
		}
		for i, st := range in.placed[n].Stubs { // more than what the log keeps, for whoever can mend the event
			if i < len(res.Stubs) {
				res.Stubs[i].Code, res.Stubs[i].Path, res.Stubs[i].Hint = st.Why.Code, st.Why.Path, st.Why.Hint
			}
		}
	}
	return answer, nil
}

// fill says in a result what a receipt says.
func fill(res *wire.Result, rec ledger.Receipt) {
	res.Seq, res.Count, res.ReceivedAt, res.PrevSeq = &rec.First, rec.Count, proof.FormatTime(rec.ReceivedAt), rec.Prev()
	res.Via, res.Proof = json.RawMessage(rec.Via), rec.Proof
	for _, st := range rec.Stubs {
		res.Stubs = append(res.Stubs, wire.Stub{Seq: st.First, Code: st.Code, Reason: st.Reason, Leaf: st.Leaf.Hex()})
	}
}

// viaAt is the via of an entry in the log.
func (s *Server) viaAt(ctx context.Context, seq uint64) (json.RawMessage, error) {
	raw, err := logread.Entry(ctx, s.source, seq)
	if err != nil {
		return nil, err
	}
	e, err := proof.ParseEntry(raw)
	return json.RawMessage(e.Via), err
}

// evidence is what a machine says of a dead process, as one line for people.
func evidence(e wire.Evidence) string {
	return fmt.Sprintf("pid %d of boot %s on %s: %s", e.PID, e.BootID, e.Host, e.Why)
}
