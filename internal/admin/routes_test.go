package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/alert"
	"github.com/stetlog/stet/internal/auth"
	"github.com/stetlog/stet/internal/fsx"
	"github.com/stetlog/stet/internal/fsx/fsxtest"
	"github.com/stetlog/stet/internal/index"
	"github.com/stetlog/stet/internal/keyfile"
	"github.com/stetlog/stet/internal/known"
	"github.com/stetlog/stet/internal/logread"
	"github.com/stetlog/stet/internal/published"
	"github.com/stetlog/stet/internal/server"
	"github.com/stetlog/stet/internal/spool"
	"github.com/stetlog/stet/internal/store"
	"github.com/stetlog/stet/internal/wire"
	"github.com/stetlog/stet/proof"
)

// site is a whole server on a disk in memory.
type site struct {
	t      testing.TB
	disk   *fsxtest.Mem
	held   *store.Held
	office *Office
	server *server.Server
	log    lockedBuffer // the server's own
	seen   bytes.Buffer // all that it answered
	tokens map[string]string
	// document is what answers are held against, and match finds the route of a request.
	document document
	match    *http.ServeMux
}

type lockedBuffer struct {
	mu sync.Mutex
	bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.Write(p)
}

func newSite(t testing.TB) *site {
	t.Helper()
	w := &site{t: t, disk: fsxtest.New(), tokens: map[string]string{}, document: readDocument(t), match: http.NewServeMux()}
	keys := store.Keys{Log: key(t, "log.example/a"), Store: key(t, "stet-store/a")}
	s := store.New(w.disk, known.Dir{FS: w.disk, Name: "state"}, func(bool) (store.Keys, error) { return keys, nil })
	s.Door = func(name string) (keyfile.Key, error) { return key(t, name), nil }
	var err error
	if w.held, err = s.Hold(context.Background(), store.HoldOptions{Preallocate: -1, PublishBusy: time.Millisecond}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.held.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	tokens, err := auth.Open(w.disk, auth.Options{LogKeys: []string{keys.Log.VKey}})
	if err != nil {
		t.Fatal(err)
	}
	logger := slog.New(slog.NewJSONHandler(&w.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	w.office = &Office{Log: w.held, Tokens: tokens, FS: w.disk}
	if w.office.Alerts, err = alert.Open(alert.Options{Log: w.held, Source: w.held.Source(), FS: w.disk, StoreKey: keys.Store.VKey, Logger: logger}); err != nil {
		t.Fatal(err)
	}
	watch := &Watch{Log: w.held, Logger: logger}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		watch.Run(ctx)
	}()
	t.Cleanup(func() { // before the store is closed
		cancel()
		<-done
	})
	w.server, err = server.New(server.Options{Log: w.held, Authority: tokens, Logger: logger, Routes: w.office.Routes(), Feed: published.New(w.held, w.held.Source()),
		Refused: watch.RefusedPeer, Read: watch.ReadBy, Index: func() (*index.Index, error) { return index.Open(w.disk, keys.Log.VKey) }})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- w.server.Serve(ctx, time.Second) }() // no listener: it follows the log with its index
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	for _, rt := range w.server.Routes() {
		w.match.HandleFunc(rt.Method+" "+rt.Pattern, func(http.ResponseWriter, *http.Request) {})
	}
	return w
}

// token makes a token by a name of the test's.
func (w *site) token(name string, s auth.Spec) {
	w.t.Helper()
	s.Name = name
	text, _, err := w.office.CreateToken(w.t.Context(), root(), s)
	if err != nil {
		w.t.Fatal(err)
	}
	w.tokens[name] = text
}

// do sends a request with one of the tokens, or with text that is none of them.
func (w *site) do(token, method, target, typ string, body []byte) (int, []byte) {
	w.t.Helper()
	r := httptest.NewRequest(method, "http://127.0.0.1"+target, bytes.NewReader(body))
	if body == nil {
		r.Body, r.ContentLength = http.NoBody, 0
	} else {
		r.Header.Set("Content-Type", typ)
	}
	if token != "" {
		text, ok := w.tokens[token]
		if !ok {
			text = token
		}
		r.Header.Set("Authorization", "Bearer "+text)
	}
	rec := httptest.NewRecorder()
	w.server.Handler().ServeHTTP(rec, r)
	for k, v := range rec.Header() {
		fmt.Fprintln(&w.seen, k, v)
	}
	w.seen.Write(rec.Body.Bytes())
	if _, pattern := w.match.Handler(r); pattern != "" {
		method, path, _ := strings.Cut(pattern, " ")
		w.against(server.Route{Method: method, Pattern: path}, rec.Code, rec.Body.Bytes())
	}
	return rec.Code, rec.Body.Bytes()
}

// batch is one event of a new stream, sealed.
func (w *site) batch(k keyfile.Key, app, environment string) (wire.Element, string) {
	w.t.Helper()
	var random [10]byte
	copy(random[:], fmt.Sprintf("%d", time.Now().UnixNano()%1e10))
	stream := event.NewUUIDv7(time.Now(), random)
	raw, err := (&event.Codec{}).Append(nil, &event.Event{
		EventID: event.NewUUIDv7(time.Now(), random), InteractionID: "order-1", AppID: app, AppVersion: "1.4.2", Environment: environment, CodeLocation: "shop.go:1",
		EntryPoint: &event.EntryPoint{Kind: "function", Name: "main"}, Host: &event.Host{Name: "web1", IP: "192.0.2.1"},
		Principal: &event.Principal{Type: "service_account", ID: "uid:0@web1"},
		Absent:    map[string]string{"user_id": event.AbsentNotApplicable, "source_ip": event.AbsentNotApplicable},
		EventType: "shop_checkout", Description: "something happened",
		Timestamp: time.Now(), StreamID: stream, StreamSeq: 1, Clock: &event.Clock{Confidence: "unknown"},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	signer, err := k.NoteSigner()
	if err != nil {
		w.t.Fatal(err)
	}
	msg, err := proof.SignSeal(proof.Seal{App: app, Environment: environment, Key: k.VKey, Stream: stream.String(), First: 1, Count: 1,
		Root: proof.RootOf([]proof.Hash{proof.LeafHash(raw)}), Final: true, Clock: proof.Clock{State: proof.ClockUnknown, Source: "none"}}, signer)
	if err != nil {
		w.t.Fatal(err)
	}
	return wire.Element{Batch: &spool.Batch{First: 1, Events: [][]byte{raw}, Seal: msg}}, stream.String()
}

func (w *site) send(token string, e wire.Element) wire.Result {
	w.t.Helper()
	body, err := wire.Append(nil, []wire.Element{e})
	if err != nil {
		w.t.Fatal(err)
	}
	status, b := w.do(token, http.MethodPost, "/v1/batches", wire.BatchesType, body)
	if status != http.StatusOK {
		p, _ := wire.ParseProblem(b)
		return wire.Result{Status: wire.Refused, Code: p.Code}
	}
	r, err := wire.ParseReceipts(b)
	if err != nil || len(r.Results) != 1 {
		w.t.Fatalf("%v: %s", err, b)
	}
	return r.Results[0]
}

// found waits until the index has the whole log.
func (w *site) found() {
	w.t.Helper()
	for deadline := time.Now().Add(time.Minute); ; { // a question waits a moment for the index
		status, b := w.do("auditor", http.MethodGet, "/v1/events?limit=1", "", nil)
		var a struct{ Searched struct{ Complete bool } }
		if err := json.Unmarshal(b, &a); err != nil || status != http.StatusOK || time.Now().After(deadline) {
			w.t.Fatalf("status %d, %v: %s", status, err, b)
		}
		if a.Searched.Complete {
			return
		}
	}
}

// finding is the tag of the routes that answer with what a query finds.
var finding = regexp.MustCompile(`^GET /v1/(events|counts|stories|jobs|tail|ghosts)`)

// routeRights says who may use which route; a route without a row fails the test. In a row, "all" is everybody who has a
// token, "any" everybody, "own" whoever's application and environment the thing asked for belongs to, for writers under
// their own key only, and "read" the same without writers.
var routeRights = map[string]string{
	"GET /checkpoint":                   "all",
	"GET /tile/ hashes":                 "all",
	"GET /tile/ entries":                "auditor admin",
	"GET /v1/entries/{seq}":             "read auditor admin",
	"GET /v1/entries/{seq}/proof":       "read auditor admin",
	"GET /v1/receipts/{stream}/{first}": "own auditor admin",
	"POST /v1/batches":                  "own-writer",
	"POST /v1/events":                   "any-writer",
	"POST /v1/logs":                     "any-writer",
	"GET /v1/events":                    "reader auditor admin",
	"GET /v1/tail":                      "reader auditor admin",
	"GET /v1/ghosts":                    "reader auditor admin",
	"GET /v1/expectations/{id}/slots":   "reader auditor admin",
	"GET /v1/counts":                    "reader auditor admin",
	"GET /v1/policy":                    "reader auditor admin",
	"GET /v1/stories/{interaction}":     "reader auditor admin",
	"GET /v1/jobs/{id}":                 "reader auditor admin",
	"GET /v1/jobs/{id}/lineage":         "reader auditor admin",
	"GET /v1/log":                       "any",
	"GET /v1/status":                    "all",
	"GET /logkeys":                      "any",
	"GET /healthz":                      "any",
	"GET /readyz":                       "any",
	"GET /openapi.yaml":                 "any",
	"GET /metrics":                      "auditor admin",
	"POST /v1/tokens":                   "admin",
	"GET /v1/tokens":                    "admin",
	"DELETE /v1/tokens/{name}":          "admin",
	"POST /v1/keys":                     "any-writer",
	"GET /v1/keys":                      "admin",
	"DELETE /v1/keys/{id}":              "admin",
	"GET /v1/logkeys":                   "admin",
	"POST /v1/logkeys":                  "admin",
	"DELETE /v1/logkeys/old":            "admin",
	"POST /v1/exports":                  "auditor admin",
	"POST /v1/expectations":             "admin",
	"GET /v1/expectations":              "auditor admin",
	"DELETE /v1/expectations/{id}":      "admin",
	"POST /v1/alerts":                   "admin",
	"GET /v1/alerts":                    "admin",
	"DELETE /v1/alerts/{name}":          "admin",
	"POST /v1/alerts/{name}/test":       "admin",
}

// Every role of every application tries every route on what belongs to every application (THREATS 33).
func TestRoleRouteApp(t *testing.T) {
	w := newSite(t)
	type owner struct{ app, env string }
	owners := []owner{{"shop", "production"}, {"shop", "staging"}, {"bank", "production"}}
	type caller struct {
		role     auth.Role
		app, env string
		key      keyfile.Key
	}
	callers := map[string]caller{"nobody": {}, "stet1_wrong": {}}
	for _, role := range auth.Roles() {
		if role == auth.Auditor || role == auth.Admin {
			callers[string(role)] = caller{role: role}
			continue
		}
		for _, at := range []owner{{"shop", ""}, {"shop", "production"}, {"shop", "staging"}, {"bank", ""}} {
			name := fmt.Sprintf("%s.%s.%s", role, at.app, at.env)
			callers[name] = caller{role: role, app: at.app, env: at.env, key: key(t, "emitter/"+name)}
		}
	}
	for name, c := range callers {
		if c.role != "" {
			w.token(name, auth.Spec{Role: c.role, App: c.app, Environment: c.env, Expires: time.Hour})
		}
	}
	// What is asked about: one batch of each writer for each owner that it may write for.
	type thing struct {
		owner
		by     string
		stream string
		seq    uint64
	}
	var things []thing
	for _, name := range slices.Sorted(maps.Keys(callers)) {
		c := callers[name]
		if c.role != auth.Writer {
			continue
		}
		for _, o := range owners {
			e, stream := w.batch(c.key, o.app, o.env)
			may := c.app == o.app && (c.env == "" || c.env == o.env)
			res := w.send(name, e)
			if (res.Status == wire.Placed) != may {
				t.Fatalf("%s sends a batch of %v: %+v", name, o, res)
			}
			if may {
				things = append(things, thing{o, name, stream, *res.Seq})
			}
		}
	}
	if len(things) < 5 {
		t.Fatalf("%d things to ask about are too few", len(things))
	}
	cp, err := proof.ParseCheckpointText(w.held.Checkpoint())
	if err != nil {
		t.Fatal(err)
	}
	tried := map[string]int{}
	try := func(name string, row string, method, target, typ string, body []byte, about thing, hidden bool) {
		t.Helper()
		c := callers[name]
		rights, ok := routeRights[row]
		if !ok {
			t.Fatalf("%s has no row in routeRights: say who may use it", row)
		}
		in := c.app == about.app && (c.env == "" || c.env == about.env)
		may := false
		for _, right := range strings.Fields(rights) {
			switch right {
			case "any":
				may = name != "stet1_wrong"
			case "all":
				may = may || c.role != ""
			case "own":
				may = may || in && (c.role == auth.Reader || about.by == name)
			case "read":
				may = may || in && c.role == auth.Reader
			case "own-writer":
				may = may || in && about.by == name
			case "any-writer":
				may = may || c.role == auth.Writer
			default:
				may = may || string(c.role) == right
			}
		}
		token := name
		if name == "nobody" {
			token = ""
		}
		status, b := w.do(token, method, target, typ, body)
		p, _ := wire.ParseProblem(b)
		refused := p.Code == wire.NotAllowed || p.Code == wire.Unauthenticated || p.Code == wire.KeyNotEnrolled || p.Code == wire.RateLimited || hidden && p.Code == wire.NotFound ||
			p.Code == "" && (status == http.StatusUnauthorized || status == http.StatusForbidden) // in OTLP's form
		if p.Code == wire.RateLimited && name != "stet1_wrong" {
			t.Fatalf("%s was too fast for %s", name, row)
		}
		if status >= 500 && status != http.StatusServiceUnavailable || may == refused {
			t.Errorf("%s, %s %s (%v by %s): %d %s; want it allowed: %v", name, method, target, about.owner, about.by, status, p.Code, may)
		}
		if refused {
			for _, o := range owners {
				if o.app != c.app && bytes.Contains(b, []byte(o.app)) {
					t.Errorf("%s, %s %s: the refusal speaks of %s: %s", name, method, target, o.app, b)
				}
			}
		}
		if finding.MatchString(row) && c.role == auth.Reader && !refused {
			for _, o := range owners {
				if other := o.app != c.app || c.env != "" && o.env != c.env; other && bytes.Contains(b, fmt.Appendf(nil, `"app_id":%q`, o.app)) && bytes.Contains(b, fmt.Appendf(nil, `"environment":%q`, o.env)) {
					t.Errorf("%s, %s %s: the answer has an event of %v: %s", name, method, target, o, b)
				}
			}
		}
		tried[row]++
	}
	w.found()
	for name, c := range callers {
		for _, rt := range w.server.Routes() {
			row := rt.Method + " " + rt.Pattern
			switch rt.Pattern {
			case "/v1/entries/{seq}", "/v1/entries/{seq}/proof":
				for _, x := range things {
					try(name, row, rt.Method, strings.Replace(rt.Pattern, "{seq}", fmt.Sprint(x.seq), 1), "", nil, x, false)
				}
			case "/v1/receipts/{stream}/{first}":
				for _, x := range things {
					try(name, row, rt.Method, "/v1/receipts/"+x.stream+"/1", "", nil, x, true)
				}
			case "/tile/":
				width := cp.Size % proof.TileWidth
				try(name, row+" hashes", rt.Method, fmt.Sprintf("/tile/0/000.p/%d", width), "", nil, thing{}, false)
				try(name, row+" entries", rt.Method, fmt.Sprintf("/tile/entries/000.p/%d", width), "", nil, thing{}, false)
			case "/v1/tail":
				try(name, row, rt.Method, rt.Pattern+"?from=0&limit=1", "", nil, thing{}, false)
			case "/v1/batches":
				// Judged above for each batch; here the route itself is asked, with nothing that could be placed.
				tried[row]++
				if c.role == "" {
					try(name, row, rt.Method, rt.Pattern, wire.BatchesType, []byte("stet/batches/v1\n"), thing{}, false)
				}
			default:
				var body []byte
				typ := ""
				if len(rt.Types) > 0 {
					typ, body = rt.Types[0], []byte("{}")
				}
				target := strings.NewReplacer("{interaction}", "i", "{name}", "no-such-token", "{id}", strings.Repeat("0", 16)).Replace(rt.Pattern)
				try(name, row, rt.Method, target, typ, body, thing{}, false)
			}
		}
	}
	for row := range tried {
		if _, ok := routeRights[row]; !ok && row != "POST /v1/batches" {
			t.Errorf("%s was tried and is not in the table", row)
		}
	}
	w.leaks()
}

// leaks looks for tokens everywhere they must not be: in all files, in the server's own log, in all answers but those that
// hand them out, and in the events of the log.
func (w *site) leaks() {
	w.t.Helper()
	var tokens []string
	for _, text := range w.tokens {
		tokens = append(tokens, text)
	}
	walk(w.t, w.disk, ".", func(name string, b []byte) { scan(w.t, name, b, tokens...) })
	w.log.mu.Lock()
	scan(w.t, "the server's own log", w.log.Bytes(), tokens...)
	w.log.mu.Unlock()
	scan(w.t, "an answer", w.seen.Bytes(), tokens...)
	cp, err := proof.ParseCheckpointText(w.held.Checkpoint())
	if err != nil {
		w.t.Fatal(err)
	}
	// In the files entries are compressed.
	err = logread.Entries(context.Background(), w.held.Source(), 0, cp.Size, func(seq uint64, raw []byte) error {
		scan(w.t, fmt.Sprintf("entry %d", seq), raw, tokens...)
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

func walk(t testing.TB, fsys fsx.FS, dir string, fn func(name string, b []byte)) {
	t.Helper()
	all, err := fsys.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range all {
		name := strings.TrimPrefix(dir+"/"+d.Name(), "./")
		if d.IsDir() {
			walk(t, fsys, name, fn)
			continue
		}
		b, err := fsx.ReadFile(fsys, name, 1<<30)
		if err != nil {
			t.Fatal(err)
		}
		fn(name, b)
	}
}

// Tokens and keys from their making to their end, over HTTP, with a look at what is left behind.
func TestAdministrationOverHTTP(t *testing.T) {
	w := newSite(t)
	w.token("boss", auth.Spec{Role: auth.Admin})
	ask := func(token, method, target string, in, out any, want int) wire.Problem {
		t.Helper()
		var body []byte
		if in != nil {
			b, err := json.Marshal(in)
			if err != nil {
				t.Fatal(err)
			}
			body = b
		}
		status, b := w.do(token, method, target, jsonType, body)
		if status != want {
			t.Fatalf("%s %s: %d %s, want %d", method, target, status, b, want)
		}
		p, _ := wire.ParseProblem(b)
		if out != nil {
			if err := json.Unmarshal(b, out); err != nil {
				t.Fatal(err)
			}
		}
		return p
	}
	var made newToken
	ask("boss", http.MethodPost, TokensPath, tokenRequest{Role: "writer", App: "shop", ExpiresIn: 3600, Name: "w"}, &made, http.StatusOK)
	if made.Format != tokenFormat || made.Name != "w" || !strings.HasPrefix(made.Token, "stet1_") || made.Expires == "" {
		t.Fatalf("made: %+v", made)
	}
	w.seen.Reset() // the one answer that holds it
	w.tokens["w"] = made.Token
	for name, tt := range map[string]struct {
		in   any
		want wire.Code
	}{
		"a name twice":        {tokenRequest{Role: "writer", App: "shop", Name: "w"}, wire.NameTaken},
		"no role":             {tokenRequest{}, wire.Malformed},
		"a time gone by":      {tokenRequest{Role: "admin", ExpiresIn: -1}, wire.Malformed},
		"more than a century": {tokenRequest{Role: "admin", ExpiresIn: 1 << 60}, wire.Malformed},
		"an unknown member":   {map[string]string{"role": "admin", "rolle": "x"}, wire.Malformed},
		"not an object":       {[]string{"admin"}, wire.Malformed},
	} {
		m, _ := wire.Lookup(tt.want)
		if p := ask("boss", http.MethodPost, TokensPath, tt.in, nil, m.Status); p.Code != tt.want {
			t.Errorf("%s: %s, want %s", name, p.Code, tt.want)
		}
	}

	k, other := key(t, "emitter/k"), key(t, "emitter/other")
	enrol := func(token string, key, old keyfile.Key, want int) wire.Problem {
		t.Helper()
		claim, err := auth.SignClaim(w.tokens[token], key, old)
		if err != nil {
			t.Fatal(err)
		}
		return ask(token, http.MethodPost, KeysPath, keyRequest{Claim: string(claim)}, nil, want)
	}
	enrol("w", k, keyfile.Key{}, http.StatusOK)
	e, _ := w.batch(k, "shop", "production")
	if res := w.send("w", e); res.Status != wire.Placed {
		t.Errorf("under the enrolled key: %+v", res)
	}
	e, _ = w.batch(other, "shop", "production")
	if res := w.send("w", e); res.Code != wire.KeyNotEnrolled {
		t.Errorf("under a second key that was not enrolled: %+v", res)
	}
	enrol("w", other, k, http.StatusOK)
	if res := w.send("w", e); res.Status != wire.Placed {
		t.Errorf("under the key that took its place: %+v", res)
	}
	ask("boss", http.MethodDelete, KeysPath+"/"+k.ID()[:16], nil, nil, http.StatusOK)
	e, _ = w.batch(k, "shop", "production")
	if res := w.send("w", e); res.Code != wire.KeyRevoked {
		t.Errorf("under the revoked key: %+v", res)
	}
	if p := enrol("w", k, keyfile.Key{}, http.StatusForbidden); p.Code != wire.KeyRevoked {
		t.Errorf("a revoked key, enrolled again: %+v", p)
	}
	ask("boss", http.MethodDelete, KeysPath+"/"+strings.Repeat("0", 64), nil, nil, http.StatusNotFound)

	var keys keyList
	ask("boss", http.MethodGet, KeysPath, nil, &keys, http.StatusOK)
	if len(keys.Keys) != 2 {
		t.Errorf("keys: %+v", keys)
	}
	var list tokenList
	ask("boss", http.MethodDelete, TokensPath+"/w", nil, &list, http.StatusOK)
	if len(list.Tokens) != 1 || list.Tokens[0].Revoked == "" {
		t.Errorf("revoked: %+v", list)
	}
	if p := ask("boss", http.MethodDelete, TokensPath+"/nobody", nil, nil, http.StatusNotFound); p.Code != wire.NotFound {
		t.Errorf("a token that is not there: %+v", p)
	}
	if res := w.send("w", e); res.Code != wire.TokenRevoked {
		t.Errorf("the revoked token: %+v", res)
	}
	ask("boss", http.MethodGet, TokensPath, nil, &list, http.StatusOK)
	if len(list.Tokens) != 2 {
		t.Errorf("tokens: %+v", list)
	}
	w.leaks()
	for _, typ := range []string{"token_created", "emitter_enrolled", "key_rotated", "key_revoked", "token_revoked", "login_refused"} {
		if !w.recorded(typ) {
			t.Errorf("the log has no %s", typ)
		}
	}
}

// recorded waits until the log has an event of a type.
func (w *site) recorded(typ string) bool {
	w.t.Helper()
	for range 600 {
		cp, err := proof.ParseCheckpointText(w.held.Checkpoint())
		if err != nil {
			w.t.Fatal(err)
		}
		found := false
		err = logread.Entries(context.Background(), w.held.Source(), 0, cp.Size, func(_ uint64, raw []byte) error {
			found = found || bytes.Contains(raw, []byte(`"event_type":"`+typ+`"`))
			return nil
		})
		if err != nil {
			w.t.Fatal(err)
		}
		if found {
			return true
		}
		time.Sleep(50 * time.Millisecond) // another goroutine records it, and nobody says when
	}
	return false
}
