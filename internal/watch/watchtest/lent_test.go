package watchtest

import (
	"reflect"
	"testing"

	"github.com/stetlog/stet/event"
)

// What is lent is what it was made of, until it is taken back.
func TestLent(t *testing.T) {
	e := &event.Event{AppID: "shop", Job: &event.Job{ID: "j"}, Labels: map[string]string{"a": "b"}, References: []event.Reference{{Kind: "seq", Value: "1"}}}
	l, spoil := Lent(e)
	app, job, refs := l.AppID, l.Job, l.References
	if !reflect.DeepEqual(l, e) {
		t.Fatalf("it is %+v", l)
	}
	if Spoiled(l) {
		t.Errorf("it is spoiled before it is taken back")
	}
	kept := &event.Event{AppID: l.AppID}
	spoil()
	if !Spoiled(kept) {
		t.Errorf("what is kept of it is not seen to be spoiled: %+v", kept)
	}
	if app != "####" || job.ID != "" || refs[0].Value != "" || len(l.Labels) > 0 {
		t.Errorf("what was lent is still there: %q %+v %+v %v", app, job, refs, l.Labels)
	}
	if e.AppID != "shop" || e.Job.ID != "j" || e.Labels["a"] != "b" {
		t.Errorf("what it was made of is not: %+v", e)
	}
}
