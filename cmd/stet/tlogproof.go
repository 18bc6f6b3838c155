package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/mod/sumdb/note"

	"github.com/stetlog/stet/proof"
)

// proofReport is what --proof --json prints: stet.proof/1.
type proofReport struct {
	Format string      `json:"format"`
	Seq    uint64      `json:"seq"`
	Leaf   string      `json:"leaf"` // hex, as all hashes here
	Steps  []proofStep `json:"steps"`
	Root   string      `json:"root"`
	Size   uint64      `json:"size"`
	Origin string      `json:"origin"`
	Key    string      `json:"key"`
	Proof  string      `json:"tlog_proof"` // C2SP tlog-proof@v1
	Entry  string      `json:"entry"`      // its exact bytes
}

// proofStep is one hash of the path: what stands beside it in the tree, and what both become.
type proofStep struct {
	Side   string `json:"side"` // where Hash stands: left or right
	Hash   string `json:"hash"`
	Result string `json:"result"`
}

// proof prints the proof that an entry is in the log, after verifying what it prints.
func (c *showCmd) proof(e *env, f found, vkey string) error {
	p := proof.TlogProof{Index: f.seq, Path: f.path, Checkpoint: f.note}
	if len(f.raw) <= proof.MaxTlogExtra {
		p.Extra = f.raw // so that the proof says what it proves
	}
	text := proof.AppendTlogProof(nil, p)
	if _, err := verifyTlogProof(text, f.raw, f.cp.Origin, vkey); err != nil {
		return exit{exitIntegrity, fmt.Errorf("the proof of entry %d does not verify: %w", f.seq, err)}
	}
	steps := proofSteps(f.seq, f.cp.Size, f.leaf, f.path)
	if c.JSON {
		return printJSON(e, proofReport{Format: "stet.proof/1", Seq: f.seq, Leaf: f.leaf.Hex(), Steps: steps, Root: f.cp.Root.Hex(), Size: f.cp.Size,
			Origin: f.cp.Origin, Key: vkey, Proof: string(text), Entry: string(f.raw)})
	}
	var b strings.Builder
	line := func(format string, args ...any) { _, _ = fmt.Fprintf(&b, format+"\n", args...) }
	line("entry %d of %s", f.seq, f.cp.Origin)
	line("  SHA-256(0x00 and its %d bytes) = %s", len(f.raw), f.leaf.Hex())
	last := "the hash above"
	for _, s := range steps {
		left, right := last, s.Hash
		if s.Side == "left" {
			left, right = s.Hash, last
		}
		line("  SHA-256(0x01, %s, %s) = %s", left, right, s.Result)
	}
	line("  which is the root that the checkpoint over %d entries states, signed by %s", f.cp.Size, vkey)
	line("  verified; local only, unless a checkpoint of it is known elsewhere. Elsewhere: stet verify FILE --key KEY")
	if p.Extra == nil {
		line("  the entry is too long to be in the proof; take it along: stet show --json %d", f.seq)
	}
	if _, err := e.stderr.WriteString(b.String()); err != nil {
		return err
	}
	_, err := e.stdout.Write(text)
	return err
}

// proofSteps follows RFC 9162, section 2.1.3.2, and keeps every intermediate hash. What it is called with was verified.
func proofSteps(index, size uint64, leaf proof.Hash, path []proof.Hash) []proofStep {
	steps := []proofStep{}
	at, last, h := index, size-1, leaf
	for _, p := range path {
		side := "right"
		if at&1 == 1 || at == last {
			side = "left"
			h = proof.NodeHash(p, h)
			for at&1 == 0 && at != 0 {
				at, last = at>>1, last>>1
			}
		} else {
			h = proof.NodeHash(h, p)
		}
		at, last = at>>1, last>>1
		steps = append(steps, proofStep{side, p.Hex(), h.Hex()})
	}
	return steps
}

// verifyTlogProof checks a proof as whoever receives it would.
func verifyTlogProof(text, entry []byte, origin, vkey string) (proof.Checkpoint, error) {
	p, err := proof.ParseTlogProof(text)
	if err != nil {
		return proof.Checkpoint{}, err
	}
	if err := proof.CheckVKey(vkey); err != nil {
		return proof.Checkpoint{}, err
	}
	v, err := note.NewVerifier(vkey)
	if err != nil {
		return proof.Checkpoint{}, err
	}
	return p.Verify(proof.LeafHash(entry), origin, v)
}

