package story

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/stetlog/stet/event"
)

// Whose word counts for a run (SCHEMA "Only its own").
func TestOnlyItsOwn(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(s *process)
		typ    string
		counts bool
	}{
		{"the stream that started it", func(*process) {}, "job_succeeded", true},
		{"another process of the application, same key", func(s *process) { s.stream = uuid("stream", 90) }, "job_succeeded", true},
		{"the same stream under another key", func(s *process) { s.key = keyID("thief") }, "job_succeeded", false},
		{"the application under another key", func(s *process) { s.stream, s.key = uuid("stream", 90), keyID("thief") }, "job_succeeded", false},
		{"another application under the same key", func(s *process) { s.stream, s.app = uuid("stream", 90), "other" }, "job_succeeded", false},
		{"another application, unsealed as the start was not", func(s *process) { s.stream, s.key = uuid("stream", 90), "" }, "job_succeeded", false},
		{"a heartbeat from elsewhere", func(s *process) { s.key = keyID("thief") }, "job_heartbeat", false},
		{"a correction from elsewhere", func(s *process) { s.key = keyID("thief") }, "job_corrected", false},
		{"a loss by the application", func(*process) {}, "job_lost", false},
		{"a loss by the store", func(s *process) { s.store, s.key = true, keyID("store") }, "job_lost", true},
		{"an outcome by the store", func(s *process) { s.store, s.key = true, keyID("store") }, "job_succeeded", false},
		{"a wish from elsewhere", func(s *process) { s.key = keyID("somebody") }, "job_cancel_requested", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			tape := newTape()
			s := tape.process("backup", "web1")
			s.begins("backup")
			c.change(s)
			s.say(c.typ, job("backup", ""))
			run := tape.story().Jobs[0].Runs[0]
			if counts := len(run.Claims) == 0; counts != c.counts {
				t.Errorf("counts: %v, want %v", counts, c.counts)
			}
		})
	}
}

// An unsealed start has no key that another sender could be under.
func TestUnsealedOwnsOnlyItsStream(t *testing.T) {
	tape := newTape()
	s := tape.process("backup", "web1")
	s.key = ""
	s.begins("backup")
	s.stream = uuid("stream", 90)
	s.say("job_succeeded", job("backup", "outcome"))
	if got := tape.story().Jobs[0].Runs[0].State(); got != StateRunning {
		t.Errorf("the run is %s after an unsealed outcome from another stream, want %s", got, StateRunning)
	}
}

func TestEndedStreamsReportNoMore(t *testing.T) {
	tape := newTape()
	s := tape.process("backup", "web1")
	s.begins("backup")
	f := tape.fold()
	before, _ := f.Story("7f3c")
	f.Ended(s.stream)
	after, _ := f.Story("7f3c")
	if got := before.Jobs[0].Runs[0].Outcome.Missing; got != NotYet {
		t.Errorf("while the stream is open the outcome is %q, want %q", got, NotYet)
	}
	if got := after.Jobs[0].Runs[0]; got.Outcome.Missing != NeverReported || got.State() != StateSilent {
		t.Errorf("once the stream has ended the outcome is %q and the run %s", got.Outcome.Missing, got.State())
	}
}

// Of a slot that was missed nothing is awaited any more, where the store says so; anybody else's word changes nothing.
func TestMissedSlotReportsNoMore(t *testing.T) {
	for _, c := range []struct {
		store bool
		want  Missing
	}{{true, NeverReported}, {false, NotYet}} {
		tape := newTape()
		s := tape.process("backup", "web1")
		if c.store {
			s = tape.theStore()
		}
		s.say("job_missed", job("backup", "submission"))
		run := tape.story().Jobs[0].Runs[0]
		for _, slot := range []Phase{run.Submission, run.Authorization, run.Execution, run.Outcome} {
			if slot.Missing != c.want {
				t.Errorf("by the store %v: a phase is %q, want %q", c.store, slot.Missing, c.want)
			}
		}
		if run.State() != StateUnclear {
			t.Errorf("by the store %v: the run is %s", c.store, run.State())
		}
	}
}

