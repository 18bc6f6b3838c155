package webhook

import (
	"errors"
	"fmt"
	"net/netip"
	"syscall"
)

// ErrPrivate says that a target is at an address that is not public, and was not called.
var ErrPrivate = errors.New("not a public address, which takes --allow-private")

// notPublic are the networks of IPv4, and those within 2000::/3, that no public server is at: the special-purpose registries
// of IANA (RFC 6890 and what followed it). 6to4, Teredo and the discard prefixes among them lead to other addresses.
var notPublic = prefixes(
	"0.0.0.0/8",       // this network; Linux takes 0.0.0.0 for this machine
	"10.0.0.0/8",      // private, RFC 1918
	"100.64.0.0/10",   // carrier-grade NAT, RFC 6598
	"127.0.0.0/8",     // loopback
	"169.254.0.0/16",  // link-local; machines' metadata
	"172.16.0.0/12",   // private
	"192.0.0.0/24",    // protocol assignments
	"192.0.2.0/24",    // documentation
	"192.88.99.0/24",  // 6to4 relays
	"192.168.0.0/16",  // private
	"198.18.0.0/15",   // benchmarks
	"198.51.100.0/24", // documentation
	"203.0.113.0/24",  // documentation
	"224.0.0.0/4",     // multicast
	"240.0.0.0/4",     // reserved, broadcast
	"2001::/23",       // protocol assignments, Teredo
	"2001:db8::/32",   // documentation
	"2002::/16",       // 6to4
	"3fff::/20",       // documentation
)

// global is what of IPv6 is given out for use on the Internet (RFC 4291). Outside it lie loopback, unspecified, IPv4-mapped and
// IPv4-compatible addresses, NAT64 (64:ff9b::/96 and 64:ff9b:1::/48), unique local, link-local and multicast ones. A network
// with a NAT64 prefix of its own, inside this range, cannot be told from others.
var global = netip.MustParsePrefix("2000::/3")

func prefixes(all ...string) []netip.Prefix {
	var out []netip.Prefix
	for _, s := range all {
		out = append(out, netip.MustParsePrefix(s))
	}
	return out
}

// public says whether an address is one of the public Internet.
func public(a netip.Addr) bool {
	if !a.IsValid() || a.Zone() != "" || a.Is6() && !global.Contains(a) {
		return false
	}
	for _, p := range notPublic {
		if p.Contains(a) {
			return false
		}
	}
	return true
}

// CheckHost is ErrPrivate where the host of a URL is itself an address to which only Options.Private lets connect. A name
// is judged when it is connected to.
func CheckHost(host string) error {
	if a, err := netip.ParseAddr(host); err == nil && !public(a) {
		return fmt.Errorf("%s: %w", a, ErrPrivate)
	}
	return nil
}

// onlyPublic is a net.Dialer's Control: it sees the very address that is about to be connected to, whatever a name was
// resolved to.
func onlyPublic(_, address string, _ syscall.RawConn) error {
	a, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("%w: it cannot be read", ErrPrivate)
	}
	if !public(a.Addr()) {
		return fmt.Errorf("%s: %w", a.Addr(), ErrPrivate)
	}
	return nil
}
