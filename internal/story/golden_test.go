package story

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stetlog/stet/event"
)

var update = flag.Bool("update", false, "write testdata instead of comparing with it")

// tales are the stories whose every word is kept in testdata.
var tales = []struct {
	name string
	o    RenderOptions
	tell func(t *tape)
}{
	{"success", RenderOptions{Width: 120, LocalOnly: true}, func(t *tape) {
		s := t.process("backup", "web1")
		s.begins("backup")
		t.pass(2100 * time.Millisecond)
		s.say("job_succeeded", job("backup", "outcome", ends("success", "0", 2100*time.Millisecond), func(e *event.Event) {
			e.Impact = &event.Impact{Summary: "1,000 records updated", Counts: map[string]int64{"updated": 1000, "stdout_bytes": 20480}}
			e.References = []event.Reference{{Kind: "stdout_sha256", Value: keyID("out")}}
			e.Labels = map[string]string{"stdout_tail": `a.txt\nb.txt\nback\\nslash\n`}
			e.Redactions = []event.Redaction{{Path: "labels.stdout_tail", Rule: "url_password", Action: "masked"}}
		}))
	}},
	{"failure", RenderOptions{Width: 100}, func(t *tape) {
		s := t.process("backup", "web1")
		s.asks("backup", func(e *event.Event) {
			e.UserID, e.SourceIP = "alice", "192.0.2.7"
			delete(e.Absent, "user_id")
			delete(e.Absent, "source_ip")
			e.Target = &event.Target{System: "db", Environment: "staging"}
		})
		s.say("job_authorized", job("backup", "authorization", func(e *event.Event) {
			e.Authorization = &event.Authorization{Basis: "policy", Decision: "allowed", DecidedBy: "bob", PolicyID: "backups", PolicyVersion: "7",
				Required: []string{"db.read"}, Granted: []string{"db.read", "db.list"}}
		}))
		s.starts("backup")
		for n := uint64(1); n <= 14; n++ {
			t.pass(5 * time.Minute)
			if n != 4 && n != 5 {
				s.beats("backup", n)
			}
		}
		t.pass(time.Second)
		s.say("job_failed", job("backup", "outcome", ends("failure", "3", 70*time.Minute), reason("the disk is full")))
	}},
	{"aborted", RenderOptions{}, func(t *tape) {
		s := t.process("backup", "web1")
		s.begins("backup")
		s.say("job_cancel_requested", job("backup", "", func(e *event.Event) { e.UserID, e.Job.RunID = "carol", "" }, reason("wrong day")))
		s.say("job_aborted", job("backup", "outcome", ends("aborted", "SIGTERM", 900*time.Millisecond)))
	}},
	{"lost", RenderOptions{Width: 100}, func(t *tape) {
		s := t.process("backup", "web1")
		s.begins("backup")
		t.pass(time.Minute)
		s.beats("backup", 1)
		t.pass(time.Hour)
		store := t.theStore()
		run := OpenRuns(s.stream, t.items)[0]
		store.say("job_lost", func(e *event.Event) { lose(e, Lost(run, Evidence{PID: 4711})) })
	}},
	{"missing_submission", RenderOptions{}, func(t *tape) {
		s := t.process("backup", "web1")
		s.starts("backup")
		s.say("job_succeeded", job("backup", "outcome", ends("success", "0", time.Second)))
	}},
	{"missing_outcome", RenderOptions{}, func(t *tape) {
		t.process("backup", "web1").begins("backup")
	}},
	{"not_started", RenderOptions{}, func(t *tape) {
		t.process("web", "web1").asks("backup", func(e *event.Event) { e.Job.RunID = "" })
	}},
	{"denied", RenderOptions{}, func(t *tape) {
		s := t.process("backup", "web1")
		s.asks("backup")
		s.say("job_denied", job("backup", "authorization", reason("it is a holiday"), func(e *event.Event) {
			e.Status = event.StatusDenied
			e.Authorization = &event.Authorization{Basis: "policy", Decision: "denied", DecidedBy: "opa", PolicyID: "calendar"}
		}))
	}},
	{"children", RenderOptions{}, family},
	{"children_tree", RenderOptions{Full: true}, family},
	{"attempts", RenderOptions{}, func(t *tape) {
		web := t.process("web", "web1")
		web.asks("mail", func(e *event.Event) { e.Job.RunID = "" })
		first := t.process("mailer", "worker1")
		first.may("mail", attemptNo(1))
		first.starts("mail", attemptNo(1))
		first.say("job_failed", job("mail", "outcome", attemptNo(1), ends("failure", "1", 30*time.Millisecond), reason("no route to host")))
		first.say("job_retry_scheduled", job("mail", "", attemptNo(1), func(e *event.Event) { e.Job.ScheduledFor = t.now.Add(time.Minute) }))
		t.pass(time.Minute)
		second := t.process("mailer", "worker2")
		second.starts("mail", attemptNo(2))
		second.say("job_succeeded", job("mail", "outcome", attemptNo(2), ends("success", "0", 20*time.Millisecond)))
	}},
	{"corrections", RenderOptions{Width: 110}, func(t *tape) {
		s := t.process("backup", "web1")
		s.begins("backup")
		done := s.say("job_succeeded", job("backup", "outcome", ends("success", "0", time.Second)))
		seq := t.items[len(t.items)-1].Seq
		fix := func(e *event.Event) {
			e.UserID = "dora"
			e.Corrects = &event.Corrects{EventID: done.EventID, Seq: &seq, Kind: "correction", Reason: "only 900 records"}
		}
		s.say("job_corrected", job("backup", "", fix))
		t.process("backup", "elsewhere").say("job_corrected", job("backup", "", fix))
		s.say("job_corrected", job("backup", "", func(e *event.Event) {
			e.Corrects = &event.Corrects{EventID: uuid("event", 250), Kind: "reversal"}
		}))
	}},
	{"lapsed", RenderOptions{Width: 110}, func(t *tape) {
		s := t.process("backup", "web1")
		s.begins("backup")
		t.pass(time.Minute)
		s.say("job_heartbeat", job("backup", "execution", reason("nobody could be asked whether it may go on: it is down"), func(e *event.Event) {
			e.Heartbeat = &event.Heartbeat{N: 1, NextDue: t.now.Add(time.Minute), AuthorizationValidUntil: t.now.Add(time.Hour)}
		}))
		s.say("job_cancel_requested", job("backup", "execution", reason("the window is over"), func(e *event.Event) {
			e.Authorization = &event.Authorization{Basis: "policy", Decision: "denied", DecidedBy: "opa"}
		}))
		s.say("job_aborted", job("backup", "outcome", ends("aborted", "", time.Minute)))
	}},
	{"copies", RenderOptions{Width: 110}, func(t *tape) {
		s := t.process("backup", "web1")
		s.begins("backup")
		second := t.process("backup", "web1")
		id := s.say("job_succeeded", job("backup", "outcome", ends("success", "0", time.Second))).EventID
		second.say("job_succeeded", job("backup", "outcome", ends("success", "0", time.Second), func(e *event.Event) { e.EventID = id }))
		run := OpenRuns(s.stream, t.items[:3])[0]
		t.theStore().say("job_lost", func(e *event.Event) { lose(e, Lost(run, Evidence{PID: 4711})) })
	}},
	{"attempt_denied", RenderOptions{Width: 110}, func(t *tape) {
		s := t.process("mailer", "worker1")
		s.begins("mail")
		s.say("job_failed", job("mail", "outcome", ends("failure", "", time.Second), reason("no route to host")))
		s.say("job_retry_scheduled", job("mail", "outcome"))
		s.say("job_denied", job("mail", "authorization", func(e *event.Event) {
			e.Job.RunID, e.Job.Attempt, e.Status = "", 2, event.StatusDenied
			e.Authorization = &event.Authorization{Basis: "policy", Decision: "denied", DecidedBy: "opa"}
		}))
	}},
	{"foreign", RenderOptions{Width: 110}, func(t *tape) {
		s := t.process("backup", "web1")
		s.begins("backup")
		thief := t.process("backup", "web2") // the same application, under another key
		thief.say("job_succeeded", job("backup", "outcome", ends("success", "0", time.Second)))
		thief.say("job_lost", job("backup", "outcome", reason("it is gone")))
		s.say("job_failed", job("backup", "outcome", ends("failure", "2", 3*time.Second)))
		s.say("job_succeeded", job("backup", "outcome", ends("success", "0", 3*time.Second)))
	}},
	{"clocks", RenderOptions{Width: 110}, func(t *tape) {
		web := t.process("web", "web1")
		web.asks("mail")
		worker := t.process("mailer", "worker1")
		worker.skew = -20 * time.Second
		worker.starts("mail")
		worker.skew = -25 * time.Second
		worker.say("job_succeeded", job("mail", "outcome", ends("success", "0", time.Second)))
		ahead := t.process("audit", "db1")
		ahead.skew = time.Hour
		ahead.say("sensitive_read", nil)
		ahead.say("sensitive_read", nil)
	}},
	{"application", RenderOptions{}, func(t *tape) {
		s := t.process("shop", "web1")
		s.say("authn_login_success", func(e *event.Event) {
			e.UserID, e.SourceIP, e.Description = "alice", "192.0.2.7", "User alice logged in."
		})
		s.say("sensitive_delete", func(e *event.Event) {
			worst := event.SeverityError
			e.UserID, e.SourceIP, e.Description = "alice", "192.0.2.7", ""
			e.Object, e.Severity = &event.Object{Type: "card", ID: "card-17"}, &worst
		})
		s.say("stream_gap", nil)
		s.spool = true
		s.say("cart_abandoned", func(e *event.Event) { e.Description = "The cart was left. Nobody came back." })
	}},
	{"orphans", RenderOptions{}, func(t *tape) {
		s := t.process("backup", "web1")
		s.begins("child", childOf("nobody"))
		s.begins("a", childOf("b"))
		s.begins("b", childOf("a"))
		s.begins("itself", childOf("itself"))
		t.theStore().say("job_orphaned", job("child", ""))
	}},
	{"hostile", RenderOptions{Width: 80, Full: true}, func(t *tape) {
		evil := "x\x1b[2J\r\n\u202e#99  backup succeeded.\x00\u2028\ufeff \\ \xff \ue000 \"q\" (schedule)."
		s := t.process("backup", "web1\x1b]0;title\x07")
		s.key = "\x1b[31mkey"
		worse := func(e *event.Event) {
			e.Escaped = false
			e.Job.Name, e.Job.ID, e.AppVersion, e.UserID = evil, "job\u202e", evil, evil
			e.Principal.Roles = []string{evil}
			e.Absent["source_ip"], e.Derived["host"] = evil, evil
			if e.Why != nil {
				e.Why.Reason, e.Why.Reference, e.Why.Trigger = evil, evil, evil
			}
			if e.Job.Params != nil {
				e.Job.Params[evil] = map[string]any{evil: []any{evil}}
			}
			e.Labels = map[string]string{evil: evil}
			e.References = []event.Reference{{Kind: evil, Value: evil}}
			e.Redactions = []event.Redaction{{Path: evil, Rule: evil, Action: evil}}
		}
		s.begins("backup", worse)
		s.say("job_failed", job("backup", "outcome", ends("failure", evil, time.Second), worse, reason(evil)))
		s.say("ev\x1bil", func(e *event.Event) { e.Description, e.Escaped = evil, false })
	}},
}

