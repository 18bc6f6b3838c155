package wire

import (
	"encoding/json"
	"fmt"
	"net/http"
)

// Code is why a server refuses a request, or one element of it. Codes are stable; texts are not.
type Code string

// The codes.
const (
	Malformed            Code = "malformed"
	TooLarge             Code = "too_large"
	UnsupportedMediaType Code = "unsupported_media_type"
	UnsupportedEncoding  Code = "unsupported_encoding"
	Unauthenticated      Code = "unauthenticated"
	TokenExpired         Code = "token_expired"
	TokenRevoked         Code = "token_revoked"
	NotAllowed           Code = "not_allowed"
	NotOwner             Code = "not_owner"
	KeyNotEnrolled       Code = "key_not_enrolled"
	KeyRevoked           Code = "key_revoked"
	StreamConflict       Code = "stream_conflict"
	StreamHole           Code = "stream_hole"
	StreamFinal          Code = "stream_final"
	InvalidBatch         Code = "invalid_batch"
	EventRefused         Code = "event_refused"
	ReservedType         Code = "reserved_type"
	EventConflict        Code = "event_conflict"
	NameTaken            Code = "name_taken"
	InvalidQuery         Code = "invalid_query"
	QueryTooExpensive    Code = "query_too_expensive"
	NotFound             Code = "not_found"
	MethodNotAllowed     Code = "method_not_allowed"
	RateLimited          Code = "rate_limited"
	Overloaded           Code = "overloaded"
	DiskFull             Code = "disk_full"
	NotReady             Code = "not_ready"
	RequestTimeout       Code = "request_timeout"
	Incomplete           Code = "incomplete"
	Internal             Code = "internal"
)

// Meaning is a code's row in the table: what server, client, documentation and OpenAPI say of it.
type Meaning struct {
	Code   Code
	Status int    // of HTTP, where the whole request is refused
	Title  string // for people
	Hint   string // what to do, where nothing better is known
	Later  bool   // the same request may succeed later
}

// Codes is the table.
func Codes() []Meaning {
	return []Meaning{
		{Malformed, http.StatusBadRequest, "The request is not of the expected form", "see docs/spec/wire.md and /openapi.yaml", false},
		{TooLarge, http.StatusRequestEntityTooLarge, "The request is too large", "send less in one request", false},
		{UnsupportedMediaType, http.StatusUnsupportedMediaType, "This media type is not taken here", "see /openapi.yaml for the types", false},
		{UnsupportedEncoding, http.StatusUnsupportedMediaType, "This Content-Encoding is not taken here", "send gzip, zstd or nothing", false},
		{Unauthenticated, http.StatusUnauthorized, "A token is needed", "send Authorization: Bearer with a token of this server", false},
		{TokenExpired, http.StatusUnauthorized, "The token has expired", "ask an administrator for a new one: stet admin token create", false},
		{TokenRevoked, http.StatusUnauthorized, "The token was revoked", "ask an administrator for a new one: stet admin token create", false},
		{NotAllowed, http.StatusForbidden, "The token does not allow this", "ask for a token whose role and application allow it; docs/spec/tokens.md has the table", false},
		{NotOwner, http.StatusForbidden, "The stream belongs to somebody else", "a stream belongs to the key, application and environment that opened it", false},
		{KeyNotEnrolled, http.StatusForbidden, "The sealing key is not enrolled", "enrol it: stet enrol", false},
		{KeyRevoked, http.StatusForbidden, "The sealing key was revoked", "make a new key and enrol it: stet enrol", false},
		{StreamConflict, http.StatusConflict, "The stream has other content under these numbers", "keep the spool: one of the two histories is false", false},
		{StreamHole, http.StatusConflict, "Numbers in front of these are missing", "send the expected number first, or declare the loss", false},
		{StreamFinal, http.StatusConflict, "The stream is closed", "open a new stream", false},
		{InvalidBatch, http.StatusUnprocessableEntity, "The batch is not what its seal says", "keep the spool as evidence", false},
		{EventRefused, http.StatusUnprocessableEntity, "The schema does not allow the event", "see docs/spec/event.md", false},
		{ReservedType, http.StatusForbidden, "Only the server itself may raise this type of event", "use another event type", false},
		{EventConflict, http.StatusConflict, "Another event has this event_id", "a new event needs a new event_id", false},
		{NameTaken, http.StatusConflict, "This name is taken", "choose another name", false},
		{InvalidQuery, http.StatusBadRequest, "The query cannot be understood", "see docs/spec/search.md", false},
		{QueryTooExpensive, http.StatusUnprocessableEntity, "The question takes too long to answer", "narrow it: by time with after: and before:, by a field with an exact value, or ask for fewer rows", false},
		{NotFound, http.StatusNotFound, "There is nothing here", "see /openapi.yaml for the paths", false},
		{MethodNotAllowed, http.StatusMethodNotAllowed, "This method is not allowed here", "see the Allow header", false},
		{RateLimited, http.StatusTooManyRequests, "The token's quota is used up for now", "wait as long as Retry-After says", true},
		{Overloaded, http.StatusServiceUnavailable, "The server has too much to do", "wait as long as Retry-After says", true},
		{DiskFull, http.StatusInsufficientStorage, "The server's disk is nearly full", "whoever runs the server must free some space", true},
		{NotReady, http.StatusServiceUnavailable, "The server is not ready", "see /readyz for the reasons", true},
		{RequestTimeout, http.StatusRequestTimeout, "The request took too long to arrive", "send it again, or less at once", true},
		{Incomplete, http.StatusRequestTimeout, "The request ended before all of it had arrived", "send it again; something on the way may have cut it", true},
		{Internal, http.StatusInternalServerError, "Something went wrong in the server", "its log says what; the same request can be sent again", true},
	}
}

