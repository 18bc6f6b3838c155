package server

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/auth"
	"github.com/stetlog/stet/internal/clock"
	"github.com/stetlog/stet/internal/fsx"
	"github.com/stetlog/stet/internal/index"
	"github.com/stetlog/stet/internal/published"
	"github.com/stetlog/stet/internal/verify"
)

// Options are what a Server is made of. Log and Authority must be set; the zero value of the rest is good.
type Options struct {
	Log       Log
	Authority Authority
	Limits    Limits
	// LogKey is the verifier key of the log, told to anybody who asks; nil: nobody is told. It is asked each time, because
	// another key may take its place.
	LogKey func() string
	Logger *slog.Logger // nil: nothing is logged
	Clock  *clock.Clock // nil: this machine's

	// Open lets every caller of a TCP listener do everything, for trying out (serve --dev). Only requests whose Host is a
	// loopback name are let in then, because a web page can have its own name point at this machine.
	Open bool
	// RequireClockSync makes the server not ready while the kernel does not say that its clock is in step.
	RequireClockSync bool
	// OwnUID is the uid that counts as the server's own on a Unix socket.
	OwnUID uint32

	// Record records events of the server's own, durably; nil: it makes none.
	Record func(ctx context.Context, events ...*event.Event) ([]uint64, error)
	// FS is the store's directory, for what is kept of foreign records that are refused; nil: nothing is kept.
	FS fsx.FS
	// Also runs beside the requests and takes what comes to the door by another way, until its context ends; Serve returns after it. An
	// error ends the server. nil: there is nothing beside.
	Also func(ctx context.Context, s *Server) error
	// Metrics are counted beside the server's own.
	Metrics []prometheus.Collector
	// Routes are further ones, such as those of the administration, with the same doors in front.
	Routes []Route
	// Session says who a request without a token is from, by what its browser was given when somebody logged in; false where
	// nobody is logged in with it. nil: there are no sessions.
	Session func(r *http.Request) (auth.Identity, bool)
	// Refused is told of every failed login, from whatever the peer is; the address is the peer's own. nil: nobody is.
	Refused func(ctx context.Context, peer Peer, why error)
	// Read is told whenever a caller is given events. nil: nobody is.
	Read func(ctx context.Context, id auth.Identity, peer Peer, r Reading)
	// Index opens the index of the log, which the server then has follow the log, and closes; again after trouble with it.
	// nil: nothing can be searched.
	Index func() (*index.Index, error)
	// Feed is of the log, for the index; it must be set where Index is.
	Feed *published.Feed
	// Verify verifies the whole log, as anybody would who has a copy of it. The server calls it again and again while it serves.
	// nil: it does not, and says so.
	Verify func(ctx context.Context) (verify.Report, error)
	// Hole is told whenever a batch is refused because the numbers before it are missing: expected must come next, and got came.
	// It must not wait. nil: nobody is.
	Hole func(stream string, expected, got uint64)
}

// Reading is which entries a caller was given: so many of those from First to Last.
type Reading struct{ First, Last, Entries uint64 }

// Limits are the bounds of what the server holds and does at once. Zero stands for the default.
type Limits struct {
	Connections int   // open at once a listener; 4096. One more waits in the kernel's queue
	Requests    int   // answered at once; 512. One more is overloaded
	PerToken    int   // of these, of one token; 256
	Memory      int64 // bytes of bodies held at once; 256 MiB. What is over it is overloaded

	RequestRate  float64 // requests a second of one token, in the mean; 20,000
	RequestBurst int     // of these at once; 40,000
	ByteRate     float64 // bytes a second of one token, as they come; 256 MiB
	ByteBurst    int     // of these at once; 1 GiB
	StreamRate   float64 // streams that one token opens a second; 100
	StreamBurst  int     // of these at once; 10,000

	Queries   int           // questions to the index answered at once; 16. One token has half of them
	QueryTime time.Duration // for a question; 10 s. What takes longer is too expensive

	Tails    int           // streams of events that are open at once; 64. One token has half of them
	TailTime time.Duration // for what a stream says to be taken; 10 s. Who is slower is cut off

	Streams    int           // HTTP/2 streams of one connection; 100
	Header     int           // bytes of a request's header; 16 KiB
	HeaderTime time.Duration // for a header to arrive; 10 s
	ReadTime   time.Duration // for a whole request to arrive; 60 s
	WriteTime  time.Duration // from a header's end until the answer is sent; 120 s
	IdleTime   time.Duration // between two requests of a connection; 120 s
	HandleTime time.Duration // of a request's work, once it has arrived; 45 s
}

// orDefaults fills in the defaults. A rate that is given alone gets a burst of two seconds.
func (l Limits) orDefaults() Limits {
	if l.RequestRate > 0 {
		def(&l.RequestBurst, int(2*l.RequestRate)+1)
	}
	if l.ByteRate > 0 {
		def(&l.ByteBurst, int(2*l.ByteRate)+1)
	}
	if l.StreamRate > 0 {
		def(&l.StreamBurst, int(2*l.StreamRate)+1)
	}
	def(&l.Connections, 4096)
	def(&l.Requests, 512)
	def(&l.PerToken, 256)
	def(&l.Memory, 256<<20)
	def(&l.RequestRate, 20_000)
	def(&l.RequestBurst, 40_000)
	def(&l.ByteRate, 256<<20)
	def(&l.ByteBurst, 1<<30)
	def(&l.StreamRate, 100)
	def(&l.StreamBurst, 10_000)
	def(&l.Queries, 16)
	def(&l.QueryTime, 10*time.Second)
	def(&l.Tails, 64)
	def(&l.TailTime, 10*time.Second)
	def(&l.Streams, 100)
	def(&l.Header, 16<<10)
	def(&l.HeaderTime, 10*time.Second)
	def(&l.ReadTime, 60*time.Second)
	def(&l.WriteTime, 120*time.Second)
	def(&l.IdleTime, 120*time.Second)
	def(&l.HandleTime, 45*time.Second)
	return l
}

func def[T int | int64 | float64 | time.Duration](v *T, otherwise T) {
	if *v <= 0 {
		*v = otherwise
	}
}
