package auth

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/fsx"
	"github.com/stetlog/stet/internal/fsx/fsxtest"
	"github.com/stetlog/stet/internal/wire"
	"github.com/stetlog/stet/proof"
)

func TestATokenSaysWhoAndWhichLog(t *testing.T) {
	w := newWorld(t)
	text := w.create(Spec{Role: Writer, App: "billing", Environment: "production", Expires: 24 * time.Hour})
	if len(text) != 93 || !strings.HasPrefix(text, "stet1_") {
		t.Errorf("a token is %d characters, %.6s…; it should be 93, stet1_…", len(text), text)
	}
	id := w.identity(text)
	if id.Role != Writer || id.App != "billing" || id.Environment != "production" || !strings.HasPrefix(id.Token, "writer-billing-") {
		t.Errorf("it is %+v", id)
	}
	if !wire.Pins(text, vkey("log.example/a")) || wire.Pins(text, vkey("log.example/b")) || wire.Pins("stet1_", vkey("log.example/a")) {
		t.Error("the token does not tell its log's key from another")
	}
	want := []Token{{Name: id.Token, Role: Writer, App: "billing", Environment: "production", Created: noon, Expires: noon.Add(24 * time.Hour)}}
	if d := cmp.Diff(want, w.List()); d != "" {
		t.Error(d)
	}
	w.reopen(Options{})
	if d := cmp.Diff(id, w.identity(text), cmp.AllowUnexported(Identity{})); d != "" {
		t.Errorf("another process knows it otherwise: %s", d)
	}
}

func TestOnlyTheTokenItselfLogsIn(t *testing.T) {
	w := newWorld(t)
	text := w.create(Spec{Role: Auditor})
	refused := func(name, text string) {
		t.Helper()
		id, err := w.Authenticate(text)
		if !errors.Is(err, ErrUnknown) || id.Role != "" {
			t.Errorf("%s: %+v, %v", name, id, err)
		} else if err.Error() != ErrUnknown.Error() {
			t.Errorf("%s: a stranger is told more than that he is one: %v", name, err)
		}
	}
	for i := range len(text) {
		for _, c := range []byte{'A', 'B', '_', ' ', '\n', 0} {
			if b := []byte(text); b[i] != c {
				b[i] = c
				refused(fmt.Sprintf("%q at %d", c, i), string(b))
			}
		}
		refused("cut", text[:i])
	}
	refused("more behind it", text+"A")
	refused("a line end behind it", text+"\n")
	refused("a line end in it", text[:20]+"\n"+text[20:])
	refused("its hash", "stet1_"+w.now.Load().records[0].Hash)
	// The token of another log by the same secret: its holder would pin that log's key.
	secret, _, err := wire.ParseToken(text)
	if err != nil {
		t.Fatal(err)
	}
	refused("for another log", wire.FormatToken(secret, keyID(vkey("log.example/b"))))
}

// All of the hash counts, not only what the search goes by.
func TestTheWholeHashIsCompared(t *testing.T) {
	w := newWorld(t)
	text := w.create(Spec{Role: Auditor})
	secret, _, _ := wire.ParseToken(text)
	h := sha256.Sum256(secret[:])
	for _, at := range []int{0, 7, 8, 31} {
		other := h
		other[at] ^= 1
		b := strings.Replace(string(w.file()), hex.EncodeToString(h[:]), hex.EncodeToString(other[:]), 1)
		all, err := parse([]byte(b))
		if err != nil {
			t.Fatal(err)
		}
		if i, ok := newTable(all).find(h); ok {
			t.Errorf("a hash that differs in byte %d is taken for token %d", at, i)
		}
	}
}

// How long a refusal takes must not tell how much of a secret was right: hashes are compared by crypto/subtle and by nothing
// else. Timing cannot be tested on a machine that does other things too, so the source is.
func TestSecretsAreComparedInConstantTime(t *testing.T) {
	names, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, n := range names {
		if strings.HasSuffix(n.Name(), ".go") && !strings.HasSuffix(n.Name(), "_test.go") {
			b, err := os.ReadFile(n.Name())
			if err != nil {
				t.Fatal(err)
			}
			all.Write(b)
		}
	}
	if !strings.Contains(all.String(), "subtle.ConstantTimeCompare(t.known[i].hash[:], h[:]) == 1") {
		t.Error("the hash of a token is not compared by crypto/subtle")
	}
	for _, never := range []string{"hash == h", "h == t.known", "bytes.Equal(h", "hash[:], h[:]) == 0", ".Hash == hex", "range secret"} {
		if strings.Contains(all.String(), never) {
			t.Errorf("%q: a comparison that ends at the first difference", never)
		}
	}
}

