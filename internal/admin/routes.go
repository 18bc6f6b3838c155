package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strconv"
	"time"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/alert"
	"github.com/stetlog/stet/internal/auth"
	"github.com/stetlog/stet/internal/expect"
	"github.com/stetlog/stet/internal/ledger"
	"github.com/stetlog/stet/internal/server"
	"github.com/stetlog/stet/internal/store"
	"github.com/stetlog/stet/internal/wire"
)

const jsonType = "application/json"

// maxRequest bounds a request in bytes.
const maxRequest = 8 << 10

// Routes are the administration's, for a server to mount. Each decides by auth.Identity.May, as all routes do.
func (o *Office) Routes() []server.Route {
	body := func(r server.Route) server.Route {
		r.Types, r.Packed, r.Inflated = []string{jsonType}, maxRequest, maxRequest
		return r
	}
	manage := func(h func(ctx context.Context, by By, r *http.Request, body []byte) (any, error)) func(http.ResponseWriter, *http.Request, *server.Call) error {
		return handle(auth.ManageTokens, h)
	}
	return []server.Route{
		body(server.Route{Method: http.MethodPost, Pattern: TokensPath, Handle: manage(o.postToken), Intake: true}),
		{Method: http.MethodGet, Pattern: TokensPath, Handle: manage(o.getTokens)},
		{Method: http.MethodDelete, Pattern: TokensPath + "/{name}", Handle: manage(o.deleteToken)},
		body(server.Route{Method: http.MethodPost, Pattern: KeysPath, Handle: handle(auth.EnrolKey, o.postKey), Intake: true}),
		{Method: http.MethodGet, Pattern: KeysPath, Handle: manage(o.getKeys)},
		{Method: http.MethodDelete, Pattern: KeysPath + "/{id}", Handle: manage(o.deleteKey)},
		{Method: http.MethodGet, Pattern: LogKeysPath, Handle: manage(o.getLogKeys)},
		{Method: http.MethodPost, Pattern: LogKeysPath, Handle: manage(o.postLogKey), Intake: true},
		{Method: http.MethodDelete, Pattern: OldLogKeysPath, Handle: manage(o.deleteLogKeys)},
		body(server.Route{Method: http.MethodPost, Pattern: ExportsPath, Handle: handle(auth.ReadLog, o.postExport), Intake: true}),
		body(server.Route{Method: http.MethodPost, Pattern: ExpectationsPath, Handle: handle(auth.ManageExpectations, o.postExpectation), Intake: true}),
		{Method: http.MethodGet, Pattern: ExpectationsPath, Handle: handle(auth.ReadLog, o.getExpectations)},
		{Method: http.MethodDelete, Pattern: ExpectationsPath + "/{id}", Handle: handle(auth.ManageExpectations, o.deleteExpectation)},
		{Method: http.MethodPost, Pattern: AlertsPath, Handle: handle(auth.ManageAlerts, o.postAlert), Intake: true,
			Types: []string{jsonType}, Packed: maxAlertRequest, Inflated: maxAlertRequest},
		{Method: http.MethodGet, Pattern: AlertsPath, Handle: handle(auth.ManageAlerts, o.getAlerts)},
		{Method: http.MethodDelete, Pattern: AlertsPath + "/{name}", Handle: handle(auth.ManageAlerts, o.deleteAlert)},
		{Method: http.MethodPost, Pattern: AlertsPath + "/{name}/test", Handle: handle(auth.ManageAlerts, o.testAlert), Intake: true},
	}
}

// handle asks whether the caller may, calls h, and answers with what it returns, as JSON.
func handle(do auth.Action, h func(ctx context.Context, by By, r *http.Request, body []byte) (any, error)) func(http.ResponseWriter, *http.Request, *server.Call) error {
	return func(w http.ResponseWriter, r *http.Request, c *server.Call) error {
		if err := c.May(do, auth.Subject{}); err != nil {
			return server.Refuse(wire.NotAllowed, err.Error())
		}
		answer, err := h(r.Context(), callerOf(c.Identity, c.Peer), r, c.Body)
		if err != nil {
			return refused(err)
		}
		b, err := json.Marshal(answer)
		if err != nil {
			return err
		}
		write(w, b)
		return nil
	}
}

// callerOf is who is at the other end of a connection.
func callerOf(id auth.Identity, peer server.Peer) By {
	by := By{Identity: id}
	if !peer.Unix && peer.Addr.IsValid() {
		by.Addr = peer.Addr.Addr().Unmap().WithZone("").String()
	}
	return by
}

// RefusedPeer is Refused for server.Options.
func (w *Watch) RefusedPeer(_ context.Context, peer server.Peer, why error) {
	if !peer.Unix {
		w.Refused(peer.Addr.Addr(), nil, why)
		return
	}
	var uid *uint32
	if peer.HasIDs {
		uid = &peer.UID
	}
	w.Refused(netip.Addr{}, uid, why)
}

// ReadBy is Read for server.Options.
func (w *Watch) ReadBy(_ context.Context, id auth.Identity, peer server.Peer, r server.Reading) {
	w.Read(callerOf(id, peer), r.First, r.Last, r.Entries)
}

