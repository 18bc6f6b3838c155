package redact

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestKey(t *testing.T) {
	secret := []string{"password", "Password", "DB_PASSWORD", "dbPassword", "db.password", "user-password", "passwd", "pwd", "PGPASSWORD",
		"passphrase", "secret", "clientSecret", "client_secret", "token", "accessToken", "ACCESS_TOKEN", "idtoken", "apiKey", "api_key", "API-KEY",
		"X-Api-Key", "apikey", "Authorization", "cookie", "Set-Cookie", "session", "session_id", "sessionId", "privateKey", "private key",
		"credential", "credentials", "dsn", "connection_string", "ConnectionString", "otp", "pin", "ssn", "iban", "cvv", "HTTPToken", "auth",
		"ssh_key", "encryptionKey", "accountKey", "smtp_pass", "secret_id", "x-amz-signature"}
	for _, k := range secret {
		if _, hit := Key(k); !hit {
			t.Errorf("Key(%q) is not a secret", k)
		}
	}
	plain := []string{"", "id", "name", "tokenizer", "passenger", "secretary", "keyboard", "monkey", "compass", "author", "authority", "pinned",
		"spinner", "opinion", "session_hash", "session_timeout", "max_tokens", "token_type", "password_policy", "public_key", "primary_key",
		"cache_key", "key", "keys", "user_id", "bypass", "sessionStorageSize", "key_id", "access_key_id", "issued", "host"}
	for _, k := range plain {
		if rule, hit := Key(k); hit {
			t.Errorf("Key(%q) is taken for a secret by rule %s", k, rule)
		}
	}
}

func TestTextKeepsWhatIsAroundASecret(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{`{"user":"bob","password":"hunter2","n":1}`, `{"user":"bob","password":"[redacted:password]","n":1}`},
		{`postgres://app:s3cr3t@db:5432/shop?sslmode=require`, `postgres://app:[redacted:url]@db:5432/shop?sslmode=require`},
		{`/x?token=abc&page=2`, `/x?token=[redacted:token]&page=2`},
		{`Server=h;Password=a;Encrypt=True`, `Server=h;Password=[redacted:password];Encrypt=True`},
		{`mail alice@example.com now`, `mail [redacted:email] now`},
		{`Authorization: Bearer abc`, `Authorization: [redacted:authorization]`},
		{`backup --password hunter2 --host db`, `backup --password [redacted:password] --host db`},
		{`password=[redacted:password]`, `password=[redacted:password]`},
		{`nothing to see`, `nothing to see`},
	} {
		got, _ := Text(c.in)
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("Text(%q):\n%s", c.in, diff)
		}
	}
}

func TestSecretsLeavesPersonsAlone(t *testing.T) {
	in := "alice@example.com 4111111111111111 password=hunter2"
	want := "alice@example.com 4111111111111111 password=[redacted:password]"
	if got, _ := Secrets(in); got != want {
		t.Errorf("Secrets = %q, want %q", got, want)
	}
}

func TestArgsDoesNotChangeItsInput(t *testing.T) {
	in := []string{"tool", "--password", "hunter2", "--n=1"}
	before := append([]string(nil), in...)
	got, finds := Args(in)
	if diff := cmp.Diff(before, in); diff != "" {
		t.Errorf("input changed:\n%s", diff)
	}
	if diff := cmp.Diff([]string{"tool", "--password", "[redacted:password]", "--n=1"}, got); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]Find{{"password"}}, finds); diff != "" {
		t.Error(diff)
	}
	clean := []string{"ls", "-l"}
	if out, _ := Args(clean); &out[0] != &clean[0] {
		t.Error("a clean command line was copied")
	}
}

// TestVendorsPassThePrefilter: a token shorter than the prefilter's run would be
// caught only beside other suspects.
func TestVendorsPassThePrefilter(t *testing.T) {
	for _, list := range vendors {
		for _, v := range list {
			if len(v.prefix)+v.least < longRun {
				t.Errorf("%s: %d characters are fewer than %d", v.prefix, len(v.prefix)+v.least, longRun)
			}
		}
	}
}

