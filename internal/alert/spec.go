package alert

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/stetlog/stet/internal/search"
	"github.com/stetlog/stet/internal/webhook"
)

// Limits of alerts.
const (
	MaxAlerts  = 100
	maxName    = 64   // bytes
	maxURL     = 2048 // bytes
	MinWindow  = time.Second
	MaxWindow  = 24 * time.Hour
	stdWindow  = time.Minute
	maxEntries = 10 // that a message tells of, beside their count
)

// Why alerts cannot be changed as asked.
var (
	ErrSpec    = errors.New("no such alert can be made") // the error says why
	ErrTaken   = errors.New("there is an alert of that name")
	ErrNoAlert = errors.New("there is no alert of that name")
	ErrFull    = errors.New("there is no room for another alert")
)

// Spec is what a new alert is to be.
type Spec struct {
	Name         string // [A-Za-z0-9][A-Za-z0-9._-]*, 64
	Query        string // of the query language, without since; "" finds every entry
	URL          string // http or https, without user, password and fragment; 2048 bytes
	Secret       string // whsec_ and base64 of 24 to 64 bytes; "": one is made
	Window       time.Duration
	AllowPrivate bool // the target may be at an address that is not public
}

var names = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$`)

// check makes a Spec canonical. Its errors wrap ErrSpec and repeat neither address nor secret.
func (s *Spec) check() (search.Query, error) {
	refuse := func(format string, args ...any) (search.Query, error) {
		return search.Query{}, fmt.Errorf("%w: %w", ErrSpec, fmt.Errorf(format, args...))
	}
	if len(s.Name) > maxName || !names.MatchString(s.Name) {
		return refuse("its name must have letters, digits, dots, lines and hyphens only, begin with a letter or digit, and have at most %d of them", maxName)
	}
	q, err := search.Parse(s.Query)
	if err != nil {
		return refuse("its query: %w", err)
	}
	if q.Relative() {
		return refuse("its query has since: in it; an alert looks at what comes from now on")
	}
	s.Query = q.String()
	if _, err := parseURL(s.URL); err != nil {
		return refuse("%w", err)
	}
	if s.Window == 0 {
		s.Window = stdWindow
	}
	if s.Window < MinWindow || s.Window > MaxWindow || s.Window%time.Millisecond != 0 {
		return refuse("its window must be between %v and %v, in whole milliseconds", MinWindow, MaxWindow)
	}
	if s.Secret != "" {
		if _, err := webhook.ParseSecret(s.Secret); err != nil {
			return refuse("%w", err)
		}
	}
	return q, nil
}

// reachable refuses a target that could never be sent to, where its address shows that already.
func (s *Spec) reachable() error {
	u, err := parseURL(s.URL)
	if err == nil && !s.AllowPrivate {
		err = webhook.CheckHost(u.Hostname())
	}
	if err != nil {
		return fmt.Errorf("%w: its address: %w", ErrSpec, err)
	}
	return nil
}

// parseURL reads the address of a target. Its errors do not repeat it.
func parseURL(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	switch {
	case len(s) > maxURL:
		return nil, fmt.Errorf("its address has %d bytes; %d are the most", len(s), maxURL)
	case err != nil || u.Opaque != "" || u.Hostname() == "" || strings.ContainsAny(s, " \t\r\n"):
		return nil, errors.New("its address must be a URL such as https://example.org/hook")
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, errors.New("its address must begin with http:// or https://")
	case u.User != nil:
		return nil, errors.New("its address has a user or password in it; the receiver knows the sender by the signature")
	case u.Fragment != "":
		return nil, errors.New("its address has a fragment (#), which is never sent")
	}
	return u, nil
}

// Target is what of an address may be told: scheme and host, and that there is more.
func Target(address string) string {
	u, err := parseURL(address)
	if err != nil {
		return ""
	}
	t := u.Scheme + "://" + u.Host
	if len(u.EscapedPath()) > 1 || u.RawQuery != "" {
		t += "/…"
	}
	return t
}
