package main

import (
	"encoding/json"
	"errors"
	"fmt"
)

type showCmd struct {
	storeFlag
	Which string `arg:"" name:"entry" help:"The entry's number in the log, from 0, or the id of its event."`
	Proof bool   `help:"Print the proof that the entry is in the log: C2SP tlog-proof@v1 on standard output, each step of it on standard error."`
	JSON  bool   `help:"Print the entry's exact bytes; with --proof the proof and its steps as JSON."`
}

func (c *showCmd) Run(e *env) (err error) {
	s, done, err := c.reading(e)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, done()) }()
	f, err := find(e, s, c.Which)
	if err != nil {
		return err
	}
	if c.Proof {
		return c.proof(e, f, s.LogKey)
	}
	if c.JSON {
		_, err = fmt.Fprintf(e.stdout, "%s\n", f.raw)
		return err
	}
	pretty, err := json.MarshalIndent(json.RawMessage(f.raw), "", "  ")
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(e.stdout, "%s\n\nentry hash %s (RFC 6962 leaf)\nincluded in %s at size %d; local only, unless a checkpoint of it is known elsewhere\n", pretty, f.leaf.Hex(), f.cp.Origin, f.cp.Size)
	return err
}
