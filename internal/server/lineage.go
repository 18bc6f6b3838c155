package server

import (
	"context"
	"maps"
	"net/http"
	"slices"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/index"
	"github.com/stetlog/stet/internal/search"
	"github.com/stetlog/stet/internal/story"
)

const (
	// ancestorsMost is how far up a line of jobs is followed.
	ancestorsMost = 64
	// childrenDefault and childrenMost are how many children a page has, rowsForChildren how many events are looked at for them.
	childrenDefault, childrenMost = 20, 100
	rowsForChildren               = 5000
	// spansMost is how many runs of a job are told, and orphansMost how many orphans.
	spansMost, orphansMost = 20, 20
)

// lineageAnswer is what GET /v1/jobs/{id}/lineage says: stet.lineage/1.
type lineageAnswer struct {
	Format    string   `json:"format"`
	Searched  searched `json:"searched"`
	More      bool     `json:"more"` // of some job only the first events were looked at
	Doubts    []doubt  `json:"doubts"`
	Job       kin      `json:"job"`
	Ancestors []kin    `json:"ancestors"` // its parent first, the root last
	// Orphan says that the line does not reach a job without a parent, and Because why.
	Orphan  bool   `json:"orphan"`
	Because string `json:"because,omitempty"`
	// Principal is who asked for the root, as the root's first event claims; of an orphan, for the last that the line reaches.
	Principal *principal `json:"principal"`
	Children  []kin      `json:"children"`
	Next      string     `json:"next,omitempty"` // of the children
	// Orphans are others of its interaction whose parent is in no entry, as the server found and recorded it: the newest.
	Orphans []kin `json:"orphans"`
}

// kin is a job in a line.
type kin struct {
	ID          string      `json:"id"`
	Name        string      `json:"name"`
	Interaction string      `json:"interaction_id"`
	Parent      string      `json:"parent_id,omitempty"`
	Root        string      `json:"root_id,omitempty"`
	App         string      `json:"app_id"`
	Environment string      `json:"environment,omitempty"`
	State       story.State `json:"state"` // of its last run
	First       uint64      `json:"first_seq"`
	Last        uint64      `json:"last_seq"`
	Heard       string      `json:"heard"` // of first, at the time that the first event says
	// AtWork are its runs, the last ones, by their events' times.
	AtWork []span `json:"at_work"`
	// Parent of others: some job names it as its parent. Told of the job that was asked for and its children.
	Children bool `json:"has_children"`

	by *principal
}

// span is from when to when a run was at work.
type span struct {
	From  string `json:"from"`
	Until string `json:"until,omitempty"` // not there where the log does not know of its end
}

// principal is who asked for a job, as its events claim.
type principal struct {
	Seq        uint64   `json:"seq"` // of the event that says so
	Type       string   `json:"type,omitempty"`
	ID         string   `json:"id,omitempty"`
	UserID     string   `json:"user_id,omitempty"`
	OnBehalfOf *other   `json:"on_behalf_of,omitempty"`
	Upstream   *system  `json:"upstream,omitempty"`
	Why        *trigger `json:"why,omitempty"`
}

type other struct {
	Type string `json:"type,omitempty"`
	ID   string `json:"id,omitempty"`
}

type system struct {
	System   string `json:"system,omitempty"`
	EventRef string `json:"event_ref,omitempty"`
}

type trigger struct {
	Trigger   string `json:"trigger,omitempty"`
	Reason    string `json:"reason,omitempty"`
	Reference string `json:"reference,omitempty"`
}

func principalOf(it story.Item) *principal {
	e := it.Event
	p := &principal{Seq: it.Seq, UserID: e.UserID}
	if e.Principal != nil {
		p.Type, p.ID = e.Principal.Type, e.Principal.ID
		if o := e.Principal.OnBehalfOf; o != nil {
			p.OnBehalfOf = &other{o.Type, o.ID}
		}
		if u := e.Principal.Upstream; u != nil {
			p.Upstream = &system{u.System, u.EventRef}
		}
	}
	if e.Why != nil {
		p.Why = &trigger{e.Why.Trigger, e.Why.Reason, e.Why.Reference}
	}
	return p
}

