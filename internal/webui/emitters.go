package webui

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/search"
	"github.com/stetlog/stet/proof"
)

// Rows of the page of emitters.
const (
	pageKeys   = 20  // each is asked about by itself
	pageEnds   = 200 // revocations and rotations that are looked at
	pageTrails = 10  // gaps and clocks
)

// emittersView is the page of the keys that may seal, and of what is known of who has them.
type emittersView struct {
	Keys     []keyView
	Older    string
	Newest   string // on a later page
	Gaps     []rowView
	Clocks   []rowView
	MoreGaps string // addresses of all of them
	MoreSkew string
	Searched searchedView
	Partial  bool // whoever sees one application's events only sees no keys
}

// keyView is a key that was enrolled.
type keyView struct {
	ID, Name  string
	Events    string // address of what it has sealed
	Count     string
	Enrolled  moment
	Entry     string // address of its enrolment
	By        string
	LastSeen  *rowView
	Ended     string // how: revoked, replaced
	EndedAt   moment
	EndedHref string
}

func (u *UI) getEmitters(v *visit) error {
	cursor := v.r.URL.Query().Get("cursor")
	found, err := ask[foundRows](v, link("/v1/events", "q", "event:emitter_enrolled", "limit", strconv.Itoa(pageKeys), "cursor", cursor))
	if err != nil {
		return err
	}
	l, err := v.log()
	if err != nil {
		return err
	}
	view := emittersView{Searched: found.Searched.view(), Partial: found.Searched.App != nil}
	if found.Next != "" {
		view.Older = link("emitters", "cursor", found.Next)
	}
	if cursor != "" {
		view.Newest = "emitters"
	}
	ended, err := v.ended(l.StoreKey)
	if err != nil {
		return err
	}
	for _, row := range found.Rows {
		k, ok, err := v.key(row, ended, l.StoreKey)
		if err != nil {
			return err
		}
		if ok {
			view.Keys = append(view.Keys, k)
		}
	}
	if view.Gaps, view.MoreGaps, err = v.newest("has:gap", l.StoreKey); err != nil {
		return err
	}
	if view.Clocks, view.MoreSkew, err = v.newest("event:clock_skewed", l.StoreKey); err != nil {
		return err
	}
	return u.show(v, http.StatusOK, "emitters", "Emitters and keys", view)
}

// newest are the newest results of a query, and the address of all where there are more.
func (v *visit) newest(query, storeKey string) (rows []rowView, more string, err error) {
	found, err := ask[foundRows](v, link("/v1/events", "q", query, "limit", strconv.Itoa(pageTrails)))
	if err != nil {
		return nil, "", err
	}
	for _, row := range found.Rows {
		rows = append(rows, v.row(row, storeKey))
	}
	if found.Next != "" {
		more = link("search", "q", query)
	}
	return rows, more, nil
}

// eventOf is the event of a row of the server's own; nil where it is none or in doubt.
func eventOf(row foundRow, storeKey string) *event.Event {
	if row.Doubt != "" || row.Key != storeKey {
		return nil
	}
	e, err := proof.ParseEntry(row.Entry)
	if err != nil || e.Event == nil {
		return nil
	}
	ev, err := event.Parse(e.Event)
	if err != nil {
		return nil
	}
	return ev
}

// ended are the newest rows that say of a key that it was revoked or replaced, by the key's id.
func (v *visit) ended(storeKey string) (map[string]foundRow, error) {
	found, err := ask[foundRows](v, link("/v1/events", "q", "event:key_revoked,key_rotated", "limit", strconv.Itoa(pageEnds)))
	if err != nil {
		return nil, err
	}
	all := map[string]foundRow{}
	for _, row := range slices.Backward(found.Rows) {
		if e := eventOf(row, storeKey); e != nil && e.Object != nil {
			all[e.Object.ID] = row
		}
	}
	return all, nil
}

// key is what is known of a key by the event that enrolled it.
func (v *visit) key(row foundRow, ended map[string]foundRow, storeKey string) (k keyView, ok bool, err error) {
	e := eventOf(row, storeKey)
	if e == nil || e.Object == nil {
		return k, false, nil // another's word about keys counts for nothing
	}
	enrolled := v.row(row, storeKey)
	k = keyView{ID: e.Object.ID, Name: e.Object.ID, Enrolled: enrolled.At, Entry: enrolled.Event}
	for _, r := range e.References {
		switch r.Kind {
		case "vkey":
			k.Name, _, _ = strings.Cut(r.Value, "+")
		case "by":
			k.By = r.Value
		}
	}
	query := search.Query{Root: search.Term{Field: search.FieldEmitter, Any: []search.Value{{Op: search.Equal, Text: k.ID}}}}.String()
	k.Events = link("search", "q", query)
	last, err := ask[foundRows](v, link("/v1/events", "q", query, "limit", "1"))
	if err != nil {
		return k, false, err
	}
	for _, row := range last.Rows {
		seen := v.row(row, storeKey)
		k.LastSeen = &seen
	}
	n, err := ask[counts](v, link("/v1/counts", "q", query))
	if err != nil {
		return k, false, err
	}
	k.Count = number(n.Count, n.AtLeast)
	if row, gone := ended[k.ID]; gone {
		end := v.row(row, storeKey)
		k.Ended, k.EndedAt, k.EndedHref = "revoked", end.At, end.Event
		if end.Type == "key_rotated" {
			k.Ended = "replaced"
		}
	}
	return k, true, nil
}
