package webui

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/stetlog/stet/internal/server"
)

// loads finds what a page loads: all of it has a version in its address.
var loads = regexp.MustCompile(`(?:href|src)="([^"#?]+\?v=[^"#]+)`)

// weight is how many bytes a browser gets that has nothing of a page yet.
func (w *site) weight(a *httptest.ResponseRecorder) (bytes int) {
	seen := map[string]bool{}
	for _, m := range loads.FindAllStringSubmatch(a.Body.String(), -1) {
		if !seen[m[1]] {
			seen[m[1]] = true
			r := httptest.NewRequest(http.MethodGet, "http://127.0.0.1/"+m[1], nil)
			r.Header.Set("Accept-Encoding", "gzip")
			bytes += w.do(r).Body.Len()
		}
	}
	return bytes + a.Body.Len()
}

// No page weighs more than 100 KB with all that it loads, whatever is in the log: very many jobs in one interaction, very many
// attempts and heartbeats of one job, very many events of none, and texts that are as long as they may be. A story of more than is
// on its page says so.
func TestWeight(t *testing.T) {
	w := newSite(t, expected(40))
	long := strings.Repeat(`"a & <b> `, 5000)
	of := func(interaction, typ, id, parent string, more map[string]any) map[string]any {
		e := map[string]any{"event_type": typ, "environment": "test", "interaction_id": interaction, "description": long[:400],
			"job": map[string]any{"id": id, "run_id": id + "/1", "name": "job " + id, "parent_id": parent, "root_id": "root"}}
		for k, v := range more {
			e[k] = v
		}
		return e
	}
	var events []map[string]any
	for _, typ := range []string{"job_submitted", "job_started"} {
		events = append(events, of("family", typ, "root", "", nil))
	}
	for i := range 150 {
		for _, typ := range []string{"job_submitted", "job_started", "job_failed"} {
			events = append(events, of("family", typ, fmt.Sprint("child ", i), "root", map[string]any{"status_reason": long[:300]}))
		}
	}
	events = append(events, of("family", "job_succeeded", "root", "", nil))
	for i := range 60 {
		run := map[string]any{"id": "again", "run_id": fmt.Sprint("run ", i), "name": "again", "attempt": i + 1}
		for _, typ := range []string{"job_started", "job_heartbeat", "job_failed"} {
			events = append(events, of("again", typ, "", "", map[string]any{"job": run, "before": map[string]any{"summary": long[:200]}}))
		}
	}
	for i := range 250 {
		events = append(events, map[string]any{"event_type": "sensitive_read", "environment": "test", "interaction_id": "loose", "description": long[:400], "user_id": fmt.Sprint("user ", i)})
	}
	params := map[string]any{}
	for i := range 15 {
		some := map[string]any{}
		for j := range 60 {
			some[fmt.Sprint(j)] = `"&<>`
		}
		params[fmt.Sprint("group ", i)] = some
	}
	events = append(events, of("huge", "job_failed", "huge", "", map[string]any{"status_reason": long[:20000], "description": long}),
		of("many", "job_submitted", "many", "", map[string]any{"job": map[string]any{"id": "many", "name": "many", "params": params}}))
	first := w.record(events...)
	last := w.seqOf("many")
	pages := append(pagesOf(first, "none"), "/login", fmt.Sprintf("/event?seq=%d", last), fmt.Sprintf("/event?seq=%d", w.seqOf("huge")), "/lineage?job=root", "/lineage?job=root&failed=1", "/children?job=root",
		"/ghosts?expected=10", "/search?q="+url.QueryEscape("event:job_failed"))
	for _, interaction := range []string{"family", "again", "loose", "huge", "many"} {
		pages = append(pages, "/story?interaction="+interaction)
	}
	for _, target := range pages {
		if n := w.weight(w.found("auditor", target)); n > 100_000 {
			t.Errorf("%s weighs %d bytes", target, n)
		}
	}
	for target, want := range map[string]string{
		"/story?interaction=family":         "There are more events than fit into a story",
		"/story?interaction=again":          "earlier attempts are not on this page",
		"/story?interaction=loose":          "more events are not on this page",
		fmt.Sprintf("/event?seq=%d", last):  "more bytes are not on this page",
		"/lineage?job=root":                 "Further ones",
		"/ghosts":                           `href="ghosts?expected=10"`,
		"/ghosts?expected=30":               "job 39",
		fmt.Sprintf("/event?seq=%d", first): "<h1>job_submitted</h1>",
	} {
		if body := w.get("auditor", target).Body.String(); !strings.Contains(body, want) {
			t.Errorf("%s lacks %q", target, want)
		}
	}
	if body := w.get("auditor", "/story?interaction=family").Body.String(); !regexp.MustCompile(`<h2>job root <span class="badge good">[^\n]*succeeded`).MatchString(body) {
		t.Errorf("the first job of very many does not stand where it stands: %.3000s", body)
	}
}

