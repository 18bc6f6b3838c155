package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/time/rate"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/convert"
	"github.com/stetlog/stet/internal/intake"
	"github.com/stetlog/stet/internal/server"
	"github.com/stetlog/stet/internal/syslog"
	"github.com/stetlog/stet/proof"
)

// syslogFlags say how a server takes syslog.
type syslogFlags struct {
	Listen      []string `help:"Take syslog here: tcp://host:port, or tls://host:port. May be repeated." placeholder:"ADDR"`
	TLSCert     string   `help:"The server's certificate, with those between it and its authority, as PEM." placeholder:"FILE"`
	TLSKey      string   `help:"Its key, as PEM." placeholder:"FILE"`
	TLSClientCA string   `name:"tls-client-ca" help:"Certificates of the authorities whose clients get in, as PEM; others do not." placeholder:"FILE"`
	Map         string   `help:"Which keys of the messages hold which fields; otherwise docs/spec/import.md says it." placeholder:"FILE"`
	App         []string `help:"An application that messages may be of; those of others are recorded as the first one's. May be repeated; otherwise any." placeholder:"APP"`
	Rate        float64  `help:"Messages a second that one address may send; who sends more is read more slowly." placeholder:"N"`
}

// syslogDoor is the syslog listener of a server; the zero value is none.
type syslogDoor struct {
	listener *syslog.Listener
	log      *syslogLog
	sockets  []net.Listener
	names    []string
}

// open opens the sockets. Anything that other machines can reach must have client certificates, unless exposed is set.
func (f *syslogFlags) open(ctx context.Context, exposed bool, logger *slog.Logger) (d *syslogDoor, err error) {
	d = &syslogDoor{}
	if len(f.Listen) == 0 {
		if f.TLSCert != "" || f.TLSKey != "" || f.TLSClientCA != "" || f.Map != "" || f.Rate != 0 || len(f.App) > 0 {
			return nil, usage("serve: there is no --syslog-listen for what else is said of syslog")
		}
		return d, nil
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, d.close())
		}
	}()
	d.log = &syslogLog{apps: f.App, mapping: convert.Standard(), run: newRun(), sources: map[string]bool{}, opening: rate.NewLimiter(newSources, burstSources)}
	if f.Map != "" {
		b, err := readSmall(f.Map, convert.MaxMap)
		if err != nil {
			return d, err
		}
		if d.log.mapping, d.log.types, err = convert.ParseMapping(b); err != nil {
			return d, fmt.Errorf("%s: %w", f.Map, err)
		}
	}
	d.log.typed = d.log.mapping.Typed()
	d.listener = syslog.New(d.log, syslog.Limits{Rate: f.Rate, Burst: int(2 * f.Rate)}, logger)
	for _, addr := range f.Listen {
		if err := f.socket(ctx, d, addr, exposed); err != nil {
			return d, err
		}
	}
	return d, nil
}

func (f *syslogFlags) socket(ctx context.Context, d *syslogDoor, addr string, exposed bool) error {
	scheme, host, ok := strings.Cut(addr, "://")
	if !ok || scheme != "tcp" && scheme != "tls" || strings.HasPrefix(host, "unix:") {
		return usage("serve: --syslog-listen %q: it is neither tcp://host:port nor tls://host:port", addr)
	}
	var config *tls.Config
	if scheme == "tls" {
		var err error
		if config, err = f.tls(); err != nil {
			return err
		}
	}
	s, err := server.Listen(ctx, host, exposed || config != nil && config.ClientCAs != nil, 0)
	if errors.Is(err, server.ErrExposed) {
		return usage("serve: --syslog-listen: %v, or anybody may send; listen on 127.0.0.1, or on tls:// with --syslog-tls-client-ca, or say --insecure-listen", err)
	}
	if err != nil {
		return err
	}
	d.names = append(d.names, scheme+"://"+s.Addr().String())
	if config != nil {
		s = tls.NewListener(s, config)
	}
	d.sockets = append(d.sockets, s)
	return nil
}

// maxPEM bounds a file of certificates or a key, in bytes.
const maxPEM = 1 << 20

func (f *syslogFlags) tls() (*tls.Config, error) {
	if f.TLSCert == "" || f.TLSKey == "" {
		return nil, usage("serve: --syslog-listen tls:// needs --syslog-tls-cert and --syslog-tls-key")
	}
	cert, err := tls.LoadX509KeyPair(f.TLSCert, f.TLSKey)
	if err != nil {
		return nil, fmt.Errorf("the certificate for syslog: %w", err)
	}
	c := &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}
	if f.TLSClientCA == "" {
		return c, nil
	}
	b, err := readSmall(f.TLSClientCA, maxPEM)
	if err != nil {
		return nil, err
	}
	c.ClientCAs, c.ClientAuth = x509.NewCertPool(), tls.RequireAndVerifyClientCert
	if !c.ClientCAs.AppendCertsFromPEM(b) {
		return nil, fmt.Errorf("%s: it has no certificate in PEM", f.TLSClientCA)
	}
	return c, nil
}

