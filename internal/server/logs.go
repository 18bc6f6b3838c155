package server

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/auth"
	"github.com/stetlog/stet/internal/convert"
	"github.com/stetlog/stet/internal/intake"
	"github.com/stetlog/stet/internal/wire"
)

// typeProtobuf is the media type of OTLP in protobuf.
const typeProtobuf = "application/x-protobuf"

// postLogs takes log records as OTLP/HTTP has them (opentelemetry.io/docs/specs/otlp). Those that are events of the catalogue are
// recorded and durable (L1) when it answers. Who sends OTLP does not send again what the answer says was rejected, so that is kept in
// quarantine; what may pass is refused as a whole, with a status that OTLP sends again: each record is known when it comes again.
func (s *Server) postLogs(w http.ResponseWriter, r *http.Request, c *Call) error {
	if err := c.may(auth.Append, auth.Subject{App: c.App, Environment: c.Environment}); err != nil {
		return err
	}
	done, err := s.convert(r.Context())
	if err != nil {
		return err
	}
	defer done()
	read := convert.ReadOTLPProto
	if c.Type == typeJSON {
		read = convert.ReadOTLPJSON
	}
	elements, err := read(c.Body)
	if errors.Is(err, event.ErrItems) {
		return Refuse(wire.TooLarge, "the body "+err.Error())
	}
	if err != nil {
		return Refuse(wire.Malformed, "the body "+err.Error())
	}
	verdicts, err := s.takeRecords(r.Context(), c, intake.Source{Kind: intake.OTLP, Map: convert.OTLPMap(), Retries: true}, otlpRecords(elements))
	if err != nil {
		return err
	}
	codes := map[string]int{}
	rejected := 0
	for _, v := range verdicts {
		if v.Status == intake.Refused {
			rejected++
			codes[v.Code]++
		}
	}
	message := ""
	if rejected > 0 {
		var why []string
		for _, code := range slices.Sorted(maps.Keys(codes)) {
			why = append(why, fmt.Sprintf("%s %d", code, codes[code]))
		}
		message = fmt.Sprintf("%d of %d log records were refused (%s) and put into the server's quarantine", rejected, len(verdicts), strings.Join(why, ", "))
	}
	w.Header().Set("Content-Type", c.Type)
	w.Header().Set("Cache-Control", cacheNever)
	_, err = w.Write(exportResponse(c.Type, rejected, message))
	return err
}

