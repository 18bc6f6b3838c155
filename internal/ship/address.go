package ship

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"path"
	"strings"
)

// ErrAddress says that a name is no address of a server that stet would talk to.
var ErrAddress = errors.New("not the address of a server")

// IsAddress says whether a store's name means a server rather than a directory.
func IsAddress(name string) bool {
	for _, scheme := range []string{"https://", "http://", "unix:"} {
		if strings.HasPrefix(name, scheme) {
			return true
		}
	}
	return false
}

// Address is where a server is: https, http on this machine only, or a Unix socket.
type Address struct {
	text   string // in its one spelling
	socket string // path, of a Unix socket
}

// maxAddress bounds an address in bytes.
const maxAddress = 1024

// ParseAddress reads https://HOST[:PORT][/PATH], http:// of a loopback address, or unix:/PATH. Its error wraps ErrAddress,
// and repeats nothing that may be a password.
func ParseAddress(name string) (Address, error) {
	bad := func(why string) (Address, error) {
		return Address{}, fmt.Errorf("%w: %s; say https://HOST[:PORT], http://127.0.0.1:PORT or unix:/PATH", ErrAddress, why)
	}
	if len(name) > maxAddress {
		return bad("it is too long")
	}
	if socket, ok := strings.CutPrefix(name, "unix:"); ok {
		socket = strings.TrimPrefix(socket, "//")
		if !path.IsAbs(socket) || strings.ContainsFunc(socket, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			return bad("a socket needs an absolute path")
		}
		socket = path.Clean(socket)
		return Address{text: "unix:" + socket, socket: socket}, nil
	}
	u, err := url.Parse(name)
	switch {
	case err != nil: // which would repeat the name
		return bad("it is no URL")
	case u.User != nil:
		return bad("a URL with a user or password in it is seen by too many; use --token-file")
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || u.Opaque != "" || u.Host == "" || u.Hostname() == "" || u.RawPath != "":
		return bad("only scheme, host, port and a plain path have a place in it")
	case u.Scheme == "http" && !loopback(u.Hostname()):
		return bad("http sends a token in the clear; only a server on this machine is reached so")
	case u.Scheme != "http" && u.Scheme != "https":
		return bad("its scheme is none of https, http, unix")
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	prefix := path.Clean("/" + u.Path)
	if prefix == "/" {
		prefix = ""
	}
	return Address{text: u.Scheme + "://" + net.JoinHostPort(strings.ToLower(u.Hostname()), port) + prefix}, nil
}

func loopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

// String is the address in its one spelling.
func (a Address) String() string { return a.text }

// Local says that no network lies between.
func (a Address) Local() bool { return a.socket != "" || strings.HasPrefix(a.text, "http://") }

// Name is what the server's files on this computer are called: readable, and its own for each address.
func (a Address) Name() string {
	sum := sha256.Sum256([]byte(a.text))
	_, rest, _ := strings.Cut(a.text, ":")
	var b strings.Builder
	for _, c := range []byte(strings.Trim(rest, "/")) {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '.' && b.Len() > 0:
			b.WriteByte(c)
		default:
			b.WriteByte('-')
		}
		if b.Len() == 64 {
			break
		}
	}
	return b.String() + "-" + hex.EncodeToString(sum[:6])
}
