package server

import (
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"testing"

	"github.com/stetlog/stet/internal/auth"
	"github.com/stetlog/stet/internal/wire"
)

// shown are all entries that an answer shows anything of.
func shown(body string) (out []uint64) {
	for _, m := range regexp.MustCompile(`"v":1,"seq":([0-9]+),`).FindAllStringSubmatch(body, -1) {
		seq, _ := strconv.ParseUint(m[1], 10, 64)
		out = append(out, seq)
	}
	slices.Sort(out)
	return out
}

// Whoever asks, for whatever, by whichever route that finds events: they are shown what GET /v1/entries would show them, all
// of it and nothing else, and are not told that there is more.
func TestWhoSeesWhat(t *testing.T) {
	w := newWorld(t, nil)
	w.follow()
	shop, bank := newSender(t, "shop"), newSender(t, "bank")
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
	everything := shown(w.do("auditor", http.MethodGet, "/v1/events?limit=1000", nil).body)
	for name := range w.tokens {
		var may []uint64
		for seq := range size {
			if r := w.do(name, http.MethodGet, "/v1/entries/"+strconv.FormatUint(seq, 10), nil); r.status == http.StatusOK && slices.Contains(everything, seq) {
				may = append(may, seq)
			}
		}
		for _, target := range []string{
			"/v1/events?limit=1000", "/v1/events?limit=1000&q=interaction:order-1+OR+-interaction:order-1", "/v1/events?limit=1000&q=app:*+OR+-app:*",
			"/v1/events?limit=1000&order=oldest&q=-(app:nobody+actor:nobody)",
		} {
			r := w.do(name, http.MethodGet, target, nil)
			if name == "writer" || name == "other" {
				wantRefusal(t, r, wire.NotAllowed)
				continue
			}
			if got := shown(r.body); r.status != http.StatusOK || !slices.Equal(got, may) {
				t.Errorf("%s for %s: status %d, shown %v, may see %v", target, name, r.status, got, may)
			}
		}
	}
	if n := len(everything); n < 12 {
		t.Errorf("only %d entries were asked for", n)
	}
}
