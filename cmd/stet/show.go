package main

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/stetlog/stet/internal/logread"
	"github.com/stetlog/stet/proof"
)

type showCmd struct {
	storeFlag
	Seq  uint64 `arg:"" help:"The entry's number in the log, from 0."`
	JSON bool   `help:"Print the entry's exact bytes."`
}

func (c *showCmd) Run(e *env) (err error) {
	s, err := c.open(e)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	cp, _, err := s.Checkpoint()
	if err != nil {
		return err
	}
	if c.Seq >= cp.Size {
		return fmt.Errorf("there is no entry %d: the log has %d, from 0", c.Seq, cp.Size)
	}
	raw, err := logread.Entry(e.ctx, s.Source(), c.Seq)
	if err != nil {
		return err
	}
	leaf := proof.LeafHash(raw)
	if err := included(e, s.Source(), c.Seq, leaf, cp); err != nil {
		return exit{exitIntegrity, fmt.Errorf("entry %d is not what the checkpoint says: %w", c.Seq, err)}
	}
	if c.JSON {
		_, err = fmt.Fprintf(e.stdout, "%s\n", raw)
		return err
	}
	var entry json.RawMessage = raw
	pretty, err := json.MarshalIndent(entry, "", "  ")
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(e.stdout, "%s\n\nentry hash %s (RFC 6962 leaf)\nincluded in %s at size %d; local only, unless a checkpoint of it is known elsewhere\n", pretty, leaf.Hex(), cp.Origin, cp.Size)
	return err
}

func included(e *env, src logread.Source, seq uint64, leaf proof.Hash, cp proof.Checkpoint) error {
	p, err := proof.ProveInclusion(seq, cp.Size, logread.Hashes(e.ctx, src, cp.Size))
	if err != nil {
		return err
	}
	return proof.VerifyInclusion(seq, cp.Size, leaf, cp.Root, p)
}
