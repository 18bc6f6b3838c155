package main

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/stetlog/stet"
	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/convert"
	"github.com/stetlog/stet/internal/forward"
	"github.com/stetlog/stet/internal/fsx"
	"github.com/stetlog/stet/internal/keyfile"
	"github.com/stetlog/stet/internal/ledger"
	"github.com/stetlog/stet/internal/logread"
	"github.com/stetlog/stet/internal/ship"
	"github.com/stetlog/stet/internal/store"
	"github.com/stetlog/stet/internal/webhook"
	"github.com/stetlog/stet/proof"
)

type forwardCmd struct {
	storeFlag
	Query       []string      `arg:"" optional:"" help:"What to send, as stet search takes it, without since:; nothing: everything."`
	To          string        `help:"The destination; see above." placeholder:"DEST" required:""`
	Format      string        `help:"Format of the rows, such as jsonl, cef, ecs, ocsf; otherwise what the destination is used to." placeholder:"FORMAT"`
	Name        string        `help:"Name of the place that is kept; otherwise one of log and destination. Two for one destination need names." placeholder:"NAME"`
	Once        bool          `help:"End when everything that is in the log is safe with the receiver; otherwise follow, until interrupted."`
	SkipRefused bool          `help:"Leave out what the receiver refuses for good, count and tell it; otherwise end there."`
	SecretFile  string        `help:"File with what the receiver knows us by: the value of Authorization, or its token alone; of a webhook whsec_ and base64. Otherwise STET_FORWARD_SECRET." placeholder:"FILE"`
	CA          string        `name:"ca" help:"File of PEM certificates to trust, instead of this machine's." placeholder:"FILE"`
	ClientCert  string        `help:"File with our certificate, PEM, and with --client-key its key." placeholder:"FILE" and:"client"`
	ClientKey   string        `help:"File with its key, PEM." placeholder:"FILE" and:"client"`
	Settle      time.Duration `help:"For syslog: how long a receiver has to put away what it has read. Whoever dies within is sent it again." default:"5s"`
}

// secretVariable holds what the receiver knows us by, where no file does.
const secretVariable = "STET_FORWARD_SECRET"

// Help says where to, and what is promised.
func (forwardCmd) Help() string {
	return `Each entry that the query finds is sent at least once, in the order of the log, with its seq and entry hash, after it was proven to be in the
log. How far it is, is kept in the state directory; whoever goes on there begins where the receiver was last known to have everything.

    stet forward --to syslog+tls://siem.example:6514 severity:<=4
    stet forward --to file:/var/log/stet.jsonl
    stet forward --to https://example.org/hook              webhook, signed as alerts are
    stet forward --to otlp+https://collector.example:4318/v1/logs
    stet forward --to elastic+https://es.example:9200/audit
    stet forward --to splunk+https://hec.example:8088       with acknowledgement, where the token has it
    stet forward --to syslog+tcp://10.0.0.5:601             octet-counted

Syslog has no acknowledgement: what was sent shortly before a receiver died is sent again. Nothing goes through a proxy, and no
redirect is followed. What is on its way when it is told to end is brought to its end. Its own log is JSON on standard error, with a
line a minute that says how far it is. Exit code 3 says that the log is not the one that was sent from so far, or was altered.`
}

// answerTime is how long a receiver may take for an answer.
const answerTime = time.Minute

func (c *forwardCmd) Run(e *env) (err error) {
	q, err := parseQuery(e, c.Query)
	if err != nil {
		return err
	}
	if q.Relative() {
		return usage("forward: the query has since: in it, which is another time whenever it is asked; say after:")
	}
	target, err := forward.ParseTarget(c.To)
	if err != nil {
		return usage("forward: --to: %v", err)
	}
	format, err := target.Format(c.Format)
	if err != nil {
		return usage("forward: --format: %v", err)
	}
	to, err := c.destination(target, format)
	if err != nil {
		return fmt.Errorf("forward: %w", err)
	}
	defer func() { err = errors.Join(err, to.Close()) }()
	w, done, err := c.live(e)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, done()) }()
	use := forward.Use{To: digest(c.To), Format: format.String(), Query: q.String()}
	cursor, free, err := c.cursor(w.log.Name, use)
	if errors.Is(err, forward.ErrOtherUse) || errors.Is(err, forward.ErrName) {
		err = exit{exitUsage, err}
	}
	if err != nil {
		return fmt.Errorf("forward: %w", err)
	}
	defer func() { err = errors.Join(err, free()) }()
	o := forward.Options{Log: forwardedLog{w, w.log.Proven()}, Query: q, Format: format, To: to, Name: target.Name, Cursor: cursor, Once: c.Once, SkipRefused: c.SkipRefused,
		Logger: slog.New(slog.NewJSONHandler(e.stderr, nil))}
	if !c.remote() {
		o.Skipped = func(ctx context.Context, x forward.Refusal) error { return c.recordSkipped(e, ctx, target.Name, x) }
	}
	if err := forward.New(o).Run(e.ctx); err != nil {
		return fmt.Errorf("forward: %w", err)
	}
	return nil
}

