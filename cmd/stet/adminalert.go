package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/admin"
	"github.com/stetlog/stet/internal/alert"
	"github.com/stetlog/stet/internal/store"
)

type adminAlertCmd struct {
	Add    alertAddCmd    `cmd:"" help:"Have what a query finds from now on sent to a webhook."`
	List   alertListCmd   `cmd:"" help:"List all alerts, and how their deliveries go."`
	Remove alertRemoveCmd `cmd:"" help:"Take an alert away."`
	Test   alertTestCmd   `cmd:"" help:"Send a message that says that it is a test, and print what the target answers."`
}

type alertAddCmd struct {
	adminFlag
	Name         string        `arg:"" help:"What to call it: letters, digits, dots and hyphens."`
	Query        string        `arg:"" help:"What to look for, as in stet search. An empty one finds everything."`
	URL          string        `name:"url" help:"Where to send it: http or https." placeholder:"URL" xor:"url" required:""`
	URLFile      string        `name:"url-file" help:"A file with that address, where it is itself a secret." placeholder:"FILE" xor:"url" required:""`
	SecretFile   string        `help:"A file with the secret that messages are signed with, whsec_ and base64; otherwise one is made, and printed once." placeholder:"FILE"`
	Window       time.Duration `help:"At most one message in this time; what comes meanwhile is counted in the next." default:"1m"`
	AllowPrivate bool          `help:"The target may be on this machine or in a private network."`
	JSON         bool          `help:"Print JSON, the secret in it."`
}

// Help says what an alert does.
func (alertAddCmd) Help() string {
	return `Whatever the query finds that comes into the log from now on is sent by the server (stet serve), as messages after
www.standardwebhooks.com. Queries know what the watch finds as well:

    stet admin alert add ghosts 'is:ghost env:production' --url https://example.org/hook > hook.secret

The first event is sent at once, what follows in the window in one message that counts it. A message that is not taken is tried
again, until it is, or the target answers 410. It may come twice, under the same webhook-id. How deliveries go is
recorded in the log (alert_sent) and told by stet admin alert list.`
}

// maxLineFile bounds a file that holds an address or a secret, in bytes.
const maxLineFile = 4 << 10

// lineOf reads a file that holds one line. Its errors do not repeat it.
func lineOf(name string) (string, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }() // read only
	b, err := io.ReadAll(io.LimitReader(f, maxLineFile+1))
	if err != nil {
		return "", err
	}
	line := strings.TrimSpace(string(b))
	if len(b) > maxLineFile || strings.ContainsAny(line, "\r\n") {
		return "", fmt.Errorf("%s: more than one line of %d bytes", name, maxLineFile)
	}
	return line, nil
}

// addedAlert is what alert add prints: stet.alert/1.
type addedAlert struct {
	Format string `json:"format"`
	Secret string `json:"secret,omitempty"`
	listedAlert
}

func (c *alertAddCmd) Run(e *env) error {
	spec := alert.Spec{Name: c.Name, Query: c.Query, URL: c.URL, Window: c.Window, AllowPrivate: c.AllowPrivate}
	for _, f := range []struct {
		file string
		to   *string
	}{{c.URLFile, &spec.URL}, {c.SecretFile, &spec.Secret}} {
		if f.file == "" {
			continue
		}
		line, err := lineOf(f.file)
		if err == nil && line == "" {
			err = fmt.Errorf("%s: it is empty", f.file)
		}
		if err != nil {
			return fmt.Errorf("admin alert add: %w", err)
		}
		*f.to = line
	}
	var secret string
	var i alert.Info
	err := c.with(e, true, func(a administration) (err error) {
		secret, i, err = a.AddAlert(e.ctx, spec)
		return err
	})
	switch {
	case errors.Is(err, alert.ErrSpec):
		return usage("admin alert add: %v", err)
	case err != nil:
		return err
	case c.JSON:
		return printJSON(e, addedAlert{"stet.alert/1", secret, listAlert(i)})
	}
	_, _ = fmt.Fprintf(e.stderr, "stet: alert %s: %s to %s\n", i.Name, shownQuery(i.Query), printableText(i.Target))
	if secret == "" {
		return nil
	}
	_, _ = fmt.Fprintln(e.stderr, "stet: its messages are signed with this secret, which is shown this once:")
	_, err = fmt.Fprintln(e.stdout, secret)
	return err
}

func shownQuery(q string) string {
	if q == "" {
		return "everything"
	}
	return printableText(q)
}

// listedAlert is what is told about an alert.
type listedAlert struct {
	Name         string          `json:"name"`
	Query        string          `json:"query"`
	Target       string          `json:"target"` // scheme and host
	State        string          `json:"state"`  // on, off
	Why          string          `json:"why,omitempty"`
	Window       string          `json:"window"`
	AllowPrivate bool            `json:"allow_private"`
	Created      string          `json:"created"`
	Behind       uint64          `json:"behind"`  // entries of the log that were not looked at yet
	Waiting      uint64          `json:"waiting"` // entries that were found and are in no message yet
	Sending      uint64          `json:"sending"` // entries in the message that is on its way
	Last         *listedDelivery `json:"last,omitempty"`
}

