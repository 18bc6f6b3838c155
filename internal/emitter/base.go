package emitter

import (
	"fmt"
	"strings"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/origin"
)

// Base returns what all events of this process share: where it is and as whom it runs. app, version and environment are
// used as given; what is empty is found, and then named in Derived, or excused in Absent (SCHEMA, "Honest defaults").
// lookup reads the environment.
func Base(o origin.Origin, lookup func(string) (string, bool), app, version, environment string) event.Event {
	e := event.Event{Absent: map[string]string{}, Derived: map[string]string{}}
	found := func(path string, v origin.Value, excuse string) string {
		if !v.Found() {
			e.Absent[path] = excuse
			return ""
		}
		e.Derived[path] = v.How
		return v.Text
	}
	env := func(name string) origin.Value {
		v, _ := lookup(name)
		return origin.Value{Text: v, How: name}
	}
	either := func(a, b origin.Value) origin.Value {
		if a.Found() {
			return a
		}
		return b
	}

	if e.AppID = app; app == "" {
		v := either(env("STET_APP"), o.Executable)
		v.Text = CleanApp(v.Text)
		e.AppID = v.Text
		e.Derived["app_id"] = v.How
	}
	if e.AppVersion = version; version == "" {
		e.AppVersion = found("app_version", either(env("STET_APP_VERSION"), o.Build.Version), event.AbsentUnavailable)
	}
	if e.Environment = environment; environment == "" {
		e.Environment = found("environment", env("STET_ENV"), event.AbsentNotConfigured)
	}
	e.EntryPoint = &event.EntryPoint{Kind: "function"}
	if o.EntryPoint.Kind != "" {
		e.EntryPoint.Kind = o.EntryPoint.Kind
	}
	e.EntryPoint.Name = found("entry_point.name", o.EntryPoint.Name, event.AbsentUnavailable)
	if e.EntryPoint.Name != "" {
		e.Derived["entry_point"] = o.EntryPoint.Name.How
	}
	e.Host = &event.Host{Name: found("host.name", o.Hostname, event.AbsentUnavailable), IP: found("host.ip", o.Address, event.AbsentUnavailable)}
	if e.Host.Name == "" && e.Host.IP == "" {
		e.Host = nil
		e.Absent["host"] = event.AbsentUnavailable
	}
	e.UserID = found("user_id", either(either(o.LoginUser, o.LoginUID), o.SudoUser), event.AbsentNotApplicable)
	e.SourceIP = found("source_ip", o.SSHClient, event.AbsentNotApplicable)
	e.Principal = &event.Principal{Type: "service_account", ID: fmt.Sprintf("uid:%d@%s", o.UID, o.Hostname.Text)}
	e.Derived["principal"] = "kernel: effective uid"
	return e
}

// CleanApp makes an app_id of a program's name: what the schema does not allow becomes "-". It returns "unknown" where
// nothing is left.
func CleanApp(name string) string {
	const limit = 128
	s := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '.', r == '_', r == '-':
			return r
		}
		return '-'
	}, name)
	s = strings.Trim(s[:min(len(s), limit)], "-")
	if s == "" {
		return "unknown"
	}
	return s
}
