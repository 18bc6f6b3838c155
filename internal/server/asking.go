package server

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"time"

	"github.com/stetlog/stet/internal/auth"
	"github.com/stetlog/stet/internal/index"
	"github.com/stetlog/stet/internal/search"
	"github.com/stetlog/stet/internal/wire"
)

// searched says what an answer is about: docs/spec/http.md.
type searched struct {
	Indexed     uint64  `json:"indexed"`               // the entries below this number were looked at
	Size        uint64  `json:"size"`                  // of the log when it was asked
	Complete    bool    `json:"complete"`              // all of them were
	Rebuilding  bool    `json:"rebuilding"`            // the index is being made anew: ask again
	Unread      *string `json:"unread,omitempty"`      // why the index cannot go on: entries behind the indexed ones cannot be read
	App         *string `json:"app,omitempty"`         // only its events, because the caller may read no others
	Environment *string `json:"environment,omitempty"` // the same
}

// An asker is a question to the index by somebody, who sees only what is theirs to read.
type asker struct {
	s      *Server
	c      *Call
	x      *index.Index
	log    indexedLog
	now    time.Time
	what   auth.Subject
	all    bool
	said   searched
	damage bool // the index turned out to be damaged
}

// ask lets a question in: it must be somebody who may read events, there are only so many at once, and each has only so much
// time. end must be called.
func (s *Server) ask(r *http.Request, c *Call) (_ *asker, ctx context.Context, end func(), err error) {
	a := &asker{s: s, c: c, now: time.Now()}
	if a.what, a.all, err = c.Reads(); err != nil {
		return nil, nil, nil, allowed(err)
	}
	if s.keeper == nil {
		return nil, nil, nil, Refuse(wire.NotFound, "this server keeps no index")
	}
	if !c.quota.ask(s.limits.Queries/2 + 1) {
		return nil, nil, nil, Refuse(wire.RateLimited, fmt.Sprintf("%d questions of yours are being answered", s.limits.Queries/2+1))
	}
	select {
	case s.asking <- struct{}{}:
	default:
		c.quota.asked()
		return nil, nil, nil, Refuse(wire.RateLimited, fmt.Sprintf("%d questions are being answered", s.limits.Queries))
	}
	ctx, cancel := context.WithTimeoutCause(r.Context(), s.limits.QueryTime, errQueryTime)
	end = func() {
		cancel()
		<-s.asking
		c.quota.asked()
	}
	a.log = indexedLog{s.log}
	cp, err := a.log.Head(ctx)
	if err != nil {
		end()
		return nil, nil, nil, fmt.Errorf("the log's own checkpoint: %w", err)
	}
	s.keeper.fresh(ctx, cp.Size)
	a.said = searched{Indexed: unasked, Size: cp.Size}
	if a.x = s.keeper.x.Load(); a.x == nil {
		a.damage = true
	}
	if !a.all {
		a.said.App = &a.what.App
		if a.what.Environment != "" {
			a.said.Environment = &a.what.Environment
		}
	}
	return a, ctx, end, nil
}

// errQueryTime says that a question took longer than one may.
var errQueryTime = errors.New("the question took too long")

// mine is a query for what the query finds of what the caller may read.
func (a *asker) mine(q search.Query) search.Query {
	if a.all {
		return q
	}
	is := func(f search.Field, text string) search.Node {
		return search.Term{Field: f, Any: []search.Value{{Op: search.Equal, Text: text}}}
	}
	nodes := []search.Node{is(search.FieldApp, a.what.App)}
	if a.what.Environment != "" {
		nodes = append(nodes, is(search.FieldEnv, a.what.Environment))
	}
	return q.With(nodes...)
}

// may says whether a row that was found may be shown.
func (a *asker) may(r index.Row) bool {
	if a.all {
		return true
	}
	if r.Record == nil || r.Record.Event == nil {
		return false
	}
	return a.c.May(auth.ReadEntry, auth.Subject{App: r.Record.Event.AppID, Environment: r.Record.Event.Environment}) == nil
}

// find returns at most limit rows of a window, the newest or the oldest first. What the caller may not see is not among
// them. next is nil where the window has been searched to its end.
func (a *asker) find(ctx context.Context, q search.Query, w index.Window, limit int) (rows []index.Row, next *index.Window, err error) {
	if a.damage {
		return nil, nil, nil
	}
	page, err := a.x.Find(ctx, a.log, a.mine(q), a.now, w, limit)
	if err := a.settle(ctx, page.Searched, err); err != nil || a.damage {
		return nil, nil, err
	}
	for _, row := range page.Rows {
		if !a.may(row) {
			if row.Doubt == "" {
				continue
			}
			row = index.Row{Seq: row.Seq, Doubt: row.Doubt} // that it is in doubt is no secret
		}
		rows = append(rows, row)
	}
	if page.Next != nil && w.Oldest {
		page.Next.To = w.To // more may come
	}
	return rows, page.Next, nil
}

// unasked stands for how much was looked at before anything was asked.
const unasked = math.MaxUint64

// settle notes what an answer of the index is about. Where the index turns out to be damaged it is made anew, and the answer
// says so; a question that takes too long is refused.
func (a *asker) settle(ctx context.Context, in index.Searched, err error) error {
	if errors.Is(err, index.ErrDamaged) {
		a.damage = true
		a.s.keeper.poke()
		return nil
	}
	a.said.Indexed = min(a.said.Indexed, in.Indexed)
	if err != nil && errors.Is(context.Cause(ctx), errQueryTime) {
		ref := refuse(wire.QueryTooExpensive, fmt.Sprintf("it was given up after %v", a.s.limits.QueryTime))
		ref.err = err
		return ref
	}
	return err
}

// searched is what the whole answer is about.
func (a *asker) searched() searched {
	if a.damage || a.said.Indexed == unasked {
		a.said.Indexed = 0
	}
	a.said.Complete = a.said.Indexed >= a.said.Size
	a.said.Rebuilding = a.damage || !a.said.Complete && a.s.keeper.rebuilding()
	if !a.said.Complete {
		a.said.Unread = a.s.keeper.unread.Load()
	}
	return a.said
}
