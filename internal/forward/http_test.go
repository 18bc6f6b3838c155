package forward

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/stetlog/stet/internal/webhook"
	"github.com/stetlog/stet/proof"
)

// request is one that a server of these tests got.
type request struct {
	path   string
	header http.Header
	body   []byte
}

// site is a server that answers as a test says, and keeps what it was sent.
type site struct {
	*httptest.Server
	mu  sync.Mutex
	all []request
}

func newSite(t *testing.T, answer func(w http.ResponseWriter, n int, r request)) *site {
	t.Helper()
	s := &site{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || r.Method != http.MethodPost {
			t.Errorf("%s: %v", r.Method, err)
		}
		got := request{r.URL.String(), r.Header, body}
		s.mu.Lock()
		s.all = append(s.all, got)
		n := len(s.all)
		s.mu.Unlock()
		answer(w, n, got)
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *site) requests() []request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.all)
}

func (s *site) options(path, secret string) HTTPOptions {
	return HTTPOptions{URL: s.URL + path, Secret: secret, Client: webhook.NewClient(webhook.Options{Private: true, Keep: true})}
}

// jsonRows are rows of JSON, from seq 10 on.
func jsonRows(n int) (rows []Row) {
	for i := range n {
		seq := uint64(10 + i)
		rows = append(rows, Row{Seq: seq, Hash: proof.LeafHash([]byte{byte(i)}), Received: time.UnixMilli(1_700_000_000_123), Data: fmt.Appendf(nil, `{"seq":%d}`, seq)})
	}
	return rows
}

// seqs are those of rows that are left, and of those that are refused.
func seqs(r Result) (left, refused []uint64) {
	for _, row := range r.Left {
		left = append(left, row.Seq)
	}
	for _, x := range r.Refused {
		refused = append(refused, x.First)
	}
	return left, refused
}

const hookSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

