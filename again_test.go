package stet_test

import (
	"crypto/rand"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stetlog/stet"
	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/clock"
	"github.com/stetlog/stet/internal/emitter"
	"github.com/stetlog/stet/internal/fsx"
	"github.com/stetlog/stet/internal/keyfile"
	"github.com/stetlog/stet/internal/ship"
	"github.com/stetlog/stet/internal/spool"
)

// place is where the machine's spools for the server are.
func (c *central) place() *fsx.Dir {
	c.t.Helper()
	a, err := ship.ParseAddress(c.http.URL)
	if err != nil {
		c.t.Fatal(err)
	}
	name, err := a.Place(c.state, "")
	if err != nil {
		c.t.Fatal(err)
	}
	dir, err := fsx.OpenDir(name)
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { _ = dir.Close() })
	return dir
}

// emit spools events past the Recorder, as an older or a wrong one would: nobody on this machine refuses them.
func (c *central) emit(events ...*event.Event) string {
	c.t.Helper()
	key, err := keyfile.Load(filepath.Join(c.state, "emitter.key"))
	if err != nil {
		c.t.Fatal(err)
	}
	signer, err := key.NoteSigner()
	if err != nil {
		c.t.Fatal(err)
	}
	var random [10]byte // two streams may begin in one millisecond
	_, _ = rand.Read(random[:])
	id := event.NewUUIDv7(time.Now(), random)
	em, err := emitter.Open(emitter.Options{FS: c.place(), Dir: spool.Dir, Signer: signer, Codec: &event.Codec{}, Clock: clock.New(), Rand: rand.Reader,
		Meta: spool.Meta{V: 1, StreamID: id.String(), Key: key.VKey, AppID: "billing", Host: "here", PID: 1, StartedAt: event.FormatTime(time.Now())}})
	if err != nil {
		c.t.Fatal(err)
	}
	if err := em.Emit(c.t.Context(), events...); err != nil {
		c.t.Fatal(err)
	}
	if err := em.Close(); err != nil {
		c.t.Fatal(err)
	}
	return id.String()
}

func foreignEvent(typ string) *event.Event {
	e := &event.Event{EventType: typ, AppID: "billing", InteractionID: "order-1", Status: event.StatusSuccess, Absent: map[string]string{}}
	for _, path := range []string{"app_version", "code_location", "entry_point", "host", "environment", "user_id", "source_ip", "principal", "clock"} {
		e.Absent[path] = event.AbsentUnavailable
	}
	return e
}

// once opens a Recorder for the server, gives it time to do what waits, and closes it.
func (c *central) once() {
	c.t.Helper()
	if err := c.open(stet.Options{SendWait: time.Minute}).Close(); err != nil {
		c.t.Fatal(err)
	}
}

// An event that stands as a stub in the log comes again, once, as a new event that names the stub, without what was objected
// to; one that cannot be mended is declared lost. Their bytes stay in quarantine.
func TestWhatWasRefusedIsRecordedAgain(t *testing.T) {
	c := newCentral(t)
	c.once() // which makes the key, and meets the server
	elsewhere, reserved := foreignEvent("order_placed"), foreignEvent("key_revoked")
	elsewhere.Environment, elsewhere.Description = "moon", "the order of the day"
	stream := c.emit(elsewhere, reserved)

	count := func(when string, again, lost int) {
		t.Helper()
		refs := c.has(`"kind":"stub","value":"stream ` + stream)
		mended, declared := c.has("the order of the day"), c.has(`"event_type":"sys_monitor_disabled"`)
		if refs != again+lost || mended != again || declared != lost || c.has(`"stub":{`) != 2 {
			t.Errorf("%s: %d name the stubs; %d recorded again, %d declared lost; %d stubs", when, refs, mended, declared, c.has(`"stub":{`))
		}
	}
	c.once() // sends, and learns of the stubs
	c.once() // records again what was refused, if the first has not
	c.once()
	count("once", 1, 1)
	if n := c.has(`{"path":"environment","rule":"refused","action":"masked"}`); n != 1 {
		t.Errorf("what was masked is named %d times", n)
	}
	place := c.place()
	waiting, err := spool.ListRefused(place, spool.Dir)
	if err != nil || len(waiting) != 0 {
		t.Errorf("still waiting: %+v, %v", waiting, err)
	}
	for _, name := range []string{stream + "-1.json", stream + "-2.json"} {
		if b, err := fsx.ReadFile(place, spool.QuarantineDir+"/"+name, event.MaxBytes); err != nil || !strings.Contains(string(b), `"interaction_id":"order-1"`) {
			t.Errorf("in quarantine: %q, %v", b, err)
		}
	}
	c.once()
	count("a day later", 1, 1)
}

// Only who made an event says it again: another key, application or environment is another's word.
func TestOnlyItsEmitterRecordsAgain(t *testing.T) {
	c := newCentral(t)
	c.once()
	key, err := keyfile.Load(filepath.Join(c.state, "emitter.key"))
	if err != nil {
		t.Fatal(err)
	}
	place, id := c.place(), "01980000-0000-7000-8000-000000000001"
	mine := spool.Refused{Stream: id, Key: key.VKey, App: "billing", Code: "contradiction", Path: "environment"}
	for n, change := range []func(*spool.Refused){
		func(r *spool.Refused) { r.Key = "stet-emitter/other+00000000+AAAA" },
		func(r *spool.Refused) { r.App = "shop" },
		func(r *spool.Refused) { r.Environment = "moon" },
	} {
		r := mine
		r.Seq = uint64(n + 1)
		change(&r)
		if err := spool.KeepRefused(place, spool.Dir, r, []byte(`{"event_type":"order_placed","environment":"moon"}`), true); err != nil {
			t.Fatal(err)
		}
	}
	c.once()
	if waiting, err := spool.ListRefused(place, spool.Dir); err != nil || len(waiting) != 3 {
		t.Errorf("waiting are %+v, %v", waiting, err)
	}
	if n := c.has(`"kind":"stub"`); n != 0 {
		t.Errorf("%d were recorded", n)
	}
}

// What is refused a second time is declared lost, and what is refused then is left: nothing goes in circles.
func TestWhatIsRefusedTwiceIsGivenUp(t *testing.T) {
	c := newCentral(t)
	c.once()
	again := foreignEvent("order_placed")
	again.Environment, again.References = "moon", []event.Reference{{Kind: "stub", Value: "stream of an earlier one"}}
	c.emit(again)
	lost := foreignEvent("sys_monitor_disabled")
	lost.Environment, lost.References = "moon", again.References
	lost.Action, lost.Object = "record", &event.Object{Type: "recorder"}
	c.emit(lost)
	for range 4 {
		c.once()
	}
	if n, stubs := c.has(`"event_type":"sys_monitor_disabled"`), c.has(`"stub":{`); n != 1 || stubs != 2 || c.has("order_placed") != 0 {
		t.Errorf("%d losses declared, %d stubs", n, stubs)
	}
	if waiting, err := spool.ListRefused(c.place(), spool.Dir); err != nil || len(waiting) != 0 {
		t.Errorf("waiting are %+v, %v", waiting, err)
	}
}
