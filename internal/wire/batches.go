package wire

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/stetlog/stet/internal/spool"
	"github.com/stetlog/stet/proof"
)

// BatchesType is the media type of a body of batches.
const BatchesType = "application/vnd.stet.batches"

// Limits of a body.
const (
	MaxElements = 256
	MaxInflated = 16 << 20 // bytes of a body as it is parsed
	MaxBody     = 8 << 20  // bytes of a body as it is sent, compressed or not
	// MaxClaim bounds the JSON of a declared loss and of a stream whose owner is gone, in bytes.
	MaxClaim = 4 << 10
)

const magic = "stet/batches/v1\n"

// The kinds of an element.
const (
	kindBatch = 'B'
	kindLoss  = 'L'
	kindGone  = 'G'
)

// overhead is what an element takes beside its payload: kind and length; and a batch its first number.
const (
	overhead    = 1 + 4
	batchPrefix = 8
)

var (
	// ErrMalformed says that the bytes are not of this form.
	ErrMalformed = errors.New("malformed")
	// ErrTooLarge says that there is more than the form allows.
	ErrTooLarge = errors.New("too large")
)

// Element is one part of a body: exactly one of the three is set.
type Element struct {
	Batch *spool.Batch
	Loss  *Loss
	Gone  *Gone
}

// Loss declares that numbers of a stream will never come: the emitter's own spool was damaged there.
type Loss struct {
	Stream      string `json:"stream_id"`
	First       uint64 `json:"first"` // stream_seq, from 1
	Last        uint64 `json:"last"`
	Reason      string `json:"reason"` // for people, at most proof.MaxReason bytes
	Key         string `json:"key"`    // whose stream it is: the verifier key of its seals
	App         string `json:"app_id"`
	Environment string `json:"environment"`
}

// Gone says that the process that wrote a stream is dead and everything of it was sent, so that runs it left without an
// outcome can be recorded as lost. It is the word of the machine that the process ran on.
type Gone struct {
	Stream   string   `json:"stream_id"`
	Evidence Evidence `json:"evidence"`
}

// Evidence is what the dead process's spool said of it, and how its machine knows that it is dead.
type Evidence struct {
	Host      string `json:"host"`       // at most 255 bytes
	BootID    string `json:"boot_id"`    // at most 64 bytes
	MachineID string `json:"machine_id"` // hashed, at most 64 bytes
	PID       int    `json:"pid"`
	StartedAt string `json:"started_at"` // as the spool has it, at most 64 bytes
	Why       string `json:"why"`        // for people, at most 512 bytes
}

// Append appends a body of these elements. Where they do not fit into one body the error wraps ErrTooLarge; where one of
// them is not sound, ErrMalformed.
func Append(dst []byte, elements []Element) ([]byte, error) {
	if len(elements) == 0 || len(elements) > MaxElements {
		return dst, fmt.Errorf("%w: %d elements, allowed are 1 to %d", ErrTooLarge, len(elements), MaxElements)
	}
	start := len(dst)
	dst = Begin(dst)
	for i, e := range elements {
		var err error
		if dst, err = e.Append(dst); err != nil {
			return dst, fmt.Errorf("element %d: %w: %w", i, ErrMalformed, err)
		}
	}
	if n := len(dst) - start; n > MaxInflated {
		return dst, fmt.Errorf("%w: a body of %d bytes, limit %d", ErrTooLarge, n, MaxInflated)
	}
	return dst, nil
}

// Size is how many bytes of a body a batch takes.
func Size(b spool.Batch) int {
	n := overhead + batchPrefix + 4 + 2 + len(b.Seal)
	for _, e := range b.Events {
		n += 2 + len(e)
	}
	return n
}

// Envelope is how many bytes of a body its elements share.
const Envelope = len(magic)

// Begin appends what stands in front of a body's elements.
func Begin(dst []byte) []byte { return append(dst, magic...) }

// Append appends one element to a body that Begin began; its limits are the caller's to keep.
func (e Element) Append(dst []byte) ([]byte, error) {
	switch {
	case e.Batch != nil && e.Loss == nil && e.Gone == nil:
		at := len(dst)
		dst = append(dst, kindBatch, 0, 0, 0, 0)
		dst = binary.BigEndian.AppendUint64(dst, e.Batch.First)
		dst, err := spool.AppendPayload(dst, *e.Batch)
		binary.BigEndian.PutUint32(dst[at+1:], uint32(len(dst)-at-overhead)) // a batch is at most 4 MiB
		return dst, err
	case e.Loss != nil && e.Batch == nil && e.Gone == nil:
		return appendClaim(dst, kindLoss, e.Loss, e.Loss.check())
	case e.Gone != nil && e.Batch == nil && e.Loss == nil:
		return appendClaim(dst, kindGone, e.Gone, e.Gone.check())
	}
	return dst, errors.New("an element is one batch, one loss or one dead stream")
}

func appendClaim(dst []byte, kind byte, claim any, err error) ([]byte, error) {
	if err != nil {
		return dst, err
	}
	b, err := encodeClaim(claim)
	if err != nil {
		return dst, err
	}
	dst = append(dst, kind)
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(b)))
	return append(dst, b...), nil
}

