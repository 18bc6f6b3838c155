package exports

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/evidence"
	"github.com/stetlog/stet/internal/admin"
	"github.com/stetlog/stet/internal/auth"
	"github.com/stetlog/stet/internal/exhibit"
	"github.com/stetlog/stet/internal/logread"
	"github.com/stetlog/stet/internal/search"
	"github.com/stetlog/stet/internal/server"
)

// Limits are the bounds of a Desk. Zero stands for the default.
type Limits struct {
	Files int           // that wait, are made or are kept; 8. One more takes the place of the oldest that is done
	Each  int           // of these, of one caller; 4
	Bytes int64         // of one file; 128 MiB
	Time  time.Duration // of making one; 10 min
	Keep  time.Duration // of one that is done; 15 min
}

func (l Limits) orDefaults() Limits {
	for _, n := range []struct {
		v         *int
		otherwise int
	}{{&l.Files, 8}, {&l.Each, 4}} {
		if *n.v <= 0 {
			*n.v = n.otherwise
		}
	}
	if l.Bytes <= 0 {
		l.Bytes = 128 << 20
	}
	if l.Time <= 0 {
		l.Time = 10 * time.Minute
	}
	if l.Keep <= 0 {
		l.Keep = 15 * time.Minute
	}
	return l
}

// Options are what a Desk works with. All but Limits, Logger and Verifier must be set.
type Options struct {
	Source  logread.Source
	LogKey  func() string               // the log's newest verifier key
	Scratch func() (ScratchFile, error) // a file that is gone when it is closed
	Record  func(ctx context.Context, who auth.Identity, peer server.Peer, x admin.Export) (seq uint64, err error)
	Tool    string // that makes the files, for people

	Verifier []byte // the page that verifies a file in a browser
	Limits   Limits
	Logger   *slog.Logger // nil: nothing is logged
}

// ScratchFile is a file without a name.
type ScratchFile interface {
	File
	io.Closer
}

// State is how far the making of a file is.
type State string

// The states, in their order; Failed may follow any but Ready.
const (
	Waiting   State = "waiting"   // for others before it
	Searching State = "searching" // the log is read
	Checking  State = "checking"  // the file is verified
	Ready     State = "ready"     // it can be fetched
	Failed    State = "failed"    // Problem says why
)

// done says whether nothing more will become of it.
func (s State) done() bool { return s == Ready || s == Failed }

// Desk makes files of evidence. All methods are safe for concurrent use.
type Desk struct {
	o      Options
	limits Limits
	queue  chan *order
	now    func() time.Time

	mu     sync.Mutex
	orders []*order // in the order in which they were asked for
	ended  map[outcome]uint64
	bytes  int64 // of all files that were made
}

// order is a file that somebody has asked for. What may change is guarded by the desk's mu.
type order struct {
	id       string
	who      auth.Identity
	peer     server.Peer
	query    search.Query
	complete bool
	asked    time.Time

	state       State
	done, total uint64 // entries of the state's work
	problem     string
	made        Made
	seq         uint64 // of the event that says so
	until       time.Time

	file    ScratchFile // nil until it is made
	readers int         // who are being given it
	gone    bool        // the last of them closes it
}

// NewDesk makes a desk. It makes nothing before Run.
func NewDesk(o Options) *Desk {
	d := &Desk{o: o, limits: o.Limits.orDefaults(), now: time.Now, ended: map[outcome]uint64{}}
	if d.o.Logger == nil {
		d.o.Logger = slog.New(slog.DiscardHandler)
	}
	d.queue = make(chan *order, d.limits.Files)
	return d
}

// Run makes what is asked for until ctx ends; then all files are gone.
func (d *Desk) Run(ctx context.Context) {
	tick := time.NewTicker(time.Minute)
	defer tick.Stop()
	defer d.clear()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			d.mu.Lock()
			d.expire()
			d.mu.Unlock()
		case o := <-d.queue:
			d.make(ctx, o)
		}
	}
}

// errBusy says that there are too many files already.
var errBusy = errors.New("too many files of evidence are being made")

// ask takes an order.
func (d *Desk) ask(who auth.Identity, peer server.Peer, q search.Query, complete bool) (order, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.expire()
	mine := 0
	for _, o := range d.orders {
		if o.of(who) {
			mine++
		}
	}
	if mine >= d.limits.Each && !d.room(func(o *order) bool { return o.of(who) }) {
		d.ended[outcomeRefused]++
		return order{}, fmt.Errorf("%w: %d of yours", errBusy, mine)
	}
	if len(d.orders) >= d.limits.Files && !d.room(func(*order) bool { return true }) {
		d.ended[outcomeRefused]++
		return order{}, fmt.Errorf("%w: %d", errBusy, len(d.orders))
	}
	o := &order{id: rand.Text(), who: who, peer: peer, query: q, complete: complete, asked: d.now(), state: Waiting}
	d.orders = append(d.orders, o)
	d.queue <- o // there is room: it holds as many as there may be orders that are not done
	return *o, nil
}

// of says whether an order is somebody's.
func (o *order) of(who auth.Identity) bool {
	uid := func(id auth.Identity) int64 {
		if id.UID == nil {
			return -1
		}
		return int64(*id.UID)
	}
	return o.who.Token == who.Token && o.who.Own == who.Own && uid(o.who) == uid(who)
}

// room takes away the oldest of some orders that is done; false where none is.
func (d *Desk) room(some func(*order) bool) bool {
	i := slices.IndexFunc(d.orders, func(o *order) bool { return o.state.done() && some(o) })
	if i < 0 {
		return false
	}
	d.orders[i].drop()
	d.orders = slices.Delete(d.orders, i, i+1)
	return true
}