func TestOutcomeAfterALoss(t *testing.T) {
	tape := newTape()
	s := tape.process("backup", "web1")
	s.begins("backup")
	tape.theStore().say("job_lost", job("backup", "outcome"))
	s.say("job_succeeded", job("backup", "outcome"))
	run := tape.story().Jobs[0].Runs[0]
	if run.State() != StateSucceeded || run.Lost == nil || run.Outcome.Missing != NotMissing {
		t.Errorf("state %s, lost %v, missing %q", run.State(), run.Lost, run.Outcome.Missing)
	}
}

func TestOpenRuns(t *testing.T) {
	tape := newTape()
	s := tape.process("backup", "web1")
	s.begins("done")
	s.say("job_succeeded", job("done", "outcome"))
	s.begins("open")
	s.asks("queued")
	s.asks("refused")
	s.say("job_denied", job("refused", "authorization"))
	s.begins("elsewhere")
	own := tape.items
	other := tape.process("backup", "web1") // another process of the same application takes over
	other.say("job_failed", job("elsewhere", "outcome"))
	other.begins("not-of-this-stream")

	names := func(runs []*Run) (out []string) {
		for _, r := range runs {
			out = append(out, r.ID)
		}
		return out
	}
	if diff := cmp.Diff([]string{"run-open", "run-queued", "run-elsewhere"}, names(OpenRuns(s.stream, own))); diff != "" {
		t.Errorf("from the stream alone (-want +got):\n%s", diff)
	}
	open := OpenRuns(s.stream, tape.items)
	if diff := cmp.Diff([]string{"run-open", "run-queued"}, names(open)); diff != "" {
		t.Errorf("with the other stream (-want +got):\n%s", diff)
	}
	if open[1].Execution.Event != nil {
		t.Error("a run that was only asked for has a start")
	}
}

// What Lost leaves open is what every emitter fills in, and then it is an event.
func TestLostCanBeRecorded(t *testing.T) {
	tape := newTape()
	s := tape.process("backup", "web1")
	s.begins("backup")
	lost := Lost(OpenRuns(s.stream, tape.items)[0], Evidence{PID: 4711})
	like := tape.theStore().say("job_lost", nil)
	lost.Timestamp, lost.AppID, lost.AppVersion, lost.CodeLocation, lost.EntryPoint = like.Timestamp, like.AppID, like.AppVersion, like.CodeLocation, like.EntryPoint
	lost.Host, lost.Environment, lost.Principal, lost.StreamID, lost.StreamSeq, lost.Clock = like.Host, like.Environment, like.Principal, like.StreamID, like.StreamSeq, like.Clock
	lost.Absent["user_id"], lost.Absent["source_ip"] = event.AbsentNotApplicable, event.AbsentNotApplicable
	var codec event.Codec
	b, err := codec.Append(nil, lost)
	if err != nil {
		t.Fatal(err)
	}
	back, err := event.Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := Sentence(Item{Event: back, StoreKey: true}), "The store recorded backup as lost: process 4711 is gone and never reported an outcome."; got != want {
		t.Errorf("got %s", got)
	}
}

// What the store writes for a dead run is the same event each time, counts, and closes the run.
func TestLost(t *testing.T) {
	tape := newTape()
	s := tape.process("backup", "web1")
	s.begins("backup")
	run := OpenRuns(s.stream, tape.items)[0]
	lost := Lost(run, Evidence{PID: 4711})
	if again := Lost(run, Evidence{}); again.EventID != lost.EventID || !lost.EventID.IsV7() {
		t.Errorf("ids %s and %s, want one UUIDv7", lost.EventID, again.EventID)
	}
	if lost.InteractionID != "7f3c" || lost.CausationID != run.Execution.Event.Event.EventID || lost.Job.RunID != run.ID || lost.Status != event.StatusUnknown {
		t.Errorf("lost: %+v", lost)
	}
	started := run.Execution.Event.Event
	if started.Job.Phase != "execution" || lost.Job.Phase != "outcome" {
		t.Error("Lost changed the event that it was made from")
	}
	tape.theStore().say("job_lost", func(e *event.Event) { lose(e, lost) })
	if open := OpenRuns(s.stream, tape.items); len(open) != 0 {
		t.Errorf("%d runs are open after the loss was recorded", len(open))
	}
}

