package proof

import "strconv"

// Via is what a ledger knows of a sender by itself, as against what the sender's event claims. Kind is always there;
// everything else only where it is known.
type Via struct {
	Kind    string   // how it came: one of the Via… constants
	UID     *uint32  // user: of a Unix peer, or the owner of a spool directory
	GID     *uint32  // group of a Unix peer
	PID     *uint32  // process of a Unix peer
	Addr    string   // network address of an HTTP or syslog peer, at most 256 bytes
	Token   string   // name of the token, never the token, or the subject of a syslog peer's client certificate; at most 256 bytes
	Key     string   // 32-bit hash of the sealing key, 8 lower-case hexadecimal digits
	Clock   string   // ClockUnsynchronized or ClockUnknown where that is what the ledger's own clock was; "" where it was in step, or nobody asked
	Changed []string // paths that the ledger redacted or sanitised in unsealed events: at most 64, of at most 256 bytes
}

// The ways an entry can come.
const (
	ViaStore = "store" // the store's or server's own events
	ViaSpool = "spool" // drained from a local spool by the store
	ViaHTTP  = "http"
	ViaUnix  = "unix"
	// ViaSyslog is the syslog listener.
	ViaSyslog = "syslog"
)

// Sender names who sent something, by what is known of it for good: the token, else the user, else the address.
func (v Via) Sender() string {
	switch {
	case v.Kind == ViaSyslog && v.Token != "":
		return "certificate " + v.Token
	case v.Token != "":
		return "token " + v.Token
	case v.UID != nil:
		return "uid " + strconv.FormatUint(uint64(*v.UID), 10)
	}
	return "addr " + v.Addr
}

// Limits inside via, in bytes and members.
const (
	maxViaText    = 256
	maxViaChanged = 64
)

// Append appends v in its one encoding: compact JSON, fixed order. It checks nothing; ParseVia does.
func (v Via) Append(dst []byte) []byte {
	dst = append(dst, `{"kind":`...)
	dst = appendString(dst, v.Kind)
	for _, m := range [...]struct {
		name string
		n    *uint32
	}{{`,"uid":`, v.UID}, {`,"gid":`, v.GID}, {`,"pid":`, v.PID}} {
		if m.n != nil {
			dst = append(dst, m.name...)
			dst = strconv.AppendUint(dst, uint64(*m.n), 10)
		}
	}
	for _, m := range [...]struct{ name, text string }{{`,"addr":`, v.Addr}, {`,"token":`, v.Token}, {`,"key":`, v.Key}, {`,"clock":`, v.Clock}} {
		if m.text != "" {
			dst = append(dst, m.name...)
			dst = appendString(dst, m.text)
		}
	}
	if len(v.Changed) > 0 {
		dst = append(dst, `,"changed":`...)
		for i, path := range v.Changed {
			if i == 0 {
				dst = append(dst, '[')
			} else {
				dst = append(dst, ',')
			}
			dst = appendString(dst, path)
		}
		dst = append(dst, ']')
	}
	return append(dst, '}')
}

// ParseVia is the strict inverse of Via.Append. Its error wraps ErrMalformed.
func ParseVia(b []byte) (Via, error) {
	var v Via
	c := cursor{b: b}
	c.via(&v)
	if c.why == "" && c.i != len(b) {
		c.fail("bytes follow")
	}
	if c.why != "" {
		return Via{}, malformed("via", "at byte %d: %s", c.i, c.why)
	}
	return v, nil
}

// via reads a via member into v, or only checks it when v is nil, without allocating.
func (c *cursor) via(v *Via) {
	start := c.i
	c.literal(`{"kind":`)
	kind := ""
	for _, k := range [...]string{ViaStore, ViaSpool, ViaHTTP, ViaUnix, ViaSyslog} {
		if kind == "" && c.try(`"`+k+`"`) {
			kind = k
		}
	}
	if kind == "" {
		c.fail("kind is none of store, spool, http, unix, syslog")
	}
	if v != nil {
		v.Kind = kind
	}
	for i, name := range [...]string{`,"uid":`, `,"gid":`, `,"pid":`} {
		if !c.try(name) {
			continue
		}
		n := c.number(0, 1<<32-1)
		if v != nil {
			id := uint32(n)
			*[...]**uint32{&v.UID, &v.GID, &v.PID}[i] = &id
		}
	}
	for i, name := range [...]string{`,"addr":`, `,"token":`, `,"key":`, `,"clock":`} {
		if !c.try(name) {
			continue
		}
		text := c.text(maxViaText, false)
		if len(text) == 0 {
			c.fail("an empty text is left out instead")
		}
		if i == 2 && !isKeyHash(text) {
			c.fail("key is not 8 lower-case hexadecimal digits")
		}
		if i == 3 && string(text) != ClockUnsynchronized && string(text) != ClockUnknown {
			c.fail("clock is neither unsynchronized nor unknown")
		}
		if v != nil {
			*[...]*string{&v.Addr, &v.Token, &v.Key, &v.Clock}[i] = string(text)
		}
	}
	if c.try(`,"changed":[`) {
		for n := 1; ; n++ {
			text := c.text(maxViaText, false)
			if len(text) == 0 || n > maxViaChanged {
				c.fail("changed has an empty path or more than 64 of them")
			}
			if v != nil {
				v.Changed = append(v.Changed, string(text))
			}
			if c.why != "" || !c.try(",") {
				break
			}
		}
		c.literal("]")
	}
	c.literal("}")
	if c.i-start > MaxVia {
		c.fail("via is longer than 2048 bytes")
	}
}

func isKeyHash(b []byte) bool {
	if len(b) != 8 {
		return false
	}
	for _, c := range b {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}
