package webui

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/stetlog/stet/internal/auth"
	"github.com/stetlog/stet/internal/server"
	"github.com/stetlog/stet/internal/wire"
)

// Caller is who looks at a page, and what the pages ask for what is on it. A *server.Call is one. All methods are safe for
// concurrent use.
type Caller interface {
	// May decides what the caller may do; see auth.Identity.
	May(do auth.Action, what auth.Subject) error
	// Ask asks the server's API as the caller: what it answers, or refuses, with an error that is a *wire.Problem for errors.As.
	Ask(ctx context.Context, method, target string, body []byte) ([]byte, error)
	// Login says whose token somebody gives in.
	Login(r *http.Request, token string) (auth.Identity, error)
}

// Options are what the pages need. Again must be set.
type Options struct {
	// Again says whether a token that somebody logged in with is still good: auth.Authority.Again.
	Again  func(auth.Identity) (auth.Identity, error)
	Logger *slog.Logger // nil: nothing is logged
}

// UI are the pages of a server. All methods are safe for concurrent use.
type UI struct {
	sessions *sessions
	pages    map[string]*template.Template
	assets   map[string]asset
	logger   *slog.Logger
	now      func() time.Time
}

// New reads the pages, which are part of the program.
func New(o Options) (*UI, error) {
	u := &UI{sessions: newSessions(o.Again), logger: o.Logger, now: time.Now}
	if u.logger == nil {
		u.logger = slog.New(slog.DiscardHandler)
	}
	var err error
	if u.assets, err = readAssets(); err != nil {
		return nil, err
	}
	u.pages, err = u.readPages()
	return u, err
}

// Session is for server.Options.
func (u *UI) Session(r *http.Request) (auth.Identity, bool) { return u.sessions.of(r) }

// Routes are the pages, for a server to mount.
func (u *UI) Routes() []server.Route {
	routes := []server.Route{
		u.anyones(http.MethodGet, "/login", u.getLogin),
		u.form(u.anyones(http.MethodPost, "/login", u.postLogin)),
		u.form(u.anyones(http.MethodPost, "/logout", u.postLogout)),
		u.form(u.anyones(http.MethodPost, "/times", u.postTimes)),
		u.page("/{$}", u.getOverview),
		u.page("/search", u.getSearch),
		u.page("/rows", u.getRows),
		u.page("/story", u.getStory),
		u.page("/event", u.getEvent),
		u.page("/ghosts", u.getGhosts),
		u.page("/calendar", u.getCalendar),
		u.page("/lineage", u.getLineage),
		u.page("/children", u.getChildren),
		u.page("/checkpoints", u.getCheckpoints),
		u.page("/emitters", u.getEmitters),
		u.page("/policy", u.getPolicy),
		u.page("/access", u.getTrail(access)),
		u.page("/exports", u.getTrail(exports)),
		u.form(u.anyones(http.MethodPost, "/exports", u.postExports)),
		u.page("/making", u.getMaking),
		u.page("/setup", u.getSetup),
		u.page("/help", u.getHelp),
	}
	for name := range u.assets {
		routes = append(routes, server.Route{Method: http.MethodGet, Pattern: "/" + name, Handle: u.getAsset, Anyone: true, Free: true, Refused: u.refused})
	}
	return routes
}

// visit is one request for a page.
type visit struct {
	Caller
	r     *http.Request
	w     http.ResponseWriter
	who   auth.Identity
	body  []byte
	now   time.Time
	times timeMode
}

// anyones is a page for whoever comes.
func (u *UI) anyones(method, pattern string, handle func(*visit) error) server.Route {
	return server.Route{Method: method, Pattern: pattern, Anyone: true, Refused: u.refused,
		Handle: func(w http.ResponseWriter, r *http.Request, c *server.Call) error {
			return handle(u.visit(w, r, c, c.Identity, c.Body))
		}}
}

func (u *UI) visit(w http.ResponseWriter, r *http.Request, c Caller, who auth.Identity, body []byte) *visit {
	secure(w.Header())
	return &visit{Caller: c, r: r, w: w, who: who, body: body, now: u.now().UTC(), times: timesOf(r)}
}

// page is a page for who is logged in; others are sent to where they can, and come back after that.
func (u *UI) page(pattern string, handle func(*visit) error) server.Route {
	return u.anyones(http.MethodGet, pattern, func(v *visit) error {
		if v.who.Role == "" && !v.who.Own {
			return v.to(link("login", "back", v.here()))
		}
		return handle(v)
	})
}

// form has a route take the fields of a form.
func (u *UI) form(r server.Route) server.Route {
	r.Types, r.Packed, r.Inflated = []string{"application/x-www-form-urlencoded"}, maxForm, maxForm
	return r
}

// maxForm bounds what a form sends, in bytes.
const maxForm = 8 << 10

// fields are what a form sent.
func (v *visit) fields() (url.Values, error) {
	all, err := url.ParseQuery(string(v.body))
	if err != nil {
		return nil, server.Refuse(wire.Malformed, "the fields of the form cannot be read")
	}
	return all, nil
}

// ask asks the API.
func ask[T any](v *visit, target string) (answer T, err error) {
	b, err := v.Ask(v.r.Context(), http.MethodGet, target, nil)
	if err == nil {
		if err = json.Unmarshal(b, &answer); err != nil {
			err = fmt.Errorf("what %.80q answers: %w", target, err)
		}
	}
	return answer, err
}

// log says whose log it is.
func (v *visit) log() (logIs, error) { return ask[logIs](v, wire.LogPath) }

// problemOf is the problem that an error of Ask is; false where it is a failure of the server's own.
func problemOf(err error) (*wire.Problem, bool) {
	var p *wire.Problem
	ok := errors.As(err, &p)
	return p, ok
}

// link is a relative address: a page, and the parameters that are not empty.
func link(page string, params ...string) string {
	q := url.Values{}
	for i := 0; i+1 < len(params); i += 2 {
		if params[i+1] != "" {
			q.Set(params[i], params[i+1])
		}
	}
	if len(q) == 0 {
		return page
	}
	return page + "?" + q.Encode()
}

// segment escapes a text for a path's segment.
func segment(text string) string {
	if text == "." || text == ".." { // which a mux would take for directories
		return strings.ReplaceAll(text, ".", "%2E")
	}
	return url.PathEscape(text)
}

// here is the relative address of the page.
func (v *visit) here() string {
	here := strings.TrimPrefix(v.r.URL.Path, "/")
	if v.r.URL.RawQuery != "" {
		here += "?" + v.r.URL.RawQuery
	}
	if here == "" || here[0] == '?' {
		here = "./" + here
	}
	return here
}

// to sends the browser to another page. The address is relative, because only the browser knows what stands before it.
func (v *visit) to(address string) error {
	h := v.w.Header()
	h.Set("Location", address)
	h.Set("Cache-Control", "no-store")
	v.w.WriteHeader(http.StatusSeeOther)
	return nil
}

// back is a page to go back to that a form or an address names: one of these pages, or the first one.
func (u *UI) back(address string) string {
	at, err := url.Parse(address)
	if err != nil || at.IsAbs() || at.Host != "" || at.Opaque != "" || at.User != nil {
		return "./"
	}
	switch page := strings.TrimPrefix(at.Path, "./"); {
	case page == "":
		at.Path = "./"
	case u.pages[page] == nil, page == "login":
		return "./"
	default:
		at.Path = page
	}
	at.Fragment = ""
	return at.String()
}
