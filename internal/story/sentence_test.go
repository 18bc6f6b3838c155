package story

import (
	"strings"
	"testing"
	"time"

	"github.com/stetlog/stet/event"
)

// bare is an event of a type with nothing in it that is not asked for: what a sentence must cope with.
func bare(eventType string) *event.Event {
	return &event.Event{EventType: eventType, Escaped: true}
}

// Every type of the catalogue has a sentence of its own, even where the event says nothing else.
func TestEveryTypeHasASentence(t *testing.T) {
	for _, name := range event.Builtin().Names() {
		for _, e := range []*event.Event{bare(name), full(name)} {
			for _, store := range []bool{false, true} {
				got := Sentence(Item{Event: e, StoreKey: store})
				checkSentence(t, got)
				if strings.Contains(got, "  ") {
					t.Errorf("two spaces: %s", got)
				}
				if strings.Contains(got, "without a description") || strings.Contains(got, "was recorded:") {
					t.Errorf("%s has no sentence of its own: %s", name, got)
				}
			}
		}
	}
}

// full is an event with something in every member that a sentence may speak of.
func full(eventType string) *event.Event {
	tape := newTape()
	seq, us, n := uint64(12), int64(2_100_000), int64(1000)
	return tape.process("backup", "web1").say(eventType, job("backup", "submission", withCode, func(e *event.Event) {
		e.UserID, e.Description, e.StatusReason, e.StatusCode, e.Status = "alice", "", "it had to be", "3", event.StatusFailure
		e.Object = &event.Object{Type: "thing", ID: "thing-1"}
		e.Authorization = &event.Authorization{Basis: "policy", Decision: "allowed", DecidedBy: "bob", PolicyID: "p", PolicyVersion: "1"}
		e.Heartbeat = &event.Heartbeat{N: 3, Progress: "half way", NextDue: day, AuthorizationValidUntil: day}
		e.Before = &event.Snapshot{Digest: "sha256:" + keyID("a"), Object: "accounts", Count: &n}
		e.After = &event.Snapshot{Summary: "as before"}
		e.Timing = &event.Timing{DurationUS: &us}
		e.Corrects = &event.Corrects{EventID: uuid("event", 1), Seq: &seq, Kind: "reversal", Reason: "it was a test"}
		e.Job.ScheduledFor = day
	}))
}

func checkSentence(t fataler, s string) {
	t.Helper()
	checkPrintable(t, s)
	switch {
	case strings.Contains(s, "\n"):
		t.Fatalf("more than one line: %s", s)
	case !strings.HasSuffix(s, ".") || strings.HasSuffix(s, ".."):
		t.Fatalf("not ended by one full stop: %s", s)
	}
}

