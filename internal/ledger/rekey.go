package ledger

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/mod/sumdb/note"
)

// rekey asks the publisher to sign with other keys from now on.
type rekey struct {
	signers []note.Signer
	done    chan error // buffered
}

// Rekey has checkpoints signed by other keys of this log from now on: first the one that counts, then older ones that still
// sign beside it. The present checkpoint is signed again, over the same size and root; it is durable, and what Checkpoint
// returns, when Rekey returns it. Its errors are those of Publish; after ErrFailed, or an error of ctx, nobody knows which
// keys have signed last, and whoever opens the ledger says it again.
func (l *Ledger) Rekey(ctx context.Context, signers ...note.Signer) ([]byte, error) {
	if len(signers) == 0 {
		return nil, errors.New("rekey: a log has at least one key")
	}
	if err := checkSigners(l.origin, signers...); err != nil {
		return nil, fmt.Errorf("rekey: %w", err)
	}
	r := &rekey{signers, make(chan error, 1)}
	select {
	case l.rekeys <- r:
	case <-ctx.Done():
		return nil, fmt.Errorf("rekey: %w", ctx.Err())
	case <-l.dead:
		return nil, l.failed()
	case <-l.done:
		return nil, ErrClosed
	}
	select {
	case err := <-r.done:
		if err != nil {
			return nil, l.failed()
		}
	case <-ctx.Done():
		return nil, fmt.Errorf("rekey: %w", ctx.Err())
	}
	return l.Checkpoint(), nil
}

// checkSigners sees to it that all keys are named as the log is.
func checkSigners(origin string, signers ...note.Signer) error {
	for _, s := range signers {
		if s.Name() != origin {
			return fmt.Errorf("key %s cannot sign for the log %q: it has another name", s.Name(), origin)
		}
	}
	return nil
}

// rekey signs the committed head with other keys, durably. Root and size stay, so that there is one root for each size.
func (p *publisher) rekey(signers []note.Signer) error {
	err := p.unchanged()
	if err == nil {
		p.signers = signers
		var signed []byte
		if signed, err = p.sign(); err == nil {
			p.l.mu.Lock()
			p.l.signed = signed
			p.l.mu.Unlock()
			return nil
		}
	}
	p.l.fail(fmt.Errorf("rekey: %w", err))
	return err
}

// signedAsNow says whether just those keys of this log have signed a checkpoint that sign now. Whoever else has signed it
// does not count.
func (p *publisher) signedAsNow(msg []byte) bool {
	n, err := note.Open(bytes.Clone(msg), note.VerifierList(p.l.verifier))
	if err != nil {
		return false
	}
	var have, want []uint32
	for _, s := range slices.Concat(n.Sigs, n.UnverifiedSigs) {
		if s.Name == p.l.origin {
			have = append(have, s.Hash)
		}
	}
	for _, s := range p.signers {
		want = append(want, s.KeyHash())
	}
	slices.Sort(have)
	slices.Sort(want)
	return slices.Equal(have, want)
}
