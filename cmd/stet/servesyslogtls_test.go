package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	pemfile "encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// peers makes an authority (ca.pem), a server of it (server.pem, server.key) and a sender (sender.pem, sender.key), and a stranger of another
// authority.
func peers(t *testing.T, dir string) {
	t.Helper()
	number := int64(0)
	make := func(name string, subject pkix.Name, issuer *x509.Certificate, by *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey) {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		number++
		c := &x509.Certificate{SerialNumber: big.NewInt(number), Subject: subject, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour), BasicConstraintsValid: true,
			KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}}
		if issuer == nil {
			issuer, by, c.IsCA, c.KeyUsage, c.ExtKeyUsage = c, key, true, x509.KeyUsageCertSign, nil
		} else {
			c.DNSNames, c.IPAddresses = []string{"localhost"}, []net.IP{net.IPv4(127, 0, 0, 1)}
		}
		der, err := x509.CreateCertificate(rand.Reader, c, issuer, key.Public(), by)
		if err != nil {
			t.Fatal(err)
		}
		private, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			t.Fatal(err)
		}
		for file, block := range map[string]*pemfile.Block{name + ".pem": {Type: "CERTIFICATE", Bytes: der}, name + ".key": {Type: "PRIVATE KEY", Bytes: private}} {
			if err := os.WriteFile(filepath.Join(dir, file), pemfile.EncodeToMemory(block), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		return c, key
	}
	ca, by := make("ca", pkix.Name{CommonName: "ca"}, nil, nil)
	make("server", pkix.Name{CommonName: "localhost"}, ca, by)
	make("sender", pkix.Name{CommonName: "relay-1", Organization: []string{"Example, Inc."}}, ca, by)
	other, by := make("other", pkix.Name{CommonName: "other"}, nil, nil)
	make("stranger", pkix.Name{CommonName: "relay-1"}, other, by)
}

var withTLS = []string{"--syslog-tls-cert", "server.pem", "--syslog-tls-key", "server.key", "--syslog-tls-client-ca", "ca.pem"}

