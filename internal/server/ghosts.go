package server

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/ghosts"
	"github.com/stetlog/stet/internal/index"
	"github.com/stetlog/stet/internal/search"
)

// ghostsMost is how many ghosts a page has at most.
const ghostsMost = 100

// ghostsAnswer is what GET /v1/ghosts says: stet.found_ghosts/1.
type ghostsAnswer struct {
	Format   string        `json:"format"`
	Query    string        `json:"query"` // in its canonical spelling
	Now      string        `json:"now"`   // which ages count to
	Searched searched      `json:"searched"`
	Doubts   []doubt       `json:"doubts"`
	Ghosts   []ghosts.JSON `json:"ghosts"`
	Next     string        `json:"next,omitempty"`
}

// getGhosts lists what the server has found missing: events of its own, so whoever may read only one application's sees none.
func (s *Server) getGhosts(w http.ResponseWriter, r *http.Request, c *Call) error {
	p, err := readParams(r, "q", "limit", "cursor", "open", "late")
	if err != nil {
		return err
	}
	want, err := p.page(ghostsMost)
	if err != nil {
		return err
	}
	open, err := p.truth("open")
	if err != nil {
		return err
	}
	late, err := p.truth("late")
	if err != nil {
		return err
	}
	a, ctx, end, err := s.ask(r, c)
	if err != nil {
		return err
	}
	defer end()
	find := a.page
	if late {
		find = a.late
	}
	rows, next, err := find(ctx, want.query.With(anyOf(search.FieldEvent, ghosts.Types()...)), want)
	if err != nil {
		return err
	}
	out := ghostsAnswer{Format: "stet.found_ghosts/1", Query: want.query.String(), Now: event.FormatTime(a.now), Doubts: []doubt{}, Ghosts: []ghosts.JSON{}}
	var found []*ghosts.Ghost
	for _, row := range rows {
		if row.Doubt != "" {
			out.Doubts = append(out.Doubts, doubt{row.Seq, row.Doubt})
			continue
		}
		if row.Record.Key != s.log.Marker().StoreKey {
			continue // somebody else's word
		}
		if g := ghosts.Of(row.Record.Event, row.Record.Received, true, row.Seq); g != nil {
			found = append(found, g)
		}
	}
	if err := a.answers(ctx, found); err != nil {
		return err
	}
	found, rows, next = a.answered(found, rows, next, want)
	a.told(ctx, rows)
	for _, g := range found {
		if !open || g.Answer == nil {
			out.Ghosts = append(out.Ghosts, g.ToJSON(a.now.Truncate(time.Second)))
		}
	}
	if next != nil {
		out.Next = cursor(*next)
	}
	out.Searched = a.searched()
	return writeStory(w, out)
}

// answered is what may be told of a page once its answers were looked for.
func (a *asker) answered(found []*ghosts.Ghost, rows []index.Row, next *index.Window, want wanted) ([]*ghosts.Ghost, []index.Row, *index.Window) {
	if a.damage { // without the answers, what was answered would be told as open
		if found, rows, next = nil, nil, nil; want.further {
			next = &want.window // to be asked again
		}
	}
	return found, rows, next
}

// late is page of those alone whose outcome came after all: the newest of these words first.
func (a *asker) late(ctx context.Context, q search.Query, want wanted) (rows []index.Row, next *index.Window, err error) {
	words, next, err := a.page(ctx, search.Query{}.With(anyOf(search.FieldEvent, "job_late_outcome")), want)
	if err != nil {
		return nil, nil, err
	}
	var seqs []search.Value
	for _, row := range words {
		if row.Doubt != "" || row.Record.Key != a.s.log.Marker().StoreKey {
			continue
		}
		if seq, ok := ghosts.About(row.Record.Event); ok {
			seqs = append(seqs, search.Value{Op: search.Ints, Min: int64(seq), Max: int64(seq)})
		}
	}
	if len(seqs) > 0 {
		rows, _, err = a.page(ctx, q.With(search.Term{Field: search.FieldSeq, Any: seqs}), wanted{window: index.Everything(), limit: len(seqs)})
	}
	return rows, next, err
}

// answersMost bounds the events that are looked at for what answers the ghosts of a page: a ghost has one, or two.
const answersMost = 10 * ghostsMost

// answers finds what came after all.
func (a *asker) answers(ctx context.Context, found []*ghosts.Ghost) error {
	if len(found) == 0 {
		return nil
	}
	var seqs []string
	of := make(map[uint64]*ghosts.Ghost, len(found))
	for _, g := range found {
		seqs = append(seqs, strconv.FormatUint(g.Seq, 10))
		of[g.Seq] = g
	}
	q := search.Query{}.With(anyOf(search.FieldEvent, ghosts.AnswerTypes()...), anyOf(search.FieldRef, seqs...))
	w := index.Everything()
	w.Oldest = true
	looked := 0
	for next := &w; next != nil && looked < answersMost && !a.damage; {
		rows, more, err := a.find(ctx, q, *next, rowsAtOnce)
		if err != nil {
			return err
		}
		for _, row := range rows {
			looked++
			if row.Doubt == "" && row.Record.Key == a.s.log.Marker().StoreKey {
				ghosts.Answers(row.Record.Event, row.Record.Received, row.Seq, of)
			}
		}
		if next = more; len(rows) == 0 {
			break
		}
	}
	return nil
}
