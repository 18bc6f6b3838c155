package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/stetlog/stet/bench/generate"
	"github.com/stetlog/stet/internal/auth"
	"github.com/stetlog/stet/internal/index"
	"github.com/stetlog/stet/internal/ledger"
	"github.com/stetlog/stet/internal/logread"
	"github.com/stetlog/stet/internal/published"
	"github.com/stetlog/stet/internal/server"
	"github.com/stetlog/stet/internal/store"
	"github.com/stetlog/stet/proof"
)

// finding measures the questions that must not take longer than 50 ms as a client asks them, over HTTP, of a generated log of
// c.found events: a page of rows, each read from the log, proven and asked again; counts; and a story folded. The server is in
// this process, so that the processor time of a question is that of both ends.
func finding(ctx context.Context, c config, t *table) (err error) {
	fsys, err := generated(ctx, c, "find", generate.Config{Seed: 1, Events: c.found})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, fsys.Close()) }()
	b, err := measure(c)
	if err != nil {
		return err
	}
	log := readOnlyLog{src: logread.Store(fsys)}
	if log.note, err = log.src.Fetch(ctx, logread.CheckpointPath); err != nil {
		return err
	}
	srv, err := server.New(server.Options{Log: log, Authority: nobody{}, Open: true, Index: func() (*index.Index, error) { return index.Open(fsys, indexedLog) }, Feed: published.New(log, log.src)})
	if err != nil {
		return err
	}
	base, stop, err := inProcess(ctx, srv)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	f := finder{base: base}
	size, err := f.complete(ctx)
	if err != nil {
		return err
	}
	t.printf("  %d entries, over HTTP\n", size)
	var jobs foundPage
	if err := f.get(ctx, "/v1/events?limit=1000&q=event:job_submitted", &jobs); err != nil {
		return err
	}
	var stories []string
	for _, row := range jobs.Rows {
		stories = append(stories, row.Entry.Event.Interaction)
	}
	if len(stories) == 0 {
		return errors.New("the log has no jobs")
	}
	if err := ask(t, "", stories, b.slower(), used, f.answer(ctx)); err != nil {
		return err
	}
	var times []time.Duration
	before := used()
	for i := range questions {
		start := time.Now()
		if err := f.get(ctx, "/v1/stories/"+stories[i*7%len(stories)], nil); err != nil {
			return err
		}
		times = append(times, time.Since(start))
	}
	cost := (used() - before) / questions
	slices.Sort(times)
	t.row("a story, folded, p99", micros(times[len(times)*99/100]), "p50 %s; CPU %s, %s at DESIGN's speed", micros(median(times)), micros(cost), micros(time.Duration(float64(cost)/b.slower())))
	return nil
}

// inProcess serves on a free port until stop.
func inProcess(ctx context.Context, srv *server.Server) (base string, stop func() error, err error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	ctx, end := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- srv.Serve(ctx, time.Second, l) }()
	return "http://" + l.Addr().String(), func() error {
		end()
		return <-ended
	}, nil
}

// finder asks a server, with a token where that is needed.
type finder struct{ base, token string }

// foundPage is what of an answer is looked at.
type foundPage struct {
	Searched struct {
		Size     uint64
		Complete bool
	}
	Rows []struct {
		State string
		Entry struct {
			Received time.Time `json:"received_at"`
			Event    foundEvent
		}
	}
	Facet struct{ Values []struct{} }
}

type foundEvent struct {
	Interaction string `json:"interaction_id"`
	Job         struct{ ID string }
}

func (f finder) get(ctx context.Context, target string, out any) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, f.base+target, nil)
	if err != nil {
		return err
	}
	if f.token != "" {
		r.Header.Set("Authorization", "Bearer "+f.token)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	b, err := io.ReadAll(resp.Body)
	if err = errors.Join(err, resp.Body.Close()); err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: status %d: %.200s", target, resp.StatusCode, b)
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(b, out)
}

// complete waits for the index, which is made where there is none.
func (f finder) complete(ctx context.Context) (size uint64, err error) {
	for {
		var p foundPage
		if err := f.get(ctx, "/v1/events?limit=1&q=seq:0", &p); err != nil || p.Searched.Complete {
			return p.Searched.Size, err
		}
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func (f finder) answer(ctx context.Context) func(asked) (int, error) {
	return func(a asked) (int, error) {
		var p foundPage
		if a.limit == 0 {
			err := f.get(ctx, "/v1/counts?facet=event&q="+url.QueryEscape(a.query), &p)
			return len(p.Facet.Values), err
		}
		err := f.get(ctx, fmt.Sprintf("/v1/events?limit=%d&q=%s", a.limit, url.QueryEscape(a.query)), &p)
		for _, row := range p.Rows {
			if row.State != "verified" {
				return 0, fmt.Errorf("%s: a row is %s", a.query, row.State)
			}
		}
		return len(p.Rows), err
	}
}

// readOnlyLog is a log that nothing comes into.
type readOnlyLog struct {
	server.Log
	src  *logread.Dir
	note []byte
}

func (l readOnlyLog) Source() *logread.Dir { return l.src }
func (l readOnlyLog) Checkpoint() []byte   { return l.note }
func (readOnlyLog) Marker() store.Marker   { return store.Marker{} }
func (readOnlyLog) State() ledger.State    { return ledger.State{} }
func (readOnlyLog) Ready() error           { return nil }

// Published implements published.Log: nothing comes any more.
func (l readOnlyLog) Published(ctx context.Context, seen uint64) (uint64, error) {
	cp, err := proof.ParseCheckpointText(l.note)
	if err == nil && seen >= cp.Size {
		<-ctx.Done()
		err = ctx.Err()
	}
	return cp.Size, err
}

func (readOnlyLog) Failed() <-chan struct{} { return nil }
func (readOnlyLog) Stream(context.Context, string) (ledger.StreamState, bool, error) {
	return ledger.StreamState{}, false, nil
}

// nobody has a token.
type nobody struct{}

func (nobody) Authenticate(string) (auth.Identity, error) { return auth.Identity{}, auth.ErrUnknown }

func (nobody) Bind(id auth.Identity, _ string, _ bool) (auth.Identity, error) {
	return id, auth.ErrUnknown
}