// destination makes what rows are handed to.
func (c *forwardCmd) destination(t forward.Target, format convert.Format) (forward.Destination, error) {
	secret, err := c.secret()
	if err != nil {
		return nil, err
	}
	if secret != "" && t.Kind != forward.ToWebhook && !t.Private() {
		return nil, usage("%s would get its secret in the clear; use TLS", t.Name)
	}
	trust, err := c.trust()
	if err != nil {
		return nil, err
	}
	switch t.Kind {
	case forward.ToFile:
		return forward.NewFile(t.Address, format), nil
	case forward.ToSyslog:
		if c.Settle <= 0 {
			return nil, usage("--settle %v: it must be more than nothing", c.Settle)
		}
		if !t.TLS {
			trust = nil
		}
		return forward.NewSyslog(forward.DialTCP(t.Address, trust), c.Settle), nil
	}
	o := forward.HTTPOptions{URL: t.Address, Secret: secret, Client: webhook.NewClient(webhook.Options{Private: true, Keep: true, Trust: trust, Answer: answerTime})}
	switch t.Kind {
	case forward.ToWebhook:
		return forward.NewWebhook(o)
	case forward.ToOTLP:
		return forward.NewOTLP(o), nil
	case forward.ToElastic:
		return forward.NewElastic(o), nil
	default:
		var random [10]byte
		if _, err := rand.Read(random[:]); err != nil {
			return nil, err
		}
		return forward.NewSplunk(o, event.NewUUIDv7(time.Now(), random).String()), nil
	}
}

func (c *forwardCmd) secret() (string, error) {
	if c.SecretFile == "" {
		return os.Getenv(secretVariable), nil
	}
	secret, err := lineOf(c.SecretFile)
	if err == nil && secret == "" {
		err = fmt.Errorf("%s: it is empty", c.SecretFile)
	}
	return secret, err
}

// trust is whom to believe to be the receiver, and who we are.
func (c *forwardCmd) trust() (*tls.Config, error) {
	t := &tls.Config{MinVersion: tls.VersionTLS12}
	if c.CA != "" {
		pem, err := os.ReadFile(c.CA)
		if err != nil {
			return nil, err
		}
		if t.RootCAs = x509.NewCertPool(); !t.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s: it holds no PEM certificate", c.CA)
		}
	}
	if c.ClientCert != "" {
		pair, err := tls.LoadX509KeyPair(c.ClientCert, c.ClientKey)
		if err != nil {
			return nil, err
		}
		t.Certificates = []tls.Certificate{pair}
	}
	return t, nil
}

// cursor opens the place that is kept of a log and a destination.
func (c *forwardCmd) cursor(log string, use forward.Use) (*forward.Cursor, func() error, error) {
	state, err := keyfile.StateDir(os.LookupEnv)
	if err != nil {
		return nil, nil, err
	}
	if err := os.MkdirAll(state, 0o700); err != nil {
		return nil, nil, err
	}
	fsys, err := fsx.OpenDir(state)
	if err != nil {
		return nil, nil, err
	}
	name := c.Name
	if name == "" {
		if !c.remote() {
			if log, err = filepath.Abs(log); err != nil {
				return nil, nil, errors.Join(err, fsys.Close())
			}
		}
		name = digest(log + "\n" + c.To)[:16]
	}
	cursor, err := forward.Open(fsys, name, use)
	if err != nil {
		return nil, nil, errors.Join(err, fsys.Close())
	}
	return cursor, func() error { return errors.Join(cursor.Close(), fsys.Close()) }, nil
}

func digest(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

// recordSkipped records that entries were left out, and brings that into the log.
func (c *forwardCmd) recordSkipped(e *env, ctx context.Context, to string, x forward.Refusal) error {
	rec, err := stet.Open(ctx, c.Store, c.recording(e, stet.Options{App: "stet", EntryPoint: &event.EntryPoint{Kind: "cli", Name: "stet forward"}}))
	if err != nil {
		return err
	}
	return errors.Join(rec.Record(ctx, event.Event{EventType: "log_exported", Action: "skip", Object: &event.Object{Type: "destination", ID: to},
		Status: event.StatusFailure, StatusReason: x.Why, Labels: map[string]string{"rows": strconv.Itoa(x.Rows)},
		References: []event.Reference{{Kind: "seq", Value: strconv.FormatUint(x.First, 10)}, {Kind: "seq", Value: strconv.FormatUint(x.Last, 10)}}}), rec.Close())
}

// forwardedLog is a log that is read again and again.
type forwardedLog struct {
	live   liveLog
	proven *store.Reading
}

// Source implements forward.Log.
func (l forwardedLog) Source() logread.Source {
	return logread.NewRemote(func(ctx context.Context, path string) ([]byte, error) {
		b, err := l.proven.Source().Fetch(ctx, path)
		return b, ending(err)
	})
}

// Checkpoint implements forward.Log.
func (l forwardedLog) Checkpoint(ctx context.Context) (cp proof.Checkpoint, err error) {
	if err = l.live.refill(ctx); err == nil {
		cp, _, err = l.proven.Checkpoint(ctx)
	}
	return cp, ending(err)
}

// ending marks what no other attempt makes better: a log that is not what it must be, and whoever may not read it.
func ending(err error) error {
	var integrity *ledger.IntegrityError
	var lie *ship.IntegrityError
	var refused *ship.RefusedError
	if errors.As(err, &integrity) || errors.As(err, &lie) || errors.Is(err, store.ErrNotAllowed) ||
		errors.As(err, &refused) && (refused.Status == http.StatusUnauthorized || refused.Status == http.StatusForbidden) {
		return &forward.EndError{Err: err}
	}
	return err
}
