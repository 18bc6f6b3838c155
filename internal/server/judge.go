package server

import (
	"net/http"
	"slices"

	"github.com/stetlog/stet/internal/policy"
)

// judgedMost is how many events are judged for one answer: the newest ones.
const judgedMost = 1000

// judged is what GET /v1/policy says: stet.judged/1.
type judged struct {
	Format   string          `json:"format"`
	Query    string          `json:"query"` // in its canonical spelling
	Searched searched        `json:"searched"`
	Doubts   []doubt         `json:"doubts"`
	First    *uint64         `json:"first"` // of the entries that were judged; null where there were none
	Last     *uint64         `json:"last"`
	More     bool            `json:"more"` // the query finds older ones, too
	Report   policy.Document `json:"report"`
}

// whyNoStories is said of the rules that judge whole jobs.
const whyNoStories = "some of the newest events are no whole jobs: stet lint judges the whole log"

// getPolicy judges the newest events that a query finds by the rules of package policy, those that one event can show.
func (s *Server) getPolicy(w http.ResponseWriter, r *http.Request, c *Call) error {
	p, err := readParams(r, "q", "limit")
	if err != nil {
		return err
	}
	want, err := p.page(judgedMost)
	if err != nil {
		return err
	}
	a, ctx, end, err := s.ask(r, c)
	if err != nil {
		return err
	}
	defer end()
	rows, next, err := a.page(ctx, want.query, want)
	if err != nil {
		return err
	}
	a.told(ctx, rows)
	out := judged{Format: "stet.judged/1", Query: want.query.String(), Doubts: []doubt{}, More: next != nil}
	linter := policy.New(policy.Options{Name: "the newest events", Ledger: true, Places: 3})
	jobs := uint64(0)
	for _, row := range slices.Backward(rows) {
		switch {
		case row.Doubt != "":
			out.Doubts = append(out.Doubts, doubt{row.Seq, row.Doubt})
			continue
		case row.Record.Event == nil: // a stub
			continue
		}
		if err := linter.Sealed(row.Seq, row.Entry); err != nil {
			out.Doubts = append(out.Doubts, doubt{row.Seq, err.Error()})
			continue
		}
		if row.Record.Event.Job != nil {
			jobs++
		}
		if out.First == nil {
			out.First = &row.Seq
		}
		out.Last = &row.Seq
	}
	linter.StoriesNotChecked(jobs, whyNoStories)
	report := linter.Report()
	out.Report, out.Searched = policy.JSON(&report), a.searched()
	return writeStory(w, out)
}
