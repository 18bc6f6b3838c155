package admin

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/alert"
	"github.com/stetlog/stet/internal/webhook"
)

// AlertsPath is where alerts are administered.
const AlertsPath = "/v1/alerts"

const (
	alertFormat  = "stet.alert/1"
	alertsFormat = "stet.alerts/1"
	testedFormat = "stet.alert_test/1"

	maxAlertRequest = 32 << 10 // bytes: a query and an address, with all of their characters escaped
)

// alerts are those of the store, or why there are none.
func (o *Office) alerts() (*alert.Alerts, error) {
	if o.Alerts == nil {
		return nil, fmt.Errorf("the alerts of this store cannot be read: %w", o.NoAlerts)
	}
	return o.Alerts, nil
}

// AddAlert makes an alert and has the log say so. It returns the secret where it made one.
func (o *Office) AddAlert(ctx context.Context, by By, s alert.Spec) (secret string, i alert.Info, err error) {
	all, err := o.alerts()
	if err != nil {
		return "", i, err
	}
	return all.Add(s, func(i alert.Info) error {
		return o.tellAlert(ctx, by.event("config_changed", "add", "alert", i.Name), i)
	})
}

// RemoveAlert takes an alert away and has the log say so.
func (o *Office) RemoveAlert(ctx context.Context, by By, name string) (i alert.Info, err error) {
	all, err := o.alerts()
	if err != nil {
		return i, err
	}
	return all.Remove(name, func(i alert.Info) error {
		return o.tellAlert(ctx, by.event("config_changed", "remove", "alert", i.Name), i)
	})
}

// tellAlert has the log say what an alert is or was: of its address no more than scheme and host, and nothing of its secret.
func (o *Office) tellAlert(ctx context.Context, e *event.Event, i alert.Info) error {
	e.Labels = map[string]string{"query": i.Query, "target": i.Target, "window": i.Window.String(), "allow_private": fmt.Sprint(i.AllowPrivate)}
	_, err := o.Log.Record(ctx, e)
	return err
}

// settleAlerts records the end of alerts that were half made or half removed.
func (o *Office) settleAlerts(ctx context.Context) error {
	if o.Alerts == nil {
		return nil
	}
	return o.Alerts.Settle(func(i alert.Info) error {
		return o.tellAlert(ctx, &event.Event{EventType: "config_changed", Action: "remove", Object: &event.Object{Type: "alert", ID: i.Name}, InteractionID: i.Name,
			StatusReason: "whoever added or removed it ended before that was done; it is removed"}, i)
	})
}

// TestAlert sends a test to the target of an alert, and returns what that answers.
func (o *Office) TestAlert(ctx context.Context, name string) (t alert.Tested, err error) {
	all, err := o.alerts()
	if err != nil {
		return t, err
	}
	return all.Test(ctx, name)
}

// alertRequest asks for an alert.
type alertRequest struct {
	Name         string `json:"name"`
	Query        string `json:"query"`
	URL          string `json:"url"`
	Secret       string `json:"secret,omitempty"`    // "": one is made
	WindowMS     int64  `json:"window_ms,omitempty"` // 0: a minute
	AllowPrivate bool   `json:"allow_private,omitempty"`
}

func (r alertRequest) spec() (alert.Spec, error) {
	if r.WindowMS < 0 || r.WindowMS > alert.MaxWindow.Milliseconds() {
		return alert.Spec{}, fmt.Errorf("%w: window_ms is between 0 and %d", ErrRequest, alert.MaxWindow.Milliseconds())
	}
	return alert.Spec{Name: r.Name, Query: r.Query, URL: r.URL, Secret: r.Secret, Window: time.Duration(r.WindowMS) * time.Millisecond, AllowPrivate: r.AllowPrivate}, nil
}

// alertInfo is what is told about an alert.
type alertInfo struct {
	Name         string        `json:"name"`
	Query        string        `json:"query"`
	Target       string        `json:"target"`
	WindowMS     int64         `json:"window_ms"`
	AllowPrivate bool          `json:"allow_private"`
	Created      string        `json:"created"`
	Off          string        `json:"off,omitempty"`
	Waiting      uint64        `json:"waiting"`
	Sending      uint64        `json:"sending"`
	Behind       uint64        `json:"behind"`
	Last         *deliveryInfo `json:"last,omitempty"`
}

type deliveryInfo struct {
	Began   string `json:"began"`
	At      string `json:"at"`
	OK      bool   `json:"ok"`
	Tries   int    `json:"tries"`
	Outcome string `json:"outcome"`
}

func infoOfAlert(i alert.Info) alertInfo {
	out := alertInfo{Name: i.Name, Query: i.Query, Target: i.Target, WindowMS: i.Window.Milliseconds(), AllowPrivate: i.AllowPrivate,
		Created: event.FormatTime(i.Created), Off: i.Off, Waiting: i.Waiting, Sending: i.Sending, Behind: i.Behind}
	if d := i.Last; d != nil {
		out.Last = &deliveryInfo{event.FormatTime(d.Began), event.FormatTime(d.At), d.OK, d.Tries, d.Outcome}
	}
	return out
}

func (i alertInfo) info() (alert.Info, error) {
	created, err := event.ParseTime(i.Created)
	out := alert.Info{Name: i.Name, Query: i.Query, Target: i.Target, Window: time.Duration(i.WindowMS) * time.Millisecond, AllowPrivate: i.AllowPrivate,
		Created: created, Off: i.Off, Waiting: i.Waiting, Sending: i.Sending, Behind: i.Behind}
	if l := i.Last; l != nil {
		began, berr := event.ParseTime(l.Began)
		at, aerr := event.ParseTime(l.At)
		err = errors.Join(err, berr, aerr)
		out.Last = &alert.Delivery{Began: began, At: at, OK: l.OK, Tries: l.Tries, Outcome: l.Outcome}
	}
	return out, err
}