// A webhook's message has the same id and body whenever the same rows are sent, and a signature that its receiver can check.
func TestWebhook(t *testing.T) {
	secret, err := webhook.ParseSecret(hookSecret)
	if err != nil {
		t.Fatal(err)
	}
	s := newSite(t, func(w http.ResponseWriter, n int, r request) {
		at, err := strconv.ParseInt(r.header.Get(webhook.HeaderTimestamp), 10, 64)
		if err != nil || webhook.Sign(secret, r.header.Get(webhook.HeaderID), time.Unix(at, 0), r.body) != r.header.Get(webhook.HeaderSignature) {
			t.Errorf("the signature is not of this message: %v", r.header)
		}
		if n == 1 {
			w.Header().Set("Retry-After", "7")
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	d, err := NewWebhook(s.options("/hook", hookSecret))
	if err != nil {
		t.Fatal(err)
	}
	rows := jsonRows(3)
	if r := d.Send(t.Context(), rows); len(r.Left) != 3 || r.Wait != 7*time.Second || r.Err == nil || r.Err.Error() != "HTTP 503" {
		t.Errorf("%+v", r)
	}
	if r := d.Send(t.Context(), rows); len(r.Left) != 0 || r.Err != nil {
		t.Errorf("%+v", r)
	}
	if r := d.Send(t.Context(), rows[:2]); len(r.Left) != 0 {
		t.Errorf("%+v", r)
	}
	all := s.requests()
	const want = `{"type":"log.entries","timestamp":"2023-11-14T22:13:20.123000000Z","data":{"first":10,"last":12,"rows":[{"seq":10},{"seq":11},{"seq":12}]}}`
	if string(all[0].body) != want {
		t.Errorf("%s", all[0].body)
	}
	id := func(i int) string { return all[i].header.Get(webhook.HeaderID) }
	if !bytes.Equal(all[1].body, all[0].body) || id(0) != id(1) || id(2) == id(0) || !strings.HasPrefix(id(0), "msg_") {
		t.Errorf("ids %s, %s, %s", id(0), id(1), id(2))
	}
	if _, err := NewWebhook(s.options("/hook", "hidden")); err == nil || strings.Contains(err.Error(), "hidden") {
		t.Errorf("a secret that is none: %v", err)
	}
}

// A request that is refused as it is, is halved until it is known which row it is; what stands before that is taken, and what
// stands behind it is not sent before somebody has decided.
func TestRefusedRequestsAreHalved(t *testing.T) {
	for _, status := range []int{400, 413, 422} {
		taken := []string{}
		s := newSite(t, func(w http.ResponseWriter, _ int, r request) {
			if bytes.Contains(r.body, []byte(`{"seq":17}`)) {
				w.WriteHeader(status)
				return
			}
			for i := range 20 {
				if row := fmt.Sprintf(`{"seq":%d}`, 10+i); bytes.Contains(r.body, []byte(row)) {
					taken = append(taken, row)
				}
			}
		})
		d, err := NewWebhook(s.options("/", hookSecret))
		if err != nil {
			t.Fatal(err)
		}
		r := d.Send(t.Context(), jsonRows(20))
		left, refused := seqs(r)
		if !slices.Equal(refused, []uint64{17}) || r.Err != nil || r.Refused[0].Why != fmt.Sprint("HTTP ", status) || r.Refused[0].Rows != 1 {
			t.Errorf("%d: %+v", status, r)
		}
		if len(taken) != 7 || len(left) != 12 || left[0] != 18 || left[11] != 29 {
			t.Errorf("%d: taken %v, left %v", status, taken, left)
		}
	}
}

// What a server answers that says nothing of rows leaves all of them, and does not tell more of its address than its host.
func TestAnswersAboutNoRow(t *testing.T) {
	status := 0
	s := newSite(t, func(w http.ResponseWriter, _ int, _ request) {
		if status == http.StatusFound {
			w.Header().Set("Location", "/elsewhere")
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, "<html>\x1b[31m not what you think")
	})
	webhooks, err := NewWebhook(s.options("/hidden", hookSecret))
	if err != nil {
		t.Fatal(err)
	}
	for name, d := range map[string]Destination{"webhook": webhooks, "elastic": NewElastic(s.options("/hidden", "")), "splunk": NewSplunk(s.options("/hidden", ""), "c"), "otlp": NewOTLP(s.options("/hidden", ""))} {
		for _, status = range []int{302, 401, 403, 404, 408, 429, 500, 502, 503, 504, 200} {
			if status == 200 && name == "webhook" {
				continue
			}
			r := d.Send(t.Context(), jsonRows(3))
			if left, refused := seqs(r); len(left) != 3 || len(refused) != 0 || r.Err == nil || final(r.Err) || strings.Contains(r.Err.Error(), "hidden") || strings.ContainsRune(r.Err.Error(), 0x1b) {
				t.Errorf("%s, %d: %+v", name, status, r)
			}
		}
		status = 410
		if r := d.Send(t.Context(), jsonRows(1)); !final(r.Err) {
			t.Errorf("%s: gone: %+v", name, r)
		}
	}
	s.Close()
	if r := webhooks.Send(t.Context(), jsonRows(2)); len(r.Left) != 2 || r.Err == nil || strings.Contains(r.Err.Error(), "hidden") {
		t.Errorf("nobody is there: %+v", r)
	}
}

// Each item of a _bulk answer is looked at: what is there already is not made again, what had no room is left, what cannot be a document is
// refused.
func TestElasticLooksAtEachItem(t *testing.T) {
	docs := map[string]string{}
	s := newSite(t, func(w http.ResponseWriter, n int, r request) {
		if r.path != "/audit/_bulk?filter_path=errors,items.*.status,items.*.error.type" || r.header.Get("Content-Type") != "application/x-ndjson" || r.header.Get("Authorization") != "ApiKey abc" {
			t.Errorf("%s, %v", r.path, r.header)
		}
		var items []string
		failed := false
		for in := bufio.NewScanner(bytes.NewReader(r.body)); in.Scan(); {
			var action struct {
				Create struct {
					ID string `json:"_id"`
				} `json:"create"`
			}
			if err := json.Unmarshal(in.Bytes(), &action); err != nil || action.Create.ID == "" || !in.Scan() || !json.Valid(in.Bytes()) {
				t.Fatalf("%s: %v", in.Bytes(), err)
			}
			id := action.Create.ID
			seq, _, _ := strings.Cut(id, "-")
			status, typ := 201, ""
			switch {
			case seq == "13":
				status, typ = 400, "document_parsing_exception"
			case docs[id] != "":
				status, typ = 409, "version_conflict_engine_exception"
			case seq == "11" && n == 1:
				status, typ = 429, "es_rejected_execution_exception"
			case seq == "14" && n <= 2:
				status, typ = 503, "unavailable_shards_exception"
			default:
				docs[id] = in.Text()
			}
			if typ == "" {
				items = append(items, fmt.Sprintf(`{"create":{"status":%d}}`, status))
			} else {
				failed = true
				items = append(items, fmt.Sprintf(`{"create":{"status":%d,"error":{"type":%q}}}`, status, typ))
			}
		}
		_, _ = fmt.Fprintf(w, `{"errors":%v,"items":[%s]}`, failed, strings.Join(items, ","))
	})
	d := NewElastic(s.options("/audit", "abc"))
	rows := jsonRows(6)
	r := d.Send(t.Context(), rows)
	if left, refused := seqs(r); !slices.Equal(left, []uint64{11, 14}) || !slices.Equal(refused, []uint64{13}) || r.Err == nil || r.Refused[0].Why != "status 400 (document_parsing_exception)" {
		t.Errorf("%+v", r)
	}
	r = d.Send(t.Context(), r.Left)
	if left, _ := seqs(r); !slices.Equal(left, []uint64{14}) {
		t.Errorf("%+v", r)
	}
	r = d.Send(t.Context(), slices.Delete(slices.Clone(rows), 3, 4)) // by one who has died, and begins anew
	if left, refused := seqs(r); len(left) != 0 || len(refused) != 0 || r.Err != nil {
		t.Errorf("%+v", r)
	}
	if len(docs) != 5 || docs["14-"+rows[4].Hash.Hex()[:16]] != `{"seq":14}` {
		t.Errorf("%v", docs)
	}
}

func TestBulkAnswers(t *testing.T) {
	rows := jsonRows(2)
	for body, want := range map[string]int{ // rows that are left
		`{"errors":false,"items":[{"create":{"status":201}},{"create":{"status":201}}]}`: 0,
		`{"errors":false,"items":[{"create":{"status":201}}]}`:                           2,
		`{"errors":false}`: 2,
		`{"items":[{"create":{"status":201}},{"create":{"status":201}}]}`:               2,
		`{"errors":false,"items":[{"index":{"status":201}},{"create":{"status":201}}]}`: 1,
		``:     2,
		`[]`:   2,
		`null`: 2,
	} {
		r, ok := judgeBulk(t.Context(), webhook.Answer{Status: 200, Body: []byte(body)}, rows)
		if !ok || len(r.Left) != want || (r.Err == nil) != (want == 0) {
			t.Errorf("%s: %+v", body, r)
		}
	}
}

// A collector's acknowledgement is waited for where it gives one; a busy one is tried again, and an event that it names is refused.
func TestSplunk(t *testing.T) {
	var acks, events int
	answers := []string{ // to events, one after the other
		`503 {"text":"Server is busy","code":9}`,
		`200 {"text":"Success","code":0}`,
		`200 {"text":"Success","code":0,"ackId":5}`,
		`400 {"text":"Invalid data format","code":6,"invalid-event-number":1}`,
		`400 {"text":"Incorrect index","code":7}`,
		`200 {"text":"Success","code":0,"ackId":0}`,
	}
	s := newSite(t, func(w http.ResponseWriter, _ int, r request) {
		if r.header.Get("Authorization") != "Splunk abc" || r.header.Get("X-Splunk-Request-Channel") != "chan" {
			t.Errorf("%v", r.header)
		}
		if strings.HasPrefix(r.path, hecAcks) {
			if r.path != hecAcks+"?channel=chan" || string(r.body) != `{"acks":[5]}` && string(r.body) != `{"acks":[0]}` {
				t.Errorf("%s %s", r.path, r.body)
			}
			acks++
			_, _ = fmt.Fprintf(w, `{"acks":{"5":%v,"0":false}}`, acks == 3)
			return
		}
		status, body, _ := strings.Cut(answers[min(events, len(answers)-1)], " ")
		events++
		n, err := strconv.Atoi(status)
		if err != nil {
			t.Error(err)
		}
		w.WriteHeader(n)
		_, _ = io.WriteString(w, body)
	})
	d := newSplunk(s.options("/services/collector/event", "abc"), "chan", time.Millisecond, time.Minute)
	rows := jsonRows(3)
	for i, want := range []struct{ left, refused []uint64 }{
		{left: []uint64{10, 11, 12}},
		{},
		{},
		{left: []uint64{10, 12}, refused: []uint64{11}},
	} {
		left, refused := seqs(d.Send(t.Context(), rows))
		if !cmp.Equal(left, want.left, cmpopts.EquateEmpty()) || !cmp.Equal(refused, want.refused, cmpopts.EquateEmpty()) {
			t.Errorf("answer %d: left %v, refused %v", i, left, refused)
		}
	}
	if acks != 3 {
		t.Errorf("%d questions for the acknowledgement", acks)
	}
	if _, refused := seqs(d.Send(t.Context(), rows[:1])); !slices.Equal(refused, []uint64{10}) { // it names none
		t.Errorf("refused %v", refused)
	}
	d = newSplunk(s.options("", "abc"), "chan", time.Millisecond, 50*time.Millisecond)
	if r := d.Send(t.Context(), rows); len(r.Left) != 3 || r.Err == nil || !strings.Contains(r.Err.Error(), "has not said for 50ms that it has indexed") {
		t.Errorf("never acknowledged: %+v", r)
	}
	const want = `{"time":1700000000.123,"source":"stet","fields":{"stet_seq":"10","stet_entry_hash":"sha256:`
	if all := s.requests(); all[0].path != hecEvents || !strings.HasPrefix(string(all[0].body), want) || !strings.HasSuffix(string(all[0].body), `","event":`[2:]+`{"seq":12}}`+"\n") {
		t.Errorf("%s %s", all[0].path, all[0].body)
	}
	text := hecBody([]Row{{Data: []byte(`<110>1 "a"`)}})
	if !strings.HasSuffix(string(text), `"event":"\u003c110\u003e1 \"a\""}`+"\n") || !json.Valid(text) {
		t.Errorf("%s", text)
	}
}

// What a receiver of OTLP refuses of a request is counted and not sent again, whatever form the number has.
func TestOTLPPartialSuccess(t *testing.T) {
	answer := ""
	s := newSite(t, func(w http.ResponseWriter, _ int, r request) {
		if r.path != "/v1/logs" || r.header.Get("Authorization") != "Basic abc" {
			t.Errorf("%s, %v", r.path, r.header)
		}
		if string(r.body) != `{"resourceLogs":[{"a":1},{"a":2}]}` {
			t.Errorf("%s", r.body)
		}
		_, _ = io.WriteString(w, answer)
	})
	d := NewOTLP(s.options("/v1/logs", "Basic abc"))
	rows := jsonRows(2)
	rows[0].Data, rows[1].Data = []byte(`{"resourceLogs":[{"a":1}]}`), []byte(`{"resourceLogs":[{"a":2}]}`)
	for text, want := range map[string]int{ // rows that are refused; −1: it is not clear
		``:                      0,
		`{}`:                    0,
		`{"partialSuccess":{}}`: 0,
		`{"partialSuccess":{"rejectedLogRecords":"0","errorMessage":"beware"}}`: 0,
		`{"partialSuccess":{"rejectedLogRecords":"1","errorMessage":"no"}}`:     1,
		`{"partialSuccess":{"rejectedLogRecords":2}}`:                           2,
		`{"partialSuccess":{"rejectedLogRecords":"3"}}`:                         -1,
		`{"partialSuccess":{"rejectedLogRecords":"-1"}}`:                        -1,
		`<html>`: -1,
	} {
		answer = text
		r := d.Send(t.Context(), rows)
		n := 0
		for _, x := range r.Refused {
			n += x.Rows
		}
		if want < 0 && (len(r.Left) != 2 || r.Err == nil) || want >= 0 && (len(r.Left) != 0 || r.Err != nil || n != want) {
			t.Errorf("%s: %+v", text, r)
		}
	}
}

// Addresses of destinations: what each means, and what may be told of it.
func TestTargets(t *testing.T) {
	for text, want := range map[string]Target{
		"file:/var/log/a.jsonl":              {ToFile, "/var/log/a.jsonl", false, "file:/var/log/a.jsonl"},
		"file:///var/log/../a":               {ToFile, "/var/a", false, "file:/var/a"},
		"syslog+tls://siem.example":          {ToSyslog, "siem.example:6514", true, "syslog+tls://siem.example:6514"},
		"syslog+tcp://[::1]:601":             {ToSyslog, "[::1]:601", false, "syslog+tcp://[::1]:601"},
		"https://a.example/hidden?key=x":     {ToWebhook, "https://a.example/hidden?key=x", true, "https://a.example/…"},
		"otlp+http://127.0.0.1:4318/v1/logs": {ToOTLP, "http://127.0.0.1:4318/v1/logs", false, "otlp+http://127.0.0.1:4318/…"},
		"elastic+https://es.example:9200/a":  {ToElastic, "https://es.example:9200/a", true, "elastic+https://es.example:9200/…"},
		"splunk+https://hec.example:8088":    {ToSplunk, "https://hec.example:8088", true, "splunk+https://hec.example:8088"},
	} {
		if got, err := ParseTarget(text); err != nil || got != want {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "/var/log/a", "file:a", "file:/a/", "file:/a\nb", "syslog://a:1", "syslog+udp://a:1", "syslog+tcp://a", "syslog+tls://a:1/x", "ftp://a/", "https://", "otlp+tls://a",
		"https://u:hidden@a/", "https://a/#hidden", "elastic+https://a", "elastic+https://a/i?hidden", "splunk+https://a/?hidden", "kafka+https://a/", "https://a/" + strings.Repeat("hidden", 400)} {
		if _, err := ParseTarget(text); !errors.Is(err, ErrTarget) || strings.Contains(err.Error(), "hidden") {
			t.Errorf("%.80q: %v", text, err)
		}
	}
	for text, private := range map[string]bool{"http://localhost/": true, "http://[::1]:1/": true, "http://10.0.0.1/": false, "https://10.0.0.1/": true, "elastic+http://es/a": false, "file:/a": true} {
		if got, err := ParseTarget(text); err != nil || got.Private() != private {
			t.Errorf("%s: %v, %v", text, got.Private(), err)
		}
	}
}
