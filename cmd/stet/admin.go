package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/stetlog/stet"
	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/admin"
	"github.com/stetlog/stet/internal/alert"
	"github.com/stetlog/stet/internal/auth"
	"github.com/stetlog/stet/internal/expect"
	"github.com/stetlog/stet/internal/keyfile"
	"github.com/stetlog/stet/internal/ship"
	"github.com/stetlog/stet/internal/store"
	"github.com/stetlog/stet/internal/wire"
	"github.com/stetlog/stet/proof"
)

type adminCmd struct {
	Token adminTokenCmd `cmd:"" help:"Tokens: who may send and who may read."`
	Key   adminKeyCmd   `cmd:"" help:"Keys that emitters seal with."`
	Index adminIndexCmd `cmd:"" help:"The index, by which a store is searched."`
	Alert adminAlertCmd `cmd:"" help:"Alerts: what is sent to others when something comes into the log."`

	LogKey adminLogKeyCmd `cmd:"" help:"The key that the log's checkpoints are signed with."`
}

type adminTokenCmd struct {
	Create tokenCreateCmd `cmd:"" help:"Make a token and print it, alone and once."`
	List   tokenListCmd   `cmd:"" help:"List all tokens."`
	Revoke tokenRevokeCmd `cmd:"" help:"Shut a token out, at once and for good."`
}

type adminKeyCmd struct {
	List   keyListCmd   `cmd:"" help:"List the keys that tokens have brought."`
	Revoke keyRevokeCmd `cmd:"" help:"Take nothing more that a key seals."`
}

// administration is what an Office does, here or in a server.
type administration interface {
	CreateToken(ctx context.Context, s auth.Spec) (string, auth.Token, error)
	ListTokens(ctx context.Context) ([]auth.Token, error)
	RevokeToken(ctx context.Context, name string) (auth.Token, error)
	ListKeys(ctx context.Context) ([]admin.Key, error)
	RevokeKey(ctx context.Context, id string) (admin.Key, error)
	AddExpectation(ctx context.Context, d expect.Definition) (expect.Active, error)
	ListExpectations(ctx context.Context) ([]expect.Active, error)
	RemoveExpectation(ctx context.Context, id string) (expect.Active, error)
	ListLogKeys(ctx context.Context) ([]admin.LogKey, error)
	RotateLogKey(ctx context.Context) ([]admin.LogKey, error)
	RetireLogKeys(ctx context.Context) ([]admin.LogKey, error)
	AddAlert(ctx context.Context, s alert.Spec) (secret string, i alert.Info, err error)
	ListAlerts(ctx context.Context) ([]alert.Info, error)
	RemoveAlert(ctx context.Context, name string) (alert.Info, error)
	TestAlert(ctx context.Context, name string) (alert.Tested, error)
}

// adminFlag chooses whose tokens and keys.
type adminFlag struct {
	Store     string `help:"The store: a directory, also while a server has it, or the address of a server." placeholder:"DIR|URL" env:"STET_STORE"`
	TokenFile string `help:"Where the store is an address: a file with an administrator's token." placeholder:"FILE" env:"STET_TOKEN_FILE"`
}

// busyFor is how long a command waits for a store that is held and whose holder does not answer: it may be starting, or be
// another command that ends soon.
const busyFor = 15 * time.Second

// with calls fn with whoever administers the store: this process where it can hold it, else the server that does. create
// makes a store where there is none.
func (f adminFlag) with(e *env, create bool, fn func(administration) error) error {
	if ship.IsAddress(f.Store) {
		return f.remote(f.Store, fn)
	}
	path, err := stet.StorePath(f.Store)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(e.ctx, busyFor)
	defer cancel()
	for {
		err := f.here(e, path, create, fn)
		if !errors.Is(err, store.ErrBusy) {
			return err
		}
		asked := f.remote("unix:"+filepath.Join(path, adminSocket), fn)
		if !errors.Is(asked, ship.ErrUnreachable) {
			return asked
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("%w, and there is no server that answers at %s", err, filepath.Join(path, adminSocket))
		}
	}
}

