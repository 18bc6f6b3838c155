package server

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/intake"
	"github.com/stetlog/stet/internal/wire"
)

// job posts events of a job, as the writer of an application: types with their event_type's "job_" left out.
func (w *world) job(token, interaction, id, parent string, types ...string) {
	w.t.Helper()
	var all []string
	for i, typ := range types {
		status := map[string]string{"succeeded": "success", "failed": "failure", "denied": "denied"}[typ]
		job := map[string]any{"id": id, "run_id": "run-of-" + id, "name": "work"}
		if typ == "submitted" {
			delete(job, "run_id")
		}
		if parent != "" {
			job["parent_id"], job["root_id"] = parent, "root"
		}
		e := map[string]any{"event_type": "job_" + typ, "interaction_id": interaction, "job": job, "user_id": "alice", "principal": map[string]any{"type": "user", "id": "alice"},
			"why": map[string]any{"trigger": "manual", "reason": "because of " + id}}
		if status != "" {
			e["status"] = status
		}
		if typ == "heartbeat" {
			e["heartbeat"] = map[string]any{"n": i + 1}
		}
		b, err := json.Marshal(e)
		if err != nil {
			w.t.Fatal(err)
		}
		all = append(all, string(b))
	}
	status, got := w.events(token, "["+strings.Join(all, ",")+"]")
	for _, v := range got {
		if v.Status != intake.Accepted {
			w.t.Fatalf("status %d: %+v", status, got)
		}
	}
}

// get asks for JSON.
func (w *world) get(token, target string, out any) {
	w.t.Helper()
	r := w.do(token, http.MethodGet, target, nil)
	if err := json.Unmarshal([]byte(r.body), out); err != nil || r.status != http.StatusOK {
		w.t.Fatalf("%s: status %d, %v\n%s", target, r.status, err, r.body)
	}
}

// A story has all events of its interaction, those that are not indexed yet too, and each of its jobs stands where the fold
// of the same events says; a job alone stands where it stands in its story.
func TestStory(t *testing.T) {
	w := newWorld(t, nil)
	w.follow()
	w.job("writer", "i1", "root", "", "submitted", "started", "heartbeat")
	w.job("writer", "i1", "child", "root", "submitted", "started", "failed")
	w.job("writer", "i2", "root2", "", "submitted")
	w.publish()
	w.caughtUp()
	w.job("writer", "i1", "root", "", "succeeded")
	w.publish()
	var a storyAnswer
	w.get("auditor", "/v1/stories/i1", &a)
	if a.Format != "stet.found_story/1" || !a.Searched.Complete || a.More || len(a.Doubts) > 0 || a.Story.EventCount != 7 || len(a.Story.Jobs) != 1 {
		t.Fatalf("%+v", a)
	}
	root := a.Story.Jobs[0]
	if root.ID != "root" || root.State != "succeeded" || len(root.Children) != 1 || root.Children[0].State != "failed" {
		t.Errorf("the story is of %s, %s: %+v", root.ID, root.State, root.Children)
	}
	var j jobAnswer
	w.get("auditor", "/v1/jobs/child", &j)
	if len(j.Jobs) != 1 || j.Jobs[0].Interaction != "i1" {
		t.Fatalf("%+v", j)
	}
	if d := cmp.Diff(root.Children[0], j.Jobs[0].Job); d != "" {
		t.Errorf("the job alone is another than in its story: %s", d)
	}
	for _, target := range []string{"/v1/stories/i3", "/v1/jobs/work", "/v1/jobs/x", "/v1/jobs/x/lineage", "/v1/stories/i%2F1"} {
		wantRefusal(t, w.do("auditor", http.MethodGet, target, nil), wire.NotFound)
	}
	wantRefusal(t, w.do("auditor", http.MethodGet, "/v1/stories/i1?limit=1", nil), wire.Malformed)
}

// What a story does not have of the index it reads from the log.
func TestStoryOfWhatIsNotIndexed(t *testing.T) {
	w := newWorld(t, nil)
	w.job("writer", "i1", "root", "", "submitted", "started", "succeeded")
	w.publish()
	wantRefusal(t, w.do("auditor", http.MethodGet, "/v1/stories/i1", nil), wire.NotReady) // there is no index at all
	x, err := w.server.keeper.open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = x.Close() })
	w.server.keeper.x.Store(x) // which follows nothing
	var a storyAnswer
	w.get("auditor", "/v1/stories/i1", &a)
	if !a.Searched.Complete || a.Story.EventCount != 3 || a.Story.Jobs[0].State != "succeeded" {
		t.Errorf("%+v", a)
	}
}

// A stream that is closed has nothing more to say: its run never reported.
func TestStoryOfAClosedStream(t *testing.T) {
	w := newWorld(t, nil)
	w.follow()
	s := newSender(t, "shop")
	e := s.seal([][]byte{s.eventWith(s.next, "job_started", func(e *event.Event) {
		e.Job = &event.Job{ID: "silent", RunID: "run", Name: "work", Phase: "execution", Attempt: 1}
		e.Why = &event.Why{Trigger: "manual"}
	})}, true)
	if got := receipts(t, w.post("writer", e)).Results[0]; got.Status != wire.Placed || len(got.Stubs) > 0 {
		t.Fatalf("%+v", got)
	}
	w.caughtUp()
	for _, who := range []string{"auditor", "reader"} {
		var a storyAnswer
		w.get(who, "/v1/stories/order-1", &a)
		if got := a.Story.Jobs[0].State; got != "silent" {
			t.Errorf("for the %s the run is %s", who, got)
		}
	}
}

