package story

import (
	"bytes"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stetlog/stet/event"
)

// What is demanded of a story, each with what shows it: lines that its text has, in this order. What has a test of its own
// is named rather than done twice:
//
//   - order does not depend on arrival, and every event has one place: TestStoryDoesNotDependOnArrival
//   - clocks that disagree beyond what they state are told of: TestTales/clocks
//   - lineage to the original principal: TestAscend; orphans apart: TestTales/orphans, TestLineages/orphans
//   - children in pages: TestTreeOfManyChildren, TestPagesShowEveryJobOnce
//   - deep, circular and contradicting lines of parents: TestDeepLineage, TestAscend, TestPagesShowEveryJobOnce
func TestDemands(t *testing.T) {
	for _, c := range []struct {
		name  string
		tell  func(t *tape)
		lines []string // regular expressions
		never string   // what no line has
	}{
		{"a correction stands beside what it corrects", func(t *tape) {
			s := t.process("backup", "web1")
			s.begins("backup")
			start := t.items[2].Event.EventID
			s.say("job_succeeded", job("backup", "outcome", ends("success", "0", time.Second)))
			s.say("job_corrected", job("backup", "", func(e *event.Event) {
				e.UserID, e.Corrects = "dora", &event.Corrects{EventID: start, Kind: "correction", Reason: "it was version 2"}
			}))
		}, []string{`Execution .* #3  backup started`, `corrected .* #5  dora corrected`, `Outcome .* #4  backup succeeded`}, ""},
		{"attempts stand apart", func(t *tape) {
			s := t.process("mailer", "w1")
			s.starts("mail", attemptNo(1))
			s.say("job_failed", job("mail", "outcome", attemptNo(1), ends("failure", "1", time.Second)))
			s.starts("mail", attemptNo(2))
			s.say("job_succeeded", job("mail", "outcome", attemptNo(2), ends("success", "0", time.Second)))
		}, []string{`^mail: succeeded .*, 2 attempts$`, `Attempt 1: failed`, `#1  mail started`, `#2  mail failed`, `Attempt 2: succeeded`, `#3  mail started`, `#4  mail succeeded`}, ""},
		{"a foreign claim is shown as one, and decides nothing", func(t *tape) {
			t.process("backup", "web1").begins("backup")
			t.process("backup", "web2").say("job_succeeded", job("backup", "outcome"))
		}, []string{`^backup: started, no outcome yet after 3 h`, `Outcome +missing`, `not its own .* #4  backup succeeded`, `A foreign claim by application backup under key [0-9a-f]+, which counts for nothing`}, ""},
		{"an outcome that is missing is a slot, with words and since when", func(t *tape) {
			t.process("backup", "web1").begins("backup")
		}, []string{`Outcome +missing +Not yet: no outcome after 3 h\.`}, ""},
		{"and so is a start", func(t *tape) { t.process("backup", "web1").asks("backup") },
			[]string{`^backup: not started yet, 3 h after it was asked for`, `Authorization +missing +Not yet: no authorization after 3 h\.`, `Execution +missing +Not yet: no start after 3 h\.`}, ""},
		{"and a request, of which nobody can say since when", func(t *tape) {
			s := t.process("backup", "web1")
			s.starts("backup")
			s.say("job_succeeded", job("backup", "outcome"))
		}, []string{`Submission +missing +Never reported\.`}, ""},
		{"what was not allowed to run misses nothing", func(t *tape) {
			s := t.process("backup", "web1")
			s.asks("backup")
			s.say("job_denied", job("backup", "authorization"))
		}, []string{`Execution +missing +None: it was not allowed to run\.`, `Outcome +missing +None: it was not allowed to run\.`}, "after 3 h"},
		{"the ledger's order counts, whatever the clocks say", func(t *tape) {
			s := t.process("shop", "web1")
			s.maxError = int64(time.Hour / time.Microsecond) // which they admit
			for _, skew := range []time.Duration{0, -30 * time.Minute, 20 * time.Minute} {
				s.skew = skew
				s.say("sensitive_read", nil)
			}
		}, []string{` #1 `, ` #2 `, ` #3 `}, "Clocks that disagree"},
		{"in a spool the stream's own numbers count", func(t *tape) {
			s := t.process("shop", "web1")
			s.spool = true
			s.say("sensitive_read", func(e *event.Event) { e.Description = "first" })
			s.skew = -time.Hour
			s.say("sensitive_read", func(e *event.Event) { e.Description = "second" })
		}, []string{`spool .*first`, `spool .*second`, `The clock of web1 went back`}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			tape := newTape()
			c.tell(tape)
			story := tape.story()
			checkWhole(t, tape.items, story)
			var b bytes.Buffer
			if err := Render(&b, story, RenderOptions{Now: tape.now.Add(3*time.Hour + time.Second)}); err != nil {
				t.Fatal(err)
			}
			lines := strings.Split(b.String(), "\n")
			at := 0
			for _, want := range c.lines {
				re := regexp.MustCompile(want)
				for at < len(lines) && !re.MatchString(lines[at]) {
					at++
				}
				if at == len(lines) {
					t.Fatalf("no %q, or not in this order, in\n%s", want, b.String())
				}
			}
			if c.never != "" && strings.Contains(b.String(), c.never) {
				t.Errorf("%q in\n%s", c.never, b.String())
			}
		})
	}
}

// Every member of the documents is in their specification.
func TestDocumentsAreSpecified(t *testing.T) {
	text, err := os.ReadFile("../../docs/spec/story.md")
	if err != nil {
		t.Fatal(err)
	}
	seen := make(map[reflect.Type]bool)
	var look func(typ reflect.Type)
	look = func(typ reflect.Type) {
		switch typ.Kind() {
		case reflect.Pointer, reflect.Slice, reflect.Array:
			look(typ.Elem())
		case reflect.Struct:
			if seen[typ] {
				return
			}
			seen[typ] = true
			for i := range typ.NumField() {
				name, _, _ := strings.Cut(typ.Field(i).Tag.Get("json"), ",")
				if !bytes.Contains(text, []byte("`"+name+"`")) {
					t.Errorf("%s.%s: `%s` is not specified", typ.Name(), typ.Field(i).Name, name)
				}
				look(typ.Field(i).Type)
			}
		}
	}
	for _, doc := range []any{Document{}, TreeDocument{}, DiffDocument{}} {
		look(reflect.TypeOf(doc))
	}
	for _, word := range []string{SchemaJSON, TreeJSON, DiffJSON, string(Counts), string(Again), string(Foreign), string(Copy), string(Overtaken),
		string(NotYet), string(NeverReported), string(ClosedByStore), string(EarlierAttempt), string(NotAllowed), string(WasDuplicate)} {
		if !bytes.Contains(text, []byte("`"+word+"`")) {
			t.Errorf("`%s` is not specified", word)
		}
	}
}
