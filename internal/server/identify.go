package server

import (
	"errors"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/stetlog/stet/internal/auth"
	"github.com/stetlog/stet/internal/wire"
)

// Authority knows tokens. It is safe for concurrent use and does not wait.
type Authority interface {
	// Authenticate says whose token it is, or fails with auth.ErrUnknown, auth.ErrExpired or auth.ErrRevoked.
	Authenticate(token string) (auth.Identity, error)
	// Bind adds a key to a token, durably: see auth.Authority.
	Bind(id auth.Identity, vkey string, first bool) (auth.Identity, error)
}

// identify finds out who sends a request: by its token, else by its session, else by the kernel's word about the other end of
// a Unix socket.
// Without either it is nobody, who is told to say who they are unless anyone may come. A token that is wrong is refused even
// where none is needed: whoever sends one means to be somebody.
func (s *Server) identify(r *http.Request, peer Peer, anyone bool) (auth.Identity, error) {
	values := r.Header.Values("Authorization")
	if len(values) == 0 {
		if s.o.Session != nil {
			if id, ok := s.o.Session(r); ok {
				return id, nil
			}
		}
		if peer.Unix && peer.HasIDs {
			if id, ok := auth.Peer(peer.UID, s.o.OwnUID); ok {
				return id, nil
			}
		}
		if s.o.Open && !peer.Unix {
			if !loopbackHost(r.Host) {
				return auth.Identity{}, Refuse(wire.NotAllowed, "this server is open to this machine alone, and the request was sent to another name")
			}
			return auth.Anyone(), nil
		}
		if anyone {
			return auth.Identity{}, nil
		}
		return auth.Identity{}, Refuse(wire.Unauthenticated, "")
	}
	scheme, token, _ := strings.Cut(values[0], " ")
	if len(values) != 1 || !strings.EqualFold(scheme, "Bearer") {
		return auth.Identity{}, s.refused(r, peer, auth.ErrUnknown)
	}
	return s.login(r, peer, token)
}

// login says whose token it is.
func (s *Server) login(r *http.Request, peer Peer, token string) (auth.Identity, error) {
	id, err := s.o.Authority.Authenticate(token)
	if err != nil {
		return auth.Identity{}, s.refused(r, peer, err)
	}
	return id, nil
}

// refused is the answer to a failed login. Who fails often is told to stay away for a while; a token that is right is let
// in all the same, because others may come from the same address, and 256 bits are not guessed.
func (s *Server) refused(r *http.Request, peer Peer, why error) error {
	if s.o.Refused != nil {
		s.o.Refused(r.Context(), peer, why)
	}
	now := time.Now()
	if wait := charge(s.logins.of(callerName(&Call{Peer: peer})).requests, now, 1); wait > 0 {
		ref := refuse(wire.RateLimited, "too many failed logins from this address")
		ref.retry = wait
		return ref
	}
	switch {
	case errors.Is(why, auth.ErrExpired):
		return Refuse(wire.TokenExpired, why.Error())
	case errors.Is(why, auth.ErrRevoked):
		return Refuse(wire.TokenRevoked, why.Error())
	}
	return Refuse(wire.Unauthenticated, "the token is not known here")
}

// loopbackHost says whether a Host header names this machine by a loopback address or as localhost.
func loopbackHost(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	if strings.EqualFold(strings.TrimSuffix(host, "."), "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}
