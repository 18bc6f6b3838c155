package webui

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stetlog/stet/internal/auth"
)

// A session is a cookie that no script and no other site can use, and is not what the server keeps.
func TestLogin(t *testing.T) {
	w := newSite(t)
	a := w.post("", "/login", "token", " "+w.tokens["auditor"]+"\n", "back", "search?q=a")
	c := a.Result().Cookies()
	if a.Code != http.StatusSeeOther || a.Header().Get("Location") != "search?q=a" || len(c) != 1 {
		t.Fatalf("%d %v", a.Code, a.Header())
	}
	if c[0].Name != "__Host-stet" || !c[0].Secure || !c[0].HttpOnly || c[0].Path != "/" || c[0].Domain != "" || c[0].SameSite != http.SameSiteLaxMode {
		t.Errorf("cookie %s", c[0])
	}
	for id := range w.ui.sessions.all {
		if strings.Contains(c[0].Value, string(id[:])) || string(id[:]) == c[0].Value {
			t.Error("the session is kept by what its cookie holds")
		}
	}
	mine := c[0].Name + "=" + c[0].Value
	asks := func() int {
		r := httptest.NewRequest(http.MethodGet, "http://127.0.0.1/help", nil)
		r.Header.Set("Cookie", mine)
		return w.do(r).Code
	}
	if got := asks(); got != http.StatusOK {
		t.Errorf("logged in, and the page is %d", got)
	}
	if a := w.post(mine, "/logout"); a.Code != http.StatusSeeOther || asks() != http.StatusSeeOther {
		t.Error("logged out, and still in")
	}

	for _, token := range []string{"", "stet_", w.tokens["auditor"][1:], w.tokens["auditor"] + "x"} {
		a := w.post("", "/login", "token", token)
		if a.Code != http.StatusUnauthorized || len(a.Result().Cookies()) != 0 {
			t.Errorf("token %.8q: %d %v", token, a.Code, a.Header())
		}
		if token != "" && token != "stet_" && strings.Contains(a.Body.String(), token) {
			t.Error("the page repeats the token")
		}
		if !strings.Contains(a.Body.String(), "begins with "+w.tokens["auditor"][:6]+";") {
			t.Error("the page does not say how a token begins")
		}
	}
}

// A token that is revoked logs its sessions out.
func TestRevoked(t *testing.T) {
	w := newSite(t)
	if a := w.get("auditor", "/help"); a.Code != http.StatusOK {
		t.Fatal(a.Code)
	}
	if _, err := w.auth.Revoke("auditor"); err != nil {
		t.Fatal(err)
	}
	if a := w.get("auditor", "/help"); a.Code != http.StatusSeeOther {
		t.Errorf("with a revoked token the page is %d", a.Code)
	}
	r := httptest.NewRequest(http.MethodGet, "http://127.0.0.1/v1/events", nil)
	r.Header.Set("Cookie", w.login("auditor"))
	if a := w.do(r); a.Code != http.StatusUnauthorized {
		t.Errorf("with a revoked token the API answers %d", a.Code)
	}
}

// What another site's page sends does nothing.
func TestCrossOrigin(t *testing.T) {
	w := newSite(t)
	for _, target := range []string{"/login", "/logout", "/times"} {
		r := httptest.NewRequest(http.MethodPost, "http://127.0.0.1"+target, strings.NewReader("token="+w.tokens["auditor"]))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Sec-Fetch-Site", "cross-site")
		r.Header.Set("Cookie", w.login("auditor"))
		if a := w.do(r); a.Code != http.StatusForbidden {
			t.Errorf("%s from another site: %d", target, a.Code)
		}
	}
}

// Sessions end by time, and there are only so many.
func TestSessions(t *testing.T) {
	now := time.Now()
	var refused error
	s := newSessions(func(id auth.Identity) (auth.Identity, error) { return id, refused })
	s.now = func() time.Time { return now }
	request := func(text string) *http.Request {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.AddCookie(cookie(text))
		return r
	}
	first := s.begin(auth.Identity{Token: "a"})
	if id, ok := s.of(request(first)); !ok || id.Token != "a" {
		t.Fatal("a session that is no session")
	}
	if _, ok := s.of(request(first + "x")); ok {
		t.Error("a cookie of nobody's is somebody")
	}
	now = now.Add(time.Second)
	for range maxSessions {
		s.begin(auth.Identity{Token: "b"})
	}
	if _, ok := s.of(request(first)); ok || len(s.all) > maxSessions {
		t.Errorf("%d sessions", len(s.all))
	}
	last := s.begin(auth.Identity{Token: "c"})
	now = now.Add(sessionTime)
	if _, ok := s.of(request(last)); ok {
		t.Error("a session does not end")
	}
	last = s.begin(auth.Identity{Token: "c"})
	if len(s.all) != 1 {
		t.Errorf("%d sessions are kept that have ended", len(s.all)-1)
	}
	refused = errors.New("revoked")
	if _, ok := s.of(request(last)); ok || len(s.all) != 0 {
		t.Error("a session goes on without its token")
	}
}

// Nobody is sent to another site from here.
func TestBack(t *testing.T) {
	u, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	for in, want := range map[string]string{
		"": "./", "search": "search", "search?q=a%3Ab": "search?q=a%3Ab", "./": "./", "./?a=b": "./?a=b", "story?interaction=x#y": "story?interaction=x",
		"//evil.example": "./", "https://evil.example/search": "./", "/search": "./", "javascript:alert(1)": "./", `\\evil.example`: "./", "login?back=login": "./", "../search": "./", "x": "./",
	} {
		if got := u.back(in); got != want {
			t.Errorf("back to %q goes to %q, want %q", in, got, want)
		}
	}
}
