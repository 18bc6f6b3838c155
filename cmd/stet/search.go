package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/fsx"
	"github.com/stetlog/stet/internal/logread"
	"github.com/stetlog/stet/internal/search"
	"github.com/stetlog/stet/internal/spool"
	"github.com/stetlog/stet/internal/store"
	"github.com/stetlog/stet/internal/story"
	"github.com/stetlog/stet/internal/wire"
	"github.com/stetlog/stet/proof"
)

type searchCmd struct {
	storeFlag
	Query  []string `arg:"" optional:"" help:"What to look for, in the query language; nothing: everything."`
	Follow bool     `help:"Then go on with what comes into the log, until interrupted; oldest first."`
	Limit  int      `help:"How many entries at most; 0: all." default:"50"`
	Scan   bool     `help:"Read the whole log instead of asking an index, which could leave something out."`
	JSON   bool     `help:"Print the entries' exact bytes, one a line."`
}

// Help is the language in a nutshell.
func (searchCmd) Help() string {
	return `Newest first. What was searched is said on standard error.

    stet search actor:alice event:job_failed after:2026-01-01 -label.queue:mail
    stet search '"card declined" (severity:<=3 OR is:ghost)'

A space means and; OR and - as usual; a,b is any of; purge* begins so; f:* has an f; attempt:>1, seq:10..20; words without a
field are looked for in the texts of events, case aside. Times are UTC unless they say otherwise: after:2026-01-31T08:30+01:00,
since:12h. Fields: ` + strings.Join(searchFields(), ", ") + `.`
}

// searchFields are the fields as people write them.
func searchFields() []string {
	all := []string{"after", "before", "since"}
	for _, f := range search.Fields() {
		switch name := f.String(); f {
		case search.FieldLabel:
			all = append(all, name+".KEY")
		case search.FieldParam:
			all = append(all, name+".PATH")
		case search.FieldIs, search.FieldHas:
			all = append(all, name+":"+strings.Join(f.Words(), "|"))
		default:
			all = append(all, name)
		}
	}
	return all
}

// searchWords are the whole terms that there is a closed list of.
func searchWords() (all []string) {
	for _, f := range search.Fields() {
		for _, w := range f.Words() {
			all = append(all, f.String()+":"+w)
		}
	}
	return all
}

// negated stands before an argument that begins with "-" and is no flag.
const negated = "\x00"

// shieldNegations keeps the parser from taking -actor:alice for a flag of commands that take a query: these have no flags of one
// letter but -h, and export -o.
func shieldNegations(args []string) []string {
	if len(args) == 0 || !slices.Contains([]string{"search", "export", "forward", "ghosts"}, args[0]) && (len(args) < 3 || args[1] != "alert" || args[2] != "add") {
		return args
	}
	args = slices.Clone(args)
	for i, a := range args {
		if a == "--" {
			break
		}
		if strings.HasPrefix(a, "-") && !strings.HasPrefix(a, "--") && a != "-h" && (args[0] != "export" || !strings.HasPrefix(a, "-o")) {
			args[i] = negated + a
		}
	}
	return args
}

func (c *searchCmd) Run(e *env) (err error) {
	q, err := parseQuery(e, c.Query)
	if err != nil {
		return err
	}
	if c.Limit < 0 {
		return usage("--limit %d: it is 0, for all, or more", c.Limit)
	}
	w, done, err := c.live(e)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, done()) }()
	cp, _, err := w.log.Checkpoint(e.ctx)
	if err != nil {
		return err
	}
	storeKey, err := w.storeKey(e.ctx)
	if err != nil {
		return err
	}
	now := time.Now()
	scan := search.NewScanner(w.log.Source(), q, now)
	f := finder{e: e, storeKey: storeKey, json: c.JSON, local: !c.remote(), out: bufio.NewWriter(e.stdout), limit: c.Limit, name: w.log.Name, back: scan.Back, forth: scan.Forward}
	if given, meant := q.Misspelled(event.Builtin().Names()); given != "" {
		f.hint = fmt.Sprintf("; the catalogue has no event %s: do you mean %s?", given, meant)
	}
	if w.ask != nil && !c.Scan {
		rows := 1000
		if c.Limit > 0 {
			rows = min(c.Limit+1, rows)
		}
		s := &askedSearch{e: e, ask: w.ask, src: w.log.Source(), query: q, now: now, rows: rows, scan: scan}
		f.back, f.forth, f.claim = s.Back, s.Forward, s.claim
	}
	if w.files != nil && !c.Scan {
		x, err := openIndex(e, w, q, now)
		if err != nil {
			return err
		}
		if x != nil {
			defer func() { err = errors.Join(err, x.Close()) }()
			f.back, f.name = x.Back, fmt.Sprintf("%s, those below %d by its index", f.name, x.below)
		}
	}
	if !c.Follow {
		return f.newest(cp)
	}
	return f.follow(cp, w)
}

