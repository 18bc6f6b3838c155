package server

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/index"
	"github.com/stetlog/stet/internal/logread"
	"github.com/stetlog/stet/internal/search"
	"github.com/stetlog/stet/internal/story"
	"github.com/stetlog/stet/internal/wire"
	"github.com/stetlog/stet/proof"
)

// Bounds of what is folded for one answer.
const (
	foldEvents = 10_000
	foldBytes  = 8 << 20
	// scanMost is how many entries that are not indexed yet are read for a story: about a tenth of a second of work.
	scanMost = 1 << 14
	// wholeEvents is how many events an interaction may have to be told whole to who asks for its first jobs only; of these jobs it
	// is told so many events more, and lastEvents, their newest.
	wholeEvents, lastEvents = 400, 100
	// jobsMost is how many of its jobs may be asked for.
	jobsMost = 100
)

// A gathering is events on their way into a fold, each once.
type gathering struct {
	*asker
	want   func(*event.Event) bool // nil: all of it
	items  map[uint64]story.Item
	door   map[event.UUID]bool // streams of the server's own, of what came unsealed
	most   int                 // how many may be folded
	bytes  int
	more   bool     // there are more than may be folded
	over   []string // streams that nothing more will come from, once it is folded
	doubts []doubt
}

// doubt is an entry about which index and log disagree: it is in no story.
type doubt struct {
	Seq   uint64 `json:"seq"`
	Doubt string `json:"doubt"`
}

func (a *asker) gather() *gathering {
	return &gathering{asker: a, most: foldEvents, items: map[uint64]story.Item{}, door: map[event.UUID]bool{}, doubts: []doubt{}, over: []string{}}
}

// find gathers what a query finds, the oldest first: what is indexed, and what has come since.
func (g *gathering) find(ctx context.Context, q search.Query) error {
	before := g.said.Indexed
	g.said.Indexed = unasked
	defer func() { g.said.Indexed = min(g.said.Indexed, before) }()
	w := index.Everything()
	w.Oldest = true
	for next := &w; next != nil; {
		var rows []index.Row
		var err error
		if rows, next, err = g.asker.find(ctx, q, *next, rowsAtOnce); err != nil {
			return err
		}
		for _, row := range rows {
			if err := g.row(row); err != nil {
				return err
			}
		}
		if g.more {
			return nil
		}
	}
	return g.rest(ctx, q)
}

// row takes a row in, or that it is in doubt.
func (g *gathering) row(row index.Row) error {
	if row.Doubt == "" {
		return g.add(row.Record, row.Entry)
	}
	if d := (doubt{row.Seq, row.Doubt}); len(g.doubts) < index.MaxRows && !slices.Contains(g.doubts, d) {
		g.doubts = append(g.doubts, d)
	}
	return nil
}

// rest reads what is not indexed yet, if it is not too much.
func (g *gathering) rest(ctx context.Context, q search.Query) error {
	cp, err := g.log.Head(ctx)
	if err != nil {
		return err
	}
	if g.damage || g.said.Indexed >= cp.Size || cp.Size-g.said.Indexed > scanMost {
		return nil
	}
	scanner := search.NewScanner(g.log.Source(), g.mine(q), g.now)
	err = scanner.Forward(ctx, cp, g.said.Indexed, func(h search.Hit) error {
		if !g.may(index.Row{Record: h.Record}) {
			return nil
		}
		return g.add(h.Record, h.Raw)
	})
	if why := logread.Wrong(err); why != "" { // what cannot be read, the index cannot take in either: it stays behind
		g.doubts = append(g.doubts, doubt{g.said.Indexed, "the entries from here on cannot be read: " + why})
		return nil
	}
	if err = g.settle(ctx, index.Searched{Indexed: g.said.Indexed, Size: cp.Size}, err); err == nil {
		g.said.Indexed = cp.Size
	}
	return err
}

// add takes an entry in.
func (g *gathering) add(r *search.Record, raw []byte) error {
	if r.Event == nil || g.want != nil && !g.want(r.Event) {
		return nil // a stub belongs to no story
	}
	if _, ok := g.items[r.Seq]; ok {
		return nil
	}
	if g.bytes += len(raw); len(g.items) >= g.most || g.bytes > foldBytes {
		g.more = true
		return nil
	}
	e, err := proof.ParseEntry(raw)
	if err != nil {
		return err
	}
	if strings.HasPrefix(r.Key, proof.DoorKey) {
		g.door[r.Event.StreamID] = true
	}
	g.items[r.Seq] = story.Item{Seq: r.Seq, HasSeq: true, ReceivedAt: r.Received, Via: r.Via, KeyID: proof.KeyID(r.Key), StoreKey: r.Key == g.s.log.Marker().StoreKey,
		EventHash: proof.LeafHash(e.Event), EntryHash: proof.LeafHash(raw), Raw: bytes.Clone(e.Event), Event: r.Event}
	return nil
}