// Who has no certificate of the authority gets in nowhere; who has one is named in via.
func TestSyslogTLS(t *testing.T) {
	x := newShop(t)
	peers(t, x.dir)
	s := x.syslogServer(t, "tls://127.0.0.1:0", withTLS...)
	b, err := os.ReadFile(filepath.Join(x.dir, "ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(b)
	for _, who := range []string{"", "stranger", "sender"} {
		config := &tls.Config{RootCAs: roots, ServerName: "localhost"}
		if who != "" {
			cert, err := tls.LoadX509KeyPair(filepath.Join(x.dir, who+".pem"), filepath.Join(x.dir, who+".key"))
			if err != nil {
				t.Fatal(err)
			}
			config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &cert, nil } // also of an authority that was not asked for
		}
		conn, err := tls.Dial("tcp", s.syslog, config)
		if err == nil {
			_, _ = fmt.Fprintf(conn, "<13>1 - web shop - user_created [shop@1 who=\"%s\"] x\n", who) // whether it comes is seen below
			_ = conn.CloseWrite()
			_, _ = io.Copy(io.Discard, conn)
			_ = conn.Close()
		}
	}
	plain, err := net.Dial("tcp", s.syslog)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(plain, "<13>1 - web shop - user_created - not in TLS\n")
	_, _ = io.Copy(io.Discard, plain)
	_ = plain.Close()
	s.metric(t, `stet_foreign_records_total{result="accepted",source="syslog"} 1`)
	s.metric(t, `stet_syslog_refused_connections_total{why="handshake"} 3`)
	s.end(t)
	events, vias := x.recorded(t, "user_created")
	if len(events) != 1 || events[0].Labels["who"] != "sender" || vias[0].Token != `CN=relay-1,O=Example\\, Inc.` || vias[0].Addr != "127.0.0.1" {
		t.Errorf("%d events, the first via %+v", len(events), vias)
	}
	x.must(t, exitOK, "verify")
}

// rsyslogRelay takes syslog at a port of its choice and hands it on.
const rsyslogRelay = `global(workDirectory="%[1]s" maxMessageSize="64k"%[2]s)
module(load="imtcp")
input(type="imtcp" port="0" address="127.0.0.1" listenPortFileName="%[1]s/port")
*.* action(type="omfwd" target="127.0.0.1" port="%[3]s" protocol="tcp" template="%[4]s" %[5]s action.resumeRetryCount="-1" action.resumeInterval="1" queue.type="LinkedList")
`

// Debian's rsyslog hands on what several hosts say: all of it arrives, each host's in its order and in a stream of its own.
func TestSyslogFromRsyslog(t *testing.T) {
	rsyslogd, err := exec.LookPath("rsyslogd")
	if err != nil {
		if rsyslogd, err = exec.LookPath("/usr/sbin/rsyslogd"); err != nil {
			if os.Getenv("CI") == "true" {
				t.Fatal("rsyslogd is not installed (.ci/tools)")
			}
			t.Skip("rsyslogd is not installed")
		}
	}
	for _, c := range []struct {
		name, listen, template, action string
		message                        string
	}{
		{"RFC 5424, octets counted", localTCP, "RSYSLOG_SyslogProtocol23Format", `TCP_Framing="octet-counted"`,
			"<13>1 2026-01-13T10:00:00.123456+01:00 HOST shop 7 user_created [shop@32473 n=\"N\" user_id=\"a \\\"b\\\" \\] \\\\\"] ünïcode = N\n"},
		{"its own form, line breaks", localTCP, "RSYSLOG_ForwardFormat", `TCP_Framing="traditional"`,
			"<13>2026-01-13T10:00:00.123456+01:00 HOST shop[7]: @cee: {\"event_type\":\"user_created\",\"n\":\"N\",\"user_id\":\"a \\\"b\\\" ] \\\\\",\"message\":\"ünïcode = N\"}\n"},
		{"RFC 3164", localTCP, "RSYSLOG_TraditionalForwardFormat", `TCP_Framing="traditional"`,
			"<13>Jan 13 10:00:00 HOST shop[7]: @cee: {\"event_type\":\"user_created\",\"n\":\"N\",\"user_id\":\"a \\\"b\\\" ] \\\\\",\"message\":\"ünïcode = N\"}\n"},
		{"TLS with a certificate", "tls://127.0.0.1:0", "RSYSLOG_SyslogProtocol23Format", `TCP_Framing="octet-counted" StreamDriver="gtls" StreamDriverMode="1" StreamDriverAuthMode="x509/name" StreamDriverPermittedPeers="localhost"`,
			"<13>1 2026-01-13T10:00:00.123456+01:00 HOST shop 7 user_created [shop@32473 n=\"N\" user_id=\"a \\\"b\\\" \\] \\\\\"] ünïcode = N\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			x := newShop(t)
			var args []string
			global := ""
			if strings.HasPrefix(c.listen, "tls") {
				peers(t, x.dir)
				args = withTLS
				global = fmt.Sprintf(` defaultNetstreamDriverCAFile="%[1]s/ca.pem" defaultNetstreamDriverCertFile="%[1]s/sender.pem" defaultNetstreamDriverKeyFile="%[1]s/sender.key"`, x.dir)
			}
			s := x.syslogServer(t, c.listen, args...)
			_, port, err := net.SplitHostPort(s.syslog)
			if err != nil {
				t.Fatal(err)
			}
			relay := startRelay(t, rsyslogd, x.dir, fmt.Sprintf(rsyslogRelay, x.dir, global, port, c.template, c.action))
			conn, err := net.Dial("tcp", relay)
			if err != nil {
				t.Fatal(err)
			}
			const each = 100
			hosts := []string{"web1", "web2", "db.example.com"}
			for i := range each * len(hosts) {
				if _, err := io.WriteString(conn, strings.NewReplacer("HOST", hosts[i%len(hosts)], "N", fmt.Sprint(i)).Replace(c.message)); err != nil {
					t.Fatal(err)
				}
			}
			if err := conn.Close(); err != nil {
				t.Fatal(err)
			}
			s.metric(t, fmt.Sprintf(`stet_foreign_records_total{result="accepted",source="syslog"} %d`, each*len(hosts)))
			s.end(t)
			events, _ := x.recorded(t, "user_created")
			next, streams := map[string]int{}, map[string]string{}
			for _, e := range events {
				host := e.Host.Name
				n := len(hosts)*next[host] + map[string]int{"web1": 0, "web2": 1, "db.example.com": 2}[host]
				next[host]++
				if e.Labels["n"] != fmt.Sprint(n) || e.Description != fmt.Sprintf("ünïcode = %d", n) || e.UserID != `a "b" ] \\` || e.AppID != "shop" || e.EventTime.IsZero() {
					t.Fatalf("%s, number %d: %+v", host, n, e)
				}
				streams[e.StreamID.String()] = host
			}
			if len(events) != each*len(hosts) || len(streams) != len(hosts) {
				t.Errorf("%d events in %d streams", len(events), len(streams))
			}
			x.must(t, exitOK, "verify")
		})
	}
}

// startRelay starts rsyslog until the test ends, and returns its address.
func startRelay(t *testing.T, rsyslogd, dir, conf string) string {
	t.Helper()
	file := filepath.Join(dir, "rsyslog.conf")
	if err := os.WriteFile(file, []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, rsyslogd, "-n", "-f", file, "-i", filepath.Join(dir, "rsyslog.pid"))
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		cancel()
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		_ = cmd.Wait() // it was killed
		if t.Failed() {
			t.Logf("rsyslog said: %s", said.String())
		}
	})
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if b, err := os.ReadFile(filepath.Join(dir, "port")); err == nil && len(bytes.TrimSpace(b)) > 0 {
			return net.JoinHostPort("127.0.0.1", string(bytes.TrimSpace(b)))
		}
	}
	t.Fatal("rsyslog does not start")
	return ""
}
