package stet_test

import (
	"errors"
	"testing"

	"github.com/stetlog/stet"
	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/spool"
)

// TestALiveSpoolIsTakenAway: THREATS 15. Somebody removes a spool's segment under the recorder. The next record is not
// acknowledged, the one after it goes to a new stream, and that declares the loss.
func TestALiveSpoolIsTakenAway(t *testing.T) {
	w := open(t, stet.Options{})
	login := event.Event{EventType: "authn_login_fail", Status: event.StatusFailure}
	if err := w.Record(t.Context(), login); err != nil {
		t.Fatal(err)
	}
	old := func() string {
		t.Helper()
		streams, err := w.disk.ReadDir(spool.Dir)
		if err != nil || len(streams) != 1 {
			t.Fatalf("streams %v, %v", streams, err)
		}
		return spool.Dir + "/" + streams[0].Name()
	}()
	if err := w.disk.Remove(old + "/000001.seg"); err != nil {
		t.Fatal(err)
	}
	if err := w.Record(t.Context(), login); !errors.Is(err, stet.ErrNotRecorded) {
		t.Errorf("a record in a file that is gone: %v", err)
	}
	if err := w.Record(t.Context(), login); err != nil {
		t.Errorf("the next record: %v", err)
	}
	types := map[string]int{}
	for _, e := range w.events() {
		types[e.EventType]++
	}
	if types["authn_login_fail"] != 1 || types["sys_monitor_disabled"] != 1 {
		t.Errorf("in the spools: %v", types)
	}
}
