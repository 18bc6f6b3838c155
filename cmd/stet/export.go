package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
)

type exportCmd struct {
	storeFlag
	Tlog string `help:"Write a C2SP tlog-tiles directory, for any tool that reads such logs." placeholder:"DIR" xor:"format"`
	JSON bool   `help:"Write every entry as a line of JSON, in its exact bytes." xor:"format"`
	Out  string `short:"o" help:"File for --json instead of standard output; it must not exist." placeholder:"FILE"`
}

func (c *exportCmd) Run(e *env) (err error) {
	if c.Tlog == "" && !c.JSON {
		return usage("export: say what to write: --tlog DIR or --json")
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
			return err
		}
		_, err = fmt.Fprintf(e.stdout, "origin %s\nsize %d\nroot %s\nkey %s\n", cp.Origin, cp.Size, cp.Root, cp.VKey)
		return err
	}
	out := e.stdout
	if c.Out != "" {
		if out, err = os.OpenFile(c.Out, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, out.Close()) }()
	}
	w := bufio.NewWriter(out)
	if err := s.Entries(e.ctx, func(_ uint64, entry []byte) error {
		if _, err := w.Write(entry); err != nil {
			return err
		}
		return w.WriteByte('\n')
	}); err != nil {
		return errors.Join(err, w.Flush())
	}
	return w.Flush()
}