type listedDelivery struct {
	At      string `json:"at"`
	OK      bool   `json:"ok"`
	Tries   int    `json:"tries"`
	Outcome string `json:"outcome"`
}

func listAlert(i alert.Info) listedAlert {
	l := listedAlert{Name: i.Name, Query: i.Query, Target: i.Target, State: "on", Why: i.Off, Window: i.Window.String(), AllowPrivate: i.AllowPrivate,
		Created: event.FormatTime(i.Created), Behind: i.Behind, Waiting: i.Waiting, Sending: i.Sending}
	if i.Off != "" {
		l.State = "off"
	}
	if d := i.Last; d != nil {
		l.Last = &listedDelivery{event.FormatTime(d.At), d.OK, d.Tries, d.Outcome}
	}
	return l
}

type alertListCmd struct {
	adminFlag
	JSON bool `help:"Print JSON."`
}

// alertList is what alert list prints: stet.alerts/1.
type alertList struct {
	Format string        `json:"format"`
	Alerts []listedAlert `json:"alerts"`
}

func (c *alertListCmd) Run(e *env) error {
	out := alertList{Format: "stet.alerts/1", Alerts: []listedAlert{}}
	err := c.with(e, false, func(a administration) error {
		all, err := a.ListAlerts(e.ctx)
		for _, i := range all {
			out.Alerts = append(out.Alerts, listAlert(i))
		}
		return err
	})
	if err != nil {
		return err
	}
	rows := [][]string{{"NAME", "STATE", "TARGET", "LAST", "RESULT", "WAITING", "BEHIND", "QUERY"}}
	for _, l := range out.Alerts {
		at, result := "never", ""
		if d := l.Last; d != nil {
			at, result = d.At[:min(len(d.At), len("2006-01-02T15:04:05"))]+"Z", d.Outcome
			if d.Tries > 1 {
				result += fmt.Sprintf(" (%d tries)", d.Tries)
			}
		}
		if l.Why != "" {
			result = l.Why
		}
		rows = append(rows, []string{l.Name, l.State, l.Target, at, result, strconv.FormatUint(l.Waiting+l.Sending, 10), strconv.FormatUint(l.Behind, 10), shownQuery(l.Query)})
	}
	return printList(e, c.JSON, out, rows, "there are no alerts; stet admin alert add makes one")
}

type alertRemoveCmd struct {
	adminFlag
	Name string `arg:"" help:"The alert's name."`
	JSON bool   `help:"Print JSON."`
}

func (c *alertRemoveCmd) Run(e *env) error {
	var i alert.Info
	err := c.with(e, false, func(a administration) (err error) {
		i, err = a.RemoveAlert(e.ctx, c.Name)
		return err
	})
	if err != nil {
		return err
	}
	if c.JSON {
		return printJSON(e, alertList{"stet.alerts/1", []listedAlert{listAlert(i)}})
	}
	_, err = fmt.Fprintf(e.stdout, "alert %s removed\n", printableText(i.Name))
	return err
}

type alertTestCmd struct {
	adminFlag
	Name string `arg:"" help:"The alert's name."`
	JSON bool   `help:"Print JSON."`
}

// testedAlert is what alert test prints: stet.alert_test/1.
type testedAlert struct {
	Format  string `json:"format"`
	Target  string `json:"target"`
	ID      string `json:"id"` // webhook-id
	OK      bool   `json:"ok"`
	Status  int    `json:"status"` // of HTTP; 0: no answer
	Outcome string `json:"outcome"`
	Answer  string `json:"answer"` // the beginning of its body
}

// errNotTaken says that a target did not take a test.
var errNotTaken = errors.New("the target did not take the test")

func (c *alertTestCmd) Run(e *env) error {
	var t alert.Tested
	err := c.with(e, false, func(a administration) (err error) {
		t, err = a.TestAlert(e.ctx, c.Name)
		return err
	})
	if err != nil {
		return err
	}
	out := testedAlert{"stet.alert_test/1", t.Target, t.ID, t.OK(), t.Status, t.String(), string(t.Body)}
	if c.JSON {
		err = printJSON(e, out)
	} else {
		_, err = fmt.Fprintf(e.stdout, "%s: %s\n", printableText(out.Target), printableText(out.Outcome))
		if err == nil && out.Answer != "" {
			_, err = fmt.Fprintln(e.stdout, printableText(out.Answer))
		}
	}
	if err == nil && !out.OK {
		err = errNotTaken
	}
	return err
}

// openAlerts gives an office the alerts of a store that is held. Where their file is damaged there are none, and whoever asks
// for them hears why: nothing else must stop for that.
func openAlerts(o *admin.Office, s *store.Store, held *store.Held, logger *slog.Logger) error {
	o.Alerts, o.NoAlerts = alert.Open(alert.Options{Log: held, Source: held.Source(), FS: s.FS, StoreKey: held.Marker().StoreKey, Logger: logger})
	if errors.Is(o.NoAlerts, alert.ErrDamaged) {
		return nil
	}
	return o.NoAlerts
}