// A job's line goes up to who asked for the root, and down to its children, page by page, each once; one whose parent is not
// there is said to be an orphan.
func TestLineage(t *testing.T) {
	w := newWorld(t, nil)
	w.follow()
	w.job("writer", "i1", "root", "", "submitted", "started", "succeeded")
	w.job("writer", "i1", "middle", "root", "submitted", "started")
	var want []string
	for i := range 7 {
		id := fmt.Sprint("child-", i)
		want = append(want, id)
		w.job("writer", "i1", id, "middle", "submitted", "started")
	}
	for i := range 7 {
		w.job("writer", "i1", fmt.Sprint("child-", 6-i), "middle", "heartbeat", "succeeded")
	}
	w.job("writer", "i1", "lost-one", "gone", "started", "failed")
	w.job("writer", "i1", "ring-a", "ring-b", "started")
	w.job("writer", "i1", "ring-b", "ring-a", "started")
	w.publish()
	w.caughtUp()
	var got []string
	var a lineageAnswer
	for cursor, pages := "", 0; ; pages++ {
		target := "/v1/jobs/middle/lineage?limit=3"
		if cursor != "" {
			target += "&cursor=" + cursor
		}
		a = lineageAnswer{}
		w.get("reader", target, &a)
		if pages > 5 || len(a.Children) > 3 {
			t.Fatalf("page %d has %d children", pages, len(a.Children))
		}
		for _, c := range a.Children {
			got = append(got, c.ID)
			if c.State != "succeeded" || c.Parent != "middle" {
				t.Errorf("%+v", c)
			}
		}
		if cursor = a.Next; cursor == "" {
			break
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("its children are %v, want %v", got, want)
	}
	if a.Job.State != "running" || len(a.Ancestors) != 1 || a.Ancestors[0].ID != "root" || a.Ancestors[0].State != "succeeded" || a.Orphan {
		t.Errorf("%+v", a)
	}
	if p := a.Principal; p == nil || p.ID != "alice" || p.Why.Reason != "because of root" {
		t.Errorf("asked for by %+v", p)
	}
	for id, why := range map[string]string{"lost-one": "gone", "ring-a": "circle"} {
		a = lineageAnswer{}
		if w.get("auditor", "/v1/jobs/"+id+"/lineage", &a); !a.Orphan || !strings.Contains(a.Because, why) {
			t.Errorf("%s: orphan %v, because %q", id, a.Orphan, a.Because)
		}
	}
}

// Of children the failed ones alone can be asked for, in pages that have no others; times say when each was at work, and whether
// it has children of its own. Orphans of the interaction stand apart.
func TestFailedChildren(t *testing.T) {
	w := newWorld(t, nil)
	w.follow()
	w.job("writer", "i-x", "root", "", "submitted", "started")
	for i := range 6 {
		end := "succeeded"
		if i%2 == 1 {
			end = "failed"
		}
		w.job("writer", "i-x", fmt.Sprint("child-", i), "root", "submitted", "started", end)
	}
	w.job("writer", "i-x", "again", "root", "started", "failed")
	w.job("writer", "i-x", "again", "root", "succeeded")                        // which stands: the first outcome
	w.job("writer", "i-x", "allowed", "root", "denied", "started", "succeeded") // which did not fail after all
	w.job("writer", "i-x", "grandchild", "child-1", "started")
	w.job("writer", "i-x", "id-x", "gone", "started")
	w.finds("job_orphaned", "x", 1)
	w.publish()
	w.caughtUp()
	var got []string
	var a lineageAnswer
	for target, n := "/v1/jobs/root/lineage?failed=true&limit=2", 0; target != "" && n < 5; n++ {
		a = lineageAnswer{}
		w.get("auditor", target, &a)
		for _, c := range a.Children {
			got = append(got, fmt.Sprint(c.ID, " ", c.State, " ", c.Children, " ", len(c.AtWork)))
			if c.Heard == "" || len(c.AtWork) > 0 && (c.AtWork[0].From == "" || c.AtWork[0].Until == "") {
				t.Errorf("when was %+v at work?", c)
			}
		}
		if n == 0 && (len(a.Orphans) != 1 || a.Orphans[0].ID != "id-x" || !a.Job.Children) {
			t.Errorf("orphans %+v", a.Orphans)
		}
		if target = ""; a.Next != "" {
			target = "/v1/jobs/root/lineage?failed=true&limit=2&cursor=" + a.Next
		}
	}
	if d := cmp.Diff([]string{"child-1 failed true 1", "child-3 failed false 1", "child-5 failed false 1", "again failed false 1"}, got); d != "" {
		t.Error(d)
	}
	wantRefusal(t, w.do("auditor", http.MethodGet, "/v1/jobs/root/lineage?failed=1", nil), wire.Malformed)
}

// Counts are those of the rows.
func TestCounts(t *testing.T) {
	w := newWorld(t, nil)
	w.follow()
	for i := range 5 {
		w.job("writer", fmt.Sprint("i", i%2), fmt.Sprint("job-", i), "", "submitted", "started", "succeeded")
	}
	w.job("other", "i9", "theirs", "", "submitted")
	w.publish()
	w.caughtUp()
	var a counted
	w.get("reader", "/v1/counts?q=job:*&facet=event&histogram=4", &a)
	if a.Count != 15 || a.AtLeast || !a.Searched.Complete || a.Searched.App == nil || *a.Searched.App != "shop" {
		t.Errorf("%+v", a)
	}
	if d := cmp.Diff(&facet{Field: "event", Values: []value{{"job_started", 5, false}, {"job_submitted", 5, false}, {"job_succeeded", 5, false}}}, a.Facet); d != "" {
		t.Error(d)
	}
	sum := uint64(0)
	for i, b := range a.Bars {
		sum += b.Count
		if i > 0 && b.From != a.Bars[i-1].Until {
			t.Errorf("bar %d is from %s, the one before until %s", i, b.From, a.Bars[i-1].Until)
		}
	}
	if len(a.Bars) != 4 || sum != 15 {
		t.Errorf("the bars count %d: %+v", sum, a.Bars)
	}
	a = counted{}
	w.get("auditor", "/v1/counts?facet=app&limit=1&q=event:job_submitted&bounds=2020-01-01T00:00:00Z,"+time.Now().Add(time.Hour).UTC().Format(time.RFC3339), &a)
	if a.Count != 6 || !a.Facet.More || len(a.Facet.Values) != 1 || a.Facet.Values[0] != (value{"shop", 5, false}) || len(a.Bars) != 1 || a.Bars[0].Count != 6 {
		t.Errorf("%+v", a)
	}
	for target, want := range map[string]wire.Code{"?facet=apps": wire.InvalidQuery, "?facet=seq": wire.Malformed, "?facet=label": wire.InvalidQuery, "?facet=app.x": wire.InvalidQuery,
		"?histogram=0": wire.Malformed, "?histogram=1001": wire.Malformed, "?bounds=2026-01-01T00:00:00Z": wire.Malformed, "?bounds=x,y": wire.Malformed,
		"?bounds=2026-01-02T00:00:00Z,2026-01-01T00:00:00Z": wire.Malformed, "?histogram=2&bounds=2026-01-01T00:00:00Z,2026-01-02T00:00:00Z": wire.Malformed} {
		wantRefusal(t, w.do("auditor", http.MethodGet, "/v1/counts"+target, nil), want)
	}
}

// Of an interaction with very many events, its first jobs can be told alone: each where it stands, whatever came between, and as in
// the whole story. A smaller one is told whole.
func TestStoryOfTheFirstJobs(t *testing.T) {
	w := newWorld(t, nil)
	w.follow()
	w.job("writer", "large", "root", "", "submitted", "started")
	w.job("writer", "large", "b", "root", "submitted", "started")
	w.job("writer", "large", "c", "root", "submitted", "started", "failed")
	beats := slices.Repeat([]string{"heartbeat"}, 70)
	for i := range 6 {
		w.job("writer", "large", fmt.Sprint("beating ", i), "root", append([]string{"started"}, beats...)...)
	}
	w.job("writer", "large", "b", "root", append(beats, "succeeded")...)
	w.job("writer", "large", "root", "", "succeeded")
	w.job("writer", "small", "root", "", "submitted", "started", "heartbeat", "succeeded")
	w.publish()
	w.caughtUp()
	var whole, brief storyAnswer
	w.get("auditor", "/v1/stories/large", &whole)
	w.get("auditor", "/v1/stories/large?jobs=3", &brief)
	if whole.More || !brief.More || len(whole.Story.Jobs) != 1 || len(brief.Story.Jobs) != 1 || brief.Story.EventCount >= whole.Story.EventCount {
		t.Fatalf("%v %d, %v %d", whole.More, whole.Story.EventCount, brief.More, brief.Story.EventCount)
	}
	a, b := whole.Story.Jobs[0], brief.Story.Jobs[0]
	if len(a.Children) != 8 || len(b.Children) != 2 || a.State != "succeeded" || b.Children[0].State != "succeeded" || b.Children[1].State != "failed" {
		t.Errorf("%d and %d children: %+v", len(a.Children), len(b.Children), b)
	}
	a.Children, b.Children = a.Children[:2], b.Children[:2]
	if d := cmp.Diff(a, b); d != "" {
		t.Errorf("the first jobs are others than in the whole story: %s", d)
	}
	w.get("auditor", "/v1/stories/small?jobs=1", &brief)
	if brief.More || brief.Story.EventCount != 4 {
		t.Errorf("%+v", brief)
	}
	for _, jobs := range []string{"0", "101", "x"} {
		wantRefusal(t, w.do("auditor", http.MethodGet, "/v1/stories/small?jobs="+jobs, nil), wire.Malformed)
	}
}
