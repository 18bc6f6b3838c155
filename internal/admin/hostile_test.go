package admin

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stetlog/stet/internal/auth"
)

// An attacked is a route, who may use it, and a body that it takes.
type attacked struct {
	method, target string
	may            []string // roles
	body           map[string]any
}

func attackedRoutes() []attacked {
	admin, readers := []string{"admin"}, []string{"admin", "auditor"}
	return []attacked{
		{http.MethodPost, ExportsPath, readers, map[string]any{"file": "sha256:" + strings.Repeat("0f", 32), "query": "event:job_failed", "entries": 3, "size": 9, "whole": "0-8", "as": "csv"}},
		{http.MethodGet, ExpectationsPath, readers, nil},
		{http.MethodPost, ExpectationsPath, admin, map[string]any{"job": "nightly", "app": "billing", "environment": "production", "schedule": "every 24h", "zone": "UTC", "grace": "1h"}},
		{http.MethodDelete, ExpectationsPath + "/", admin, nil},
		{http.MethodGet, AlertsPath, admin, nil},
		{http.MethodPost, AlertsPath, admin, map[string]any{"name": "failures", "query": "event:job_failed", "url": "https://hooks.example/x", "secret": "", "window_ms": 60000, "allow_private": false}},
		{http.MethodDelete, AlertsPath + "/", admin, nil},
		{http.MethodPost, AlertsPath + "//test", admin, nil},
		{http.MethodPost, TokensPath, admin, map[string]any{"name": "web-1", "role": "writer", "app": "billing", "environment": "production", "expires_s": 3600}},
		{http.MethodDelete, TokensPath + "/", admin, nil},
		{http.MethodDelete, KeysPath + "/", admin, nil},
	}
}

// TestHostile: whatever comes to the routes of the administration, and whoever sends it, the answer is documented and no
// failure of the server's own; who may not use a route changes nothing; and nothing secret is said or written down.
func TestHostile(t *testing.T) {
	n := 1500
	if os.Getenv("STET_LONG") == "1" {
		n *= 100
	}
	w := newSite(t)
	roles := []string{"admin", "auditor", "reader", "writer"}
	w.token("admin", auth.Spec{Role: auth.Admin})
	w.token("auditor", auth.Spec{Role: auth.Auditor})
	w.token("reader", auth.Spec{Role: auth.Reader, App: "billing"})
	w.token("writer", auth.Spec{Role: auth.Writer, App: "billing"})
	routes, r := attackedRoutes(), rand.New(rand.NewPCG(3, 4))
	answers := map[int]int{}
	for i := range n {
		a := routes[i%len(routes)]
		role, target, typ, body := roles[r.IntN(len(roles))], a.target, "application/json", []byte(nil)
		target = strings.TrimSuffix(strings.Replace(target+"/", "//", "/"+hostileName(r)+"/", 1), "/")
		if a.body != nil {
			body = hostileBody(r, a.body)
		}
		if r.IntN(20) == 0 {
			typ, body = pick(r, "text/plain", "application/x-www-form-urlencoded", "application/json, application/json", "", ";"), []byte(`{}`)
		}
		if r.IntN(10) == 0 {
			target += pick(r, "?q=x", "?%zz", "?token="+strings.Repeat("a", 100), "?limit=-1", "?\x7f=1")
		}
		if _, err := url.ParseRequestURI(target); err != nil || strings.ContainsAny(target, " \x7f") {
			continue // net/http refuses it before any handler
		}
		status, answer := w.do(role, a.method, target, typ, body)
		answers[status]++
		what := fmt.Sprintf("%d: %s %s %.80q by the %s: %.200q", i, role, a.method, target, role, body)
		switch {
		case status >= http.StatusInternalServerError:
			t.Errorf("%s is answered %d: %s", what, status, answer)
		case status < http.StatusBadRequest && !slices.Contains(a.may, role):
			t.Errorf("%s, who may not, is answered %d: %s", what, status, answer)
		case status < http.StatusOK || status >= 300 && status < 400:
			t.Errorf("%s is answered %d", what, status)
		}
		if status >= http.StatusBadRequest {
			var p struct {
				Code   string `json:"code"`
				Status int    `json:"status"`
			}
			if err := json.Unmarshal(answer, &p); err != nil || p.Code == "" || p.Status != status {
				t.Errorf("%s is answered %d without a code: %v\n%s", what, status, err, answer)
			}
		}
	}
	t.Log(answers)
	if ok := answers[http.StatusOK]; ok == 0 || ok > n/2 || answers[http.StatusForbidden] == 0 || answers[http.StatusBadRequest] == 0 {
		t.Errorf("the attacks are no mixture of all kinds: %v", answers)
	}
	w.log.mu.Lock()
	defer w.log.mu.Unlock()
	if log := w.log.Bytes(); bytes.Contains(log, []byte("panic")) || bytes.Contains(log, []byte(`"level":"ERROR"`)) {
		t.Errorf("the server's own log tells of a failure: %.2000s", log)
	}
	scan(t, "the server's own log", w.log.Bytes(), slices.Collect(maps.Values(w.tokens))...)
	scan(t, "an answer", w.seen.Bytes(), slices.Collect(maps.Values(w.tokens))...)
}

