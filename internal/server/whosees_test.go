package server

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stetlog/stet/internal/auth"
	"github.com/stetlog/stet/internal/wire"
)

// shown are all entries that an answer shows anything of.
func shown(body string) (out []uint64) {
	for _, m := range regexp.MustCompile(`"seq":([0-9]+),`).FindAllStringSubmatch(body, -1) {
		seq, _ := strconv.ParseUint(m[1], 10, 64)
		out = append(out, seq)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// Whoever asks, for whatever, by whichever route that finds events: they are shown what GET /v1/entries would show them, all
// of it and nothing else, and are not told that there is more.
func TestWhoSeesWhat(t *testing.T) {
	w := newWorld(t, nil)
	w.follow()
	shop, bank := newSender(t, "shop"), newSender(t, "bank")
	w.job("writer", "order-1", "job-of-shop", "", "submitted", "started")
	w.job("other", "order-1", "job-of-bank", "job-of-shop", "submitted", "started")
	for range 3 {
		receipts(t, w.post("writer", shop.say(2)))
		receipts(t, w.post("other", bank.say(2)))
	}
	for name, spec := range map[string]auth.Spec{
		"reader of test": {Role: auth.Reader, App: "shop", Environment: "test"}, "reader of none": {Role: auth.Reader, App: "shop", Environment: "production"},
	} {
		spec.Name = regexp.MustCompile(`\W`).ReplaceAllString(name, "-")
		var err error
		if w.tokens[name], _, err = w.auth.Create(spec); err != nil {
			t.Fatal(err)
		}
	}
	w.caughtUp()
	size := w.held.State().Published
	inStory := shown(w.do("auditor", http.MethodGet, "/v1/events?limit=1000&q=interaction:order-1", nil).body)
	everything := shown(w.do("auditor", http.MethodGet, "/v1/events?limit=1000", nil).body)
	for name := range w.tokens {
		var may, story []uint64
		for seq := range size {
			if r := w.do(name, http.MethodGet, "/v1/entries/"+strconv.FormatUint(seq, 10), nil); r.status == http.StatusOK && slices.Contains(everything, seq) {
				if may = append(may, seq); slices.Contains(inStory, seq) {
					story = append(story, seq)
				}
			}
		}
		writes := name == "writer" || name == "other" || name == "publisher"
		for _, target := range []string{
			"/v1/events?limit=1000", "/v1/events?limit=1000&q=interaction:order-1+OR+-interaction:order-1", "/v1/events?limit=1000&q=app:*+OR+-app:*",
			"/v1/events?limit=1000&order=oldest&q=-(app:nobody+actor:nobody)",
		} {
			r := w.do(name, http.MethodGet, target, nil)
			if writes {
				wantRefusal(t, r, wire.NotAllowed)
				continue
			}
			if got := shown(r.body); r.status != http.StatusOK || !slices.Equal(got, may) {
				t.Errorf("%s for %s: status %d, shown %v, may see %v", target, name, r.status, got, may)
			}
		}
		if len(may) > 0 || writes {
			r := w.do(name, http.MethodGet, fmt.Sprintf("/v1/tail?from=0&limit=%d", max(1, len(may))), nil)
			if writes {
				wantRefusal(t, r, wire.NotAllowed)
			} else if got := shown(r.body); !slices.Equal(got, may) {
				t.Errorf("the stream for %s has %v, may have %v", name, got, may)
			}
		}
		switch r := w.do(name, http.MethodGet, "/v1/stories/order-1", nil); {
		case writes:
			wantRefusal(t, r, wire.NotAllowed)
		case len(story) == 0:
			wantRefusal(t, r, wire.NotFound)
		case !slices.Equal(shown(r.body), story):
			t.Errorf("the story for %s has %v, may have %v", name, shown(r.body), story)
		}
		for app, id := range map[string]string{"shop": "job-of-shop", "bank": "job-of-bank"} {
			for _, target := range []string{"/v1/jobs/" + id, "/v1/jobs/" + id + "/lineage"} {
				switch r := w.do(name, http.MethodGet, target, nil); {
				case writes:
					wantRefusal(t, r, wire.NotAllowed)
				case name == "auditor" || name == "admin" || name == "reader" && app == "shop" || name == "otherReader" && app == "bank":
					if other := map[string]string{"reader": "job-of-bank", "otherReader": `"id":"job-of-shop"`}[name]; r.status != http.StatusOK || other != "" && strings.Contains(r.body, other) {
						t.Errorf("%s for %s: status %d: %s", target, name, r.status, r.body)
					}
				default:
					wantRefusal(t, r, wire.NotFound)
				}
			}
		}
		if writes {
			wantRefusal(t, w.do(name, http.MethodGet, "/v1/counts", nil), wire.NotAllowed)
			continue
		}
		var n counted
		w.get(name, "/v1/counts?facet=app&histogram=1", &n)
		sum := uint64(0)
		for _, v := range n.Facet.Values {
			sum += v.Count
			if name == "reader" && v.Value != "shop" {
				t.Errorf("a reader of shop is told of %d events of %s", v.Count, v.Value)
			}
		}
		if want := uint64(len(may)); n.Count != want || n.Bars[0].Count != want || sum != want {
			t.Errorf("for %s there are %d entries, %d by time, %d by application; may see %d", name, n.Count, n.Bars[0].Count, sum, want)
		}
	}
	if n := len(everything); n < 12 {
		t.Errorf("only %d entries were asked for", n)
	}
}