func TestWhatNoTokenCanBe(t *testing.T) {
	w := newWorld(t)
	for _, tt := range []struct {
		spec Spec
		want error
		says string
	}{
		{Spec{}, ErrSpec, "no role"},
		{Spec{Role: "root"}, ErrSpec, "roles are writer"},
		{Spec{Role: Writer}, ErrSpec, "one application"},
		{Spec{Role: Reader, Environment: "production"}, ErrSpec, "one application"},
		{Spec{Role: Admin, App: "billing"}, ErrSpec, "all applications"},
		{Spec{Role: Auditor, Environment: "production"}, ErrSpec, "all applications"},
		{Spec{Role: Writer, App: "two words"}, ErrSpec, "application's name"},
		{Spec{Role: Writer, App: strings.Repeat("a", 129)}, ErrSpec, "application's name"},
		{Spec{Role: Writer, App: "a", Environment: "p\n"}, ErrSpec, "environment's name"},
		{Spec{Role: Auditor, Name: "../x"}, ErrSpec, "token's name"},
		{Spec{Role: Auditor, Name: strings.Repeat("n", 65)}, ErrSpec, "token's name"},
		{Spec{Role: Auditor, Expires: -1}, ErrSpec, "before it was made"},
		{Spec{Role: Auditor, Name: "taken"}, nil, ""},
		{Spec{Role: Auditor, Name: "taken"}, ErrTaken, "taken"},
		{Spec{Role: Writer, App: strings.Repeat("a", 128), Environment: strings.Repeat("e", 32)}, nil, ""},
	} {
		before := string(w.file())
		text, _, err := w.Create(tt.spec)
		switch {
		case !errors.Is(err, tt.want):
			t.Errorf("%+v: %v, want %v", tt.spec, err, tt.want)
		case err != nil && (text != "" || string(w.file()) != before):
			t.Errorf("%+v: refused, and yet there is one", tt.spec)
		case err != nil && !strings.Contains(err.Error(), tt.says):
			t.Errorf("%+v: %v, want it to say %q", tt.spec, err, tt.says)
		}
	}
}

func TestFirstKey(t *testing.T) {
	one, two := vkey("emitter/one"), vkey("emitter/two")
	w := newWorld(t)
	text := w.create(Spec{Role: Writer, App: "billing"})
	subject := func(key string) Subject { return Subject{App: "billing", Key: key} }

	id := w.identity(text)
	if err := id.May(Append, subject(one)); !errors.Is(err, ErrKey) {
		t.Errorf("a key that nobody brought: %v", err)
	}
	bound, err := w.Bind(id, one, true)
	if err != nil || bound.May(Append, subject(one)) != nil {
		t.Fatalf("the first key: %v, %v", err, bound.May(Append, subject(one)))
	}
	if again, err := w.Bind(id, one, true); err != nil || again.May(Append, subject(one)) != nil {
		t.Errorf("the first key, brought by two requests at once: %v", err)
	}
	if _, err := w.Bind(id, two, true); !errors.Is(err, ErrKey) || !strings.Contains(err.Error(), "stet enrol") {
		t.Errorf("a second key that comes by itself: %v", err)
	}
	both, err := w.Bind(id, two, false)
	if err != nil || both.May(Append, subject(one)) != nil || both.May(Append, subject(two)) != nil {
		t.Errorf("a second key that was enrolled: %v", err)
	}
	w.reopen(Options{ExplicitKeys: true})
	if id := w.identity(text); id.May(Append, subject(one)) != nil || id.May(Append, subject(two)) != nil {
		t.Error("another process has forgotten keys")
	}
	fresh := w.identity(w.create(Spec{Role: Writer, App: "billing"}))
	if _, err := w.Bind(fresh, one, true); !errors.Is(err, ErrKey) {
		t.Errorf("first key where keys must be enrolled: %v", err)
	}
	if _, err := w.Bind(fresh, one, false); err != nil {
		t.Errorf("a key of one machine under two tokens: %v", err)
	}
	for _, s := range []Spec{{Role: Reader, App: "billing"}, {Role: Auditor}, {Role: Admin}} {
		if _, err := w.Bind(w.identity(w.create(s)), one, false); !errors.Is(err, ErrNotAllowed) {
			t.Errorf("a key for a token of a %s: %v", s.Role, err)
		}
	}
	if _, err := w.Bind(fresh, one+"x", false); !errors.Is(err, proof.ErrMalformed) {
		t.Errorf("no key at all: %v", err)
	}
	w.at = w.at.Add(time.Second)
	if _, err := w.Revoke(fresh.Token); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Bind(fresh, two, false); !errors.Is(err, ErrNotAllowed) {
		t.Errorf("a key for a revoked token, whose request was on its way: %v", err)
	}
}

