package ship_test

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/stetlog/stet/internal/fsx"
	"github.com/stetlog/stet/internal/fsx/fsxtest"
	"github.com/stetlog/stet/internal/ship"
)

func TestAddresses(t *testing.T) {
	for in, want := range map[string]string{
		"https://log.example":            "https://log.example:443",
		"https://LOG.example:8443/":      "https://log.example:8443",
		"https://log.example/stet/":      "https://log.example:443/stet",
		"http://127.0.0.1:7108":          "http://127.0.0.1:7108",
		"http://localhost:7108":          "http://localhost:7108",
		"http://[::1]:7108/":             "http://[::1]:7108",
		"unix:/run/stet/stet.sock":       "unix:/run/stet/stet.sock",
		"unix:///run//stet/../stet.sock": "unix:/run/stet.sock",
	} {
		a, err := ship.ParseAddress(in)
		if err != nil || a.String() != want || !ship.IsAddress(in) {
			t.Errorf("%s: got %q, %v; want %q", in, a, err, want)
		}
		again, err := ship.ParseAddress(a.String())
		if err != nil || again != a {
			t.Errorf("%s: read again as %q, %v", a, again, err)
		}
		if name := a.Name(); !fs.ValidPath(name) || strings.ContainsAny(name, "/:") || strings.HasPrefix(name, ".") {
			t.Errorf("%s: %q is no name of a directory", a, name)
		}
	}
	for _, in := range []string{"", "/var/lib/stet", "ftp://log.example", "http://log.example", "http://10.0.0.1", "http://127.0.0.1.example:80", "https://",
		"https://user:s3cret@log.example", "https://log.example?s3cret", "https://log.example#s3cret", "https://log.example/a%2fs3cret", "unix:relative", "unix:",
		"unix:/a\nb", "https://log.example:port", "https://" + strings.Repeat("a", 1100)} {
		a, err := ship.ParseAddress(in)
		if !errors.Is(err, ship.ErrAddress) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%q: got %q, %v", in, a, err)
		}
	}
}

// Two servers must not share a directory, whatever they are called.
func TestNamesAreApart(t *testing.T) {
	seen := map[string]string{}
	for _, in := range []string{"https://a.b", "https://a-b", "https://a.b/c", "https://a.b:444", "unix:/a/b", "unix:/a-b", "http://127.0.0.1:80",
		"https://" + strings.Repeat("a", 100), "https://" + strings.Repeat("a", 101)} {
		a := address(t, in)
		if other := seen[a.Name()]; other != "" || len(a.Name()) > 100 {
			t.Errorf("%s and %s are both %s", in, other, a.Name())
		}
		seen[a.Name()] = in
	}
}

func TestPlaces(t *testing.T) {
	a := address(t, "unix:/run/stet.sock")
	for _, c := range []struct{ spool, want string }{{"", "/state/" + a.Dir()}, {"/var/spool/stet", "/var/spool/stet/" + a.Name()}, {"relative", ""}} {
		got, err := a.Place("/state", c.spool)
		if filepath.ToSlash(got) != c.want || (err != nil) != (c.want == "") {
			t.Errorf("STET_SPOOL=%q: got %q, %v", c.spool, got, err)
		}
	}
}

func address(t *testing.T, s string) ship.Address {
	t.Helper()
	a, err := ship.ParseAddress(s)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

const (
	vkey  = "stet-emitter/host.example/1000+58800a76+AYqI4910CfGV/VLbLTy6XXLKZwm/HZQSG/N0iAG0D29c"
	vkey2 = "x+25189a79+AbvQCXQjmA7zRF4h9BzqN8XHZGbAbS7nRBtWPdRSsUDl"
)

// tokenFor is a token for the log with this key.
func tokenFor(vkey string) string {
	secret, id := sha256.Sum256([]byte("secret")), sha256.Sum256([]byte(vkey))
	b64 := base64.RawURLEncoding
	return "stet1_" + b64.EncodeToString(secret[:]) + "_" + b64.EncodeToString(id[:])
}

func TestTokens(t *testing.T) {
	good := tokenFor(vkey)
	if !ship.Pins(good, vkey) || ship.Pins(good, vkey+"A") || ship.Pins("", vkey) {
		t.Error("a token pins the key that it names, and no other")
	}
	dir := t.TempDir()
	for name, c := range map[string]struct {
		text string
		ok   bool
	}{
		"plain": {good, true}, "line": {"\n" + good + "\r\n", true}, "empty": {"", false}, "cut": {good[:len(good)-1], false}, "long": {good + "A", false},
		"two": {good + "\n" + good, false}, "prefix": {strings.Replace(good, "stet1", "stet2", 1), false}, "alphabet": {strings.Replace(good, good[6:8], "+/", 1), false},
		"huge": {strings.Repeat(" ", 2000) + good, false},
	} {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := ship.ReadToken(file)
		if c.ok && (err != nil || got != good) || !c.ok && !errors.Is(err, ship.ErrToken) {
			t.Errorf("%s: got %v", name, err)
		}
		if err != nil && strings.Contains(err.Error(), good[6:20]) {
			t.Errorf("%s: the secret is in %q", name, err)
		}
	}
	if _, err := ship.ReadToken(filepath.Join(dir, "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

func TestAServerIsPinnedOnce(t *testing.T) {
	state := fsxtest.New()
	a := address(t, "https://log.example")
	if _, err := ship.ReadServer(state, a); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("got %v", err)
	}
	first := ship.Server{Address: a, LogKey: vkey, Token: tokenFor(vkey)}
	if err := ship.WriteServer(state, first); err != nil {
		t.Fatal(err)
	}
	if got, err := ship.ReadServer(state, a); err != nil || !reflect.DeepEqual(got, first) {
		t.Errorf("got %+v, %v", got, err)
	}
	if err := ship.WriteServer(state, ship.Server{Address: a, LogKey: vkey2}); !errors.Is(err, ship.ErrPinned) {
		t.Errorf("another key: got %v", err)
	}
	second := ship.Server{Address: a, LogKey: vkey, TokenFile: "/etc/stet/token"}
	if err := ship.WriteServer(state, second); err != nil {
		t.Fatal(err)
	}
	if got, err := ship.ReadServer(state, a); err != nil || !reflect.DeepEqual(got, second) {
		t.Errorf("got %+v, %v", got, err)
	}
	for name, s := range map[string]ship.Server{
		"a token for another log": {Address: a, LogKey: vkey, Token: tokenFor(vkey2)}, "no token": {Address: a, LogKey: vkey, Token: "x"},
		"a relative file": {Address: a, LogKey: vkey, TokenFile: "token"}, "two lines": {Address: a, LogKey: vkey, TokenFile: "/a\nb"}, "no key": {Address: a, LogKey: "x"},
	} {
		if err := ship.WriteServer(state, s); err == nil {
			t.Errorf("%s was written", name)
		}
	}
	good, err := fsx.ReadFile(state, a.Dir()+"/server", 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"another version": strings.Replace(string(good), "v1", "v2", 1), "a line more": string(good) + "\n", "cut": string(good[:len(good)-1]),
		"another address": strings.Replace(string(good), "log.example", "log2.example", 1), "another spelling": strings.Replace(string(good), ":443", "", 1),
		"large": strings.Repeat("x", 1<<16),
	} {
		if err := fsx.Replace(state, a.Dir()+"/server", []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := ship.ReadServer(state, a); !errors.Is(err, ship.ErrServerFile) {
			t.Errorf("%s: got %+v, %v", name, got, err)
		}
	}
}
