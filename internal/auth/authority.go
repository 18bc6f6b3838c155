package auth

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/fsx"
	"github.com/stetlog/stet/internal/wire"
	"github.com/stetlog/stet/proof"
)

// Why somebody is not let in. Who does not have the right secret learns nothing but ErrUnknown.
var (
	ErrUnknown = errors.New("this token is not known here")
	ErrExpired = errors.New("this token has expired")
	ErrRevoked = errors.New("this token was revoked")
)

// Why tokens cannot be changed as asked.
var (
	ErrSpec    = errors.New("no such token can be made")       // the error says why
	ErrTaken   = errors.New("there is a token of that name")   // revoked ones keep theirs: the log speaks of it
	ErrNoToken = errors.New("there is no token of that name")  //
	ErrFull    = errors.New("there is no room for more of it") // MaxTokens, MaxKeys
)

// Options are what an Authority needs beside its file. The zero value is usable for who makes no tokens.
type Options struct {
	// LogKeys are the verifier keys that the log has had, in the order they came. New tokens name the last one, which must be
	// there for Create; those that name another were made before it came, and stay good.
	LogKeys []string
	Now     func() time.Time // nil: time.Now
	Rand    io.Reader        // nil: crypto/rand
	// ExplicitKeys says that a writer's keys are enrolled with stet enrol only. Otherwise the first key that a token comes
	// with is taken.
	ExplicitKeys bool
}

// Authority knows all tokens. All methods are safe for concurrent use; those that only ask never wait for a disk.
type Authority struct {
	fsys fsx.FS
	o    Options
	logs atomic.Pointer[logs]

	writing sync.Mutex // whoever changes the file
	broken  error      // set once: what is on disk is unknown; under writing
	now     atomic.Pointer[table]
}

// logs are the keys that a log has had, in the order they came.
type logs struct {
	keys []string
	ids  []hash
}

// table is one state of the file. It is not changed once made.
type table struct {
	records []record
	known   []known // of each record
	// by finds records by the first bytes of their hash. How long a map takes tells about these bytes at most, which nobody
	// can choose for a secret; the rest is compared in constant time.
	by map[[8]byte][]int
}

// known is what is asked of a record with every request, ready for it.
type known struct {
	hash             hash
	expires, revoked time.Time       // zero: never
	keys             map[string]bool // nil: none
}

// Open reads the tokens of a store. A store that has none yet is no error. One process writes a store's tokens: the one
// that holds its lock.
func Open(fsys fsx.FS, o Options) (*Authority, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Rand == nil {
		o.Rand = rand.Reader
	}
	a := &Authority{fsys: fsys, o: o}
	if err := a.SetLogKeys(o.LogKeys); err != nil {
		return nil, err
	}
	b, err := fsx.ReadFile(fsys, tokensFile, maxFile)
	if errors.Is(err, fs.ErrNotExist) {
		a.now.Store(newTable(nil))
		return a, nil
	}
	var all []record
	if err == nil {
		all, err = parse(b)
	} else if errors.Is(err, fsx.ErrTooLarge) {
		err = fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", tokensFile, err)
	}
	a.now.Store(newTable(all))
	return a, nil
}

// SetLogKeys says which keys the log has had, when another has taken the place of the last one: see Options.
func (a *Authority) SetLogKeys(keys []string) error {
	l := &logs{keys: slices.Clone(keys)}
	for _, k := range keys {
		if err := proof.CheckVKey(k); err != nil {
			return fmt.Errorf("the log's key: %w", err)
		}
		l.ids = append(l.ids, keyID(k))
	}
	a.logs.Store(l)
	return nil
}

// LogKeys are the keys that the log has had, in the order they came.
func (a *Authority) LogKeys() []string { return slices.Clone(a.logs.Load().keys) }

func newTable(all []record) *table {
	t := &table{records: all, known: make([]known, len(all)), by: make(map[[8]byte][]int, len(all))}
	for i, r := range all {
		k := &t.known[i]
		k.hash = r.hash()
		_, k.expires, k.revoked, _ = r.times() // parse and Create have seen them
		k.keys = r.keySet()
		t.by[[8]byte(k.hash[:8])] = append(t.by[[8]byte(k.hash[:8])], i)
	}
	return t
}

func (r record) hash() (h hash) {
	if _, err := hex.Decode(h[:], []byte(r.Hash)); err != nil {
		panic("a token's hash is not hexadecimal") // parse and Create see to it
	}
	return h
}

func (r record) keySet() map[string]bool {
	set := make(map[string]bool, len(r.Keys))
	for _, k := range r.Keys {
		set[k] = true
	}
	return set
}

// find returns the index of the token with this secret.
func (t *table) find(h hash) (int, bool) {
	found, ok := 0, false
	for _, i := range t.by[[8]byte(h[:8])] {
		if subtle.ConstantTimeCompare(t.known[i].hash[:], h[:]) == 1 {
			found, ok = i, true
		}
	}
	return found, ok
}

