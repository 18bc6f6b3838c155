package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// underCron is a crontab of ten lines. Each stands in it twice, for /bin/sh and for stet-cron, and says so in its comment:
// NAME is plain-N or audit-N, which are of one length, so that what cron mails can be compared byte by byte.
var underCron = []struct {
	line string
	tell string // what the story must say
}{
	{"true # stet: NAME", "succeeded"},
	{`printf 'a\%s b\n' "it's" # stet: NAME`, "succeeded"},
	{"echo out; echo err >&2; echo out again # stet: NAME", "succeeded"},
	{"echo failing; exit 3 # stet: NAME", "exit code 3"},
	{"echo dying; kill -TERM $$ # stet: NAME", "aborted"},
	{`echo "a \"quoted\" word" 'and $HOME' \& 100\% # stet: NAME`, "succeeded"},
	{"cat - # stet: NAME%first line%second, with 100\\% of it%", "succeeded"},
	{"(sleep 2; echo late) & echo early # stet: NAME", "succeeded"},
	{"seq 1 20000 # stet: NAME", "succeeded"},
	{`echo "$0 $# $SHELL $HOME $LOGNAME $COLOUR $(pwd) $(umask)"; set -- a; exit $(( $# + 6 )) # stet: NAME`, "exit code 7"},
}

// cronSetup makes a machine of cron's own: nothing of this one's crontabs, mail and logs is seen or touched from in there.
// $1 is the directory with what belongs into it.
const cronSetup = `set -e
mount --make-rprivate /
cp /usr/sbin/cron "$1/cron"
mount -t tmpfs none /usr/sbin
cp "$1/sendmail" /usr/sbin/sendmail
mount -t tmpfs none /dev
mknod -m 666 /dev/null c 1 3
mknod -m 666 /dev/zero c 1 5
mknod -m 666 /dev/random c 1 8
mknod -m 666 /dev/urandom c 1 9
ln -s /proc/self/fd /dev/fd
touch /dev/log
mount --bind "$1/log" /dev/log
mount -t tmpfs none /run
mount -t tmpfs none /etc/cron.d
mount --bind "$1/empty" /etc/crontab
mount -t tmpfs none /var/spool/cron
mkdir -m 1730 /var/spool/cron/crontabs
chgrp crontab /var/spool/cron/crontabs
cp "$1/crontab" /var/spool/cron/crontabs/root
chmod 600 /var/spool/cron/crontabs/root
exec "$1/cron" -f -L 15
`

// A real cron cannot tell stet-cron from /bin/sh: the mails of its lines are the same, to the same people, and they end as
// they did. And each line has its story.
func TestUnderCron(t *testing.T) {
	switch {
	case os.Getenv("CI") != "true" && os.Getenv("STET_CRON") == "":
		t.Skip("cron fires once a minute, so this takes up to two: set STET_CRON=1 (make cron)")
	case os.Geteuid() != 0:
		t.Fatal("a cron of our own needs root, and mounts of its own")
	}
	t.Parallel()
	c := newCron(t)
	ended := c.run(t)

	for i, l := range underCron {
		audit, plain := fmt.Sprintf("audit-%d", i), fmt.Sprintf("plain-%d", i)
		if d := cmp.Diff(ended[plain], ended[audit]); d != "" {
			t.Errorf("line %d, %s, ended differently under stet-cron (-sh +stet-cron):\n%s", i, l.line, d)
		}
		want, got := c.mail(t, plain), c.mail(t, audit)
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("line %d, %s: another mail under stet-cron (-sh +stet-cron):\n%s", i, l.line, d)
		}
		if silent := i == 0; (got == "") != silent {
			t.Errorf("line %d, %s: mail %.200q", i, l.line, got)
		}
		story := c.stet(t, "story", audit)
		for _, part := range []string{l.tell, "by schedule stet-cron", "found: kernel: ancestor process cron", "crontab of root", "crontab_line "} {
			if !strings.Contains(story, part) {
				t.Errorf("line %d: the story does not say %q:\n%s", i, part, story)
			}
		}
	}
	// What is compared above is there at all.
	if got := ended["plain-3"] + ", " + ended["plain-4"]; got != "failed with exit status 3, terminated by signal 15" {
		t.Errorf("cron logs that the plain lines ended so: %s", got)
	}
	if m := c.mail(t, "plain-9"); !strings.Contains(m, "To: ops@example.com\n") || !strings.Contains(m, "\n/bin/sh 0 /bin/sh /root root blue /root ") {
		t.Errorf("mail of the line that shows its surroundings:\n%s", m)
	}
	if list := c.stet(t, "story", "--list"); strings.Count(list, "audit-") != len(underCron) || strings.Contains(list, "plain-") {
		t.Errorf("not ten stories:\n%s", list)
	}
	if verdict := c.stet(t, "verify"); !strings.Contains(verdict, "verified") {
		t.Error(verdict)
	}
}

// cronTest is one run of a cron of our own.
type cronTest struct {
	dir   string
	log   *net.UnixConn
	lines int
}

