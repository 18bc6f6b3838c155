package stet

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

const (
	headerForwardedFor = "X-Forwarded-For"
	headerForwarded    = "Forwarded" // RFC 7239

	// maxForwarded is SCHEMA's limit on source.forwarded_for, in elements.
	maxForwarded = 16
	// maxHops bounds the proxies that are followed towards a client.
	maxHops = 64
)

// client is the address that a request came from, and how it was found: that of the connection, and where this is one of
// our proxies the last that is none, as our proxies tell it.
func (o MiddlewareOptions) client(r *http.Request) (address, how string) {
	address, how = r.RemoteAddr, "http connection"
	if address == "" {
		address = "@" // as Go names the peer of a unix socket: no address, and not for want of looking
	}
	if len(o.Proxies) == 0 {
		return address, how
	}
	hops := elements(r.Header, o.ProxyHeader, maxHops)
	for _, hop := range slices.Backward(hops) {
		if a, _, ok := fitAddress(address); !ok || !contains(o.Proxies, a) {
			break
		}
		if _, _, ok := fitAddress(hop); !ok {
			break // the proxy does not know, or does not say: it is itself the last that is known
		}
		address, how = hop, "http header: "+o.ProxyHeader+" (set by a trusted proxy)"
	}
	return address, how
}

// forwarded are the last elements of what the request says it came through.
func forwarded(h http.Header) []string {
	all := append(elements(h, headerForwarded, maxForwarded), elements(h, headerForwardedFor, maxForwarded)...)
	return all[max(0, len(all)-maxForwarded):]
}

// elements are the last addresses in a header, at most so many, in their order.
func elements(h http.Header, name string, most int) []string {
	var last []string // backwards
	for _, line := range slices.Backward(h.Values(name)) {
		for len(last) < most {
			i := strings.LastIndexByte(line, ',')
			e := strings.Trim(line[i+1:], " \t")
			if http.CanonicalHeaderKey(name) == headerForwarded {
				e = forwardedFor(e)
			}
			if e != "" {
				last = append(last, clip(e, 256))
			}
			if i < 0 {
				break
			}
			line = line[:i]
		}
	}
	slices.Reverse(last)
	return last
}

// forwardedFor is the node in one element of a Forwarded header: for="[2001:db8::1]:4711";proto=https.
func forwardedFor(element string) string {
	for pair := range strings.SplitSeq(element, ";") {
		key, v, ok := strings.Cut(pair, "=")
		if ok && strings.EqualFold(strings.Trim(key, " \t"), "for") {
			return strings.Trim(strings.Trim(v, " \t"), `"`)
		}
	}
	return ""
}

// contains says whether an address in its plain form is in one of the networks.
func contains(networks []netip.Prefix, address string) bool {
	a, err := netip.ParseAddr(address)
	return err == nil && slices.ContainsFunc(networks, func(p netip.Prefix) bool { return p.Contains(a) })
}
