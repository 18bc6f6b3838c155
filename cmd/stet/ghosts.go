package main

import (
	"bufio"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/expect"
	"github.com/stetlog/stet/internal/ghosts"
	"github.com/stetlog/stet/internal/ledger"
	"github.com/stetlog/stet/internal/logread"
	"github.com/stetlog/stet/internal/published"
	"github.com/stetlog/stet/internal/search"
	"github.com/stetlog/stet/internal/store"
	"github.com/stetlog/stet/internal/story"
	"github.com/stetlog/stet/internal/watch"
	"github.com/stetlog/stet/proof"
)

type ghostsCmd struct {
	storeFlag
	Query          []string      `arg:"" optional:"" help:"Only those whose finding the query finds: job:backup, ref:shop for an application, event:job_missed, since:7d."`
	Open           bool          `help:"Leave out those whose word came after all."`
	Fail           bool          `help:"Exit with 5 where there are any."`
	Limit          int           `help:"How many at most; 0: all." default:"50"`
	StartWithin    time.Duration `help:"Of a directory: a job that was asked for and has not started for so long never started." default:"1h"`
	SilentAfter    time.Duration `help:"Of a directory: a run that nothing was heard of for so long has no outcome." default:"24h"`
	HeartbeatGrace time.Duration `help:"Of a directory: a heartbeat that is late by so much is missing." default:"2m"`
	Scan           bool          `help:"Read the whole log of a server instead of asking its index, which could leave something out."`
	JSON           bool          `help:"Print JSON."`
}

// Help says where they come from.
func (ghostsCmd) Help() string {
	return `Newest first: jobs that never started, never ended, fell silent, were lost or did not come, and those whose word came late.

A server watches its log and records what it finds; of its log this lists what is recorded. Nobody watches a directory: there
the same rules are applied to the log as it is now, and what they find is shown as not recorded.`
}

// ghostsReport is what --json prints: stet.ghosts/1.
type ghostsReport struct {
	Format string        `json:"format"`
	Query  string        `json:"query"` // in its canonical spelling
	Now    string        `json:"now"`
	Size   uint64        `json:"size"` // entries of the log, all of which were read
	Count  int           `json:"count"`
	Left   int           `json:"left"` // older ones beyond --limit
	Ghosts []ghosts.JSON `json:"ghosts"`
}

func (c *ghostsCmd) Run(e *env) (err error) {
	q, err := search.Parse(strings.Join(c.Query, " "))
	var wrong *search.Error
	if errors.As(err, &wrong) {
		_, _ = fmt.Fprintln(e.stderr, wrong.Caret())
		return exit{exitUsage, err}
	}
	if c.Limit < 0 || c.StartWithin < 0 || c.SilentAfter < 0 || c.HeartbeatGrace < 0 {
		return usage("ghosts: --limit and times are not negative")
	}
	w, done, err := c.live(e)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, done()) }()
	s := w.log
	cp, _, err := s.Checkpoint(e.ctx)
	if err != nil {
		return err
	}
	now := time.Now()
	var all []*ghosts.Ghost
	var dropped int
	var lacks error
	asked := w.ask != nil && !c.Scan
	if asked {
		all, dropped, lacks, err = c.ask(e, w, q)
	} else {
		all, dropped, err = c.look(e, s, cp, now)
	}
	if err != nil {
		return err
	}
	m, found := search.NewMatcher(q, now), all[:0]
	for _, g := range all {
		if (g.Answer == nil || !c.Open) && (asked || m.Match(&search.Record{Seq: g.Seq, Received: g.Since, Event: g.Event})) {
			found = append(found, g)
		}
	}
	r := ghostsReport{Format: "stet.ghosts/1", Query: q.String(), Now: proof.FormatTime(now), Size: cp.Size, Count: len(found)}
	if c.Limit > 0 && len(found) > c.Limit {
		r.Left, found = len(found)-c.Limit, found[:c.Limit]
	}
	for _, g := range found {
		r.Ghosts = append(r.Ghosts, g.ToJSON(now))
	}
	if err := c.print(e, s, r, found, now); err != nil {
		return err
	}
	switch {
	case dropped > 0 && asked:
		_, _ = fmt.Fprintf(e.stderr, "stet: these are of the newest %d that were found; --scan reads the whole log\n", maxAsked)
	case dropped > 0:
		_, _ = fmt.Fprintf(e.stderr, "stet: %d more that were found earlier were not kept\n", dropped)
	}
	if lacks != nil {
		return shown(lacks)
	}
	if c.Fail && r.Count > 0 {
		return exit{code: exitFindings}
	}
	return nil
}

// maxAsked is how many ghosts a server is asked for.
const maxAsked = 10_000

