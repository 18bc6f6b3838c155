package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/proof"
)

// syslogServer is stet serve with a syslog listener.
type syslogServer struct {
	cmd    *exec.Cmd
	url    string
	syslog string // host:port
	out    chan struct{}
}

// syslogServer starts one; args are behind the address of its listener.
func (x *shop) syslogServer(t *testing.T, listen string, args ...string) *syslogServer {
	t.Helper()
	s := &syslogServer{cmd: x.command(context.Background(), append([]string{"serve", "--listen", "127.0.0.1:0", "--syslog-listen", listen}, args...)...), out: make(chan struct{})}
	var stderr bytes.Buffer
	s.cmd.Stderr = &stderr
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = s.cmd.Process.Kill() // most have ended
		_ = s.cmd.Wait()
		if t.Failed() {
			t.Log(stderr.String())
		}
	})
	lines := bufio.NewScanner(out)
	for s.syslog == "" && lines.Scan() {
		if line := lines.Text(); strings.HasPrefix(line, "http") {
			s.url = line
		} else if _, addr, ok := strings.Cut(line, "://"); ok {
			s.syslog = addr
		}
	}
	if s.syslog == "" {
		_ = s.cmd.Wait()
		t.Fatalf("the server did not start: %s", stderr.String())
	}
	go func() {
		_, _ = io.Copy(io.Discard, out)
		close(s.out)
	}()
	return s
}

// metric waits until a metric has a value, which is a line of the server's answer.
func (s *syslogServer) metric(t *testing.T, line string) {
	t.Helper()
	var b []byte
	for deadline := time.Now().Add(2 * time.Minute); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		resp, err := http.Get(s.url + "/metrics")
		if err != nil {
			t.Fatal(err)
		}
		b, err = io.ReadAll(resp.Body)
		_ = resp.Body.Close() // read
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(b, []byte("\n"+line+"\n")) {
			return
		}
	}
	for have := range bytes.Lines(b) {
		if bytes.Contains(have, []byte("syslog")) && !bytes.HasPrefix(have, []byte("#")) {
			t.Logf("%s", have)
		}
	}
	t.Fatalf("there is no %s", line)
}

// end tells the server to end, and demands that it does so in order.
func (s *syslogServer) end(t *testing.T) {
	t.Helper()
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	<-s.out
	if err := s.cmd.Wait(); err != nil {
		t.Fatal(err)
	}
}

// recorded are the events of a type that are in the log, each with its via.
func (x *shop) recorded(t *testing.T, typ string) (events []*event.Event, vias []proof.Via) {
	t.Helper()
	for line := range bytes.Lines(x.must(t, exitOK, "export", "--json")) {
		entry, err := proof.ParseEntry(bytes.TrimSuffix(line, []byte("\n")))
		if err != nil {
			t.Fatal(err)
		}
		if entry.Event == nil {
			continue
		}
		e, err := event.Parse(entry.Event)
		if err != nil {
			t.Fatal(err)
		}
		via, err := proof.ParseVia(entry.Via)
		if err != nil {
			t.Fatal(err)
		}
		if e.EventType == typ {
			events, vias = append(events, e), append(vias, via)
		}
	}
	return events, vias
}

const localTCP = "tcp://127.0.0.1:0"

