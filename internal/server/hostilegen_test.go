package server

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"

	"github.com/klauspost/compress/zstd"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/wire"
	"github.com/stetlog/stet/proof"
)

// generator makes attacks, the same ones for the same source of chance.
type generator struct {
	w       *hostileWorld
	r       *rand.Rand
	made    map[string]int // attacks, by kind
	streams uint64         // that were made up
	hidden  []rune
	leaks   []string
	bombs   map[string][]byte
	kinds   []kind
}

// kind is a sort of attack, and how often it is made, beside the others.
type kind struct {
	name   string
	weight int
	make   func() attack
	ends   bool // see attack
}

func (w *hostileWorld) generator(r *rand.Rand) *generator {
	g := &generator{w: w, r: r, made: map[string]int{}, streams: 1000, leaks: w.makeSecrets(r)}
	for c := rune(0); c <= 0x10ffff; c++ {
		if event.Hidden(c) {
			g.hidden = append(g.hidden, c)
		}
	}
	g.kinds = []kind{
		{"bomb", 1, g.bomb, false}, {"packing", 8, g.packing, false}, {"framing", 8, g.framing, true}, {"depth", 4, g.depth, false}, {"twice", 6, g.twice, false},
		{"numbers", 8, g.numbers, false}, {"control", 24, g.control, false}, {"header control", 6, g.headerControl, false}, {"path", 20, g.path, false}, {"method", 8, g.method, false},
		{"token", 20, g.token, false}, {"watch type", 10, g.watchType, false}, {"another's application", 8, g.foreignApp, false}, {"foreign stream", 16, g.foreignStream, false},
		{"sealed wrongly", 16, g.sealedWrongly, false}, {"wire", 16, g.wire, false}, {"cross-read", 16, g.crossRead, false}, {"media type", 8, g.media, false},
		{"query", 12, g.query, false}, {"reading", 16, g.reading, false}, {"other systems", 24, g.foreign, false},
		{"other site", 4, g.otherSite, false}, {"secrets", 10, g.secrets, false}, {"mutation", 40, g.mutation, true}, {"garbage", 8, g.garbage, true},
	}
	return g
}

// next is attack number i.
func (g *generator) next(i int) attack {
	k := g.kindAt(i)
	g.made[k.name]++
	a := k.make()
	a.ends = k.ends
	a.name = fmt.Sprintf("%d, %s: %s", i, k.name, a.name)
	return a
}

func (g *generator) kindAt(i int) kind {
	total := 0
	for _, k := range g.kinds {
		total += k.weight
	}
	n := i * 97 % total // spread over the kinds evenly, since 97 shares no factor with the total
	for _, k := range g.kinds {
		if n -= k.weight; n < 0 {
			return k
		}
	}
	panic("no kind of attack")
}

func pick[T any](r *rand.Rand, of ...T) T { return of[r.IntN(len(of))] }

func gzipBomb(b []byte) []byte {
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	_, _ = z.Write(b)
	_ = z.Close()
	return out.Bytes()
}

func zstdBomb(b []byte) []byte {
	z, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	if err != nil {
		panic(err)
	}
	defer func() { _ = z.Close() }()
	return z.EncodeAll(b, nil)
}

func hit(name string, raw []byte, want []string) attack {
	return attack{name: name, raw: raw, want: want}
}

// event posts one event as the writer of billing.
func (g *generator) event(name, body string, want ...string) attack {
	return hit(name, g.w.post("/v1/events", g.w.tokens["writer"], typeJSON, []byte(body)), want)
}

func (g *generator) bomb() attack {
	if g.bombs == nil {
		zeros := make([]byte, 64<<20)
		g.bombs = map[string][]byte{"gzip": gzipBomb(zeros), "zstd": zstdBomb(zeros), "gzip in gzip": gzipBomb(gzipBomb(zeros)), "wide": zstdBomb([]byte(`[` + strings.Repeat(`{},`, 4<<20) + `{}]`))}
	}
	name := pick(g.r, "gzip", "zstd", "gzip in gzip", "wide")
	encoding := "gzip"
	if name == "zstd" || name == "wide" {
		encoding = "zstd"
	}
	target, media := "/v1/events", typeJSON
	if g.r.IntN(2) == 0 {
		target, media = "/v1/batches", wire.BatchesType
	}
	want := []string{"413 too_large"}
	if name == "gzip in gzip" { // unpacked once, it is no JSON and no batch
		want = []string{"422 syntax", "422 wrong_type", "400 malformed"}
	}
	if name == "wide" {
		want = append(want, "400 malformed") // no batches either
	}
	return hit(name, g.w.post(target, g.w.tokens["writer"], media, g.bombs[name], "Content-Encoding: "+encoding), want)
}

func (g *generator) packing() attack {
	post := func(name string, body []byte, want string, headers ...string) attack {
		return hit(name, g.w.post("/v1/events", g.w.tokens["writer"], typeJSON, body, headers...), []string{want})
	}
	packed, other := gzipBomb([]byte(good)), zstdBomb([]byte(good))
	cut := packed[:1+g.r.IntN(len(packed)-1)]
	wrong := bytes.Clone(packed)
	wrong[len(wrong)-1-g.r.IntN(8)] ^= 1 << g.r.IntN(8) // checksum and length
	switch g.r.IntN(14) {
	case 0:
		return post("not gzip", []byte(good), "400 malformed", "Content-Encoding: gzip")
	case 1:
		return post("not zstd", []byte(good), "400 malformed", "Content-Encoding: zstd")
	case 2:
		return post("gzip for zstd", packed, "400 malformed", "Content-Encoding: zstd")
	case 3:
		return post("zstd for gzip", other, "400 malformed", "Content-Encoding: gzip")
	case 4:
		return post("gzip cut", cut, "400 malformed", "Content-Encoding: gzip")
	case 5:
		return post("zstd cut", other[:1+g.r.IntN(len(other)-1)], "400 malformed", "Content-Encoding: zstd")
	case 6:
		return post("gzip and more", append(bytes.Clone(packed), "more"...), "400 malformed", "Content-Encoding: gzip")
	case 7:
		return post("a wrong checksum", wrong, "400 malformed", "Content-Encoding: gzip")
	case 8:
		return post("an unknown encoding", []byte(good), "415 unsupported_encoding", "Content-Encoding: "+pick(g.r, "br", "deflate", "compress", "aws-chunked", "x-gzip", "*", "gzip;q=1", "gzip\tzstd"))
	case 9:
		return post("two encodings", packed, "415 unsupported_encoding", pick(g.r, "Content-Encoding: gzip, gzip", "Content-Encoding: gzip\r\nContent-Encoding: gzip", "Content-Encoding: identity\r\nContent-Encoding: gzip"))
	case 10: // a window of terabytes (RFC 8878, 3.1.1.1.2), and a content size that lies
		return post("a wide window", []byte("\x28\xb5\x2f\xfd\x00\xff\x01\x00\x00"), "400 malformed", "Content-Encoding: zstd")
	case 11:
		return post("a size that lies", append([]byte("\x28\xb5\x2f\xfd\xe0\xff\xff\xff\xff\xff\xff\xff\x7f"), 1, 0, 0), "400 malformed", "Content-Encoding: zstd")
	case 12:
		return post("in order", pick(g.r, packed), "200 accepted", "Content-Encoding: "+pick(g.r, "gzip", "GZIP", " gzip "))
	}
	return post("empty and packed", gzipBomb(nil), "400 malformed", "Content-Encoding: gzip")
}

