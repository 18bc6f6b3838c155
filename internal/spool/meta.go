package spool

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/stetlog/stet/internal/segment"
)

// Meta says who writes a spool. It stands in the header of every segment, as compact JSON with its members in this
// order. All of it is the emitter's claim.
type Meta struct {
	V           int    `json:"v"` // 1
	StreamID    string `json:"stream_id"`
	Key         string `json:"key"`         // the emitter's key in note form: name+hash+base64; at most 1024 bytes
	AppID       string `json:"app_id"`      // at most 128 bytes
	Environment string `json:"environment"` // "" for none; at most 32 bytes
	Host        string `json:"host"`        // at most 255 bytes
	BootID      string `json:"boot_id"`     // "" where unknown; at most 64 bytes
	MachineID   string `json:"machine_id"`  // hashed, "" where unknown; at most 64 bytes. Another machine's spool cannot be judged by its lock
	PID         int    `json:"pid"`         // evidence only: the lock decides
	StartedAt   string `json:"started_at"`  // RFC 3339, UTC, nine fraction digits, Z
}

// timeLayout is how SCHEMA writes times.
const timeLayout = "2006-01-02T15:04:05.000000000Z"

func (m Meta) check() error {
	if m.V != 1 {
		return fmt.Errorf("version %d, 1 is expected", m.V)
	}
	if err := checkStream(m.StreamID); err != nil {
		return err
	}
	for _, f := range []struct {
		name, value string
		least, most int
	}{
		{"key", m.Key, 1, 1024},
		{"app_id", m.AppID, 1, 128},
		{"environment", m.Environment, 0, 32},
		{"host", m.Host, 0, 255},
		{"boot_id", m.BootID, 0, 64},
		{"machine_id", m.MachineID, 0, 64},
	} {
		if len(f.value) < f.least || len(f.value) > f.most {
			return fmt.Errorf("%s has %d bytes, allowed are %d to %d", f.name, len(f.value), f.least, f.most)
		}
		if !utf8.ValidString(f.value) {
			return fmt.Errorf("%s is not UTF-8", f.name)
		}
	}
	if m.PID < 0 {
		return fmt.Errorf("pid is %d", m.PID)
	}
	if t, err := time.Parse(timeLayout, m.StartedAt); err != nil || t.Format(timeLayout) != m.StartedAt {
		return fmt.Errorf("started_at is %.40q, want a time like %s", m.StartedAt, timeLayout)
	}
	return nil
}

// encode returns the one form that a Meta has.
func (m Meta) encode() ([]byte, error) {
	if err := m.check(); err != nil {
		return nil, fmt.Errorf("meta of a spool: %w", err)
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(m); err != nil {
		return nil, fmt.Errorf("meta of a spool: %w", err)
	}
	data := bytes.TrimSuffix(b.Bytes(), []byte("\n"))
	if len(data) > segment.MaxMeta {
		return nil, fmt.Errorf("meta of a spool: %d bytes, limit %d", len(data), segment.MaxMeta)
	}
	return data, nil
}

// parseMeta accepts exactly what encode returns, so that no two readers can disagree about it: no unknown, missing,
// duplicate or reordered member, no other spelling.
func parseMeta(data []byte) (Meta, error) {
	var m Meta
	if len(data) > segment.MaxMeta {
		return Meta{}, fmt.Errorf("meta of a spool: %d bytes, limit %d", len(data), segment.MaxMeta)
	}
	if err := json.Unmarshal(data, &m); err != nil {
		return Meta{}, fmt.Errorf("meta of a spool: %w", err)
	}
	again, err := m.encode()
	if err != nil {
		return Meta{}, err
	}
	if !bytes.Equal(again, data) {
		return Meta{}, errors.New("meta of a spool: not in its one form: compact JSON, each member once, in order")
	}
	return m, nil
}
