package convert

import (
	"bytes"
	"time"

	"github.com/stetlog/stet/event"
)

// Input is how the records of somebody's file are written.
type Input string

// The inputs.
const (
	InJSON   Input = "json"   // one object a line
	InLogfmt Input = "logfmt" // key=value pairs
	InCEF    Input = "cef"    // ArcSight's Common Event Format, also behind a header of syslog
	InCSV    Input = "csv"    // RFC 4180, whose first row names the columns
	InSyslog Input = "syslog" // RFC 5424, or RFC 3164 as people write it, with or without a priority
)

// Named says whether the records name their fields by a standard, so that Standard knows them.
func (in Input) Named() bool { return in == InCEF || in == InSyslog }

// Sniff tells the input that a file is by its first line. ok is false where it can be none of them.
func Sniff(line []byte, now time.Time) (in Input, ok bool) {
	line = bytes.TrimSpace(line)
	switch {
	case len(line) == 0:
		return "", false
	case line[0] == '{':
		return InJSON, true
	case bytes.HasPrefix(line, []byte(cefBegin)):
		return InCEF, true
	}
	if r, err := readSyslogLine(string(line), now); err == nil {
		if r.Has("cef.version") {
			return InCEF, true
		}
		return InSyslog, true
	}
	if _, err := readLogfmt(string(line)); err == nil {
		return InLogfmt, true
	}
	if h, err := readCSVHeader(line); err == nil && len(h.names) > 1 {
		return InCSV, true
	}
	return "", false
}

// Lines reads the records of one file, one after the other. It is for one goroutine.
type Lines struct {
	input  Input
	now    time.Time
	header *csvHeader
}

// NewLines reads records of an input. now is about when they were written, for what ReadSyslog needs it for.
func NewLines(in Input, now time.Time) *Lines { return &Lines{input: in, now: now} }

// At says about when the records that come next were written.
func (l *Lines) At(now time.Time) { l.now = now }

// Open tells whether a record goes on behind the line break at whose end b stops, which only one of CSV can.
func (l *Lines) Open(b []byte) bool { return l.input == InCSV && openQuote(b) }

// Read reads one record, without its line break; of OTLP/JSON more than one. A blank line, and the first row of CSV, have none.
// Errors are *LineError.
func (l *Lines) Read(line []byte) ([]Record, error) {
	if len(bytes.TrimSpace(line)) == 0 {
		return nil, nil
	}
	line = bytes.TrimSuffix(line, []byte{'\r'})
	var r Record
	var err error
	switch l.input {
	case InJSON:
		return ReadLine(line)
	case InLogfmt:
		r, err = readLogfmt(string(line))
	case InCEF:
		r, err = readCEF(string(line), l.now)
	case InSyslog:
		r, err = readSyslogLine(string(line), l.now)
	case InCSV:
		if l.header == nil {
			h, err := readCSVHeader(line)
			if err == nil {
				l.header = &h
			}
			return nil, err
		}
		r, err = l.header.read(line)
	default:
		err = &LineError{event.ErrSyntax, "is of a format that is not known"}
	}
	if err != nil {
		return nil, err
	}
	return []Record{r}, nil
}
