package ship_test

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stetlog/stet/internal/fsx/fsxtest"
	"github.com/stetlog/stet/internal/known"
	"github.com/stetlog/stet/internal/ship"
	"github.com/stetlog/stet/internal/spool"
)

// RoundTrip answers without a network, so that runs are repeatable.
func (s *server) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w.Result(), nil
}

// offline is a server that nothing but RoundTrip reaches.
func offline(t *testing.T, log *memlog) *server {
	s := &server{t: t, log: log}
	s.signer, s.vkey = key(logName, "log")
	return s
}

func offlineShipper(t *testing.T, fsys *fsxtest.Mem, s *server) *ship.Shipper {
	a := address(t, "http://127.0.0.1:7108")
	return &ship.Shipper{Client: ship.NewClientTo(a, s), Address: a, State: fsys, Place: fsys, Known: known.Dir{FS: fsys, Name: "known"}, Now: noon}
}

// crashed is the plan of a flush that is interrupted: five streams, one of which nobody closed.
func crashed(t *testing.T, states int) fsxtest.Plan {
	ids := map[string]int{} // stream → events
	return fsxtest.Plan{
		MaxStates: states,
		Start: func() *fsxtest.Mem {
			disk := fsxtest.New()
			for n := range 3 {
				e := newEmitter(t, disk, n).say(2).say(1)
				ids[e.id] = 3
				if n == 1 {
					e.die()
				} else {
					e.end()
				}
			}
			return disk
		},
		Run: func(fsys *fsxtest.Mem) any {
			s := offline(t, newMemlog())
			_, _ = offlineShipper(t, fsys, s).Flush(t.Context()) // where it was interrupted is the plan's business
			return s
		},
		Check: func(fsys *fsxtest.Mem, acked any) error {
			s := offline(t, acked.(*server).log.clone())
			// What is not in a spool any more is under a checkpoint that this disk remembers.
			last, _, err := known.Dir{FS: fsys, Name: "known"}.Last(logName)
			if err != nil {
				return err
			}
			held := strings.Builder{}
			for _, e := range s.log.entries[:last.Size] {
				held.Write(e)
			}
			for id, n := range ids {
				_, err := spool.Read(fsys, spool.Dir, id, 0, func(b spool.Batch) error {
					for _, e := range b.Events {
						held.Write(e)
					}
					return nil
				})
				if err != nil && !errors.Is(err, fs.ErrNotExist) {
					return err
				}
				for i := range n {
					if text := fmt.Sprintf(`{"stream_id":%q,"pad":"","stream_seq":%d}`, id, i+1); !strings.Contains(held.String(), text) {
						return fmt.Errorf("number %d of stream %s is neither in a spool nor under a checkpoint that is remembered (%d entries)", i+1, id, last.Size)
					}
				}
			}
			r, err := offlineShipper(t, fsys, s).Flush(t.Context())
			if err != nil || len(r.Left) > 0 || len(r.Damaged) > 0 {
				return fmt.Errorf("the next flush: %w, %+v", err, r)
			}
			if left, err := spool.List(fsys, spool.Dir); err != nil || len(left) > 0 {
				return fmt.Errorf("left are %v: %w", left, err)
			}
			for id, n := range ids {
				if got := s.holds(fmt.Sprintf(`{"stream_id":%q`, id)); got != n {
					return fmt.Errorf("the log has %d events of stream %s, there were %d", got, id, n)
				}
			}
			return nil
		},
	}
}

// A spool goes only after memory: whatever a crash leaves, an event is in its spool, or under a checkpoint that this
// computer has written down; and it comes into the log once.
func TestACrashLosesNothing(t *testing.T) {
	r := fsxtest.Explore(t, crashed(t, 300))
	t.Logf("%+v", r)
}

// The same where the disk fails at one place, or two.
func TestAFaultLosesNothing(t *testing.T) {
	r := fsxtest.Faults(t, crashed(t, 300), 40)
	t.Logf("%+v", r)
}

func TestADeadServerDirectoryIsReported(t *testing.T) {
	disk := fsxtest.New()
	newEmitter(t, disk, 1).say(1).end()
	s := offline(t, newMemlog())
	sh := offlineShipper(t, disk, s)
	if err := disk.Mkdir("servers", 0o700); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(disk.Mkdir(sh.Address.Dir(), 0o700)); err != nil {
		t.Fatal(err)
	}
	rewrite(t, disk, sh.Address.Dir()+"/server", []byte("something else"))
	if _, err := sh.Flush(t.Context()); !errors.Is(err, ship.ErrServerFile) || !strings.Contains(err.Error(), "stet enrol") {
		t.Errorf("got %v", err)
	}
}
