package server

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/stetlog/stet/internal/convert"
	"github.com/stetlog/stet/internal/intake"
	"github.com/stetlog/stet/internal/wire"
)

// ceHeader begins the headers of a CloudEvent in binary mode, as net/http writes them.
const ceHeader = "Ce-"

// binaryCloudEvent says whether a request is a CloudEvent in binary mode: then its body is data of whatever media type.
func binaryCloudEvent(h http.Header) bool {
	if strings.HasPrefix(strings.ToLower(h.Get("Content-Type")), "application/cloudevents") {
		return false // another mode, or a format that is not known here
	}
	for name := range h {
		if strings.HasPrefix(name, ceHeader) {
			return true
		}
	}
	return false
}

// isCloudEvents says whether a request brings CloudEvents, in one of the three modes of the HTTP binding (1.0.2).
func isCloudEvents(r *http.Request, c *Call) bool {
	return c.Type == convert.CloudEventsMedia || c.Type == convert.CloudEventsBatchMedia || binaryCloudEvent(r.Header)
}

// takeCloudEvents takes those of a request.
func (s *Server) takeCloudEvents(r *http.Request, c *Call) ([]intake.Verdict, error) {
	done, err := s.convert(r.Context())
	if err != nil {
		return nil, err
	}
	defer done()
	records, err := cloudEvents(r, c)
	if err != nil {
		return nil, err
	}
	return s.takeRecords(r.Context(), c, intake.Source{Kind: intake.CloudEvents, Map: convert.CloudEventsMap(), Retries: true}, records)
}

// cloudEvents reads them.
func cloudEvents(r *http.Request, c *Call) (records []intake.Record, err error) {
	var raws [][]byte
	switch c.Type {
	default:
		return []intake.Record{cloudEventRecord(binaryEvent(r, c))}, nil
	case convert.CloudEventsMedia:
		raws = [][]byte{c.Body}
	case convert.CloudEventsBatchMedia:
		if body := trimSpace(c.Body); len(body) == 0 || body[0] != '[' {
			return nil, Refuse(wire.Malformed, "a batch of CloudEvents is an array")
		}
		raws, err = splitEvents(typeJSON, c.Body)
		switch {
		case errors.Is(err, errManyEvents):
			return nil, Refuse(wire.TooLarge, err.Error())
		case err != nil:
			return nil, Refuse(wire.Malformed, err.Error())
		}
	}
	values := 0
	for _, raw := range raws {
		record := cloudEventRecord(convert.ReadCloudEvent(raw))
		if len(record.Fields.Leaves) == 0 {
			record.Raw = raw
		}
		if values += len(record.Fields.Leaves); values > convert.MaxValues {
			return nil, Refuse(wire.TooLarge, fmt.Sprintf("the body has more than %d values", convert.MaxValues))
		}
		records = append(records, record)
	}
	return records, nil
}

func binaryEvent(r *http.Request, c *Call) convert.CloudEvent {
	var headers []convert.Header
	for name, values := range r.Header {
		if attribute, ok := strings.CutPrefix(name, ceHeader); ok {
			for _, v := range values {
				headers = append(headers, convert.Header{Name: attribute, Value: v})
			}
		}
	}
	slices.SortFunc(headers, func(a, b convert.Header) int { return strings.Compare(a.Name, b.Name) })
	return convert.ReadBinaryCloudEvent(headers, r.Header.Get("Content-Type"), c.Body)
}

func cloudEventRecord(e convert.CloudEvent) intake.Record {
	return intake.Record{Fields: e.Record, Native: e.Native, ID: e.ID, Err: e.Err}
}