func TestFull(t *testing.T) {
	w := newWorld(t)
	all := make([]record, MaxTokens)
	for i := range all {
		h := sha256.Sum256(fmt.Append(nil, i))
		all[i] = record{Name: fmt.Sprint("t", i), Role: Auditor, Hash: hex.EncodeToString(h[:]), Created: event.FormatTime(noon)}
	}
	put(t, w.fsys, all)
	w.reopen(Options{})
	if _, _, err := w.Create(Spec{Role: Admin}); !errors.Is(err, ErrFull) {
		t.Errorf("one token too many: %v", err)
	}
	if _, err := w.Revoke("t7"); err != nil {
		t.Fatal(err)
	}
	if _, _, err := w.Create(Spec{Role: Admin}); !errors.Is(err, ErrFull) {
		t.Errorf("a token in the place of one whose revocation the log does not have: %v", err)
	}
	if err := w.Told("t7"); err != nil {
		t.Fatal(err)
	}
	w.create(Spec{Role: Admin})
	if list := w.List(); len(list) != MaxTokens || slices.ContainsFunc(list, func(t Token) bool { return t.Name == "t7" }) {
		t.Errorf("%d tokens; the revoked one should have made room", len(list))
	}

	w = newWorld(t)
	text := w.create(Spec{Role: Writer, App: "billing", Name: "w"})
	all, err := parse(w.file())
	if err != nil {
		t.Fatal(err)
	}
	for i := range MaxKeys {
		all[0].Keys = append(all[0].Keys, vkey(fmt.Sprint("emitter/", i)))
	}
	put(t, w.fsys, all)
	w.reopen(Options{})
	if _, err := w.Bind(w.identity(text), vkey("emitter/more"), false); !errors.Is(err, ErrFull) {
		t.Errorf("one key too many: %v", err)
	}
}

func put(t testing.TB, fsys fsx.FS, all []record) {
	t.Helper()
	b, err := encode(all)
	if err == nil {
		if err = fsx.MkdirAll(fsys, dir, 0o700); err == nil {
			err = fsx.Replace(fsys, tokensFile, b, 0o600)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
}

// Whatever is done in whatever order, by however many processes after one another, the answer is that of a model of a few
// lines.
func TestLifeOfTokens(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld(t)
		type model struct {
			text             string
			spec             Spec
			expires, revoked time.Time
			keys             map[string]bool
		}
		tokens := map[string]*model{}
		name := rapid.SampledFrom([]string{"a", "b", "c", "d"})
		key := rapid.SampledFrom([]string{vkey("emitter/1"), vkey("emitter/2"), vkey("emitter/3")})
		rt.Repeat(map[string]func(*rapid.T){
			"create": func(rt *rapid.T) {
				s := Spec{Name: name.Draw(rt, "name"), Role: rapid.SampledFrom(Roles()).Draw(rt, "role"),
					Expires: time.Duration(rapid.IntRange(0, 5).Draw(rt, "hours")) * time.Hour}
				if s.Role.scoped() {
					s.App = "billing"
				}
				text, _, err := w.Create(s)
				if _, taken := tokens[s.Name]; taken {
					if !errors.Is(err, ErrTaken) {
						rt.Fatalf("a name twice: %v", err)
					}
					return
				}
				if err != nil {
					rt.Fatal(err)
				}
				m := &model{text: text, spec: s, keys: map[string]bool{}}
				if s.Expires > 0 {
					m.expires = w.at.Add(s.Expires)
				}
				tokens[s.Name] = m
			},
			"revoke": func(rt *rapid.T) {
				n := name.Draw(rt, "name")
				got, err := w.Revoke(n)
				m := tokens[n]
				if m == nil {
					if !errors.Is(err, ErrNoToken) {
						rt.Fatalf("revoke nothing: %v", err)
					}
					return
				}
				if m.revoked.IsZero() {
					m.revoked = w.at
				}
				if err != nil || !got.Revoked.Equal(m.revoked) {
					rt.Fatalf("revoked at %v, %v; want %v", got.Revoked, err, m.revoked)
				}
			},
			"bind": func(rt *rapid.T) {
				n, k, first := name.Draw(rt, "name"), key.Draw(rt, "key"), rapid.Bool().Draw(rt, "first")
				m := tokens[n]
				if m == nil {
					return
				}
				_, err := w.Bind(Identity{Token: n}, k, first)
				want := m.spec.Role == Writer && m.revoked.IsZero() && (m.keys[k] || !first || len(m.keys) == 0)
				if (err == nil) != want {
					rt.Fatalf("bind to %+v: %v, want %v", m, err, want)
				}
				if want {
					m.keys[k] = true
				}
			},
			"later": func(rt *rapid.T) {
				w.at = w.at.Add(time.Duration(rapid.IntRange(1, 120).Draw(rt, "minutes")) * time.Minute)
			},
			"reopen": func(*rapid.T) { w.reopen(Options{}) },
			"": func(rt *rapid.T) {
				for n, m := range tokens {
					id, err := w.Authenticate(m.text)
					var want error
					switch {
					case !m.revoked.IsZero():
						want = ErrRevoked
					case !m.expires.IsZero() && !w.at.Before(m.expires):
						want = ErrExpired
					}
					if !errors.Is(err, want) || want == nil && (id.Token != n || id.Role != m.spec.Role || !maps.Equal(id.keys, m.keys)) {
						rt.Fatalf("%s is %+v, %v; want %v", n, id, err, want)
					}
					if err != nil && id.Role != "" {
						rt.Fatalf("%s may not come in and has a role all the same", n)
					}
					scan(t, "the file", w.file(), m.text)
				}
				if b := w.file(); b != nil {
					all, err := parse(b)
					if err != nil || len(all) != len(tokens) {
						rt.Fatalf("the file has %d tokens, %v; want %d", len(all), err, len(tokens))
					}
				}
			},
		})
	})
}