func pick[T any](r *rand.Rand, of ...T) T { return of[r.IntN(len(of))] }

// hostileName is what may stand in a path where a name or an id is expected.
func hostileName(r *rand.Rand) string {
	return url.PathEscape(pick(r, "nobody", "0123456789abcdef", "..", ".", "%2e%2e", "a/b", "\x00", "\u202e", "\xff", "tokens", strings.Repeat("a", 5000), "*", "' OR 1=1", "admin\r\nX: y", "é", "-", "sha256:"+strings.Repeat("0", 64)))
}

// hostileBody is a body of a route with one of its members, or all of it, made into something else.
func hostileBody(r *rand.Rand, good map[string]any) []byte {
	values := []string{`null`, `true`, `-1`, `1e400`, `9007199254740993`, `18446744073709551616`, `1.5`, `""`, `" "`, `"\u0000"`, `"\u202e"`, "\"\x01\"", "\"\xff\"", `[]`, `{}`, `[[]]`,
		`"` + strings.Repeat("a", 300) + `"`, `"` + strings.Repeat("a", 70_000) + `"`, strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000), `"http://user:secret@host/#x"`, `"file:///etc/passwd"`, `"javascript:alert(1)"`,
		`"../../etc/passwd"`, `"cron * * * * * * *"`, `"cron 61 25 32 13 8"`, `"every 0s"`, `"every 999999h"`, `"oncalendar *-02-30"`, `"Mars/Olympus"`, `"../UTC"`, `"((((((((("`, `"-(-(-a)) OR ip:0/0"`, `"admin"`, `"stet"`, `"whsec_AAAA"`, `"=cmd|x"`}
	members := slices.Sorted(maps.Keys(good))
	at := r.IntN(len(members))
	var b bytes.Buffer
	b.WriteByte('{')
	for i, k := range members {
		v, err := json.Marshal(good[k])
		if err != nil {
			panic(err) // a map of texts and numbers
		}
		if i == at {
			v = []byte(pick(r, values...))
		}
		fmt.Fprintf(&b, "%s%q:%s", strings.Repeat(",", min(i, 1)), k, v)
	}
	b.WriteByte('}')
	switch whole := b.Bytes(); r.IntN(12) {
	case 0:
		return whole[:r.IntN(len(whole))]
	case 1: // a member twice
		return fmt.Appendf(nil, `{%q:1,%s`, members[at], whole[1:])
	case 2:
		return fmt.Appendf(nil, `{"role\u0000":"admin",%s`, whole[1:])
	case 3:
		return append(whole, whole...)
	case 4:
		return []byte(pick(r, "", " ", "[]", "null", "0", `"`, "\xef\xbb\xbf{}", "{}{}", "<xml/>", strings.Repeat("{", 5000), `{"a":1}`))
	case 5: // as it should be, but for a name of its own
		v := maps.Clone(good)
		for _, k := range []string{"name", "job"} {
			if _, ok := v[k]; ok {
				v[k] = fmt.Sprint("n", r.IntN(1_000_000))
			}
		}
		if b, err := json.Marshal(v); err == nil {
			return b
		}
	case 6:
		for range 3 {
			whole[r.IntN(len(whole))] ^= 1 << r.IntN(8)
		}
	}
	return b.Bytes()
}
