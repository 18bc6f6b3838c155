package webui

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"sync"
	"time"

	"github.com/stetlog/stet/internal/auth"
)

const (
	// cookieName makes browsers hold the cookie to this host, this path and encryption (RFC 6265bis, 4.1.3.2). They count
	// http://localhost and http://127.0.0.1 as encrypted, so the cookie works there too; on any other plain address nobody
	// can log in, which is right: the token would be read on the way.
	cookieName = "__Host-stet"
	// sessionTime is how long a session lasts, whatever is done with it.
	sessionTime = 12 * time.Hour
	// maxSessions bounds the sessions that are kept; one more ends the oldest.
	maxSessions = 1000
)

// sessions are who is logged in. All methods are safe for concurrent use.
type sessions struct {
	again func(auth.Identity) (auth.Identity, error) // is the token still good?
	now   func() time.Time

	mu  sync.Mutex
	all map[[sha256.Size]byte]session
}

type session struct {
	who   auth.Identity
	until time.Time
}

func newSessions(again func(auth.Identity) (auth.Identity, error)) *sessions {
	return &sessions{again: again, now: time.Now, all: map[[sha256.Size]byte]session{}}
}

// begin makes a session of somebody, and returns what its cookie holds.
func (s *sessions) begin(who auth.Identity) string {
	var secret [32]byte
	_, _ = rand.Read(secret[:]) // it never fails
	text := base64.RawURLEncoding.EncodeToString(secret[:])
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	var oldest [sha256.Size]byte
	var first time.Time
	for id, one := range s.all {
		if !now.Before(one.until) {
			delete(s.all, id)
		} else if first.IsZero() || one.until.Before(first) {
			oldest, first = id, one.until
		}
	}
	if len(s.all) >= maxSessions {
		delete(s.all, oldest)
	}
	s.all[sha256.Sum256([]byte(text))] = session{who: who, until: now.Add(sessionTime)}
	return text
}

// of says who a request is from by its session: whoever logged in, as far as their token is good now.
func (s *sessions) of(r *http.Request) (auth.Identity, bool) {
	id, ok := sessionID(r)
	if !ok {
		return auth.Identity{}, false
	}
	s.mu.Lock()
	one, ok := s.all[id]
	s.mu.Unlock()
	if !ok {
		return auth.Identity{}, false
	}
	who, err := s.again(one.who)
	if err != nil || !s.now().Before(one.until) {
		s.end(r)
		return auth.Identity{}, false
	}
	return who, true
}

// end ends the session of a request.
func (s *sessions) end(r *http.Request) {
	if id, ok := sessionID(r); ok {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.all, id)
	}
}

// sessionID is the hash under which the session of a request is kept.
func sessionID(r *http.Request) (id [sha256.Size]byte, ok bool) {
	c, err := r.Cookie(cookieName)
	if err != nil || len(c.Value) > 64 {
		return id, false
	}
	return sha256.Sum256([]byte(c.Value)), true
}

// cookie is the cookie of a session; an empty text takes it away. It comes along when somebody follows a link to a page (Lax),
// because a link is a view; it does not with what another site's page sends.
func cookie(text string) *http.Cookie {
	c := &http.Cookie{Name: cookieName, Value: text, Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode, MaxAge: int(sessionTime / time.Second)}
	if text == "" {
		c.MaxAge = -1
	}
	return c
}
