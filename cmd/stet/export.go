package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
)

type exportCmd struct {
	storeFlag
	Query    []string `arg:"" optional:"" help:"For evidence and --format: what to look for, as stet search takes it; nothing: everything."`
	Out      string   `short:"o" help:"The file of evidence, such as evidence.zip; with --format and --json the file instead of standard output. It must not exist." placeholder:"FILE"`
	Complete bool     `help:"For evidence: account for every entry between the query's own limits (after:, before:, seq:), for those that it does not find by their hash."`
	Format   string   `help:"Write what the query finds, oldest first, in a form that others read: jsonl, csv, cef, cef1, syslog, ocsf, ecs, cloudevents, otlp, openlineage." placeholder:"NAME" xor:"format"`
	Scan     bool     `help:"With --format: read a server's whole log instead of asking its index, which could leave something out."`
	Tlog     string   `help:"Write a C2SP tlog-tiles directory instead, for any tool that reads such logs." placeholder:"DIR" xor:"format"`
	JSON     bool     `help:"Write every entry as a line of JSON instead, in its exact bytes." xor:"format"`
}

// Help says what evidence is.
func (exportCmd) Help() string {
	return `Evidence is one file that anybody can verify without this log, its server or a network: what the query finds, in exact bytes, with
the proofs that it is in the log, the seals and keys, the same events as a table, and their stories for reading.

    stet export -o evidence.zip --complete job:purge after:2026-01-01 before:2026-02-01
    stet verify evidence.zip --key KEY

With --complete nothing between the limits can have been left out: each entry that the query does not find is there by its hash, which
shows that it stands there and under which seal, and not what it says. The export is recorded.

In the file is verify.html, which verifies it in a browser with no network. Who doubts whoever made the file takes that page from
elsewhere, such as out of an export of their own, or uses stet verify.

For a SIEM or a spreadsheet, --format writes a row an entry, each with its seq and entry hash, oldest first:

    stet export --format csv -o failed.csv event:job_failed since:24h
    stet export --format ecs | gzip > log.ndjson.gz

Without a query that is every entry, seals among them, so that no seq is missing.`
}

func (c *exportCmd) Run(e *env) (err error) {
	if c.Format != "" {
		return c.formatted(e)
	}
	if c.Tlog == "" && !c.JSON {
		return c.evidence(e)
	}
	if len(c.Query) > 0 || c.Complete {
		return usage("export: a query is for --format, and with --complete for evidence, which is written with -o FILE.zip; --tlog and --json write the whole log")
	}
	s, done, err := c.reading(e)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, done()) }()
	if c.Tlog != "" {
		bar := newProgress(e.stderr, "files")
		cp, err := s.ExportTlog(e.ctx, c.Tlog, func(done, total int) { bar.set(uint64(done), uint64(total)) })
		bar.clear()
		if err != nil {
			return without("export", err)
		}
		_, err = fmt.Fprintf(e.stdout, "origin %s\nsize %d\nroot %s\nkey %s\n", cp.Origin, cp.Size, cp.Root, cp.VKey)
		return err
	}
	write := func(out *os.File) error {
		n := uint64(0)
		w := bufio.NewWriter(out)
		err := s.Entries(e.ctx, func(_ uint64, entry []byte) error {
			n++
			if _, err := w.Write(entry); err != nil {
				return err
			}
			return w.WriteByte('\n')
		})
		return c.stopped(n, "entries", errors.Join(err, w.Flush()))
	}
	if c.Out == "" {
		return write(e.stdout)
	}
	return c.file(func(tmp *os.File) (func() error, error) { return func() error { return nil }, write(tmp) })
}

// stopped says what there is of an export that cannot go on.
func (c *exportCmd) stopped(n uint64, what string, err error) error {
	if c.Out != "" {
		return without("export: nothing was written", err)
	}
	return without(fmt.Sprintf("export: what was written ends after %d %s", n, what), err)
}
