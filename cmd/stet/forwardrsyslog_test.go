package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	pemfile "encoding/pem"
	"math/big"
	mathrand "math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// What is forwarded to rsyslog arrives there complete: by each of its TCP inputs, and in TLS where both sides show a certificate.
func TestForwardToRsyslog(t *testing.T) {
	for _, c := range []struct {
		module string
		tls    bool
	}{{"imtcp", false}, {"imptcp", false}, {"imtcp", true}} {
		name := c.module
		if c.tls {
			name += " in TLS"
		}
		t.Run(name, func(t *testing.T) {
			x := newShop(t)
			certificates(t, x.dir)
			to := rsyslogCollector(t, x.dir, c.module, c.tls)
			importSome(t, x, mathrand.New(mathrand.NewPCG(1, 2)), 200)
			args := []string{"forward", "--once", "--settle", "1s", "--to", "syslog+tcp://" + to.address}
			if c.tls {
				args = []string{"forward", "--once", "--settle", "1s", "--to", "syslog+tls://" + to.address, "--ca", "ca.pem", "--client-cert", "cert.pem", "--client-key", "key.pem"}
			}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			daemon := to.start(ctx)
			var said bytes.Buffer
			daemon.Stderr = &said
			if err := daemon.Start(); err != nil {
				t.Fatal(err)
			}
			defer func() {
				cancel()
				_ = daemon.Wait() // killed
				if t.Failed() {
					t.Logf("rsyslog said:\n%s", &said)
				}
			}()
			x.must(t, exitOK, args...)
			rows := syslogRows(t, x)
			for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) { // it has read them all by now, and may still be writing
				b, err := os.ReadFile(to.file)
				if err == nil && bytes.Count(b, []byte("\n")) >= len(rows) || time.Now().After(deadline) {
					break
				}
			}
			judgeReceived(t, x, to.file, false)
		})
	}
}

// certificates makes an authority, and a certificate of it for both sides of a connection on this machine.
func certificates(t *testing.T, dir string) {
	t.Helper()
	write := func(name, kind string, der []byte) {
		if err := os.WriteFile(filepath.Join(dir, name), pemfile.EncodeToMemory(&pemfile.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	key := func() *ecdsa.PrivateKey {
		k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	authority, own := key(), key()
	from, to := time.Now().Add(-time.Hour), time.Now().Add(24*time.Hour)
	ca := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "ca"}, NotBefore: from, NotAfter: to, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, ca, ca, authority.Public(), authority)
	if err != nil {
		t.Fatal(err)
	}
	write("ca.pem", "CERTIFICATE", der)
	der, err = x509.CreateCertificate(rand.Reader, &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "localhost"}, NotBefore: from, NotAfter: to,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}}, ca, own.Public(), authority)
	if err != nil {
		t.Fatal(err)
	}
	write("cert.pem", "CERTIFICATE", der)
	if der, err = x509.MarshalECPrivateKey(own); err != nil {
		t.Fatal(err)
	}
	write("key.pem", "EC PRIVATE KEY", der)
}
