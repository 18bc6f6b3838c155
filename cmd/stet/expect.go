package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/expect"
)

type expectCmd struct {
	Add    expectAddCmd    `cmd:"" help:"Say when a job must run: stet expect add nightly --cron \"0 2 * * *\" --tz Europe/Berlin --grace 1h"`
	List   expectListCmd   `cmd:"" help:"List what is expected."`
	Remove expectRemoveCmd `cmd:"" help:"Expect a job no more."`
	Report expectReportCmd `cmd:"" help:"Say of each slot of a job whether it ran and how that ended, with the entries that prove it."`
	Import expectImportCmd `cmd:"" help:"Expect what crontabs and systemd timers start: stet expect import /etc/cron.d"`
}

type expectAddCmd struct {
	adminFlag
	Job        string `arg:"" help:"The job's name, as its runs have it."`
	Cron       string `help:"When, as in a crontab: minute hour day month weekday, or @daily and the like." placeholder:"FIELDS" xor:"when" required:""`
	OnCalendar string `name:"oncalendar" help:"When, as in a timer of systemd: Mon..Fri *-*-* 02:00." placeholder:"TIMES" xor:"when" required:""`
	Every      string `help:"So long after the start of the last run." placeholder:"TIME" xor:"when" required:""`
	TZ         string `name:"tz" help:"The time zone in which that is meant; otherwise UTC." placeholder:"ZONE"`
	Grace      string `help:"How late a run may begin, and how long its start may take to the log." default:"15m"`
	App        string `help:"Count only runs of this application." placeholder:"APP"`
	Env        string `help:"Count only runs in this environment." placeholder:"ENV"`
	JSON       bool   `help:"Print JSON."`
}

// Help says what becomes of it.
func (expectAddCmd) Help() string {
	return `From now on a server (stet serve) that finds no run in the log when a slot's grace is over records job_missed, once a slot. In the night
in which clocks change slots are where cron, or systemd, would run the job. stet expect report says how each slot went.`
}

// listedExpectation is what is told about an expectation.
type listedExpectation struct {
	ID          string `json:"id"`
	Job         string `json:"job"`
	App         string `json:"app,omitempty"`
	Environment string `json:"environment,omitempty"`
	Schedule    string `json:"schedule"`
	Zone        string `json:"zone"`
	Grace       string `json:"grace"`
	Seq         uint64 `json:"seq"`
	Since       string `json:"since"`
	Next        string `json:"next,omitempty"` // slot; not of every
}

// expectationList is what expect add, list and remove print: stet.expectations/1.
type expectationList struct {
	Format       string              `json:"format"`
	Expectations []listedExpectation `json:"expectations"`
}

func listExpectations(all []expect.Active, now time.Time) expectationList {
	l := expectationList{Format: "stet.expectations/1", Expectations: []listedExpectation{}}
	for _, a := range all {
		x := listedExpectation{ID: a.ID(), Job: a.Job, App: a.App, Environment: a.Environment, Schedule: a.Schedule.String(), Zone: a.Zone,
			Grace: expect.FormatDuration(a.Grace), Seq: a.Place.Seq, Since: event.FormatTime(a.Since)}
		if next := nextSlot(a.Definition, now); !next.IsZero() {
			x.Next = next.UTC().Format(time.RFC3339)
		}
		l.Expectations = append(l.Expectations, x)
	}
	return l
}

// nextSlot is a calendar's next slot in its own zone, or zero.
func nextSlot(d expect.Definition, now time.Time) time.Time {
	if d.Schedule.Kind == expect.Every {
		return time.Time{}
	}
	table, err := d.Timetable()
	if err != nil {
		return time.Time{}
	}
	return table.Next(now).In(table.Zone)
}

func (c *expectAddCmd) Run(e *env) error {
	d, err := c.definition()
	if err != nil {
		return usage("expect add: %v", err)
	}
	var a expect.Active
	err = c.with(e, true, func(o administration) (err error) {
		a, err = o.AddExpectation(e.ctx, d)
		return err
	})
	if err != nil {
		return err
	}
	if c.JSON {
		return printJSON(e, listExpectations([]expect.Active{a}, time.Now()))
	}
	_, err = fmt.Fprintf(e.stdout, "expected: %s; %s\n", printableText(d.String()), printableText(firstDue(d, time.Now())))
	return err
}

// firstDue says when a definition is due first, in its own zone: so it is seen whether that is what was meant.
func firstDue(d expect.Definition, now time.Time) string {
	if next := nextSlot(d, now); !next.IsZero() {
		return "next " + next.Format("Mon 2006-01-02 15:04 -07:00")
	}
	return "first by " + now.UTC().Add(d.Schedule.Interval()).Format("2006-01-02 15:04:05Z")
}