// framing lies about where the body ends.
func (g *generator) framing() attack {
	token := g.w.tokens["writer"]
	post := func(name, body string, want []string, headers ...string) attack {
		return hit(name, g.w.post("/v1/events", token, typeJSON, []byte(body), headers...), want)
	}
	plain, cut, lie := []string{"400 plain"}, []string{"408 incomplete", "closed"}, []string{"400 malformed", "408 incomplete", "closed"}
	switch g.r.IntN(13) {
	case 0:
		return post("more promised", good, cut, "Content-Length: 1000")
	case 1:
		return post("too much promised", good, []string{"413 too_large"}, "Content-Length: "+pick(g.r, "8388609", "999999999999", "9223372036854775807"))
	case 2:
		return post("less promised", good, []string{"422 *"}, "Content-Length: 5")
	case 3:
		return post("a length that is none", good, plain, "Content-Length: "+pick(g.r, "-1", "+29", "0x1d", "29 29", "1e3", "9223372036854775808", "99999999999999999999"))
	case 4:
		return post("two lengths", good, plain, "Content-Length: 29\r\nContent-Length: 30")
	case 5: // net/http takes the transfer encoding, as RFC 9112 says, and closes
		return post("length and chunks", "1d\r\n"+good+"\r\n0\r\n\r\n", []string{"200 accepted", "400 plain"}, "Content-Length: 3\r\nTransfer-Encoding: chunked")
	case 6:
		return post("an unknown transfer encoding", good, []string{"501 plain", "400 plain"}, "Transfer-Encoding: "+pick(g.r, "gzip", "gzip, chunked", "chunked, chunked", "identity", "x"))
	case 7:
		return post("chunks that lie", pick(g.r, "ffffffffffffffff\r\n", "-1\r\n", "g\r\n", "5\r\n{\r\n", "5;"+strings.Repeat("x", 20000)+"\r\n", "\r\n")+good, lie, "Transfer-Encoding: chunked")
	case 8:
		return post("chunks without an end", "1d\r\n"+good+"\r\n", cut, "Transfer-Encoding: chunked")
	case 9:
		return post("an endless body", "5\r\n[    \r\n"+strings.Repeat("8000\r\n"+strings.Repeat(" ", 0x8000)+"\r\n", 257), []string{"413 too_large"}, "Transfer-Encoding: chunked")
	case 10:
		return hit("a body where none is taken", request("GET", pick(g.r, "/checkpoint", "/v1/entries/1", "/healthz"), []string{"Authorization: Bearer " + token}, []byte(good)), []string{"400 malformed"})
	case 11:
		return post("no body", "", []string{"400 malformed"})
	}
	return post("a wish", good, []string{"417 plain"}, "Expect: "+pick(g.r, "200-ok", "101-continue"))
}

func (g *generator) depth() attack {
	n := pick(g.r, 33, 64, 1000, 100_000, 400_000)
	open, end := strings.Repeat("[", n), strings.Repeat("]", n)
	if g.r.IntN(2) == 0 {
		open, end = strings.Repeat(`{"a":`, n), "1"+strings.Repeat("}", n)
	}
	switch g.r.IntN(4) {
	case 0:
		return g.event("params", `{"event_type":"user_created","job":{"params":{"a":`+open+end+`}}}`, "422 too_deep", "422 too_large")
	case 1:
		return g.event("labels", `{"event_type":"user_created","labels":{"a":`+open+end+`}}`, "422 wrong_type", "422 too_deep", "422 too_large")
	case 2:
		return g.event("without an end", `{"event_type":"user_created","job":{"params":{"a":`+open, "422 too_deep", "422 syntax", "422 too_large")
	}
	return g.event("nothing else", `[`+open+end+`]`, "422 wrong_type", "422 unknown_field", "422 too_large", "422 too_deep")
}

func (g *generator) twice() attack {
	return g.event("", pick(g.r,
		`{"event_type":"user_created","event_type":"user_created"}`,
		`{"event_type":"user_created","event\u005ftype":"user_deleted"}`,
		`{"event_type":"user_created","app_id":"billing","app_id":"payroll"}`,
		`{"event_type":"user_created","labels":{"a":"1","a":"2"}}`,
		`{"event_type":"user_created","labels":{"a":"1","\u0061":"2"}}`,
		`{"event_type":"user_created","host":{"name":"a","name":"b"}}`,
		`{"event_type":"user_created","job":{"params":{"a":{"b":1,"b":2}}}}`,
		`{"event_type":"user_created","absent":{"user_id":"redacted","user_id":"unavailable"}}`,
		`{"event_type":"user_created","principal":{"type":"user","id":"a","type":"system"}}`,
	), "422 duplicate_key")
}

