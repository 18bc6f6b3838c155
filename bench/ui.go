package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/stetlog/stet/bench/generate"
	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/admin"
	"github.com/stetlog/stet/internal/auth"
	"github.com/stetlog/stet/internal/expect"
	"github.com/stetlog/stet/internal/exports"
	"github.com/stetlog/stet/internal/fsx"
	"github.com/stetlog/stet/internal/index"
	"github.com/stetlog/stet/internal/ledger"
	"github.com/stetlog/stet/internal/logread"
	"github.com/stetlog/stet/internal/published"
	"github.com/stetlog/stet/internal/server"
	"github.com/stetlog/stet/internal/store"
	"github.com/stetlog/stet/internal/watch"
	"github.com/stetlog/stet/internal/webui"
	"github.com/stetlog/stet/proof"
)

const (
	// looks is how often each screen is asked for at most, after once that is not counted: once for each lookEvery of what a
	// measurement may take.
	looks     = 60
	lookEvery = 50 * time.Millisecond
	// expectedJobs is how many jobs must run.
	expectedJobs = 25
	// endedAfter is how old the newest event of a kept log may be: some pages are of the last day.
	endedAfter = 12 * time.Hour
)

// ui measures the screens of the web UI as a browser asks for them, over HTTP with a session, of a generated log of c.found
// events that ends now: the time to the first byte, what that costs in processor time, and how much a page weighs. One job of the
// log has c.found/50 children, and a hundredth of its events are the server's own. The server is in this process, so that the
// processor time of a screen is that of both ends; nothing comes in meanwhile, and the server does not verify its log beside.
func ui(ctx context.Context, c config, t *table) (err error) {
	const span = 30 * 24 * time.Hour
	fsys, err := generated(ctx, c, "ui", generate.Config{Seed: 1, Events: c.found, Begin: time.Now().Add(-span).UTC(), Span: span, Children: c.found / 50, Own: c.found / 100})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, fsys.Close()) }()
	b, err := measure(c)
	if err != nil {
		return err
	}
	own, err := fsx.OpenDir(c.dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, own.Close()) }()
	v, stop, err := browse(ctx, fsys, own)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	screens, err := v.screens(ctx)
	if err != nil {
		return err
	}
	t.printf("  %d entries; p95 of the first byte\n", v.size)
	for _, s := range screens {
		if !c.shapes.MatchString(s.name) {
			continue
		}
		if err := v.measure(ctx, s, min(max(int(c.duration/lookEvery), 2), looks), t, b); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	return nil
}

// viewer is a browser that has logged in.
type viewer struct {
	finder
	client  *http.Client
	cookie  string
	size    uint64
	weights map[string]weight // of what pages load
}

// weight is how many bytes something has: as it is sent to a browser, and without compression.
type weight struct{ sent, plain int }

// browse serves a log and its pages until stop.
func browse(ctx context.Context, fsys, own fsx.FS) (_ *viewer, stop func() error, err error) {
	raw, err := fsx.ReadFile(fsys, logread.Marker, 1<<16)
	if err != nil {
		return nil, nil, err
	}
	log := markedLog{readOnlyLog: readOnlyLog{src: logread.Store(fsys)}}
	if log.marker, err = store.ParseMarker(raw); err != nil {
		return nil, nil, err
	}
	if log.note, err = log.src.Fetch(ctx, logread.CheckpointPath); err != nil {
		return nil, nil, err
	}
	cp, err := proof.ParseCheckpointText(log.note)
	if err != nil {
		return nil, nil, err
	}
	log.size = cp.Size
	key := log.marker.LogKey
	tokens, err := auth.Open(own, auth.Options{LogKeys: []string{key}})
	if err != nil {
		return nil, nil, err
	}
	token, _, err := tokens.Create(auth.Spec{Name: "viewer", Role: auth.Auditor})
	if err != nil {
		return nil, nil, err
	}
	pages, err := webui.New(webui.Options{Again: tokens.Again})
	if err != nil {
		return nil, nil, err
	}
	office := &admin.Office{Log: expecting{}, Tokens: tokens, FS: own}
	desk := exports.NewDesk(exports.Options{Source: log.src, LogKey: func() string { return key }}) // of which nobody orders anything
	srv, err := server.New(server.Options{Log: log, LogKey: func() string { return key }, Authority: tokens, Session: pages.Session, Routes: slices.Concat(office.Routes(), desk.Routes(), pages.Routes()),
		Index: func() (*index.Index, error) { return index.Open(fsys, key) }, Feed: published.New(log, log.src)})
	if err != nil {
		return nil, nil, err
	}
	base, stop, err := inProcess(ctx, srv)
	if err != nil {
		return nil, nil, err
	}
	v := &viewer{finder: finder{base: base, token: token}, weights: map[string]weight{},
		client: &http.Client{Transport: &http.Transport{DisableCompression: true}, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
	if err = v.begin(ctx, token); err == nil {
		v.size, err = v.complete(ctx)
	}
	if err != nil {
		return nil, nil, errors.Join(err, stop())
	}
	return v, stop, nil
}

// begin logs in.
func (v *viewer) begin(ctx context.Context, token string) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, v.base+"/login", strings.NewReader(url.Values{"token": {token}}.Encode()))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	a, err := v.client.Do(r)
	if err != nil {
		return err
	}
	cookies := a.Cookies()
	if err := a.Body.Close(); err != nil {
		return err
	}
	if len(cookies) != 1 {
		return fmt.Errorf("the login answers %s and %d cookies", a.Status, len(cookies))
	}
	v.cookie = cookies[0].Name + "=" + cookies[0].Value
	return nil
}

