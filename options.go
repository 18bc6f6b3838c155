package stet

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/emitter"
	"github.com/stetlog/stet/internal/origin"
)

// Policy is what a Recorder does where a record cannot be made durable.
type Policy int

const (
	// RequireRecord means that a job whose start cannot be made durable does not run, and that Open fails where there
	// is no spool.
	RequireRecord Policy = iota
	// BestEffort means that the job runs. Each loss is handed to Options.OnLoss, and later events are tried on a fresh spool.
	BestEffort
)

// DefaultHeartbeat is how often an open run reports by itself where Options.Heartbeat is zero.
const DefaultHeartbeat = 5 * time.Minute

// DefaultDeadline is how long a call waits for its record to become durable where Options.Deadline is zero.
const DefaultDeadline = 10 * time.Second

// Options say who records. The zero value is usable: what it leaves open is found where possible, named in each event's
// "derived", and otherwise honestly excused in its "absent". What is given and cannot be used is an error of Open;
// what the environment says and cannot be used is made to fit, and "derived" says so.
type Options struct {
	App        string // app_id, [A-Za-z0-9._-], at most 128 bytes; "": STET_APP, else the program's name
	AppVersion string // at most 64 bytes; "": STET_APP_VERSION, else the version or revision of the build
	// Environment is production, staging, development, test or your own, [A-Za-z0-9._-], at most 32 bytes, because every
	// seal repeats it; "": STET_ENV, else the events say not_configured. It is never guessed.
	Environment string
	// EntryPoint is how the process was entered; nil: found (cron, systemd, CI, terminal), else a function.
	EntryPoint *event.EntryPoint
	// Derived names which of the above were found rather than given: path → how. At most 16.
	Derived map[string]string
	Policy  Policy
	// Deadline bounds every wait for durability; 0 is DefaultDeadline.
	Deadline time.Duration
	// NoFold passes floods of identical events on as they are: see FoldAfter.
	NoFold bool
	// SpoolBytes bounds what all spools of the store hold together, in bytes, until they are brought into the log; 0 is 1 GiB,
	// less than 0 is without bound. KeepFree is how much of the disk stet leaves to others; 0 is 64 MiB, or a hundredth of a
	// disk where that is less, less than 0 is nothing. Beyond either a record fails with ErrSpoolFull, which the Policy
	// decides about like any other failure. The last tenth of both is kept for outcomes and security events, so that a job
	// that started can still say how it ended.
	SpoolBytes, KeepFree int64
	// Authorizer decides whether a job may run, and is asked again while it runs; nil: nobody is asked, and the events say so.
	Authorizer Authorizer
	// Heartbeat is how often an open run reports that it is still active, and asks the Authorizer again; 0 is
	// DefaultHeartbeat. Negative: it reports only where the run asks for it, or where the Authorizer's answer runs out.
	Heartbeat time.Duration
	// Catalogue adds an organisation's own event types; nil is the built-in one.
	Catalogue *event.Catalogue
	// Strict refuses event types that are not in the catalogue.
	Strict bool
	// IdentityKey, where set, replaces user_id, principal ids and source addresses by HMACs under it. At least 16 bytes,
	// better 32, random and kept secret: an address is quickly guessed.
	IdentityKey []byte
	// StateDir is where the emitter's key lies, made where it is missing (mode 0700); it must be absolute. "": STET_STATE,
	// else /var/lib/stet for root and the user's state directory for others.
	StateDir string
	// TokenFile holds the token for a server; "": STET_TOKEN_FILE, else what stet enrol has kept. It is read anew for each
	// attempt to send, never here.
	TokenFile string
	// SendWait is how long Close waits for a server to take the rest, which otherwise stays in the spool for the next Recorder
	// or `stet doctor --flush`; 0 is DefaultSendWait, less than 0 is not at all.
	SendWait time.Duration
	// OnLoss is told of every record that was lost under BestEffort, of every outcome that Do could not record, and of
	// every part of a job's record that had to be left out, and, though nothing is lost by that, of a server that is not to be
	// believed (ErrServer). nil writes one line to standard error. It is called by the
	// goroutine that recorded, and must not call the Recorder.
	OnLoss func(error)
}

