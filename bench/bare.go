package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/signal"
	"sync"
	"syscall"

	"github.com/stetlog/stet/internal/fsx"
	"github.com/stetlog/stet/internal/ledger"
)

// bareFlag, as the first of two arguments, makes this program the limit program behind net/http: see serveBare.
const bareFlag = "-serve-the-limit"

// serveBare is a server that checks nothing: it reads each body and gives it whole to the limit program, which hashes it,
// writes it down and flushes once for all who came meanwhile. It writes its URL to out and ends by SIGTERM.
func serveBare(ctx context.Context, dir string, out io.Writer) error {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM)
	defer stop()
	return inDir(config{dir: dir}, "bare", func(fsys fsx.FS) (err error) {
		lim, err := newLimit(fsys)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, lim.close()) }()
		l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintf(out, "http://%s\n", l.Addr()); err != nil {
			return errors.Join(err, l.Close())
		}
		b := &bareServer{lim: lim}
		s := &http.Server{Handler: b} //nolint:gosec // its one client is this program
		ended := make(chan error, 1)
		go func() { ended <- s.Serve(l) }()
		<-ctx.Done()
		err = s.Shutdown(context.WithoutCancel(ctx))
		if serr := <-ended; !errors.Is(serr, http.ErrServerClosed) {
			err = errors.Join(err, serr)
		}
		return err
	})
}

type bareServer struct {
	lim    *limit
	bodies sync.Pool // of *[]byte
}

func (s *bareServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b, ok := s.bodies.Get().(*[]byte)
	if !ok {
		b = new([]byte)
	}
	defer s.bodies.Put(b)
	var err error
	if *b, err = appendAll((*b)[:0], r.Body); err == nil {
		err = s.lim.append(ledger.Batch{Items: []ledger.Item{{Event: *b}}})
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	_, _ = io.WriteString(w, "ok\n") // whoever is not there any more needs no answer
}
