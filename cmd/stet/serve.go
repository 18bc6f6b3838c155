package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/stetlog/stet"
	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/admin"
	"github.com/stetlog/stet/internal/auth"
	"github.com/stetlog/stet/internal/exports"
	"github.com/stetlog/stet/internal/index"
	"github.com/stetlog/stet/internal/keyfile"
	"github.com/stetlog/stet/internal/ledger"
	"github.com/stetlog/stet/internal/origin"
	"github.com/stetlog/stet/internal/published"
	"github.com/stetlog/stet/internal/server"
	"github.com/stetlog/stet/internal/store"
	"github.com/stetlog/stet/internal/verifierpage"
	"github.com/stetlog/stet/internal/verify"
	"github.com/stetlog/stet/internal/webui"
)

type serveCmd struct {
	Store  string   `help:"The store: a directory, made where it is missing." placeholder:"DIR" env:"STET_STORE"`
	Listen []string `help:"Where to listen: host:port, or unix:/path. May be repeated." default:"127.0.0.1:7108"`

	InsecureListen   bool `help:"Listen also where other machines can reach it, without encryption: only behind something that ends TLS."`
	EnrolKeys        bool `help:"Take keys through stet enrol only. Otherwise the first key that a writer's token comes with is taken."`
	RequireClockSync bool `help:"Take nothing while the kernel does not say that its clock is in step."`
	Dev              bool `help:"For trying out: a throwaway store with sample jobs, open to this machine without tokens."`

	TokenRequests float64     `help:"Requests a second that one token may send." placeholder:"N"`
	TokenBytes    int64       `help:"Bytes a second that one token may send." placeholder:"N"`
	Connections   int         `help:"Connections that may be open at once, an address." placeholder:"N"`
	Syslog        syslogFlags `embed:"" prefix:"syslog-"`

	Drain time.Duration `help:"How long the requests that are under way have to end when the server is told to stop." default:"30s"`

	watchFlags
}

// Help says what serve is.
func (serveCmd) Help() string {
	return `It takes sealed batches and events over HTTP, answers with receipts, and serves the log as C2SP tlog-tiles. It holds the store open:
other commands find it busy, and ask it. The first lines on standard output are its addresses, one a line, once it
answers; its own log is JSON on standard error.

It speaks plain HTTP. An address that other machines can reach is refused unless --insecure-listen is said; put something in
front that ends TLS. Who may do what is decided by tokens: stet admin token create. On a Unix socket, the uid that it runs
as and root are administrators; beside the addresses it always opens one, admin.sock in the store.

SIGTERM and SIGINT end it: it takes no more, answers what is under way, publishes, and exits with 0. It exits with 1 when
its log has stopped after an error, so that whatever watches it starts it anew.`
}

// adminSocket is the socket that every server opens in its store, for its owner.
const adminSocket = "admin.sock"

func (c *serveCmd) Run(e *env) (err error) {
	logger := slog.New(slog.NewJSONHandler(e.stderr, nil))
	if err := c.check(); err != nil {
		return err
	}
	path, state, err := c.place()
	if err == nil && c.Dev {
		var remove func() error
		path, state, remove, err = throwaway(e.ctx)
		if err == nil {
			defer func() { err = errors.Join(err, remove()) }()
		}
	}
	if err != nil {
		return err
	}
	s, err := store.OpenOrMake(path, state)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	held, err := hold(e.ctx, s)
	if err != nil {
		return err
	}
	err = c.serve(e, logger, s, held)
	if cerr := closeHeld(e, held); !errors.Is(err, ledger.ErrFailed) { // else it says the same once more
		err = errors.Join(err, cerr)
	}
	return err
}

// check refuses numbers that say nothing: a server that took another one in their place would not do what it was told.
func (c *serveCmd) check() error {
	if c.TokenRequests < 0 || math.IsNaN(c.TokenRequests) || math.IsInf(c.TokenRequests, 0) || c.TokenBytes < 0 || c.Connections < 0 {
		return usage("serve: --token-requests, --token-bytes and --connections are not negative; 0 is the same as leaving them out")
	}
	if c.Drain < 0 {
		return usage("serve: --drain %v: it is not negative", c.Drain)
	}
	for name, d := range c.deadlines() {
		if d <= 0 {
			return usage("serve: --%s %v: it is longer than that", strings.ReplaceAll(name, "_", "-"), d)
		}
	}
	return nil
}

// place is where the store is, and the memory of this host and user.
func (c *serveCmd) place() (path, state string, err error) {
	if c.Dev {
		if c.Store != "" && c.Store != os.Getenv("STET_STORE") {
			err = usage("serve: --dev makes a throwaway store of its own; leave --store out")
		}
		return "", "", err
	}
	if path, err = stet.StorePath(c.Store); err != nil {
		return "", "", err
	}
	state, err = keyfile.StateDir(os.LookupEnv)
	return path, state, err
}