// What was told to a caller holds after a crash at any moment: a token that was handed out logs in, one that was revoked
// does not.
func TestWhatWasToldHoldsAfterACrash(t *testing.T) {
	type claims struct {
		made    []string        // tokens that were handed out
		revoked map[string]bool // that were shut out
		trying  string
		bound   map[string]string
	}
	key := vkey("emitter/1")
	o := Options{LogKeys: []string{vkey("log.example/a")}, Now: func() time.Time { return noon }}
	p := fsxtest.Plan{
		Run: func(fsys *fsxtest.Mem) any {
			c := claims{revoked: map[string]bool{}, bound: map[string]string{}}
			o := o
			o.Rand = &chance{}
			a, err := Open(fsys, o)
			if err != nil {
				return c
			}
			for i := range 3 {
				text, token, err := a.Create(Spec{Role: Writer, App: "billing"})
				if err != nil {
					return c
				}
				c.made = append(c.made, text)
				switch i {
				case 0:
					if _, err := a.Bind(Identity{Token: token.Name}, key, true); err != nil {
						return c
					}
					c.bound[text] = key
				case 1:
					c.trying = text
					if _, err := a.Revoke(token.Name); err != nil {
						// Nobody knows what is on disk; the process that was told so goes by its own memory.
						if _, aerr := a.Authenticate(text); !errors.Is(aerr, ErrRevoked) {
							t.Errorf("after a revocation that failed on disk (%v): %v", err, aerr)
						}
						if _, _, err := a.Create(Spec{Role: Admin}); err == nil {
							t.Error("a change after one whose outcome is unknown")
						}
						return c
					}
					c.revoked[text] = true
				}
			}
			return c
		},
		Check: func(fsys *fsxtest.Mem, acked any) error {
			c, _ := acked.(claims)
			a, err := Open(fsys, o)
			if err != nil {
				return err
			}
			for _, text := range c.made {
				id, err := a.Authenticate(text)
				switch {
				case c.revoked[text] && !errors.Is(err, ErrRevoked):
					return fmt.Errorf("a revoked token: %w", err)
				case !c.revoked[text] && text != c.trying && err != nil:
					return err
				case c.bound[text] != "" && !id.keys[c.bound[text]]:
					return errors.New("a key is forgotten")
				}
			}
			if fi, err := fsys.Stat(tokensFile); err == nil && fi.Mode().Perm() != 0o600 {
				return fmt.Errorf("mode %v", fi.Mode())
			} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
			return nil
		},
	}
	fsxtest.Explore(t, p)
	fsxtest.Faults(t, p, 20)
}

func TestManyAtOnce(t *testing.T) {
	w := newWorld(t)
	w.rand = nil // crypto/rand, which many may read
	w.reopen(Options{})
	const n = 16
	done := make(chan error, n)
	for i := range n {
		go func() {
			text, token, err := w.Create(Spec{Role: Writer, App: "billing"})
			if err == nil {
				var id Identity
				if id, err = w.Authenticate(text); err == nil {
					_, err = w.Bind(id, vkey(fmt.Sprint("emitter/", i)), true)
				}
			}
			if err == nil && i%2 == 0 {
				_, err = w.Revoke(token.Name)
			}
			done <- err
		}()
	}
	for range n {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	w.reopen(Options{})
	revoked := 0
	for _, token := range w.List() {
		if !token.Revoked.IsZero() {
			revoked++
		}
		if len(token.Keys) != 1 {
			t.Errorf("%s has %d keys", token.Name, len(token.Keys))
		}
	}
	if len(w.List()) != n || revoked != n/2 {
		t.Errorf("%d tokens, %d revoked", len(w.List()), revoked)
	}
}
