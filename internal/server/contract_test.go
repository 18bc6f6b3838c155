package server

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/auth"
	"github.com/stetlog/stet/internal/convert"
	"github.com/stetlog/stet/internal/ledger"
	"github.com/stetlog/stet/internal/store"
	"github.com/stetlog/stet/internal/wire"
	"github.com/stetlog/stet/proof"
)

// documented are all answers of the document, as "operation status code".
func (c *contract) documented() map[string]bool {
	all := map[string]bool{}
	for _, op := range c.ops {
		for status, r := range op.responses {
			for media, content := range c.resolve(r.(map[string]any))["content"].(map[string]any) {
				if media != wire.ProblemType {
					all[fmt.Sprintf("%s %s ", op.id, status)] = true
					continue
				}
				codes := content.(map[string]any)["schema"].(map[string]any)["properties"].(map[string]any)["code"].(map[string]any)["enum"].([]any)
				for _, code := range codes {
					all[fmt.Sprintf("%s %s %s", op.id, status, code)] = true
				}
			}
		}
	}
	return all
}

// Every route is in the document with its methods and the types of its body, and everything in the document is a route.
func TestContractHasTheRoutes(t *testing.T) {
	c := readContract(t)
	w := newWorld(t, nil)
	// The document names the parts of a path that the router gives to one handler.
	served := map[string][]string{"/tile/": {"/tile/{level}/{index}", "/tile/entries/{index}"}}
	var routes, described []string
	for _, rt := range w.server.ownRoutes() {
		paths := served[rt.Pattern]
		if paths == nil {
			paths = []string{rt.Pattern}
		}
		for _, p := range paths {
			routes = append(routes, fmt.Sprintf("%s %s %v", rt.Method, p, slices.Sorted(slices.Values(rt.Types))))
		}
	}
	for _, op := range c.ops {
		described = append(described, fmt.Sprintf("%s %s %v", op.method, op.path, op.types))
	}
	slices.Sort(routes)
	slices.Sort(described)
	for _, r := range routes {
		if !slices.Contains(described, r) {
			t.Errorf("%s is not in the document", r)
		}
	}
	for _, d := range described {
		if !slices.Contains(routes, d) {
			t.Errorf("%s is in the document and nowhere else", d)
		}
	}
}

// good is an event that is taken as it is.
const good = `{"event_type":"user_created"}`

// call is a request that is in order, and who may send it and who may not.
type call struct {
	method, target, media string
	body                  []byte
	may, mayNot           string // tokens; without mayNot everybody may
	missing               string // a target of the same kind that is not there
}