// parseQuery reads a query from the arguments of a command, and shows where it is wrong.
func parseQuery(e *env, args []string) (search.Query, error) {
	q, err := search.Parse(strings.Join(args, " "))
	var wrong *search.Error
	if errors.As(err, &wrong) {
		_, _ = fmt.Fprintln(e.stderr, wrong.Caret())
		err = exit{exitUsage, err}
	}
	return q, err
}

// liveLog is a log that is read, and how what is spooled here comes into it.
type liveLog struct {
	log    *store.Reading
	refill func(context.Context) error
	files  fsx.FS // of the store's directory; nil at a server
	// ask asks a server; nil of a directory.
	ask func(ctx context.Context, method, path string, body []byte, limit int64) ([]byte, error)
}

// storeKey is the key whose word on keys and losses counts: as the log says, or the server, to whom the log is not to be read.
func (w liveLog) storeKey(ctx context.Context) (string, error) {
	key, err := w.log.StoreKey(ctx)
	if !notAllowed(err) || w.ask == nil {
		return key, err
	}
	b, err := w.ask(ctx, http.MethodGet, wire.LogPath, nil, wire.MaxClaim)
	if err != nil {
		return "", err
	}
	said, err := wire.ParseLog(b)
	return said.StoreKey, err
}

// live opens the log as reading does. Where a tile or bundle is damaged, so that nothing can be brought in, what is there can still
// be read: done says so at the end.
func (c storeFlag) live(e *env) (w liveLog, done func() error, err error) {
	w.refill = func(context.Context) error { return nil }
	if c.remote() {
		c.sendBefore(e)
		r, l, err := c.readingServer(e)
		if err != nil {
			return w, nil, err
		}
		w.log, w.ask = r, l.client.JSON
		return w, l.close, nil
	}
	s, err := c.openOnly()
	if err != nil {
		return w, nil, err
	}
	undrained := drain(e, s)
	if undrained != nil && !damagedTile(undrained) {
		return w, nil, errors.Join(undrained, s.Close())
	}
	if w.log, err = s.Reading(); err != nil {
		return w, nil, errors.Join(err, s.Close())
	}
	if undrained != nil {
		undrained = fmt.Errorf("what is not in the log yet was not brought in: %w", undrained)
	}
	done = func() error { return errors.Join(undrained, s.Close()) }
	w.files = s.FS
	w.refill = func(ctx context.Context) error {
		if streams, err := spool.List(s.FS, spool.Dir); err != nil || len(streams) == 0 {
			return err
		}
		_, err := s.Drain(ctx)
		return err
	}
	return w, done, nil
}

// finder prints what is found.
type finder struct {
	e        *env
	back     func(context.Context, proof.Checkpoint, func(search.Hit) error) (from uint64, err error)        // from the newest on
	forth    func(ctx context.Context, cp proof.Checkpoint, from uint64, found func(search.Hit) error) error // from an entry on
	out      *bufio.Writer
	name     string        // of the log, for people
	storeKey string        // whose word on keys and losses counts
	limit    int           // 0: none
	claim    func() string // what to add to what was searched; nil: nothing
	json     bool
	local    bool
	hint     string // what to add where nothing was found
}

// newest prints what is found, newest first, and says what was searched.
func (f *finder) newest(cp proof.Checkpoint) error {
	n, last := 0, uint64(0)
	from, err := f.back(f.e.ctx, cp, func(h search.Hit) error {
		if n == f.limit && f.limit > 0 {
			n++
			return search.ErrStop
		}
		n, last = n+1, h.Seq
		return f.print(h)
	})
	lacks, err := lacking(err)
	if err = errors.Join(err, f.out.Flush()); err != nil {
		return err
	}
	but := ""
	if gone := (*logread.UnreadError)(nil); errors.As(lacks, &gone) {
		but = fmt.Sprintf(", of which %d could not be read", gone.Entries())
	}
	searched := f.searched(n, from, cp, but)
	if more := n > f.limit && f.limit > 0; more {
		searched = fmt.Sprintf("the newest %d, in entries %d to %d of %s%s; for older ones add seq:<%d", f.limit, last, cp.Size-1, f.name, but, last)
	}
	return errors.Join(f.say("%s", searched), shown(lacks))
}

