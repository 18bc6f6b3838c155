package main

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// secretCase is a command line as somebody would type it, with something in it that must never reach the disk.
type secretCase struct {
	secret string
	args   []string // of stet run
	env    []string
}

// The pieces are joined here so that no scanner of this repository takes the table for a leak.
var (
	aws    = "AKIA" + "IOSFODNN7EXAMPLE"
	github = "ghp_" + "0123456789abcdefghijABCDEFGHIJ012345"
	jwt    = "eyJhbGciOiJIUzI1NiJ9" + ".eyJzdWIiOiIxMjM0NTY3ODkwIn0" + ".dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"
	slack  = "xoxb-" + "123456789012-1234567890123-abcdefghijklmnopqrstuvwx"
	pem    = "-----BEGIN " + "RSA PRIVATE KEY-----\n" + strings.Repeat("MIIEpAIBAAKCAQEA7bq3ZpQ1v5yKX9tLwQmS2c8RjFh4NdUe0GoTzVxWsPiYkBrA\n", 12) + "-----END RSA PRIVATE KEY-----\n"
)

const pw = "Zq7mLx2Kd9"

func cmdline(args ...string) []string {
	return append([]string{"--"}, append([]string{"true"}, args...)...)
}

var secretCases = []secretCase{
	{pw, cmdline("--password", pw), nil},
	{pw, cmdline("--password=" + pw), nil},
	{pw, cmdline("--db-password", pw, "--verbose"), nil},
	{pw, cmdline("--token=" + pw), nil},
	{pw, cmdline("--api-key", pw), nil},
	{pw, cmdline("DB_PASSWORD=" + pw), nil},
	{pw, cmdline("-e", "MYSQL_ROOT_PASSWORD="+pw), nil},
	{pw, cmdline("-Dspring.datasource.password=" + pw), nil},
	{pw, cmdline("--set", "db.password="+pw), nil},
	{pw, cmdline("--from-literal=password=" + pw), nil},
	{pw, cmdline("--uri", "mongodb://bob:"+pw+"@db.example:27017/prod"), nil},
	{pw, cmdline("postgres://bob:" + pw + "@db/prod?sslmode=require"), nil},
	{pw, cmdline("https://bob:" + pw + "@git.example/r.git"), nil},
	{pw, cmdline("https://api.example/v1?api_key=" + pw + "&q=1"), nil},
	{pw, cmdline("Server=db;Uid=bob;Pwd=" + pw + ";"), nil},
	{pw, cmdline("DefaultEndpointsProtocol=https;AccountName=a;AccountKey=" + pw + pw + "==;"), nil},
	{pw, cmdline(`{"user":"bob","password":"` + pw + `"}`), nil},
	{pw, cmdline("-H", "Authorization: Bearer "+pw+"."+pw), nil},
	{pw, cmdline("-H", "X-Api-Key: "+pw), nil},
	{pw, cmdline("-H", "Cookie: session="+pw), nil},
	{pw, []string{"--", "sh", "-c", "true; mysql -uroot -p" + pw + " prod </dev/null >/dev/null 2>&1; true"}, nil},
	{pw, []string{"--", "sh", "-c", "true curl -u bob:" + pw + " https://x.example"}, nil},
	{pw, []string{"--", "sh", "-c", "PGPASSWORD=" + pw + " true -h db"}, nil},
	{pw, []string{"--", "sh", "-c", "export TOKEN=" + pw + "; true"}, nil},
	{pw, []string{"--", "env", "PGPASSWORD=" + pw, "true"}, nil},
	{pw, []string{"--", "sshpass", "-p", pw, "ssh", "host"}, nil},
	{pw, []string{"--", "no-such-command-at-all", "--password", pw}, nil},
	{pw, []string{"--", "mysql://bob:" + pw + "@db/prod"}, nil},
	{aws, cmdline(aws), nil},
	{github, cmdline("--header", github), nil},
	{jwt, cmdline(jwt), nil},
	{slack, cmdline(slack), nil},
	{"MIIEpAIBAAKCAQEA7bq3Z", cmdline(pem), nil},

	{pw, []string{"--why", "my password-manager says so", "--", "true"}, []string{"DB_PASSWORD=" + pw, "HARMLESS=" + pw, "STET_TOKEN=" + pw}},
	{pw, []string{"--", "true"}, []string{"STET_INTERACTION_ID=postgres://bob:" + pw + "@db/x"}},
	{github, []string{"--", "true"}, []string{"STET_INTERACTION_ID=" + github}},
	{github, []string{"--", "true"}, []string{"STET_APP=" + github}},
	{aws, []string{"--", "true"}, []string{"STET_ENV=" + aws}},
	{github, []string{"--", "true"}, []string{"STET_APP_VERSION=" + github}},

	{github, []string{"--why", "rotate " + github, "--", "true"}, nil},
	{pw, []string{"--why", "the password is " + pw, "--", "true"}, nil},
	{pw, []string{"--why", "password: " + pw + "\nand more", "--", "true"}, nil},
	{pw, []string{"--ref", "postgres://bob:" + pw + "@db/prod", "--", "true"}, nil},
	{pw, []string{"--ref", "https://tickets.example/7?token=" + pw, "--", "true"}, nil},
	{aws, []string{"--job", "backup-" + aws, "--", "true"}, nil},
	{github, []string{"--caused-by", "queue/" + github, "--", "true"}, nil},
	{github, []string{"--caused-by", github + "/evt-1", "--", "true"}, nil},

	{pw, []string{"--", "sh", "-c", `printf 'token=%s' ` + "\"$S\" > $STET_IMPACT_FILE"}, []string{"S=" + pw}},
	{pw, []string{"--", "sh", "-c", `printf '{"summary":"password: %s"}' ` + "\"$S\" > $STET_IMPACT_FILE"}, []string{"S=" + pw}},
	{github, []string{"--", "sh", "-c", `printf '{"counts":{"%s":1}}' ` + "\"$S\" > $STET_IMPACT_FILE"}, []string{"S=" + github}},

	{pw, []string{"--capture", "--", "sh", "-c", `echo "password=$S"`}, []string{"S=" + pw}},
	{pw, []string{"--capture", "--", "sh", "-c", `echo "connecting to postgres://bob:$S@db/prod" >&2; exit 1`}, []string{"S=" + pw}},
	{jwt, []string{"--capture", "--", "sh", "-c", `echo "Authorization: Bearer $S"`}, []string{"S=" + jwt}},
	{"MIIEpAIBAAKCAQEA7bq3Z", []string{"--capture", "--", "sh", "-c", `printf %s "$S"`}, []string{"S=" + pem}},
	{"MIIEpAIBAAKCAQEA7bq3Z", []string{"--capture", "--", "sh", "-c", `printf %s "$S"; seq 100`}, []string{"S=" + pem}},
	{"MIIEpAIBAAKCAQEA7bq3Z", []string{"--capture", "--", "sh", "-c", `printf %s "$S" | head -n 11`}, []string{"S=" + pem}},
	{"MIIEpAIBAAKCAQEA7bq3Z", []string{"--capture", "--", "sh", "-c", `seq 900; printf %s "$S"; seq 3`}, []string{"S=" + pem}},
}

