package webui

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stetlog/stet/internal/admin"
	"github.com/stetlog/stet/internal/auth"
	evidencedesk "github.com/stetlog/stet/internal/exports"
	"github.com/stetlog/stet/internal/fsx/fsxtest"
	"github.com/stetlog/stet/internal/index"
	"github.com/stetlog/stet/internal/keyfile"
	"github.com/stetlog/stet/internal/known"
	"github.com/stetlog/stet/internal/published"
	"github.com/stetlog/stet/internal/server"
	"github.com/stetlog/stet/internal/store"
	"github.com/stetlog/stet/internal/verifierpage"
	"github.com/stetlog/stet/internal/verify"
	"github.com/stetlog/stet/proof"
)

// site is a whole server with its pages, on a disk in memory.
type site struct {
	t      testing.TB
	disk   *fsxtest.Mem
	auth   *auth.Authority
	ui     *UI
	server *server.Server
	tokens map[string]string // by name: writer, reader, auditor, other (a reader of another application)
	cookie map[string]string // of who has logged in
}

// newSite makes a site; more are routes that its pages ask beside the server's own.
func newSite(t testing.TB, more ...server.Route) *site {
	t.Helper()
	key := func(name string) keyfile.Key {
		k, err := keyfile.Generate(name, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	w := &site{t: t, disk: fsxtest.New(), tokens: map[string]string{}, cookie: map[string]string{}}
	keys := store.Keys{Log: key("log.example/a"), Store: key("stet-store/a")}
	s := store.New(w.disk, known.Dir{FS: w.disk, Name: "state"}, func(bool) (store.Keys, error) { return keys, nil })
	s.Door = func(name string) (keyfile.Key, error) { return key(name), nil }
	held, err := s.Hold(context.Background(), store.HoldOptions{Preallocate: -1, PublishBusy: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := held.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	if w.auth, err = auth.Open(w.disk, auth.Options{LogKeys: []string{keys.Log.VKey}}); err != nil {
		t.Fatal(err)
	}
	for name, spec := range map[string]auth.Spec{
		"writer": {Role: auth.Writer, App: "shop"}, "reader": {Role: auth.Reader, App: "shop"}, "auditor": {Role: auth.Auditor},
		"other": {Role: auth.Reader, App: "bank"},
	} {
		spec.Name = name
		if w.tokens[name], _, err = w.auth.Create(spec); err != nil {
			t.Fatal(err)
		}
	}
	if w.ui, err = New(Options{Again: w.auth.Again}); err != nil {
		t.Fatal(err)
	}
	office := &admin.Office{Log: held, Tokens: w.auth, FS: w.disk}
	desk := evidencedesk.NewDesk(evidencedesk.Options{Source: held.Source(), LogKey: func() string { return keys.Log.VKey }, Record: office.ExportedBy, Tool: "stet of a test",
		Verifier: verifierpage.HTML(), Scratch: func() (evidencedesk.ScratchFile, error) { return os.CreateTemp(t.TempDir(), "evidence") }})
	w.server, err = server.New(server.Options{Log: held, LogKey: func() string { return keys.Log.VKey }, Authority: w.auth,
		Index: func() (*index.Index, error) { return index.Open(w.disk, keys.Log.VKey) }, Feed: published.New(held, held.Source()), Session: w.ui.Session, Routes: slices.Concat(desk.Routes(), w.ui.Routes(), more),
		Verify: func(ctx context.Context) (verify.Report, error) {
			return verify.Log(ctx, held.Source(), verify.Options{LogKey: keys.Log.VKey, Workers: 1})
		}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	made := make(chan struct{})
	go func() {
		defer close(made)
		desk.Run(ctx)
	}()
	go func() { ended <- w.server.Serve(ctx, time.Second) }() // no listener: it follows the log with its index
	t.Cleanup(func() {
		cancel()
		<-made
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return w
}

// do answers a request.
func (w *site) do(r *http.Request) *httptest.ResponseRecorder {
	a := httptest.NewRecorder()
	w.server.Handler().ServeHTTP(a, r)
	return a
}

// get asks for a page as who has logged in under a name; "" for nobody.
func (w *site) get(who, target string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, "http://127.0.0.1"+target, nil)
	if who != "" {
		r.Header.Set("Cookie", w.login(who))
	}
	return w.do(r)
}

// post sends a form.
func (w *site) post(cookie, target string, fields ...string) *httptest.ResponseRecorder {
	f := url.Values{}
	for i := 0; i < len(fields); i += 2 {
		f.Set(fields[i], fields[i+1])
	}
	r := httptest.NewRequest(http.MethodPost, "http://127.0.0.1"+target, strings.NewReader(f.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if cookie != "" {
		r.Header.Set("Cookie", cookie)
	}
	return w.do(r)
}

// login logs somebody in, once, and returns the cookie.
func (w *site) login(who string) string {
	w.t.Helper()
	if w.cookie[who] == "" {
		a := w.post("", "/login", "token", w.tokens[who])
		cookies := a.Result().Cookies()
		if a.Code != http.StatusSeeOther || len(cookies) != 1 {
			w.t.Fatalf("login of %s: %d %s", who, a.Code, a.Body)
		}
		w.cookie[who] = cookies[0].Name + "=" + cookies[0].Value
	}
	return w.cookie[who]
}

// record has events recorded, each a JSON object, and returns the number of the first.
func (w *site) record(events ...map[string]any) uint64 {
	w.t.Helper()
	var lines strings.Builder
	for _, e := range events {
		b, err := json.Marshal(e)
		if err != nil {
			w.t.Fatal(err)
		}
		lines.Write(append(b, '\n'))
	}
	r := httptest.NewRequest(http.MethodPost, "http://127.0.0.1/v1/events", strings.NewReader(lines.String()))
	r.Header.Set("Content-Type", "application/x-ndjson")
	r.Header.Set("Authorization", "Bearer "+w.tokens["writer"])
	a := w.do(r)
	var answer struct {
		Results []struct {
			Status string
			Seq    uint64
			Detail string
		}
	}
	if err := json.Unmarshal(a.Body.Bytes(), &answer); err != nil || len(answer.Results) != len(events) {
		w.t.Fatalf("%d %s", a.Code, a.Body)
	}
	for _, one := range answer.Results {
		if one.Status != "accepted" {
			w.t.Fatalf("%s", a.Body)
		}
	}
	w.published(answer.Results[len(events)-1].Seq)
	return answer.Results[0].Seq
}

// published waits until an entry is under a checkpoint, which comes soon after it is durable.
func (w *site) published(seq uint64) {
	w.t.Helper()
	for range 2000 {
		r := httptest.NewRequest(http.MethodGet, "http://127.0.0.1/checkpoint", nil)
		r.Header.Set("Authorization", "Bearer "+w.tokens["auditor"])
		cp, err := proof.ParseCheckpointText(w.do(r).Body.Bytes())
		if err != nil {
			w.t.Fatal(err)
		}
		if cp.Size > seq {
			return
		}
		time.Sleep(5 * time.Millisecond) // another goroutine publishes
	}
	w.t.Fatalf("entry %d is not published", seq)
}
