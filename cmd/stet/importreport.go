package main

import (
	"errors"
	"fmt"
	"strconv"

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
	Ignored    int             `json:"ignored"`    // records of other programs that are no events of the catalogue
	IgnoredOf  map[string]int  `json:"ignored_of,omitempty"`
	Refusals   []importRefusal `json:"refusals"` // the first maxRefusals
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

// where is the place of a line, for people.
func (p *pendingLine) where() string {
	if p.line == 0 { // then the file's name says it
		return event.Sanitize(p.file)
	}
	return event.Sanitize(p.file) + ":" + strconv.Itoa(p.line)
}

// refuse reports one line.
func (in *importer) refuse(p *pendingLine) {
	in.report.Refused++
	file, place, why := event.Sanitize(p.file), p.where(), event.Sanitize(p.err.Error())
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
		_, _ = fmt.Fprintf(in.stderr, "%s: %s\n", place, why)
	}
	if _, err := in.refused.Write(p.raw); err != nil {
		in.keepErr = errors.Join(in.keepErr, fmt.Errorf("%s could not be kept: %w", place, err))
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
	if err := in.printForeign(); err != nil {
		return errors.Join(in.keepErr, err)
	}
	_, err := fmt.Fprintf(in.stdout, "%d lines: %d events %s, %d already there, %d refused", r.Lines, r.Taken, taken, r.There, r.Refused)
	if err == nil && r.Other > 0 {
		_, err = fmt.Fprintf(in.stdout, "; %d seals and stubs of the exported log passed over", r.Other)
	}
	if err == nil && r.Ignored > 0 {
		_, err = fmt.Fprintf(in.stdout, "; %d are no events of the catalogue", r.Ignored)
	}
	if err == nil && r.Unrecorded > 0 {
		_, err = fmt.Fprintf(in.stdout, "; %d not recorded", r.Unrecorded)
	}
	if err == nil {
		_, err = fmt.Fprintln(in.stdout)
	}
	return errors.Join(in.keepErr, err)
}
