package server

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"strings"
	"time"

	"github.com/stetlog/stet/internal/wire"
	"github.com/stetlog/stet/proof"
)

// getLog says whose log it is, to anybody: by that a machine that was given a token makes sure that it is the right one.
func (s *Server) getLog(w http.ResponseWriter, _ *http.Request, c *Call) error {
	if s.o.LogKey == nil {
		return Refuse(wire.NotFound, "")
	}
	key := s.o.LogKey()
	origin, _, _ := strings.Cut(key, "+")
	l := wire.Log{Origin: origin, LogKey: key, StoreKey: s.log.Marker().StoreKey}
	if !c.Expires.IsZero() {
		l.TokenExpires = c.Expires.UTC().Format(time.RFC3339)
	}
	b, err := l.Append(nil)
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", cacheNever)
	_, err = w.Write(b)
	return err
}

// getKeys says how the log's key has changed, to anybody: whoever trusts an older one follows from that to the present one.
func (s *Server) getKeys(w http.ResponseWriter, r *http.Request, _ *Call) error {
	b, err := s.source.Fetch(r.Context(), proof.KeyChainPath)
	if errors.Is(err, fs.ErrNotExist) {
		return Refuse(wire.NotFound, "the log's key has never changed")
	}
	if err != nil {
		return fmt.Errorf("read the log's keys: %w", err)
	}
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("Cache-Control", cacheNever)
	_, err = w.Write(b)
	return err
}