// page asks for a page. first is how long its first byte took.
func (v *viewer) page(ctx context.Context, target string, packed bool) (body []byte, kind string, first time.Duration, err error) {
	start := time.Now()
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotFirstResponseByte: func() { first = time.Since(start) }})
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, v.base+"/"+target, nil)
	if err != nil {
		return nil, "", 0, err
	}
	r.Header.Set("Cookie", v.cookie)
	if packed {
		r.Header.Set("Accept-Encoding", "gzip")
	}
	a, err := v.client.Do(r)
	if err != nil {
		return nil, "", 0, err
	}
	body, err = io.ReadAll(a.Body)
	if err = errors.Join(err, a.Body.Close()); err == nil && a.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s: %.300s", target, a.Status, body)
	}
	return body, a.Header.Get("Content-Encoding"), first, err
}

// loaded finds what a page loads: everything that it loads has a version in its address.
var loaded = regexp.MustCompile(`(?:href|src)="([^"#?]+\?v=[^"#]+)`)

// weigh says how many bytes a browser loads that has nothing of it yet.
func (v *viewer) weigh(ctx context.Context, target string) (w weight, err error) {
	plain, _, _, err := v.page(ctx, target, false)
	if err != nil {
		return w, err
	}
	sent, _, _, err := v.page(ctx, target, true)
	if err != nil {
		return w, err
	}
	w = weight{len(sent), len(plain)}
	seen := map[string]bool{}
	for _, m := range loaded.FindAllSubmatch(plain, -1) {
		name := string(m[1])
		if seen[name] {
			continue
		}
		seen[name] = true
		one, ok := v.weights[name]
		if !ok {
			if one, err = v.weigh(ctx, name); err != nil {
				return w, err
			}
			v.weights[name] = one
		}
		w.sent, w.plain = w.sent+one.sent, w.plain+one.plain
	}
	return w, nil
}

// screen is a page, with other particulars each time.
type screen struct {
	name string
	at   func(i int) string // relative address
}

// measure asks for a screen n times.
func (v *viewer) measure(ctx context.Context, s screen, n int, t *table, b bare) error {
	var times []time.Duration
	most, heaviest := 0, s.at(0)
	if _, _, _, err := v.page(ctx, s.at(looks), true); err != nil {
		return err
	}
	before := used()
	for i := range n {
		body, _, first, err := v.page(ctx, s.at(i), true)
		if err != nil {
			return err
		}
		times = append(times, first)
		if len(body) > most {
			most, heaviest = len(body), s.at(i)
		}
	}
	cost := (used() - before) / time.Duration(n)
	w, err := v.weigh(ctx, heaviest)
	if err != nil {
		return err
	}
	slices.Sort(times)
	at := func(percent int) string { return micros(times[len(times)*percent/100]) }
	t.row(s.name, at(95), "p50 %s, p99 %s; CPU %s, %s at DESIGN's speed; at most %.1f KB, with what it loads %.1f KB, %.1f unpacked", at(50), at(99), micros(cost),
		micros(time.Duration(float64(cost)/b.slower())), float64(most)/1e3, float64(w.sent)/1e3, float64(w.plain)/1e3)
	return nil
}

