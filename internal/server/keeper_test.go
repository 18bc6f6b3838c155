package server

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stetlog/stet/internal/fsx"
	"github.com/stetlog/stet/internal/index"
	"github.com/stetlog/stet/internal/logread"
	"github.com/stetlog/stet/internal/published"
	"github.com/stetlog/stet/internal/store"
)

// onDisk has the index of a world in a directory of the disk, which is returned.
func onDisk(t *testing.T) (dir string, change func(*Options)) {
	t.Helper()
	dir = t.TempDir()
	fsys, err := fsx.OpenDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = fsys.Close() })
	return filepath.Join(dir, index.Dir), func(o *Options) {
		o.Index = func() (*index.Index, error) { return index.Open(fsys, o.LogKey()) }
	}
}

// gatedLog is a log whose checkpoint is told one asking after the other, while it is shut.
type gatedLog struct {
	*store.Held
	shut atomic.Bool
	come chan struct{} // somebody asks
	pass chan struct{} // and is answered
}

func (g *gatedLog) Checkpoint() []byte {
	if g.shut.Load() {
		g.come <- struct{}{}
		<-g.pass
	}
	return g.Held.Checkpoint()
}

// An index that is deleted under a running server is made anew: answers say so, and how far it is, and end as they were.
func TestIndexDeletedUnderTheServer(t *testing.T) {
	dir, change := onDisk(t)
	w := newWorld(t, change)
	g := &gatedLog{Held: w.held, come: make(chan struct{}), pass: make(chan struct{})}
	w.server.keeper.feed = published.New(g, w.held.Source())
	receipts(t, w.post("writer", newSender(t, "shop").say(40)))
	w.follow()
	w.caughtUp()
	before := w.find("auditor", "event:shop_checkout")
	if len(before.Rows) != 40 || !before.Searched.Complete {
		t.Fatalf("%d rows, %+v", len(before.Rows), before.Searched)
	}
	g.shut.Store(true)
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	select {
	case <-g.come: // it has noticed, and begins anew
	case <-time.After(20 * time.Second):
		t.Fatal("it has not noticed that its index is gone")
	}
	during := w.find("auditor", "event:shop_checkout")
	if s := during.Searched; !s.Rebuilding || s.Complete || s.Indexed != 0 || s.Size != before.Searched.Size || len(during.Rows) > 0 {
		t.Errorf("meanwhile %d rows, %+v", len(during.Rows), s)
	}
	g.shut.Store(false)
	g.pass <- struct{}{}
	w.caughtUp()
	after := w.find("auditor", "event:shop_checkout")
	if !slices.Equal(after.seqs(), before.seqs()) || !after.Searched.Complete || after.Searched.Rebuilding {
		t.Errorf("then %v, %+v; before %v", after.seqs(), after.Searched, before.seqs())
	}
}

// saved has a world's log indexed, gives the index back as its one file, and has the server use that without following the log.
func saved(t *testing.T, w *world, dir string) (file string) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		w.server.keeper.run(ctx)
	}()
	w.caughtUp()
	cancel()
	<-ended
	all, err := filepath.Glob(filepath.Join(dir, "*.seg"))
	if err != nil || len(all) != 1 {
		t.Fatalf("%v, %v", all, err)
	}
	x, err := w.server.keeper.open()
	if err != nil || x.Indexed() != w.held.State().Published {
		t.Fatalf("%d entries are indexed: %v", x.Indexed(), err)
	}
	t.Cleanup(func() { _ = x.Close() })
	w.server.keeper.x.Store(x)
	return all[0]
}

// A row that somebody has altered in the index is shown as failed, with why; a reader who may not see what the log has there is told
// no more than that.
func TestAlteredRowIsFlagged(t *testing.T) {
	dir, change := onDisk(t)
	w := newWorld(t, change)
	receipts(t, w.post("writer", newSender(t, "shop").say(2)))
	receipts(t, w.post("other", newSender(t, "bank").say(2)))
	file := saved(t, w, dir)
	alter(t, file, "shop_checkout", "shop_checkxxx") // of both applications
	a := w.find("auditor", "event:shop_checkxxx")
	if len(a.Rows) != 4 {
		t.Fatalf("%+v", a)
	}
	for _, row := range a.Rows {
		if row.State != "failed" || !strings.Contains(row.Doubt, "it does not") || row.Entry == nil {
			t.Errorf("entry %d: %s, %q", row.Seq, row.State, row.Doubt)
		}
	}
	// The index now says of the bank's entries that they are the shop's.
	alter(t, file, "bank", "shop")
	a = w.find("reader", "event:shop_checkxxx")
	shown := 0
	for _, row := range a.Rows {
		if row.State != "failed" || bytes.Contains(row.Entry, []byte("bank")) {
			t.Errorf("entry %d: %s: %s", row.Seq, row.State, row.Entry)
		}
		if row.Entry != nil {
			shown++
		}
	}
	if len(a.Rows) < 2 || shown > 2 {
		t.Errorf("%d rows, %d of them with what the log has", len(a.Rows), shown)
	}
}

