package webui

import (
	"strconv"

	"github.com/stetlog/stet/internal/search"
	"github.com/stetlog/stet/proof"
)

// liveView is where live results come in. The stream of GET /v1/tail says that something came; what came is then asked for as
// rows, so that a result is written in one way only, and its reading is recorded once.
type liveView struct {
	Tail     string // address of the stream, which begins where these results end
	Rows     string // address of the rows that came since
	Below    uint64 // all numbers below it were looked at
	Searched searchedView
}

func live(query string, below uint64, searched searchedView) *liveView {
	from := strconv.FormatUint(below, 10)
	return &liveView{Tail: link("v1/tail", "q", query, "from", from, "rows", "no"), Rows: link("rows", "q", query, "after", from), Below: below, Searched: searched}
}

// newRows answers with what a query finds at number after and behind it: the newest of it, and an address of the others.
func (u *UI) newRows(v *visit, query, after string) error {
	from, err := strconv.ParseUint(after, 10, 53)
	if err != nil || from >= proof.MaxSize {
		return u.part(v, "search", "rows", rowsView{})
	}
	q, err := search.Parse(query)
	if err != nil {
		return u.part(v, "search", "rows", rowsView{})
	}
	if from > 0 {
		q = q.With(search.Term{Field: search.FieldSeq, Any: []search.Value{{Op: search.Ints, Min: int64(from), Max: proof.MaxSize - 1}}})
	}
	rows, err := v.rows(q.String(), "")
	if err != nil {
		return err
	}
	rows.view.Live = live(query, max(from, rows.last), rows.searched.view())
	return u.part(v, "search", "live", rows.view)
}