// util-linux's logger, in both framings and both forms of message.
func TestSyslogFromLogger(t *testing.T) {
	logger, err := exec.LookPath("logger")
	if out, verr := exec.Command("logger", "--version").Output(); err != nil || verr != nil || !bytes.Contains(out, []byte("util-linux")) {
		if os.Getenv("CI") == "true" {
			t.Fatal("logger of util-linux is not installed")
		}
		t.Skip("logger of util-linux is not installed")
	}
	x := newShop(t)
	s := x.syslogServer(t, localTCP)
	host, port, err := net.SplitHostPort(s.syslog)
	if err != nil {
		t.Fatal(err)
	}
	sent := 0
	log := func(args ...string) { // each is a connection of its own, so their order is ours to keep
		t.Helper()
		if sent > 0 {
			s.metric(t, fmt.Sprintf(`stet_foreign_records_total{result="accepted",source="syslog"} %d`, sent))
		}
		sent++
		if out, err := exec.Command(logger, append([]string{"--tcp", "--server", host, "--port", port, "--tag", "shop"}, args...)...).CombinedOutput(); err != nil {
			t.Fatalf("%v %s", err, out)
		}
	}
	structured := []string{"--rfc5424", "--msgid", "authn_login_fail", "--priority", "auth.err", "--sd-id", "shop@32473", "--sd-param", `user_id="al\"ice \]"`, "--sd-param", `source_ip="192.0.2.7"`, "--sd-param", `interaction_id="i-1"`}
	log(append(structured, "first = \\ \"ünïcode\"")...)
	log(append([]string{"--octet-count"}, append(structured, "second")...)...)
	log("--rfc3164", `@cee: {"event_type":"authn_login_fail","user_id":"bob","password":"hunter2","message":"third"}`)
	log("--rfc5424", "--priority", "user.debug", "this is noise")
	s.metric(t, `stet_foreign_records_total{result="accepted",source="syslog"} 3`)
	s.metric(t, `stet_foreign_records_total{result="ignored",source="syslog"} 1`)
	s.end(t)

	events, vias := x.recorded(t, "authn_login_fail")
	if len(events) != 3 {
		t.Fatalf("%d events", len(events))
	}
	name, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []struct{ user, ip, interaction, text string }{
		{`al"ice ]`, "192.0.2.7", "i-1", `first = \\ "ünïcode"`}, {`al"ice ]`, "192.0.2.7", "i-1", "second"}, {"bob", "", "", "third"},
	} {
		e := events[i]
		if e.UserID != want.user || e.SourceIP != want.ip || want.interaction != "" && e.InteractionID != want.interaction || e.Description != want.text || e.AppID != "shop" || e.EventTime.IsZero() ||
			e.Host == nil || e.Host.Name == "" || !strings.HasPrefix(name, e.Host.Name) || want.ip == "" && e.Absent["source_ip"] != event.AbsentNotProvided {
			t.Errorf("event %d: %+v of host %+v", i, e, e.Host)
		}
		if vias[i].Kind != proof.ViaSyslog || vias[i].Addr != "127.0.0.1" {
			t.Errorf("via %+v", vias[i])
		}
	}
	if s := events[0].Severity; s == nil || *s != event.SeverityError {
		t.Errorf("its severity is %v", s)
	}
	if events[2].Labels["password"] != "[redacted:password]" {
		t.Errorf("the original is %v", events[2].Labels)
	}
	x.must(t, exitOK, "verify")
}

// What is no message of syslog, or not whole, is refused, counted and kept; what comes after it is taken.
func TestSyslogUgly(t *testing.T) {
	x := newShop(t)
	s := x.syslogServer(t, localTCP)
	good := func(n int) string {
		return fmt.Sprintf(`<13>1 - web shop - user_created [shop@1 n="%d"] x`, n)
	}
	n, refused := 0, 0
	for _, c := range []struct {
		text    string // with GOOD for a message that is to be taken
		refused int
		cut     bool // the connection is closed by the server
	}{
		{"GOOD\nGOOD", 0, false},
		{strings.Repeat("x", 100<<10) + "\nGOOD\n", 1, false},
		{"<13>1 - web shop - user_created - " + strings.Repeat("x", 100<<10) + "\nGOOD\n", 1, false},
		{"120000 <13>" + strings.Repeat("x", 120_000-4) + "GOOD\n", 1, false},
		{"\x00\x00\n\r\nGOOD\x00\nGOOD\r\n", 0, false},
		{"<13>1 - web shop - user_created - a\x00b\x1b[2Jc\xff\nGOOD\n", 0, false}, // taken, escaped
		{"<13>1 - web\n<999>x\nnothing\nGOOD\n", 3, false},
		{"10 <13>1 - - - - - - cut", 2, true}, // too few octets: "<13>1 - - " is no message, and neither is the rest
		{"500 <13>1 - web shop - user_created - half", 1, false},
		{"5", 1, false},
	} {
		conn, err := net.Dial("tcp", s.syslog)
		if err != nil {
			t.Fatal(err)
		}
		text := c.text
		for strings.Contains(text, "GOOD") {
			text = strings.Replace(text, "GOOD", good(n), 1)
			n++
		}
		// It comes in fragments.
		for len(text) > 0 {
			part := text[:min(len(text), 1+len(text)/3)]
			if _, err := io.WriteString(conn, part); err != nil {
				if c.cut {
					break // the server has seen enough
				}
				t.Fatal(err)
			}
			text = text[len(part):]
		}
		if !c.cut {
			if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
				t.Fatal(err)
			}
		}
		_, _ = io.Copy(io.Discard, conn) // until the server closes it
		_ = conn.Close()
		refused += c.refused
	}
	s.metric(t, fmt.Sprintf(`stet_foreign_records_total{result="refused",source="syslog"} %d`, refused))
	s.end(t)
	events, _ := x.recorded(t, "user_created")
	seen := map[string]int{}
	for _, e := range events {
		seen[e.Labels["n"]]++
		if e.Labels["n"] == "" && e.Description != `a\u0000b\u001b[2Jc\xff` {
			t.Errorf("it says %q", e.Description)
		}
	}
	for i := range n {
		if seen[fmt.Sprint(i)] != 1 {
			t.Errorf("message %d is there %d times", i, seen[fmt.Sprint(i)])
		}
	}
	kept, err := filepath.Glob(filepath.Join(x.store, "spool", "quarantine", "*.jsonl"))
	if more, merr := filepath.Glob(filepath.Join(x.store, "quarantine", "*.jsonl")); err == nil && merr == nil {
		kept = append(kept, more...)
	}
	lines := 0
	for _, file := range kept {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		lines += bytes.Count(b, []byte{'\n'})
	}
	if lines != refused {
		t.Errorf("%d are kept in %v, want %d", lines, kept, refused)
	}
	x.must(t, exitOK, "verify")
}

