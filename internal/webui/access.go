package webui

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/wire"
	"github.com/stetlog/stet/proof"
)

// A trail is a page of events of some types, as a table: who did it, from where, and to what.
type trail struct {
	page, title string
	query       string
	words       string // what is on the page
	none        string // where nothing is
}

var (
	// access says who read what, who was refused, and who changed what anybody may do.
	access = trail{"access", "Access", "event:log_read,login_refused,token_created,token_revoked,emitter_enrolled,key_rotated,key_revoked,config_changed",
		"Who read what, who was refused, and who changed what anybody may do. Readings are put together: one row a reader and query.",
		"Nobody has read the log, or was refused, yet."}
	// exports says what files were made of the log.
	exports = trail{"exports", "Exports", "event:log_exported",
		"Files that were made of the log's entries, with their hashes: whoever is shown a file can tell whether it is one of these.",
		"No file was made of the log yet."}
)

// trailView is a page of a trail.
type trailView struct {
	Title, Words, None string
	Rows               []trailRow
	Older, Newest      string
	Query              string // address of the same as a search
	Searched           searchedView
	Partial            bool
	Make               *makeView // evidence can be made here
}

type trailRow struct {
	rowView
	Actor, Place string
	What         []fieldView // labels and references
	Status       string
}

func (u *UI) getTrail(t trail) func(*visit) error {
	return func(v *visit) error {
		return u.showTrail(v, t, http.StatusOK, nil)
	}
}

func (u *UI) showTrail(v *visit, t trail, status int, wrong *wire.Problem) error {
	in := v.r.URL.Query()
	cursor := in.Get("cursor")
	found, err := ask[foundRows](v, link("/v1/events", "q", t.query, "limit", strconv.Itoa(pageRows), "cursor", cursor))
	if err != nil {
		return err
	}
	l, err := v.log()
	if err != nil {
		return err
	}
	view := trailView{Title: t.title, Words: t.words, None: t.none, Query: link("search", "q", t.query), Searched: found.Searched.view(),
		Partial: found.Searched.App != nil}
	if t.page == exports.page && cursor == "" {
		if view.Make, err = v.making(in, wrong); err != nil {
			return err
		}
	}
	if found.Next != "" {
		view.Older = link(t.page, "cursor", found.Next)
	}
	if cursor != "" {
		view.Newest = t.page
	}
	for _, row := range found.Rows {
		view.Rows = append(view.Rows, v.trailRow(row, l.StoreKey))
	}
	return u.show(v, status, t.page, t.title, view)
}

// trailRow is an event as who did what from where.
func (v *visit) trailRow(row foundRow, storeKey string) trailRow {
	out := trailRow{rowView: v.row(row, storeKey)}
	entry, err := proof.ParseEntry(row.Entry)
	if err != nil || entry.Event == nil {
		return out
	}
	e, err := event.Parse(entry.Event)
	if err != nil {
		return out
	}
	out.Actor, out.Place, out.Status = e.UserID, e.SourceIP, e.Status
	if out.Actor == "" && e.Principal != nil {
		out.Actor = strings.TrimSpace(strings.ReplaceAll(e.Principal.Type, "_", " ") + " " + e.Principal.ID)
	}
	if e.Object != nil {
		out.What = append(out.What, value("what", e.Object.Type+" "+e.Object.ID))
	}
	for _, r := range e.References {
		out.What = append(out.What, value(r.Kind, r.Value))
	}
	for _, f := range flatten(entry.Event) {
		if key, ok := strings.CutPrefix(f.Path, "labels."); ok {
			out.What = append(out.What, fieldView{Path: key, Value: f.Value, Cut: f.Cut})
		}
	}
	if e.Repeat != nil {
		out.What = append(out.What, fieldView{Path: "times", Value: strconv.FormatInt(int64(e.Repeat.Count), 10)})
	}
	return out
}
