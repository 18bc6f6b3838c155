package forward

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/stetlog/stet/internal/webhook"
)

// Where an HTTP Event Collector takes events, below its address, and where it says whether it has indexed them.
const (
	hecEvents = "/services/collector/event"
	hecAcks   = "/services/collector/ack"
)

// An acknowledgement is asked for so often, and for so long.
const (
	ackEvery = time.Second
	ackTime  = 2 * time.Minute
)

// NewSplunk sends events to Splunk's HTTP Event Collector, with seq and entry hash as indexed fields. Rows that are no JSON are sent
// as text. channel is a UUID, new for each process. Where the collector's token has acknowledgement switched on, rows are safe when they are
// indexed; where not, when they were taken, which a collector that dies may forget.
func NewSplunk(o HTTPOptions, channel string) Destination {
	return newSplunk(o, channel, ackEvery, ackTime)
}

func newSplunk(o HTTPOptions, channel string, every, most time.Duration) Destination {
	base := strings.TrimSuffix(strings.TrimSuffix(strings.TrimSuffix(o.URL, "/"), hecEvents), "/")
	header := map[string]string{"Content-Type": "application/json", "X-Splunk-Request-Channel": channel}
	authorize(header, "Splunk", o.Secret)
	d := &hec{client: o.Client, url: base + hecAcks + "?channel=" + channel, header: header, every: every, time: most}
	return &web{client: o.Client, url: base + hecEvents, judge: d.judge,
		request: func(rows []Row) (map[string]string, []byte) { return header, hecBody(rows) }}
}

// hecBody is one object an event, one behind the other.
func hecBody(rows []Row) (b []byte) {
	for _, r := range rows {
		b = fmt.Appendf(b, `{"time":%s,"source":"stet","fields":{"stet_seq":"%d","stet_entry_hash":"sha256:%s"},"event":`, seconds(r.Received), r.Seq, r.Hash.Hex())
		if r.Data[0] == '{' { // no format of text begins so
			b = append(b, r.Data...)
		} else {
			text, _ := json.Marshal(string(r.Data)) // a string always can be
			b = append(b, text...)
		}
		b = append(b, "}\n"...)
	}
	return b
}

// seconds is a time as seconds since 1970 with three digits behind the point.
func seconds(t time.Time) string {
	return strconv.FormatFloat(float64(t.UnixMilli())/1000, 'f', 3, 64)
}

// hec asks whether a collector has indexed what it took.
type hec struct {
	client      *http.Client
	url         string
	header      map[string]string
	every, time time.Duration
}

// hecAnswer is that of a collector to events.
type hecAnswer struct {
	Text    string `json:"text"`
	Code    *int   `json:"code"`
	AckID   *int64 `json:"ackId"`
	Invalid *int   `json:"invalid-event-number"`
}

func (d *hec) judge(ctx context.Context, a webhook.Answer, rows []Row) (r Result, ok bool) {
	var h hecAnswer
	clear := json.Unmarshal(a.Body, &h) == nil && h.Code != nil
	switch {
	case a.OK() && (!clear || *h.Code != 0):
		return unclear(rows, a), true
	case a.OK() && h.AckID != nil:
		if err := d.indexed(ctx, *h.AckID); err != nil {
			return Result{Left: rows, Err: err}, true
		}
		return Result{}, true
	case a.OK():
		return Result{}, true
	case a.Status == http.StatusBadRequest && clear && h.Invalid != nil && *h.Invalid >= 0 && *h.Invalid < len(rows):
		// Those before it may be taken; nothing says so.
		i := *h.Invalid
		left := append(append([]Row{}, rows[:i]...), rows[i+1:]...)
		return Result{Left: left, Refused: []Refusal{{rows[i].Seq, rows[i].Seq, 1, said(fmt.Sprintf("code %d (%s)", *h.Code, h.Text))}}}, true
	}
	return Result{}, false
}

// indexed waits until the collector says that it has indexed a request's events.
func (d *hec) indexed(ctx context.Context, id int64) error {
	ctx, cancel := context.WithTimeoutCause(ctx, d.time, fmt.Errorf("it has not said for %v that it has indexed what it took", d.time))
	defer cancel()
	for {
		a := webhook.Do(ctx, d.client, d.url, d.header, fmt.Appendf(nil, `{"acks":[%d]}`, id), maxAnswer, time.Now)
		var acks struct {
			Acks map[string]bool `json:"acks"`
		}
		switch {
		case a.OK() && json.Unmarshal(a.Body, &acks) == nil && acks.Acks[strconv.FormatInt(id, 10)]:
			return nil
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case a.Status == http.StatusBadRequest:
			return errors.New("it does not say whether it has indexed what it took: " + a.String())
		}
		if err := rest(ctx, max(d.every, a.Wait)); err != nil {
			return context.Cause(ctx)
		}
	}
}