// named returns the index of the token with this name.
func named(all []record, name string) (int, error) {
	i := slices.IndexFunc(all, func(r record) bool { return r.Name == name })
	if i < 0 {
		return 0, fmt.Errorf("%w: %.80q", ErrNoToken, name)
	}
	return i, nil
}

// Authenticate says whose a token is, or ErrUnknown, ErrExpired or ErrRevoked. What it returns is of this moment: ask again
// with every request. It takes about a microsecond and never waits.
func (a *Authority) Authenticate(token string) (Identity, error) {
	secret, logID, err := wire.ParseToken(token)
	if err != nil {
		return Identity{}, ErrUnknown
	}
	// A token whose second half was changed would have its holder pin another log's key. Here is the one who can tell.
	if ids := a.logs.Load().ids; len(ids) > 0 && !slices.Contains(ids, logID) {
		return Identity{}, ErrUnknown
	}
	return a.byHash(sha256.Sum256(secret[:]))
}

// Again says what Authenticate says by now of the token that it has made an identity of before, for who has shown the token
// once and is known by something else since.
func (a *Authority) Again(id Identity) (Identity, error) {
	if id.Token == "" {
		return Identity{}, ErrUnknown
	}
	return a.byHash(id.hash)
}

func (a *Authority) byHash(h hash) (Identity, error) {
	t := a.now.Load()
	i, ok := t.find(h)
	if !ok {
		return Identity{}, ErrUnknown
	}
	r, k := t.records[i], t.known[i]
	switch {
	case !k.revoked.IsZero():
		return Identity{}, fmt.Errorf("%w: %s, at %s", ErrRevoked, r.Name, r.Revoked)
	case !k.expires.IsZero() && !a.o.Now().Before(k.expires):
		return Identity{}, fmt.Errorf("%w: %s, at %s", ErrExpired, r.Name, r.Expires)
	}
	return Identity{Token: r.Name, Role: r.Role, App: r.App, Environment: r.Environment, Expires: k.expires, keys: k.keys, hash: h}, nil
}

// Spec is what a new token is to be.
type Spec struct {
	Name        string // "": one is made of role, application and chance
	Role        Role
	App         string        // writers and readers must have one, others must not
	Environment string        // "": all of the application
	Expires     time.Duration // from now; 0: never
}

// Token tells about a token all but its secret.
type Token struct {
	Name                      string
	Role                      Role
	App, Environment          string
	Created, Expires, Revoked time.Time // zero: never
	Keys                      []string  // verifier keys
	Untold                    bool      // revoked, and the log does not say so yet: see Told
}

func (r record) token() Token {
	t := Token{Name: r.Name, Role: r.Role, App: r.App, Environment: r.Environment, Keys: slices.Clone(r.Keys), Untold: r.Untold}
	t.Created, t.Expires, t.Revoked, _ = r.times() // parse and Create have seen them
	return t
}

// Create makes a token, durably, and returns its text, which is nowhere else: whoever loses it makes another. It fails with
// ErrSpec, ErrTaken or ErrFull.
func (a *Authority) Create(s Spec) (text string, t Token, err error) {
	ids := a.logs.Load().ids
	if len(ids) == 0 {
		return "", t, errors.New("a token names the log's key, which is not known here")
	}
	if s.Expires < 0 {
		return "", t, fmt.Errorf("%w: it would have expired before it was made", ErrSpec)
	}
	now := a.o.Now()
	r := record{Name: s.Name, Role: s.Role, App: s.App, Environment: s.Environment, Created: event.FormatTime(now)}
	if s.Expires > 0 {
		r.Expires = event.FormatTime(now.Add(s.Expires))
	}
	if r.Name == "" {
		if r.Name, err = a.makeName(s); err != nil {
			return "", t, err
		}
	}
	if err := r.check(); err != nil {
		return "", t, fmt.Errorf("%w: %w", ErrSpec, err)
	}
	text, h, err := newToken(a.o.Rand, ids[len(ids)-1])
	if err != nil {
		return "", t, err
	}
	r.Hash = hex.EncodeToString(h[:])
	err = a.change(func(all []record) ([]record, error) {
		if slices.ContainsFunc(all, func(o record) bool { return o.Name == r.Name }) {
			return nil, fmt.Errorf("%w: %s", ErrTaken, r.Name)
		}
		return append(a.room(all, now), r), nil
	}, false)
	if err != nil {
		return "", t, err
	}
	return text, r.token(), nil
}

// room takes out the oldest token that nobody can use any more, where there is no room for another.
func (a *Authority) room(all []record, now time.Time) []record {
	if len(all) < MaxTokens {
		return all
	}
	i := slices.IndexFunc(all, func(r record) bool {
		t := r.token()
		return !t.Revoked.IsZero() && !t.Untold || !t.Expires.IsZero() && !now.Before(t.Expires)
	})
	if i < 0 {
		return all
	}
	return slices.Delete(all, i, i+1)
}