func (g *generator) numbers() attack {
	huge := pick(g.r, "1e400", "-1e400", "9007199254740993", "18446744073709551616", "-9223372036854775809", strings.Repeat("9", 1000), "1"+strings.Repeat("0", 100_000), "0."+strings.Repeat("0", 1000)+"1", "1e-400", "-0", "01", "+1", "1.", ".5", "0x10", "NaN", "Infinity", "1e", "--1", "1_000", "１")
	field := pick(g.r, `"severity":%s`, `"stream_seq":%s`, `"host":{"port":%s}`, `"job":{"attempt":%s}`, `"repeat":{"count":%s}`, `"timing":{"duration_us":%s}`, `"impact":{"counts":{"a":%s}}`, `"heartbeat":{"n":%s}`, `"clock":{"confidence":"high","max_error_us":%s}`)
	if g.r.IntN(4) == 0 { // there the encoder writes as text what it cannot hold
		return g.event("in params", fmt.Sprintf(`{"event_type":"user_created","job":{"params":{"a":%s}}}`, huge), "422 *", "200 accepted")
	}
	return g.event(field, fmt.Sprintf(`{"event_type":"user_created",`+field+`}`, huge), "422 *")
}

// control puts each character that does not show itself into each kind of place, in both spellings.
func (g *generator) control() attack {
	c := g.hidden[g.made["control"]%len(g.hidden)]
	text := string(c)
	place := g.r.IntN(7)
	if g.r.IntN(2) == 0 {
		text = fmt.Sprintf(`\u%04x`, c)
		if c > 0xffff {
			text = fmt.Sprintf(`\ud%03x\ud%03x`, 0x800+(c-0x10000)>>10, 0xc00+(c-0x10000)&0x3ff)
		}
	}
	name := fmt.Sprintf("U+%04X as %q", c, text)
	switch place {
	case 0:
		return g.event(name+" in a type", `{"event_type":"user`+text+`created"}`, "422 *")
	case 1:
		return g.event(name+" in a name", `{"event_type":"user_created","user`+text+`_id":"a"}`, "422 *")
	case 2:
		return g.event(name+" in app_id", `{"event_type":"user_created","app_id":"billing`+text+`"}`, "422 *")
	case 3:
		return g.event(name+" in an id", `{"event_type":"user_created","event_id":"01900000-0000-7000-8000-00000000000`+text+`"}`, "422 *")
	case 4:
		return g.event(name+" in a key", `{"event_type":"user_created","labels":{"a`+text+`b":"x"}}`, "422 *", "200 accepted")
	case 5:
		return g.event(name+" between tokens", `{"event_type":`+text+`"user_created"}`, "422 *", "200 accepted") // white space is
	}
	return g.event(name+" in text", `{"event_type":"user_created","description":"a`+text+`b"}`, "422 *", "200 accepted")
}

func (g *generator) headerControl() attack {
	c := string([]byte{pick[byte](g.r, 0, 1, 7, 8, 11, 12, 27, 127, 10, 13, 0x9b, 0xff)})
	headers := []string{"Authorization: Bearer " + g.w.tokens["writer"], "Content-Type: " + typeJSON}
	switch g.r.IntN(4) {
	case 0:
		headers = append(headers, "X-A: b"+c+"c")
	case 1:
		headers = append(headers, "X"+c+"A: b")
	case 2:
		headers[0] += c + "x"
	case 3:
		headers[1] += "; a=" + c
	}
	return hit(fmt.Sprintf("%q", c), request("POST", "/v1/events", headers, []byte(good)), []string{"400 plain", "401 unauthenticated", "429 rate_limited", "415 unsupported_media_type", "200 accepted"})
}

func (g *generator) path() attack {
	target := pick(g.r,
		"/..", "/../", "/../../etc/passwd", "/./checkpoint", "//checkpoint", "/checkpoint/", "/checkpoint//", "/checkpoint/.", "/tile/../checkpoint", "/tile/entries/../../keys/log.key",
		"/%2e%2e/keys/log.key", "/tile/entries/%2e%2e/%2e%2e/keys/log.key", "/tile%2fentries%2f000", "/tile/0/..%2f..%2fkeys", "/checkpoint%00", "/checkpoint%0d%0aX-A:b", "/checkpoint%20", "/%63heckpoint/x",
		"/checkpoint;a=b", "/\\checkpoint", "/tile\\0\\000", "/keys/log.key", "/store", "/lock", "/auth/tokens", "/head", "/journal/", "/spool/", "/quarantine/", "/.git/config", "/debug/pprof/", "/v1", "/v1/", "/v1/events/", "/V1/events", "/v2/events",
		"/tile/0/x001", "/tile/00/000", "/tile/0/0", "/tile/0/0000", "/tile/0/000.p/0", "/tile/0/000.p/00", "/tile/0/000.p/256", "/tile/0/000.p/999999999999", "/tile/0/000.p/-1", "/tile/0/000.p/", "/tile/0/000.p", "/tile/64/000", "/tile/-1/000", "/tile/+0/000", "/tile/0/x000/000", "/tile/0/999", "/tile/0/"+strings.Repeat("x999/", 7)+"999", "/tile/0/"+strings.Repeat("x999/", 50)+"999", "/tile/data/000", "/tile/", "/tile", "/tile/entries", "/tile/entries/", "/tile/entries/x000/001", "/tile/entries/999", "/tile/entries/000.p/255",
		"/v1/entries/", "/v1/entries/-1", "/v1/entries/+1", "/v1/entries/01", "/v1/entries/1.0", "/v1/entries/1e1", "/v1/entries/0x1", "/v1/entries/９", "/v1/entries/%31%00", "/v1/entries/99999999", "/v1/entries/18446744073709551616", "/v1/entries/9007199254740992", "/v1/entries/1/", "/v1/entries/1/proof/", "/v1/entries/1/x", "/v1/entries/a", "/v1/entries/%2e%2e",
		"/v1/receipts/", "/v1/receipts/x/1", "/v1/receipts/"+g.w.ours.stream.String()+"/0", "/v1/receipts/"+g.w.ours.stream.String()+"/01", "/v1/receipts/"+g.w.ours.stream.String()+"/2", "/v1/receipts/"+strings.ToUpper(g.w.ours.stream.String())+"/1", "/v1/receipts/"+g.w.ours.stream.String()+"/99999999999999999999", "/v1/receipts/..%2f..%2fkeys/1", "/v1/receipts/"+strings.Repeat("a", 4000)+"/1",
		"/v1/tokens/..", "/v1/keys/..%2f", "/"+strings.Repeat("a/", 2000), "/"+strings.Repeat("%41", 1000), "/%ff%fe", "/%zz", "/%", "checkpoint", "", "*", "http://evil.example/../x", "http://127.0.0.1:1@evil/x", "/a b", "/\x00", "/\x80", "/é",
	)
	token := g.w.tokens[pick(g.r, "auditor", "writer", "admin")]
	want := []string{"404 not_found", "400 plain", "403 not_allowed"}
	if len(target) > 15<<10 {
		want = append(want, "431 plain")
	}
	if strings.HasSuffix(target, "000.p/255") { // where the log has as many by now
		want = append(want, "200 plain")
	}
	if strings.HasPrefix(target, "/v1/events/") || target == "/v1/tokens/.." {
		want = append(want, "405 method_not_allowed")
	}
	return hit(fmt.Sprintf("%.100q", target), g.w.get(target, token), want)
}