// newAlert is the one answer that holds a secret.
type newAlert struct {
	Format string `json:"format"`
	Secret string `json:"secret,omitempty"` // where the server made it
	alertInfo
}

type alertList struct {
	Format string      `json:"format"`
	Alerts []alertInfo `json:"alerts"`
}

// alertTested is what a target answered to a test.
type alertTested struct {
	Format  string `json:"format"`
	Target  string `json:"target"`
	ID      string `json:"id"`
	OK      bool   `json:"ok"`
	Status  int    `json:"status"` // 0: no answer
	Outcome string `json:"outcome"`
	Answer  string `json:"answer"` // the beginning of its body, escaped
}

func testedOf(t alert.Tested) alertTested {
	return alertTested{testedFormat, t.Target, t.ID, t.OK(), t.Status, event.Sanitize(t.String()), event.Sanitize(string(t.Body))}
}

func (o *Office) postAlert(ctx context.Context, by By, _ *http.Request, body []byte) (any, error) {
	var req alertRequest
	if err := strict(body, &req); err != nil {
		return nil, err
	}
	spec, err := req.spec()
	if err != nil {
		return nil, err
	}
	secret, i, err := o.AddAlert(ctx, by, spec)
	if err != nil {
		return nil, err
	}
	return newAlert{Format: alertFormat, Secret: secret, alertInfo: infoOfAlert(i)}, nil
}

func (o *Office) getAlerts(context.Context, By, *http.Request, []byte) (any, error) {
	all, err := o.alerts()
	if err != nil {
		return nil, err
	}
	return alertsOf(all.List()...), nil
}

func alertsOf(all ...alert.Info) alertList {
	l := alertList{Format: alertsFormat, Alerts: []alertInfo{}}
	for _, i := range all {
		l.Alerts = append(l.Alerts, infoOfAlert(i))
	}
	return l
}

func (o *Office) deleteAlert(ctx context.Context, by By, r *http.Request, _ []byte) (any, error) {
	i, err := o.RemoveAlert(ctx, by, r.PathValue("name"))
	if err != nil {
		return nil, err
	}
	return alertsOf(i), nil
}

func (o *Office) testAlert(ctx context.Context, _ By, r *http.Request, _ []byte) (any, error) {
	t, err := o.TestAlert(ctx, r.PathValue("name"))
	if err != nil {
		return nil, err
	}
	return testedOf(t), nil
}

// AddAlert makes an alert, and returns the secret where it made one.
func (h Here) AddAlert(ctx context.Context, s alert.Spec) (secret string, i alert.Info, err error) {
	return h.Office.AddAlert(ctx, h.By, s)
}

// ListAlerts lists all alerts.
func (h Here) ListAlerts(context.Context) ([]alert.Info, error) {
	all, err := h.alerts()
	if err != nil {
		return nil, err
	}
	return all.List(), nil
}

// RemoveAlert takes an alert away.
func (h Here) RemoveAlert(ctx context.Context, name string) (alert.Info, error) {
	return h.Office.RemoveAlert(ctx, h.By, name)
}

// AddAlert makes an alert, and returns the secret where the server made one.
func (c Client) AddAlert(ctx context.Context, s alert.Spec) (secret string, i alert.Info, err error) {
	var n newAlert
	err = c.ask(ctx, http.MethodPost, AlertsPath, alertRequest{Name: s.Name, Query: s.Query, URL: s.URL, Secret: s.Secret, WindowMS: s.Window.Milliseconds(),
		AllowPrivate: s.AllowPrivate}, &n)
	if err == nil && (n.Format != alertFormat || (n.Secret == "") != (s.Secret != "") || n.Secret != "" && webhook.CheckSecret(n.Secret) != nil) {
		err = errAnswer
	}
	if err == nil {
		i, err = n.info()
	}
	return n.Secret, i, err
}

// ListAlerts asks for all alerts.
func (c Client) ListAlerts(ctx context.Context) ([]alert.Info, error) {
	return c.alerts(ctx, http.MethodGet, AlertsPath)
}

// RemoveAlert takes an alert away.
func (c Client) RemoveAlert(ctx context.Context, name string) (alert.Info, error) {
	all, err := c.alerts(ctx, http.MethodDelete, AlertsPath+"/"+url.PathEscape(name))
	if err == nil && len(all) != 1 {
		err = errAnswer
	}
	if err != nil {
		return alert.Info{}, err
	}
	return all[0], nil
}

func (c Client) alerts(ctx context.Context, method, path string) ([]alert.Info, error) {
	var l alertList
	if err := c.ask(ctx, method, path, nil, &l); err != nil {
		return nil, err
	}
	if l.Format != alertsFormat {
		return nil, errAnswer
	}
	var all []alert.Info
	for _, x := range l.Alerts {
		i, err := x.info()
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errAnswer, err)
		}
		all = append(all, i)
	}
	return all, nil
}

// TestAlert has the server send a test to the target of an alert, and returns what that answers.
func (c Client) TestAlert(ctx context.Context, name string) (t alert.Tested, err error) {
	var x alertTested
	if err := c.ask(ctx, http.MethodPost, AlertsPath+"/"+url.PathEscape(name)+"/test", nil, &x); err != nil {
		return t, err
	}
	if x.Format != testedFormat {
		return t, errAnswer
	}
	t = alert.Tested{Target: x.Target, ID: x.ID, Answer: webhook.Answer{Status: x.Status, Body: []byte(x.Answer)}}
	if x.Status == 0 {
		t.Err = errors.New(x.Outcome)
	}
	return t, nil
}
