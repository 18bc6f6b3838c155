package main

import (
	"errors"
	"fmt"

	"github.com/stetlog/stet/event"
)

// importReport is what --json prints: stet.import/1.
type importReport struct {
	Format     string          `json:"format"`
	DryRun     bool            `json:"dry_run"`
	Files      int             `json:"files"`
	Lines      int             `json:"lines"`
	Blank      int             `json:"blank"`
	Events     int             `json:"events"`        // lines that hold one
	Taken      int             `json:"taken"`         // recorded; of a dry run: would be
	There      int             `json:"already_there"` // in the log, or earlier in the input
	Refused    int             `json:"refused"`
	Other      int             `json:"other"`      // seals and stubs of an exported log
	Unrecorded int             `json:"unrecorded"` // because of the disk
	Refusals   []importRefusal `json:"refusals"`   // the first maxRefusals
}

type importRefusal struct {
	File  string `json:"file"`
	Line  int    `json:"line"`
	Code  string `json:"code,omitempty"` // of the schema's refusals
	Path  string `json:"path,omitempty"`
	Error string `json:"error"`
}

// maxRefusals bounds the report; standard error names all of them.
const maxRefusals = 1000

// refuse reports one line.
func (in *importer) refuse(p *pendingLine) {
	in.report.Refused++
	file, why := event.Sanitize(p.file), event.Sanitize(p.err.Error())
	if len(in.report.Refusals) < maxRefusals {
		r := importRefusal{File: file, Line: p.line, Error: why}
		var refused *event.Error
		if errors.As(p.err, &refused) {
			r.Code, r.Path = refused.Code, event.Sanitize(refused.Path)
		}
		in.report.Refusals = append(in.report.Refusals, r)
	}
	if in.cmd.Errors == 0 || in.report.Refused <= in.cmd.Errors {
		in.bar.clear()
		_, _ = fmt.Fprintf(in.stderr, "%s:%d: %s\n", file, p.line, why)
	}
	if _, err := in.refused.Write(p.raw); err != nil {
		in.keepErr = errors.Join(in.keepErr, fmt.Errorf("%s:%d could not be kept: %w", file, p.line, err))
	}
}

func (in *importer) print() error {
	r := in.report
	if in.cmd.Errors > 0 && r.Refused > in.cmd.Errors {
		_, _ = fmt.Fprintf(in.stderr, "stet: %d more refused lines are not named\n", r.Refused-in.cmd.Errors)
	}
	if in.cmd.JSON {
		if r.Refusals == nil {
			r.Refusals = []importRefusal{}
		}
		return errors.Join(in.keepErr, printJSON(in.env, r))
	}
	taken := "taken"
	if r.DryRun {
		taken = "would be taken"
	}
	_, err := fmt.Fprintf(in.stdout, "%d lines: %d events %s, %d already there, %d refused", r.Lines, r.Taken, taken, r.There, r.Refused)
	if err == nil && r.Other > 0 {
		_, err = fmt.Fprintf(in.stdout, "; %d seals and stubs of the exported log passed over", r.Other)
	}
	if err == nil && r.Unrecorded > 0 {
		_, err = fmt.Fprintf(in.stdout, "; %d not recorded", r.Unrecorded)
	}
	if err == nil {
		_, err = fmt.Fprintln(in.stdout)
	}
	return errors.Join(in.keepErr, err)
}
