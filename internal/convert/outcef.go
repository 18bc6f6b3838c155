package convert

import (
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/stetlog/stet/event"
)

// Who made it, in the header of CEF: constant, since this is what a SIEM chooses its parser by. The version there is the
// application's.
const (
	CEFVendor  = "stetlog"
	CEFProduct = "stet"
)

// Limits of CEF's dictionary of keys, in bytes of the value as it is before the escapes.
const (
	cefVersion = 31
	cefName    = 512
	cefText    = 1023
	cefCustom  = 4000
)

// cefMark names the extension keys whose values are not whole: cut to what CEF's dictionary allows, or without the spaces that
// stood at their ends.
const cefMark = "flexString1"

// appendCEF appends a CEF message: CEF:0, or CEF:1 with IPv6 addresses where version 0 has only place for IPv4. The time of our
// schema that CEF calls rt is when it was logged. What has no key, such as params, is in the log alone.
func appendCEF(dst []byte, r *Row, v1 bool) []byte {
	e := r.event
	dst = append(dst, "CEF:0"...)
	if v1 {
		dst[len(dst)-1] = '1'
	}
	for _, s := range [...]string{CEFVendor, CEFProduct, cut(e.AppVersion, cefVersion), e.EventType, cut(r.name(), cefName), strconv.Itoa(r.cefSeverity())} {
		dst = append(dst, '|')
		dst = appendEscaped(dst, s, '|')
	}
	dst = append(dst, '|')
	x := cefExtension{b: dst}
	if len(e.AppVersion) > cefVersion {
		x.cut = append(x.cut, "deviceVersion")
	}
	x.add("externalId", uuid(e.EventID), 40)
	x.add("rt", milliseconds(e.Timestamp), cefText)
	x.add("start", milliseconds(e.EventTime), cefText)
	x.add("suid", e.UserID, cefText)
	x.address("src", "c6a2", "Source IPv6 Address", e.SourceIP, v1)
	x.add("spt", number(r.source().Port), cefText)
	x.add("dvchost", r.host().Name, 100)
	x.address("dvc", "c6a1", "Device IPv6 Address", r.host().IP, v1)
	x.add("deviceExternalId", r.host().InstanceID, 255)
	x.add("sourceServiceName", e.AppID, cefText)
	j := r.job()
	x.add("deviceProcessName", j.Name, cefText)
	x.add("act", e.Action, 63)
	x.add("outcome", e.Status, 63)
	x.add("reason", e.StatusReason, cefText)
	x.add("msg", e.Description, cefText)
	x.add("cat", j.Phase, cefText)
	x.add("request", r.entryPoint().Name, cefText)
	x.add("requestMethod", r.entryPoint().Method, cefText)
	for i, c := range [...]struct{ label, value string }{{"interaction_id", e.InteractionID}, {"job_id", j.ID}, {"root_id", j.RootID},
		{"parent_id", j.ParentID}, {"trace_id", e.TraceID}, {"entry_hash", r.entryHash()}} {
		x.labelled("cs"+strconv.Itoa(i+1), c.label, c.value)
	}
	x.labelled("cn1", "seq", strconv.FormatUint(r.Seq, 10))
	x.labelled("cn2", "max_error_us", optional(r.clock().MaxErrorUS))
	if len(x.cut) > 0 {
		x.labelled(cefMark, "cut", strings.Join(x.cut, ","))
	}
	return x.b
}

// name is what such an event is, the same for all of a type where the catalogue has it.
func (r *Row) name() string {
	if t, ok := event.Builtin().Lookup(r.event.EventType); ok {
		return t.Description
	}
	return r.event.EventType
}

func (r *Row) cefSeverity() int { return [...]int{10, 9, 8, 7, 5, 3, 1, 0}[r.severity()] }

// cefExtension writes key=value pairs, each key once.
type cefExtension struct {
	b    []byte
	some bool
	cut  []string
}

func (x *cefExtension) add(key, value string, limit int) {
	v := strings.Trim(cut(value, limit), " ")
	if v != value {
		x.cut = append(x.cut, key)
	}
	if v == "" {
		return
	}
	if x.some {
		x.b = append(x.b, ' ')
	}
	x.some = true
	x.b = append(x.b, key...)
	x.b = append(x.b, '=')
	x.b = appendEscaped(x.b, v, '=')
}

func (x *cefExtension) labelled(key, label, value string) {
	if value != "" {
		x.add(key, value, cefCustom)
		x.add(key+"Label", label, cefText)
	}
}

// address writes an address under the one key or the other. A pseudonym of one has neither.
func (x *cefExtension) address(key, v6, label, value string, v1 bool) {
	a, err := netip.ParseAddr(value)
	switch {
	case err != nil:
		x.labelled("flexString2", "source_ip", value)
	case a.Is6() && !v1:
		x.labelled(v6, label, value)
	default:
		x.add(key, value, cefText)
	}
}

// appendEscaped escapes the backslash, one separator, and line breaks, which no row has.
func appendEscaped(dst []byte, s string, separator byte) []byte {
	for i := range len(s) {
		switch c := s[i]; c {
		case '\\', separator:
			dst = append(dst, '\\', c)
		case '\n':
			dst = append(dst, `\n`...)
		case '\r':
			dst = append(dst, `\r`...)
		default:
			dst = append(dst, c)
		}
	}
	return dst
}

func milliseconds(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return strconv.FormatInt(t.UnixMilli(), 10)
}
