package interop

import (
	"net/url"
	"os"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// TestScreenshots makes the pictures of docs/img: every screen in both themes, with nothing hostile in the log.
func TestScreenshots(t *testing.T) {
	if os.Getenv("STET_SHOTS") == "" {
		t.Skip("make shots makes them")
	}
	w := newUIWorld(t)
	for _, job := range [][]string{{"nightly", "the night"}, {"invoices", "the month is over"}, {"fetch", "fresh prices"}, {"report", "asked for by sales"}} {
		execute(t, w.home, w.stet, "run", "--store", w.store, "--app", "shop", "--job", job[0], "--why", job[1], "--", "true")
	}
	w.posted(monthEnd(time.Now().Add(-5 * time.Hour).UTC())...)
	w.do("size", chromedp.EmulateViewport(1280, 900))
	look := func(s screen) {
		for _, theme := range []string{"light", "dark"} {
			w.theme(theme)
			w.page(s.path)
			w.shot(t, s.name+"-"+theme)
		}
	}
	look(screen{name: "login", path: "login"})
	w.theme("light")
	w.uiLogin(t)
	for _, s := range w.all() {
		switch s.name {
		case "event":
			w.page(s.path)
			w.do("script", chromedp.WaitReady(chromedp.CSS("#verify:not([hidden])")))
		case "story":
			s.path = "story?interaction=" + url.QueryEscape("month-end-2026-10")
		case "lineage":
			s.path = "lineage?job=month-end"
		}
		look(s)
	}
	w.theme("light")
	w.tampered(t)
	w.shot(t, "overview-failed")
}

// monthEnd is the story of a job that changed something, started others and failed.
func monthEnd(begin time.Time) (all []map[string]any) {
	say := func(after time.Duration, typ, id, parent string, more map[string]any) {
		job := map[string]any{"id": id, "run_id": "run-of-" + id, "name": id}
		if parent != "" {
			job["parent_id"], job["root_id"] = parent, "month-end"
		}
		if n, ok := more["attempt"]; ok {
			job["attempt"], job["run_id"] = n, id+"-again"
			delete(more, "attempt")
		}
		e := map[string]any{"event_type": "job_" + typ, "environment": "production", "interaction_id": "month-end-2026-10", "event_time": begin.Add(after).Format(time.RFC3339Nano), "user_id": "ana@shop.example", "job": job,
			"principal": map[string]any{"type": "user", "id": "ana@shop.example"}}
		for k, v := range more {
			e[k] = v
		}
		all = append(all, e)
	}
	none := map[string]any{}
	say(0, "submitted", "month-end", "", map[string]any{"why": map[string]any{"trigger": "manual", "reason": "close October", "reference": "OPS-4711"}})
	say(time.Second, "authorized", "month-end", "", map[string]any{"authorization": map[string]any{"basis": "approval", "decision": "allowed", "decided_by": "controller", "policy_id": "month-end", "policy_version": "7"}})
	say(2*time.Second, "started", "month-end", "", map[string]any{"host": map[string]any{"name": "batch-3"}})
	for i, id := range []string{"post-invoices", "close-ledger", "export-vat", "mail-statements"} {
		at := time.Duration(i)*40*time.Minute + time.Minute
		say(at-2*time.Second, "submitted", id, "month-end", map[string]any{"why": map[string]any{"trigger": "parent", "reason": "a step of month-end"}})
		say(at-time.Second, "authorized", id, "month-end", map[string]any{"authorization": map[string]any{"basis": "inherited", "decision": "allowed", "decided_by": "month-end"}})
		say(at, "started", id, "month-end", none)
		switch id {
		case "export-vat":
			say(at+4*time.Minute, "failed", id, "month-end", map[string]any{"status_reason": "the tax office's server refused the certificate"})
			say(at+6*time.Minute, "started", id, "month-end", map[string]any{"attempt": 2})
			say(at+9*time.Minute, "succeeded", id, "month-end", map[string]any{"attempt": 2})
		case "mail-statements":
			say(at+time.Minute, "started", "render-pdf", id, none)
			say(at+5*time.Minute, "succeeded", "render-pdf", id, none)
			say(at+7*time.Minute, "failed", id, "month-end", map[string]any{"status_reason": "the mail server is out of space"})
		default:
			say(at+time.Duration(6+5*i)*time.Minute, "succeeded", id, "month-end", none)
		}
	}
	say(128*time.Minute, "failed", "month-end", "", map[string]any{"status_reason": "mail-statements failed", "impact": map[string]any{"summary": "1,204 invoices posted, no statement mailed", "counts": map[string]any{"invoices": 1204, "statements": 0}},
		"before": map[string]any{"object": "ledger 2026-10", "summary": `{"state":"open","invoices":0,"balance":"0.00","api_key":"was-a-secret"}`},
		"after":  map[string]any{"object": "ledger 2026-10", "summary": `{"state":"closed","invoices":1204,"balance":"88412.50","api_key":"is-a-secret"}`}})
	return all
}
