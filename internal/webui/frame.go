package webui

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"path"
	"strings"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/wire"
)

// contentPolicy is the Content-Security-Policy of every page: scripts, styles and pictures are files of this server, nothing is
// inline, and no other site may show a page in a frame.
const contentPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// secure sets the headers that all pages have.
func secure(h http.Header) {
	h.Set("Content-Security-Policy", contentPolicy)
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
}

//go:embed pages
var pageFiles embed.FS

// frame is what stands around every page.
type frame struct {
	Title string
	Page  string // its name in the menu
	Menu  []menuItem
	Who   string // "" where nobody is logged in
	Role  string
	Open  bool   // nobody had to log in
	Here  string // relative address
	Times timeMode
	Query string // what the search box in the head shows
	Again bool   // something is under way: who has no JavaScript gets the page again
	View  any
}

type menuItem struct {
	Page, Href, Icon, Words string
	Here                    bool
}

// menu is where one can go, in the order of the menu.
func menu(here string) []menuItem {
	all := []menuItem{
		{Page: "overview", Href: "./", Icon: "home", Words: "Overview"},
		{Page: "search", Href: "search", Icon: "search", Words: "Search"},
		{Page: "ghosts", Href: "ghosts", Icon: "ghost", Words: "Ghosts"},
		{Page: "checkpoints", Href: "checkpoints", Icon: "proof", Words: "Checkpoints"},
		{Page: "emitters", Href: "emitters", Icon: "key", Words: "Emitters"},
		{Page: "policy", Href: "policy", Icon: "flag", Words: "Policy"},
		{Page: "access", Href: "access", Icon: "eye", Words: "Access"},
		{Page: "exports", Href: "exports", Icon: "box", Words: "Exports"},
		{Page: "setup", Href: "setup", Icon: "gear", Words: "Setup"},
	}
	for i := range all {
		all[i].Here = all[i].Page == here
	}
	return all
}

// readPages parses each page together with what all have.
func (u *UI) readPages() (map[string]*template.Template, error) {
	all := map[string]*template.Template{}
	files, err := fs.Glob(pageFiles, "pages/*.html")
	if err != nil {
		return nil, err
	}
	shared, err := template.New("frame").Funcs(template.FuncMap{"icon": u.icon, "asset": u.assetLink}).ParseFS(pageFiles, "pages/frame.html")
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		name := strings.TrimSuffix(path.Base(file), ".html")
		if name == "frame" {
			continue
		}
		one, err := shared.Clone()
		if err == nil {
			one, err = one.ParseFS(pageFiles, file)
		}
		if err != nil {
			return nil, fmt.Errorf("the page %s: %w", name, err)
		}
		all[name] = one
	}
	all[access.page], all[exports.page] = all["trail"], all["trail"]
	return all, nil
}

// icon is a picture that always stands beside words, so a reader of the page aloud skips it.
func (u *UI) icon(name string) template.HTML {
	return template.HTML(`<svg class="i" aria-hidden="true" focusable="false"><use href="` + u.assetLink("icons.svg") + "#" + template.HTMLEscapeString(name) + `"/></svg>`)
}

// show answers with a page.
func (u *UI) show(v *visit, status int, page, title string, view any) error {
	body, err := u.render(v, page, title, view)
	if err != nil {
		return err
	}
	return v.send(status, body)
}

// pageBytes is how long a page may be that shows whatever an event says. With what it loads it weighs less than 100 KB then.
const pageBytes = 64 << 10

// fit answers with a page that is not longer than pageBytes: make gives it with one share-th of what may be on it, and is asked
// for less until it fits, or there is nothing left to leave out.
func (u *UI) fit(v *visit, page string, make func(share int) (title string, view any)) error {
	for share := 1; ; share *= 2 {
		title, view := make(share)
		body, err := u.render(v, page, title, view)
		if err != nil {
			return err
		}
		if len(body) <= pageBytes || share >= 1024 {
			return v.send(http.StatusOK, body)
		}
	}
}

// render makes a page.
func (u *UI) render(v *visit, page, title string, view any) ([]byte, error) {
	query := ""
	if page == "search" {
		query = v.r.URL.Query().Get("q")
		if strings.ContainsFunc(query, event.Hidden) { // it is wrong, and the page shows where
			query = event.Sanitize(query)
		}
	}
	t, _ := view.(trailView)
	return u.execute(page, "frame", frame{Again: t.Make != nil && t.Make.Files.Poll, Title: title, Query: query, Page: page, Menu: menu(page), Who: name(v), Role: string(v.who.Role), Open: v.who.Own && v.who.Token == "",
		Here: v.here(), Times: v.times, View: view})
}

// part answers with a part of a page, for a swap.
func (u *UI) part(v *visit, page, part string, view any) error {
	body, err := u.execute(page, part, view)
	if err != nil {
		return err
	}
	return v.send(http.StatusOK, body)
}

// execute makes the whole answer before any of it is sent: half a page must not look like a whole one.
func (u *UI) execute(page, part string, view any) ([]byte, error) {
	var b bytes.Buffer
	if err := u.pages[page].ExecuteTemplate(&b, part, view); err != nil {
		return nil, fmt.Errorf("the page %s: %w", page, err)
	}
	return b.Bytes(), nil
}

// send answers with a page, or a part of one.
func (v *visit) send(status int, body []byte) error {
	h := v.w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	v.w.WriteHeader(status)
	if v.r.Method != http.MethodHead {
		_, _ = v.w.Write(body) // whoever is gone needs no page
	}
	return nil
}

func name(v *visit) string {
	switch {
	case v.who.Token != "":
		return v.who.Token
	case v.who.UID != nil:
		return fmt.Sprintf("uid %d", *v.who.UID)
	case v.who.Own:
		return "this machine"
	}
	return ""
}

// refused is the page of a refusal.
func (u *UI) refused(w http.ResponseWriter, r *http.Request, p wire.Problem) {
	who, _ := u.sessions.of(r)
	v := u.visit(w, r, nil, who, nil)
	if err := u.show(v, p.Status, "problem", p.Title, p); err != nil {
		u.logger.Error("a refusal could not be shown", "error", err)
	}
}
