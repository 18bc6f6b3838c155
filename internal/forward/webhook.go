package forward

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/webhook"
)

// NewWebhook posts rows as messages that are signed after Standard Webhooks 1.0.0, as alerts are. Rows must be JSON; the secret is
// whsec_ and base64. The same rows have the same id and body each time that they are sent.
func NewWebhook(o HTTPOptions) (Destination, error) {
	secret, err := webhook.ParseSecret(o.Secret)
	if err != nil {
		return nil, err
	}
	return &web{client: o.Client, url: o.URL, request: func(rows []Row) (map[string]string, []byte) {
		m := webhook.Message{Secret: secret, ID: messageID(rows), Body: messageBody(rows)}
		return m.Header(time.Now()), m.Body
	}}, nil
}

// messageID is the same for the same rows, and another for others.
func messageID(rows []Row) string {
	first, last := rows[0], rows[len(rows)-1]
	sum := sha256.Sum256(fmt.Appendf(nil, "stet/forward/v1\n%d %s\n%d %s\n%d", first.Seq, first.Hash.Hex(), last.Seq, last.Hash.Hex(), len(rows)))
	return "msg_" + hex.EncodeToString(sum[:16])
}

func messageBody(rows []Row) []byte {
	first, last := rows[0], rows[len(rows)-1]
	b := fmt.Appendf(nil, `{"type":"log.entries","timestamp":%q,"data":{"first":%d,"last":%d,"rows":[`, event.FormatTime(last.Received), first.Seq, last.Seq)
	return append(appendRows(b, rows), "]}}"...)
}

// appendRows appends rows of JSON with commas between them.
func appendRows(b []byte, rows []Row) []byte {
	for i, r := range rows {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, r.Data...)
	}
	return b
}