// hold takes the store. Another command that works on it will end soon, so that is waited for; another server will not, and
// it answers.
func hold(ctx context.Context, s *store.Store) (*store.Held, error) {
	wait, cancel := context.WithTimeout(ctx, busyFor)
	defer cancel()
	for {
		held, err := s.Hold(ctx, store.HoldOptions{})
		if !errors.Is(err, store.ErrBusy) || answers(wait, filepath.Join(s.Path, adminSocket)) {
			return held, err
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-wait.Done():
			return nil, err
		}
	}
}

// answers says whether there is somebody at the other end of a socket.
func answers(ctx context.Context, socket string) bool {
	c, err := (&net.Dialer{}).DialContext(ctx, "unix", socket)
	return err == nil && c.Close() == nil
}

// closeHeld gives the store up, also when the server was told to end.
func closeHeld(e *env, held *store.Held) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(e.ctx), drainTimeout)
	defer cancel()
	return held.Close(ctx)
}

// serve answers until it is told to end, or the log has stopped.
func (c *serveCmd) serve(e *env, logger *slog.Logger, s *store.Store, held *store.Held) (err error) {
	tokens, err := auth.Open(s.FS, auth.Options{LogKeys: held.LogKeys().All(), ExplicitKeys: c.EnrolKeys})
	if err != nil {
		return err
	}
	office := &admin.Office{Log: held, Tokens: tokens, FS: s.FS}
	if err := openAlerts(office, s, held, logger); err != nil {
		return err
	}
	watch := &admin.Watch{Log: held, Logger: logger}
	feed := published.New(held, held.Newest())
	lookout := c.lookout(logger, held, feed)
	desk := exports.NewDesk(exports.Options{Source: held.Source(), LogKey: func() string { return held.LogKeys().Newest() }, Scratch: scratch, Record: office.ExportedBy,
		Tool: event.Sanitize(strings.TrimSpace("stet " + origin.Detect(os.LookupEnv).Build.Version.Text)), Verifier: verifierpage.HTML(), Logger: logger})
	pages, err := webui.New(webui.Options{Again: tokens.Again, Logger: logger})
	if err != nil {
		return err
	}
	syslog, err := c.Syslog.open(e.ctx, c.InsecureListen, logger)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, syslog.close()) }()
	srv, err := server.New(server.Options{
		Log: held, LogKey: func() string { return held.LogKeys().Newest() }, Authority: tokens, Logger: logger, OwnUID: uint32(os.Geteuid()),
		Open: c.Dev, RequireClockSync: c.RequireClockSync, Record: held.Record, FS: s.FS,
		Limits: server.Limits{Connections: c.Connections, RequestRate: c.TokenRequests, ByteRate: float64(c.TokenBytes)},
		Routes: slices.Concat(office.Routes(), desk.Routes(), pages.Routes()), Session: pages.Session, Refused: watch.RefusedPeer, Read: watch.ReadBy, Hole: lookout.hole,
		Verify: func(ctx context.Context) (verify.Report, error) {
			return verify.Log(ctx, held.Source(), verify.Options{LogKey: held.Marker().LogKey, Workers: 1})
		},
		Index: func() (*index.Index, error) { return index.Open(s.FS, held.Marker().LogKey) }, Feed: feed,
		Also: syslog.serve(), Metrics: append(append(syslog.metrics(), alertMetrics(office)...), desk.Metrics()),
	})
	if err != nil {
		return err
	}
	up := &upkeep{logger: logger, held: held, begin: func(ctx context.Context) error {
		return office.Started(ctx, origin.Detect(os.LookupEnv).Build.Version.Text, c.settings())
	}}
	if err := up.round(e.ctx); err != nil && !errors.Is(err, store.ErrFull) { // where there is no room, what is there is still to be read
		return err
	}
	stopWatch := background(e.ctx, watch.Run)
	stopDesk := background(e.ctx, desk.Run)
	stopAlerts := func() {}
	if office.Alerts != nil {
		stopAlerts = background(e.ctx, func(ctx context.Context) { office.Alerts.Run(ctx, feed) })
	} else {
		logger.Error("there are no alerts, because they cannot be read", slog.Any("error", office.NoAlerts))
	}
	defer func() {
		stopDesk()
		stopAlerts()
		stopWatch()
		if rerr := held.Ready(); rerr != nil {
			logger.Warn("the log cannot be told that the server ends", slog.Any("error", rerr))
			return
		}
		err = errors.Join(err, up.last(e.ctx), stopped(e.ctx, office, err))
	}()
	listeners, err := c.listen(e.ctx, s.Path)
	if err != nil {
		return err
	}
	stop := up.everyNow(e.ctx)
	defer stop()
	defer lookout.begin(e.ctx)()
	for _, l := range listeners {
		if _, err := fmt.Fprintln(e.stdout, server.URL(l)); err != nil {
			return errors.Join(err, closeAll(listeners))
		}
	}
	if err := syslog.print(e.stdout); err != nil {
		return errors.Join(err, closeAll(listeners))
	}
	return srv.Serve(e.ctx, c.Drain, listeners...)
}