// here works on the store itself.
func (f adminFlag) here(e *env, path string, create bool, fn func(administration) error) (err error) {
	state, err := keyfile.StateDir(os.LookupEnv)
	if err != nil {
		return err
	}
	open := store.Open
	if create {
		open = store.OpenOrMake
	}
	s, err := open(path, state)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	held, err := s.Hold(e.ctx, store.HoldOptions{Preallocate: -1})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeHeld(e, held)) }()
	tokens, err := auth.Open(s.FS, auth.Options{LogKeys: held.LogKeys().All()})
	if err != nil {
		return err
	}
	o := &admin.Office{Log: held, Tokens: tokens, FS: s.FS}
	if err := openAlerts(o, s, held, nil); err != nil {
		return err
	}
	if err := o.Settle(e.ctx); err != nil {
		return err
	}
	uid := uint32(os.Geteuid()) // who may open the store is its owner
	id, _ := auth.Peer(uid, uid)
	return fn(admin.Here{Office: o, By: admin.By{Identity: id, Command: "stet admin"}})
}

// remote asks a server.
func (f adminFlag) remote(address string, fn func(administration) error) error {
	a, err := ship.ParseAddress(address)
	if err != nil {
		return err
	}
	token := ""
	if f.TokenFile != "" {
		if token, err = ship.ReadToken(f.TokenFile); err != nil {
			return err
		}
	}
	c := ship.NewClient(a)
	defer c.Close()
	return plainly(fn(admin.Client{Client: c.With(token)}))
}

// plainly says of a server's refusal what a directory would say as well, with the same exit code: titles and hints are for
// whoever writes requests.
func plainly(err error) error {
	var r *ship.RefusedError
	if !errors.As(err, &r) || r.Detail == "" {
		return err
	}
	switch r.Code {
	case wire.Malformed:
		return usage("%s", strings.Replace(err.Error(), r.Error(), r.Detail, 1))
	case wire.NotFound, wire.NameTaken:
		return errors.New(strings.Replace(err.Error(), r.Error(), fmt.Sprintf("%s (%s)", r.Detail, r.Code), 1))
	}
	return err
}

type tokenCreateCmd struct {
	adminFlag
	Role        string `help:"What it is for: writer, reader, auditor or admin." required:"" placeholder:"ROLE"`
	App         string `help:"The application whose events it sends or reads; for writers and readers." placeholder:"APP"`
	Environment string `help:"That application in this environment only." placeholder:"ENV"`
	Expires     string `help:"How long it is good: 90d, 12h or never." default:"90d"`
	Name        string `help:"What the log calls it; otherwise a name is made." placeholder:"NAME"`
	JSON        bool   `help:"Print JSON, the token in it."`
}

// Help says what becomes of a token.
func (tokenCreateCmd) Help() string {
	return `The token is printed once and kept nowhere: the store has a hash of it. Give it to a machine in a file that nobody else can read:

    (umask 077; stet admin token create --role writer --app billing > billing.token)
    stet enrol https://audit.example --token-file billing.token`
}

// createdToken is what token create prints: stet.token/1.
type createdToken struct {
	Format string `json:"format"`
	Token  string `json:"token"`
	listedToken
}

func (c *tokenCreateCmd) Run(e *env) error {
	expires, err := parseExpiry(c.Expires)
	if err != nil {
		return err
	}
	spec := auth.Spec{Name: c.Name, Role: auth.Role(c.Role), App: c.App, Environment: c.Environment, Expires: expires}
	var text string
	var t auth.Token
	err = c.with(e, true, func(a administration) (err error) {
		text, t, err = a.CreateToken(e.ctx, spec)
		return err
	})
	switch {
	case errors.Is(err, auth.ErrSpec):
		return usage("admin token create: %v", err)
	case err != nil:
		return err
	}
	if c.JSON {
		return printJSON(e, createdToken{"stet.token/1", text, listed(t)})
	}
	until := "it does not expire"
	if !t.Expires.IsZero() {
		until = "good until " + event.FormatTime(t.Expires.Truncate(time.Second))
	}
	_, _ = fmt.Fprintf(e.stderr, "stet: token %s, for %s; %s; it is shown this once\n", t.Name, scope(t), until)
	_, err = fmt.Fprintln(e.stdout, text)
	return err
}