// A server that is killed in the middle has, of what it had told to be taken, everything, once; who sends on after a new start loses no
// more than what was on its way.
func TestSyslogKilled(t *testing.T) {
	x := newShop(t)
	n, sent := 0, 0
	kept := map[int]bool{}
	for range 3 {
		s := x.syslogServer(t, localTCP)
		conn, err := net.Dial("tcp", s.syslog)
		if err != nil {
			t.Fatal(err)
		}
		const first = 300
		for range first {
			if _, err := fmt.Fprintf(conn, "<13>1 - web shop - user_created [shop@1 n=\"%d\"] x\n", n); err != nil {
				t.Fatal(err)
			}
			kept[n] = true
			n++
		}
		s.metric(t, fmt.Sprintf(`stet_foreign_records_total{result="accepted",source="syslog"} %d`, first))
		for range 2000 { // which may or may not come
			if _, err := fmt.Fprintf(conn, "<13>1 - web shop - user_created [shop@1 n=\"%d\"] x\n", n); err != nil {
				t.Fatal(err)
			}
			n++
		}
		if err := s.cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = s.cmd.Wait() // it was killed
		_ = conn.Close()
		sent += first
	}
	x.syslogServer(t, localTCP).end(t) // brings in what is durable
	events, _ := x.recorded(t, "user_created")
	seen := map[string]int{}
	for _, e := range events {
		if seen[e.Labels["n"]]++; seen[e.Labels["n"]] > 1 {
			t.Errorf("message %s is there twice", e.Labels["n"])
		}
	}
	for i := range kept {
		if seen[fmt.Sprint(i)] == 0 {
			t.Errorf("message %d was counted as taken, and is not there", i)
		}
	}
	x.must(t, exitOK, "verify")
}

func TestSyslogListenRefused(t *testing.T) {
	x := newShop(t)
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"--syslog-listen", "tcp://0.0.0.0:0"}, "--insecure-listen"},
		{[]string{"--syslog-listen", "udp://127.0.0.1:0"}, "neither tcp://"},
		{[]string{"--syslog-listen", "127.0.0.1:514"}, "neither tcp://"},
		{[]string{"--syslog-listen", "tls://127.0.0.1:0"}, "needs --syslog-tls-cert"},
		{[]string{"--syslog-rate", "5"}, "there is no --syslog-listen"},
	} {
		code, out := x.run(append([]string{"serve", "--listen", "127.0.0.1:0"}, c.args...)...)
		if code != exitUsage || !strings.Contains(out, c.want) {
			t.Errorf("%v: %d %s", c.args, code, out)
		}
	}
}

// A listener that is for some applications records what others say of themselves as its own application's, and says so.
func TestSyslogOfSomeApplications(t *testing.T) {
	x := newShop(t)
	s := x.syslogServer(t, localTCP, "--syslog-app", "shop", "--syslog-app", "desk")
	conn, err := net.Dial("tcp", s.syslog)
	if err != nil {
		t.Fatal(err)
	}
	for _, app := range []string{"shop", "desk", "billing"} {
		if _, err := fmt.Fprintf(conn, "<86>1 2026-01-13T10:00:00Z host %s - authn_login_fail - of %s\n", app, app); err != nil {
			t.Fatal(err)
		}
	}
	s.metric(t, `stet_foreign_records_total{result="accepted",source="syslog"} 3`)
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}
	s.end(t)
	got := map[string]string{}
	events, _ := x.recorded(t, "authn_login_fail")
	for _, e := range events {
		got[e.Description] = e.AppID
		if _, said := e.Derived["app_id"]; said != (e.Description == "of billing") {
			t.Errorf("%s: derived %q", e.Description, e.Derived)
		}
	}
	if want := map[string]string{"of shop": "shop", "of desk": "desk", "of billing": "shop"}; !maps.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}
