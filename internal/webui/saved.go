package webui

import "github.com/stetlog/stet/internal/auth"

// saved is a query that somebody may want again.
type saved struct{ Words, Query, Href string }

// begin are queries for whoever does not know the language yet.
var begin = [...]struct{ words, query string }{
	{"Failed jobs", "event:job_failed"},
	{"Jobs that went missing", "is:ghost"},
	{"Errors and worse", "severity:<=3"},
	{"Security events", "is:security"},
	{"Changed data", "has:diff"},
	{"Corrections", "is:correction"},
	{"Who read the log", "event:log_read"},
}

// alerts is stet.alerts/1.
type alerts struct {
	Alerts []struct{ Name, Query string }
}

// maySeeAlerts says whether somebody may see what the server alerts of.
func (v *visit) maySeeAlerts() bool { return v.May(auth.ManageAlerts, auth.Subject{}) == nil }

// saved are the queries that are there for everyone, and those of the server's alerts, for who may see them. A person's own are
// addresses: whoever wants to keep a view keeps its address, and the server keeps nothing.
func (v *visit) saved() (all []saved, err error) {
	for _, b := range begin {
		all = append(all, saved{b.words, b.query, link("search", "q", b.query)})
	}
	if !v.maySeeAlerts() {
		return all, nil
	}
	kept, err := ask[alerts](v, "/v1/alerts")
	if p, ok := problemOf(err); ok && p.Status < 500 {
		err = nil // it is a server without alerts, and kept is empty
	}
	for _, a := range kept.Alerts {
		all = append(all, saved{"Alert " + a.Name, a.Query, link("search", "q", a.Query)})
	}
	return all, err
}
