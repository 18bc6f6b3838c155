package server

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/stetlog/stet/internal/index"
	"github.com/stetlog/stet/internal/search"
	"github.com/stetlog/stet/internal/wire"
)

// params are the parameters of a request's address.
type params map[string]string

// readParams refuses what is not known, and what stands there twice: nothing that is asked for wrongly is answered as if
// something else had been asked.
func readParams(r *http.Request, known ...string) (params, error) {
	all, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, Refuse(wire.Malformed, "the parameters of the address cannot be read")
	}
	p := params{}
	for name, values := range all {
		if !slices.Contains(known, name) {
			if len(known) == 0 {
				return nil, Refuse(wire.Malformed, "this path takes no parameters")
			}
			return nil, Refuse(wire.Malformed, "a parameter that is not known here; known are "+strings.Join(known, ", "))
		}
		if len(values) != 1 {
			return nil, Refuse(wire.Malformed, "the parameter "+name+" stands there more than once")
		}
		p[name] = values[0]
	}
	return p, nil
}

// number is a parameter from least to most.
func (p params) number(name string, otherwise, least, most int) (int, error) {
	text, ok := p[name]
	if !ok {
		return otherwise, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < least || n > most || strconv.Itoa(n) != text {
		return 0, Refuse(wire.Malformed, fmt.Sprintf("the parameter %s is a number from %d to %d", name, least, most))
	}
	return n, nil
}

// truth is a parameter that is true or false, which it is otherwise.
func (p params) truth(name string) (bool, error) {
	if text, ok := p[name]; ok && text != "true" && text != "false" {
		return false, Refuse(wire.Malformed, "the parameter "+name+" is true or false")
	}
	return p[name] == "true", nil
}

// query is the parameter q.
func (p params) query() (search.Query, error) {
	q, err := search.Parse(p["q"])
	return q, WrongQuery(err)
}

// wanted is what a request asks for, a page at a time.
type wanted struct {
	query   search.Query
	window  index.Window
	limit   int  // rows
	further bool // not the first page
}

// page reads what a request for a page of at most so many rows says: q, limit, order and cursor.
func (p params) page(most int) (w wanted, err error) {
	if w.query, err = p.query(); err != nil {
		return w, err
	}
	if w.limit, err = p.number("limit", rowsDefault, 1, most); err != nil {
		return w, err
	}
	w.window, err = p.window()
	w.further = p["cursor"] != ""
	return w, err
}

// WrongQuery makes an answer of a *search.Error, which shows the place; any other error stays what it is.
func WrongQuery(err error) error {
	var wrong *search.Error
	if !errors.As(err, &wrong) {
		return err
	}
	hint := wrong.Hint
	wrong.Hint = "" // the answer has a place for it
	ref := refuse(wire.InvalidQuery, wrong.Error())
	ref.problem.Caret = wrong.Caret()
	if hint != "" {
		ref.problem.Hint = hint
	}
	return ref
}

// The orders in which rows come.
const (
	newest = "newest" // first
	oldest = "oldest" // first
)

// window is what the parameters order and cursor say.
func (p params) window() (index.Window, error) {
	w := index.Everything()
	switch p["order"] {
	case "", newest:
	case oldest:
		w.Oldest = true
	default:
		return w, Refuse(wire.Malformed, "the parameter order is newest or oldest")
	}
	text, ok := p["cursor"]
	if !ok {
		return w, nil
	}
	at, err := parseCursor(text, w.Oldest)
	if err != nil {
		return w, err
	}
	if w.Oldest {
		w.From = at
	} else {
		w.To = at
	}
	return w, nil
}

// A cursor says where a page goes on: a number of an entry, and in which direction. Callers know nothing of that. It stays
// good for as long as the log is there.
func cursor(w index.Window) string {
	text := fmt.Sprintf("before %d", w.To)
	if w.Oldest {
		text = fmt.Sprintf("from %d", w.From)
	}
	return base64.RawURLEncoding.EncodeToString([]byte(text))
}

func parseCursor(text string, ascending bool) (uint64, error) {
	b, err := base64.RawURLEncoding.DecodeString(text)
	word, number, _ := strings.Cut(string(b), " ")
	at, nerr := strconv.ParseUint(number, 10, 62)
	want := "before"
	if ascending {
		want = "from"
	}
	if err != nil || nerr != nil || word != want || strconv.FormatUint(at, 10) != number {
		return 0, Refuse(wire.Malformed, "the parameter cursor is what an answer to the same question gave as next")
	}
	return at, nil
}
