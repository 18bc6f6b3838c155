package webhook

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestPublicAddresses(t *testing.T) {
	for address, want := range map[string]bool{
		"1.1.1.1": true, "8.8.8.8": true, "9.255.255.255": true, "11.0.0.0": true, "100.63.255.255": true, "100.128.0.0": true, "126.255.255.255": true,
		"128.0.0.0": true, "169.253.255.255": true, "169.255.0.0": true, "172.15.255.255": true, "172.32.0.0": true, "192.0.1.0": true, "192.167.255.255": true,
		"192.169.0.0": true, "198.17.255.255": true, "198.20.0.0": true, "223.255.255.255": true, "2606:4700:4700::1111": true, "2001:4860:4860::8888": true,
		"2a00::1": true, "2001:200::": true,

		"0.0.0.0": false, "0.1.2.3": false, // unspecified, this network
		"10.0.0.1": false, "172.16.0.1": false, "172.31.255.255": false, "192.168.1.1": false, // private
		"100.64.0.1": false, "100.127.255.255": false, // CGNAT
		"127.0.0.1": false, "127.255.255.254": false, "::1": false, // loopback
		"169.254.169.254": false, "fe80::1": false, "fe80::1%eth0": false, "febf::1": false, // link-local
		"224.0.0.1": false, "239.255.255.255": false, "ff02::1": false, "ff0e::1": false, // multicast
		"240.0.0.1": false, "255.255.255.255": false, // reserved, broadcast
		"192.0.0.8": false, "192.0.2.1": false, "192.88.99.1": false, "198.18.0.1": false, "198.19.255.255": false, "198.51.100.1": false, "203.0.113.1": false,
		"::": false, "::ffff:127.0.0.1": false, "::ffff:8.8.8.8": false, "::127.0.0.1": false, // unspecified, IPv4-mapped, IPv4-compatible
		"64:ff9b::7f00:1": false, "64:ff9b::808:808": false, "64:ff9b:1::a00:1": false, // NAT64
		"2002:7f00:1::": false, "2001::1": false, "2001:0:7f00:1::": false, "2001:10::1": false, "2001:db8::1": false, "3fff::1": false, // 6to4, Teredo, ORCHID, documentation
		"fc00::1": false, "fd00:ec2::254": false, "100::1": false, "5f00::1": false, "fec0::1": false, // unique local, discard, segment routing, site-local
	} {
		a := netip.MustParseAddr(address)
		if public(a) != want {
			t.Errorf("%s: public %v, want %v", address, !want, want)
		}
		err := onlyPublic("tcp", netip.AddrPortFrom(a, 443).String(), nil)
		if (err == nil) != want || err != nil && !errors.Is(err, ErrPrivate) {
			t.Errorf("%s: %v", address, err)
		}
	}
	if public(netip.Addr{}) || onlyPublic("tcp", "nonsense", nil) == nil {
		t.Error("what is no address counts as public")
	}
}

// nameserver answers every question for an address of IPv4 with one, over UDP, until the test ends.
func nameserver(t *testing.T, ip [4]byte) *net.Resolver {
	t.Helper()
	c, err := (&net.ListenConfig{}).ListenPacket(t.Context(), "udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() {
		_ = c.Close() // ends the loop
		<-done
	})
	go func() {
		defer close(done)
		b := make([]byte, 1500)
		for {
			n, from, err := c.ReadFrom(b)
			if err != nil {
				return
			}
			if n < 17 {
				continue
			}
			end := 12
			for end < n && b[end] != 0 { // labels
				end += int(b[end]) + 1
			}
			end += 5 // the root, type and class
			if end > n {
				continue
			}
			r := append([]byte{}, b[:end]...)
			r[2], r[3] = 0x81, 0x80 // an answer, without error
			copy(r[6:12], make([]byte, 6))
			if binary.BigEndian.Uint16(b[end-4:]) == 1 { // A
				r[7] = 1
				r = append(r, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4)
				r = append(r, ip[:]...)
			}
			_, _ = c.WriteTo(r, from) // whoever asks asks again
		}
	}()
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "udp", c.LocalAddr().String())
	}}
}

// Whatever way an address is written, named or led to: a target that is not public hears nothing, unless that was allowed.
func TestNothingPrivateIsCalled(t *testing.T) {
	var called atomic.Int64
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { called.Add(1) }))
	defer srv.Close()
	t.Setenv("HTTP_PROXY", srv.URL) // nobody asks it
	t.Setenv("http_proxy", srv.URL)
	_, port, _ := strings.Cut(strings.TrimPrefix(srv.URL, "http://"), ":")
	names := nameserver(t, [4]byte{127, 0, 0, 1})
	refusing := NewClient(Options{Resolver: names})
	for _, host := range []string{"127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "0.0.0.0", "[::]", "rebound.example", "rebound.example."} {
		a := Post(t.Context(), refusing, Message{URL: "http://" + host + ":" + port + "/hook?token=hidden", Secret: []byte("x"), ID: "msg_1"}, time.Now)
		if a.OK() || a.Err == nil {
			t.Errorf("%s: %+v", host, a)
		} else if !errors.Is(a.Err, ErrPrivate) && host != "[::1]" && host != "[::]" && host != "localhost" { // where this machine has no IPv6
			t.Errorf("%s: %v, want ErrPrivate", host, a.Err)
		}
		if a.Err != nil && strings.Contains(a.Err.Error(), "hook") {
			t.Errorf("%s: the error repeats the address: %v", host, a.Err)
		}
	}
	// Spellings that this system's resolver might take for an address.
	for _, host := range []string{"2130706433", "127.1", "0x7f000001", "0177.0.0.1"} {
		if a := Post(t.Context(), refusing, Message{URL: "http://" + host + ":" + port + "/", Secret: []byte("x"), ID: "msg_1"}, time.Now); a.OK() || a.Err == nil {
			t.Errorf("%s: %+v", host, a)
		}
	}
	if n := called.Load(); n > 0 {
		t.Fatalf("the target was called %d times", n)
	}
	allowed := NewClient(Options{Private: true, Resolver: names})
	for i, host := range []string{"127.0.0.1", "rebound.example"} {
		a := Post(t.Context(), allowed, Message{URL: "http://" + host + ":" + port + "/hook", Secret: []byte("x"), ID: "msg_1"}, time.Now)
		if !a.OK() || called.Load() != int64(i+1) {
			t.Errorf("%s, allowed: %+v", host, a)
		}
	}
}
