package admin

import (
	"context"
	"fmt"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/auth"
)

// watching runs fn beside a Watch, in a time of its own, and returns all that the log was told.
func watching(t *testing.T, fn func(w *Watch, log *fakeLog)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		log := &fakeLog{}
		w := &Watch{Log: log}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			w.Run(ctx)
		}()
		synctest.Wait()
		fn(w, log)
		cancel()
		<-done
	})
}

// inMemory is how many kinds are told apart now.
func (w *Watch) inMemory() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.kinds)
}

func total(events []*event.Event) (n uint64) {
	for _, e := range events {
		if e.Repeat != nil {
			n += e.Repeat.Count
		} else {
			n++
		}
	}
	return n
}

func TestRefusedLoginsAreFolded(t *testing.T) {
	addr := netip.MustParseAddr("192.0.2.7")
	watching(t, func(w *Watch, log *fakeLog) {
		w.Refused(addr, nil, auth.ErrUnknown)
		synctest.Wait()
		first := log.took()
		if len(first) != 1 || first[0].EventType != "login_refused" || first[0].SourceIP != "192.0.2.7" || first[0].Repeat != nil ||
			first[0].UserID != "" || first[0].Absent["user_id"] != event.AbsentUnauthenticated || first[0].Principal.Type != "unauthenticated" {
			t.Fatalf("the first one is recorded at once, as it is: %+v", first)
		}
		for range 1000 {
			w.Refused(addr, nil, auth.ErrUnknown)
		}
		w.Refused(addr, nil, auth.ErrRevoked)
		synctest.Wait()
		if more := log.took(); len(more) != 1 || more[0].StatusReason != "the token was revoked" {
			t.Fatalf("another reason is another kind: %+v", more)
		}
		time.Sleep(Window)
		synctest.Wait()
		if rest := log.took(); len(rest) != 1 || rest[0].Repeat == nil || rest[0].Repeat.Count != 1000 {
			t.Fatalf("the rest of the window is one event: %+v", rest)
		}
		time.Sleep(3 * Window)
		synctest.Wait()
		if quiet := log.took(); len(quiet) != 0 {
			t.Fatalf("nothing happened, and yet: %+v", quiet)
		}
		w.Refused(addr, nil, auth.ErrUnknown)
		synctest.Wait()
		if again := log.took(); len(again) != 1 {
			t.Fatalf("the next window begins anew: %+v", again)
		}
	})
}

// A flood from everywhere costs no more than its budget, and none of it is missing from the count.
func TestAFloodHasABudget(t *testing.T) {
	const flood = 20_000
	watching(t, func(w *Watch, log *fakeLog) {
		for i := range flood {
			a := netip.AddrFrom4([4]byte{198, byte(i >> 16), byte(i >> 8), byte(i)})
			w.Refused(a, nil, auth.ErrUnknown)
		}
		if n := w.inMemory(); n > Kinds+1 {
			t.Errorf("%d kinds in memory", n)
		}
		w.Read(By{Identity: auth.Identity{Token: "auditor", Role: auth.Auditor}}, 0, 0, 1) // readings have a budget of their own
		time.Sleep(Window)
		synctest.Wait()
		all := log.took()
		if n := total(all); n != flood+1 {
			t.Errorf("%d are counted, %d came", n, flood+1)
		}
		if len(all) > 2*Kinds+3 {
			t.Errorf("the flood cost %d events", len(all))
		}
		read := 0
		for _, e := range all {
			if e.EventType == "log_read" {
				read++
			}
		}
		if read != 1 {
			t.Errorf("%d readings, want 1", read)
		}
	})
}

func TestOneNetworkIsOneKind(t *testing.T) {
	watching(t, func(w *Watch, log *fakeLog) {
		for i := range 50 {
			w.Refused(netip.MustParseAddr(fmt.Sprintf("2001:db8:1:2::%x", i+1)), nil, auth.ErrUnknown)
			w.Refused(netip.MustParseAddr("::ffff:192.0.2.7"), nil, auth.ErrUnknown)
			w.Refused(netip.MustParseAddr("192.0.2.7"), nil, auth.ErrUnknown)
		}
		uid := uint32(1001)
		w.Refused(netip.Addr{}, &uid, auth.ErrUnknown)
		if n := w.inMemory(); n != 3 {
			t.Errorf("%d kinds; a /64, an address and a uid are 3", n)
		}
		time.Sleep(Window)
		synctest.Wait()
		all := log.took()
		for _, e := range all {
			if e.SourceIP == "" && e.UserID != "uid:1001" {
				t.Errorf("nothing says where this came from: %+v", e)
			}
		}
		if n := total(all); n != 151 {
			t.Errorf("%d are counted, 151 came", n)
		}
	})
}

func TestReadingsAreFoldedByReader(t *testing.T) {
	alice, bob := By{Identity: auth.Identity{Token: "alice", Role: auth.Auditor}, Addr: "192.0.2.7"}, By{Identity: auth.Identity{Token: "bob", Role: auth.Reader}}
	watching(t, func(w *Watch, log *fakeLog) {
		w.Read(alice, 256, 511, 256)
		w.Read(alice, 0, 0, 0) // nothing was given
		synctest.Wait()
		first := log.took()
		if len(first) != 1 || first[0].EventType != "log_read" || first[0].UserID != "alice" || first[0].Object.ID != "256-511" || first[0].Labels["entries"] != "256" {
			t.Fatalf("the first reading is recorded at once: %+v", first)
		}
		w.Read(bob, 7, 7, 1)
		for i := range uint64(10) {
			w.Read(alice, 512+i*256, 767+i*256, 256)
		}
		time.Sleep(Window)
		synctest.Wait()
		all := log.took()
		if len(all) != 2 {
			t.Fatalf("%d events; one for bob and one for the rest of alice's: %+v", len(all), all)
		}
		for _, e := range all {
			switch e.UserID {
			case "alice":
				if e.Object.ID != "512-3071" || e.Labels["entries"] != "2560" || e.Repeat == nil || e.Repeat.Count != 10 {
					t.Errorf("alice: %+v", e)
				}
			case "bob":
				if e.Object.ID != "7-7" || e.Repeat != nil {
					t.Errorf("bob: %+v", e)
				}
			}
		}
	})
}

// What the last window holds is recorded when the server ends.
func TestTheLastWindowIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &fakeLog{}
		w := &Watch{Log: log}
		w.Refused(netip.MustParseAddr("192.0.2.7"), nil, auth.ErrUnknown) // before it runs
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			w.Run(ctx)
		}()
		synctest.Wait()
		for range 7 {
			w.Refused(netip.MustParseAddr("192.0.2.7"), nil, auth.ErrUnknown)
		}
		cancel()
		<-done
		if n := total(log.took()); n != 8 {
			t.Errorf("%d are counted, 8 came", n)
		}
	})
}