func (s *Server) getLineage(w http.ResponseWriter, r *http.Request, c *Call) error {
	p, err := readParams(r, "limit", "cursor", "failed")
	if err != nil {
		return err
	}
	failed, err := p.truth("failed")
	if err != nil {
		return err
	}
	limit, err := p.number("limit", childrenDefault, 1, childrenMost)
	if err != nil {
		return err
	}
	p["order"] = oldest
	window, err := p.window()
	if err != nil {
		return err
	}
	a, ctx, end, err := s.ask(r, c)
	if err != nil {
		return err
	}
	defer end()
	g := a.gather()
	own, err := g.kin(ctx, r.PathValue("id"))
	if err != nil {
		return err
	}
	if len(own) == 0 {
		return g.nothing("job")
	}
	out := lineageAnswer{Format: "stet.lineage/1", Job: own[0], Ancestors: []kin{}, Orphans: []kin{}}
	if err := g.ancestors(ctx, &out); err != nil {
		return err
	}
	if out.Children, out.Next, err = g.children(ctx, own[0].ID, failed, window, limit); err != nil {
		return err
	}
	if _, further := p["cursor"]; !further { // they were told with the first page
		if out.Orphans, err = g.orphans(ctx, out.Job); err != nil {
			return err
		}
	}
	if err := g.parents(ctx, &out); err != nil {
		return err
	}
	g.toldItems(ctx)
	out.Searched, out.More, out.Doubts = g.searched(), g.more, g.doubts
	return writeStory(w, out)
}

// kin tells what is known of some jobs, those that there are, in the order of their first events. Heartbeats are left out: a job
// stands where it stands without them.
func (g *gathering) kin(ctx context.Context, ids ...string) ([]kin, error) {
	one := g.gather()
	one.want = ofJobs(ids...)
	no := search.Not{Of: anyOf(search.FieldEvent, "job_heartbeat")}
	if err := one.find(ctx, search.Query{}.With(anyOf(search.FieldJob, ids...), no)); err != nil {
		return nil, err
	}
	stories, err := one.fold(ctx)
	if err != nil {
		return nil, err
	}
	maps.Copy(g.items, one.items) // to be told of
	g.more, g.doubts = g.more || one.more, append(g.doubts, one.doubts...)
	var all []kin
	for _, st := range stories {
		for _, j := range allJobs(st) {
			all = append(all, kinOf(st.InteractionID, j))
		}
	}
	slices.SortStableFunc(all, func(a, b kin) int { return int(int64(a.First) - int64(b.First)) })
	// An id is its sender's claim: the first who made it has it.
	var out []kin
	for _, k := range all {
		if !slices.ContainsFunc(out, func(o kin) bool { return o.ID == k.ID }) {
			out = append(out, k)
		}
	}
	return out, nil
}

// allJobs are the jobs of a story, parents before their children.
func allJobs(st story.Story) (all []*story.Job) {
	next := slices.Concat(st.Jobs, st.Orphans)
	for len(next) > 0 {
		all = append(all, next[0])
		next = append(next[1:], next[0].Children...)
	}
	return all
}

func kinOf(interaction string, j *story.Job) kin {
	k := kin{ID: j.ID, Name: j.Name, Interaction: interaction, Parent: j.ParentID, Root: j.RootID, State: j.Runs[len(j.Runs)-1].State(), AtWork: []span{}}
	for _, run := range j.Runs[max(0, len(j.Runs)-spansMost):] {
		start, end := run.Execution.Event, run.Outcome.Event
		if start == nil {
			continue // it has not begun, as far as is known
		}
		if end == nil {
			end = run.Lost
		}
		one := span{From: event.FormatTime(start.When())}
		if end != nil {
			one.Until = event.FormatTime(end.When())
		}
		k.AtWork = append(k.AtWork, one)
	}
	var first *story.Entry
	for _, e := range j.Own() {
		if first == nil || e.Seq < first.Seq {
			first = e
		}
		k.Last = max(k.Last, e.Seq)
	}
	if first != nil {
		k.Heard = event.FormatTime(first.When())
		k.First, k.App, k.Environment, k.by = first.Seq, first.Event.AppID, first.Event.Environment, principalOf(first.Item)
	}
	return k
}

// ancestors follows the line of parents up.
func (g *gathering) ancestors(ctx context.Context, out *lineageAnswer) error {
	at := out.Job
	seen := map[string]bool{at.ID: true}
	for out.Principal = at.by; at.Parent != "" && !out.Orphan; out.Principal = at.by {
		switch {
		case seen[at.Parent]:
			out.Orphan, out.Because = true, "its line of parents goes round in a circle, by "+at.Parent
			continue
		case len(out.Ancestors) == ancestorsMost:
			out.Orphan, out.Because = true, "its line of parents is too long to be followed further than "+at.ID
			continue
		}
		above, err := g.kin(ctx, at.Parent)
		if err != nil {
			return err
		}
		if len(above) == 0 {
			out.Orphan, out.Because = true, "job "+at.Parent+", its parent or that of one above it, is not in the log as far as it was searched, or not for you"
			continue
		}
		at = above[0]
		seen[at.ID] = true
		out.Ancestors = append(out.Ancestors, at)
	}
	return nil
}

