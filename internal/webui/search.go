package webui

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/search"
	"github.com/stetlog/stet/internal/story"
	"github.com/stetlog/stet/internal/wire"
	"github.com/stetlog/stet/proof"
)

// pageRows is how many results a page has, and rowText how many characters of its sentence each: the rest is on its own page.
const pageRows, rowText = 50, 200

// searchView is the page of a search.
type searchView struct {
	Query    string
	Wrong    *wire.Problem // the query cannot be understood
	Chips    []chip
	Count    string
	Rows     rowsView
	Bars     *histogram
	Facets   []facetView
	Searched searchedView
	Nothing  *nothingView // where nothing is found
	Newest   string       // address of the first page, on a later one
	Live     string       // address with live results, or without them
	Here     string       // address of this page
	IsLive   bool
	Long     bool // the query is too long for links that repeat it
	Saved    []saved
}

// chip is one condition of a query, and the address without it.
type chip struct {
	Words, Without string
	rest           string // the query without it
}

// rowsView are results.
type rowsView struct {
	Rows  []rowView
	Older string // address of the next page
	More  string // the same, of its rows alone
	Live  *liveView
}

// rowView is one result.
type rowView struct {
	Seq      uint64
	At       moment
	Day      string // where it is another than that of the row before
	Type     string
	Tone     string // what it looks like: good, bad, warn, or none
	Sentence string
	App, Who string
	Event    string // address
	Story    string // address; "" where it belongs to none
	Doubt    string
}

// searchedView says what an answer is about, and how complete it is.
type searchedView struct {
	searched
	Missing uint64
	Of      string // whose events only
}

func (s searched) view() searchedView {
	v := searchedView{searched: s, Missing: s.Size - min(s.Indexed, s.Size)}
	if s.App != nil {
		v.Of = *s.App
		if s.Environment != nil {
			v.Of += " in " + *s.Environment
		}
	}
	return v
}

// Plain says that everything was looked at, so that nothing need be said but that.
func (s searchedView) Plain() bool { return s.Complete && s.Of == "" }

func (u *UI) getSearch(v *visit) error {
	in := v.r.URL.Query()
	view := searchView{Query: in.Get("q"), IsLive: in.Get("live") == "1" && in.Get("cursor") == "", Here: v.here()}
	var err error
	if view.Saved, err = v.saved(); err != nil {
		return err
	}
	q, err := search.Parse(view.Query)
	if err == nil {
		err = u.searched(v, &view, q, in.Get("cursor"))
	} else { // the API says it the same way
		_, err = ask[foundRows](v, link("/v1/events", "q", view.Query))
	}
	if p, ok := problemOf(err); ok && p.Code == wire.InvalidQuery {
		view.Wrong = p
		return u.show(v, http.StatusBadRequest, "search", "Search", view)
	}
	if err != nil {
		return err
	}
	return u.fit(v, "search", func(share int) (string, any) {
		return title(view.Query), view.within(share)
	})
}

// longQuery is how long the address of a search may be, in bytes, that a full page still repeats in each of its links.
const longQuery = 200

// within is the page with one share-th of what its rows may say. Each link repeats the query: where that is long, there is none but
// that to older results, and there are no live ones.
func (s searchView) within(share int) searchView {
	if share == 1 {
		return s
	}
	s.Rows.Rows = slices.Clone(s.Rows.Rows)
	for i := range s.Rows.Rows {
		s.Rows.Rows[i].Sentence = cut(s.Rows.Rows[i].Sentence, rowText/share)
	}
	if len(link("search", "q", s.Query)) <= longQuery {
		return s
	}
	s.Long, s.Live, s.IsLive, s.Rows.Live, s.Rows.More = true, "", false, nil, ""
	s.Chips = slices.Clone(s.Chips)
	for i := range s.Chips {
		s.Chips[i].Words, s.Chips[i].Without = cut(s.Chips[i].Words, rowText/share), ""
	}
	if s.Bars != nil {
		bars := *s.Bars
		bars.Wider, bars.Bars = "", slices.Clone(bars.Bars)
		for i := range bars.Bars {
			bars.Bars[i].Href = ""
		}
		s.Bars = &bars
	}
	s.Facets = slices.Clone(s.Facets)
	for i, f := range s.Facets {
		s.Facets[i].Values = slices.Clone(f.Values)
		for j := range f.Values {
			s.Facets[i].Values[j].Href = ""
		}
	}
	if s.Nothing != nil {
		nothing := *s.Nothing
		nothing.Without = nil
		s.Nothing = &nothing
	}
	return s
}