// searched says what was searched to its end, but for what could not be read.
func (f *finder) searched(n int, from uint64, cp proof.Checkpoint, but string) string {
	where := fmt.Sprintf("entries %d to %d of %s", from, cp.Size-1, f.name) + but
	if from > 0 {
		where += ", the only ones that the query's own limits let in"
	}
	if from == cp.Size {
		where = fmt.Sprintf("%s: none of its entries, 0 to %d, lies within the query's own limits", f.name, cp.Size-1)
	}
	if n == 0 {
		return "nothing found in " + where + " (values are compared exactly, and words without a field regardless of case" + f.hint + ")"
	}
	return fmt.Sprintf("%d found in %s", n, where)
}

// say says what was searched, and what the word of a directory is worth.
func (f *finder) say(format string, args ...any) error {
	s := fmt.Sprintf(format, args...)
	if f.claim != nil {
		s += f.claim()
	}
	if f.local {
		s += " (local only, unless a checkpoint is known elsewhere)"
	}
	_, _ = fmt.Fprintf(f.e.stderr, "stet: %s\n", s)
	return nil
}

func (f *finder) print(h search.Hit) error {
	if f.json {
		if _, err := f.out.Write(h.Raw); err != nil {
			return err
		}
		return f.out.WriteByte('\n')
	}
	row := ""
	if h.Stub != nil {
		row = stubRow(h)
	} else {
		row = story.Row(story.Item{Seq: h.Seq, HasSeq: true, ReceivedAt: h.Received, Via: h.Via, StoreKey: h.Key == f.storeKey, Event: h.Event})
	}
	_, err := fmt.Fprintln(f.out, row)
	return err
}

func stubRow(h search.Hit) string {
	what := fmt.Sprintf("Number %d of stream %s was refused", h.Stub.First, h.Stub.Stream)
	if h.Stub.Code == proof.StubLost {
		what = fmt.Sprintf("Numbers %d to %d of stream %s are lost", h.Stub.First, h.Stub.Last, h.Stub.Stream)
	}
	if h.Stub.Reason != "" {
		what += ": " + strconv.QuoteToGraphic(h.Stub.Reason)
	}
	return fmt.Sprintf("%8d  %sZ  (%s)  %s.", h.Seq, h.Received.Format(time.DateTime), h.Stub.Code, what)
}

// followEvery is how often a log that is followed is looked at.
const followEvery = time.Second

// follow prints the newest of what is there, oldest first, and then what comes, until it is interrupted.
func (f *finder) follow(cp proof.Checkpoint, w liveLog) error {
	if err := f.tail(cp); err != nil {
		return err
	}
	if err := f.say("following %s from entry %d on", f.name, cp.Size); err != nil {
		return err
	}
	tick := time.NewTicker(followEvery)
	defer tick.Stop()
	for {
		select {
		case <-f.e.ctx.Done():
			return nil
		case <-tick.C:
		}
		next, err := f.forward(cp, w)
		if f.e.ctx.Err() != nil {
			return nil // the interruption is what failed
		}
		if err != nil {
			return err
		}
		cp = next
	}
}

// tail prints the newest of what is there, oldest first.
func (f *finder) tail(cp proof.Checkpoint) error {
	if f.limit == 0 {
		return errors.Join(f.forth(f.e.ctx, cp, 0, f.print), f.out.Flush())
	}
	var last []search.Hit
	_, err := f.back(f.e.ctx, cp, func(h search.Hit) error {
		h.Raw = slices.Clone(h.Raw) // of a bundle that is not needed
		if last = append(last, h); len(last) == f.limit {
			return search.ErrStop
		}
		return nil
	})
	for _, h := range slices.Backward(last) {
		err = errors.Join(err, f.print(h))
	}
	return errors.Join(err, f.out.Flush())
}

// forward prints what has come since a checkpoint, which the new one must continue.
func (f *finder) forward(cp proof.Checkpoint, w liveLog) (proof.Checkpoint, error) {
	ctx := f.e.ctx
	if err := w.refill(ctx); err != nil {
		return cp, err
	}
	next, _, err := w.log.Checkpoint(ctx)
	if err != nil || next == cp {
		return cp, err
	}
	if err := logread.Continues(ctx, w.log.Source(), cp, next); err != nil {
		return cp, err
	}
	err = f.forth(ctx, next, cp.Size, f.print)
	return next, errors.Join(err, f.out.Flush())
}