// ask asks a server's index for what it has found missing, each proven to be in the log, and for what came after all. lacks says
// what of these could not be had.
func (c *ghostsCmd) ask(e *env, w liveLog, q search.Query) (all []*ghosts.Ghost, more int, lacks, err error) {
	t, err := newAskedTeller(e, w, 0)
	if err != nil {
		return nil, 0, nil, err
	}
	hits, whole, err := t.hits(q.With(anyText(search.FieldEvent, ghosts.Types()...)), maxAsked)
	if err != nil {
		return nil, 0, nil, err
	}
	if t.app != "" && len(hits) == 0 { // that none is shown does not say that nothing is missing
		return nil, 0, nil, exit{exitNotAllowed, fmt.Errorf("ghosts: what is missing is found by the server and recorded as its own events, and the token is for application %s alone; use an auditor's", event.Sanitize(t.app))}
	}
	of := make(map[uint64]*ghosts.Ghost)
	var seqs []string
	for _, h := range slices.Backward(hits) {
		if g := ghosts.Of(h.Event, h.Received, true, h.Seq); g != nil && h.Key == t.storeKey {
			all, of[h.Seq], seqs = append(all, g), g, append(seqs, strconv.FormatUint(h.Seq, 10))
		}
	}
	for some := range slices.Chunk(seqs, search.MaxTerms/2) {
		late, _, err := t.hits(search.Query{}.With(anyText(search.FieldEvent, ghosts.AnswerTypes()...), anyText(search.FieldRef, some...)), maxAsked)
		if err != nil {
			return nil, 0, nil, err
		}
		for _, h := range late {
			if h.Key == t.storeKey {
				ghosts.Answers(h.Event, h.Received, h.Seq, of)
			}
		}
	}
	if !whole {
		more = 1
	}
	return all, more, t.lacks(), nil
}

// look reads the log: what it says is missing, and, of a directory, what a watch would say now.
func (c *ghostsCmd) look(e *env, s *store.Reading, cp proof.Checkpoint, now time.Time) ([]*ghosts.Ghost, int, error) {
	key, err := s.StoreKey(e.ctx)
	if err != nil {
		return nil, 0, err
	}
	var l ghosts.List
	to := []watch.Taker{&l}
	if !c.remote() {
		p := watch.Policy{StartWithin: c.StartWithin, SilentAfter: c.SilentAfter, HeartbeatGrace: c.HeartbeatGrace}
		l.Machines = []watch.Machine{watch.New(p), &expect.Machine{}}
		to = append(to, l.Machines[0], l.Machines[1])
	}
	bar := newProgress(e.stderr, "entries")
	defer bar.clear()
	r, err := published.NewReader(e.ctx, s.Source(), 0, cp.Size)
	if err == nil {
		err = r.Read(e.ctx, cp, listening{watch.Listener{StoreKey: key, To: to}, bar})
	}
	if errors.Is(err, published.ErrOther) {
		err = &ledger.IntegrityError{File: s.Name, Reason: err.Error()}
	}
	if err != nil {
		return nil, 0, without("ghosts: what is missing cannot be told from a part of the log (stet search is:ghost finds what was recorded)", err)
	}
	all, dropped := l.Ghosts(now)
	return all, dropped, nil
}

// listening is a watch.Listener that shows how far it is.
type listening struct {
	watch.Listener
	bar *progress
}

// Take implements published.Taker.
func (l listening) Take(e *published.Entry) error {
	if e.Seq%1024 == 0 {
		l.bar.set(e.Seq, e.Of)
	}
	if err := l.Listener.Take(e); err != nil {
		return &ledger.IntegrityError{Seq: e.Seq, HasSeq: true, File: logread.StoreLog, Reason: "the entry cannot be read", Err: err}
	}
	return nil
}

// print writes a ghost in two lines: what is missing, and since when, how that is known and where its story is.
func (c *ghostsCmd) print(e *env, s *store.Reading, r ghostsReport, found []*ghosts.Ghost, now time.Time) error {
	if c.JSON {
		if r.Ghosts == nil {
			r.Ghosts = []ghosts.JSON{}
		}
		return printJSON(e, r)
	}
	out := bufio.NewWriter(e.stdout)
	for i, g := range found {
		place := "not recorded"
		if g.Recorded {
			place = fmt.Sprintf("recorded in #%d", g.Seq)
		}
		x := r.Ghosts[i]
		_, _ = fmt.Fprintf(out, "%-13s  %s\n", g.What, x.Text)
		state := "for " + story.Age(now.Sub(g.Since))
		if a := g.Answer; a != nil {
			state = "answered after " + story.Age(a.At.Sub(g.Since))
			if a.Recorded {
				state += fmt.Sprintf(", #%d", a.Seq)
			}
		}
		_, _ = fmt.Fprintf(out, "%13s  %sZ, %s, %s; %s\n", "", g.Since.UTC().Format(time.DateTime), state, place, evidenceOf(x, g))
	}
	if err := out.Flush(); err != nil {
		return err
	}
	where := fmt.Sprintf("entries 0 to %d of %s", r.Size-1, s.Name)
	text := fmt.Sprintf("%d missing in %s", r.Count, where)
	switch {
	case r.Count == 0:
		text = "nothing is missing in " + where
	case r.Left > 0:
		text += fmt.Sprintf("; these are the newest %d", len(found))
	}
	switch {
	case c.remote() && !c.Scan:
		text += ", as its server recorded it, by its index: each is proven to be in the log; that none was left out is the server's word (--scan reads the log instead)"
	case c.remote():
		text += ", as its server recorded it"
	default:
		text += " (local only, unless a checkpoint is known elsewhere)"
	}
	_, _ = fmt.Fprintf(e.stderr, "stet: %s\n", text)
	return nil
}

// evidenceOf says which rule found a ghost, by which entries, and where its story is.
func evidenceOf(x ghosts.JSON, g *ghosts.Ghost) string {
	var parts []string
	if x.Rule != "" {
		parts = append(parts, "rule "+story.Name(g.Event, x.Rule))
	}
	if len(x.Evidence) > 0 {
		var refs []string
		for _, n := range x.Evidence {
			refs = append(refs, fmt.Sprintf("#%d", n))
		}
		parts = append(parts, "evidence "+strings.Join(refs, " "))
	}
	parts = append(parts, "stet story "+story.Name(g.Event, g.Event.InteractionID))
	return strings.Join(parts, "; ")
}
