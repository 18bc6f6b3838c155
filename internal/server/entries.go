package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"strconv"
	"strings"

	"github.com/stetlog/stet/internal/auth"
	"github.com/stetlog/stet/internal/logread"
	"github.com/stetlog/stet/internal/wire"
	"github.com/stetlog/stet/proof"
)

// entryAnswer is what GET /v1/entries/{seq} says: stet.entry/1. What it returns is what a verifier needs: the exact bytes,
// and the way from them to a signed checkpoint.
type entryAnswer struct {
	Format     string          `json:"format"`
	Seq        uint64          `json:"seq"`
	Entry      json.RawMessage `json:"entry"`           // byte for byte as it is hashed
	Leaf       string          `json:"leaf"`            // RFC 6962 leaf hash of these bytes, hexadecimal
	Size       uint64          `json:"size"`            // entries under the checkpoint
	Proof      []proof.Hash    `json:"proof"`           // audit path, base64
	Checkpoint string          `json:"checkpoint"`      // the signed note
	Seal       *uint64         `json:"seal,omitempty"`  // number of the entry with the seal over it, or of itself where it is one
	Doubt      string          `json:"doubt,omitempty"` // what is wrong with what is stored; then the rest is as it is stored
}

func (s *Server) getEntry(w http.ResponseWriter, r *http.Request, c *Call) error {
	e, err := s.entry(r, c)
	if err != nil {
		return err
	}
	return s.writeEntry(w, e)
}

// writeEntry puts the answer together by hand: encoding/json would compact the entry, whose bytes are what is hashed.
func (s *Server) writeEntry(w http.ResponseWriter, e provenEntry) error {
	rest, err := json.Marshal(entryAnswer{Format: "stet.entry/1", Seq: e.seq, Entry: json.RawMessage("0"), Leaf: proof.LeafHash(e.raw).Hex(),
		Size: e.size, Proof: append([]proof.Hash{}, e.path...), Checkpoint: string(e.note), Seal: e.seal, Doubt: e.doubt})
	if err != nil {
		return err
	}
	if e.doubt != "" && !json.Valid(e.raw) {
		e.raw = []byte("{}") // there is nothing to show that a program could read
	}
	before, after, _ := strings.Cut(string(rest), `"entry":0`)
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", cacheNever)
	_, err = fmt.Fprintf(w, "%s\"entry\":%s%s\n", before, e.raw, after)
	return err
}

// getProof answers with the proof alone: C2SP tlog-proof as text, which holds the entry where there is room, or the JSON of
// getEntry for whoever asks for that.
func (s *Server) getProof(w http.ResponseWriter, r *http.Request, c *Call) error {
	e, err := s.entry(r, c)
	if err != nil {
		return err
	}
	w.Header().Set("Vary", "Accept")
	if prefersJSON(r.Header) {
		return s.writeEntry(w, e)
	}
	if e.doubt != "" { // its text stays here
		return fmt.Errorf("entry %d: %s", e.seq, e.doubt)
	}
	p := proof.TlogProof{Index: e.seq, Path: e.path, Checkpoint: e.note}
	if len(e.raw) <= proof.MaxTlogExtra {
		p.Extra = e.raw // so that the proof says what it proves
	}
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("Cache-Control", cacheNever)
	_, err = w.Write(proof.AppendTlogProof(nil, p))
	return err
}

// prefersJSON says whether Accept names JSON.
func prefersJSON(h http.Header) bool {
	for _, v := range h.Values("Accept") {
		for part := range strings.SplitSeq(v, ",") {
			if t, _, err := mime.ParseMediaType(part); err == nil && t == "application/json" {
				return true
			}
		}
	}
	return false
}

// provenEntry is an entry and its way to a checkpoint.
type provenEntry struct {
	seq  uint64
	raw  []byte
	path []proof.Hash
	size uint64
	note []byte

	seal  *uint64
	doubt string
}

