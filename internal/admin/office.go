package admin

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/alert"
	"github.com/stetlog/stet/internal/auth"
	"github.com/stetlog/stet/internal/expect"
	"github.com/stetlog/stet/internal/fsx"
	"github.com/stetlog/stet/internal/store"
	"github.com/stetlog/stet/proof"
)

// Log is the log in which changes are recorded and keys are enrolled. *store.Held is one. All methods are durable (L1) when
// they return nil, and safe for concurrent use.
type Log interface {
	// Record records the server's own events and fills in what they share.
	Record(ctx context.Context, events ...*event.Event) ([]uint64, error)
	// Enrol enrols a key, once; by says whose word let it in.
	Enrol(ctx context.Context, vkey, by string) error
	// Revoke revokes an enrolled key, once: nothing that it seals is taken from then on. id is its proof.KeyID.
	Revoke(ctx context.Context, id, by string) error
	// Revoked says whether a key was revoked. id is its proof.KeyID.
	Revoked(ctx context.Context, id string) (bool, error)
	// Rotated records that one key takes the place of another, once.
	Rotated(ctx context.Context, old, key, by string) error
	// Expected reads which definitions of the log count, of those that are published.
	Expected(ctx context.Context) (*expect.Defined, error)
	// LogKeys are the keys that the log itself has had.
	LogKeys() store.LogKeys
	// RotateLogKey has a new key take the place of the log's, which signs beside it until RetireLogKeys.
	RotateLogKey(ctx context.Context, by string) (store.LogKeys, error)
	// RetireLogKeys has all keys of the log but the newest sign no more, and returns those.
	RetireLogKeys(ctx context.Context, by string) ([]string, error)
}

// Office is where tokens and keys are administered. All methods are safe for concurrent use.
type Office struct {
	Log    Log
	Tokens *auth.Authority
	FS     fsx.FS // the store's directory, where settings are remembered

	Alerts   *alert.Alerts // nil where they could not be read, as NoAlerts says
	NoAlerts error

	expected expectations
}

// By is who asks for something.
type By struct {
	auth.Identity
	Addr    string // network address of the caller, without port; "" where there is none
	Command string // the command that is run here, such as "stet admin"; "" for a request
}

// name is what the log calls somebody.
func (b By) name() string {
	switch {
	case b.Token != "":
		return b.Token
	case b.UID != nil:
		return fmt.Sprintf("uid:%d", *b.UID)
	}
	return "anyone"
}

// event makes an event of a type, done by somebody to something. What is the server's own is filled in by the log.
func (b By) event(typ, action, object, id string) *event.Event {
	e := &event.Event{EventType: typ, Action: action, Object: &event.Object{Type: object, ID: id}, InteractionID: id,
		CodeLocation: "internal/admin", EntryPoint: &event.EntryPoint{Kind: "http", Name: action}, Absent: map[string]string{}}
	e.Principal = &event.Principal{Type: "user", ID: b.name(), AuthMethod: "peer credentials"}
	if b.Command != "" {
		e.EntryPoint, e.Principal.AuthMethod = &event.EntryPoint{Kind: "cli", Name: b.Command}, "owner of the store"
	}
	if b.Token != "" {
		e.Principal = &event.Principal{Type: "api_key", ID: b.Token, Roles: []string{string(b.Role)}, AuthMethod: "token"}
	}
	e.UserID = b.name()
	b.place(e)
	return e
}

// place says where a caller was.
func (b By) place(e *event.Event) {
	if b.Addr == "" {
		e.Absent["source_ip"] = event.AbsentNotApplicable
	}
	e.SourceIP = b.Addr
}

// CreateToken makes a token, and returns its text when the log has the event: so nobody ever holds a token of which the log
// does not know. Where that fails the token is shut out again.
func (o *Office) CreateToken(ctx context.Context, by By, s auth.Spec) (text string, t auth.Token, err error) {
	text, t, err = o.Tokens.Create(s)
	if err != nil {
		return "", t, err
	}
	e := by.event("token_created", "create", "token", t.Name)
	e.Labels = map[string]string{"role": string(t.Role)}
	if t.App != "" {
		e.Labels["app"] = t.App
	}
	if t.Environment != "" {
		e.Labels["environment"] = t.Environment
	}
	if e.Labels["expires"] = "never"; !t.Expires.IsZero() {
		e.Labels["expires"] = event.FormatTime(t.Expires)
	}
	if _, err := o.Log.Record(ctx, e); err != nil {
		_, rerr := o.Tokens.Revoke(t.Name)
		return "", t, errors.Join(fmt.Errorf("the log could not be told of the new token, so nobody gets it: %w", err), rerr)
	}
	return text, t, nil
}

// RevokeToken shuts a token out, first of all, and then has the log say so. An error after that says that the token is shut
// out already.
func (o *Office) RevokeToken(ctx context.Context, by By, name string) (auth.Token, error) {
	t, err := o.Tokens.Revoke(name)
	if err != nil || !t.Untold {
		return t, err
	}
	if err := o.tellRevoked(ctx, by.event("token_revoked", "revoke", "token", name), t); err != nil {
		return t, fmt.Errorf("token %s is shut out, and the log does not say so yet (it will when the store is next served): %w", name, err)
	}
	return t, nil
}

