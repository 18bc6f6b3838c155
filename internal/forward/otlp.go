package forward

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"strconv"

	"github.com/stetlog/stet/internal/webhook"
)

// NewOTLP sends rows, which must be requests of OTLP in JSON, to an OTLP/HTTP receiver. Its path stands as it is given, such as /v1/logs. What
// a receiver has refused of a request, it says with a number only; the specification has it that these are not sent again.
func NewOTLP(o HTTPOptions) Destination {
	header := map[string]string{"Content-Type": "application/json"}
	authorize(header, "Bearer", o.Secret)
	return &web{client: o.Client, url: o.URL, judge: judgeOTLP,
		request: func(rows []Row) (map[string]string, []byte) { return header, otlpBody(rows) }}
}

// What stands around the resources of a request.
const (
	otlpHead = `{"resourceLogs":[`
	otlpTail = `]}`
)

// otlpBody makes one request of several.
func otlpBody(rows []Row) []byte {
	b := []byte(otlpHead)
	for i, r := range rows {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, bytes.TrimSuffix(bytes.TrimPrefix(r.Data, []byte(otlpHead)), []byte(otlpTail))...)
	}
	return append(b, otlpTail...)
}

// otlpAnswer is ExportLogsServiceResponse. A number of 64 bits is a string in JSON, and a number of some.
type otlpAnswer struct {
	Partial *struct {
		Rejected json.RawMessage `json:"rejectedLogRecords"`
		Message  string          `json:"errorMessage"`
	} `json:"partialSuccess"`
}

func judgeOTLP(_ context.Context, a webhook.Answer, rows []Row) (r Result, ok bool) {
	if a.Status != http.StatusOK {
		return r, false
	}
	var o otlpAnswer
	if len(bytes.TrimSpace(a.Body)) > 0 && json.Unmarshal(a.Body, &o) != nil {
		return unclear(rows, a), true
	}
	if o.Partial == nil || len(o.Partial.Rejected) == 0 {
		return r, true
	}
	n, err := strconv.ParseInt(string(bytes.Trim(o.Partial.Rejected, `"`)), 10, 64)
	switch {
	case err != nil || n < 0 || n > int64(len(rows)):
		return unclear(rows, a), true
	case n > 0:
		r.Refused = []Refusal{{rows[0].Seq, rows[len(rows)-1].Seq, int(n), said(o.Partial.Message)}}
	}
	return r, true
}
