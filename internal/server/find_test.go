package server

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stetlog/stet/internal/index"
	"github.com/stetlog/stet/internal/wire"
	"github.com/stetlog/stet/proof"
)

// foundAnswer is what GET /v1/events answers.
type foundAnswer struct {
	Format   string
	Query    string
	Order    string
	Searched searched
	Rows     []struct {
		Seq                     uint64
		State, Doubt, Key, Leaf string
		Entry                   json.RawMessage
	}
	Next string
}

func (f foundAnswer) seqs() (out []uint64) {
	for _, r := range f.Rows {
		out = append(out, r.Seq)
	}
	return out
}

// caughtUp waits until the index has all that is published.
func (w *world) caughtUp() {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), time.Minute)
	defer cancel()
	for k := w.server.keeper; ; {
		next := k.next()
		if k.indexed() == w.held.State().Published {
			return
		}
		k.poke()
		select {
		case <-next:
		case <-ctx.Done():
			w.t.Fatalf("%d entries are indexed", k.indexed())
		}
	}
}

// find asks GET /v1/events.
func (w *world) find(token, query string, params ...string) (a foundAnswer) {
	w.t.Helper()
	v := url.Values{"q": {query}}
	for i := 0; i < len(params); i += 2 {
		v.Set(params[i], params[i+1])
	}
	r := w.do(token, http.MethodGet, "/v1/events?"+v.Encode(), nil)
	if err := json.Unmarshal([]byte(r.body), &a); err != nil || r.status != http.StatusOK {
		w.t.Fatalf("%s: status %d: %v\n%s", query, r.status, err, r.body)
	}
	return a
}

// What is found comes in pages, in either order, with the exact bytes that are hashed; all pages together are all of it.
func TestFind(t *testing.T) {
	w := newWorld(t, nil)
	w.follow()
	s := newSender(t, "shop")
	var want []uint64
	for range 4 {
		placed := receipts(t, w.post("writer", s.say(3))).Results[0]
		want = append(want, *placed.Seq, *placed.Seq+1, *placed.Seq+2)
	}
	w.caughtUp()
	for _, order := range []string{oldest, newest} {
		var got []uint64
		cursor := ""
		for range len(want) + 1 {
			params := []string{"limit", "5", "order", order}
			if cursor != "" {
				params = append(params, "cursor", cursor)
			}
			a := w.find("auditor", "event:shop_checkout", params...)
			if a.Order != order || !a.Searched.Complete || a.Searched.Rebuilding || a.Searched.Size != w.held.State().Published {
				t.Errorf("searched %+v", a.Searched)
			}
			for _, row := range a.Rows {
				if row.State != "verified" || row.Doubt != "" || row.Leaf != proof.LeafHash(row.Entry).Hex() || row.Key != s.key.VKey {
					t.Errorf("entry %d: %+v", row.Seq, row)
				}
			}
			got = append(got, a.seqs()...)
			if cursor = a.Next; cursor == "" {
				break
			}
		}
		if order == newest {
			slices.Reverse(got)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s first: found %v, want %v", order, got, want)
		}
	}
	if a := w.find("auditor", " -status:success  event:shop_checkout "); a.Query != "-status:success event:shop_checkout" {
		t.Errorf("the query is said to be %q", a.Query)
	}
}

// A question that is asked wrongly is refused, and a query's error shows where.
func TestFindRefuses(t *testing.T) {
	w := newWorld(t, nil)
	w.follow()
	good := cursor(windowAt(7, false))
	for target, want := range map[string]wire.Code{
		"?q=evnt:x": wire.InvalidQuery, "?q=severity:1..": wire.InvalidQuery, "?limit=0": wire.Malformed, "?limit=1001": wire.Malformed, "?limit=05": wire.Malformed,
		"?Q=x": wire.Malformed, "?q=a&q=b": wire.Malformed, "?q=%zz": wire.Malformed, "?order=up": wire.Malformed, "?cursor=": wire.Malformed, "?cursor=MTIz": wire.Malformed,
		"?order=oldest&cursor=" + good: wire.Malformed, "?cursor=" + good + "!": wire.Malformed, "?q=" + strings.Repeat("a", 4097): wire.InvalidQuery,
	} {
		p := wantRefusal(t, w.do("auditor", http.MethodGet, "/v1/events"+target, nil), want)
		if (want == wire.InvalidQuery) != (strings.Count(p.Caret, "^") > 0) {
			t.Errorf("%.60s: caret %q", target, p.Caret)
		}
	}
	if p := wantRefusal(t, w.do("auditor", http.MethodGet, "/v1/events?q=evnt:x", nil), wire.InvalidQuery); p.Hint != "do you mean event?" || p.Caret != "evnt:x\n^^^^" {
		t.Errorf("hint %q, caret %q", p.Hint, p.Caret)
	}
	if r := w.do("auditor", http.MethodGet, "/v1/events?cursor="+good, nil); r.status != http.StatusOK {
		t.Errorf("a good cursor: status %d", r.status)
	}
}

// There are only so many questions at once, of one token and of all, and none takes longer than it may.
func TestFindIsBounded(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.Limits.Queries = 4 })
	w.follow()
	const target = "/v1/events"
	for range cap(w.server.asking) {
		w.server.asking <- struct{}{}
	}
	wantRefusal(t, w.do("auditor", http.MethodGet, target, nil), wire.RateLimited)
	for range cap(w.server.asking) {
		<-w.server.asking
	}
	mine := w.server.quotas.of("token auditor")
	for range 3 {
		if !mine.ask(3) {
			t.Fatal("no place for a question")
		}
	}
	wantRefusal(t, w.do("auditor", http.MethodGet, target, nil), wire.RateLimited)
	if r := w.do("admin", http.MethodGet, target, nil); r.status != http.StatusOK {
		t.Errorf("somebody else is answered with %d", r.status)
	}
	if n := len(w.server.asking); n != 0 {
		t.Errorf("%d questions are said to be under way", n)
	}
}

// An index that is not there yet, or not all of it, is said to be so; nothing is told as if it were all.
func TestFindSaysWhatWasSearched(t *testing.T) {
	w := newWorld(t, nil)
	receipts(t, w.post("writer", newSender(t, "shop").say(3)))
	a := w.find("auditor", "")
	if a.Searched.Indexed != 0 || a.Searched.Complete || !a.Searched.Rebuilding || a.Searched.Size != w.held.State().Published || len(a.Rows) > 0 {
		t.Errorf("before the index is there: %+v", a)
	}
	w.follow()
	w.caughtUp()
	if a = w.find("auditor", ""); !a.Searched.Complete || a.Searched.Rebuilding || len(a.Rows) < 3 {
		t.Errorf("then: %+v", a.Searched)
	}
}

// Who records something finds it with the next question.
func TestFindWhatWasJustRecorded(t *testing.T) {
	w := newWorld(t, nil)
	w.follow()
	s := newSender(t, "shop")
	for range 20 {
		seq := *receipts(t, w.post("writer", s.say(1))).Results[0].Seq
		if a := w.find("auditor", fmt.Sprint("seq:", seq)); a.Searched.Complete && len(a.Rows) != 1 {
			t.Errorf("entry %d is not found: %+v", seq, a.Searched)
		}
	}
}

func windowAt(seq uint64, ascending bool) index.Window {
	return index.Window{From: seq, To: seq, Oldest: ascending}
}
