package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/stetlog/stet"
	"github.com/stetlog/stet/internal/fsx"
	"github.com/stetlog/stet/internal/keyfile"
	"github.com/stetlog/stet/internal/ledger"
	"github.com/stetlog/stet/internal/store"
)

type doctorCmd struct {
	storeFlag
	Flush bool `help:"First bring into the log what is spooled: for a server, send it."`
	JSON  bool `help:"Print JSON."`
}

// Help says what doctor is and is not.
func (doctorCmd) Help() string {
	return `It looks at the store, its keys, the clock, the disk, spools that are not in the log yet, and what this computer remembers, and
says of each what is wrong, why that matters and what to do. It changes nothing, and makes no store, unless --flush is
said. It is quick and no proof: that is stet verify.

Exit code 5 says that there is a problem; warnings alone end with 0; 4 says that something could not be looked at.`
}

// The severities of a finding, the worst last.
const (
	sevOK        = "ok"
	sevWarn      = "warn"
	sevUnchecked = "not checked"
	sevProblem   = "problem"
)

var severities = []string{sevOK, sevWarn, sevUnchecked, sevProblem}

// diagnosis is one thing that doctor looked at.
type diagnosis struct {
	Check    string `json:"check"`    // store, server, keys, clock, disk, spool, quarantine, memory, losses, system
	Severity string `json:"severity"` // ok, warn, not checked, problem
	What     string `json:"what"`
	Why      string `json:"why,omitempty"` // it matters
	Do       string `json:"do,omitempty"`  // a command, or a sentence
}

// health is what --json prints: stet.doctor/1.
type health struct {
	Format   string      `json:"format"`
	Store    string      `json:"store"`
	State    string      `json:"state"`
	Worst    string      `json:"worst"`
	Findings []diagnosis `json:"findings"`
}

// doctor collects what it finds.
type doctor struct {
	*env
	path, state string
	store       *fsx.Dir // nil: there is none
	marker      store.Marker
	head        *ledger.Head // nil: there is none, or none that can be believed
	found       []diagnosis
}

// plural counts things by a word whose plural is regular.
func plural[T int | uint64](n T, one string) string {
	switch stem, ry := strings.CutSuffix(one, "ry"); {
	case n == 1:
		return "1 " + one
	case ry:
		return fmt.Sprintf("%d %sries", n, stem)
	case strings.HasSuffix(one, "s"):
		return fmt.Sprintf("%d %ses", n, one)
	}
	return fmt.Sprintf("%d %ss", n, one)
}

func (d *doctor) ok(check, format string, args ...any) {
	d.add(diagnosis{Check: check, Severity: sevOK, What: fmt.Sprintf(format, args...)})
}

func (d *doctor) unchecked(check, what string, err error) {
	d.add(diagnosis{Check: check, Severity: sevUnchecked, What: what + ": " + err.Error()})
}

func (d *doctor) add(x diagnosis) {
	for _, s := range []*string{&x.What, &x.Why, &x.Do} {
		*s = printableText(*s)
	}
	d.found = append(d.found, x)
}

func (c *doctorCmd) Run(e *env) error {
	if c.remote() {
		return c.server(e)
	}
	d := &doctor{env: e}
	var err error
	if d.path, err = stet.StorePath(c.Store); err != nil {
		return err
	}
	if d.state, err = keyfile.StateDir(os.LookupEnv); err != nil {
		return err
	}
	d.place()
	if d.store != nil && c.Flush {
		d.flush()
		if c.recordAgain(d) {
			d.flush()
		}
	}
	if d.store != nil {
		d.log()
		d.spools()
		d.quarantine()
	}
	d.keys()
	d.clock()
	d.disks()
	d.losses()
	d.system()
	if d.store != nil {
		if err := d.store.Close(); err != nil {
			return err
		}
	}
	return c.report(e, d)
}

// place looks for the store, without making one.
func (d *doctor) place() {
	fi, err := os.Stat(d.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		d.add(diagnosis{"store", sevWarn, "there is no store at " + d.path, "nothing has been recorded here", "stet run -- true"})
		return
	case err != nil:
		d.unchecked("store", d.path, err)
		return
	case !fi.IsDir():
		d.add(diagnosis{"store", sevProblem, d.path + " is not a directory", "nothing can be recorded there", "name another with --store or STET_STORE"})
		return
	}
	if uid, ok := fsx.Owner(fi); ok && uid != os.Geteuid() {
		d.add(diagnosis{"store", sevProblem, fmt.Sprintf("%s belongs to uid %d and you are uid %d", d.path, uid, os.Geteuid()),
			"a store has one owner; what you record goes nowhere", "run as its owner, or name a store of your own with --store"})
		return
	}
	if d.store, err = fsx.OpenDir(d.path); err != nil {
		d.unchecked("store", d.path, err)
		return
	}
	if mode := fi.Mode().Perm(); mode&0o077 != 0 {
		d.add(diagnosis{"store", sevWarn, fmt.Sprintf("%s has mode %04o: others can look into it", d.path, mode),
			"events name people and machines", "chmod 700 " + shellWord(d.path)})
	}
}

// flush does what every command does first, and says what came of it.
func (d *doctor) flush() {
	s, err := storeFlag{Store: d.path}.openOnly()
	if errors.Is(err, store.ErrNoStore) {
		return
	}
	if err != nil {
		d.unchecked("spool", "nothing was brought in", err)
		return
	}
	got, err := s.Drain(d.ctx)
	err = errors.Join(err, s.Close())
	switch {
	case err != nil:
		d.add(diagnosis{"spool", sevProblem, "bringing in what is spooled failed: " + err.Error(), "it is durable, and not in the log", "stet verify " + shellWord(d.path)})
	case got.Busy:
		d.add(diagnosis{"spool", sevWarn, "another process is bringing in what is spooled", "", "stet doctor --flush"})
	default:
		d.ok("spool", "%s brought into the log, which has %s", plural(got.Events, "event"), plural(got.Size, "entry"))
	}
}

func (c *doctorCmd) report(e *env, d *doctor) error {
	rank := 0
	for _, x := range d.found {
		for i, s := range severities {
			if s == x.Severity {
				rank = max(rank, i)
			}
		}
	}
	worst := severities[rank]
	var err error
	if c.JSON {
		err = printJSON(e, health{"stet.doctor/1", d.path, d.state, worst, d.found})
	} else {
		_, err = e.stdout.WriteString(d.text(colour(e.stdout)))
	}
	switch {
	case err != nil:
		return err
	case worst == sevProblem:
		return exit{code: exitFindings}
	case worst == sevUnchecked:
		return exit{code: exitNotChecked}
	}
	return nil
}

func (d *doctor) text(coloured bool) string {
	var b strings.Builder
	p := func(format string, args ...any) { _, _ = fmt.Fprintf(&b, format, args...) }
	p("store %s\nstate %s\n", printableText(d.path), printableText(d.state))
	colours := map[string]string{sevProblem: "\x1b[31m", sevWarn: "\x1b[33m", sevUnchecked: "\x1b[33m", sevOK: "\x1b[32m"}
	for _, x := range d.found {
		word := fmt.Sprintf("%-11s", x.Severity)
		if coloured {
			word = colours[x.Severity] + word + "\x1b[0m"
		}
		p("%s  %-10s  %s\n", word, x.Check, x.What)
		if x.Why != "" {
			p("%25s  because %s\n", "", x.Why)
		}
		if x.Do != "" {
			p("%25s  do: %s\n", "", x.Do)
		}
	}
	return b.String()
}