// TestSecrets looks for each secret in every file of the store and of the state directory: while the command runs, when
// the spool has it, and afterwards, in the log.
func TestSecrets(t *testing.T) {
	x := newShop(t)
	for _, c := range secretCases {
		cmd := x.command(t.Context(), append([]string{"run"}, c.args...)...)
		cmd.Env = append(cmd.Env, c.env...)
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		_ = cmd.Run() // some of them fail, and that is as good a story
		if n := stderr.String(); strings.Contains(n, "not recorded") {
			t.Errorf("%q was not recorded: %s", c.args, n)
		}
		for _, file := range x.holding(t, c.secret) {
			t.Errorf("%q %q: %s holds %.12q…", c.args, c.env, file, c.secret)
		}
	}
	t.Logf("%d command lines", len(secretCases))

	// In the spool, while the command runs and nothing has been brought in.
	cmd := x.command(t.Context(), "run", "--job", "spooled", "--why", "password: "+pw+", token "+github, "--", "sh", "-c", "cat", "--password="+pw, github)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := in.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 1)); err != nil { // the command is at work
		t.Fatal(err)
	}
	if spools, err := os.ReadDir(filepath.Join(x.store, "spool")); err != nil || len(spools) != 1 {
		t.Fatalf("%d spools while the command runs (%v), want 1", len(spools), err)
	}
	if len(x.holding(t, "spooled")) == 0 || len(x.holding(t, "my password-manager")) == 0 {
		t.Error("what is no secret is not found either, in spool and log")
	}
	for _, secret := range []string{pw, github} {
		for _, file := range x.holding(t, secret) {
			t.Errorf("while it runs, %s holds %.12q…", file, secret)
		}
	}
	if err := in.Close(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	x.must(t, exitOK, "verify")
}

// holding lists the files of store and state that hold a text, plainly or compressed.
func (x *shop) holding(t *testing.T, text string) (files []string) {
	t.Helper()
	for _, root := range []string{x.store, x.state} {
		if err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			b, err := os.ReadFile(path)
			if err == nil && (bytes.Contains(b, []byte(text)) || bytes.Contains(inflate(b), []byte(text))) {
				files = append(files, strings.TrimPrefix(path, x.dir))
			}
			return err
		}); err != nil {
			t.Fatal(err)
		}
	}
	return files
}
