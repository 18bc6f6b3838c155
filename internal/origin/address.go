package origin

import (
	"fmt"
	"net"
	"net/netip"
)

// address is the one that others would see this machine under: the source
// address that the kernel would choose for the default route. A machine without
// one gets its first global, then its first private address.
func (d detector) address() Value {
	if d.Route != nil {
		if a, err := d.Route(); err == nil && a.IsValid() {
			return value(canonical(a), "kernel: source address of the default route")
		}
	}
	if d.Addresses == nil {
		return Value{}
	}
	all, err := d.Addresses()
	if err != nil {
		return Value{}
	}
	for _, a := range all {
		if a = a.Unmap(); a.IsGlobalUnicast() { // private ones included, loopback and link-local not
			return value(canonical(a), "kernel: first interface address, no default route")
		}
	}
	return Value{}
}

func canonical(a netip.Addr) string { return a.Unmap().WithZone("").String() }

// routeAddress asks the kernel to choose, by connecting UDP sockets to addresses
// set aside for documentation (RFC 5737, RFC 3849). Connecting a UDP socket
// looks up the route and sends nothing.
func routeAddress() (netip.Addr, error) {
	var last error
	for _, to := range []string{"192.0.2.1:9", "[2001:db8::1]:9"} {
		c, err := net.Dial("udp", to)
		if err != nil {
			last = err
			continue
		}
		local := c.LocalAddr()
		if err := c.Close(); err != nil {
			return netip.Addr{}, fmt.Errorf("origin: %w", err)
		}
		if u, ok := local.(*net.UDPAddr); ok {
			if a, ok := netip.AddrFromSlice(u.IP); ok && !a.Unmap().IsLoopback() {
				return a, nil
			}
		}
	}
	return netip.Addr{}, fmt.Errorf("origin: no default route: %w", last)
}

func interfaceAddresses() ([]netip.Addr, error) {
	all, err := net.InterfaceAddrs()
	if err != nil {
		return nil, fmt.Errorf("origin: %w", err)
	}
	var found []netip.Addr
	for _, a := range all {
		if n, ok := a.(*net.IPNet); ok {
			if ip, ok := netip.AddrFromSlice(n.IP); ok {
				found = append(found, ip)
			}
		}
	}
	return found, nil
}
