package server

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/expect"
	"github.com/stetlog/stet/internal/index"
	"github.com/stetlog/stet/internal/search"
	"github.com/stetlog/stet/internal/watch"
	"github.com/stetlog/stet/internal/wire"
	"github.com/stetlog/stet/proof"
)

const (
	// slotsDefault and slotsMost are how many slots an answer has, and slotsAhead how many that are to come.
	slotsDefault, slotsMost, slotsAhead = 35, 200, 3
	// slotsBack bounds how far back a calendar's slots are looked for: those of leap days are four years apart.
	slotsBack = 10 * 366 * 24 * time.Hour
)

// slotsAnswer is what GET /v1/expectations/{id}/slots says: stet.slots/1.
type slotsAnswer struct {
	Format   string              `json:"format"`
	ID       string              `json:"id"`
	Job      string              `json:"job"`
	Schedule string              `json:"schedule"`
	Zone     string              `json:"zone"`
	Grace    string              `json:"grace"`
	Seq      uint64              `json:"seq"` // of the entry since which it is expected
	Since    string              `json:"since"`
	From     string              `json:"from"`
	To       string              `json:"to"`
	Searched searched            `json:"searched"`
	More     bool                `json:"more"` // more happened than is looked at: some slot may be told wrongly
	Doubts   []doubt             `json:"doubts"`
	Slots    []expect.SlotReport `json:"slots"` // the oldest first
	Ahead    []string            `json:"ahead"` // those to come next, where a calendar says so
	Earlier  string              `json:"earlier,omitempty"`
}

// getSlots says of the newest slots of an expectation how it went with them, as stet expect report does of the whole log. What
// decides is the same; the index finds the entries that it is decided by.
func (s *Server) getSlots(w http.ResponseWriter, r *http.Request, c *Call) error {
	p, err := readParams(r, "last", "to")
	if err != nil {
		return err
	}
	last, err := p.number("last", slotsDefault, 1, slotsMost)
	if err != nil {
		return err
	}
	a, ctx, end, err := s.ask(r, c)
	if err != nil {
		return err
	}
	defer end()
	to := a.now
	if text, ok := p["to"]; ok {
		if to, err = time.Parse(time.RFC3339, text); err != nil {
			return Refuse(wire.Malformed, "the parameter to is a time of RFC 3339")
		}
	}
	g, id := a.gather(), r.PathValue("id")
	label := search.Term{Field: search.FieldLabel, Path: []string{"expectation"}, Any: []search.Value{{Op: search.Equal, Text: id}}}
	if err := g.find(ctx, search.Query{}.With(label, anyOf(search.FieldEvent, expect.Added, expect.Removed))); err != nil {
		return err
	}
	x, ok := g.expected(id)
	if !ok {
		return g.nothing("expectation")
	}
	from, err := firstSlot(x, to, last)
	if err != nil {
		return err
	}
	slots, told, err := g.slots(ctx, x, label, from, to)
	if err != nil {
		return err
	}
	out := slotsAnswer{Format: "stet.slots/1", ID: id, Job: x.Job, Schedule: x.Schedule.String(), Zone: x.Zone, Grace: expect.FormatDuration(x.Grace), Seq: x.Place.Seq, Since: event.FormatTime(x.Since),
		From: event.FormatTime(from), To: event.FormatTime(to), Slots: []expect.SlotReport{}, Ahead: []string{}}
	if n := len(slots) - last; n > 0 {
		slots = slots[n:]
	}
	for _, one := range slots {
		out.Slots = append(out.Slots, told.Report(one))
	}
	if len(slots) > 0 && slots[0].At.After(x.Since) && len(slots) == last {
		out.Earlier = event.FormatTime(slots[0].At)
	}
	if table, err := x.Timetable(); err == nil && x.Schedule.Kind != expect.Every && !to.Before(a.now) {
		for at := table.Next(a.now); !at.IsZero() && len(out.Ahead) < slotsAhead; at = table.Next(at) {
			out.Ahead = append(out.Ahead, event.FormatTime(at))
		}
	}
	g.toldItems(ctx)
	out.Searched, out.More, out.Doubts = g.searched(), g.more, g.doubts
	return writeStory(w, out)
}

// entries are what was gathered, in the order of the log.
func (g *gathering) entries() (all []watch.Entry) {
	for _, seq := range slices.Sorted(maps.Keys(g.items)) {
		it := g.items[seq]
		all = append(all, watch.Entry{Seq: it.Seq, ReceivedAt: it.ReceivedAt, StoreKey: it.StoreKey, Event: it.Event})
	}
	return all
}