func TestSpoolFollowsLedgerAndCountsOnce(t *testing.T) {
	tape := newTape()
	s := tape.process("backup", "web1")
	s.begins("backup")
	copied := tape.items[1]
	copied.HasSeq, copied.Seq, copied.ReceivedAt = false, 0, time.Time{}
	tape.items = append([]Item{copied}, tape.items...)
	s.spool, s.skew = true, -time.Hour
	s.say("job_succeeded", job("backup", "outcome"))
	story := tape.story()
	checkWhole(t, tape.items, story)
	var types []string
	for _, e := range story.Events {
		types = append(types, e.Event.EventType)
	}
	want := []string{"job_submitted", "job_authorization_unchecked", "job_started", "job_succeeded"}
	if diff := cmp.Diff(want, types); diff != "" {
		t.Errorf("order (-want +got):\n%s", diff)
	}
}

// Two corrections that name each other hang on nothing, and nothing turns in a circle.
func TestCorrectionsInACircle(t *testing.T) {
	tape := newTape()
	s := tape.process("backup", "web1")
	s.begins("backup")
	a := s.say("job_corrected", job("backup", "", func(e *event.Event) { e.Corrects = &event.Corrects{EventID: uuid("event", 200)} }))
	s.say("job_corrected", job("backup", "", func(e *event.Event) {
		e.EventID, e.Corrects = uuid("event", 200), &event.Corrects{EventID: a.EventID}
	}))
	story := tape.story()
	checkWhole(t, tape.items, story)
	if got := story.Jobs[0].Runs[0].Corrections; len(got) != 1 || len(got[0].Corrections) != 1 {
		t.Errorf("%d corrections on the run", len(got))
	}
}

// drawTape makes any tape there may be: few names for everything, so that they meet.
func drawTape(t *rapid.T) *tape {
	tape := newTape()
	types := append(event.Builtin().Names(), "unheard_of", "job_unheard_of")
	jobs := types[:0:0]
	for _, n := range types {
		if strings.HasPrefix(n, "job_") {
			jobs = append(jobs, n)
		}
	}
	var senders []*process
	for i := range rapid.IntRange(1, 4).Draw(t, "senders") {
		s := tape.process([]string{"a", "b"}[i%2], "h")
		s.key = keyID(rapid.SampledFrom([]string{"k", "l"}).Draw(t, "key"))
		s.store = rapid.IntRange(0, 4).Draw(t, "store") == 0
		s.skew = time.Duration(rapid.IntRange(-5, 5).Draw(t, "skew")) * time.Second
		s.spool = rapid.IntRange(0, 4).Draw(t, "spool") == 0
		senders = append(senders, s)
	}
	name := rapid.SampledFrom([]string{"", "x", "y", "z"})
	text := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"\x1b[31m", "a\r\nb", "\u202e", "\\", "\xff", "#1", ""}))
	var said []*event.Event
	for range rapid.IntRange(1, 40).Draw(t, "events") {
		s := rapid.SampledFrom(senders).Draw(t, "sender")
		names := jobs
		if rapid.IntRange(0, 5).Draw(t, "app") == 0 {
			names = types
		}
		e := s.say(rapid.SampledFrom(names).Draw(t, "type"), func(e *event.Event) {
			if id := name.Draw(t, "job"); id != "" {
				e.Job = &event.Job{ID: id, RunID: name.Draw(t, "run"), Name: text.Draw(t, "name"), ParentID: name.Draw(t, "parent"),
					Attempt: rapid.Int64Range(0, 3).Draw(t, "attempt"), Phase: rapid.SampledFrom(append(phases[:], "")).Draw(t, "phase")}
			}
			e.Escaped = rapid.Bool().Draw(t, "escaped")
			e.StatusReason, e.StatusCode, e.UserID = text.Draw(t, "reason"), text.Draw(t, "code"), text.Draw(t, "user")
			e.Labels = map[string]string{text.Draw(t, "label"): text.Draw(t, "value")}
			if len(said) > 0 && rapid.IntRange(0, 3).Draw(t, "corrects") == 0 {
				e.Corrects = &event.Corrects{EventID: rapid.SampledFrom(said).Draw(t, "target").EventID}
			}
			if len(said) > 0 && rapid.IntRange(0, 9).Draw(t, "same id") == 0 {
				e.EventID = rapid.SampledFrom(said).Draw(t, "id").EventID
			}
			if rapid.IntRange(0, 3).Draw(t, "beat") == 0 {
				e.Heartbeat = &event.Heartbeat{N: rapid.Uint64Range(0, 9).Draw(t, "n")}
			}
		})
		said = append(said, e)
	}
	return tape
}

