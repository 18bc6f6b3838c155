package server

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/auth"
	"github.com/stetlog/stet/internal/index/indextest"
	"github.com/stetlog/stet/internal/search"
	"github.com/stetlog/stet/internal/wire"
	"github.com/stetlog/stet/proof"
)

// TestFindsWhatAScanFinds: over generated logs and queries, what is found over HTTP, page by page, is what a naive scan of the log
// finds that the caller may read; and so are counts, and what a stream tells.
func TestFindsWhatAScanFinds(t *testing.T) {
	asked, hits, stubs := 0, 0, 0
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld(t, nil)
		hands := map[string][]*hand{}
		for i, app := range []string{"app1", "app2"} {
			for name, role := range map[string]auth.Role{"writes " + app: auth.Writer, app: auth.Reader} {
				var err error
				if w.tokens[name], _, err = w.auth.Create(auth.Spec{Name: fmt.Sprint(role, "-", app), Role: role, App: app}); err != nil {
					t.Fatal(err)
				}
			}
			for j, env := range []string{"", "production"} {
				h := newHand(byte(10+i), app).at(streamOf(uint64(100 + 10*i + j)))
				h.environment = env
				hands[app] = append(hands[app], h)
			}
		}
		n := 0
		for range rapid.IntRange(1, 6).Draw(rt, "batches") {
			app := rapid.SampledFrom([]string{"app1", "app2"}).Draw(rt, "app")
			h := rapid.SampledFrom(hands[app]).Draw(rt, "hand")
			b := h.sealed(rapid.IntRange(1, 5).Draw(rt, "events"), func(_ int, e *event.Event) {
				n++
				drawn := indextest.Event(rt, n, time.Now())
				drawn.EventID, drawn.AppID, drawn.Environment, drawn.StreamID, drawn.StreamSeq, drawn.Clock = e.EventID, e.AppID, e.Environment, e.StreamID, e.StreamSeq, e.Clock
				*e = *drawn
			}, nil)
			if got := receipts(t, w.post("writes "+app, wire.Element{Batch: &b})).Results[0]; got.Status != wire.Placed {
				rt.Fatalf("%+v", got)
			} else {
				stubs += len(got.Stubs)
			}
		}
		stop := w.followUntil()
		defer stop()
		w.caughtUp()
		all := w.scanned(rt, search.Query{})
		for range 8 {
			q, err := search.Parse(search.Query{Root: indextest.Query(rt, all, 3)}.String())
			if err != nil {
				continue // it is not in normal form, and too long or too deep as it is written
			}
			who := rapid.SampledFrom([]string{"auditor", "app1"}).Draw(rt, "who")
			var want []uint64
			for _, r := range w.scanned(rt, q) {
				if who == "auditor" || r.Event != nil && r.Event.AppID == who {
					want = append(want, r.Seq)
				}
			}
			order := rapid.SampledFrom([]string{oldest, newest}).Draw(rt, "order")
			got := w.allPages(rt, who, q.String(), order, rapid.IntRange(1, 10).Draw(rt, "limit"))
			if order == newest {
				slices.Reverse(got)
			}
			if !slices.Equal(got, want) {
				rt.Fatalf("%s: %s finds %v, a scan %v", q, who, got, want)
			}
			var c counted
			w.get(who, "/v1/counts?q="+url.QueryEscape(q.String()), &c)
			if c.Count != uint64(len(want)) || c.AtLeast {
				rt.Fatalf("%s: %s counts %d, a scan %d", q, who, c.Count, len(want))
			}
			if len(want) > 0 {
				body := w.do(who, http.MethodGet, fmt.Sprintf("/v1/tail?from=0&limit=%d&q=%s", len(want), url.QueryEscape(q.String())), nil).body
				if got := shown(body); !slices.Equal(got, want) {
					rt.Fatalf("%s: the stream tells %s of %v, a scan finds %v", q, who, got, want)
				}
			}
			if asked++; len(want) > 0 && len(want) < len(all) {
				hits++
			}
		}
	})
	t.Logf("%d questions, %d of them found something and not everything; %d events became stubs", asked, hits, stubs)
	if hits*5 < asked {
		t.Errorf("only %d of %d queries found something and not everything: the generator is of no use", hits, asked)
	}
}

// scanned is what a naive scan of the whole log finds.
func (w *world) scanned(t *rapid.T, q search.Query) (all []*search.Record) {
	cp, err := proof.ParseCheckpointText(w.held.Checkpoint())
	if err == nil {
		err = search.NewScanner(w.held.Source(), q, time.Now()).Forward(w.t.Context(), cp, 0, func(h search.Hit) error {
			all = append(all, h.Record)
			return nil
		})
	}
	if err != nil {
		t.Fatalf("%v", err)
	}
	return all
}

// allPages are the numbers of all rows.
func (w *world) allPages(t *rapid.T, who, query, order string, limit int) (got []uint64) {
	params := []string{"order", order, "limit", strconv.Itoa(limit)}
	for pages := 0; ; pages++ {
		a := w.find(who, query, params...)
		if len(a.Rows) > limit || !a.Searched.Complete || pages > 100 {
			t.Fatalf("%s: page %d has %d rows, %+v", query, pages, len(a.Rows), a.Searched)
		}
		for _, row := range a.Rows {
			if row.State != "verified" {
				t.Fatalf("%s: entry %d: %s", query, row.Seq, row.Doubt)
			}
		}
		if got = append(got, a.seqs()...); a.Next == "" {
			return got
		}
		params = append(params[:4], "cursor", a.Next)
	}
}