// family is a parent with three children, one of them with a child of its own.
func family(t *tape) {
	s := t.process("nightly", "web1")
	s.begins("nightly")
	s.begins("purge", childOf("nightly"))
	s.say("job_succeeded", job("purge", "outcome", ends("success", "0", 10*time.Millisecond), childOf("nightly")))
	other := t.process("vacuum", "db1")
	other.begins("vacuum", childOf("nightly"))
	other.begins("reindex", childOf("vacuum"))
	other.say("job_failed", job("reindex", "outcome", ends("failure", "1", 80*time.Millisecond), childOf("vacuum")))
	s.begins("report", childOf("nightly"))
	s.say("job_succeeded", job("report", "outcome", ends("success", "0", 10*time.Millisecond), childOf("nightly")))
	s.say("job_succeeded", job("nightly", "outcome", ends("success", "0", 100*time.Millisecond)))
}

// lose gives an event what the store knows of a loss and leaves it what the emitter fills in.
func lose(e, lost *event.Event) {
	e.EventID, e.InteractionID, e.CausationID, e.Target = lost.EventID, lost.InteractionID, lost.CausationID, lost.Target
	e.Status, e.StatusReason, e.Job, e.Timing, e.References = lost.Status, lost.StatusReason, lost.Job, lost.Timing, lost.References
}

func TestTales(t *testing.T) {
	for _, tale := range tales {
		t.Run(tale.name, func(t *testing.T) {
			tape := newTape()
			tale.tell(tape)
			story := tape.story()
			var text bytes.Buffer
			if err := Render(&text, story, tale.o); err != nil {
				t.Fatal(err)
			}
			golden(t, tale.name+".txt", text.Bytes())
			checkWhole(t, tape.items, story)
			checkPrintable(t, text.String())
			if tale.name == "lost" || tale.name == "foreign" {
				var doc bytes.Buffer
				enc := json.NewEncoder(&doc)
				enc.SetEscapeHTML(false)
				enc.SetIndent("", "  ")
				if err := enc.Encode(JSON(story)); err != nil {
					t.Fatal(err)
				}
				golden(t, tale.name+".json", doc.Bytes())
			}
		})
	}
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("no golden file (go test -update writes it): %v", err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s differs (-want +got):\n%s", path, diff)
	}
}