// fold folds what was gathered, with what the log knows of its streams.
func (g *gathering) fold(ctx context.Context) ([]story.Story, error) {
	var f story.Fold
	streams := map[string]event.UUID{}
	for _, seq := range slices.Sorted(maps.Keys(g.items)) {
		it := g.items[seq]
		f.Add(it)
		if it.Event.Job != nil && !it.Event.StreamID.IsZero() && !g.door[it.Event.StreamID] {
			streams[it.Event.StreamID.String()] = it.Event.StreamID
		}
	}
	if err := g.ended(ctx, streams, func(id event.UUID) {
		g.over = append(g.over, id.String())
		f.Ended(id)
	}); err != nil {
		return nil, err
	}
	return f.Stories(), nil
}

// ended calls tell for each of the streams that nothing more will come from: it was closed, or the store has recorded that its
// process is gone. That is no more than how far a stream is of which the caller sees events, so it is not asked whose the
// store's own event is.
func (g *gathering) ended(ctx context.Context, streams map[string]event.UUID, tell func(event.UUID)) error {
	var open []string
	for _, name := range slices.Sorted(maps.Keys(streams)) {
		state, ok, err := g.s.log.Stream(ctx, name)
		if err != nil {
			return err
		}
		if ok && state.Final {
			tell(streams[name])
			continue
		}
		open = append(open, name)
	}
	anybodys := *g.asker
	anybodys.all = true
	lost := anybodys.gather()
	for some := range slices.Chunk(open, search.MaxTerms-1) {
		if err := lost.find(ctx, search.Query{}.With(anyOf(search.FieldEvent, "job_lost"), anyOf(search.FieldRef, some...))); err != nil {
			return err
		}
	}
	for _, it := range lost.items {
		for _, ref := range it.Event.References {
			if id, ok := streams[ref.Value]; ok && ref.Kind == "stream" && it.StoreKey {
				tell(id)
			}
		}
	}
	g.said.Indexed, g.damage = min(g.said.Indexed, lost.said.Indexed), lost.damage
	return nil
}

// anyOf asks for a field to have one of some values.
func anyOf(f search.Field, values ...string) search.Term {
	t := search.Term{Field: f}
	for _, v := range values {
		t.Any = append(t.Any, search.Value{Op: search.Equal, Text: v})
	}
	return t
}

// toldItems notes what the caller was given.
func (g *gathering) toldItems(ctx context.Context) {
	if len(g.items) > 0 {
		seqs := slices.Sorted(maps.Keys(g.items))
		g.s.told(ctx, g.c, Reading{First: seqs[0], Last: seqs[len(seqs)-1], Entries: uint64(len(seqs))})
	}
}

// nothing is the answer where what was asked for was not found.
func (g *gathering) nothing(what string) error {
	if said := g.searched(); !said.Complete {
		return Refuse(wire.NotReady, fmt.Sprintf("there is no such %s among the %d entries of %d that are indexed by now", what, said.Indexed, said.Size))
	}
	if len(g.doubts) > 0 {
		return Refuse(wire.NotFound, fmt.Sprintf("nothing of this %s can be read any more: entry %d FAILED, because %s", what, g.doubts[0].Seq, g.doubts[0].Doubt))
	}
	return Refuse(wire.NotFound, "there is no such "+what+", or not for you")
}

// storyAnswer is what GET /v1/stories/{interaction} says: stet.found_story/1.
type storyAnswer struct {
	Format   string         `json:"format"`
	Searched searched       `json:"searched"`
	More     bool           `json:"more"` // the story is of its first events only
	Doubts   []doubt        `json:"doubts"`
	Ended    []string       `json:"ended"` // streams of it that nothing more will come from
	Story    story.Document `json:"story"`
	// Differences are between states of data before and after a run, and between attempts; DifferencesLeft more were left out.
	Differences     []story.JSONDifference `json:"differences"`
	DifferencesLeft int                    `json:"differences_left"`
}

func (s *Server) getStory(w http.ResponseWriter, r *http.Request, c *Call) error {
	p, err := readParams(r, "jobs")
	if err != nil {
		return err
	}
	jobs, err := p.number("jobs", 0, 1, jobsMost)
	if err != nil {
		return err
	}
	a, ctx, end, err := s.ask(r, c)
	if err != nil {
		return err
	}
	defer end()
	g, q := a.gather(), search.Query{}.With(anyOf(search.FieldInteraction, r.PathValue("interaction")))
	if jobs > 0 {
		g.most = wholeEvents
	}
	if err := g.find(ctx, q); err != nil {
		return err
	}
	if jobs > 0 && g.more {
		if err := g.firstJobs(ctx, q, jobs); err != nil {
			return err
		}
	}
	stories, err := g.fold(ctx)
	if err != nil {
		return err
	}
	switch {
	case len(stories) == 0 && len(g.doubts) == 0:
		return g.nothing("interaction")
	case len(stories) == 0: // all of it is in doubt, which is not nothing
		stories = []story.Story{{InteractionID: r.PathValue("interaction")}}
	}
	g.toldItems(ctx)
	all, left := stories[0].Differences("")
	d := story.JSONDifferences(stories[0], all, left)
	return writeStory(w, storyAnswer{"stet.found_story/1", g.searched(), g.more, g.doubts, g.over, story.JSON(stories[0]), d.Differences, d.Left})
}

