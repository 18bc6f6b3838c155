package server

import (
	"errors"
	"net/http"

	"github.com/stetlog/stet/docs"
	"github.com/stetlog/stet/internal/auth"
	"github.com/stetlog/stet/internal/wire"
)

// acceptedFormat is the format member of the answer of POST /v1/events.
const acceptedFormat = "stet.accepted/1"

// accepted is that answer: a verdict for each event, in the order of the request.
type accepted struct {
	Format  string    `json:"format"`
	Results []verdict `json:"results"`
}

// postEvents takes events that nobody has sealed, and answers when those that it took are durable (L1). The status is 200
// where at least one of them is in the log, else 422.
func (s *Server) postEvents(w http.ResponseWriter, r *http.Request, c *Call) error {
	if err := c.may(auth.Append, auth.Subject{App: c.App, Environment: c.Environment}); err != nil {
		return err // this one may add nothing of anybody's
	}
	raws, err := splitEvents(c.Type, c.Body)
	switch {
	case errors.Is(err, errManyEvents):
		return Refuse(wire.TooLarge, err.Error())
	case err != nil:
		return Refuse(wire.Malformed, err.Error())
	}
	via := viaOf(c)
	verdicts, err := s.door.take(r.Context(), poster{name: senderOf(via), via: via, app: c.App, environment: c.Environment,
		may: func(app, environment string) error {
			return c.May(auth.Append, auth.Subject{App: app, Environment: environment})
		}}, raws)
	if err != nil {
		return s.stopped(err)
	}
	status := http.StatusUnprocessableEntity
	for _, v := range verdicts {
		if v.Status != verdictRefused {
			status = http.StatusOK
		} else {
			s.metrics.refused.WithLabelValues(v.Code).Inc()
		}
	}
	return writeJSON(w, status, accepted{acceptedFormat, verdicts})
}

// getOpenAPI answers with the description of all routes.
func (s *Server) getOpenAPI(w http.ResponseWriter, _ *http.Request, _ *Call) error {
	w.Header().Set("Content-Type", "application/yaml")
	w.Header().Set("Cache-Control", cacheNever)
	_, err := w.Write([]byte(docs.OpenAPI))
	return err
}