// check refuses what no event could be made with.
func (o Options) check() error {
	bad := func(field, format string, args ...any) error {
		return fmt.Errorf("%w: Options.%s %s", ErrInvalid, field, fmt.Sprintf(format, args...))
	}
	switch {
	case o.App != "" && !isWord(o.App, 128):
		return bad("App", "is %.140q; an app_id has 1 to 128 characters of A-Z a-z 0-9 . _ -", o.App)
	case o.Environment != "" && !isWord(o.Environment, 32):
		return bad("Environment", "is %.140q; an environment has 1 to 32 characters of A-Z a-z 0-9 . _ -, and is not - alone", o.Environment)
	case o.Policy != RequireRecord && o.Policy != BestEffort:
		return bad("Policy", "is %d; say RequireRecord or BestEffort", int(o.Policy))
	case o.Deadline < 0:
		return bad("Deadline", "is %v; 0 means %v", o.Deadline, DefaultDeadline)
	case len(o.IdentityKey) > 0 && len(o.IdentityKey) < 16:
		return bad("IdentityKey", "has %d bytes; it needs at least 16, random and secret", len(o.IdentityKey))
	case o.EntryPoint != nil && !isOneOf(o.EntryPoint.Kind, entryPoints):
		return bad("EntryPoint", "is of kind %.40q; kinds are %s", o.EntryPoint.Kind, strings.Join(entryPoints, ", "))
	case o.StateDir != "" && !filepath.IsAbs(o.StateDir):
		return bad("StateDir", "is %.140q; it must be absolute, or every working directory would have a key of its own", o.StateDir)
	case len(o.Derived) > 16:
		return bad("Derived", "has %d entries, at most 16 are allowed", len(o.Derived))
	}
	for path, how := range o.Derived {
		if len(path) > event.MaxKeyBytes || len(how) > 256 {
			return bad("Derived", "says more than 256 bytes of %.140q", path)
		}
	}
	return nil
}

// own returns o with defaults filled in, and nothing in it that the caller could still change.
func (o Options) own() Options {
	if o.Deadline == 0 {
		o.Deadline = DefaultDeadline
	}
	if o.Heartbeat == 0 {
		o.Heartbeat = DefaultHeartbeat
	}
	if o.SendWait == 0 {
		o.SendWait = DefaultSendWait
	}
	if o.OnLoss == nil {
		o.OnLoss = func(err error) { fmt.Fprintln(os.Stderr, "stet:", event.Sanitize(say(err))) }
	}
	if o.EntryPoint != nil {
		e := *o.EntryPoint
		o.EntryPoint = &e
	}
	o.Derived = maps.Clone(o.Derived)
	o.IdentityKey = bytes.Clone(o.IdentityKey)
	return o
}

// base is what all events of this process share.
func (o Options) base(where origin.Origin, lookup func(string) (string, bool)) event.Event {
	fitted := map[string]string{} // variable → path that it stands for
	e := emitter.Base(where, func(name string) (string, bool) {
		v, ok := lookup(name)
		switch {
		case name == "STET_APP" && v != "" && !isWord(v, 128):
			fitted[name] = "app_id"
		case name == "STET_ENV" && v != "" && !isWord(v, 32):
			fitted[name] = "environment"
			v = fitWord(v, 32)
		}
		return v, ok
	}, o.App, o.AppVersion, o.Environment)
	for name, path := range fitted {
		if e.Derived[path] == name {
			e.Derived[path] = name + ", made to fit"
		}
	}
	if o.EntryPoint != nil {
		e.EntryPoint = o.EntryPoint
		given(&e, "entry_point")
		given(&e, "entry_point.name")
	}
	maps.Copy(e.Derived, o.Derived)
	return e
}

// The closed lists of SCHEMA that a program can get wrong.
var (
	entryPoints    = []string{"http", "cli", "schedule", "queue", "form", "function"}
	triggers       = []string{"schedule", "event", "manual", "api", "parent", "boot"}
	principalTypes = []string{"user", "service_account", "system", "api_key", "unauthenticated"}
	bases          = []string{"policy", "approval", "os_permission", "inherited", "none"}
)

func isOneOf(s string, list []string) bool {
	for _, l := range list {
		if s == l {
			return true
		}
	}
	return false
}

// isWord says whether a seal can carry s (docs/spec/seal.md): "-" alone stands for none there.
func isWord(s string, most int) bool {
	return s != "-" && s != "" && len(s) <= most && strings.IndexFunc(s, notWord) < 0
}

func notWord(c rune) bool {
	return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '.' && c != '_' && c != '-'
}

// fitWord makes a word of anything; "" where nothing is left.
func fitWord(s string, most int) string {
	s = strings.Map(func(c rune) rune {
		if notWord(c) {
			return '-'
		}
		return c
	}, clip(s, 4*most))
	return strings.Trim(s[:min(len(s), most)], "-")
}

// clip shortens s to at most n bytes, at the start of a rune.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && s[n]&0xc0 == 0x80 {
		n--
	}
	return s[:n]
}