// tlogProofFile returns the proof in a file; nil where it is none.
func tlogProofFile(path string) ([]byte, error) {
	fi, err := os.Stat(path)
	if err != nil || !fi.Mode().IsRegular() || fi.Size() > int64(proof.MaxTlogProof) {
		return nil, err
	}
	b, err := os.ReadFile(path)
	if err != nil || !bytes.HasPrefix(b, []byte("c2sp.org/tlog-proof@")) {
		return nil, err
	}
	return b, nil
}

// proofVerdict is what stet verify --json prints of a proof: stet.verify-proof/1.
type proofVerdict struct {
	Format string `json:"format"`
	State  string `json:"state"` // verified, failed or not checked
	Origin string `json:"origin,omitempty"`
	Seq    uint64 `json:"seq"`
	Size   uint64 `json:"size"`
	Key    string `json:"key,omitempty"`
	Why    string `json:"why,omitempty"`
	Entry  string `json:"entry,omitempty"` // its exact bytes, once verified
}

// verifyProof verifies a proof by the key that is given, or that this computer remembers of the log.
func (c *verifyCmd) verifyProof(e *env, path string, text []byte) error {
	if c.Key != "" {
		if err := proof.CheckVKey(c.Key); err != nil {
			return usage("verify: --key: %v", err)
		}
	}
	v, code := c.judge(text)
	if c.JSON {
		if err := printJSON(e, v); err != nil {
			return err
		}
	} else if _, err := fmt.Fprint(e.stdout, v.text(path)); err != nil {
		return err
	}
	if code == exitOK {
		return nil
	}
	return exit{code: code}
}

func (v proofVerdict) text(path string) string {
	s := fmt.Sprintf("%s: %s\n", path, v.State)
	if v.Why != "" {
		s += "  " + v.Why + "\n"
	}
	if v.State == "verified" {
		s += fmt.Sprintf("entry    %d of %s\nunder    the checkpoint over %d entries, signed by %s\n%s\n", v.Seq, v.Origin, v.Size, v.Key, v.Entry)
	}
	return s
}

func (c *verifyCmd) judge(text []byte) (v proofVerdict, code int) {
	v = proofVerdict{Format: "stet.verify-proof/1", State: "not checked"}
	p, err := proof.ParseTlogProof(text)
	if err != nil {
		v.State, v.Why = "failed", err.Error()
		return v, exitIntegrity
	}
	cp, err := proof.ParseCheckpointText(p.Checkpoint)
	if err != nil {
		v.State, v.Why = "failed", err.Error()
		return v, exitIntegrity
	}
	v.Origin, v.Seq, v.Size, v.Key = cp.Origin, p.Index, cp.Size, c.Key
	if v.Key == "" {
		if v.Key, err = rememberedKey(cp.Origin); err != nil || v.Key == "" {
			v.Why = "this computer knows no key of " + cp.Origin + ": give it with --key, from whoever you trust to know it"
			if err != nil {
				v.Why = err.Error()
			}
			return v, exitNotChecked
		}
	}
	if p.Extra == nil {
		v.Why = "the proof does not hold its entry, so nothing says what it proves"
		return v, exitNotChecked
	}
	_, err = verifyTlogProof(text, p.Extra, cp.Origin, v.Key)
	if c.Key == "" && errors.Is(err, proof.ErrSignature) && proof.SignedByOthers(p.Checkpoint, cp.Origin, v.Key) {
		v.Why = "another key of that log's name has signed it than the one that this computer remembers, " + v.Key +
			": perhaps one whose place that took (stet verify of the log lists them); give the one that you trust with --key"
		return v, exitNotChecked
	}
	if err != nil {
		v.State, v.Why = "failed", err.Error()
		return v, exitIntegrity
	}
	entry, err := proof.ParseEntry(p.Extra)
	if err == nil && entry.Seq != p.Index {
		err = errors.New("it says that it is another one")
	}
	if err != nil {
		v.State, v.Why = "failed", "the entry: "+err.Error()
		return v, exitIntegrity
	}
	v.State, v.Entry = "verified", string(p.Extra)
	return v, exitOK
}

// rememberedKey is the key of a log that this computer has seen; "" where it has not.
func rememberedKey(origin string) (string, error) {
	last, err := rememberedLog(origin)
	return last.VKey, err
}