// A query may be 4 KiB long, and each link repeats it: a page that would be too long for that has none, says so, and goes on to
// older results. What an event says takes no link away.
func TestLongQuery(t *testing.T) {
	w := newSite(t)
	var events []map[string]any
	for i := range 60 {
		events = append(events, map[string]any{"event_type": "bulk_read", "environment": "test", "user_id": fmt.Sprint("user ", i), "description": strings.Repeat("&", 400), "status": []string{"success", "failure"}[i%2]})
	}
	w.record(events...)
	w.found("auditor", "/search")
	var conditions strings.Builder
	for i := range 60 {
		fmt.Fprintf(&conditions, " -actor:z%d", i)
	}
	for what, c := range map[string]struct {
		query string
		long  bool
	}{
		"4 KiB": {`event:bulk_read -"` + strings.Repeat("é", 2038) + `"`, true}, "conditions": {"event:bulk_read" + conditions.String(), true},
		"nothing found": {`event:nowhere -"` + strings.Repeat("é", 2038) + `"`, true}, "short": {"event:bulk_read", false},
	} {
		for _, more := range []string{"", "&live=1"} {
			a := w.get("auditor", "/search?q="+url.QueryEscape(c.query)+more)
			body := a.Body.String()
			if n := w.weight(a); a.Code != http.StatusOK || n > 100_000 {
				t.Errorf("%s%s: %d, %d bytes", what, more, a.Code, n)
			}
			if said := strings.Contains(body, "This query is so long"); said != c.long {
				t.Errorf("%s%s: that the query is long is said: %v", what, more, said)
			}
			if found := !strings.Contains(c.query, "nowhere"); found && (!strings.Contains(body, "icons.svg") || strings.Count(body, `<li class="row`) != pageRows || !strings.Contains(body, "&amp;q=")) {
				t.Errorf("%s%s: the results, or the way to older ones, are not there", what, more)
			}
			if live := strings.Contains(body, `href="search?live=1`) || strings.Contains(body, `id="live"`); live == c.long {
				t.Errorf("%s%s: live results can be had: %v", what, more, live)
			}
		}
	}
}

// seqOf is the number of the last entry of an interaction.
func (w *site) seqOf(interaction string) (seq uint64) {
	body := w.found("auditor", "/search?q=interaction:"+interaction).Body.String()
	m := regexp.MustCompile(`href="event\?seq=(\d+)"`).FindStringSubmatch(body)
	if m == nil {
		w.t.Fatalf("nothing of %s is found", interaction)
	}
	_, _ = fmt.Sscan(m[1], &seq)
	return seq
}

// expected is what an office would say of so many jobs that must run.
func expected(n int) server.Route {
	return server.Route{Method: http.MethodGet, Pattern: "/v1/expectations", Handle: func(a http.ResponseWriter, _ *http.Request, _ *server.Call) error {
		var all []string
		for i := range n {
			all = append(all, fmt.Sprintf(`{"id":"%016x","job":"job %d","schedule":"cron 0 3 * * *","zone":"UTC","grace":"1h","seq":0}`, i, i))
		}
		_, err := fmt.Fprintf(a, `{"expectations":[%s]}`, strings.Join(all, ","))
		return err
	}}
}