func TestCleanTextIsNotCopied(t *testing.T) {
	s := "purged one thousand rows of shop.orders in 12 s"
	if n := testing.AllocsPerRun(100, func() {
		if out, finds := Text(s); len(out) != len(s) || finds != nil {
			t.Fatal("not clean")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// check holds what must be true of any input.
func check(t interface{ Errorf(string, ...any) }, s string) {
	once, finds := Text(s)
	twice, again := Text(once)
	if once != twice || len(again) > 0 {
		t.Errorf("not idempotent:\n%q\n%q\n%q %v", s, once, twice, again)
	}
	if len(finds) == 0 && once != s {
		t.Errorf("changed without a find: %q → %q", s, once)
	}
	if len(once) > 16*len(s)+32 {
		t.Errorf("grew from %d to %d bytes", len(s), len(once))
	}
	if Look(s)&Suspect == 0 {
		f := finder{s: s, personal: true}
		if f.run(); len(f.spans) > 0 {
			t.Errorf("the prefilter misses %q: %v", s, f.spans)
		}
	}
	if found := Finds([]byte(s)); found != (len(finds) > 0) {
		t.Errorf("Finds says %v of %q, and Text masks %v", found, s, finds)
	}
	argv := strings.Fields(s)
	clean, _ := Args(argv)
	if len(clean) != len(argv) {
		t.Errorf("%d arguments became %d", len(argv), len(clean))
	}
	if cleaner, more := Args(clean); len(more) > 0 {
		t.Errorf("not idempotent: %q → %q → %q", argv, clean, cleaner)
	}
	_, _ = Key(s)
}

func FuzzText(f *testing.F) {
	for _, l := range texts {
		f.Add(l.text)
	}
	for _, l := range arguments {
		f.Add(strings.ReplaceAll(l.text, "|", " "))
	}
	for _, s := range innocents {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) { check(t, s) })
}

// TestPieces puts pieces of secrets together at random: what the fuzzer would
// need long to come upon.
func TestPieces(t *testing.T) {
	pieces := []string{"password", "=", ":", " ", "\"", "'", "\\", "{", "}", "[", "]", "hunter2", "://", "@", "u", "x.com", "-----BEGIN", "-----END",
		"PRIVATE KEY-----", "\n", "-p", "--token", "mysql", "curl -u", "a:b", "eyJ", ".", "4111111111111111", "+1415555", "2671", "-", "DE89370400440532013000",
		"[redacted:password]", "[redacted:", "078-05-1120", "<secret>", "</", "|", ",", ";", "&", "?", "is", "Bearer", "ü", "\xff", "$", "${X}", "://a:b@", "cookie: a=b; c"}
	rapid.Check(t, func(t *rapid.T) {
		check(t, strings.Join(rapid.SliceOfN(rapid.SampledFrom(pieces), 0, 14).Draw(t, "pieces"), ""))
	})
}

// TestSourceLines: where an event was made is no secret, and needs no second look, but what only resembles a file's name
// and a line does.
func TestSourceLines(t *testing.T) {
	for s, want := range map[string]bool{
		"worker/purge.go:26": false, "purge.go:26": false, "a/b/dsn.go:42": false, "cmd/stet/main_linux.py:1": false, "x.y.rs:12345678": false,
		"worker/purge:26": true, "db.dsn:4711": true, "dsn:4711": true, "jwt.go:": true, ".go:26": true, "/.go:26": true, "-.go:26": true,
		"purge.go:123456789": true, "purge.go:26:7": true, "dsn:1 a.go:26": true, "jwt.go:x1": true, "jwt.go :26": true, "jwt.Go:26": true,
		strings.Repeat("dsn-", 12) + "a.go:26": true,
	} {
		if got := Look(s)&Suspect != 0; got != want {
			t.Errorf("%q is suspect: %v, want %v", s, got, want)
		}
	}
	pieces := []string{"worker", "dsn", "jwt", "password", "token", "pin", "key", "where", "name", "id", "d", "Go", "/", "/", "-", "_", ".", ".go", ".py", ":", ":26", ":4711", "7", " ", "ü"}
	rapid.Check(t, func(t *rapid.T) {
		name := strings.Join(rapid.SliceOfN(rapid.SampledFrom(pieces), 0, 30).Draw(t, "name"), "")
		check(t, name)
		check(t, name+rapid.SampledFrom([]string{".go:26", ".ts:4711", ":26", "_dsn:4711", ".kt:12345678"}).Draw(t, "tail"))
	})
}

// TestFindsReadsWithoutACopy: it sees every text of every event at a door that refuses secrets.
func TestFindsReadsWithoutACopy(t *testing.T) {
	s := []byte("the session was created: by nobody that is known here, see runbook 7 (b)")
	if Look(string(s))&Suspect == 0 {
		t.Fatal("nothing suspect in it")
	}
	if n := testing.AllocsPerRun(100, func() {
		if Finds(s) {
			t.Fatal("not clean")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestLinearTime feeds what makes naive matchers quadratic; it would not end.
func TestLinearTime(t *testing.T) {
	for _, unit := range []string{"a", "=", ":", "@", "a@", "password ", "[redacted:", "://", "-----BEGIN", "eyJ.", "1 ", "12-", "{\"a\":", "<a", "\"", "\\", "-p ", "--x=", "a=b&", "+1", "secret:{", "token=[", "arn:", "Bearer ", "x://y:",
		"$a", "x:1234:a:b:", "oracle:thin:", "sqlplus a/", "Private-Lines:", "(\"password\",", "net user ", "docker -p ", "docker login -p ", "\"d\":", "%22", "key=\"", "key: password ", "/reset/",
		"&quot;", "\\u0022", "---- BEGIN SSH2 PRIVATE", "-----END PRIVATE", "{ssha}", "echo |", "password for a ", "authorization: ab ", "a:b1#", "pass: ", "phone 1 ", "<a name=\"password\" "} {
		s := strings.Repeat(unit, (256<<10)/len(unit))
		start := time.Now()
		out, _ := Text(s)
		t.Logf("%q: %v for %d KiB", unit, time.Since(start).Round(time.Millisecond), len(s)>>10)
		if len(out) > 16*len(s) {
			t.Errorf("%q grew to %d bytes", unit, len(out))
		}
	}
}

func BenchmarkTextClean(b *testing.B) {
	s := "purged rows of shop.orders older than 30 days; see ticket OPS-1234 for the reason given"
	b.SetBytes(int64(len(s)))
	b.ReportAllocs()
	for b.Loop() {
		Text(s)
	}
}

func BenchmarkTextHit(b *testing.B) {
	s := `connecting to postgres://app:s3cr3t@db:5432/shop with {"password":"hunter2"}`
	b.SetBytes(int64(len(s)))
	b.ReportAllocs()
	for b.Loop() {
		Text(s)
	}
}
