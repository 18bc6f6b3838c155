package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stetlog/stet/internal/auth"
)

// secret FILE demands that the token in the file is in no file of the store or the state directory, and was shown by no
// command since: not the whole, and not its secret half.
func secret(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: secret file")
	}
	token := strings.TrimSpace(ts.ReadFile(args[0]))
	if len(token) < 50 {
		ts.Fatalf("%s holds no token", args[0])
	}
	half := []byte(token[len("stet1_"):49])
	if strings.Contains(ts.ReadFile("stdout")+ts.ReadFile("stderr"), string(half)) {
		ts.Fatalf("the token was shown")
	}
	for _, root := range []string{ts.Getenv("STET_STORE"), ts.Getenv("STET_STATE")} {
		ts.Check(filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() {
				return err
			}
			b, err := os.ReadFile(path)
			if bytes.Contains(b, half) {
				ts.Fatalf("%s holds the token", path)
			}
			return err
		}))
	}
}

// await FILE waits until a file is there.
func await(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: await file")
	}
	name := ts.MkAbs(args[0])
	for range 1200 {
		if _, err := os.Stat(name); err == nil {
			return
		}
		time.Sleep(50 * time.Millisecond) // another process makes it
	}
	ts.Fatalf("%s did not come", name)
}

func TestParseExpiry(t *testing.T) {
	day := 24 * time.Hour
	for in, want := range map[string]time.Duration{"90d": 90 * day, "1d": day, "36500d": 36500 * day, "12h": 12 * time.Hour, "1s": time.Second, "never": 0} {
		if got, err := parseExpiry(in); err != nil || got != want {
			t.Errorf("%s: %v, %v; want %v", in, got, err, want)
		}
	}
	for _, in := range []string{"", "d", "0d", "-1d", "+1d", "36501d", "99999999999d", "1.5d", "1d1h", "soon", "0", "0s", "-5h", "10ms", "90", "9000000h", "NEVER"} {
		if got, err := parseExpiry(in); err == nil {
			t.Errorf("%q is taken as %v", in, got)
		}
	}
}

func TestTokensAreListedAsTheyAre(t *testing.T) {
	now := time.Now()
	for want, token := range map[string]auth.Token{
		"good":    {Expires: now.Add(time.Hour)},
		"expired": {Expires: now.Add(-time.Hour)},
		"revoked": {Expires: now.Add(-time.Hour), Revoked: now},
	} {
		if got := listed(token).State; got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}