func title(query string) string {
	if query == "" {
		return "Search"
	}
	return cut(query, 60) + " · Search"
}

// searched fills in what a query finds.
func (u *UI) searched(v *visit, view *searchView, q search.Query, cursor string) error {
	text := view.Query
	view.Chips = chips(q)
	rows, err := v.rows(text, cursor)
	if err != nil {
		return err
	}
	view.Rows, view.Searched = rows.view, rows.searched.view()
	if cursor != "" {
		view.Newest = link("search", "q", text)
		return nil // counts are of the whole, and stand on the first page
	}
	if view.Live = link("search", "q", text, "live", "1"); view.IsLive {
		view.Live = link("search", "q", text)
		view.Rows.Live = live(text, rows.last, view.Searched)
	}
	if len(view.Rows.Rows) == 0 {
		if view.Nothing, err = v.nothing(q); err != nil {
			return err
		}
	}
	if view.Bars, err = v.histogram(q); err != nil {
		return err
	}
	view.Count = "0"
	if view.Bars != nil {
		view.Count = view.Bars.Total
	}
	view.Facets, err = v.facets(q)
	return err
}

// chips are the conditions of a query that are all demanded.
func chips(q search.Query) (all []chip) {
	conditions := conditionsOf(q)
	for i, one := range conditions {
		var rest []search.Node
		rest = append(append(rest, conditions[:i]...), conditions[i+1:]...)
		without := search.Query{}.With(rest...).String()
		all = append(all, chip{search.Query{Root: one}.String(), link("search", "q", without), without})
	}
	return all
}

func conditionsOf(q search.Query) []search.Node {
	switch root := q.Root.(type) {
	case nil:
		return nil
	case search.And:
		return root
	default:
		return []search.Node{root}
	}
}

// without is a query without its demands on a field.
func without(q search.Query, f search.Field) search.Query {
	var rest []search.Node
	for _, n := range conditionsOf(q) {
		if t, ok := n.(search.Term); !ok || t.Field != f {
			rest = append(rest, n)
		}
	}
	return search.Query{}.With(rest...)
}

type someRows struct {
	view     rowsView
	searched searched
	last     uint64 // the number behind those that were looked at
}

// rows asks for a page of results.
func (v *visit) rows(query, cursor string) (someRows, error) {
	found, err := ask[foundRows](v, link("/v1/events", "q", query, "limit", strconv.Itoa(pageRows), "cursor", cursor))
	if err != nil {
		return someRows{}, err
	}
	l, err := v.log()
	if err != nil {
		return someRows{}, err
	}
	out := someRows{searched: found.Searched, last: found.Searched.Indexed}
	day := ""
	for _, row := range found.Rows {
		r := v.row(row, l.StoreKey)
		if r.At.Day != day {
			day, r.Day = r.At.Day, r.At.Day
		}
		out.view.Rows = append(out.view.Rows, r)
	}
	if found.Next != "" {
		out.view.Older = link("search", "q", query, "cursor", found.Next)
		out.view.More = link("rows", "q", query, "cursor", found.Next)
	}
	return out, nil
}