func newCron(t *testing.T) *cronTest {
	t.Helper()
	dir, err := os.MkdirTemp("", "stet-cron-") // not t.TempDir: its name is too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	c := &cronTest{dir: dir, lines: 2 * len(underCron)}
	self, err := os.Executable()
	if err == nil {
		err = os.Symlink(self, filepath.Join(dir, cronName))
	}
	if err == nil {
		err = os.Symlink(self, filepath.Join(dir, "stet"))
	}
	if err == nil {
		err = os.Mkdir(filepath.Join(dir, "mail"), 0o700)
	}
	if err != nil {
		t.Fatal(err)
	}
	c.write(t, "empty", "", 0o644)
	c.write(t, "setup", cronSetup, 0o600)
	// cron waits for it, so that a mail is whole when cron logs the end of the line.
	c.write(t, "sendmail", fmt.Sprintf("#!/bin/sh\nf=$(mktemp %s/mail/XXXXXXXX)\n{ echo \"sendmail $*\"; cat; } >\"$f\"\n", dir), 0o755)
	addr := &net.UnixAddr{Name: filepath.Join(dir, "log"), Net: "unixgram"}
	if c.log, err = net.ListenUnixgram("unixgram", addr); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.log.Close() })
	return c
}

func (c *cronTest) write(t *testing.T, name, text string, perm fs.FileMode) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(c.dir, name), []byte(text), perm); err != nil {
		t.Fatal(err)
	}
}

// crontab fires at one minute only.
func (c *cronTest) crontab(at time.Time) string {
	var b strings.Builder
	fmt.Fprintf(&b, "STET_STORE=%s/store\nSTET_STATE=%s/state\nCOLOUR=blue\nMAILTO=root\n", c.dir, c.dir)
	for _, shell := range []struct{ path, name string }{{"/bin/sh", "plain"}, {filepath.Join(c.dir, cronName), "audit"}} {
		fmt.Fprintf(&b, "SHELL=%s\nMAILTO=root\n", shell.path)
		for i, l := range underCron {
			if i == len(underCron)-1 {
				b.WriteString("MAILTO=ops@example.com\n")
			}
			fmt.Fprintf(&b, "%d %d * * * %s\n", at.Minute(), at.Hour(), strings.ReplaceAll(l.line, "# stet: NAME", fmt.Sprintf("# stet: %s-%d", shell.name, i)))
		}
	}
	return b.String()
}

var (
	cronBegan  = regexp.MustCompile(`\(root\) CMD \(\[(\d+)\] .*# stet: ((?:audit|plain)-\d)`)
	cronFailed = regexp.MustCompile(`grandchild #(\d+) ((?:failed|terminated) .*)\)`)
	cronEnded  = regexp.MustCompile(`\(root\) END \(\[(\d+)\] .*# stet: (?:audit|plain)-\d`)
)

// run runs cron until all lines have ended, and returns how cron says that each did; "" for success.
func (c *cronTest) run(t *testing.T) map[string]string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	// The next minute that is certain to come after cron's start.
	at := time.Now().UTC().Add(10 * time.Second).Truncate(time.Minute).Add(time.Minute)
	c.write(t, "crontab", c.crontab(at), 0o600)
	cmd := exec.CommandContext(ctx, "unshare", "--mount", "sh", filepath.Join(c.dir, "setup"), c.dir)
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "TZ=UTC"}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	gone := make(chan struct{})
	go func() {
		_ = cmd.Wait() // it ends by being killed
		close(gone)
		_ = c.log.SetReadDeadline(time.Now())
	}()
	defer func() {
		_ = cmd.Process.Kill()
		<-gone
	}()

	lineOf, ended := map[string]string{}, map[string]string{}
	var log []string
	buf := make([]byte, 8<<10)
	for over := 0; over < c.lines; {
		n, err := c.log.Read(buf)
		if err != nil {
			t.Fatalf("%d of %d lines ended before cron did (%v): %s\n%s", over, c.lines, errors.Join(err, context.Cause(ctx)), out.String(), strings.Join(log, "\n"))
		}
		said := string(buf[:n])
		log = append(log, said)
		if m := cronBegan.FindStringSubmatch(said); m != nil {
			lineOf[m[1]] = m[2]
			ended[m[2]] = ""
		}
		if m := cronFailed.FindStringSubmatch(said); m != nil {
			ended[lineOf[m[1]]] = m[2]
		}
		if cronEnded.MatchString(said) {
			over++
		}
	}
	if len(ended) != c.lines {
		t.Fatalf("%d lines of %d ran: %v\n%s", len(ended), c.lines, ended, strings.Join(log, "\n"))
	}
	return ended
}

// mail is the mail about a line, as sendmail got it, with the line called N: its subject has the line, and how it failed; "" where there is none. What it says of the
// shell itself, and when it was sent, is left out.
func (c *cronTest) mail(t *testing.T, name string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(c.dir, "mail", "*"))
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		head, body, _ := strings.Cut(string(b), "\n\n")
		if !strings.Contains(head, "# stet: "+name) {
			continue
		}
		lines := slices.DeleteFunc(strings.Split(head, "\n"), func(l string) bool {
			return strings.HasPrefix(l, "X-Cron-Env: <SHELL=") || strings.HasPrefix(l, "Date: ")
		})
		found = append(found, strings.ReplaceAll(strings.Join(lines, "\n"), name, "N")+"\n\n"+body)
	}
	if len(found) > 1 {
		t.Errorf("%d mails about %s", len(found), name)
	}
	return strings.Join(found, "\n")
}

// stet runs a command on the store of the crontab, and returns its output.
func (c *cronTest) stet(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.Command(filepath.Join(c.dir, "stet"), args...)
	cmd.Env = append(os.Environ(), "STET_STORE="+filepath.Join(c.dir, "store"), "STET_STATE="+filepath.Join(c.dir, "state"))
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("stet %v: %v", args, err)
	}
	return string(out)
}
