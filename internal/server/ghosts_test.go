package server

import (
	"fmt"
	"net/http"
	"net/url"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/ghosts"
	"github.com/stetlog/stet/internal/index"
	"github.com/stetlog/stet/internal/wire"
)

// finds has the log record that something is missing of a job, about entry n, and returns the number of the entry.
func (w *world) finds(typ, job string, n uint64) uint64 {
	w.t.Helper()
	e := &event.Event{InteractionID: "i-" + job, EventType: typ, Status: event.StatusUnknown, StatusCode: "a_rule", StatusReason: "it is missing",
		Absent:     map[string]string{"why": event.AbsentNotApplicable},
		Job:        &event.Job{ID: "id-" + job, RunID: "run-" + job, Name: job, Phase: "outcome", Attempt: 1},
		References: []event.Reference{{Kind: "seq", Value: fmt.Sprint(n)}, {Kind: "app", Value: "shop"}}}
	if err := w.held.Find(w.t.Context(), fmt.Sprint(n), event.UUID{}, e); err != nil {
		w.t.Fatal(err)
	}
	w.publish()
	w.caughtUp()
	return w.find("auditor", "event:"+typ+" job:"+job).seqs()[0]
}

// What the server found is listed, the newest first and in pages, with what came after all; for a query's part of it, for
// those that are still open, and for whoever may read the server's own events.
func TestGhosts(t *testing.T) {
	w := newWorld(t, nil)
	w.follow()
	w.job("writer", "i", "a", "", "submitted", "started")
	silent := w.finds("job_no_outcome", "a", 1)
	w.finds("job_missed", "b", 2)
	late := w.finds("job_late_outcome", "a", silent)
	w.finds("job_stalled", "c", 3)
	w.finds("job_recovered", "d", 99) // which answers nothing
	ask := func(token string, params ...string) (out ghostsAnswer) {
		v := url.Values{}
		for i := 0; i < len(params); i += 2 {
			v.Set(params[i], params[i+1])
		}
		w.get(token, "/v1/ghosts?"+v.Encode(), &out)
		return out
	}
	for _, c := range []struct {
		params []string
		want   []string
	}{
		{nil, []string{"stalled c open", "missed b open", "never ended a answered"}},
		{[]string{"open", "true"}, []string{"stalled c open", "missed b open"}},
		{[]string{"q", "job:a ref:shop"}, []string{"never ended a answered"}},
		{[]string{"late", "true"}, []string{"never ended a answered"}},
		{[]string{"late", "true", "q", "job:b"}, nil},
		{[]string{"q", "event:job_started"}, nil},
	} {
		var got []string
		a := ask("auditor", c.params...)
		for _, g := range a.Ghosts {
			state := "open"
			if !g.Open {
				state = "answered"
				if g.Answer == nil || *g.Answer.Seq != late {
					t.Errorf("%s: answered by %+v, want entry %d", g.JobName, g.Answer, late)
				}
			}
			got = append(got, g.What+" "+g.JobName+" "+state)
		}
		if diff := cmp.Diff(c.want, got); diff != "" || !a.Searched.Complete || a.Next != "" {
			t.Errorf("%v: searched %+v (-want +got):\n%s", c.params, a.Searched, diff)
		}
	}
	var pages []uint64
	for cursor, n := "", 0; n < 5; n++ {
		params := []string{"limit", "1"}
		if cursor != "" {
			params = append(params, "cursor", cursor)
		}
		a := ask("auditor", params...)
		for _, g := range a.Ghosts {
			pages = append(pages, *g.Seq)
		}
		if cursor = a.Next; cursor == "" {
			break
		}
	}
	if len(pages) != 3 || pages[0] <= pages[1] || pages[2] != silent {
		t.Errorf("in pages: %v", pages)
	}
	if a := ask("reader"); len(a.Ghosts) != 0 || a.Searched.App == nil {
		t.Errorf("a reader of one application is shown %+v", a.Ghosts)
	}
	wantRefusal(t, w.do("writer", http.MethodGet, "/v1/ghosts", nil), wire.NotAllowed)
	wantRefusal(t, w.do("auditor", http.MethodGet, "/v1/ghosts?open=maybe", nil), wire.Malformed)
	wantRefusal(t, w.do("auditor", http.MethodGet, "/v1/ghosts?limit=101", nil), wire.Malformed)
	wantRefusal(t, w.do("auditor", http.MethodGet, "/v1/ghosts?q=is:goast", nil), wire.InvalidQuery)
}

// Where the index turns out to be damaged between the ghosts and their answers, the page is asked for again: nothing that was
// answered is told as open.
func TestGhostsAskedAgain(t *testing.T) {
	found, rows := []*ghosts.Ghost{{Seq: 7}}, []index.Row{{Seq: 7}}
	here, further := index.Window{To: 9}, index.Window{To: 7}
	for _, c := range []struct {
		damage, second bool
		ghosts         int
		next           *index.Window
	}{{false, true, 1, &further}, {true, true, 0, &here}, {true, false, 0, nil}} {
		a := &asker{damage: c.damage}
		g, r, next := a.answered(found, rows, &further, wanted{window: here, further: c.second})
		if d := cmp.Diff(c.next, next); d != "" || len(g) != c.ghosts || len(r) != c.ghosts {
			t.Errorf("damaged %v: %d ghosts, and next: %s", c.damage, len(g), d)
		}
	}
}
