package expect

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/redact"
)

// ErrDefinition says that something cannot be expected as it was said.
var ErrDefinition = errors.New("cannot be expected")

func refuse(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrDefinition, fmt.Sprintf(format, args...))
}

// The bounds of definitions.
const (
	// MaxDefinitions is how many a log may have at once.
	MaxDefinitions = 1000
	// DefaultGrace is for whoever says none.
	DefaultGrace = 15 * time.Minute
	// MaxGrace bounds how late a run may be.
	MaxGrace = 31 * 24 * time.Hour
	// maxWithin bounds how many slots lie within the grace of one: each is kept in memory until it is over.
	maxWithin = 1500

	maxJob, maxApp, maxEnvironment, maxZone = 128, 128, 32, 64 // bytes (SCHEMA)
)

// Definition says when a job must run.
type Definition struct {
	Job         string // job.name
	App         string // app_id of its runs; "": of any application
	Environment string // of its runs; "": any
	Schedule    Schedule
	Zone        string        // name of the time zone in which the schedule is read; "UTC" for Every
	Grace       time.Duration // how long behind its slot a run may begin, and its start may be received
}

// Check says why a definition cannot be expected; nil where it can. Errors wrap ErrDefinition.
func (d Definition) Check() error {
	for _, f := range []struct {
		what, text string
		most       int
	}{{"job", d.Job, maxJob}, {"application", d.App, maxApp}, {"environment", d.Environment, maxEnvironment}} {
		switch {
		case len(f.text) > f.most:
			return refuse("the name of the %s is longer than %d bytes", f.what, f.most)
		case !utf8.ValidString(f.text) || event.Sanitize(f.text) != f.text:
			return refuse("the name of the %s has a backslash or a character that cannot be seen", f.what)
		case redact.Finds([]byte(f.text)):
			return refuse("the name of the %s looks like a secret or a person's data, which the log masks", f.what)
		}
	}
	switch {
	case strings.TrimSpace(d.Job) != d.Job || d.Job == "":
		return refuse("the name of the job is missing, or begins or ends with a space")
	case d.Schedule.Kind == "":
		return refuse("it has no schedule")
	case d.Grace < time.Second || d.Grace > MaxGrace || d.Grace%time.Second != 0:
		return refuse("a grace of %s is not between 1s and %s, in whole seconds", d.Grace, FormatDuration(MaxGrace))
	case d.Schedule.within(d.Grace) > maxWithin:
		return refuse("up to %d slots lie within a grace of %s, and %d are the most: a run could be meant for any of them",
			d.Schedule.within(d.Grace), FormatDuration(d.Grace), maxWithin)
	case d.Schedule.Kind == Every && d.Zone != "UTC":
		return refuse("what is due every so often has no time zone")
	}
	_, err := Zone(d.Zone)
	return err
}

// Zone finds a time zone by its name in the IANA database. "Local" and "" are none: they are not the same everywhere.
func Zone(name string) (*time.Location, error) {
	if name == "" || name == "Local" || len(name) > maxZone || event.Sanitize(name) != name {
		return nil, refuse("%.70q is not the name of a time zone, such as Europe/Berlin", name)
	}
	l, err := time.LoadLocation(name)
	if err != nil {
		return nil, refuse("there is no time zone %.70q; names are those of the IANA database, such as Europe/Berlin", name)
	}
	return l, nil
}

// ParseGrace reads a grace as FormatDuration writes it. Errors wrap ErrDefinition.
func ParseGrace(s string) (time.Duration, error) {
	d, err := parseDuration(s)
	if err != nil {
		return 0, refuse("grace %.40q: %v", s, err)
	}
	return d, nil
}

// ID tells definitions apart: equal ones, and only these, have the same. It is 16 hexadecimal digits of a SHA-256.
func (d Definition) ID() string {
	h := sha256.Sum256([]byte(strings.Join([]string{"stet/expectation/v1", d.Job, d.App, d.Environment, d.Schedule.String(), d.Zone, FormatDuration(d.Grace)}, "\n")))
	return hex.EncodeToString(h[:8])
}

// String is a definition in words: nightly of billing in production: cron 0 2 * * * in Europe/Berlin, within 1h.
func (d Definition) String() string {
	s := d.Job
	if d.App != "" {
		s += " of " + d.App
	}
	if d.Environment != "" {
		s += " in " + d.Environment
	}
	s += ": " + d.Schedule.String()
	if d.Schedule.Kind != Every {
		s += " in " + d.Zone
	}
	return s + ", within " + FormatDuration(d.Grace)
}

// Timetable are the slots of a definition that is no Every.
func (d Definition) Timetable() (Timetable, error) {
	l, err := Zone(d.Zone)
	return Timetable{Schedule: d.Schedule, Zone: l}, err
}

// The event types of definitions.
const (
	Added   = "expectation_added"
	Removed = "expectation_removed"
)

// The labels that hold a definition in an event. There are no others.
const (
	labelID          = "expectation"
	labelJob         = "job"
	labelApp         = "app"
	labelEnvironment = "environment"
	labelSchedule    = "schedule"
	labelZone        = "zone"
	labelGrace       = "grace"
)

// Labels are a definition as its event holds it.
func (d Definition) Labels() map[string]string {
	m := map[string]string{labelID: d.ID(), labelJob: d.Job, labelSchedule: d.Schedule.String(), labelZone: d.Zone, labelGrace: FormatDuration(d.Grace)}
	if d.App != "" {
		m[labelApp] = d.App
	}
	if d.Environment != "" {
		m[labelEnvironment] = d.Environment
	}
	return m
}

// FromLabels reads what Labels writes, and nothing else. Errors wrap ErrDefinition or ErrSchedule.
func FromLabels(m map[string]string) (d Definition, err error) {
	of := func(label string) string { return strings.Clone(m[label]) } // a definition outlives the event that it is of
	d = Definition{Job: of(labelJob), App: of(labelApp), Environment: of(labelEnvironment), Zone: of(labelZone)}
	if d.Schedule, err = Parse(of(labelSchedule)); err != nil {
		return d, err
	}
	if d.Grace, err = ParseGrace(m[labelGrace]); err != nil {
		return d, err
	}
	if err := d.Check(); err != nil {
		return d, err
	}
	again := d.Labels()
	same := len(again) == len(m)
	for k, v := range again {
		same = same && m[k] == v
	}
	if !same {
		return d, refuse("its labels are not those of a definition in the form of this version")
	}
	return d, nil
}
