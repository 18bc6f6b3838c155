package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/search"
	"github.com/stetlog/stet/internal/ship"
	"github.com/stetlog/stet/internal/story"
	"github.com/stetlog/stet/internal/wire"
	"github.com/stetlog/stet/proof"
)

// Bounds of what is asked of a server for one command.
const (
	maxTold    = 100_000 // events of one story
	lookWindow = 1000    // rows of the newest events in which is looked for what a word means
)

// askedTeller is a teller that asks a server's index in place of reading its log. Each event is proven as askedSearch proves
// it; that none was left out, and which streams have ended, is the server's word.
type askedTeller struct {
	e        *env
	w        liveLog
	cp       proof.Checkpoint
	storeKey string
	now      time.Time
	most     int     // stories that may be listed
	window   int     // lookWindow
	log      *teller // reads the log, for what no index knows: the ids of events
	told     map[string]*story.Story
	gone     error  // rows in doubt, and what could not be read where there is no index
	app      string // of the only events that the caller may read; "" for all
}

// lacks says what of that which was asked for could not be had.
func (t *askedTeller) lacks() error { return errors.Join(t.gone, t.log.lacks()) }

// newAskedTeller asks about what lies under the current checkpoint.
func newAskedTeller(e *env, w liveLog, most int) (*askedTeller, error) {
	cp, _, err := w.log.Checkpoint(e.ctx)
	if err != nil {
		return nil, err
	}
	key, err := w.storeKey(e.ctx)
	return &askedTeller{e: e, w: w, cp: cp, storeKey: key, now: time.Now(), most: most, window: lookWindow, log: &teller{e: e, log: w.log}, told: map[string]*story.Story{}}, err
}

// hits is what a query finds, the oldest first: of the newest, most at most; whole says that this is all.
func (t *askedTeller) hits(q search.Query, most int) (all []search.Hit, whole bool, err error) {
	s := &askedSearch{e: t.e, ask: t.w.ask, src: t.w.log.Source(), query: q, now: t.now, rows: min(most+1, 1000), scan: search.NewScanner(t.w.log.Source(), q, t.now)}
	whole = true
	_, err = s.Back(t.e.ctx, t.cp, func(h search.Hit) error {
		if len(all) == most {
			whole = false
			return search.ErrStop
		}
		h.Raw = slices.Clone(h.Raw)
		all = append(all, h)
		return nil
	})
	t.app = s.app
	slices.Reverse(all)
	lacks, err := lacking(err)
	if lacks != nil {
		t.gone = lacks
	}
	return all, whole, err
}

// anyText asks for a field to have one of some values.
func anyText(f search.Field, values ...string) search.Node {
	t := search.Term{Field: f}
	for _, v := range values {
		t.Any = append(t.Any, search.Value{Op: search.Equal, Text: v})
	}
	return t
}

// means asks for a field to be what a person means by a word.
func means(f search.Field, word string) search.Node {
	if len(word) < minPrefix {
		return anyText(f, word)
	}
	return search.Term{Field: f, Any: []search.Value{{Op: search.Prefix, Text: word}}}
}

// look is that of teller. Where a word means more stories than are looked at, found has the newest of them.
func (t *askedTeller) look(word string) (found []match, err error) {
	w := wantedBy(word)
	if word == "" {
		return t.fitting(w, search.Term{Field: search.FieldJob, Any: []search.Value{{Op: search.Present}}}, fitsInteraction)
	}
	if found, err = t.fitting(w, means(search.FieldInteraction, word), fitsInteraction); err != nil || len(found) > 0 {
		return found, err
	}
	if !w.id.IsZero() { // no index knows the ids of events; nor is it a word for anything else, but for jobs and runs
		for _, f := range []search.Field{search.FieldJob, search.FieldRun} {
			if found, err = t.fitting(w, means(f, word), fitsRun); err != nil || len(found) > 0 {
				return found, err
			}
		}
		_, _ = fmt.Fprintln(t.e.stderr, "stet: no interaction, job or run has this id; the log is read for an event that has it")
		return t.log.look(word)
	}
	if found, err = t.fitting(w, means(search.FieldJob, word), fitsJob); err != nil || len(found) > 0 {
		return found, err
	}
	if found, err = t.fitting(w, means(search.FieldRun, word), fitsRun); err != nil || len(found) > 0 {
		return found, err
	}
	if found, err = t.fitting(w, anyText(search.FieldJob, word), fitsName); err != nil || len(found) > 0 || !w.isSeq {
		return found, err
	}
	return t.fitting(w, search.Term{Field: search.FieldSeq, Any: []search.Value{{Op: search.Ints, Min: int64(w.seq), Max: int64(w.seq)}}}, fitsSeq)
}