// orphans are the jobs of a job's interaction whose parent is not there, which the server has found.
func (g *gathering) orphans(ctx context.Context, of kin) ([]kin, error) {
	rows, _, err := g.asker.find(ctx, search.Query{}.With(anyOf(search.FieldInteraction, of.Interaction), anyOf(search.FieldEvent, "job_orphaned")), index.Everything(), orphansMost)
	if err != nil {
		return nil, err
	}
	var ids, parents []string
	for _, row := range rows {
		if row.Doubt == "" && row.Record.Key == g.s.log.Marker().StoreKey && row.Record.Event.Job != nil {
			ids, parents = append(ids, row.Record.Event.Job.ID), append(parents, row.Record.Event.Job.ParentID)
		}
	}
	out := []kin{}
	if len(ids) == 0 {
		return out, nil
	}
	all, err := g.kin(ctx, ids...)
	if err != nil {
		return nil, err
	}
	came, err := g.kin(ctx, parents...) // whose parent came after all is none
	if err != nil {
		return nil, err
	}
	for _, k := range all {
		if k.ID != of.ID && !slices.ContainsFunc(came, func(p kin) bool { return p.ID == k.Parent }) {
			out = append(out, k)
		}
	}
	return out, nil
}

// parents notes which of the jobs others name as their parent.
func (g *gathering) parents(ctx context.Context, out *lineageAnswer) error {
	all := []*kin{&out.Job}
	for i := range out.Children {
		all = append(all, &out.Children[i])
	}
	for i := range out.Orphans {
		all = append(all, &out.Orphans[i])
	}
	for _, k := range all {
		var c counted
		if err := g.count(ctx, search.Query{}.With(anyOf(search.FieldParent, k.ID)), &c); err != nil {
			return err
		}
		k.Children = c.Count > 0
	}
	return nil
}

// failures are the types of events that a job has of which it does not stand well: of what the store finds, too.
var failures = [...]string{"job_failed", "job_aborted", "job_denied", "job_lost", "job_no_outcome", "job_never_started"}

// failed says of a job that ended badly, or did not end as it should.
func (k kin) failed() bool {
	switch k.State {
	case story.StateFailed, story.StateAborted, story.StateDenied, story.StateLost, story.StateSilent, story.StateUnstarted:
		return true
	}
	return false
}

// children finds a page of the jobs that name a parent, in the order of their first events; or of those alone that failed, in
// the order in which the log was told of that. Heartbeats are left out, as kin does: they are most of what long jobs say.
func (g *gathering) children(ctx context.Context, parent string, failed bool, w index.Window, limit int) (_ []kin, next string, err error) {
	of, most := search.Query{}.With(anyOf(search.FieldParent, parent)), rowsAtOnce
	if failed {
		of, most = of.With(anyOf(search.FieldEvent, failures[:]...)), limit+1 // who fails mostly fails once
	} else {
		of = of.With(search.Not{Of: anyOf(search.FieldEvent, "job_heartbeat")})
	}
	var ids []string
	earlier := map[string]bool{} // children of pages before this one
	looked := 0
	for at := &w; at != nil && len(ids) < limit && looked < rowsForChildren && !g.damage; {
		var rows []index.Row
		if rows, at, err = g.asker.find(ctx, of, *at, min(most, rowsAtOnce)); err != nil {
			return nil, "", err
		}
		looked += len(rows)
		for _, row := range rows {
			var e *event.Event
			if row.Record != nil && row.Doubt == "" {
				e = row.Record.Event
			}
			if e == nil || e.Job == nil || e.Job.ID == "" || earlier[e.Job.ID] || slices.Contains(ids, e.Job.ID) {
				continue
			}
			first, err := g.first(ctx, of, e.Job.ID, row.Seq)
			if err != nil {
				return nil, "", err
			}
			if earlier[e.Job.ID] = !first; !first {
				continue
			}
			if len(ids) == limit {
				at = &index.Window{From: row.Seq, To: w.To, Oldest: true}
				break
			}
			ids = append(ids, e.Job.ID)
		}
		if at != nil {
			next = cursor(*at)
		} else {
			next = ""
		}
	}
	all := []kin{}
	if len(ids) > 0 {
		found, err := g.kin(ctx, ids...)
		if err != nil {
			return nil, "", err
		}
		if failed { // and it did not succeed after all
			found = slices.DeleteFunc(found, func(k kin) bool { return !k.failed() })
		}
		all = append(all, found...)
	}
	return all, next, nil
}

// first says whether the query finds no event of a job before number seq.
func (g *gathering) first(ctx context.Context, of search.Query, id string, seq uint64) (bool, error) {
	q := of.With(anyOf(search.FieldJob, id))
	for w := (&index.Window{To: seq}); w != nil; {
		rows, next, err := g.asker.find(ctx, q, *w, 1)
		if err != nil {
			return false, err
		}
		for _, row := range rows {
			if row.Record != nil && row.Record.Event != nil && row.Record.Event.Job != nil && row.Record.Event.Job.ID == id {
				return false, nil
			}
		}
		w = next
	}
	return true, nil
}
