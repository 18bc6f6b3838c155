package webui

import (
	"encoding/json"
	"net/http"
)

// setupView is the page for whoever begins: what to type, and what hinders this server.
type setupView struct {
	URL     string // of this server, as the browser calls it
	LogKey  string
	Origin  string
	Ready   bool
	Reasons []reason
	Empty   bool   // no application has said anything yet
	Apps    string // how many have
}

type reason struct{ Code, Detail string }

func (u *UI) getSetup(v *visit) error {
	l, err := v.log()
	if err != nil {
		return err
	}
	view := setupView{URL: "http://" + v.r.Host, LogKey: l.LogKey, Origin: l.Origin}
	if v.r.TLS != nil || v.r.Header.Get("X-Forwarded-Proto") == "https" {
		view.URL = "https://" + v.r.Host
	}
	body, err := v.Ask(v.r.Context(), http.MethodGet, "/readyz", nil)
	var ready struct {
		Ready   bool
		Reasons []reason
	}
	if err != nil || json.Unmarshal(body, &ready) != nil { // what it answers says why; a refusal is no page of its own here
		if p, ok := problemOf(err); ok {
			ready.Reasons = append(ready.Reasons, reason{string(p.Code), p.Detail})
		}
	}
	view.Ready, view.Reasons = ready.Ready, ready.Reasons
	n, err := ask[counts](v, link("/v1/counts", "q", "-app:stet", "facet", "app"))
	if err != nil {
		return err
	}
	view.Empty = n.Count == 0
	if n.Facet != nil {
		view.Apps = number(uint64(len(n.Facet.Values)), n.Facet.More) + " applications have"
		if len(n.Facet.Values) == 1 {
			view.Apps = "One application has"
		}
	}
	return u.show(v, http.StatusOK, "setup", "Setup", view)
}