// alertMetrics are those of the alerts, where they could be read.
func alertMetrics(o *admin.Office) []prometheus.Collector {
	if o.Alerts == nil {
		return nil
	}
	return []prometheus.Collector{o.Alerts.Metrics()}
}

// scratch makes a file that has no name from the beginning, where temporary files are (TMPDIR): it is gone when it is closed, or its
// process ends.
func scratch() (exports.ScratchFile, error) {
	f, err := os.CreateTemp("", "stet-evidence-*")
	if err != nil {
		return nil, err
	}
	if err := os.Remove(f.Name()); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// settings are what the log is told of how the server runs.
func (c *serveCmd) settings() admin.Settings {
	s := admin.Settings{"listen": strings.Join(c.Listen, ","), "enrol_keys": strconv.FormatBool(c.EnrolKeys), "insecure_listen": strconv.FormatBool(c.InsecureListen),
		"require_clock_sync": strconv.FormatBool(c.RequireClockSync), "dev": strconv.FormatBool(c.Dev)}
	for name, n := range map[string]int64{"token_requests": int64(c.TokenRequests), "token_bytes": c.TokenBytes, "connections": int64(c.Connections)} {
		if n > 0 {
			s[name] = strconv.FormatInt(n, 10)
		}
	}
	if len(c.Syslog.Listen) > 0 {
		s["syslog_listen"] = strings.Join(c.Syslog.Listen, ",")
	}
	for name, d := range c.deadlines() {
		s[name] = d.String()
	}
	return s
}

// background runs something beside the requests until stop, which waits for its end.
func background(ctx context.Context, run func(context.Context)) (stop func()) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx)) // requests are still answered after the first signal
	done := make(chan struct{})
	go func() {
		defer close(done)
		run(ctx)
	}()
	return func() {
		cancel()
		<-done
	}
}

// stopped has the log say that the server ends, and why where that is an error.
func stopped(ctx context.Context, o *admin.Office, err error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTimeout)
	defer cancel()
	why := ""
	if err != nil {
		why = "it could not go on; the server's own log says why"
	}
	return o.Stopped(ctx, why)
}

// listen opens the addresses, and last the socket for the store's owner.
func (c *serveCmd) listen(ctx context.Context, dir string) (all []net.Listener, err error) {
	for _, addr := range c.Listen {
		// A Unix socket is for everybody: the peer is judged by its uid and its token.
		l, err := server.Listen(ctx, addr, c.InsecureListen, 0o666)
		if errors.Is(err, server.ErrExposed) {
			return nil, errors.Join(usage("serve: %v; listen on 127.0.0.1 or a Unix socket behind something that ends TLS, or say --insecure-listen", err), closeAll(all))
		}
		if err != nil {
			return nil, errors.Join(err, closeAll(all))
		}
		all = append(all, l)
	}
	l, err := server.Listen(ctx, "unix:"+filepath.Join(dir, adminSocket), false, 0o600)
	if err != nil {
		return nil, errors.Join(err, closeAll(all))
	}
	return append(all, l), nil
}

func closeAll(all []net.Listener) error {
	var errs []error
	for _, l := range all {
		errs = append(errs, l.Close())
	}
	return errors.Join(errs...)
}

// upkeep is what a server does by itself: it has the log say that it has started, and brings in what was recorded beside it,
// into the spools of its store.
type upkeep struct {
	logger *slog.Logger
	held   *store.Held
	begin  func(context.Context) error // nil once the log says that the server has started
}

// upkeepEvery is how often a round is made.
const upkeepEvery = 2 * time.Second

// round does what there is to do. What fails is tried again with the next one: all of it is durable where it is.
func (u *upkeep) round(ctx context.Context) error {
	if u.begin != nil {
		if err := u.begin(ctx); err != nil {
			return err
		}
		u.begin = nil
	}
	d, err := u.held.Drain(ctx)
	for _, l := range d.Damaged {
		u.logger.Warn("part of a spool could not be taken in; it is recorded, and kept in quarantine", slog.String("stream", l.Stream), slog.String("why", l.Why))
	}
	return err
}

// last has the log say that the server started, where there was no room for that until now.
func (u *upkeep) last(ctx context.Context) error {
	if u.begin == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTimeout)
	defer cancel()
	return u.begin(ctx)
}

// everyNow makes rounds until stop. Trouble is logged when it begins, and when it is another.
func (u *upkeep) everyNow(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(upkeepEvery)
		defer tick.Stop()
		for last := ""; ; {
			select {
			case <-ctx.Done():
				return
			case <-u.held.Failed():
				return
			case <-tick.C:
			}
			now := ""
			if err := u.round(ctx); err != nil && ctx.Err() == nil {
				now = err.Error()
			}
			if now != "" && now != last {
				u.logger.Error("what is spooled could not be brought in; it is durable where it is, and is tried again", slog.String("error", now))
			}
			last = now
		}
	}()
	return func() {
		cancel()
		<-done
	}
}
