package admin

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/expect"
	"github.com/stetlog/stet/internal/watch"
)

// ExpectationsPath is where is said what a log expects.
const ExpectationsPath = "/v1/expectations"

const expectationsFormat = "stet.expectations/1"

// expectations are the definitions of the log. Whoever holds the log is the only one to add to them, so they are read from it
// once.
type expectations struct {
	mu  sync.Mutex
	all *expect.Defined // nil: not read yet
}

// with calls fn with the definitions, which nobody else changes meanwhile.
func (x *expectations) with(ctx context.Context, log Log, fn func(*expect.Defined) error) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.all == nil {
		all, err := log.Expected(ctx)
		if err != nil {
			return fmt.Errorf("read what the log expects: %w", err)
		}
		x.all = all
	}
	return fn(x.all)
}

// tell has the log say that a definition counts, or does not any more. Where that is not certain the log is asked when
// somebody wants to know.
func (o *Office) tell(ctx context.Context, e *event.Event, d expect.Definition, all *expect.Defined) (a expect.Active, err error) {
	e.InteractionID, e.Labels = d.ID(), d.Labels()
	seqs, err := o.Log.Record(ctx, e)
	if err != nil {
		o.expected.all = nil
		return a, err
	}
	a, _ = all.Apply(watch.Entry{Seq: seqs[0], ReceivedAt: e.Timestamp, StoreKey: true, Event: e})
	return a, nil
}

// AddExpectation has the log expect something. It fails with expect.ErrDefinition, expect.ErrExpected, expect.ErrFull.
func (o *Office) AddExpectation(ctx context.Context, by By, d expect.Definition) (a expect.Active, err error) {
	if err := d.Check(); err != nil {
		return a, err
	}
	err = o.expected.with(ctx, o.Log, func(all *expect.Defined) error {
		if err := all.Room(d); err != nil {
			return fmt.Errorf("%w: %s", err, d)
		}
		a, err = o.tell(ctx, by.event(expect.Added, "add", "job", d.Job), d, all)
		return err
	})
	return a, err
}

// ListExpectations lists what the log expects, in its order.
func (o *Office) ListExpectations(ctx context.Context) (l []expect.Active, err error) {
	err = o.expected.with(ctx, o.Log, func(all *expect.Defined) error {
		l = all.All()
		return nil
	})
	return l, err
}

// RemoveExpectation ends a definition by its id. It fails with expect.ErrUnknown.
func (o *Office) RemoveExpectation(ctx context.Context, by By, id string) (a expect.Active, err error) {
	err = o.expected.with(ctx, o.Log, func(all *expect.Defined) error {
		if a, err = all.Find(id); err != nil {
			return fmt.Errorf("%w: %.80q", err, id)
		}
		_, err = o.tell(ctx, by.event(expect.Removed, "remove", "job", a.Job), a.Definition, all)
		return err
	})
	return a, err
}

// expectationRequest asks for something to be expected.
type expectationRequest struct {
	Job         string `json:"job"`
	App         string `json:"app,omitempty"`
	Environment string `json:"environment,omitempty"`
	Schedule    string `json:"schedule"`
	Zone        string `json:"zone"`
	Grace       string `json:"grace"`
}

// expectationInfo is what is told about a definition.
type expectationInfo struct {
	ID string `json:"id"`
	expectationRequest
	Seq     uint64 `json:"seq"`
	EventID string `json:"event_id"`
	Since   string `json:"since"`
}

type expectationList struct {
	Format       string            `json:"format"`
	Expectations []expectationInfo `json:"expectations"`
}

func requestOf(d expect.Definition) expectationRequest {
	return expectationRequest{d.Job, d.App, d.Environment, d.Schedule.String(), d.Zone, expect.FormatDuration(d.Grace)}
}

func (r expectationRequest) definition() (d expect.Definition, err error) {
	d = expect.Definition{Job: r.Job, App: r.App, Environment: r.Environment, Zone: r.Zone}
	if d.Schedule, err = expect.Parse(r.Schedule); err == nil {
		d.Grace, err = expect.ParseGrace(r.Grace)
	}
	return d, err
}

func expectationsOf(all ...expect.Active) expectationList {
	l := expectationList{Format: expectationsFormat, Expectations: []expectationInfo{}}
	for _, a := range all {
		l.Expectations = append(l.Expectations, expectationInfo{a.ID(), requestOf(a.Definition), a.Place.Seq, a.Place.EventID.String(), event.FormatTime(a.Since)})
	}
	return l
}

func (i expectationInfo) active() (a expect.Active, err error) {
	d, err := i.definition()
	if err != nil {
		return a, err
	}
	a = expect.Active{Definition: d, Place: expect.Place{Seq: i.Seq}}
	var id, at error
	a.Place.EventID, id = event.ParseUUID(i.EventID)
	a.Since, at = event.ParseTime(i.Since)
	return a, errors.Join(d.Check(), id, at)
}

func (o *Office) postExpectation(ctx context.Context, by By, _ *http.Request, body []byte) (any, error) {
	var req expectationRequest
	if err := decode(body, &req); err != nil {
		return nil, err
	}
	d, err := req.definition()
	if err != nil {
		return nil, err
	}
	a, err := o.AddExpectation(ctx, by, d)
	if err != nil {
		return nil, err
	}
	return expectationsOf(a), nil
}

func (o *Office) getExpectations(ctx context.Context, _ By, _ *http.Request, _ []byte) (any, error) {
	all, err := o.ListExpectations(ctx)
	if err != nil {
		return nil, err
	}
	return expectationsOf(all...), nil
}

func (o *Office) deleteExpectation(ctx context.Context, by By, r *http.Request, _ []byte) (any, error) {
	a, err := o.RemoveExpectation(ctx, by, r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	return expectationsOf(a), nil
}

// AddExpectation has the log expect something.
func (h Here) AddExpectation(ctx context.Context, d expect.Definition) (expect.Active, error) {
	return h.Office.AddExpectation(ctx, h.By, d)
}

// RemoveExpectation ends a definition by its id.
func (h Here) RemoveExpectation(ctx context.Context, id string) (expect.Active, error) {
	return h.Office.RemoveExpectation(ctx, h.By, id)
}

// AddExpectation has the log expect something.
func (c Client) AddExpectation(ctx context.Context, d expect.Definition) (expect.Active, error) {
	return oneOf(c.expectations(ctx, http.MethodPost, ExpectationsPath, requestOf(d)))
}

// ListExpectations asks for what the log expects.
func (c Client) ListExpectations(ctx context.Context) ([]expect.Active, error) {
	return c.expectations(ctx, http.MethodGet, ExpectationsPath, nil)
}

// RemoveExpectation ends a definition by its id.
func (c Client) RemoveExpectation(ctx context.Context, id string) (expect.Active, error) {
	return oneOf(c.expectations(ctx, http.MethodDelete, ExpectationsPath+"/"+url.PathEscape(id), nil))
}

func oneOf(all []expect.Active, err error) (expect.Active, error) {
	if err == nil && len(all) != 1 {
		err = errAnswer
	}
	if err != nil {
		return expect.Active{}, err
	}
	return all[0], nil
}

func (c Client) expectations(ctx context.Context, method, path string, in any) ([]expect.Active, error) {
	var l expectationList
	if err := c.ask(ctx, method, path, in, &l); err != nil {
		return nil, err
	}
	if l.Format != expectationsFormat {
		return nil, errAnswer
	}
	var all []expect.Active
	for _, i := range l.Expectations {
		a, err := i.active()
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errAnswer, err)
		}
		all = append(all, a)
	}
	return all, nil
}
