package server

import (
	"net/http"
	"slices"
	"testing"

	"github.com/stetlog/stet/internal/policy"
)

// The newest events that a query finds are judged by the rules of package policy; what takes whole jobs is not checked, and an entry in
// doubt is not judged at all.
func TestPolicyOfTheNewest(t *testing.T) {
	w := newWorld(t, nil)
	w.follow()
	shop := newSender(t, "shop")
	w.job("writer", "order-1", "job-1", "", "submitted", "started")
	receipts(t, w.post("writer", shop.say(3)))
	w.caughtUp()
	var got judged
	rule := func(id string) policy.JSONRule {
		i := slices.IndexFunc(got.Report.Rules, func(r policy.JSONRule) bool { return r.ID == id })
		if i < 0 {
			t.Fatalf("no rule %s", id)
		}
		return got.Report.Rules[i]
	}
	w.get("reader", "/v1/policy?q=app:shop", &got)
	if r := rule("sealed"); r.State != "pass" || r.Pass != 5 || got.Report.Events != 5 || got.More || got.First == nil || *got.Last <= *got.First {
		t.Errorf("%+v; %d events, more %v", r, got.Report.Events, got.More)
	}
	if r := rule("outcome"); r.State != "not checked" || r.NotChecked != 2 {
		t.Errorf("a job's events alone are judged as a whole job: %+v", r)
	}
	w.get("reader", "/v1/policy?q=app:shop&limit=2", &got)
	if got.Report.Events != 2 || !got.More {
		t.Errorf("of two: %d, more %v", got.Report.Events, got.More)
	}
	w.get("otherReader", "/v1/policy", &got)
	if got.Report.Events != 0 {
		t.Errorf("a reader of another application: %d", got.Report.Events)
	}
	if r := w.do("writer", http.MethodGet, "/v1/policy", nil); r.status != http.StatusForbidden {
		t.Errorf("a writer: %d", r.status)
	}
}