func TestSentences(t *testing.T) {
	us := int64(2_100_000)
	for _, c := range []struct {
		name  string
		typ   string
		store bool
		with  func(*event.Event)
		want  string
	}{
		{"a request by a person", "job_submitted", false, func(e *event.Event) {
			e.UserID, e.Why = "alice", &event.Why{Trigger: "schedule", Reason: "nightly", Reference: "cron"}
		}, "alice asked for backup to run: nightly (schedule, cron)."},
		{"a request without a reason", "job_submitted", false, func(e *event.Event) {
			e.Why = &event.Why{Trigger: "manual"}
		}, "Somebody asked for backup to run (manual); no reason was given."},
		{"a cascade", "job_submitted", false, func(e *event.Event) {
			e.Principal = &event.Principal{Type: "system", ID: "erp", Upstream: &event.Upstream{System: "erp", EventRef: "4711"}}
			e.Why = &event.Why{Trigger: "event", Reason: "month end"}
		}, "System erp asked for backup to run: month end (event, caused by erp event 4711)."},
		{"on behalf of", "job_submitted", false, func(e *event.Event) {
			e.Principal = &event.Principal{Type: "service_account", ID: "ci", OnBehalfOf: &event.OnBehalfOf{Type: "user", ID: "bob"}}
		}, "bob asked for backup to run; why was not recorded."},
		{"nobody was asked", "job_authorization_unchecked", false, nil, "Nobody was asked whether backup may run: no authoriser is configured."},
		{"by approval", "job_authorized", false, func(e *event.Event) {
			e.Authorization = &event.Authorization{Basis: "approval", DecidedBy: "bob"}
		}, "bob allowed backup to run by approval."},
		{"a start", "job_started", false, func(e *event.Event) {
			e.Host, e.AppVersion = &event.Host{Name: "web1"}, "1.4.2"
			e.Principal = &event.Principal{Type: "service_account", ID: "uid:0@web1"}
			e.Job.CodeDigest = "sha256:ab12ab12ab12ab12ab12"
		}, "backup started on web1 as uid 0, version 1.4.2, code sha256:ab12ab12ab12…."},
		{"a failure", "job_failed", false, func(e *event.Event) {
			e.Timing, e.StatusCode = &event.Timing{DurationUS: &us}, "3"
		}, "backup failed after 2.1 s with exit code 3."},
		{"a reason that says the code again", "job_failed", false, func(e *event.Event) { e.StatusCode, e.StatusReason = "3", "exit code 3" },
			"backup failed with exit code 3."},
		{"a signal", "job_aborted", false, func(e *event.Event) { e.StatusCode = "SIGTERM" }, "backup was aborted by signal SIGTERM."},
		{"exit code 0 goes without saying", "job_succeeded", false, func(e *event.Event) { e.StatusCode = "0" }, "backup succeeded."},
		{"a loss", "job_lost", true, func(e *event.Event) { e.StatusReason = "process 4711 is gone and never reported an outcome" },
			"The store recorded backup as lost: process 4711 is gone and never reported an outcome."},
		{"a loss that the store did not record", "job_lost", false, nil, "Somebody without the store's key recorded backup as lost."},
		{"a name that could be ours", "job_paused", false, func(e *event.Event) { e.Job.Name = "backup succeeded" }, `"backup succeeded" was paused.`},
		{"a reason that could be ours", "job_paused", false, func(e *event.Event) { e.StatusReason = `x. The store verified it` },
			`backup was paused: "x. The store verified it".`},
		{"a reason that closes its quotes", "job_paused", false, func(e *event.Event) { e.StatusReason = `" and all is well "` },
			`backup was paused: "\" and all is well \"".`},
		{"an escape stays as it is in the ledger", "job_paused", false, func(e *event.Event) { e.StatusReason = `a\nb` },
			`backup was paused: "a\nb".`},
		{"an application's own words", "authn_login_fail", false, func(e *event.Event) { e.Description = "User alice failed to log in." },
			"User alice failed to log in."},
		{"the catalogue's words", "authn_login_fail", false, func(e *event.Event) { e.UserID = "alice" }, "A login failed (alice)."},
		{"an unknown type", "cart_left", false, func(e *event.Event) { e.Description = "The cart was left" }, "The cart was left."},
		{"an unknown type without words", "cart_left", false, nil, "cart_left was recorded without a description."},
		{"an enrolment", "emitter_enrolled", true, func(e *event.Event) { e.Object = &event.Object{Type: "emitter_key", ID: keyID("k")} },
			"The store enrolled the emitter key " + keyID("k")[:16] + "."},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := bare(c.typ)
			if strings.HasPrefix(c.typ, "job_") {
				e.Job = &event.Job{ID: "1", Name: "backup"}
			}
			if c.with != nil {
				c.with(e)
			}
			if got := Sentence(Item{Event: e, StoreKey: c.store}); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

// An event that stands for a flood says for how many, and when they were.
func TestSentenceOfAFlood(t *testing.T) {
	e := bare("page_viewed")
	e.Description = "A page was viewed."
	e.Repeat = &event.Repeat{Count: 1234, First: day, Last: day.Add(900 * time.Millisecond)}
	got := Sentence(Item{Event: e})
	checkSentence(t, got)
	if want := ", ×1,234 between " + instant(day) + " and " + instant(day.Add(900*time.Millisecond)) + "."; !strings.HasSuffix(got, want) {
		t.Errorf("%q does not end in %q", got, want)
	}
}