// However the items come in, it is the same story; every event has one place in it; and only what can be printed leaves.
func TestStoryDoesNotDependOnArrival(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tape := drawTape(t)
		story := tape.story()
		checkWhole(t, tape.items, story)
		want := rendered(t, story)
		checkPrintable(t, want)

		seed := rapid.Uint64().Draw(t, "shuffle")
		rand.New(rand.NewPCG(seed, 1)).Shuffle(len(tape.items), func(i, j int) {
			tape.items[i], tape.items[j] = tape.items[j], tape.items[i]
		})
		tape.items = append(tape.items, tape.items[0]) // and once more
		again := tape.story()
		if diff := cmp.Diff(want, rendered(t, again)); diff != "" {
			t.Fatalf("another order of arrival, another story (-want +got):\n%s", diff)
		}
		if a, b := document(t, story), document(t, again); a != b {
			t.Fatalf("another order of arrival, another document:\n%s\n%s", a, b)
		}
	})
}

// Every event that a tree tells, except those heartbeats that are folded into one line, has one row with its seq.
func TestEveryEventHasOneRow(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tape := drawTape(t)
		for i := range tape.items { // no words that look like a row of their own
			e := tape.items[i].Event
			e.StatusReason, e.StatusCode, e.UserID, e.Labels = "", "", "", nil
			if e.Job != nil {
				e.Job.Name = ""
			}
			tape.items[i].HasSeq, tape.items[i].Seq = true, uint64(1000+i)
		}
		story := tape.story()
		story.Clocks = nil // they name events too
		count := make(map[string]int)
		for _, r := range rows(rendered(t, story)) {
			count[r]++
		}
		folded := make(map[*Entry]bool)
		for _, j := range story.all() {
			for _, r := range j.Runs {
				for _, h := range r.Heartbeats {
					folded[h] = true
				}
			}
		}
		for _, e := range story.Events {
			if n := count[ref(e)]; n != 1 && !(folded[e] && n == 0) {
				t.Fatalf("%s (%s) stands in %d rows of\n%s", ref(e), e.Event.EventType, n, rendered(t, story))
			}
		}
	})
}

func rendered(t fataler, s Story) string {
	t.Helper()
	var b bytes.Buffer
	if err := Render(&b, s, RenderOptions{Full: true}); err != nil {
		t.Fatalf("render: %v", err)
	}
	return b.String()
}

func document(t fataler, s Story) string {
	t.Helper()
	b, err := json.Marshal(JSON(s))
	if err != nil {
		t.Fatalf("marshal: %v", err)
	}
	return string(b)
}

