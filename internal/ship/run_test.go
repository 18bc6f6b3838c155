package ship_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stetlog/stet/internal/fsx/fsxtest"
	"github.com/stetlog/stet/internal/wire"
)

// runs is Run in a bubble: what it told, and how often it asked the server.
type runs struct {
	*server
	disk *fsxtest.Mem
	wake chan struct{}
	told []string
	stop func()
}

func start(t *testing.T, before func(s *server)) *runs {
	r := &runs{server: offline(t, newMemlog()), disk: fsxtest.New(), wake: make(chan struct{}, 1)}
	newEmitter(t, r.disk, 1).say(1).end()
	before(r.server)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		offlineShipper(t, r.disk, r.server).Run(ctx, r.wake, func(err error) { r.told = append(r.told, err.Error()) })
	}()
	r.stop = func() { cancel(); <-done }
	return r
}

func TestTheBackgroundSendsAtOnceAndWhenWoken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, func(*server) {})
		defer r.stop()
		synctest.Wait()
		if r.requests != 1 {
			t.Fatalf("%d requests", r.requests)
		}
		e := newEmitter(t, r.disk, 2)
		for range 10 { // within the time that is gathered
			e.say(1)
			select {
			case r.wake <- struct{}{}:
			default:
			}
		}
		time.Sleep(time.Second) // of the bubble's clock
		synctest.Wait()
		if n := r.holds(`"stream_seq"`); n != 11 || r.requests != 2 {
			t.Errorf("%d events in %d requests", n, r.requests)
		}
		time.Sleep(time.Hour)
		if r.requests != 2 || len(r.told) > 0 {
			t.Errorf("%d requests, though nothing has happened; told %q", r.requests, r.told)
		}
		e.die()
	})
}

// An outage is waited out, with longer and longer pauses, and nobody is told; a wrong token or a lie is told once.
func TestTheBackgroundPauses(t *testing.T) {
	for name, c := range map[string]struct {
		before      func(s *server)
		least, most int // requests within an hour
		tell        string
	}{
		"overloaded":  {refusing(wire.Overloaded, ""), 12, 24, ""},
		"as told":     {refusing(wire.RateLimited, "1200"), 3, 4, ""},
		"wrong token": {refusing(wire.TokenRevoked, ""), 12, 24, "token_revoked"},
		"a lie":       {func(s *server) { s.answer = func(r *wire.Receipts) { r.Checkpoint = "" } }, 6, 13, "integrity failure"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := 0
				r := start(t, func(s *server) {
					c.before(s)
					before := s.before
					s.before = func(w http.ResponseWriter, r *http.Request) {
						if r.URL.Path == "/v1/batches" {
							n++
							if before != nil {
								before(w, r)
							}
						}
					}
				})
				time.Sleep(time.Hour)
				r.stop()
				if n < c.least || n > c.most {
					t.Errorf("%d requests, expected are %d to %d", n, c.least, c.most)
				}
				if c.tell == "" && len(r.told) > 0 || c.tell != "" && (len(r.told) != 1 || !strings.Contains(r.told[0], c.tell)) {
					t.Errorf("told %q", r.told)
				}
			})
		})
	}
}

func refusing(code wire.Code, retryAfter string) func(*server) {
	return func(s *server) {
		s.before = func(w http.ResponseWriter, _ *http.Request) {
			if retryAfter != "" {
				w.Header().Set("Retry-After", retryAfter)
			}
			s.problem(w, wire.NewProblem(code, ""))
		}
	}
}
