package server

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strings"
	"syscall"
)

// ErrExposed says that an address can be reached from other machines, and that nobody allowed that.
var ErrExposed = errors.New("other machines can reach this address, and what goes over it is not encrypted")

// unixPrefix begins the address of a Unix socket.
const unixPrefix = "unix:"

// Listen opens an address: host:port, or unix:/path. A TCP address that is not loopback is ErrExposed unless exposed is set:
// this server speaks plain HTTP, and whoever is on the way could read events and take tokens. A host name is looked up,
// and every address that it has must be loopback.
//
// A Unix socket gets the given mode. One that a dead server left behind is replaced, one that somebody answers on is not.
func Listen(ctx context.Context, addr string, exposed bool, mode fs.FileMode) (net.Listener, error) {
	if path, ok := strings.CutPrefix(addr, unixPrefix); ok {
		return listenUnix(ctx, path, mode)
	}
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fmt.Errorf("listen on %q: it is neither host:port nor unix:/path: %w", addr, err)
	}
	if !exposed {
		if err := loopbackOnly(ctx, host); err != nil {
			return nil, fmt.Errorf("listen on %s: %w", addr, err)
		}
	}
	var lc net.ListenConfig
	lc.SetMultipathTCP(false) // a sandbox that allows TCP need not allow MPTCP, and loopback gains nothing by it
	return lc.Listen(ctx, "tcp", addr)
}

func loopbackOnly(ctx context.Context, host string) error {
	if host == "" {
		return fmt.Errorf("%w: it means every interface", ErrExposed)
	}
	ips, err := net.DefaultResolver.LookupIP(ctx, "ip", host)
	if err != nil {
		return err
	}
	for _, ip := range ips {
		if !ip.IsLoopback() {
			return fmt.Errorf("%w: %s is not a loopback address", ErrExposed, ip)
		}
	}
	return nil
}

func listenUnix(ctx context.Context, path string, mode fs.FileMode) (net.Listener, error) {
	if path == "" {
		return nil, errors.New("listen on unix: without a path; name one, such as unix:/run/stet/stet.sock")
	}
	if err := removeDead(ctx, path); err != nil {
		return nil, fmt.Errorf("listen on %s%s: %w", unixPrefix, path, err)
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "unix", path)
	if err != nil {
		return nil, err
	}
	// Between bind and chmod the umask decides, which is stricter than what is wanted or the same; nobody gets in by the moment
	// that would not get in afterwards, because a peer is judged by its uid and its token.
	if err := os.Chmod(path, mode); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// removeDead removes a socket that nobody listens on. Anything else at the path stays, and is an error.
func removeDead(ctx context.Context, path string) error {
	fi, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if fi.Mode().Type() != fs.ModeSocket {
		return errors.New("something else than a socket is there; remove it, or name another path")
	}
	var d net.Dialer
	c, err := d.DialContext(ctx, "unix", path)
	if err == nil {
		return errors.Join(errors.New("another process answers there"), c.Close())
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return err
	}
	return os.Remove(path)
}

// URL is how a client names the address of a listener: http://host:port, or unix:/path.
func URL(l net.Listener) string {
	if l.Addr().Network() == "unix" {
		return unixPrefix + l.Addr().String()
	}
	return "http://" + l.Addr().String()
}
