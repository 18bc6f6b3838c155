package forward

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"path"
	"slices"
	"strings"

	"github.com/stetlog/stet/internal/convert"
)

// Kind is a kind of destination.
type Kind uint8

// The kinds of destinations.
const (
	ToFile    Kind = iota + 1 // file:/path
	ToSyslog                  // syslog+tcp://host:port, syslog+tls://host[:6514]
	ToWebhook                 // https://…, http://…
	ToOTLP                    // otlp+https://…, otlp+http://…
	ToElastic                 // elastic+https://…/index, elastic+http://…
	ToSplunk                  // splunk+https://…, splunk+http://…
)

// ErrTarget says that a text is no address of a destination.
var ErrTarget = errors.New("no destination")

// Target is where rows go.
type Target struct {
	Kind    Kind
	Address string // a path, host:port, or a URL
	TLS     bool
	Name    string // as it may be told: paths of URLs are often secrets
}

// maxTarget bounds an address, in bytes.
const maxTarget = 2048

// ParseTarget reads the address of a destination. Its errors wrap ErrTarget, and do not repeat it.
func ParseTarget(s string) (t Target, err error) {
	bad := func(why string) (Target, error) {
		return Target{}, fmt.Errorf("%w: %s; say file:/PATH, syslog+tls://HOST[:PORT], syslog+tcp://HOST:PORT, https://…, otlp+https://…, elastic+https://…/INDEX or splunk+https://…", ErrTarget, why)
	}
	if len(s) > maxTarget || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' && r != ' ' || r == 0x7f }) {
		return bad(fmt.Sprintf("it has more than %d bytes, or control characters", maxTarget))
	}
	if name, ok := strings.CutPrefix(s, "file:"); ok {
		if name = strings.TrimPrefix(name, "//"); !path.IsAbs(name) || strings.HasSuffix(name, "/") {
			return bad("a file needs an absolute path")
		}
		return Target{Kind: ToFile, Address: path.Clean(name), Name: "file:" + path.Clean(name)}, nil
	}
	u, err := url.Parse(s)
	switch {
	case err != nil: // which would repeat it
		return bad("it is no URL")
	case u.User != nil:
		return bad("a URL with a user or password in it is seen by too many; use --secret-file")
	case u.Hostname() == "" || u.Opaque != "" || u.Fragment != "" || strings.Contains(s, " "):
		return bad("it needs a host, and no fragment")
	}
	kind, scheme, of := strings.Cut(u.Scheme, "+")
	if !of {
		kind, scheme = "", u.Scheme
	}
	t.Kind, t.TLS = map[string]Kind{"": ToWebhook, "syslog": ToSyslog, "otlp": ToOTLP, "elastic": ToElastic, "splunk": ToSplunk}[kind], scheme == "https" || scheme == "tls"
	t.Name = u.Scheme + "://" + u.Host
	switch {
	case t.Kind == 0 || (t.Kind == ToSyslog) != (scheme == "tcp" || scheme == "tls") || t.Kind != ToSyslog && scheme != "http" && scheme != "https":
		return bad("its scheme is none of these")
	case t.Kind == ToSyslog:
		port := u.Port()
		if port == "" && t.TLS {
			port = "6514" // RFC 5425, 4.1
		}
		if port == "" || u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.ForceQuery {
			return bad("syslog takes a host and a port")
		}
		t.Address = net.JoinHostPort(u.Hostname(), port)
		t.Name = u.Scheme + "://" + t.Address
		return t, nil
	case t.Kind == ToElastic && (strings.Trim(u.Path, "/") == "" || u.RawQuery != "" || u.ForceQuery):
		return bad("Elasticsearch takes an index or data stream behind the host, and nothing more")
	case t.Kind == ToSplunk && (u.RawQuery != "" || u.ForceQuery):
		return bad("Splunk takes nothing behind a ?")
	}
	u.Scheme = scheme
	t.Address = u.String()
	if len(u.EscapedPath()) > 1 || u.RawQuery != "" {
		t.Name += "/…"
	}
	return t, nil
}

// Private says whether what is sent there stays on this machine, or is encrypted.
func (t Target) Private() bool {
	if t.TLS || t.Kind == ToFile {
		return true
	}
	host := ""
	if u, err := url.Parse(t.Address); err == nil {
		host = u.Hostname()
	}
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

// formats are what a kind of destination takes, the first of them where none is asked for.
var formats = map[Kind][]convert.Format{
	ToFile: {convert.JSONLines, convert.CSV, convert.CEF, convert.CEF1, convert.Syslog, convert.OCSF, convert.ECS, convert.CloudEvents, convert.OTLP, convert.OpenLineage},
	// The header of syslog is what tells a receiver whose row it is and when it was; it does not stand before other formats.
	ToSyslog:  {convert.Syslog},
	ToWebhook: {convert.JSONLines, convert.OCSF, convert.ECS, convert.CloudEvents, convert.OpenLineage},
	ToOTLP:    {convert.OTLP},
	ToElastic: {convert.ECS, convert.JSONLines, convert.OCSF, convert.CloudEvents},
	ToSplunk:  {convert.JSONLines, convert.OCSF, convert.ECS, convert.CloudEvents, convert.CEF, convert.CEF1, convert.Syslog},
}

// Format is the format of rows that is asked for by name; "" is the one that such a destination takes by itself.
func (t Target) Format(name string) (convert.Format, error) {
	all := formats[t.Kind]
	if name == "" {
		return all[0], nil
	}
	if f, ok := convert.ParseFormat(name); ok && slices.Contains(all, f) {
		return f, nil
	}
	var names []string
	for _, f := range all {
		names = append(names, f.String())
	}
	return 0, fmt.Errorf("%s takes no rows as %.40q, but as %s", t.Name, name, strings.Join(names, ", "))
}
