package admin

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/stetlog/stet/internal/auth"
	"github.com/stetlog/stet/internal/wire"
	"github.com/stetlog/stet/proof"
)

// TestLogKeysOverHTTP: the log's key is rotated and retired by an administrator; everybody can follow, and tokens that were
// made before stay good.
func TestLogKeysOverHTTP(t *testing.T) {
	w := newSite(t)
	w.token("boss", auth.Spec{Role: auth.Admin})
	w.token("before", auth.Spec{Role: auth.Auditor})
	first := w.held.LogKeys().First
	ask := func(method, target string, want int) (l logKeyList) {
		t.Helper()
		status, b := w.do("boss", method, target, "", nil)
		if status != want {
			t.Fatalf("%s %s: %d, want %d: %s", method, target, status, want, b)
		}
		if want == http.StatusOK {
			if err := json.Unmarshal(b, &l); err != nil {
				t.Fatal(err)
			}
		}
		return l
	}
	if l := ask(http.MethodGet, LogKeysPath, http.StatusOK); len(l.Keys) != 1 || l.Keys[0].VKey != first || !l.Keys[0].Signs {
		t.Errorf("before: %+v", l)
	}
	ask(http.MethodDelete, OldLogKeysPath, http.StatusNotFound)
	ask(http.MethodGet, "/logkeys", http.StatusNotFound)
	l := ask(http.MethodPost, LogKeysPath, http.StatusOK)
	if len(l.Keys) != 2 || !l.Keys[0].Signs || !l.Keys[1].Signs || l.Keys[1].Since == 0 {
		t.Fatalf("rotated: %+v", l)
	}
	second := l.Keys[1].VKey
	status, b := w.do("", http.MethodGet, "/logkeys", "", nil)
	chain, err := proof.ParseKeyChain(b)
	if err != nil {
		t.Fatalf("%d: %v: %s", status, err, b)
	}
	if newest, err := chain.Newest(first); err != nil || newest != second {
		t.Errorf("the chain leads to %s, %v", newest, err)
	}
	if l := ask(http.MethodDelete, OldLogKeysPath, http.StatusOK); l.Keys[0].Signs || !l.Keys[1].Signs {
		t.Errorf("retired: %+v", l)
	}
	w.token("after", auth.Spec{Role: auth.Auditor})
	for _, who := range []string{"before", "after"} {
		if status, b := w.do(who, http.MethodGet, "/checkpoint", "", nil); status != http.StatusOK {
			t.Errorf("%s: %d %s", who, status, b)
		}
	}
	if !wire.Pins(w.tokens["before"], first) || !wire.Pins(w.tokens["after"], second) {
		t.Error("a token names another key than the one that the log had when it was made")
	}
}
