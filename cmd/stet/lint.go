package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/convert"
	"github.com/stetlog/stet/internal/origin"
	"github.com/stetlog/stet/internal/policy"
	"github.com/stetlog/stet/internal/ship"
)

type lintCmd struct {
	storeFlag
	What      string `arg:"" optional:"" help:"A file of JSON lines, - for standard input, a store or a server; otherwise the store." placeholder:"FILE|STORE"`
	Map       string `help:"Which keys of the file hold which fields; otherwise that is guessed, and the guess printed." placeholder:"FILE"`
	Guess     bool   `help:"Print the guessed mapping and check nothing."`
	Catalogue string `help:"Your own event types, as docs/spec/event.md describes the file." placeholder:"FILE"`
	Places    int    `help:"How many lines a finding names." default:"5"`
	Fail      bool   `help:"Exit with 5 where a rule fails."`
	Checklist bool   `help:"Print the policy's verification checklist alone."`
	Rules     bool   `help:"Print the rules, where they are from, and what no log can show."`
	JSON      bool   `help:"Print JSON."`
	SARIF     bool   `name:"sarif" help:"Print SARIF 2.1.0, for code scanning."`

	atOnce int // events of jobs that are folded at a time; 0: policy.MaxStoryEvents
}

// Help explains what is judged.
func (lintCmd) Help() string {
	return `Judges a log by the two documents that stet is built to: audit logging for jobs, and the audit event policy. Each rule
says of what it judges pass, fail, or not checked with the reason; findings name lines and keys and never quote a value.

A file may be compressed with gzip. Its lines are JSON of any shape: nginx, Spring, OpenTelemetry (OTLP), your own. Which key
holds which field is guessed from the first lines; save the guess, correct it, and give it back:

    stet lint --guess app.log > mapping.yaml
    stet lint app.log --map mapping.yaml

Exit code 4 says that there was no event to judge, or that the log could not be read to its end.`
}

// maxPlaces bounds what is kept of findings in memory.
const maxPlaces = 1000

func (c *lintCmd) Run(e *env) error {
	if c.atOnce == 0 {
		c.atOnce = policy.MaxStoryEvents
	}
	if c.Rules {
		return policy.WriteRules(e.stdout)
	}
	n := 0
	for _, chosen := range []bool{c.JSON, c.SARIF, c.Checklist, c.Guess} {
		if chosen {
			n++
		}
	}
	switch {
	case n > 1:
		return usage("lint: --json, --sarif, --checklist and --guess exclude each other")
	case c.Places < 0 || c.Places > maxPlaces:
		return usage("lint: --places: 0 to %d", maxPlaces)
	}
	o := policy.Options{Places: c.Places}
	if c.Catalogue != "" {
		b, err := readSmall(c.Catalogue, maxCatalogue)
		if err != nil {
			return err
		}
		if o.Catalogue, err = event.LoadCatalogue(b); err != nil {
			return fmt.Errorf("%s: %w", c.Catalogue, err)
		}
	}
	if c.Map != "" {
		b, err := readSmall(c.Map, convert.MaxMap)
		if err != nil {
			return err
		}
		if o.Map, err = convert.ParseMap(b); err != nil {
			return fmt.Errorf("%s: %w", c.Map, err)
		}
	}
	file, err := c.isFile()
	if err != nil {
		return exit{exitNotChecked, err}
	}
	if !file {
		if c.Map != "" || c.Guess {
			return usage("lint: a mapping is for files; the events of a store have the schema's own names")
		}
		return c.ledger(e, o)
	}
	return c.file(e, o)
}

// isFile tells a file from a store and a server.
func (c *lintCmd) isFile() (bool, error) {
	switch {
	case c.What == "" || ship.IsAddress(c.What):
		return false, nil
	case c.What == "-":
		return true, nil
	}
	fi, err := os.Stat(c.What)
	if err != nil {
		return false, fmt.Errorf("lint: %w", err)
	}
	return !fi.IsDir(), nil
}

const maxCatalogue = 1 << 20

// readSmall reads a file of settings.
func readSmall(name string, limit int64) (b []byte, err error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if b, err = io.ReadAll(io.LimitReader(f, limit+1)); err == nil && int64(len(b)) > limit {
		err = fmt.Errorf("%s: has more than %d bytes", name, limit)
	}
	return b, err
}

// print writes the report, and chooses the exit code.
func (c *lintCmd) print(e *env, r *policy.Report, fields convert.Map) error {
	var err error
	switch {
	case c.JSON:
		doc := policy.JSON(r)
		if fields != nil {
			doc.Map = map[string]any{"format": convert.MapFormat, "fields": fields}
		}
		err = printJSON(e, doc)
	case c.SARIF:
		err = printJSON(e, policy.SARIFOf(r, origin.Detect(os.LookupEnv).Build.Version.Text))
	case c.Checklist:
		err = policy.WriteChecklist(e.stdout, r)
	default:
		err = policy.WriteText(e.stdout, r)
	}
	switch {
	case err != nil:
		return err
	case c.Fail && r.Count(policy.Fail) > 0:
		return exit{code: exitFindings}
	case r.Records == 0:
		return exit{exitNotChecked, fmt.Errorf("lint: %s has no event to judge", event.Sanitize(r.Name))}
	}
	return nil
}