// calls are one for each operation.
func calls(t *testing.T, w *world) map[string]call {
	t.Helper()
	s := newSender(t, "shop")
	batch, err := wire.Append(nil, []wire.Element{s.say(1)})
	if err != nil {
		t.Fatal(err)
	}
	w.post("writer", newStream(t, s.key, "shop").say(1)) // so that there is something, and the token has its key
	stream := newStream(t, s.key, "shop")
	if got := receipts(t, w.post("writer", stream.say(2))).Results[0]; got.Status != wire.Placed {
		t.Fatalf("%+v", got)
	}
	w.job("writer", "order-1", "a-job", "", "submitted", "started")
	w.publish()
	if _, err := w.held.RotateLogKey(t.Context(), "root"); err != nil {
		t.Fatal(err)
	}
	expected := "0000000000000000"
	if w.server.keeper != nil {
		w.follow()
		w.caughtUp()
		expected = w.expects("a job", "every 1h", "10m")
	}
	return map[string]call{
		"postBatches":   {http.MethodPost, "/v1/batches", wire.BatchesType, batch, "writer", "", ""},
		"postEvents":    {http.MethodPost, "/v1/events", typeJSON, []byte(good), "writer", "auditor", ""},
		"postLogs":      {http.MethodPost, "/v1/logs", typeJSON, []byte(`{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"eventName":"user_created"},{"eventName":"job_lost"},{}]}]}]}`), "writer", "auditor", ""},
		"getEvents":     {http.MethodGet, "/v1/events?q=event:user_created&limit=3", "", nil, "auditor", "writer", ""},
		"getPolicy":     {http.MethodGet, "/v1/policy?q=event:user_created&limit=10", "", nil, "auditor", "writer", ""},
		"getCounts":     {http.MethodGet, "/v1/counts?q=event:user_created&facet=app&histogram=3", "", nil, "auditor", "writer", ""},
		"getTail":       {http.MethodGet, "/v1/tail?q=event:job_started&from=0&limit=1", "", nil, "auditor", "writer", ""},
		"getStory":      {http.MethodGet, "/v1/stories/order-1", "", nil, "auditor", "writer", "/v1/stories/none"},
		"getJob":        {http.MethodGet, "/v1/jobs/a-job", "", nil, "auditor", "writer", "/v1/jobs/none"},
		"getLineage":    {http.MethodGet, "/v1/jobs/a-job/lineage", "", nil, "auditor", "writer", "/v1/jobs/none/lineage"},
		"getGhosts":     {http.MethodGet, "/v1/ghosts?q=job:work&limit=3&open=true", "", nil, "auditor", "writer", ""},
		"getSlots":      {http.MethodGet, "/v1/expectations/" + expected + "/slots?last=3", "", nil, "auditor", "writer", "/v1/expectations/0123456789abcdef/slots"},
		"getEntry":      {http.MethodGet, "/v1/entries/1", "", nil, "auditor", "writer", "/v1/entries/999"},
		"getProof":      {http.MethodGet, "/v1/entries/1/proof", "", nil, "auditor", "writer", "/v1/entries/999/proof"},
		"getReceipt":    {http.MethodGet, "/v1/receipts/" + stream.stream.String() + "/1", "", nil, "writer", "", "/v1/receipts/" + stream.stream.String() + "/9"},
		"getCheckpoint": {http.MethodGet, "/checkpoint", "", nil, "writer", "", ""},
		"getTile":       {http.MethodGet, "/tile/0/000.p/1", "", nil, "writer", "", "/tile/0/999"},
		"getBundle":     {http.MethodGet, "/tile/entries/000.p/1", "", nil, "auditor", "writer", "/tile/entries/999"},
		"getLog":        {method: http.MethodGet, target: "/v1/log"},
		"getStatus":     {http.MethodGet, "/v1/status", "", nil, "writer", "", ""},
		"getLogKeys":    {method: http.MethodGet, target: "/logkeys"},
		"getHealth":     {method: http.MethodGet, target: "/healthz"},
		"getReady":      {method: http.MethodGet, target: "/readyz"},
		"getMetrics":    {http.MethodGet, "/metrics", "", nil, "auditor", "writer", ""},
		"getOpenAPI":    {method: http.MethodGet, target: "/openapi.yaml"},
	}
}

// hold sends a request and holds the answer against the document.
func (c *contract) hold(t *testing.T, w *world, who string, o call, change func(*http.Request)) {
	t.Helper()
	r := httptest.NewRequest(o.method, "http://127.0.0.1"+o.target, bytes.NewReader(o.body))
	if o.body == nil {
		r.Body, r.ContentLength = http.NoBody, 0
	}
	if who != "" {
		text, ok := w.tokens[who]
		if !ok {
			text = who
		}
		r.Header.Set("Authorization", "Bearer "+text)
	}
	if o.media != "" {
		r.Header.Set("Content-Type", o.media)
	}
	if change != nil {
		change(r)
	}
	rec := httptest.NewRecorder()
	w.server.Handler().ServeHTTP(rec, r)
	if err := c.check(o.method, r.URL.Path, rec.Code, rec.Header(), rec.Body.Bytes()); err != nil {
		t.Errorf("%s %s: %v\n%s", o.method, o.target, err, rec.Body)
	}
}

// brokenLog is a log that fails, in one way.
type brokenLog struct {
	Log
	err, ready error
}

func (b brokenLog) Ready() error        { return b.ready }
func (b brokenLog) Checkpoint() []byte  { panic("this log is broken") }
func (b brokenLog) State() ledger.State { panic("this log is broken") }

func (b brokenLog) Place(_ context.Context, _ proof.Via, batches []store.Sealed) []store.Placed {
	out := make([]store.Placed, len(batches))
	for i := range out {
		out[i].Err = b.err
	}
	return out
}

