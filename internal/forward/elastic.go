package forward

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/stetlog/stet/internal/webhook"
)

// NewElastic creates documents through Elasticsearch's or OpenSearch's _bulk. The address ends with the index or data stream; rows must be JSON objects. A
// document's id is made of seq and entry hash, so that one that is there already is not made again. The answer is looked at
// for each.
func NewElastic(o HTTPOptions) Destination {
	header := map[string]string{"Content-Type": "application/x-ndjson"}
	authorize(header, "ApiKey", o.Secret)
	return &web{client: o.Client, url: strings.TrimSuffix(o.URL, "/") + "/_bulk?filter_path=errors,items.*.status,items.*.error.type", judge: judgeBulk,
		request: func(rows []Row) (map[string]string, []byte) {
			var b []byte
			for _, r := range rows {
				b = fmt.Appendf(b, `{"create":{"_id":"%d-%s"}}`+"\n", r.Seq, r.Hash.Hex()[:16])
				b = append(append(b, r.Data...), '\n')
			}
			return header, b
		}}
}

// bulkAnswer is that of _bulk, as far as filter_path asks for it.
type bulkAnswer struct {
	Errors *bool                 `json:"errors"`
	Items  []map[string]bulkItem `json:"items"`
}

type bulkItem struct {
	Status int `json:"status"`
	Error  struct {
		Type string `json:"type"` // its reason may quote the document
	} `json:"error"`
}

func judgeBulk(_ context.Context, a webhook.Answer, rows []Row) (r Result, ok bool) {
	if !a.OK() {
		return r, false
	}
	var b bulkAnswer
	if json.Unmarshal(a.Body, &b) != nil || b.Errors == nil || len(b.Items) != len(rows) {
		return unclear(rows, a), true
	}
	for i, row := range rows {
		item := b.Items[i]["create"]
		switch s := item.Status; {
		case s >= 200 && s <= 299, s == http.StatusConflict: // made, or there already
		case s == http.StatusTooManyRequests, s >= 500, s == 0:
			r.Left = append(r.Left, row)
			r.Err, r.Wait = fmt.Errorf("status %d (%s) for %d of %d rows", s, said(item.Error.Type), len(r.Left), len(rows)), a.Wait
		default:
			r.Refused = append(r.Refused, Refusal{row.Seq, row.Seq, 1, said(fmt.Sprintf("status %d (%s)", s, item.Error.Type))})
		}
	}
	return r, true
}

// authorize adds a secret to a header: one with a space in it is the whole value of Authorization, any other stands behind a scheme.
func authorize(header map[string]string, scheme, secret string) {
	switch {
	case secret == "":
	case strings.Contains(secret, " "):
		header["Authorization"] = secret
	default:
		header["Authorization"] = scheme + " " + secret
	}
}