// A run that outlives the process which started it is neither lost nor silent when that process is gone.
func TestDetachedRuns(t *testing.T) {
	tape := newTape()
	s := tape.process("backup", "web1")
	s.begins("kept")
	s.asks("detached")
	s.may("detached")
	s.starts("detached", func(e *event.Event) {
		e.References = append(e.References, event.Reference{Kind: event.ReferenceDetached, Value: "does not end with process 7"})
	})
	if open := OpenRuns(s.stream, tape.items); len(open) != 1 || open[0].ID != "run-kept" {
		t.Errorf("open are %v, want the one that its process kept", open)
	}
	f := tape.fold()
	f.Ended(s.stream)
	story, _ := f.Story("7f3c")
	for i, want := range []State{StateSilent, StateRunning} {
		if got := story.Jobs[i].Runs[0].State(); got != want {
			t.Errorf("%s is %s, want %s", story.Jobs[i].Name, got, want)
		}
	}
}

// A job that was asked for and then found to be a duplicate is one, not a job that never started.
func TestDuplicateAfterItsRequest(t *testing.T) {
	tape := newTape()
	s := tape.process("web", "web1")
	s.asks("mail", func(e *event.Event) { e.Job.RunID = "" })
	s.say("job_deduplicated", job("mail", "submission", func(e *event.Event) { e.Job.RunID = "" }))
	story := tape.story()
	checkWhole(t, tape.items, story)
	run := story.Jobs[0].Runs[0]
	if run.State() != StateDuplicate || run.Submission.More[0].Standing != Counts {
		t.Errorf("it is %s, the duplicate %s", run.State(), run.Submission.More[0].Standing)
	}
}

// A correction may name its event by the hash of its entry alone; where its names do not agree it hangs on nothing.
func TestCorrectionByHash(t *testing.T) {
	for _, tc := range []struct {
		name string
		of   func(wrong Item) event.Corrects
		hung bool
	}{
		{"the hash", func(it Item) event.Corrects { return event.Corrects{EntryHash: "sha256:" + it.EntryHash.Hex()} }, true},
		{"another hash", func(it Item) event.Corrects {
			return event.Corrects{EventID: it.Event.EventID, EntryHash: "sha256:" + keyID("x")}
		}, false},
		{"all names", func(it Item) event.Corrects {
			return event.Corrects{EventID: it.Event.EventID, Seq: &it.Seq, EntryHash: "sha256:" + it.EntryHash.Hex()}
		}, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tape := newTape()
			s := tape.process("backup", "web1")
			s.begins("backup")
			c := tc.of(tape.items[2])
			c.Kind = "correction"
			s.say("job_corrected", job("backup", "", func(e *event.Event) { e.Corrects = &c }))
			story := tape.story()
			checkWhole(t, tape.items, story)
			if got := len(story.Jobs[0].Runs[0].Execution.Event.Corrections) == 1; got != tc.hung {
				t.Errorf("it hangs on its event: %v", got)
			}
		})
	}
}

// The same id in the same stream, or from somebody else, is no copy.
func TestCopies(t *testing.T) {
	tape := newTape()
	s := tape.process("backup", "web1")
	s.begins("backup")
	id := s.say("job_succeeded", job("backup", "outcome", ends("success", "0", time.Second))).EventID
	again := func(e *event.Event) { e.EventID = id }
	s.say("job_succeeded", job("backup", "outcome", ends("success", "0", time.Second), again))
	tape.process("backup", "web2").say("job_succeeded", job("backup", "outcome", ends("success", "0", time.Second), again))
	tape.process("backup", "web1").say("job_succeeded", job("backup", "outcome", ends("success", "0", time.Second), again))
	story := tape.story()
	checkWhole(t, tape.items, story)
	run := story.Jobs[0].Runs[0]
	var got []Standing
	for _, e := range story.Events[3:] {
		got = append(got, e.Standing)
	}
	if want := []Standing{Counts, Again, Foreign, Copy}; !slices.Equal(got, want) || len(run.Outcome.Event.Copies) != 1 {
		t.Errorf("they stand as %v, want %v", got, want)
	}
}