func alter(t *testing.T, file, from, to string) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(b, []byte(from)) {
		t.Fatalf("%s is not in the index as it stands", from)
	}
	if err := os.WriteFile(file, bytes.ReplaceAll(b, []byte(from), []byte(to)), 0o600); err != nil {
		t.Fatal(err)
	}
}

// An index that turns out to be damaged is said to be made anew by the answer that came upon it, and then is.
func TestDamagedIndexUnderTheServer(t *testing.T) {
	for name, damage := range map[string]func(b []byte) []byte{
		"overwritten": func(b []byte) []byte { return bytes.Repeat([]byte{0xff}, len(b)) },
		"cut":         func(b []byte) []byte { return b[:len(b)/8] },
	} {
		dir, change := onDisk(t)
		w := newWorld(t, change)
		receipts(t, w.post("writer", newSender(t, "shop").say(20)))
		file := saved(t, w, dir)
		before := w.find("auditor", "event:shop_checkout")
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, damage(b), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, target := range []string{"/v1/events?q=event:shop_checkout", "/v1/counts?q=event:shop_checkout&facet=app&histogram=3", "/v1/stories/order-1", "/v1/jobs/x/lineage"} {
			r := w.do("auditor", http.MethodGet, target, nil)
			if rebuilding := strings.Contains(r.body, `"rebuilding":true`); !rebuilding && r.status != http.StatusServiceUnavailable {
				t.Errorf("%s: %s: status %d: %.300s", name, target, r.status, r.body)
			}
		}
		w.follow()
		after := w.find("auditor", "event:shop_checkout")
		for deadline := time.Now().Add(patience); !after.Searched.Complete && time.Now().Before(deadline); {
			after = w.find("auditor", "event:shop_checkout") // which waits for the index, a moment each time
		}
		if len(after.Rows) != 20 || !slices.Equal(after.seqs(), before.seqs()) {
			t.Errorf("%s: then %v, before %v", name, after.seqs(), before.seqs())
		}
	}
}

// While another process writes the index the server leaves it alone, and follows the log when that one is done.
func TestIndexInOtherHands(t *testing.T) {
	_, change := onDisk(t)
	w := newWorld(t, change)
	receipts(t, w.post("writer", newSender(t, "shop").say(5)))
	other, err := w.server.keeper.open()
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Rebuild(t.Context(), indexedLog{w.held}, nil); err != nil {
		t.Fatal(err)
	}
	if err := w.server.keeper.follow(t.Context()); !errors.Is(err, index.ErrBusy) {
		t.Fatalf("both write the index: %v", err)
	}
	if err := other.Close(); err != nil {
		t.Fatal(err)
	}
	w.follow()
	w.caughtUp()
}

// An index that a damaged file of the log keeps from going on says which entries it could not read, as long as that is so.
func TestIndexOfALogThatCannotBeRead(t *testing.T) {
	w := newWorld(t, nil)
	receipts(t, w.post("writer", newSender(t, "shop").say(300)))
	name := logread.StoreLog + "/tile/entries/000"
	good, err := fsx.ReadFile(w.fsys, name, 1<<20)
	if err == nil {
		err = fsx.Replace(w.fsys, name, good[:100], 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	w.follow()
	var during foundAnswer
	for deadline := time.Now().Add(time.Minute); during.Searched.Unread == nil && time.Now().Before(deadline); {
		during = w.find("auditor", "event:shop_checkout")
	}
	if s := during.Searched; s.Complete || s.Unread == nil || !strings.HasPrefix(*s.Unread, "entries 0 to 255 cannot be read: tile/entries/000 is damaged: ") {
		t.Errorf("%+v", s)
	}
	if b := w.do("auditor", http.MethodGet, "/metrics", nil).body; !strings.Contains(b, "\nstet_index_stopped 1\n") {
		t.Error("no metric says so")
	}
	if err := fsx.Replace(w.fsys, name, good, 0o600); err != nil {
		t.Fatal(err)
	}
	w.caughtUp()
	for deadline := time.Now().Add(time.Minute); w.server.keeper.unread.Load() != nil && time.Now().Before(deadline); {
		runtime.Gosched() // it is told a moment after the last entry can be found
	}
	if s := w.find("auditor", "event:shop_checkout").Searched; !s.Complete || s.Unread != nil || w.server.keeper.unread.Load() != nil {
		t.Errorf("mended: %+v", s)
	}
}