func (g *generator) method() attack {
	method := pick(g.r, "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "PROPFIND", "get", "QUERY", "G\x00T", "", "POST", "GET", strings.Repeat("A", 9000))
	op := g.w.contract.ops[g.r.IntN(len(g.w.contract.ops))]
	target := strings.NewReplacer("{seq}", "1", "{stream}", g.w.ours.stream.String(), "{first}", "1", "{level}", "0", "{index}", "000", "{name}", "nobody", "{id}", "nobody", "{interaction}", "i").Replace(op.path)
	if o, _ := g.w.contract.find(method, target); o != nil { // that one is allowed
		method = "BREW"
	}
	return hit(fmt.Sprintf("%.20q %s", method, target), request(method, target, []string{"Authorization: Bearer " + g.w.tokens["auditor"]}, nil),
		[]string{"405 method_not_allowed", "405 plain", "400 plain", "404 not_found"}) // CONNECT has no path, and OTLP no problems
}

func (g *generator) token() attack {
	real := g.w.tokens[pick(g.r, "writer", "reader", "auditor", "admin")]
	wrong := []byte(real)
	var header string
	switch g.r.IntN(14) {
	case 0, 1, 2: // one character of the secret or of the log's key
		i := 6 + g.r.IntN(len(wrong)-6)
		for wrong[i] == '_' {
			i--
		}
		wrong[i] = pick[byte](g.r, 'A', 'z', '0', '-')
		if string(wrong) == real || base64.RawURLEncoding.Strict().EncodedLen(0) != 0 {
			wrong[i] ^= 1
		}
		header = "Bearer " + string(wrong)
	case 3:
		header = "Bearer " + real[:g.r.IntN(len(real))]
	case 4:
		header = "Bearer " + real + pick(g.r, "A", "=", "_", " x", ",", "\t"+real)
	case 5:
		header = "Bearer " + strings.ToUpper(real)
	case 6:
		b := make([]byte, 32)
		for i := range b {
			b[i] = byte(g.r.Uint32())
		}
		header = "Bearer stet1_" + base64.RawURLEncoding.EncodeToString(b) + real[strings.LastIndexByte(real, '_'):]
	case 7:
		header = pick(g.r, "Basic ", "Token ", "bearer", "Bearer:", "Digest ") + real
	case 8:
		header = "Bearer " + pick(g.r, "", " ", "null", "undefined", "stet1_", "stet1__", "' OR 1=1--", "*", "\x80", strings.Repeat("A", 8000))
	case 9:
		header = "Bearer " + real + "\r\nAuthorization: Bearer " + g.w.tokens["admin"]
	case 10:
		return hit("expired", g.w.get("/checkpoint", g.w.tokens["expired"]), []string{"401 token_expired", "429 rate_limited"})
	case 11:
		return hit("revoked", g.w.get("/checkpoint", g.w.tokens["revoked"]), []string{"401 token_revoked", "429 rate_limited"})
	case 12:
		return hit("elsewhere", request("GET", "/checkpoint?token="+real+"&access_token="+real, []string{"Cookie: token=" + real, "X-Api-Key: " + real}, nil), []string{"401 unauthenticated"})
	case 13:
		header = "Bearer " + pick(g.r, " ", "\t", "  ") + real // one space stands between scheme and token
	}
	return hit(fmt.Sprintf("%.30q", header), request("GET", pick(g.r, "/checkpoint", "/metrics", "/v1/entries/1", "/healthz"), []string{"Authorization: " + header}, nil),
		[]string{"401 unauthenticated", "429 rate_limited"})
}

// reserved are the types that only the server raises.
func reservedTypes() (all []string) {
	for _, name := range event.Builtin().Names() {
		if t, _ := event.Builtin().Lookup(name); t.Reserved {
			all = append(all, name)
		}
	}
	return all
}

func (g *generator) fresh(h *hand) *hand {
	g.streams++
	return h.at(streamOf(g.streams))
}

func (g *generator) watchType() attack {
	types := reservedTypes()
	typ := types[g.made["watch type"]%len(types)]
	if g.r.IntN(3) == 0 {
		b := g.fresh(g.w.ours).sealed(2, func(i int, e *event.Event) {
			if i == 0 {
				e.EventType = typ
				e.Job = &event.Job{ID: "j", RunID: "r", Name: "n"}
			}
		}, nil)
		return hit(typ+", sealed", g.w.batches(g.w.tokens["writer"], wire.Element{Batch: &b}), []string{"200 placed/reserved_type", "200 placed/contradiction"})
	}
	return g.event(typ, `{"event_type":"`+typ+`"`+pick(g.r, "", `,"job":{"id":"j","run_id":"r"}`, `,"app_id":"billing"`, `,"principal":{"type":"system","id":"stet"}`)+`}`, "422 reserved_type")
}

func (g *generator) foreignApp() attack {
	switch g.r.IntN(5) {
	case 0:
		return g.event("named", `{"event_type":"user_created","app_id":"`+pick(g.r, "payroll", "stet", "Billing", "billing ", "billing.", "", "b\\u0069lling2", "*")+`"}`, "422 not_allowed", "200 accepted") // "" is the token's own
	case 1:
		return hit("another environment", g.w.post("/v1/events", g.w.tokens["staging"], typeJSON, []byte(`{"event_type":"user_created","environment":"`+pick(g.r, "production", "Staging", "staging2")+`"}`)), []string{"422 not_allowed"})
	case 2:
		return hit("no environment", g.w.post("/v1/events", g.w.tokens["staging"], typeJSON, []byte(`{"event_type":"user_created","absent":{"environment":"not_applicable"}}`)), []string{"422 not_allowed"})
	case 3:
		return hit("among others", g.w.post("/v1/events", g.w.tokens["writer"], typeNDJSON, []byte(good+"\n"+`{"event_type":"user_created","app_id":"payroll"}`+"\n"+good)), []string{"200 accepted,not_allowed"})
	}
	role := pick(g.r, "reader", "auditor", "admin")
	return hit("a "+role, g.w.post("/v1/events", g.w.tokens[role], typeJSON, []byte(good)), []string{"403 not_allowed"})
}

// foreignStream writes into a stream that somebody else opened.
func (g *generator) foreignStream() attack {
	w := g.w
	into := func(h *hand) *hand { // behind what is there
		c := *h
		c.stream, c.seal, c.prev, c.began = w.ours.stream, w.ours.seal, w.ours.prev, true
		return &c
	}
	send := func(name, token string, want string, elements ...wire.Element) attack {
		return hit(name, w.batches(w.tokens[token], elements...), strings.Split(want, "|"))
	}
	loss := func(h *hand) wire.Element {
		return wire.Element{Loss: &wire.Loss{Stream: w.ours.stream.String(), First: 7, Last: 9, Reason: "gone", Key: h.vkey, App: h.app}}
	}
	gone := wire.Element{Gone: &wire.Gone{Stream: w.ours.stream.String(), Evidence: wire.Evidence{Host: "h", BootID: "b", PID: 1, StartedAt: "2026-03-01T12:00:00Z", Why: "it is gone"}}}
	second := newHand(3, "billing")
	switch g.r.IntN(12) {
	case 0:
		b := into(w.theirs).next(1)
		return send("another application's emitter", "other", "200 not_owner", wire.Element{Batch: &b})
	case 1:
		b := into(second).next(1)
		return send("another emitter of the application", "second", "200 not_owner", wire.Element{Batch: &b})
	case 2:
		b := into(w.ours).next(1)
		return send("sealed by its owner, brought by another", pick(g.r, "other", "reader", "auditor", "admin"), "200 not_allowed|403 not_allowed", wire.Element{Batch: &b})
	case 3:
		b := into(w.ours).next(1)
		return send("sealed by its owner, brought by the application's other token", "second", "200 key_not_enrolled", wire.Element{Batch: &b})
	case 4:
		b := newHand(9, "billing").next(1)
		return send("a second key", "writer", "200 key_not_enrolled", wire.Element{Batch: &b})
	case 5:
		b := g.fresh(newHand(2, "billing")).next(1)
		return send("an application that is not the token's", "other", "200 not_allowed", wire.Element{Batch: &b})
	case 6:
		return send("a loss of another's", "other", "200 not_owner|200 not_allowed|403 not_allowed", loss(w.theirs))
	case 7:
		return send("a loss in another's name", "other", "200 not_allowed|403 not_allowed", loss(w.ours))
	case 8:
		return send("another's process is gone", pick(g.r, "other", "reader", "auditor", "staging"), "200 not_owner|200 not_allowed|403 not_allowed|200 not_found", gone)
	case 9:
		b := into(second).sealed(0, nil, func(s *proof.Seal) { s.Final = true })
		return send("closing another's", "second", "200 not_owner", wire.Element{Batch: &b})
	case 10:
		return g.event("an unsealed event that says so", `{"event_type":"user_created","stream_id":"`+w.ours.stream.String()+`","stream_seq":7}`, "200 accepted") // it is a claim, in a stream of the server's
	}
	b := second.at(w.theirs.stream).next(2)
	return send("from the beginning", "second", "200 not_owner|200 stream_conflict", wire.Element{Batch: &b})
}

// sealedWrongly is what an emitter whose key is known sends, and should not.
func (g *generator) sealedWrongly() attack {
	w := g.w
	fresh := g.fresh(w.ours)
	first := fresh.next(2)
	again := *fresh
	send := func(name string, want string, elements ...wire.Element) attack {
		return hit(name, w.batches(w.tokens["writer"], elements...), strings.Split(want, "|"))
	}
	batch := func(h *hand, change func(int, *event.Event), seal func(*proof.Seal)) wire.Element {
		b := h.sealed(1, change, seal)
		return wire.Element{Batch: &b}
	}
	one := wire.Element{Batch: &first}
	switch g.r.IntN(13) {
	case 0:
		return send("a hole", "200 stream_hole", batch(fresh, nil, nil))
	case 1:
		return send("a hole behind", "200 placed,stream_hole", one, func() wire.Element { again.next(1); return batch(&again, nil, nil) }())
	case 2:
		other := fresh.at(fresh.stream).sealed(2, func(_ int, e *event.Event) { e.EventType = "user_deleted" }, nil)
		return send("other content", "200 placed,stream_conflict", one, wire.Element{Batch: &other})
	case 3:
		return send("another past", "200 placed,stream_conflict", one, batch(fresh, nil, func(s *proof.Seal) { s.Prev[0] ^= 1 }))
	case 4:
		return send("no past", "200 placed,stream_conflict", one, batch(fresh, nil, func(s *proof.Seal) { s.HasPrev, s.Prev = false, proof.Hash{} }))
	case 5:
		b := first
		b.Seal = bytes.Clone(b.Seal)
		b.Seal[len(b.Seal)-2-g.r.IntN(20)] ^= 1
		return send("a signature that is none", "200 invalid_batch|200 key_not_enrolled|200 not_allowed", wire.Element{Batch: &b})
	case 6:
		b := first
		b.Events = [][]byte{b.Events[1], b.Events[0]}
		return send("in another order", "200 invalid_batch", wire.Element{Batch: &b})
	case 7:
		b := first
		b.Events = b.Events[:1]
		return send("one withheld", "200 invalid_batch", wire.Element{Batch: &b})
	case 8:
		b := first
		b.First = pick[uint64](g.r, 2, 1<<52)
		return send("another number outside", "200 invalid_batch", wire.Element{Batch: &b})
	case 9:
		return send("another application inside", "200 placed/contradiction", batch(g.fresh(w.ours), func(_ int, e *event.Event) { e.AppID = "payroll" }, nil))
	case 10:
		return send("another stream inside", "200 placed/contradiction", batch(g.fresh(w.ours), func(_ int, e *event.Event) { e.StreamID = w.theirs.stream }, nil))
	case 11:
		end := fresh.sealed(0, nil, func(s *proof.Seal) { s.Final = true })
		return send("behind the end", "200 placed,stream_final", one, wire.Element{Batch: &end}, batch(fresh, nil, nil))
	}
	return send("the same again", "200 placed,again|200 again|200 placed", one, one)
}

// wire sends bodies that are no batches.
func (g *generator) wire() attack {
	w := g.w
	b := g.fresh(w.ours).next(2)
	whole, err := wire.Append(nil, []wire.Element{{Batch: &b}})
	if err != nil {
		panic(err)
	}
	post := func(name string, body []byte, want ...string) attack {
		return hit(name, w.post("/v1/batches", w.tokens["writer"], wire.BatchesType, body), want)
	}
	const head = wire.Envelope
	switch g.r.IntN(10) {
	case 0:
		return post("cut", whole[:g.r.IntN(len(whole))], "400 malformed")
	case 1:
		c := bytes.Clone(whole)
		binary.BigEndian.PutUint32(c[head+1:], pick[uint32](g.r, 0, 1, 0x7fffffff, 0xffffffff, 16<<20, uint32(g.r.Uint32())))
		return post("a length that lies", c, "400 malformed", "413 too_large")
	case 2:
		c := bytes.Clone(whole)
		binary.BigEndian.PutUint32(c[head+5+8:], pick[uint32](g.r, 1, 3, 1001, 0x7fffffff, 0xffffffff)) // events
		return post("a count that lies", c, "400 malformed", "413 too_large", "200 invalid_batch")
	case 3:
		c := bytes.Clone(whole)
		c[head] = byte(g.r.IntN(256))
		return post("another kind", c, "400 malformed", "200 placed")
	case 4:
		return post("too many", append(bytes.Clone(whole[:head]), bytes.Repeat(whole[head:], wire.MaxElements+1)...), "413 too_large", "400 malformed")
	case 5:
		return post("another form", []byte(pick(g.r, "", "stet/batches/v1", "stet/batches/v1\n", "stet/batches/v2\n", "{}", "\x00", strings.Repeat("A", 100_000))), "400 malformed")
	case 6:
		return post("and more", append(bytes.Clone(whole), "more"...), "400 malformed")
	case 7:
		claim := pick(g.r, `{}`, `[]`, `{"stream_id":"x"}`, `{"stream_id":"`+w.ours.stream.String()+`","first":1,"last":18446744073709551616}`, `{"stream_id":"`+w.ours.stream.String()+`","first":9,"last":1,"reason":"","key":"k","app_id":"billing","environment":""}`, strings.Repeat(`{"a":`, 1000), "{\"stream_id\":\"a\",\"stream_id\":\"b\"}", "\xff", strings.Repeat(" ", 5000))
		c := append(bytes.Clone(whole[:head]), pick[byte](g.r, 'L', 'G'))
		c = binary.BigEndian.AppendUint32(c, uint32(len(claim)))
		return post("a claim that is none", append(c, claim...), "400 malformed", "413 too_large", "200 *")
	case 8:
		c := bytes.Clone(whole)
		for range 1 + g.r.IntN(8) {
			c[g.r.IntN(len(c))] ^= 1 << g.r.IntN(8)
		}
		return post("bits turned", c, "400 malformed", "413 too_large", "200 *")
	}
	c := make([]byte, g.r.IntN(2000))
	for i := range c {
		c[i] = byte(g.r.Uint32())
	}
	return post("chance", append(bytes.Clone(whole[:head]), c...), "400 malformed", "413 too_large")
}

// crossRead reads what belongs to another application, or what the role does not.
func (g *generator) crossRead() attack {
	w := g.w
	theirs, ours := fmt.Sprint(w.seqOf["payroll"]), fmt.Sprint(w.seqOf["billing"])
	get := func(role, target, want string) attack {
		raw := request("GET", target, []string{"Authorization: Bearer " + w.tokens[role], "Accept: " + pick(g.r, "*/*", "application/json", "text/plain")}, nil)
		return hit(role+" "+target, raw, strings.Split(want, "|"))
	}
	entry := pick(g.r, "", "/proof")
	switch g.r.IntN(12) {
	case 0:
		return get("reader", "/v1/entries/"+theirs+entry, "403 not_allowed")
	case 1:
		return get("reader", "/v1/entries/"+pick(g.r, "0", "1")+entry, "403 not_allowed") // the server's own
	case 2:
		return get(pick(g.r, "writer", "other"), "/v1/entries/"+pick(g.r, ours, theirs)+entry, "403 not_allowed")
	case 3:
		return get(pick(g.r, "other", "second", "staging"), "/v1/receipts/"+w.ours.stream.String()+"/1", "404 not_found")
	case 4:
		return get("reader", "/v1/receipts/"+w.theirs.stream.String()+"/1", "404 not_found")
	case 5:
		return get(pick(g.r, "writer", "reader"), "/tile/entries/000.p/1", "403 not_allowed|404 not_found")
	case 6:
		return get(pick(g.r, "writer", "reader"), "/metrics", "403 not_allowed")
	case 7:
		return get("reader", "/v1/entries/"+ours+entry, "200 plain")
	case 8:
		return get("auditor", "/v1/entries/"+theirs+entry, "200 plain")
	case 9:
		return get("reader", "/v1/receipts/"+w.ours.stream.String()+"/1", "200 again")
	case 10:
		return get(pick(g.r, "writer", "reader", "auditor"), pick(g.r, "/v1/tokens", "/v1/keys"), "403 not_allowed|404 not_found|405 method_not_allowed")
	}
	return hit("nobody", request("GET", pick(g.r, "/checkpoint", "/tile/0/000.p/1", "/tile/entries/000.p/1", "/v1/entries/1"), nil, nil), []string{"401 unauthenticated"})
}

// query asks for what costs much, or is none (THREATS 35).
func (g *generator) query() attack {
	n := g.r.IntN(200)
	q := pick(g.r,
		strings.Repeat("(", n)+"a"+strings.Repeat(")", n), strings.Repeat("-", n)+"a", strings.Repeat("a ", n), strings.Repeat("a OR ", n)+"b", "app:"+strings.Repeat("a,", n)+"a", strings.Repeat("x", n*40),
		"interaction:0* OR interaction:1* OR run:* OR -run:*", "a* b* c* OR (e* f* -g*)", "-(-(-(-(-a))))", "ip:0.0.0.0/0,::/0", "param.a.b.c.0.1.2:>=0", "label.x:*", "seq:0..9007199254740991", "time:1970..2261",
		"after:9999", "seq:>99999999999999999999", "is:*", "app:", "*", "\x00", "\xff\xfe", "\u202e", `"`+strings.Repeat(`\x`, n), "since:99999999999999999w", "event:job_failed\r\nX: y", "ip:::1/999", "app:*:*", "OR OR OR", "((((")
	rest := pick(g.r, "", "&limit=1000", "&limit=-1", "&limit=1e9", "&order=oldest&limit=1000", "&order=sideways", "&cursor="+strings.Repeat("A", n), "&cursor=YmVmb3JlIDk5OTk5OTk5OTk5OTk5OTk5OTk5", "&q=x", "&"+strings.Repeat("a=b&", n))
	path := "/v1/events"
	if g.r.IntN(2) == 0 {
		path = "/v1/counts"
		rest = pick(g.r, "&facet=interaction&limit=1000", "&histogram=1000", "&histogram=1001", "&facet=seq", "&facet=label."+strings.Repeat("x", n), "&facet=param.a..b", "&bounds="+strings.Repeat("2026-01-01T00:00:00Z,", n), "&histogram=1&bounds=x", "&facet=is&facet=is")
	}
	if g.r.IntN(5) == 0 {
		path = pick(g.r, "/v1/stories/", "/v1/jobs/") + url.PathEscape(strings.ReplaceAll(q[:min(len(q), 200)], "/", "")) + pick(g.r, "", "/lineage", "/lineage")
		return hit(fmt.Sprintf("%.80q", path), g.w.get(path, g.w.tokens[pick(g.r, "auditor", "reader", "writer")]), []string{"400 *", "404 not_found", "403 not_allowed", "429 rate_limited", "503 not_ready"})
	}
	return hit(fmt.Sprintf("%s %.80q%.40s", path, q, rest), g.w.get(path+"?q="+url.QueryEscape(q)+rest, g.w.tokens[pick(g.r, "auditor", "reader", "writer")]),
		[]string{"200 plain", "400 *", "403 not_allowed", "422 query_too_expensive", "429 rate_limited", "431 plain"})
}

// reading asks for what the server makes of the log, with parameters that are none, or as who may not. A stream is asked for
// only in ways that begin none.
func (g *generator) reading() attack {
	role := pick(g.r, "auditor", "reader", "writer", "admin", "staging")
	value := url.QueryEscape(pick(g.r, "", "-1", "0", "1e9", "99999999999999999999", "9007199254740992", "true", "TRUE", "1", "\x00", "\u202e", "..", "a\r\nb: c", strings.Repeat("9", g.r.IntN(300)), strings.Repeat("(", 200), "event:", "nosuch:1", `"`))
	if g.r.IntN(2) == 0 {
		target := "/v1/tail?" + pick(g.r, "limit=", "from=", "limit=1&limit=", "q=a&q=", "cursor=", "open=") + value
		headers := []string{"Authorization: Bearer " + g.w.tokens[role], "Accept: text/event-stream"}
		want := []string{"400 *", "403 not_allowed", "429 rate_limited"}
		switch {
		case strings.HasPrefix(target, "/v1/tail?from=") || strings.HasPrefix(target, "/v1/tail?limit="): // a number may be one
			target += "&x=1"
		case g.r.IntN(3) == 0:
			target = "/v1/tail"
			headers = append(headers, "Last-Event-ID: "+pick(g.r, "-1", "x", "9007199254740992", "1, 2", "0x1", strings.Repeat("1", 400)))
		}
		return hit(fmt.Sprintf("%s %.80q", role, target), request("GET", target, headers, nil), want)
	}
	target := pick(g.r, "/v1/ghosts?", "/v1/stories/i?", "/v1/jobs/j?", "/v1/jobs/j/lineage?", "/v1/counts?", "/v1/receipts/"+g.w.ours.stream.String()+"/1?") +
		pick(g.r, "q=", "open=", "limit=", "cursor=", "order=", "q=a&limit=", "limit=1&limit=", "open=true&q=", "nosuch=", "%%=", ";=", "format=") + value
	return hit(fmt.Sprintf("%s %.80q", role, target), g.w.get(target, g.w.tokens[role]),
		[]string{"200 *", "400 *", "403 not_allowed", "404 not_found", "422 query_too_expensive", "429 rate_limited", "503 not_ready"})
}

func (g *generator) media() attack {
	t := pick(g.r, "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/xml", "application/cbor", "*/*", "json", "", "application/json, application/json", "application/json\r\nContent-Type: text/plain", "application/vnd.stet.batches/x", "text/html", ";", "application/json; charset")
	target := pick(g.r, "/v1/events", "/v1/batches")
	want := []string{"415 unsupported_media_type"}
	return hit(t+" to "+target, g.w.post(target, g.w.tokens["writer"], t, []byte(good)), want)
}

func (g *generator) otherSite() attack {
	return hit("", g.w.post("/v1/events", g.w.tokens["writer"], typeJSON, []byte(good), pick(g.r, "Origin: https://evil.example", "Sec-Fetch-Site: cross-site", "Sec-Fetch-Site: same-site", "Origin: null", "Origin: http://127.0.0.1:1")), []string{"403 not_allowed"})
}

// secrets puts secrets where people put them by mistake.
func (g *generator) secrets() attack {
	secret := g.leaks[g.r.IntN(len(g.leaks))]
	token := g.w.tokens["writer"]
	flat := strings.NewReplacer(" ", "%20", "\\n", "%0A", ";", "%3B").Replace(secret)
	switch g.r.IntN(10) {
	case 0:
		return g.event("in text", `{"event_type":"user_created","description":"it said `+secret+` and more"}`, "200 accepted")
	case 1:
		return g.event("under its name", `{"event_type":"user_created","labels":{"password":"`+secret+`"},"job":{"params":{"api_key":"`+secret+`"}}}`, "200 accepted", "422 *")
	case 2:
		return g.event("as a name", `{"event_type":"user_created","`+secret+`":1}`, "422 *")
	case 3:
		return g.event("as a key", `{"event_type":"user_created","labels":{"`+secret+`":1}}`, "422 *")
	case 4:
		return g.event("as a type", `{"event_type":"`+secret+`"}`, "422 *")
	case 5:
		return g.event("as an application", `{"event_type":"user_created","app_id":"`+secret+`"}`, "422 *")
	case 6:
		return hit("in a path", g.w.get("/v1/entries/"+flat, g.w.tokens["auditor"]), []string{"404 not_found", "400 plain"})
	case 7:
		return hit("in a query", g.w.get("/v1/entries/x?token="+flat, g.w.tokens["auditor"]), []string{"404 not_found", "400 plain"})
	case 8:
		return hit("in a header", request("POST", "/v1/events", []string{"Authorization: Bearer " + token, "Content-Type: " + typeJSON, "Content-Encoding: " + strings.ReplaceAll(secret, "\\n", " ")}, []byte(good)), []string{"415 unsupported_encoding"})
	}
	return hit("as a token", request(http.MethodGet, "/checkpoint", []string{"Authorization: " + strings.ReplaceAll(secret, "\\n", " ")}, nil), []string{"401 unauthenticated", "429 rate_limited"})
}

// mutation changes a request that is in order: whatever comes of it, the answer is one that is documented.
func (g *generator) mutation() attack {
	w := g.w
	var raw []byte
	switch g.r.IntN(4) {
	case 0:
		raw = w.post("/v1/events", w.tokens["writer"], typeJSON, []byte(`[`+good+`,{"event_type":"job_started","job":{"id":"j","run_id":"r","name":"n","phase":"execution","params":{"a":[1,2.5,"x",null,true]}},"labels":{"k":"v"}}]`))
	case 1:
		b := g.fresh(w.ours).next(2)
		raw = w.batches(w.tokens["writer"], wire.Element{Batch: &b})
	case 2:
		raw = w.get(pick(g.r, "/v1/entries/1", "/tile/0/000.p/1", "/checkpoint", "/v1/receipts/"+w.ours.stream.String()+"/1"), w.tokens["auditor"])
	default:
		raw = w.post("/v1/events", w.tokens["writer"], typeNDJSON, gzipBomb([]byte(good+"\n"+good)), "Content-Encoding: gzip")
	}
	for range 1 + g.r.IntN(4) {
		i := g.r.IntN(len(raw))
		switch g.r.IntN(5) {
		case 0:
			raw[i] ^= 1 << g.r.IntN(8)
		case 1:
			raw[i] = byte(g.r.Uint32())
		case 2:
			raw = append(raw[:i:i], raw[min(len(raw), i+1+g.r.IntN(8)):]...)
		case 3:
			raw = append(raw[:i:i], append(bytes.Clone(raw[i:min(len(raw), i+20)]), raw[i:]...)...)
		case 4:
			raw = append(raw[:i:i], append([]byte(pick(g.r, "\x00", "\r\n", "\r\n\r\n", "%", "\"", "\\", "{", "]", "\xf0\x9f", "99999999999")), raw[i:]...)...)
		}
		if len(raw) == 0 {
			raw = []byte{'\n'}
		}
	}
	return attack{raw: raw, want: []string{"*"}}
}

// garbage is no HTTP, or another one.
func (g *generator) garbage() attack {
	chance := make([]byte, 1+g.r.IntN(200))
	for i := range chance {
		chance[i] = byte(g.r.Uint32())
	}
	raw := pick(g.r, chance,
		[]byte("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"), // TLS
		[]byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
		[]byte("GET /checkpoint HTTP/0.9\r\n\r\n"), []byte("GET /checkpoint HTTP/9.9\r\nHost: x\r\n\r\n"), []byte("GET /checkpoint HTTP/1.1\r\n\r\n"), []byte("GET /checkpoint HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"),
		[]byte("GET /checkpoint HTTP/1.1\r\nHost: a b\r\n\r\n"), []byte("GET /checkpoint\r\n\r\n"), []byte("\r\n\r\n\r\n"), []byte("*1\r\n$4\r\nPING\r\n"),
		[]byte("GET /checkpoint HTTP/1.1\r\nHost: x\r\n folded: y\r\n\r\n"), []byte("GET /checkpoint HTTP/1.1\r\nHost: x\r\nno colon\r\n\r\n"),
		[]byte("GET /checkpoint HTTP/1.1\r\nHost: x\r\n"+strings.Repeat("X-A: b\r\n", 20_000)+"\r\n"), []byte("GET /checkpoint HTTP/1.1\r\nHost: x\r\nX-A: "+strings.Repeat("b", 100_000)+"\r\n\r\n"),
		[]byte("GET /"+strings.Repeat("a", 100_000)+" HTTP/1.1\r\nHost: x\r\n\r\n"),
	)
	return attack{raw: raw, want: []string{"400 plain", "431 plain", "505 plain", "closed", "401 unauthenticated", "404 not_found", "429 rate_limited"}}
}