// serve is what runs beside the server's requests; nil where no syslog is taken.
func (d *syslogDoor) serve() func(context.Context, *server.Server) error {
	if d.listener == nil {
		return nil
	}
	return func(ctx context.Context, s *server.Server) error {
		d.log.door, d.log.clock = s.Door(), s.ClockMark
		return d.listener.Serve(ctx, d.sockets...)
	}
}

func (d *syslogDoor) metrics() []prometheus.Collector {
	if d.listener == nil {
		return nil
	}
	return []prometheus.Collector{d.listener.Counts()}
}

// print says where syslog is taken.
func (d *syslogDoor) print(w io.Writer) error {
	for _, name := range d.names {
		if _, err := fmt.Fprintln(w, name); err != nil {
			return err
		}
	}
	return nil
}

// close closes sockets that nobody has come to serve.
func (d *syslogDoor) close() error {
	var errs []error
	for _, s := range d.sockets {
		if err := s.Close(); !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// syslogLog hands messages on to the intake.
type syslogLog struct {
	door    *intake.Door  // set before the first call
	clock   func() string // the same: what via says of the server's clock
	apps    []string      // that messages may be of; none: any
	mapping convert.Map
	typed   convert.Map
	types   convert.Types
	run     string // names this run of the server, of whose connections and messages the numbers are

	mu      sync.Mutex
	sources map[string]bool // that were heard of lately
	opening *rate.Limiter
}

// Each source (peer, host and application) has a stream of its own, whose beginning and end cost a signature. New ones come at most
// so fast, however many names somebody makes up; so many are known again.
const (
	newSources   = 50 // a second
	burstSources = 500
	maxSources   = 4096
)

// newRun is a name that no other run of a server has.
func newRun() string {
	b := make([]byte, 16)
	_, _ = rand.Read(b) // never fails: crypto/rand's word
	return hex.EncodeToString(b)
}

// Take is syslog.Log's. Messages of one source stay in their order; they are recorded together.
func (l *syslogLog) Take(ctx context.Context, from syslog.Peer, first uint64, messages []syslog.Message) error {
	via := proof.Via{Kind: proof.ViaSyslog, Addr: from.Addr.String(), Token: viaText(from.Subject), Clock: l.clock()}
	now := time.Now()
	type sourced struct {
		source string
		record intake.Record
	}
	all := make([]sourced, len(messages))
	for i, m := range messages {
		r, app, host := l.record(m, now)
		r.ID = fmt.Sprintf("%s %d %d", l.run, from.Conn, first+uint64(i))
		all[i] = sourced{host + "\n" + app, r}
		if err := l.heard(ctx, via.Sender()+"\n"+all[i].source); err != nil {
			return err
		}
	}
	slices.SortStableFunc(all, func(a, b sourced) int { return cmp.Compare(a.source, b.source) })
	records := make([]intake.Record, len(all))
	for i := range all {
		records[i] = all[i].record
	}
	sender := intake.Sender{Via: via, May: l.may}
	if len(l.apps) > 0 {
		sender.App = l.apps[0]
	}
	_, err := l.door.TakeRecords(ctx, sender, intake.Source{Kind: intake.Syslog, Map: l.typed, Retries: true}, records)
	return err
}

var errNotOfSyslog = errors.New("--syslog-app does not name the application")

// may says which applications messages may be of.
func (l *syslogLog) may(app, _ string) error {
	if len(l.apps) == 0 || slices.Contains(l.apps, app) {
		return nil
	}
	return errNotOfSyslog
}

// record reads a message.
func (l *syslogLog) record(m syslog.Message, now time.Time) (r intake.Record, app, host string) {
	r.Raw = m.Text
	switch {
	case errors.Is(m.Err, syslog.ErrLong):
		r.Err = &event.Error{Code: string(event.ErrTooLarge), Detail: m.Err.Error()}
		return r, "", ""
	case m.Err != nil:
		r.Err = &event.Error{Code: string(event.ErrSyntax), Detail: m.Err.Error()}
		return r, "", ""
	}
	fields, err := convert.ReadSyslog(m.Text, now)
	if err != nil {
		r.Err = err
		return r, "", ""
	}
	l.types.Apply(l.mapping, &fields)
	r.Fields = fields
	for field, out := range map[string]*string{"app_id": &app, "host.name": &host} {
		if v, ok := l.mapping.Value(&r.Fields, field); ok {
			*out = v.Text
		}
	}
	return r, app, host
}

// heard waits where a source is new and too many were of late.
func (l *syslogLog) heard(ctx context.Context, source string) error {
	l.mu.Lock()
	known := l.sources[source]
	if !known {
		if len(l.sources) >= maxSources {
			clear(l.sources)
		}
		l.sources[source] = true
	}
	l.mu.Unlock()
	if known {
		return nil
	}
	return l.opening.Wait(ctx)
}

// viaText is a text that via may have: at most 256 bytes, without what does not show itself.
func viaText(s string) string {
	s = event.Sanitize(s)
	for len(s) > 256 || !utf8.ValidString(s) {
		s = s[:len(s)-1]
	}
	return s
}