// Lookup returns a code's row; false where there is none.
func Lookup(c Code) (Meaning, bool) {
	for _, m := range Codes() {
		if m.Code == c {
			return m, true
		}
	}
	return Meaning{}, false
}

// ProblemType is the media type of a Problem.
const ProblemType = "application/problem+json"

// problems is where people find what a code means: the page in this repository, with a heading for each.
const problems = "https://github.com/stetlog/stet/blob/main/docs/spec/problems.md#"

// MaxProblem bounds a Problem in bytes.
const MaxProblem = 16 << 10

// Problem is the answer to a request that is refused as a whole (RFC 9457), and the error that a client makes of it.
type Problem struct {
	Type     string `json:"type"`
	Title    string `json:"title"`
	Status   int    `json:"status"`
	Detail   string `json:"detail,omitempty"`
	Code     Code   `json:"code"`
	Hint     string `json:"hint,omitempty"`
	Instance string `json:"instance,omitempty"`
	Expected uint64 `json:"expected,omitempty"` // of stream_hole
	Caret    string `json:"caret,omitempty"`    // of invalid_query: the query, and below it where it is wrong
}

// NewProblem fills a Problem from the table. detail must not repeat what a secret may stand in.
func NewProblem(c Code, detail string) Problem {
	m, ok := Lookup(c)
	if !ok {
		m, _ = Lookup(Internal)
	}
	return Problem{Type: problems + string(m.Code), Title: m.Title, Status: m.Status, Detail: detail, Code: m.Code, Hint: m.Hint}
}

// Append appends the problem as JSON.
func (p Problem) Append(dst []byte) []byte {
	b, err := json.Marshal(p)
	if err != nil { // strings and numbers always marshal
		panic(err)
	}
	return append(dst, b...)
}

// ParseProblem reads the body of a refusal. ok is false where it is no Problem with a code: a proxy's page, say.
func ParseProblem(b []byte) (p Problem, ok bool) {
	if len(b) > MaxProblem || json.Unmarshal(b, &p) != nil || p.Code == "" || len(p.Code) > 64 {
		return Problem{}, false
	}
	return p, true
}

func (p *Problem) Error() string {
	s := fmt.Sprintf("%s (%s)", p.Title, p.Code)
	if p.Detail != "" {
		s += ": " + p.Detail
	}
	if p.Hint != "" {
		s += "; " + p.Hint
	}
	return s
}