// maxExpiry is a hundred years.
const maxExpiry = 100 * 365 * 24 * time.Hour

// parseExpiry reads a time as 90d, 12h or never, which is 0.
func parseExpiry(s string) (time.Duration, error) {
	var d time.Duration
	days, isDays := strings.CutSuffix(s, "d")
	n, err := strconv.ParseUint(days, 10, 16)
	switch {
	case s == "never":
		return 0, nil
	case isDays && err == nil:
		d = time.Duration(n) * 24 * time.Hour
	case !isDays:
		if d, err = time.ParseDuration(s); err != nil {
			d = 0
		}
	}
	if d < time.Second || d > maxExpiry {
		return 0, usage("admin token create: --expires %q: say a number of days such as 90d, a time such as 12h, or never", s)
	}
	return d, nil
}

func scope(t auth.Token) string {
	what := string(t.Role)
	if t.App != "" {
		what += " of " + t.App
	}
	if t.Environment != "" {
		what += " in " + t.Environment
	}
	return what
}

// listedToken is what is told about a token.
type listedToken struct {
	Name        string   `json:"name"`
	Role        string   `json:"role"`
	App         string   `json:"app,omitempty"`
	Environment string   `json:"environment,omitempty"`
	State       string   `json:"state"` // good, expired, revoked
	Created     string   `json:"created"`
	Expires     string   `json:"expires,omitempty"`
	Revoked     string   `json:"revoked,omitempty"`
	Keys        []string `json:"keys,omitempty"` // ids
}

func listed(t auth.Token) listedToken {
	at := func(t time.Time) string {
		if t.IsZero() {
			return ""
		}
		return event.FormatTime(t)
	}
	l := listedToken{Name: t.Name, Role: string(t.Role), App: t.App, Environment: t.Environment, State: "good",
		Created: at(t.Created), Expires: at(t.Expires), Revoked: at(t.Revoked)}
	for _, k := range t.Keys {
		l.Keys = append(l.Keys, proof.KeyID(k))
	}
	switch {
	case !t.Revoked.IsZero():
		l.State = "revoked"
	case !t.Expires.IsZero() && !time.Now().Before(t.Expires):
		l.State = "expired"
	}
	return l
}

type tokenListCmd struct {
	adminFlag
	JSON bool `help:"Print JSON."`
}

// tokenList is what token list prints: stet.tokens/1.
type tokenList struct {
	Format string        `json:"format"`
	Tokens []listedToken `json:"tokens"`
}

func (c *tokenListCmd) Run(e *env) error {
	out := tokenList{Format: "stet.tokens/1", Tokens: []listedToken{}}
	err := c.with(e, false, func(a administration) error {
		all, err := a.ListTokens(e.ctx)
		for _, t := range all {
			out.Tokens = append(out.Tokens, listed(t))
		}
		return err
	})
	if err != nil {
		return err
	}
	rows := [][]string{{"NAME", "ROLE", "APP", "ENVIRONMENT", "STATE", "EXPIRES", "KEYS"}}
	for _, t := range out.Tokens {
		until := "never"
		if t.Expires != "" {
			until = t.Expires[:len("2006-01-02")]
		}
		rows = append(rows, []string{t.Name, t.Role, t.App, t.Environment, t.State, until, strconv.Itoa(len(t.Keys))})
	}
	return printList(e, c.JSON, out, rows, "there are no tokens; stet admin token create makes one")
}

