package forward

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/webhook"
)

// HTTPOptions say where a web server is that takes rows, and how it knows us.
type HTTPOptions struct {
	URL    string // http or https
	Client *http.Client
	// Secret signs messages (webhooks), or is what stands in Authorization behind its scheme; "" is none.
	Secret string
}

// maxAnswer bounds what is read of an answer, in bytes: one about each of many rows.
const maxAnswer = 4 << 20

// web is what the destinations that are web servers share: a request with some rows, whose answer says what came of each.
type web struct {
	acknowledged
	client *http.Client
	url    string
	// request makes the header and the body of a request with rows.
	request func(rows []Row) (header map[string]string, body []byte)
	// judge says what came of rows where the answer says more than its status; ok is false where it does not. nil: it never does.
	judge func(ctx context.Context, a webhook.Answer, rows []Row) (r Result, ok bool)
}

// Send implements Destination.
func (d *web) Send(ctx context.Context, rows []Row) Result {
	header, body := d.request(rows)
	a := webhook.Do(ctx, d.client, d.url, header, body, maxAnswer, time.Now)
	if d.judge != nil {
		if r, ok := d.judge(ctx, a, rows); ok {
			return r
		}
	}
	return d.split(ctx, rows, a)
}

// split says what came of rows by the answer to them. A request that is refused as it is, is sent again in halves, until it is
// known which row it is. Behind the first of these nothing more is sent: whoever sends decides whether to go on.
func (d *web) split(ctx context.Context, rows []Row, a webhook.Answer) Result {
	switch a.Status {
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnprocessableEntity:
		if len(rows) == 1 {
			return Result{Refused: []Refusal{{rows[0].Seq, rows[0].Seq, 1, a.String()}}}
		}
		half := len(rows) / 2
		r := d.Send(ctx, rows[:half])
		if len(r.Left) == 0 && len(r.Refused) == 0 && r.Err == nil {
			return d.Send(ctx, rows[half:])
		}
		r.Left = append(r.Left[:len(r.Left):len(r.Left)], rows[half:]...)
		return r
	case http.StatusGone:
		return Result{Left: rows, Err: &EndError{errors.New("its answer is HTTP 410, which asks for nothing more")}}
	}
	if a.OK() {
		return Result{}
	}
	return Result{Left: rows, Err: errors.New(a.String()), Wait: a.Wait}
}

// Close implements Destination.
func (d *web) Close() error {
	d.client.CloseIdleConnections()
	return nil
}

// unclear is what came of rows where the answer cannot be read: they are sent again.
func unclear(rows []Row, a webhook.Answer) Result {
	return Result{Left: rows, Err: fmt.Errorf("%s, with an answer that says nothing of what was sent", a)}
}

// said makes somebody else's words fit to be told.
func said(s string) string { return webhook.Cut(event.Sanitize(s), maxWhy) }
