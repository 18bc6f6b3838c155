package exhibit

import (
	"encoding/csv"
	"io"
	"iter"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/proof"
)

// column is one column of the table.
type column struct {
	name string
	of   func(h hit, e *event.Event, j *event.Job) string // e and j are never nil
}

func number[N int64 | uint64](n N) string {
	if n == 0 {
		return ""
	}
	return strconv.FormatInt(int64(n), 10)
}

// columns is the table of events.csv. The last one has the event's exact bytes, from which all others but the first are.
func columns() []column {
	return []column{
		{"seq", func(h hit, _ *event.Event, _ *event.Job) string { return strconv.FormatUint(h.Seq, 10) }},
		{"received_at", func(h hit, _ *event.Event, _ *event.Job) string { return h.ReceivedAt }},
		{"entry_hash", func(h hit, _ *event.Event, _ *event.Job) string { return "sha256:" + proof.LeafHash(h.raw).Hex() }},
		{"sealed_by", func(h hit, _ *event.Event, _ *event.Job) string {
			if h.seal == nil {
				return ""
			}
			return h.seal.Key
		}},
		{"event_type", func(_ hit, e *event.Event, _ *event.Job) string { return e.EventType }},
		{"severity", func(_ hit, e *event.Event, _ *event.Job) string {
			if e.Severity == nil {
				return ""
			}
			return strconv.Itoa(int(*e.Severity))
		}},
		{"timestamp", func(_ hit, e *event.Event, _ *event.Job) string { return timeText(e.Timestamp) }},
		{"event_time", func(_ hit, e *event.Event, _ *event.Job) string { return timeText(e.EventTime) }},
		{"app_id", func(_ hit, e *event.Event, _ *event.Job) string { return e.AppID }},
		{"environment", func(_ hit, e *event.Event, _ *event.Job) string { return e.Environment }},
		{"user_id", func(_ hit, e *event.Event, _ *event.Job) string { return e.UserID }},
		{"principal", func(_ hit, e *event.Event, _ *event.Job) string {
			if e.Principal == nil {
				return ""
			}
			return strings.TrimSuffix(e.Principal.Type+":"+e.Principal.ID, ":")
		}},
		{"source_ip", func(_ hit, e *event.Event, _ *event.Job) string { return e.SourceIP }},
		{"interaction_id", func(_ hit, e *event.Event, _ *event.Job) string { return e.InteractionID }},
		{"job_id", func(_ hit, _ *event.Event, j *event.Job) string { return j.ID }},
		{"job_name", func(_ hit, _ *event.Event, j *event.Job) string { return j.Name }},
		{"run_id", func(_ hit, _ *event.Event, j *event.Job) string { return j.RunID }},
		{"attempt", func(_ hit, _ *event.Event, j *event.Job) string { return number(j.Attempt) }},
		{"phase", func(_ hit, _ *event.Event, j *event.Job) string { return j.Phase }},
		{"status", func(_ hit, e *event.Event, _ *event.Job) string { return e.Status }},
		{"status_code", func(_ hit, e *event.Event, _ *event.Job) string { return e.StatusCode }},
		{"status_reason", func(_ hit, e *event.Event, _ *event.Job) string { return e.StatusReason }},
		{"description", func(_ hit, e *event.Event, _ *event.Job) string { return e.Description }},
		{"event_id", func(_ hit, e *event.Event, _ *event.Job) string {
			if e.EventID.IsZero() {
				return ""
			}
			return e.EventID.String()
		}},
		{"stream_id", func(h hit, e *event.Event, _ *event.Job) string {
			if h.Stub != nil {
				return h.Stub.Stream
			}
			return e.StreamID.String()
		}},
		{"stream_seq", func(h hit, e *event.Event, _ *event.Job) string {
			if h.Stub != nil {
				return strconv.FormatUint(h.Stub.First, 10)
			}
			return number(e.StreamSeq)
		}},
		{"stub", func(h hit, _ *event.Event, _ *event.Job) string {
			switch {
			case h.Stub == nil:
				return ""
			case h.Stub.Code == proof.StubLost:
				return "lost up to " + strconv.FormatUint(h.Stub.Last, 10) + ": " + h.Stub.Reason
			}
			return h.Stub.Code + ": " + h.Stub.Reason
		}},
		{"event", func(h hit, _ *event.Event, _ *event.Job) string { return string(h.Event) }},
	}
}

// writeTable writes what was found as CSV (RFC 4180).
func writeTable(w io.Writer, found func() iter.Seq2[hit, error]) error {
	out := csv.NewWriter(w)
	out.UseCRLF = true
	all := columns()
	row := make([]string, len(all))
	for i, c := range all {
		row[i] = c.name
	}
	if err := out.Write(row); err != nil {
		return err
	}
	for h, err := range found() {
		if err != nil {
			return err
		}
		e, j := &event.Event{}, &event.Job{}
		if h.Event != nil {
			if e, err = event.Parse(h.Event); err != nil {
				return err
			}
			if e.Job != nil {
				j = e.Job
			}
		}
		for i, c := range all {
			row[i] = cell(c.of(h, e, j))
		}
		if err := out.Write(row); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}

// cell keeps a spreadsheet from taking a text for a formula (SCHEMA "Sanitising", THREATS 30): what begins like one, in its
// full-width form too, gets an apostrophe before it.
func cell(s string) string {
	switch r, _ := utf8.DecodeRuneInString(s); r {
	case '=', '+', '-', '@', '\t', '\r', '＝', '＋', '－', '＠':
		return "'" + s
	}
	return s
}
