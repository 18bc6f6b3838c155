package server

import (
	"bytes"
	"errors"
	"fmt"
)

// maxEvents is how many events one request may bring: as many as a sealed batch holds.
const maxEvents = 1000

// The media types of POST /v1/events.
const (
	typeJSON   = "application/json"
	typeNDJSON = "application/x-ndjson"
	typeJSONL  = "application/jsonl" // another name of it
)

var (
	errNotEvents  = errors.New("the body holds no events")
	errManyEvents = fmt.Errorf("the body holds more than %d events", maxEvents)
)

// splitEvents cuts a body into its events, without judging these: one JSON object, an array, or one JSON value a line, as
// the media type says. They share the body's memory. Where even the cuts cannot be told, nothing of the body is taken.
func splitEvents(media string, body []byte) (events [][]byte, err error) {
	if media == typeJSON {
		events, err = splitJSON(body)
	} else {
		events, err = splitLines(body)
	}
	if err == nil && len(events) == 0 {
		err = errNotEvents
	}
	return events, err
}

// splitLines cuts at LF. Blank lines are no events.
func splitLines(body []byte) (events [][]byte, err error) {
	body = bytes.TrimPrefix(body, []byte("\xef\xbb\xbf")) // the mark that some programs put in front of a file
	for len(body) > 0 {
		var line []byte
		line, body, _ = bytes.Cut(body, []byte{'\n'})
		if len(trimSpace(line)) == 0 {
			continue
		}
		if len(events) == maxEvents {
			return nil, errManyEvents
		}
		events = append(events, line)
	}
	return events, nil
}

// splitJSON takes one value, or the elements of an array.
func splitJSON(body []byte) (events [][]byte, err error) {
	body = trimSpace(body)
	if len(body) == 0 || body[0] != '[' {
		return [][]byte{body}[:min(len(body), 1)], nil
	}
	rest := trimSpace(body[1:])
	if len(rest) > 0 && rest[0] == ']' {
		return nil, nil
	}
	for {
		n := valueEnd(rest)
		value := trimSpace(rest[:n])
		if n == len(rest) || len(value) == 0 {
			return nil, fmt.Errorf("%w: the array is cut short, or an element of it does not end", errNotEvents)
		}
		if len(events) == maxEvents {
			return nil, errManyEvents
		}
		events = append(events, value)
		end := rest[n]
		rest = trimSpace(rest[n+1:])
		if end == ',' {
			continue
		}
		if end != ']' || len(rest) > 0 {
			return nil, fmt.Errorf("%w: something else than an array's end stands there", errNotEvents)
		}
		return events, nil
	}
}

// valueEnd is where the comma or bracket stands that ends the value that b begins with; len(b) where there is none. It
// looks at strings and brackets only, and at the depth of these only as a number: whatever is between is for the scanner
// to judge.
func valueEnd(b []byte) int {
	depth := 0
	for i := 0; i < len(b); i++ {
		switch b[i] {
		case '"':
			for i++; i < len(b) && b[i] != '"'; i++ {
				if b[i] == '\\' {
					i++
				}
			}
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth < 0 {
				return i
			}
		case ',':
			if depth == 0 {
				return i
			}
		}
	}
	return len(b)
}

// trimSpace takes the white space of RFC 8259, and nothing else that others call white.
func trimSpace(b []byte) []byte { return bytes.Trim(b, " \t\r\n") }