// tellRevoked has the log say that a token was revoked. Whoever dies between the event and Told leaves it to the next one,
// who says it again: two events then, with one id.
func (o *Office) tellRevoked(ctx context.Context, e *event.Event, t auth.Token) error {
	var time48 [6]byte
	for i, ms := 0, t.Revoked.UnixMilli(); i < len(time48); i++ {
		time48[i] = byte(ms >> (40 - 8*i))
	}
	e.EventID = event.DeriveUUID("token_revoked", t.Name+"\n"+event.FormatTime(t.Revoked), time48)
	if _, err := o.Log.Record(ctx, e); err != nil {
		return err
	}
	return o.Tokens.Told(t.Name)
}

// Settle records revocations that the log does not have yet, because whoever revoked died in between, and ends what was begun
// with alerts. A server calls it when it starts.
func (o *Office) Settle(ctx context.Context) error {
	for _, t := range o.Tokens.List() {
		if !t.Untold {
			continue
		}
		e := &event.Event{EventType: "token_revoked", Action: "revoke", Object: &event.Object{Type: "token", ID: t.Name}, InteractionID: t.Name,
			EventTime: t.Revoked, StatusReason: "it was revoked before, and the log could not be told then; by whom is not known now"}
		if err := o.tellRevoked(ctx, e, t); err != nil {
			return err
		}
	}
	return o.settleAlerts(ctx)
}

// EnrolKey enrols the key that a claim proves to be the caller's, and binds it to the caller's token. Where the claim says
// that it takes another's place, the log says that too; the other stays good, because what it has sealed may still be on
// its way, until somebody revokes it. It can be repeated. It fails with auth.ErrNotAllowed, auth.ErrClaim, auth.ErrKey
// where the old key is not the token's, and with errors of the log.
func (o *Office) EnrolKey(ctx context.Context, by By, claim []byte) (Key, error) {
	if err := by.May(auth.EnrolKey, auth.Subject{}); err != nil {
		return Key{}, err
	}
	if by.Token == "" {
		return Key{}, fmt.Errorf("%w: enrol key: keys are enrolled for a token, and this caller has none", auth.ErrNotAllowed)
	}
	key, old, err := auth.OpenClaim(by.Identity, o.Tokens.LogKeys(), claim)
	if err != nil {
		return Key{}, err
	}
	if old != "" && !by.Has(old) {
		return Key{}, fmt.Errorf("%w: token %s cannot replace it", auth.ErrKey, by.Token)
	}
	if err := o.Log.Enrol(ctx, key, by.name()); err != nil {
		return Key{}, err
	}
	if old != "" {
		if err := o.Log.Rotated(ctx, old, key, by.name()); err != nil {
			return Key{}, err
		}
	}
	_, err = o.Tokens.Bind(by.Identity, key, false)
	return Key{ID: proof.KeyID(key), VKey: key, Tokens: []string{by.Token}}, err
}

// ErrNoKey says that no token has such a key.
var ErrNoKey = errors.New("no token has this key")

// Key is a key that a token has brought.
type Key struct {
	ID     string // proof.KeyID
	VKey   string
	Tokens []string // names
	// Revoked: nothing that it seals is taken any more.
	Revoked bool
}

// Keys lists the keys of all tokens, with what the log says of them.
func (o *Office) Keys(ctx context.Context) ([]Key, error) {
	all := o.brought()
	for i := range all {
		var err error
		if all[i].Revoked, err = o.Log.Revoked(ctx, all[i].ID); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// brought lists the keys of all tokens.
func (o *Office) brought() []Key {
	var all []Key
	at := map[string]int{}
	for _, t := range o.Tokens.List() {
		for _, k := range t.Keys {
			i, ok := at[k]
			if !ok {
				i = len(all)
				at[k] = i
				all = append(all, Key{ID: proof.KeyID(k), VKey: k})
			}
			all[i].Tokens = append(all[i].Tokens, t.Name)
		}
	}
	return all
}

// minID is how much of a key's id must be given: the short form that stet shows.
const minID = 16

// RevokeKey revokes a key by its id, or the first 16 or more digits of it. What it sealed before stays; what it seals from
// now on is refused. It fails with ErrNoKey.
func (o *Office) RevokeKey(ctx context.Context, by By, id string) (Key, error) {
	var found []Key
	for _, k := range o.brought() {
		if len(id) >= minID && strings.HasPrefix(k.ID, id) {
			found = append(found, k)
		}
	}
	if len(found) == 0 && len(id) == 2*len(proof.Hash{}) { // one that no token brought, such as that of a spool
		found = []Key{{ID: id}}
	}
	if len(found) != 1 {
		return Key{}, fmt.Errorf("%w: %.80q; give its id, or at least the first %d digits of it", ErrNoKey, id, minID)
	}
	found[0].Revoked = true
	return found[0], o.Log.Revoke(ctx, found[0].ID, by.name())
}