// expected is the newest definition of an id, also where it counts no more.
func (g *gathering) expected(id string) (last expect.Active, ok bool) {
	var all expect.Defined
	for _, e := range g.entries() {
		if a, changed := all.Apply(e); changed && e.Event.EventType == expect.Added && a.ID() == id {
			last, ok = a, true
		}
	}
	return last, ok
}

// firstSlot is when the period begins that has the last slots before a time, and perhaps some more.
func firstSlot(x expect.Active, to time.Time, last int) (time.Time, error) {
	if x.Schedule.Kind == expect.Every {
		return latest(x.Since, to.Add(-time.Duration(last)*x.Schedule.Interval())), nil
	}
	table, err := x.Timetable()
	if err != nil {
		return time.Time{}, err
	}
	for back := time.Hour; ; back *= 2 {
		from := latest(x.Since, to.Add(-min(back, slotsBack)))
		n := 0
		for range table.Slots(from, to) {
			n++
		}
		if n >= last || !from.After(x.Since) || back >= slotsBack {
			return from, nil
		}
	}
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// slots tells of the slots of a period: g has the definition, and is given what else they are decided by.
func (g *gathering) slots(ctx context.Context, x expect.Active, label search.Term, from, to time.Time) ([]expect.Slot, *expect.Reporter, error) {
	// What began before the period may have taken the slot before it, and a server that was down then is waited for.
	lead := from.Add(-x.Grace - 2*expect.DefaultRestartGrace)
	behind := search.Term{Field: search.FieldReceived, Any: []search.Value{{Op: search.Times, From: lead, Until: to.Add(x.Grace + 2*expect.DefaultRestartGrace)}}}
	came := []search.Node{anyOf(search.FieldEvent, "job_started", "job_denied"), anyOf(search.FieldJob, x.Job)}
	if x.App != "" {
		came = append(came, anyOf(search.FieldApp, x.App))
	}
	for _, q := range []search.Query{
		search.Query{}.With(append(slices.Clone(came), behind)...),
		search.Query{}.With(label, anyOf(search.FieldEvent, "job_missed"), behind),
		search.Query{}.With(anyOf(search.FieldEvent, "sys_startup", "sys_shutdown"), behind),
	} {
		if err := g.find(ctx, q); err != nil {
			return nil, nil, err
		}
	}
	if x.Schedule.Kind == expect.Every { // the run before the period says when the first of its slots is
		before := search.Term{Field: search.FieldReceived, Any: []search.Value{{Op: search.Times, Until: lead}}}
		rows, _, err := g.asker.find(ctx, search.Query{}.With(append(came, before)...), index.Everything(), 1)
		if err != nil {
			return nil, nil, err
		}
		for _, row := range rows {
			if row.Doubt == "" {
				if err := g.add(row.Record, row.Entry); err != nil {
					return nil, nil, err
				}
			}
		}
	}
	h := expect.History{Which: x.ID(), From: from, To: to}
	var jobs []string
	for _, e := range g.entries() {
		h.Add(e)
		if j := e.Event.Job; j != nil && e.Event.EventType != "job_missed" && !slices.Contains(jobs, j.ID) {
			jobs = append(jobs, j.ID)
		}
	}
	slots, err := h.Slots(g.now)
	if errors.Is(err, expect.ErrSlots) {
		return nil, nil, Refuse(wire.Malformed, "these are more slots than can be told of")
	}
	if err != nil {
		return nil, nil, err
	}
	of := g.gather()
	of.want = ofJobs(jobs...)
	for some := range slices.Chunk(jobs, search.MaxTerms/2) {
		if err := of.find(ctx, search.Query{}.With(anyOf(search.FieldJob, some...), search.Not{Of: anyOf(search.FieldEvent, "job_heartbeat", "job_snapshot")})); err != nil {
			return nil, nil, err
		}
	}
	stories, err := of.fold(ctx)
	if err != nil {
		return nil, nil, err
	}
	maps.Copy(g.items, of.items) // to be told of
	g.more, g.doubts = g.more || of.more, append(g.doubts, of.doubts...)
	return slots, expect.NewReporter(stories, func(seq uint64) proof.Hash { return g.items[seq].EntryHash }), nil
}
