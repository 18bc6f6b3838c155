package expect

import (
	"errors"
	"maps"
	"strings"
	"testing"
	"time"
)

func TestDefinitionInAnEvent(t *testing.T) {
	d := define(t, "cron 0 2 * * 1-5", "Europe/Berlin", "1h30m")
	d.App, d.Environment = "billing", "production"
	got, err := FromLabels(d.Labels())
	if err != nil || got != d || got.ID() != d.ID() {
		t.Fatalf("%+v, %v", got, err)
	}
	if want := "nightly of billing in production: cron 0 2 * * 1-5 in Europe/Berlin, within 1h30m"; d.String() != want {
		t.Errorf("%s", d)
	}
	seen := map[string]bool{d.ID(): true}
	for name, value := range map[string]string{labelJob: "daily", labelApp: "shop", labelEnvironment: "staging", labelSchedule: "cron 0 3 * * 1-5", labelZone: "UTC", labelGrace: "1h"} {
		m := maps.Clone(d.Labels())
		m[name] = value
		if _, err := FromLabels(m); err == nil {
			t.Errorf("%s was changed to %s, and its id still holds", name, value)
		}
		m[labelID] = ""
		other := Definition{Job: m[labelJob], App: m[labelApp], Environment: m[labelEnvironment], Zone: m[labelZone]}
		other.Schedule, _ = Parse(m[labelSchedule])
		other.Grace, _ = time.ParseDuration(m[labelGrace])
		if seen[other.ID()] {
			t.Errorf("with another %s it has the same id", name)
		}
		seen[other.ID()] = true
	}
	for name, change := range map[string]func(map[string]string){
		"a label more": func(m map[string]string) { m["note"] = "x" },
		"one less":     func(m map[string]string) { delete(m, labelZone) },
		"not canonical": func(m map[string]string) {
			m[labelSchedule] = "cron 0  2 * * 1-5"
		},
		"another spelling": func(m map[string]string) { m[labelGrace] = "90m" },
	} {
		m := maps.Clone(d.Labels())
		change(m)
		if _, err := FromLabels(m); !errors.Is(err, ErrDefinition) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestDefinitionsAreRefused(t *testing.T) {
	good := define(t, "cron 0 2 * * *", "Europe/Berlin", "1h")
	cron := func(s string) Schedule {
		t.Helper()
		p, err := ParseCron(s)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	every, err := ParseEvery("1m")
	if err != nil {
		t.Fatal(err)
	}
	for want, change := range map[string]func(*Definition){
		"job is missing":             func(d *Definition) { d.Job = "" },
		"begins or ends with":        func(d *Definition) { d.Job = " nightly" },
		"longer than 128":            func(d *Definition) { d.Job = strings.Repeat("x", 129) },
		"cannot be seen":             func(d *Definition) { d.Job = "a\u202eb" },
		"has a backslash":            func(d *Definition) { d.App = `a\b` },
		"looks like a secret":        func(d *Definition) { d.Job = "mail alice@example.org" },
		"longer than 32":             func(d *Definition) { d.Environment = strings.Repeat("x", 33) },
		"it has no schedule":         func(d *Definition) { d.Schedule = Schedule{} },
		"not between 1s":             func(d *Definition) { d.Grace = 0 },
		"744h":                       func(d *Definition) { d.Grace = 32 * 24 * time.Hour },
		"whole seconds":              func(d *Definition) { d.Grace = time.Second + 1 },
		"a run could be meant":       func(d *Definition) { d.Schedule, d.Grace = cron("* * * * *"), 26*time.Hour },
		"has no time zone":           func(d *Definition) { d.Schedule = every },
		`"Local" is not the name`:    func(d *Definition) { d.Zone = "Local" },
		`"" is not the name`:         func(d *Definition) { d.Zone = "" },
		"there is no time zone":      func(d *Definition) { d.Zone = "Europe/Bern" },
		`no time zone "../../passwd`: func(d *Definition) { d.Zone = "../../passwd" },
	} {
		d := good
		change(&d)
		if err := d.Check(); !errors.Is(err, ErrDefinition) || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v; want %s", d, err, want)
		}
	}
	for _, ok := range []func(*Definition){
		func(d *Definition) { d.Job = "Nächtlich 2" },
		func(d *Definition) { d.Schedule, d.Grace = cron("* * * * *"), 12*time.Hour },
		func(d *Definition) { d.Schedule, d.Grace = cron("0 0 1 1 *"), MaxGrace },
		func(d *Definition) { d.Schedule, d.Grace, d.Zone = every, MaxGrace, "UTC" },
	} {
		d := good
		ok(&d)
		if err := d.Check(); err != nil {
			t.Errorf("%s: %v", d, err)
		}
	}
}
