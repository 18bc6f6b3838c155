package server

import (
	"net/http"
	"strings"

	"github.com/stetlog/stet/internal/wire"
)

// getLog says whose log it is, to anybody: by that a machine that was given a token makes sure that it is the right one.
func (s *Server) getLog(w http.ResponseWriter, _ *http.Request, _ *Call) error {
	if s.o.LogKey == "" {
		return Refuse(wire.NotFound, "")
	}
	origin, _, _ := strings.Cut(s.o.LogKey, "+")
	b, err := wire.Log{Origin: origin, LogKey: s.o.LogKey}.Append(nil)
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", cacheNever)
	_, err = w.Write(b)
	return err
}