// printList prints a list as JSON, or as a table, whose first row is its head. Where nothing is in it, none is said on
// standard error.
func printList(e *env, asJSON bool, list any, rows [][]string, none string) error {
	switch {
	case asJSON:
		return printJSON(e, list)
	case len(rows) == 1:
		_, _ = fmt.Fprintln(e.stderr, "stet: "+none)
		return nil
	}
	return printRows(e, rows)
}

// printRows prints a table. What is in it comes from a server, perhaps.
func printRows(e *env, rows [][]string) error {
	w := tabwriter.NewWriter(e.stdout, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		for i, cell := range row {
			if row[i] = printableText(cell); cell == "" {
				row[i] = "-"
			}
		}
		if _, err := fmt.Fprintln(w, strings.Join(row, "\t")); err != nil {
			return err
		}
	}
	return w.Flush()
}

type tokenRevokeCmd struct {
	adminFlag
	Name string `arg:"" help:"The token's name."`
	JSON bool   `help:"Print JSON."`
}

func (c *tokenRevokeCmd) Run(e *env) error {
	var t auth.Token
	err := c.with(e, false, func(a administration) (err error) {
		t, err = a.RevokeToken(e.ctx, c.Name)
		return err
	})
	if err != nil {
		return err
	}
	if c.JSON {
		return printJSON(e, tokenList{"stet.tokens/1", []listedToken{listed(t)}})
	}
	_, err = fmt.Fprintf(e.stdout, "token %s revoked\n", printableText(t.Name))
	return err
}

// keyList is what key list and key revoke print: stet.keys/1.
type keyList struct {
	Format string      `json:"format"`
	Keys   []listedKey `json:"keys"`
}

type listedKey struct {
	ID     string   `json:"id"`
	Name   string   `json:"name,omitempty"` // of host and user, as the emitter says
	State  string   `json:"state"`          // good or revoked
	Tokens []string `json:"tokens,omitempty"`
}

func listKeys(all ...admin.Key) keyList {
	out := keyList{Format: "stet.keys/1", Keys: []listedKey{}}
	for _, k := range all {
		name, _, _ := strings.Cut(k.VKey, "+")
		state := "good"
		if k.Revoked {
			state = "revoked"
		}
		out.Keys = append(out.Keys, listedKey{k.ID, name, state, k.Tokens})
	}
	return out
}

type keyListCmd struct {
	adminFlag
	JSON bool `help:"Print JSON."`
}

func (c *keyListCmd) Run(e *env) error {
	var out keyList
	err := c.with(e, false, func(a administration) error {
		all, err := a.ListKeys(e.ctx)
		out = listKeys(all...)
		return err
	})
	if err != nil {
		return err
	}
	rows := [][]string{{"ID", "NAME", "STATE", "TOKENS"}}
	for _, k := range out.Keys {
		rows = append(rows, []string{k.ID[:min(len(k.ID), 16)], k.Name, k.State, strings.Join(k.Tokens, ", ")})
	}
	return printList(e, c.JSON, out, rows, "no token has brought a key yet; stet enrol does, and so does the first thing that a writer sends")
}

type keyRevokeCmd struct {
	adminFlag
	ID   string `arg:"" name:"id" help:"The key's id, or at least the first 16 digits of it."`
	JSON bool   `help:"Print JSON."`
}

// Help says what revocation does and does not do.
func (keyRevokeCmd) Help() string {
	return `What the key sealed before stays in the log, and good: the log says from where on it is not. Whatever its machine has
recorded and not sent yet is refused from now on, so let it send first where you trust it.`
}

func (c *keyRevokeCmd) Run(e *env) error {
	var out keyList
	err := c.with(e, false, func(a administration) error {
		k, err := a.RevokeKey(e.ctx, c.ID)
		out = listKeys(k)
		return err
	})
	if err != nil {
		return err
	}
	if c.JSON {
		return printJSON(e, out)
	}
	_, err = fmt.Fprintf(e.stdout, "key %s revoked\n", printableText(out.Keys[0].ID))
	return err
}