// row is one result for people.
func (v *visit) row(row foundRow, storeKey string) rowView {
	out := rowView{Seq: row.Seq, Doubt: row.Doubt, Event: link("event", "seq", strconv.FormatUint(row.Seq, 10)), Type: "unreadable", Tone: "bad"}
	e, err := proof.ParseEntry(row.Entry)
	if err != nil {
		out.Sentence = "What is stored here cannot be read as an entry."
		return out
	}
	out.At = v.atText(e.ReceivedAt)
	if e.Stub != nil {
		out.Type, out.Tone, out.Sentence = "stub", "warn", stubSentence(e.Stub)
		return out
	}
	ev, err := event.Parse(e.Event)
	if err != nil {
		out.Sentence = "The event cannot be read."
		return out
	}
	item := story.Item{Seq: row.Seq, HasSeq: true, StoreKey: row.Key != "" && row.Key == storeKey, Raw: e.Event, Event: ev}
	out.Type, out.Sentence, out.App, out.Who = ev.EventType, cut(story.Sentence(item), rowText), ev.AppID, ev.UserID
	out.Tone = toneOf(ev)
	if row.Doubt != "" {
		out.Tone = "bad"
	}
	if ev.Job != nil {
		out.Story = link("story", "interaction", ev.InteractionID)
	}
	return out
}

func stubSentence(s *proof.Stub) string {
	if s.Code == proof.StubLost {
		return "Events were lost before they reached the log, and their sender says so."
	}
	return "An event was refused; what was sent is not in the log: " + s.Reason + "."
}

// toneOf says what an event looks like.
func toneOf(e *event.Event) string {
	switch {
	case e.Status == event.StatusFailure, e.Severity != nil && *e.Severity <= event.SeverityError:
		return "bad"
	case e.Status == event.StatusDenied, e.Status == event.StatusAborted, e.Severity != nil && *e.Severity == event.SeverityWarning:
		return "warn"
	case e.Status == event.StatusSuccess:
		return "good"
	}
	return ""
}

// cut is the beginning of a text, in characters.
func cut(s string, most int) string {
	n := 0
	for i := range s {
		if n == most {
			return s[:i] + "…"
		}
		n++
	}
	return s
}

// getRows answers with results alone: those of a further page, or those that came since.
func (u *UI) getRows(v *visit) error {
	in := v.r.URL.Query()
	query := in.Get("q")
	if after := in.Get("after"); after != "" {
		return u.newRows(v, query, after)
	}
	rows, err := v.rows(query, in.Get("cursor"))
	if err != nil {
		return err
	}
	return u.part(v, "search", "rows", rows.view)
}

// facetFields are the fields whose values are counted beside the results.
var facetFields = [...]struct {
	field search.Field
	words string
}{
	{search.FieldEvent, "Event"}, {search.FieldStatus, "Status"}, {search.FieldApp, "Application"}, {search.FieldEnv, "Environment"}, {search.FieldActor, "Actor"},
}

// facetValues is how many values of a field are shown.
const facetValues = 8

// facetView is a field and how often each of its values is in what was found.
type facetView struct {
	Words  string
	Values []facetValue
	More   bool
}

type facetValue struct {
	Value, Count, Href string
	Chosen             bool
}

func (v *visit) facets(q search.Query) (all []facetView, err error) {
	for _, f := range facetFields {
		c, err := ask[counts](v, link("/v1/counts", "q", q.String(), "facet", f.field.String(), "limit", strconv.Itoa(facetValues)))
		if err != nil {
			return nil, err
		}
		if c.Facet == nil || len(c.Facet.Values) == 0 {
			continue
		}
		view := facetView{Words: f.words, More: c.Facet.More}
		for _, one := range c.Facet.Values {
			is := search.Term{Field: f.field, Any: []search.Value{{Op: search.Equal, Text: one.Value}}}
			value := facetValue{Value: one.Value, Count: number(one.Count, one.AtLeast), Href: link("search", "q", q.With(is).String())}
			for _, n := range conditionsOf(q) {
				if (search.Query{Root: n}).String() == (search.Query{Root: is}).String() {
					value.Chosen, value.Href = true, link("search", "q", without(q, f.field).String())
				}
			}
			view.Values = append(view.Values, value)
		}
		all = append(all, view)
	}
	return all, nil
}

// number is a count for people.
func number(n uint64, atLeast bool) string {
	text := strconv.FormatUint(n, 10)
	var b strings.Builder
	for i, c := range text {
		if i > 0 && (len(text)-i)%3 == 0 {
			b.WriteString("\u202f") // a narrow space that does not break
		}
		b.WriteRune(c)
	}
	if atLeast {
		return "≥" + b.String()
	}
	return b.String()
}