// jobAnswer is what GET /v1/jobs/{id} says: stet.found_job/1. An id is its sender's claim, so it may name a job in several
// interactions.
type jobAnswer struct {
	Format   string       `json:"format"`
	Searched searched     `json:"searched"`
	More     bool         `json:"more"`
	Doubts   []doubt      `json:"doubts"`
	Jobs     []claimedJob `json:"jobs"`
}

type claimedJob struct {
	Interaction string        `json:"interaction_id"`
	Job         story.JSONJob `json:"job"`
}

func (s *Server) getJob(w http.ResponseWriter, r *http.Request, c *Call) error {
	if _, err := readParams(r); err != nil {
		return err
	}
	a, ctx, end, err := s.ask(r, c)
	if err != nil {
		return err
	}
	defer end()
	g, id := a.gather(), r.PathValue("id")
	if err := g.job(ctx, id); err != nil {
		return err
	}
	stories, err := g.fold(ctx)
	if err != nil {
		return err
	}
	out := jobAnswer{Format: "stet.found_job/1", More: g.more, Doubts: g.doubts, Jobs: []claimedJob{}}
	for _, st := range stories {
		d := story.JSON(st)
		for _, j := range slices.Concat(d.Jobs, d.Orphans) {
			if j.ID == id {
				out.Jobs = append(out.Jobs, claimedJob{d.InteractionID, j})
			}
		}
	}
	if len(out.Jobs) == 0 {
		return g.nothing("job")
	}
	g.toldItems(ctx)
	out.Searched = g.searched()
	return writeStory(w, out)
}

// firstJobs cuts the beginning of an interaction, which was gathered, down to its first jobs, and gathers what came later of these:
// their outcomes above all, and of heartbeats only the newest. A job stands where it stands without the others.
func (g *gathering) firstJobs(ctx context.Context, interaction search.Query, jobs int) error {
	var ids []string
	for _, seq := range slices.Sorted(maps.Keys(g.items)) {
		if j := g.items[seq].Event.Job; j != nil && len(ids) < jobs && !slices.Contains(ids, j.ID) {
			ids = append(ids, j.ID)
		}
	}
	defer func() { g.more = true }()
	if len(ids) == 0 {
		return nil
	}
	g.want = ofJobs(ids...)
	maps.DeleteFunc(g.items, func(_ uint64, it story.Item) bool {
		return it.Event.Job != nil && (!g.want(it.Event) || it.Event.EventType == "job_heartbeat")
	})
	q := interaction.With(anyOf(search.FieldJob, ids...))
	g.most = len(g.items) + wholeEvents
	if err := g.find(ctx, q.With(search.Not{Of: anyOf(search.FieldEvent, "job_heartbeat")})); err != nil {
		return err
	}
	g.most = foldEvents
	rows, _, err := g.asker.find(ctx, q, index.Everything(), lastEvents)
	if err != nil {
		return err
	}
	for _, row := range rows {
		if err := g.row(row); err != nil {
			return err
		}
	}
	return g.corrections(ctx)
}

// job gathers the events of a job, without its children's, and the corrections of these.
func (g *gathering) job(ctx context.Context, id string) error {
	g.want = ofJobs(id)
	if err := g.find(ctx, search.Query{}.With(anyOf(search.FieldJob, id))); err != nil {
		return err
	}
	return g.corrections(ctx)
}

// corrections gathers the corrections of what was gathered.
func (g *gathering) corrections(ctx context.Context) error {
	var events []string
	for _, seq := range slices.Sorted(maps.Keys(g.items)) {
		events = append(events, g.items[seq].Event.EventID.String())
	}
	g.want = nil
	for some := range slices.Chunk(events, search.MaxTerms-1) {
		if err := g.find(ctx, search.Query{}.With(anyOf(search.FieldIs, search.IsCorrection), anyOf(search.FieldRef, some...))); err != nil {
			return err
		}
	}
	return nil
}

// ofJobs wants the events of some jobs, and not those of other jobs that have such a name.
func ofJobs(ids ...string) func(*event.Event) bool {
	return func(e *event.Event) bool { return e.Job != nil && slices.Contains(ids, e.Job.ID) }
}

// writeStory writes an answer in which events keep their exact bytes.
func writeStory(w http.ResponseWriter, v any) error {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return err
	}
	return writeFound(w, b.Bytes())
}