func (b brokenLog) Receipt(context.Context, string, uint64) (ledger.Receipt, error) {
	return ledger.Receipt{}, b.err
}

func (b brokenLog) RecordFor(context.Context, proof.Via, string, string, []*event.Event) ([]store.Recorded, error) {
	return nil, b.err
}

// brokenSource is its files.
type brokenSource struct{ Source }

func (brokenSource) Fetch(context.Context, string) ([]byte, error)      { return nil, errBroken }
func (brokenSource) Packed(context.Context, proof.Tile) ([]byte, error) { return nil, errBroken }

var errBroken = errors.New("a file that is nobody's business")

type brokenBody struct{ err error }

func (b brokenBody) Read([]byte) (int, error) { return 0, b.err }

// Every answer that the document names is given, and no other.
func TestContractIsKept(t *testing.T) {
	c := readContract(t)
	limits := Limits{}
	worlds := func(change func(*Options)) (*world, map[string]call) {
		w := newWorld(t, change)
		return w, calls(t, w)
	}
	w := newWorld(t, nil)
	c.hold(t, w, "", call{method: http.MethodGet, target: "/logkeys"}, nil)                                                                    // while its key has never changed
	for _, target := range []string{"/v1/stories/none", "/v1/jobs/none", "/v1/jobs/none/lineage", "/v1/expectations/0123456789abcdef/slots"} { // while nothing is indexed
		c.hold(t, w, "auditor", call{method: http.MethodGet, target: target}, nil)
	}
	all := calls(t, w)
	for _, op := range c.ops {
		if _, ok := all[op.id]; !ok {
			t.Errorf("%s is not tried", op.id)
		}
	}
	for name, expires := range map[string]time.Duration{"expired": time.Nanosecond, "revoked": 0} {
		var err error
		if w.tokens[name], _, err = w.auth.Create(auth.Spec{Name: name, Role: auth.Auditor, Expires: expires}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.auth.Revoke("revoked"); err != nil {
		t.Fatal(err)
	}
	few := w.server.logins
	w.server.logins = newQuotas(Limits{}.orDefaults(), time.Now)
	for id, o := range all {
		c.hold(t, w, o.may, o, nil)
		if o.mayNot != "" {
			c.hold(t, w, o.mayNot, o, nil)
		}
		if o.missing != "" {
			m := o
			m.target = o.missing
			c.hold(t, w, o.may, m, nil)
		}
		if o.may != "" {
			c.hold(t, w, "", o, nil)
		}
		for _, who := range []string{"nonsense", "expired", "revoked"} {
			c.hold(t, w, who, o, nil)
		}
		wrong := o
		wrong.body = []byte("nonsense")
		if id == "postEvents" {
			wrong.body = []byte("[")
			none := o
			none.body = []byte("{}")
			c.hold(t, w, o.may, none, nil)
			ce := o
			for _, typ := range []string{"user.created", "order.placed", "job.lost"} {
				ce.media, ce.body = convert.CloudEventsMedia, []byte(`{"specversion":"1.0","id":"1","source":"/x","type":"com.example.`+typ+`"}`)
				c.hold(t, w, o.may, ce, nil)
				ce.media, ce.body = convert.CloudEventsBatchMedia, append(append([]byte{'['}, ce.body...), ']')
				c.hold(t, w, o.may, ce, nil)
			}
		}
		if id == "postLogs" {
			pb := o
			pb.media, pb.body = typeProtobuf, []byte("\x0a\x06\x12\x04\x12\x02\x62\x00")
			c.hold(t, w, o.may, pb, nil)
			pb.body = []byte("nonsense")
			c.hold(t, w, o.may, pb, nil)
		}
		c.hold(t, w, o.may, wrong, nil)
		if o.method == http.MethodPost {
			c.hold(t, w, o.may, o, func(r *http.Request) { r.Header.Set("Content-Type", "text/plain") })
			c.hold(t, w, o.may, o, func(r *http.Request) { r.Header.Set("Content-Encoding", "br") })
			c.hold(t, w, o.may, o, func(r *http.Request) { r.ContentLength = 1 << 40 })
			c.hold(t, w, o.may, o, func(r *http.Request) { r.Body = io.NopCloser(brokenBody{os.ErrDeadlineExceeded}) })
			c.hold(t, w, o.may, o, func(r *http.Request) { r.Body = io.NopCloser(brokenBody{io.ErrUnexpectedEOF}) })
		}
		if id == "getProof" {
			c.hold(t, w, o.may, o, func(r *http.Request) { r.Header.Set("Accept", "application/json") })
		}
	}
	// Too many failed logins from one address.
	w.server.logins = few
	for range 40 {
		for _, o := range all {
			c.hold(t, w, "nonsense", o, nil)
		}
	}
	// The server has too much to do.
	for range cap(w.server.working) {
		w.server.working <- struct{}{}
	}
	for range cap(w.server.listening) {
		w.server.listening <- struct{}{}
	}
	for _, o := range all {
		c.hold(t, w, o.may, o, nil)
	}
	for range cap(w.server.working) {
		<-w.server.working
	}
	for range cap(w.server.listening) {
		<-w.server.listening
	}
	// It is ending.
	w.server.draining.Store(true)
	for _, o := range all {
		c.hold(t, w, o.may, o, nil)
	}
	// One that is open to its own machine, and is called by another name.
	w, all = worlds(func(o *Options) { o.Open = true })
	for _, o := range all {
		c.hold(t, w, "", o, func(r *http.Request) { r.Host = "evil.example" })
	}
	// A quota that is used up.
	limits.RequestRate, limits.RequestBurst = 1e-9, 20
	w, all = worlds(func(o *Options) { o.Limits = limits })
	for range 3 {
		for _, o := range all {
			for range 10 {
				c.hold(t, w, o.may, o, nil)
			}
		}
	}
	// One that keeps no index, and one that gives up at once.
	w, all = worlds(func(o *Options) { o.Index = nil })
	for _, o := range all {
		c.hold(t, w, o.may, o, nil)
	}
	w, all = worlds(func(o *Options) { o.Limits = Limits{QueryTime: 1} })
	for _, o := range all {
		c.hold(t, w, o.may, o, nil)
	}
	for _, op := range c.ops { // a query that is none, where there is one
		if o := all[op.id]; strings.Contains(o.target, "?q=") {
			o.target = strings.Replace(o.target, "?q=", "?q=nonsense:", 1)
			c.hold(t, w, o.may, o, nil)
		}
		if o := all[op.id]; o.method == http.MethodGet && slices.Contains(op.tags, any("finding")) {
			o.target, _, _ = strings.Cut(o.target, "?")
			o.target += "?nonsense=1"
			c.hold(t, w, o.may, o, nil)
		}
	}
	c.broken(t)
	for answer := range c.documented() {
		if !c.seen[answer] {
			t.Errorf("documented, and never seen: %s", answer)
		}
	}
}

// broken is what a log that fails lets be said.
func (c *contract) broken(t *testing.T) {
	t.Helper()
	w := newWorld(t, nil)
	all := calls(t, w)
	for _, b := range []brokenLog{{err: errBroken}, {err: ledger.ErrFailed}, {ready: store.ErrFull}} {
		b.Log = w.held
		w.server.log, w.server.door = b, w.server.newDoor(b)
		for _, o := range all {
			c.hold(t, w, o.may, o, nil)
		}
	}
	w.server.log, w.server.door, w.server.source = w.held, w.server.newDoor(w.held), brokenSource{w.server.source}
	for _, o := range all {
		c.hold(t, w, o.may, o, nil)
	}
}

// A HEAD is answered as a GET, without the body.
func TestContractOfHead(t *testing.T) {
	c := readContract(t)
	w := newWorld(t, nil)
	for id, o := range calls(t, w) {
		if o.method != http.MethodGet {
			continue
		}
		got := w.do(o.may, http.MethodHead, o.target, nil)
		if err := c.check(http.MethodHead, strings.SplitN(o.target, "?", 2)[0], got.status, got.header, nil); err != nil || got.status != http.StatusOK {
			t.Errorf("%s: status %d, %v", id, got.status, err)
		}
	}
}