// expire takes away what was kept long enough.
func (d *Desk) expire() {
	now := d.now()
	for d.room(func(o *order) bool { return !now.Before(o.until) }) {
		continue
	}
}

func (d *Desk) clear() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, o := range d.orders {
		o.drop()
	}
	d.orders = nil
}

// drop closes an order's file, once nobody is being given it any more.
func (o *order) drop() {
	o.gone = true
	if o.file != nil && o.readers == 0 {
		_ = o.file.Close() // it has no name: nothing of it is to be kept
		o.file = nil
	}
}

// mine are somebody's orders, the newest first.
func (d *Desk) mine(who auth.Identity) (all []order) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.expire()
	for _, o := range slices.Backward(d.orders) {
		if o.of(who) {
			all = append(all, *o)
		}
	}
	return all
}

// take finds one of somebody's orders; with its file where that is ready, and then release must be called.
func (d *Desk) take(who auth.Identity, id string) (o order, release func(), ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.expire()
	i := slices.IndexFunc(d.orders, func(o *order) bool { return o.id == id && o.of(who) })
	if i < 0 {
		return order{}, nil, false
	}
	at := d.orders[i]
	at.readers++
	return *at, func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		if at.readers--; at.gone {
			at.drop()
		}
	}, true
}

// errTime and errBytes say which limit ended the making of a file.
var (
	errTime  = errors.New("it took too long")
	errBytes = errors.New("it became too large")
)

// make makes a file.
func (d *Desk) make(ctx context.Context, o *order) {
	within, cancel := context.WithTimeoutCause(ctx, d.limits.Time, errTime)
	defer cancel()
	made, seq, file, err := d.write(within, o)
	if err != nil && within.Err() != nil {
		err = context.Cause(within)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	o.until = d.now().Add(d.limits.Keep)
	if err == nil {
		o.state, o.made, o.seq, o.file = Ready, made, seq, file
		d.ended[outcomeMade]++
		d.bytes += made.Bytes
		return
	}
	what, why := d.explain(err)
	o.state, o.problem = Failed, why
	if what != outcomeEnd {
		d.ended[what]++
	}
	if ctx.Err() == nil {
		d.o.Logger.Warn("evidence that was asked for could not be made", slog.String("query", o.query.String()), slog.Any("error", err))
	}
}

// explain says to whoever asked why there is no file. What is none of these may name files of this machine: the server's log says it.
func (d *Desk) explain(err error) (outcome, string) {
	why := logread.Wrong(err)
	switch {
	case errors.Is(err, errTime):
		return outcomeTime, fmt.Sprintf("%v: at most %v; ask for less, or use stet export", errTime, d.limits.Time)
	case errors.Is(err, errBytes):
		return outcomeBytes, fmt.Sprintf("%v: at most %d MiB; ask for less, or use stet export", errBytes, d.limits.Bytes>>20)
	case errors.Is(err, exhibit.ErrNothing):
		return outcomeNothing, exhibit.ErrNothing.Error()
	case errors.Is(err, ErrUnverified):
		return outcomeUnverified, err.Error()
	case why != "":
		return outcomeUnverified, fmt.Sprintf("%v: %s", ErrUnverified, why)
	case errors.Is(err, context.Canceled):
		return outcomeEnd, "the server ends"
	}
	return outcomeError, "something went wrong in the server; its own log says what"
}

// write makes a file, and has the log say so.
func (d *Desk) write(ctx context.Context, o *order) (m Made, seq uint64, file ScratchFile, err error) {
	log := exhibit.Log{Source: d.o.Source}
	if log.Signed, err = logread.Checkpoint(ctx, d.o.Source, d.o.LogKey()); err != nil {
		return m, 0, nil, err
	}
	if file, err = d.o.Scratch(); err != nil {
		return m, 0, nil, fmt.Errorf("a file for it: %w", err)
	}
	defer func() {
		if err != nil {
			_ = file.Close()
			file = nil
		}
	}()
	m, err = Make(ctx, &bounded{file, d.limits.Bytes}, log, exhibit.Request{Query: o.query, Now: o.asked, By: asker(o.who), Tool: d.o.Tool, Whole: o.complete,
		Verifier: d.o.Verifier, Progress: d.progress(o, Searching)}, evidence.Options{Workers: 1, Progress: d.progress(o, Checking)})
	if err != nil {
		return m, 0, file, err
	}
	if seq, err = d.o.Record(ctx, o.who, o.peer, m.Export()); err != nil {
		err = fmt.Errorf("record it: %w", err)
	}
	return m, seq, file, err
}

func (d *Desk) progress(o *order, s State) func(done, total uint64) {
	return func(done, total uint64) {
		d.mu.Lock()
		defer d.mu.Unlock()
		o.state, o.done, o.total = s, done, total
	}
}

// asker is who asks, as the file says it.
func asker(who auth.Identity) string {
	switch {
	case who.Token != "":
		return event.Sanitize(fmt.Sprintf("token %s (%s)", who.Token, who.Role))
	case who.UID != nil:
		return fmt.Sprintf("uid:%d", *who.UID)
	}
	return "anyone"
}

// bounded is a file that may not become too large.
type bounded struct {
	ScratchFile
	left int64
}

func (b *bounded) Write(p []byte) (int, error) {
	if int64(len(p)) > b.left {
		return 0, errBytes
	}
	n, err := b.ScratchFile.Write(p)
	b.left -= int64(n)
	return n, err
}