// screens are all pages, and those of the job with the most children apart.
func (v *viewer) screens(ctx context.Context) ([]screen, error) {
	var jobs, family foundPage
	if err := v.get(ctx, "/v1/events?limit=1000&q="+url.QueryEscape("event:job_submitted"), &jobs); err != nil {
		return nil, err
	}
	if err := v.get(ctx, "/v1/events?limit=1&q="+url.QueryEscape("event:job_submitted job:"+generate.Family), &family); err != nil {
		return nil, err
	}
	if len(jobs.Rows) == 0 || len(family.Rows) == 0 {
		return nil, errors.New("the log has no jobs, or none of so many children: remove it, to have another made")
	}
	if age := time.Since(jobs.Rows[0].Entry.Received); age > endedAfter {
		return nil, fmt.Errorf("the newest job of the log is %v old, and some pages are of the last day: remove the log, to have another made", age.Round(time.Hour))
	}
	job := func(i int) foundEvent { return jobs.Rows[i*7%len(jobs.Rows)].Entry.Event }
	big := family.Rows[0].Entry.Event
	middle, err := v.middle(ctx, big.Job.ID)
	if err != nil {
		return nil, err
	}
	var actors []string
	for i := range looks + 1 {
		actors = append(actors, generate.Actor(i*i))
	}
	queries := func(i int) string {
		return [...]string{"event:job_failed", "actor:" + actors[i], generate.Rare, "severity:<=3", "app:app-03 status:failure", "since:7d", "is:ghost", "job:purge since:3d",
			`"` + generate.Rare + `"`, "has:diff", "interaction:" + job(i).Interaction, "event:sensitive_read label.region:eu", "ip:192.0.2.0/28", "-event:job_heartbeat"}[i%14]
	}
	seq := func(i int) string { return strconv.FormatUint(uint64(i)*2654435761%v.size, 10) }
	older, err := v.next(ctx, "/v1/events?limit=50&q="+url.QueryEscape("event:job_heartbeat"))
	if err != nil {
		return nil, err
	}
	same := func(target string) func(int) string { return func(int) string { return target } }
	return []screen{
		{"overview", same("")},
		{"search, everything", same("search")},
		{"search, a query", func(i int) string { return link("search", "q", queries(i)) }},
		{"search, live", func(i int) string { return link("search", "q", queries(i), "live", "1") }},
		{"search, older", same(link("search", "q", "event:job_heartbeat", "cursor", older))},
		{"rows, older", same(link("rows", "q", "event:job_heartbeat", "cursor", older))},
		{"rows, what came since", func(i int) string { return link("rows", "q", queries(i), "after", strconv.FormatUint(v.size, 10)) }},
		{"story", func(i int) string { return link("story", "interaction", job(i).Interaction) }},
		{"story of the family", same(link("story", "interaction", big.Interaction))},
		{"event", func(i int) string { return link("event", "seq", seq(i)) }},
		{"lineage", func(i int) string { return link("lineage", "job", job(i).Job.ID) }},
		{"lineage of the family", same(link("lineage", "job", big.Job.ID))},
		{"lineage of the family, failed", same(link("lineage", "job", big.Job.ID, "failed", "1"))},
		{"lineage of the family, its middle", same(link("lineage", "job", big.Job.ID, "cursor", middle.next))},
		{"lineage of one of the family", func(i int) string { return link("lineage", "job", middle.children[i%len(middle.children)]) }},
		{"children of the family", same(link("children", "job", big.Job.ID, "cursor", middle.next))},
		{"ghosts", same("ghosts")},
		{"ghosts, answered too", same(link("ghosts", "all", "1"))},
		{"checkpoints", same("checkpoints")},
		{"checkpoints, two sizes", func(i int) string { return link("checkpoints", "from", seq(i), "to", strconv.FormatUint(v.size, 10)) }},
		{"emitters", same("emitters")},
		{"policy", same("policy")},
		{"policy, a query", func(i int) string { return link("policy", "q", queries(i)) }},
		{"access", same("access")},
		{"exports", same("exports")},
		{"setup", same("setup")},
		{"help", same("help")},
	}, nil
}

func link(page string, params ...string) string {
	q := url.Values{}
	for i := 0; i < len(params); i += 2 {
		if params[i+1] != "" {
			q.Set(params[i], params[i+1])
		}
	}
	return page + "?" + q.Encode()
}

// next is the cursor behind a page.
func (v *viewer) next(ctx context.Context, target string) (string, error) {
	var p struct{ Next string }
	err := v.get(ctx, target, &p)
	if err == nil && p.Next == "" {
		err = fmt.Errorf("%s has no second page", target)
	}
	return p.Next, err
}

// inLine is a place in a job's line.
type inLine struct {
	next     string
	children []string
}

// middle goes ten pages into the children of a job.
func (v *viewer) middle(ctx context.Context, id string) (at inLine, err error) {
	for range 10 {
		var p struct {
			Next     string
			Children []struct{ ID string }
		}
		if err := v.get(ctx, "/v1/jobs/"+id+"/"+link("lineage", "limit", "4", "cursor", at.next), &p); err != nil {
			return at, err
		}
		if p.Next == "" {
			break
		}
		at.next = p.Next
		for _, c := range p.Children {
			at.children = append(at.children, c.ID)
		}
	}
	if len(at.children) == 0 {
		return at, fmt.Errorf("job %s has no children", id)
	}
	return at, nil
}

// markedLog is a log with the marker of its store, all of it published.
type markedLog struct {
	readOnlyLog
	marker store.Marker
	size   uint64
}

func (l markedLog) Marker() store.Marker { return l.marker }
func (l markedLog) State() ledger.State  { return ledger.State{Durable: l.size, Published: l.size} }

// expecting is a log that expects jobs.
type expecting struct{ admin.Log }

func (expecting) Expected(context.Context) (*expect.Defined, error) {
	var all expect.Defined
	for i := range expectedJobs {
		s, err := expect.Parse(fmt.Sprintf("cron %d 3 * * *", i))
		if err != nil {
			return nil, err
		}
		d := expect.Definition{Job: []string{"purge", "invoice", "report", "backup", "reindex"}[i%5], App: fmt.Sprintf("app-%02d", i/5), Schedule: s, Zone: "UTC", Grace: time.Hour}
		if _, ok := all.Apply(watch.Entry{StoreKey: true, ReceivedAt: time.Now(), Event: &event.Event{EventType: expect.Added, Labels: d.Labels()}}); !ok {
			return nil, fmt.Errorf("%v cannot be expected", d)
		}
	}
	return &all, nil
}