func (c *expectAddCmd) definition() (d expect.Definition, err error) {
	d = expect.Definition{Job: c.Job, App: c.App, Environment: c.Env}
	zone := ""
	switch {
	case c.Cron != "":
		var fields string
		zone, fields = expect.CutZone(c.Cron)
		d.Schedule, err = expect.ParseCron(fields)
	case c.OnCalendar != "":
		var times string
		times, zone = expect.CutCalendarZone(c.OnCalendar)
		d.Schedule, err = expect.ParseCalendar(times)
	default:
		d.Schedule, err = expect.ParseEvery(c.Every)
	}
	if err != nil {
		return d, err
	}
	if zone != "" && c.TZ != "" && zone != c.TZ {
		return d, fmt.Errorf("the schedule names the zone %.70q, and --tz %.70q", zone, c.TZ)
	}
	d.Zone = firstOf(zone, c.TZ, "UTC")
	if d.Grace, err = expect.ParseGrace(c.Grace); err != nil {
		return d, err
	}
	return d, d.Check()
}

type expectListCmd struct {
	adminFlag
	JSON bool `help:"Print JSON."`
}

func (c *expectListCmd) Run(e *env) error {
	var all []expect.Active
	err := c.with(e, false, func(o administration) (err error) {
		all, err = o.ListExpectations(e.ctx)
		return err
	})
	if err != nil {
		return err
	}
	now := time.Now()
	rows := [][]string{{"ID", "JOB", "APP", "ENVIRONMENT", "SCHEDULE", "ZONE", "GRACE", "NEXT"}}
	for _, a := range all {
		next := ""
		if t := nextSlot(a.Definition, now); !t.IsZero() {
			next = t.Format("2006-01-02 15:04 -07:00")
		}
		rows = append(rows, []string{a.ID(), a.Job, a.App, a.Environment, a.Schedule.String(), a.Zone, expect.FormatDuration(a.Grace), next})
	}
	return printList(e, c.JSON, listExpectations(all, now), rows, "nothing is expected; stet expect add says when a job must run")
}

type expectRemoveCmd struct {
	adminFlag
	Which string `arg:"" help:"The id of an expectation, or the name of a job that has one."`
	All   bool   `help:"All of the job's, where it has several."`
	JSON  bool   `help:"Print JSON."`
}

func (c *expectRemoveCmd) Run(e *env) error {
	var removed []expect.Active
	err := c.with(e, false, func(o administration) error {
		all, err := o.ListExpectations(e.ctx)
		if err != nil {
			return err
		}
		found, err := choose(all, c.Which)
		if err != nil {
			return err
		}
		if len(found) > 1 && !c.All {
			return ambiguous(found)
		}
		for _, a := range found {
			if a, err = o.RemoveExpectation(e.ctx, a.ID()); err != nil {
				return err
			}
			removed = append(removed, a)
		}
		return nil
	})
	if c.JSON && len(removed) > 0 {
		return errors.Join(printJSON(e, listExpectations(removed, time.Now())), err)
	}
	for _, a := range removed {
		_, perr := fmt.Fprintf(e.stdout, "no longer expected: %s\n", printableText(a.String()))
		err = errors.Join(err, perr)
	}
	return err
}

// choose finds the expectations that are meant: one by its id, or those of a job.
func choose(all []expect.Active, which string) (found []expect.Active, err error) {
	for _, a := range all {
		if a.ID() == which {
			return []expect.Active{a}, nil
		}
		if a.Job == which {
			found = append(found, a)
		}
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("nothing is expected of a job %.130q, and no expectation has that id; stet expect list shows them", which)
	}
	return found, nil
}

// ambiguous says that a name is not enough.
func ambiguous(found []expect.Active) error {
	var b strings.Builder
	for _, a := range found {
		_, _ = fmt.Fprintf(&b, "\n  %s  %s", a.ID(), printableText(a.String()))
	}
	return usage("the job has %d expectations; say the id of one, or --all:%s", len(found), b.String())
}

// localZone is the name of this machine's time zone.
func localZone() (string, error) {
	if zone := strings.TrimPrefix(os.Getenv("TZ"), ":"); zone != "" {
		return zone, nil
	}
	if link, err := os.Readlink("/etc/localtime"); err == nil {
		if _, name, ok := strings.Cut(link, "zoneinfo/"); ok {
			return name, nil
		}
	}
	if b, err := os.ReadFile("/etc/timezone"); err == nil && len(b) < 100 {
		return strings.TrimSpace(string(b)), nil
	}
	return "", usage("expect import: the name of this machine's time zone is not known; say --tz")
}