// encodeClaim returns the one form of a claim: compact JSON, members in order.
func encodeClaim(claim any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(claim); err != nil {
		return nil, err
	}
	data := bytes.TrimSuffix(b.Bytes(), []byte("\n"))
	if len(data) > MaxClaim {
		return nil, fmt.Errorf("%d bytes, limit %d", len(data), MaxClaim)
	}
	return data, nil
}

// Parse reads a whole body, inflated. What it returns refers to body. It accepts exactly what Append writes. Errors wrap
// ErrMalformed, with the element's number, or ErrTooLarge.
func Parse(body []byte) ([]Element, error) {
	if len(body) > MaxInflated {
		return nil, fmt.Errorf("%w: a body of %d bytes, limit %d", ErrTooLarge, len(body), MaxInflated)
	}
	rest, ok := bytes.CutPrefix(body, []byte(magic))
	if !ok {
		return nil, fmt.Errorf("%w: the body does not begin with %q", ErrMalformed, magic)
	}
	var elements []Element
	for len(rest) > 0 {
		i := len(elements)
		if i == MaxElements {
			return nil, fmt.Errorf("%w: more than %d elements", ErrTooLarge, MaxElements)
		}
		if len(rest) < overhead {
			return nil, fmt.Errorf("element %d: %w: it ends too early", i, ErrMalformed)
		}
		kind, n := rest[0], binary.BigEndian.Uint32(rest[1:])
		if rest = rest[overhead:]; uint64(n) > uint64(len(rest)) {
			return nil, fmt.Errorf("element %d: %w: %d bytes are announced, %d are there", i, ErrMalformed, n, len(rest))
		}
		e, err := parseElement(kind, rest[:n:n])
		if err != nil {
			return nil, fmt.Errorf("element %d: %w: %w", i, ErrMalformed, err)
		}
		elements, rest = append(elements, e), rest[n:]
	}
	if len(elements) == 0 {
		return nil, fmt.Errorf("%w: no elements", ErrMalformed)
	}
	return elements, nil
}

func parseElement(kind byte, payload []byte) (Element, error) {
	switch kind {
	case kindBatch:
		if len(payload) < batchPrefix {
			return Element{}, errors.New("it ends too early")
		}
		b, err := spool.ParsePayload(binary.BigEndian.Uint64(payload), payload[batchPrefix:])
		return Element{Batch: &b}, err
	case kindLoss:
		var l Loss
		return Element{Loss: &l}, parseClaim(payload, &l, func() error { return l.check() })
	case kindGone:
		var g Gone
		return Element{Gone: &g}, parseClaim(payload, &g, func() error { return g.check() })
	}
	return Element{}, fmt.Errorf("kind %q is none of B, L, G", rune(kind))
}

// parseClaim accepts exactly what encodeClaim writes: no unknown, missing, duplicate or reordered member, no other spelling.
func parseClaim(payload []byte, claim any, check func() error) error {
	if len(payload) > MaxClaim {
		return fmt.Errorf("%d bytes, limit %d", len(payload), MaxClaim)
	}
	if err := json.Unmarshal(payload, claim); err != nil {
		return errors.New("it is not the JSON that is expected") // encoding/json quotes what it found
	}
	if err := check(); err != nil {
		return err
	}
	again, err := encodeClaim(claim)
	if err != nil {
		return err
	}
	if !bytes.Equal(again, payload) {
		return errors.New("it is not in its one form: compact JSON, each member once, in order")
	}
	return nil
}

func (l *Loss) check() error {
	if l.First < 1 || l.Last < l.First || l.Last > spool.MaxSeq {
		return fmt.Errorf("numbers %d to %d are none of a stream", l.First, l.Last)
	}
	if err := proof.CheckVKey(l.Key); err != nil {
		return errors.New("key is no verifier key")
	}
	return fits(
		text{"stream_id", l.Stream, 36, 36},
		text{"reason", l.Reason, 0, proof.MaxReason},
		text{"key", l.Key, 1, 1024},
		text{"app_id", l.App, 1, proof.MaxApp},
		text{"environment", l.Environment, 0, proof.MaxEnvironment},
	)
}

func (g *Gone) check() error {
	if e := g.Evidence; e.PID < 0 {
		return fmt.Errorf("pid is %d", e.PID)
	}
	return fits(
		text{"stream_id", g.Stream, 36, 36},
		text{"host", g.Evidence.Host, 0, 255},
		text{"boot_id", g.Evidence.BootID, 0, 64},
		text{"machine_id", g.Evidence.MachineID, 0, 64},
		text{"started_at", g.Evidence.StartedAt, 0, 64},
		text{"why", g.Evidence.Why, 0, 512},
	)
}

// text is a member of a claim and its limits in bytes.
type text struct {
	name, value string
	least, most int
}

func fits(all ...text) error {
	for _, t := range all {
		if len(t.value) < t.least || len(t.value) > t.most {
			return fmt.Errorf("%s has %d bytes, allowed are %d to %d", t.name, len(t.value), t.least, t.most)
		}
		if !utf8.ValidString(t.value) || strings.ContainsFunc(t.value, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			return fmt.Errorf("%s is not plain text", t.name)
		}
	}
	return nil
}