// entry reads the entry that a request names, for who may read it, and proves it.
func (s *Server) entry(r *http.Request, c *Call) (e provenEntry, err error) {
	// Numbers have one spelling, so that an entry has one address.
	text := r.PathValue("seq")
	e.seq, err = strconv.ParseUint(text, 10, 53)
	if err != nil || strconv.FormatUint(e.seq, 10) != text {
		return e, Refuse(wire.NotFound, "an entry's number is a plain decimal")
	}
	e.note = s.log.Checkpoint()
	cp, err := proof.ParseCheckpointText(e.note)
	if err != nil {
		return e, fmt.Errorf("the log's own checkpoint: %w", err)
	}
	e.size = cp.Size
	// Who may read everything need not wait for its seal to be found; who may not read this learns nothing about how far the
	// log goes that its checkpoint does not say.
	if e.seq >= cp.Size {
		return e, Refuse(wire.NotFound, fmt.Sprintf("the log has %d entries under its checkpoint", cp.Size))
	}
	if c.May(auth.ReadEntry, auth.Subject{}) != nil {
		if err := s.mayRead(r.Context(), c, e.seq, cp.Size); err != nil {
			return e, err
		}
	}
	if err := s.prove(r.Context(), &e, cp); err != nil {
		return e, err
	}
	s.told(r.Context(), c, Reading{First: e.seq, Last: e.seq, Entries: 1})
	return e, nil
}

// prove reads an entry and its way to the checkpoint. Where what is stored is not what the checkpoint says, that is no error
// of the server's but what whoever asks must see: the entry as it is stored, and the doubt.
func (s *Server) prove(ctx context.Context, e *provenEntry, cp proof.Checkpoint) (err error) {
	e.raw, err = logread.Entry(ctx, s.source, e.seq)
	if err == nil {
		e.path, err = proof.ProveInclusion(e.seq, cp.Size, logread.Hashes(ctx, s.source, cp.Size))
	}
	if err == nil {
		err = proof.VerifyInclusion(e.seq, cp.Size, proof.LeafHash(e.raw), cp.Root, e.path)
	}
	if e.doubt = logread.Wrong(err); e.doubt != "" {
		s.selfcheck.poke()
		return ctx.Err()
	}
	if err != nil {
		return err
	}
	if _, at, err := s.sealOf(ctx, e.seq, cp.Size); err == nil { // else something is wrong behind it, which is another question
		e.seal = at
	}
	return ctx.Err()
}

// mayRead asks whether a caller may read an entry, by the seal that it stands under: the seal's application and environment
// are what its events were held against. A declared loss stands under none and belongs to nobody.
func (s *Server) mayRead(ctx context.Context, c *Call, seq, size uint64) error {
	what, _, err := s.sealOf(ctx, seq, size)
	if err != nil {
		return err
	}
	return c.may(auth.ReadEntry, what)
}

// sealOf finds the seal that an entry stands under, whose events it is over, and its number; nil where it stands under none.
func (s *Server) sealOf(ctx context.Context, seq, size uint64) (what auth.Subject, at *uint64, err error) {
	end := min(size, seq+proof.MaxBatch+1)
	err = logread.Entries(ctx, s.source, seq, end, func(n uint64, raw []byte) error {
		e, err := proof.ParseEntry(raw)
		switch {
		case err != nil:
			return fmt.Errorf("entry %d: %w", n, err)
		case e.Seal != nil:
			seal, err := proof.ParseSeal(e.Seal.Note)
			what, at = auth.Subject{App: seal.App, Environment: seal.Environment}, &n
			return errors.Join(err, errFound)
		case e.Stub != nil && e.Stub.Code == proof.StubLost:
			return errFound
		}
		return nil
	})
	if errors.Is(err, errFound) { // of a seal that cannot be parsed, too: what it says is then nothing
		err = nil
	}
	return what, at, err
}

// errFound ends a reading early.
var errFound = errors.New("found")