// refused turns an error of an Office into an answer. What is none of these is the server's own failure.
func refused(err error) error {
	for _, x := range []struct {
		is   error
		code wire.Code
	}{
		{ErrRequest, wire.Malformed}, {auth.ErrSpec, wire.Malformed}, {auth.ErrClaim, wire.Malformed}, {auth.ErrNotAllowed, wire.NotAllowed},
		{auth.ErrKey, wire.KeyNotEnrolled}, {auth.ErrNoToken, wire.NotFound}, {ErrNoKey, wire.NotFound}, {auth.ErrTaken, wire.NameTaken},
		{auth.ErrFull, wire.TooLarge}, {store.ErrRevoked, wire.KeyRevoked}, {ledger.ErrUnknown, wire.NotFound},
		{store.ErrKeys, wire.NotFound},
		{alert.ErrSpec, wire.Malformed}, {alert.ErrTaken, wire.NameTaken}, {alert.ErrNoAlert, wire.NotFound}, {alert.ErrFull, wire.TooLarge},
		{alert.ErrTests, wire.Overloaded},
		{expect.ErrSchedule, wire.Malformed}, {expect.ErrDefinition, wire.Malformed}, {expect.ErrExpected, wire.NameTaken},
		{expect.ErrFull, wire.TooLarge}, {expect.ErrUnknown, wire.NotFound},
	} {
		if errors.Is(err, x.is) {
			return server.Refuse(x.code, err.Error())
		}
	}
	return err
}

func write(w http.ResponseWriter, b []byte) {
	head := w.Header()
	head.Set("Content-Type", jsonType)
	head.Set("Content-Length", strconv.Itoa(len(b)))
	head.Set("Cache-Control", "no-store")
	_, _ = w.Write(b) // whoever is gone asks again
}

func (o *Office) postToken(ctx context.Context, by By, _ *http.Request, body []byte) (any, error) {
	var req tokenRequest
	if err := decode(body, &req); err != nil {
		return nil, err
	}
	spec, err := req.spec()
	if err != nil {
		return nil, err
	}
	text, t, err := o.CreateToken(ctx, by, spec)
	if err != nil {
		return nil, err
	}
	return newToken{Format: tokenFormat, Token: text, tokenInfo: infoOf(t)}, nil
}

func (o *Office) getTokens(context.Context, By, *http.Request, []byte) (any, error) {
	l := tokenList{Format: tokensFormat, Tokens: []tokenInfo{}}
	for _, t := range o.Tokens.List() {
		l.Tokens = append(l.Tokens, infoOf(t))
	}
	return l, nil
}

func (o *Office) deleteToken(ctx context.Context, by By, r *http.Request, _ []byte) (any, error) {
	t, err := o.RevokeToken(ctx, by, r.PathValue("name"))
	if err != nil {
		return nil, err
	}
	return tokenList{Format: tokensFormat, Tokens: []tokenInfo{infoOf(t)}}, nil
}

func (o *Office) postKey(ctx context.Context, by By, _ *http.Request, body []byte) (any, error) {
	var req keyRequest
	if err := decode(body, &req); err != nil {
		return nil, err
	}
	k, err := o.EnrolKey(ctx, by, []byte(req.Claim))
	return listKeys(err, k)
}

func (o *Office) getKeys(ctx context.Context, _ By, _ *http.Request, _ []byte) (any, error) {
	all, err := o.Keys(ctx)
	return listKeys(err, all...)
}

func (o *Office) deleteKey(ctx context.Context, by By, r *http.Request, _ []byte) (any, error) {
	k, err := o.RevokeKey(ctx, by, r.PathValue("id"))
	return listKeys(err, k)
}

func listKeys(err error, keys ...Key) (any, error) {
	if err != nil {
		return nil, err
	}
	l := keyList{Format: keysFormat, Keys: []keyInfo{}}
	for _, k := range keys {
		l.Keys = append(l.Keys, keyInfo{ID: k.ID, Key: k.VKey, Tokens: k.Tokens, Revoked: k.Revoked})
	}
	return l, nil
}

// ErrRequest says that a request is not of its form.
var ErrRequest = errors.New("not a request of the expected form")

// maxExpiry is a hundred years, in seconds: more would not fit where times are counted in nanoseconds.
const maxExpiry = 100 * 366 * 24 * 3600

func (r tokenRequest) spec() (auth.Spec, error) {
	if r.ExpiresIn < 0 || r.ExpiresIn > maxExpiry {
		return auth.Spec{}, fmt.Errorf("%w: expires_in is between 0 and %d seconds", ErrRequest, maxExpiry)
	}
	return auth.Spec{Name: r.Name, Role: auth.Role(r.Role), App: r.App, Environment: r.Environment, Expires: time.Duration(r.ExpiresIn) * time.Second}, nil
}

func infoOf(t auth.Token) tokenInfo {
	at := func(t time.Time) string {
		if t.IsZero() {
			return ""
		}
		return event.FormatTime(t)
	}
	return tokenInfo{Name: t.Name, Role: string(t.Role), App: t.App, Environment: t.Environment, Created: at(t.Created), Expires: at(t.Expires),
		Revoked: at(t.Revoked), Untold: t.Untold, Keys: t.Keys}
}

// decode reads a body of JSON: one object, no member that nobody asked for. Its error repeats nothing of the body.
func decode(b []byte, v any) error {
	if len(b) > maxRequest {
		return fmt.Errorf("%w: %d bytes, at most %d are allowed", ErrRequest, len(b), maxRequest)
	}
	return strict(b, v)
}

func strict(b []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if d.Decode(v) != nil || d.More() {
		return fmt.Errorf("%w: it must be one JSON object with the members of /openapi.yaml", ErrRequest)
	}
	return nil
}