// convert waits for a place to take foreign records apart in, of which there are few: they cost more memory than their body. done must be called.
func (s *Server) convert(ctx context.Context) (done func(), err error) {
	select {
	case s.apart <- struct{}{}:
		return func() { <-s.apart }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// convertsAtOnce is how many requests with foreign records are taken apart at once.
func convertsAtOnce() int { return runtime.GOMAXPROCS(0) + 1 }

// takeRecords has the door take foreign records, and counts.
func (s *Server) takeRecords(ctx context.Context, c *Call, src intake.Source, records []intake.Record) ([]intake.Verdict, error) {
	began := time.Now()
	verdicts, err := s.door.TakeRecords(ctx, s.sender(c), src, records)
	var later *wire.Problem
	if errors.As(err, &later) {
		return nil, Refuse(later.Code, later.Detail)
	}
	if err != nil {
		return nil, s.stopped(err)
	}
	s.metrics.acked.WithLabelValues(levelDurable).Observe(time.Since(began).Seconds())
	for _, v := range verdicts {
		if v.Status == intake.Refused {
			s.metrics.refused.WithLabelValues(v.Code).Inc()
		}
	}
	return verdicts, nil
}

// otlpRecords gives each record the name under which it would come again: its log.record.uid, else its digest, and which of those that
// say the same in one request it is. A record without any time of its own has none: two that say the same may be two.
func otlpRecords(elements []convert.Element) []intake.Record {
	records := make([]intake.Record, len(elements))
	same := map[[sha256.Size]byte]int{}
	for i, e := range elements {
		r := intake.Record{Fields: e.Record, Err: e.Err}
		body, _ := e.Leaf("body")
		if strings.HasPrefix(body.Text, nativeEvent) {
			r.Native = []byte(body.Text)
		}
		if uid, ok := e.Leaf("attributes.log.record.uid"); ok && !uid.Void() {
			r.ID = "uid " + uid.Text
		} else if timed(&e.Record) {
			sum := sha256.Sum256(e.Append(nil))
			r.ID = "sha256 " + hex.EncodeToString(sum[:]) + " " + strconv.Itoa(same[sum])
			same[sum]++
		}
		records[i] = r
	}
	return records
}

// nativeEvent begins an event of ours in JSON, as its own encoder writes it.
const nativeEvent = `{"schema":"stet.event/`

func timed(r *convert.Record) bool {
	for _, key := range []string{"timeUnixNano", "observedTimeUnixNano"} {
		if l, ok := r.Leaf(key); ok && !l.Void() && l.Text != "0" {
			return true
		}
	}
	return false
}

// exportResponse is an ExportLogsServiceResponse, whose package would bring gRPC with it.
func exportResponse(media string, rejected int, message string) []byte {
	if media == typeJSON {
		if rejected == 0 {
			return []byte("{}")
		}
		b, err := json.Marshal(map[string]any{"partialSuccess": map[string]string{"rejectedLogRecords": strconv.Itoa(rejected), "errorMessage": message}})
		if err != nil { // texts always marshal
			panic(err)
		}
		return b
	}
	if rejected == 0 {
		return nil
	}
	const partialSuccess, rejectedLogRecords, errorMessage = 1, 1, 2
	partial := protowire.AppendVarint(protowire.AppendTag(nil, rejectedLogRecords, protowire.VarintType), uint64(rejected))
	partial = protowire.AppendString(protowire.AppendTag(partial, errorMessage, protowire.BytesType), message)
	return protowire.AppendBytes(protowire.AppendTag(nil, partialSuccess, protowire.BytesType), partial)
}

// otlpRefused writes a refusal as OTLP/HTTP wants it: a google.rpc.Status in the request's encoding. What may pass is 429 or 503, because
// nothing else is sent again.
func otlpRefused(w http.ResponseWriter, r *http.Request, p wire.Problem) {
	status := p.Status
	if m, ok := wire.Lookup(p.Code); ok && m.Later && status != http.StatusTooManyRequests {
		status = http.StatusServiceUnavailable
	}
	text := string(p.Code) + ": " + cmp.Or(p.Detail, p.Title)
	if p.Hint != "" {
		text += "; " + p.Hint
	}
	media, body := rpcStatus(r.Header.Get("Content-Type"), rpcCode(status), text)
	w.Header().Set("Content-Type", media)
	w.WriteHeader(status)
	_, _ = w.Write(body) // whoever is not there any more needs no answer
}

// rpcStatus is a google.rpc.Status in the encoding of a request, or in JSON.
func rpcStatus(of string, code int, text string) (media string, body []byte) {
	if strings.HasPrefix(of, typeProtobuf) {
		const fieldCode, fieldMessage = 1, 2
		body = protowire.AppendVarint(protowire.AppendTag(nil, fieldCode, protowire.VarintType), uint64(code))
		return typeProtobuf, protowire.AppendString(protowire.AppendTag(body, fieldMessage, protowire.BytesType), text)
	}
	body, err := json.Marshal(struct {
		Code    int    `json:"code"`
		Message string `json:"message"`
	}{code, text})
	if err != nil { // a number and a text always marshal
		panic(err)
	}
	return typeJSON, body
}

// rpcCode is google.rpc.Code for a status of HTTP.
func rpcCode(status int) int {
	switch status {
	case http.StatusUnauthorized:
		return 16 // UNAUTHENTICATED
	case http.StatusForbidden:
		return 7 // PERMISSION_DENIED
	case http.StatusTooManyRequests:
		return 8 // RESOURCE_EXHAUSTED
	case http.StatusServiceUnavailable:
		return 14 // UNAVAILABLE
	}
	return 3 // INVALID_ARGUMENT
}
