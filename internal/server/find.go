package server

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"

	"github.com/stetlog/stet/internal/index"
	"github.com/stetlog/stet/internal/search"
	"github.com/stetlog/stet/proof"
)

const (
	// rowsDefault is how many rows a page has, at most, where nobody says.
	rowsDefault = 50
	// rowsAtOnce bounds the rows that are read in one go, and pageBytes the bytes of a page.
	rowsAtOnce = 100
	pageBytes  = 4 << 20
)

// foundHead is the beginning of what GET /v1/events answers: stet.found/1. Behind it come rows and, where there may be more,
// next.
type foundHead struct {
	Format   string   `json:"format"`
	Query    string   `json:"query"` // in its canonical spelling
	Order    string   `json:"order"`
	Searched searched `json:"searched"`
}

func (s *Server) getEvents(w http.ResponseWriter, r *http.Request, c *Call) error {
	p, err := readParams(r, "q", "limit", "cursor", "order")
	if err != nil {
		return err
	}
	want, err := p.page(index.MaxRows)
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
	head := foundHead{Format: "stet.found/1", Query: want.query.String(), Order: newest, Searched: a.searched()}
	if want.window.Oldest {
		head.Order = oldest
	}
	b, err := json.Marshal(head)
	if err != nil {
		return err
	}
	b = append(b[:len(b)-1], `,"rows":[`...)
	for i, row := range rows {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendRow(b, row)
	}
	b = append(b, ']')
	if next != nil {
		b = appendText(append(b, `,"next":`...), cursor(*next))
	}
	return writeFound(w, append(b, "}\n"...))
}

// page is find of as many rows as an answer may hold, and the window of those behind them; nil where nothing is left.
func (a *asker) page(ctx context.Context, q search.Query, want wanted) (rows []index.Row, next *index.Window, err error) {
	size, limit := 0, want.limit
	for next = &want.window; next != nil && limit > 0 && size < pageBytes; {
		var more []index.Row
		if more, next, err = a.find(ctx, q, *next, min(limit, rowsAtOnce)); err != nil {
			return nil, nil, err
		}
		for _, row := range more {
			size += len(row.Entry)
		}
		rows, limit = append(rows, more...), limit-len(more)
		if len(more) == 0 {
			break // so much was looked at for nothing: the caller says whether to go on
		}
	}
	if a.damage && want.further {
		next = &want.window // to be asked again
	}
	return rows, next, nil
}

// appendRow writes a row by hand: the entry's bytes are what is hashed.
func appendRow(dst []byte, row index.Row) []byte {
	dst = strconv.AppendUint(append(dst, `{"seq":`...), row.Seq, 10)
	state := "verified"
	if row.Doubt != "" {
		state = "failed"
		dst = appendText(append(dst, `,"doubt":`...), row.Doubt)
	}
	dst = append(append(append(dst, `,"state":"`...), state...), '"')
	if row.Record != nil && row.Record.Key != "" {
		dst = appendText(append(dst, `,"key":`...), row.Record.Key)
	}
	if row.Entry != nil && (row.Doubt == "" || json.Valid(row.Entry)) {
		dst = append(append(append(dst, `,"leaf":"`...), proof.LeafHash(row.Entry).Hex()...), '"')
		dst = append(append(dst, `,"entry":`...), row.Entry...)
	}
	return append(dst, '}')
}

// appendText appends a text as JSON.
func appendText(dst []byte, text string) []byte {
	b, err := json.Marshal(text)
	if err != nil { // never: of a string
		panic(err)
	}
	return append(dst, b...)
}

// told notes which entries the caller was given.
func (a *asker) told(ctx context.Context, rows []index.Row) {
	var from, to, n uint64
	for _, row := range rows {
		if row.Entry == nil {
			continue
		}
		if n == 0 {
			from, to = row.Seq, row.Seq
		}
		from, to, n = min(from, row.Seq), max(to, row.Seq), n+1
	}
	a.s.told(ctx, a.c, Reading{First: from, Last: to, Entries: n})
}

func writeFound(w http.ResponseWriter, b []byte) error {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(b)))
	h.Set("Cache-Control", cacheNever)
	_, err := w.Write(b)
	return err
}
