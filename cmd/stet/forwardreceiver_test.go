package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// syslogReceiver is a process that takes octet-counted syslog at an address, and appends each message to a file, a line each. It is slow, and keeps
// what it has read in memory until it has written it, so that whoever kills it makes it lose something.
func syslogReceiver() {
	address, file := os.Args[1], os.Args[2]
	f, err := os.OpenFile(file, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err == nil {
		var l net.Listener
		if l, err = net.Listen("tcp", address); err == nil {
			for {
				conn, err := l.Accept()
				if err != nil {
					break
				}
				go func() {
					if err := receive(conn, f); err != nil {
						fmt.Fprintln(os.Stderr, err)
					}
				}()
			}
		}
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// receive reads one connection to its end.
func receive(conn net.Conn, to io.Writer) error {
	defer func() { _ = conn.Close() }() // nothing is written to it
	r := bufio.NewReaderSize(conn, 16<<10)
	for {
		size, err := r.ReadString(' ')
		if err == io.EOF && size == "" {
			return nil
		}
		n, nerr := strconv.Atoi(strings.TrimSuffix(size, " "))
		if err != nil || nerr != nil || n < 1 || n > 1<<20 {
			return fmt.Errorf("%q begins no message: %w", size, errors.Join(err, nerr))
		}
		message := make([]byte, n+1)
		if _, err := io.ReadFull(r, message[:n]); err != nil {
			return err
		}
		message[n] = '\n'
		time.Sleep(200 * time.Microsecond) // it is slow
		if _, err := to.Write(message); err != nil {
			return err
		}
	}
}

// collector is a syslog receiver that can be killed and started again.
type collector struct {
	address string
	file    string // where messages are, a line each
	ordered bool   // it writes what one connection brings in its order
	start   func(ctx context.Context) *exec.Cmd
}

// freePort is a port that nobody listens at, outside the range that the kernel gives out by itself.
func freePort(t *testing.T) int {
	t.Helper()
	for range 100 {
		port := 20_000 + rand.IntN(10_000)
		if l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port))); err == nil {
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			return port
		}
	}
	t.Fatal("no port is free")
	return 0
}

// ownCollector is one of this test's own.
func ownCollector(t *testing.T, dir string) *collector {
	c := &collector{address: net.JoinHostPort("127.0.0.1", strconv.Itoa(freePort(t))), file: filepath.Join(dir, "received")}
	c.start = func(ctx context.Context) *exec.Cmd {
		return exec.CommandContext(ctx, "stet-syslog-receiver", c.address, c.file)
	}
	return c
}

// rsyslogConf listens with one of rsyslog's modules, and writes what comes as it came.
const rsyslogConf = `global(workDirectory="%[1]s" maxMessageSize="128k"%[2]s)
module(load="%[3]s"%[4]s)
template(name="raw" type="string" string="%%rawmsg%%\n")
input(type="%[3]s" port="%[5]d" address="127.0.0.1")
*.* action(type="omfile" file="%[1]s/received" template="raw")
`

// rsyslogCollector is rsyslog, with its module imtcp or imptcp; with tls in TLS under the certificate of a server in dir.
func rsyslogCollector(t *testing.T, dir, module string, tls bool) *collector {
	t.Helper()
	program, err := exec.LookPath("rsyslogd")
	if err != nil {
		if program, err = exec.LookPath("/usr/sbin/rsyslogd"); err != nil {
			if os.Getenv("CI") == "true" {
				t.Fatal("rsyslogd is not installed (.ci/tools)")
			}
			t.Skip("rsyslogd is not installed")
		}
	}
	port := freePort(t)
	global, options := "", ""
	if tls {
		if found, err := filepath.Glob("/usr/lib/*/rsyslog/lmnsd_gtls.so"); len(found) == 0 {
			if os.Getenv("CI") == "true" {
				t.Fatalf("rsyslog-gnutls is not installed (.ci/tools): %v", err)
			}
			t.Skip("rsyslog-gnutls is not installed")
		}
		global = fmt.Sprintf(` defaultNetstreamDriver="gtls" defaultNetstreamDriverCAFile="%[1]s/ca.pem" defaultNetstreamDriverCertFile="%[1]s/cert.pem" defaultNetstreamDriverKeyFile="%[1]s/key.pem"`, dir)
		options = ` streamDriver.name="gtls" streamDriver.mode="1" streamDriver.authMode="x509/certvalid"`
	}
	conf := filepath.Join(dir, "rsyslog.conf")
	if err := os.WriteFile(conf, fmt.Appendf(nil, rsyslogConf, dir, global, module, options, port), 0o600); err != nil {
		t.Fatal(err)
	}
	c := &collector{address: net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), file: filepath.Join(dir, "received")}
	c.start = func(ctx context.Context) *exec.Cmd {
		return exec.CommandContext(ctx, program, "-n", "-f", conf, "-iNONE")
	}
	return c
}
