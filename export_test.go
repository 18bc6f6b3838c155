package stet

import (
	"context"
	"net/http"
	"os"

	"github.com/stetlog/stet/internal/fsx"
	"github.com/stetlog/stet/internal/keyfile"
	"github.com/stetlog/stet/internal/origin"
)

// OpenOn is Open on a given file system and key. find is called where the place is looked for; its error is the
// place's.
func OpenOn(fsys fsx.FS, o Options, find func() error) (*Recorder, error) {
	return OpenBeside(fsys, nil, "", o, find)
}

// OpenBeside is OpenOn with a directory of notes, nil for none, and a socket of the system's log, "" for none.
func OpenBeside(fsys, notes fsx.FS, syslog string, o Options, find func() error) (*Recorder, error) {
	out := outside{syslog: syslog}
	if notes != nil {
		out.notes = []notePlace{func(bool) (fsx.FS, func() error, error) { return notes, func() error { return nil }, nil }}
	}
	return open(context.Background(), "test", o, origin.Detect(os.LookupEnv), out, func() (place, error) {
		if err := find(); err != nil {
			return place{}, err
		}
		key, err := keyfile.Generate("stet-emitter/test/0", nil)
		if err != nil {
			return place{}, err
		}
		signer, err := key.NoteSigner()
		return place{fsys: fsys, key: key, signer: signer}, err
	})
}

// Recordable is what becomes of parameters.
func Recordable(params map[string]any) map[string]any { return recordable(params) }

// ParseTraceparent, ParseTracestate and ParseBaggage are the parsers of headers that anybody may have written.
func ParseTraceparent(s string) (Trace, bool) { return parseTraceparent(s) }

func ParseTracestate(lines []string) string { return parseTracestate(lines) }

func ParseBaggage(lines []string) (ours map[string][]string, others []string) {
	b := parseBaggage(lines)
	return b.ours, b.others
}

// Parent is t as a traceparent header has it.
func (t Trace) Parent() string { return t.parent() }

// Client is the address that a Middleware with these options takes for a request's.
func (o MiddlewareOptions) Client(r *http.Request) string {
	if o.ProxyHeader == "" {
		o.ProxyHeader = headerForwardedFor
	}
	address, _ := o.client(r)
	return address
}

// Forwarded is what becomes source.forwarded_for.
func Forwarded(h http.Header) []string { return forwarded(h) }

// Floods is how many events the window under way remembers.
func (r *Recorder) Floods() int {
	r.folds.mu.Lock()
	defer r.folds.mu.Unlock()
	return len(r.folds.kinds) + len(r.folds.same)
}