// makeName makes a name that tells what the token is for, and one of its kind.
func (a *Authority) makeName(s Spec) (string, error) {
	var chance [4]byte
	if _, err := io.ReadFull(a.o.Rand, chance[:]); err != nil {
		return "", fmt.Errorf("no randomness for a token's name: %w", err)
	}
	name := string(s.Role)
	if s.App != "" {
		name += "-" + s.App[:min(len(s.App), 40)]
	}
	return name + "-" + hex.EncodeToString(chance[:]), nil
}

// Revoke shuts a token out, from this moment on, also where the disk then fails: the error says so, and Revoke must be
// repeated. It fails with ErrNoToken. One that is revoked already stays so. The caller records it in the log and calls
// Told.
func (a *Authority) Revoke(name string) (Token, error) {
	var t Token
	err := a.change(func(all []record) ([]record, error) {
		i, err := named(all, name)
		if err != nil {
			return nil, err
		}
		if all[i].Revoked == "" {
			all[i].Revoked, all[i].Untold = event.FormatTime(a.o.Now()), true
		}
		t = all[i].token()
		return all, nil
	}, true)
	return t, err
}

// Told says that the log has the event of a token's revocation. Until then List shows the token as untold, and whoever
// opens the store records it.
func (a *Authority) Told(name string) error {
	return a.change(func(all []record) ([]record, error) {
		i, err := named(all, name)
		if err != nil {
			return nil, err
		}
		all[i].Untold = false
		return all, nil
	}, false)
}

// List returns all tokens, in the order they were made.
func (a *Authority) List() []Token {
	var all []Token
	for _, r := range a.now.Load().records {
		all = append(all, r.token())
	}
	return all
}

// Bind adds a key to those of a token, durably. The caller has seen that whoever brings it has the key: a seal that
// verifies, or a proof of possession. With first, it is the one key that a token may bring by itself, and only a token
// that has none gets it (ErrKey). One that is there already stays. It returns the identity with the key.
func (a *Authority) Bind(id Identity, vkey string, first bool) (Identity, error) {
	if err := proof.CheckVKey(vkey); err != nil {
		return id, err
	}
	if first && a.o.ExplicitKeys {
		return id, fmt.Errorf("%w: token %s; this server takes keys through stet enrol only", ErrKey, id.Token)
	}
	bound := id
	err := a.change(func(all []record) ([]record, error) {
		i, err := named(all, id.Token)
		if err != nil {
			return nil, err
		}
		r := &all[i]
		switch {
		case r.Role != Writer || r.Revoked != "":
			return nil, fmt.Errorf("%w: token %s brings no keys", ErrNotAllowed, id.Token)
		case slices.Contains(r.Keys, vkey):
		case first && len(r.Keys) > 0:
			return nil, fmt.Errorf("%w: token %s has another; run stet enrol on this machine", ErrKey, id.Token)
		case len(r.Keys) >= MaxKeys:
			return nil, fmt.Errorf("%w: token %s has %d keys; make another token", ErrFull, id.Token, len(r.Keys))
		default:
			r.Keys = append(slices.Clone(r.Keys), vkey)
		}
		bound.keys = r.keySet()
		return all, nil
	}, false)
	if err != nil {
		return id, err
	}
	return bound, nil
}

// change makes a new state of the file durable and then lets it count. With evenSo it counts even where that failed. After a
// failed write nobody knows what is on disk, and no later write would make it known, so all further changes fail.
func (a *Authority) change(fn func(all []record) ([]record, error), evenSo bool) error {
	a.writing.Lock()
	defer a.writing.Unlock()
	old := a.now.Load().records
	all, err := fn(slices.Clone(old))
	if err != nil {
		return err
	}
	b, err := encode(all)
	before, oldErr := encode(old)
	switch {
	case err != nil || oldErr != nil:
		return errors.Join(err, oldErr)
	case bytes.Equal(b, before):
		return a.broken
	case len(all) > MaxTokens || len(b) > maxFile:
		return fmt.Errorf("%w: %d tokens; %s holds %d bytes and %d tokens at most", ErrFull, len(old), tokensFile, maxFile, MaxTokens)
	}
	if a.broken == nil {
		if a.broken = a.write(b); a.broken != nil {
			a.broken = fmt.Errorf("%w (nobody knows what is on disk now; start anew and look at the list of tokens)", a.broken)
		}
	}
	if a.broken == nil || evenSo {
		a.now.Store(newTable(all))
	}
	return a.broken
}

func (a *Authority) write(b []byte) error {
	if err := fsx.MkdirAll(a.fsys, dir, 0o700); err != nil {
		return err
	}
	return fsx.Replace(a.fsys, tokensFile, b, 0o600)
}
