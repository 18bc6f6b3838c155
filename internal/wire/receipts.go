package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/stetlog/stet/proof"
)

// ReceiptsFormat is the format member of Receipts.
const ReceiptsFormat = "stet.receipts/1"

// MaxReceipts bounds an answer in bytes. One element with a thousand stubs fits; where more does not, a client sends
// fewer elements.
const MaxReceipts = 16 << 20

// MaxProofHashes bounds a range proof: two for each level of the largest tree.
const MaxProofHashes = 2 * 53

// The states of a Result.
const (
	Placed  = "placed"  // it is in the ledger now
	Again   = "again"   // it was there already
	Refused = "refused" // nothing of it was stored; see Code
)

// Receipts is the answer to POST /v1/batches, and, with one result, to GET /v1/receipts. Everything but the bytes that the
// client sent is in it to rebuild the client's leaves, and no hash of them.
type Receipts struct {
	Format     string   `json:"format"`
	Checkpoint string   `json:"checkpoint"` // the signed note that all proofs lead to; "" where nothing was placed
	Results    []Result `json:"results"`    // one an element, in order
}

// Result says what became of one element.
type Result struct {
	Status string `json:"status"`
	Stream string `json:"stream_id"`
	First  uint64 `json:"first"` // stream_seq; 0 of a dead stream

	// Where it stands. A dead stream has count alone: of runs recorded as lost.
	Count      int             `json:"count,omitempty"` // entries, the seal included; 1 of a declared loss
	Seq        *uint64         `json:"seq,omitempty"`   // of its first entry
	ReceivedAt string          `json:"received_at,omitempty"`
	Via        json.RawMessage `json:"via,omitempty"`      // as the entries have it, byte for byte
	PrevSeq    *uint64         `json:"prev_seq,omitempty"` // of the stream's previous seal; absent for the first
	Stubs      []Stub          `json:"stubs,omitempty"`    // in place of events that were refused, in stream order
	Proof      []proof.Hash    `json:"proof,omitempty"`    // range proof of its entries

	// Why it was refused.
	Code     Code   `json:"code,omitempty"`
	Detail   string `json:"detail,omitempty"`
	Hint     string `json:"hint,omitempty"`
	Expected uint64 `json:"expected,omitempty"` // of stream_hole: the stream_seq that must come next
}

// Stub says which event could not be stored, and why.
type Stub struct {
	Seq    uint64 `json:"stream_seq"`
	Code   string `json:"code"`           // of package event
	Path   string `json:"path,omitempty"` // in the event
	Reason string `json:"reason"`         // exactly as its entry has it
	Hint   string `json:"hint,omitempty"`
	Leaf   string `json:"leaf"` // RFC 6962 leaf hash of the event, 64 hexadecimal digits; for people: a client computes it
}

// Append appends the answer as JSON.
func (r Receipts) Append(dst []byte) ([]byte, error) {
	r.Format = ReceiptsFormat
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false) // via arrives as it is
	err := enc.Encode(r)
	return append(dst, b.Bytes()...), err
}

// ParseReceipts reads an answer. It checks form and limits, and nothing that needs the request; members that it does not know
// are ignored, so that later servers can say more. Errors wrap ErrMalformed or ErrTooLarge.
func ParseReceipts(b []byte) (Receipts, error) {
	if len(b) > MaxReceipts {
		return Receipts{}, fmt.Errorf("%w: an answer of more than %d bytes", ErrTooLarge, MaxReceipts)
	}
	var r Receipts
	if err := json.Unmarshal(b, &r); err != nil {
		return Receipts{}, fmt.Errorf("%w: the answer is not the JSON that is expected", ErrMalformed)
	}
	if r.Format != ReceiptsFormat {
		return Receipts{}, fmt.Errorf("%w: the answer's format is not %s", ErrMalformed, ReceiptsFormat)
	}
	if len(r.Checkpoint) > proof.MaxCheckpoint {
		return Receipts{}, fmt.Errorf("%w: a checkpoint of %d bytes", ErrTooLarge, len(r.Checkpoint))
	}
	if len(r.Results) > MaxElements {
		return Receipts{}, fmt.Errorf("%w: %d results", ErrTooLarge, len(r.Results))
	}
	for i := range r.Results {
		if err := r.Results[i].check(); err != nil {
			return Receipts{}, fmt.Errorf("%w: result %d: %w", ErrMalformed, i, err)
		}
	}
	return r, nil
}

func (r *Result) check() error {
	switch r.Status {
	case Placed, Again:
		switch {
		case r.Count < 0 || r.Count > proof.MaxBatch+1:
			return fmt.Errorf("%d entries", r.Count)
		case len(r.Proof) > MaxProofHashes:
			return fmt.Errorf("a proof of %d hashes", len(r.Proof))
		case len(r.Via) > proof.MaxVia:
			return fmt.Errorf("via of %d bytes", len(r.Via))
		case len(r.Stubs) > r.Count:
			return fmt.Errorf("%d stubs among %d entries", len(r.Stubs), r.Count)
		case r.Seq != nil && *r.Seq > proof.MaxSize-uint64(r.Count):
			return fmt.Errorf("seq %d", *r.Seq)
		}
		for _, s := range r.Stubs {
			if len(s.Reason) > proof.MaxReason || !utf8.ValidString(s.Reason) {
				return errors.New("a stub's reason is too long, or no text")
			}
		}
		return nil
	case Refused:
		if r.Code == "" || len(r.Code) > 64 {
			return errors.New("refused without a code")
		}
		return nil
	}
	return errors.New("its status is none of placed, again, refused")
}