// fitting finds the interactions of events that a word fits at least so well. The newest t.most are those that began last; where
// there are more, those before them are in the order of what was seen of them.
func (t *askedTeller) fitting(w wanted, q search.Node, least int) ([]match, error) {
	rows, whole, err := t.hits(search.Query{}.With(q), t.window)
	if err != nil {
		return nil, err
	}
	var m matches
	for _, h := range rows {
		entry, err := proof.ParseEntry(h.Raw)
		if err != nil || h.Event == nil {
			continue // a stub
		}
		r := refOf(h.Event)
		if fit := w.fit(h.Seq, r, entry.Event); fit >= least {
			m.add(fit, r)
		}
	}
	if whole || len(m.found) == 0 {
		return m.found, nil
	}
	// Of those that are seen some may have begun before what is seen.
	var began, before []match
	for _, found := range slices.Backward(m.found) {
		older, _, err := t.hits(search.Query{}.With(q, anyText(search.FieldInteraction, found.interaction), search.Term{Field: search.FieldSeq, Any: []search.Value{{Op: search.Ints, Max: int64(rows[0].Seq) - 1}}}), 1)
		if err != nil {
			return nil, err
		}
		if len(older) > 0 {
			before = append(before, found)
		} else if began = append(began, found); len(began) == t.most {
			break
		}
	}
	all := slices.Concat(began, before)
	slices.Reverse(all)
	return all, nil
}

// refOf is what a word is held against.
func refOf(e *event.Event) event.Ref {
	r := event.Ref{EventID: e.EventID, InteractionID: []byte(e.InteractionID)}
	if e.Job != nil {
		r.JobID = []byte(e.Job.ID)
		if e.Job.RunID != "" {
			r.RunID = []byte(e.Job.RunID)
		}
	}
	return r
}

// tell is that of teller.
func (t *askedTeller) tell(id string) (*story.Story, error) {
	if s := t.told[id]; s != nil {
		return s, nil
	}
	hits, whole, err := t.hits(search.Query{}.With(anyText(search.FieldInteraction, id)), maxTold)
	if err != nil {
		return nil, err
	}
	if !whole {
		_, _ = fmt.Fprintf(t.e.stderr, "stet: the story of %s has more than %d events; this is of the newest; --scan reads all\n", event.Sanitize(id), maxTold)
	}
	var f story.Fold
	for _, h := range hits {
		if h.Event == nil {
			continue
		}
		e, err := proof.ParseEntry(h.Raw)
		if err != nil {
			return nil, err
		}
		f.Add(story.Item{Seq: h.Seq, HasSeq: true, ReceivedAt: h.Received, Via: h.Via, KeyID: proof.KeyID(h.Key), StoreKey: h.Key == t.storeKey,
			EventHash: proof.LeafHash(e.Event), EntryHash: proof.LeafHash(h.Raw), Raw: e.Event, Event: h.Event})
	}
	ended, err := t.ended(id)
	if err != nil {
		return nil, err
	}
	for _, stream := range ended {
		f.Ended(stream)
	}
	s, ok := f.Story(id)
	if !ok {
		return nil, nil
	}
	t.told[id] = &s
	return &s, nil
}

// ended asks which streams of an interaction nothing more will come from.
func (t *askedTeller) ended(id string) (streams []event.UUID, err error) {
	b, err := t.w.ask(t.e.ctx, http.MethodGet, "/v1/stories/"+url.PathEscape(id), nil, maxFound)
	var refused *ship.RefusedError
	if errors.As(err, &refused) && (refused.Code == wire.NotFound || refused.Code == wire.NotReady) {
		return nil, nil // it cannot say
	}
	if err != nil {
		return nil, err
	}
	var said struct{ Ended []string }
	if err := json.Unmarshal(b, &said); err != nil {
		return nil, fmt.Errorf("the server's answer is not a story: %w", err)
	}
	for _, s := range said.Ended {
		stream, err := event.ParseUUID(s)
		if err != nil {
			return nil, fmt.Errorf("the server says that a stream has ended which is none: %w", err)
		}
		streams = append(streams, stream)
	}
	return streams, nil
}

// tellAll is that of teller.
func (t *askedTeller) tellAll(ids []string) (all []*story.Story, err error) {
	for _, id := range ids {
		s, err := t.tell(id)
		if err == nil && s == nil {
			err = errors.New("the server does not find again what it has just found")
		}
		if err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, nil
}

// find is a story.Finder. Causes that are named by an event's id are looked for in the log, where that may be read.
func (t *askedTeller) find(c story.Cause) (*story.Story, error) {
	if c.How != story.ByParent {
		s, err := t.log.find(c)
		if notAllowed(err) {
			return nil, story.ErrUnsought
		}
		return s, err
	}
	rows, _, err := t.hits(search.Query{}.With(anyText(search.FieldJob, c.JobID)), t.window)
	if err != nil {
		return nil, err
	}
	for _, h := range rows {
		if h.Event != nil && h.Event.Job != nil && h.Event.Job.ID == c.JobID {
			return t.tell(h.Event.InteractionID)
		}
	}
	return nil, nil
}
