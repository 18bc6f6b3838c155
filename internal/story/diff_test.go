package story

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/stetlog/stet/event"
)

func snap(digest, summary, object string, count int64) *event.Snapshot {
	return &event.Snapshot{Digest: digest, Summary: summary, Object: object, Count: &count}
}

var digestA, digestB = "sha256:" + keyID("a"), "sha256:" + keyID("b")

// What is told of two states, the changed values first.
func TestDifferencesOfStates(t *testing.T) {
	for _, c := range []struct {
		name          string
		before, after *event.Snapshot
		want          string // a change a line: how, path, from, to, note
	}{
		{"digests that differ", snap(digestA, "", "accounts", 1000), snap(digestB, "", "accounts", 900),
			"changed|count|1,000|900|-100\nchanged|digest|" + digestA + "|" + digestB + "|digests differ\nsame|object|accounts|accounts|"},
		{"digests that agree", snap(digestA, "2 files", "", 2), snap(digestA, "2 files", "", 2),
			"same|count|2|2|\nsame|digest|" + digestA + "|" + digestA + "|digests agree\nsame|summary|2 files|2 files|"},
		{"digests under two keys", snap("hmac-sha256:0a1b2c3d:"+keyID("a"), "", "", 1), snap("hmac-sha256:99999999:"+keyID("a"), "", "", 1),
			"unknown|digest|hmac-sha256:0a1b2c3d:" + keyID("a") + "|hmac-sha256:99999999:" + keyID("a") +
				"|made in two ways, or with two keys: they cannot be compared\nsame|count|1|1|"},
		{"a keyed digest beside a plain one", snap(digestA, "", "", 1), snap("hmac-sha256:0a1b2c3d:"+keyID("a"), "", "", 1),
			"unknown|digest|" + digestA + "|hmac-sha256:0a1b2c3d:" + keyID("a") + "|made in two ways, or with two keys: they cannot be compared\nsame|count|1|1|"},
		{"keys of a summary", snap("", `{"limit":10,"owner":"bob","old":true,"deep":{"x":1}}`, "", 1), snap("", `{"limit":20,"owner":"bob","new":[1,2],"deep":{"x":2}}`, "", 1),
			"changed|summary.deep.x|1|2|\nchanged|summary.limit|10|20|\nadded|summary.new||[1, 2]|\nremoved|summary.old|true||\nsame|count|1|1|\nsame|summary.owner|bob|bob|"},
		{"values that were redacted", snap("", `{"iban":"[redacted:iban]","name":"[redacted:key]"}`, "", 1), snap("", `{"iban":"[redacted:iban]","name":"x"}`, "", 1),
			"changed|summary.name|[redacted:key]|x|\nunknown|summary.iban|[redacted:iban]|[redacted:iban]|redacted in both: whether it changed cannot be said\nsame|count|1|1|"},
		{"two objects", snap("", "", "a", 1), snap("", "", "b", 1), "changed|object|a|b|two different things were looked at\nsame|count|1|1|"},
		{"no state after", snap(digestA, "2 files", "a", 2), nil,
			"unknown|count|2|2|\nunknown|digest|" + digestA + "|" + digestA + "|\nunknown|object|a|a|\nunknown|summary|2 files|2 files|"},
	} {
		t.Run(c.name, func(t *testing.T) {
			tape := newTape()
			s := tape.process("purge", "db1")
			s.begins("purge")
			s.say("job_snapshot", job("purge", "execution", func(e *event.Event) { e.Before = c.before }))
			s.say("job_succeeded", job("purge", "outcome", ends("success", "0", time.Second), func(e *event.Event) {
				e.After = c.after
				if c.after == nil {
					e.Absent["after"] = event.AbsentNotProvided
				} else if c.before.Object != c.after.Object {
					e.Before = c.before // only what says both is about two objects
				}
			}))
			story := tape.story()
			all, left := story.Differences("")
			if len(all) != 1 || left != 0 {
				t.Fatalf("%d differences, %d left", len(all), left)
			}
			var got []string
			for _, x := range all[0].Changes {
				got = append(got, strings.Join([]string{string(x.How), x.Path, x.From, x.To, x.Note}, "|"))
			}
			if diff := cmp.Diff(c.want, strings.Join(got, "\n")); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if text := renderedDiff(t, story, ""); c.after == nil && !strings.Contains(text, "No state after it was recorded (not provided). The other:") {
				t.Error(text)
			}
		})
	}
}

func renderedDiff(t fataler, s Story, job string) string {
	t.Helper()
	all, left := s.Differences(job)
	var b bytes.Buffer
	if err := RenderDifferences(&b, s, all, left, RenderOptions{Width: 100}); err != nil {
		t.Fatalf("render: %v", err)
	}
	checkPrintable(t, b.String())
	return b.String()
}

// Two attempts of a job: what differs in parameters, version, code and outcome, word by word.
func TestDifferencesOfAttempts(t *testing.T) {
	tape := newTape()
	first := tape.process("mailer", "worker1")
	first.asks("mail", attemptNo(1), func(e *event.Event) { e.Job.Params["region"] = "eu" })
	first.starts("mail", attemptNo(1))
	first.say("job_failed", job("mail", "outcome", attemptNo(1), ends("failure", "1", 30*time.Millisecond), reason("no route to host")))
	second := tape.process("mailer", "worker2")
	later := func(e *event.Event) { e.AppVersion = "1.4.3" }
	second.asks("mail", attemptNo(2), later, func(e *event.Event) { e.Job.Params["limit"], e.Job.Params["dry run"] = int64(20), true })
	second.starts("mail", attemptNo(2), later, func(e *event.Event) { e.Job.CodeDigest = digestB })
	second.say("job_succeeded", job("mail", "outcome", attemptNo(2), later, ends("success", "0", 20*time.Millisecond), func(e *event.Event) {
		e.Impact = &event.Impact{Counts: map[string]int64{"sent": 3}}
	}))
	third := tape.process("mailer", "worker2")
	third.starts("mail", attemptNo(3), later) // which has no outcome, and no parameters of its own
	story := tape.story()
	golden(t, "attempts_diff.txt", []byte(renderedDiff(t, story, "job-mail")))
	all, left := story.Differences("job-mail")
	doc, err := json.MarshalIndent(JSONDifferences(story, all, left), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "attempts_diff.json", append(doc, '\n'))
	if all, _ := story.Differences("job-other"); len(all) != 0 {
		t.Errorf("%d differences of another job", len(all))
	}
}

func TestNothingToCompare(t *testing.T) {
	tape := newTape()
	tape.process("backup", "web1").begins("backup")
	if text := renderedDiff(t, tape.story(), ""); !strings.Contains(text, "Nothing to compare") {
		t.Error(text)
	}
}

// However much there is to compare, and whatever it says: what is told is bounded, and printable.
func TestDifferencesAreBounded(t *testing.T) {
	tape := newTape()
	s := tape.process("wide", "web1")
	for i := range MaxDifferences + 50 {
		s.say("job_succeeded", job(fmt.Sprint(i), "outcome", func(e *event.Event) {
			e.Before, e.After = snap(digestA, "", "", 1), snap(digestB, "", "", 2)
			e.Impact = &event.Impact{}
		}))
	}
	story := tape.story()
	if all, left := story.Differences(""); len(all) != MaxDifferences || left != 50 {
		t.Errorf("%d differences, %d left", len(all), left)
	}
	rapid.Check(t, func(t *rapid.T) {
		tape := drawTape(t)
		text := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{`{"a":{"b":[{}]},"c":null}`, `{"a\\n":"\x1b"}`, "{", `{"a":1}{}`, "[redacted:x]", "→ (same)"}))
		for i := range tape.items {
			e := tape.items[i].Event
			if e.Job != nil {
				e.Job.Params = map[string]any{text.Draw(t, "key"): text.Draw(t, "value")}
				e.Job.CodeDigest = text.Draw(t, "code")
			}
			e.Before, e.After = snap(text.Draw(t, "digest"), text.Draw(t, "summary"), text.Draw(t, "object"), 1), snap("", text.Draw(t, "summary"), "", 2)
		}
		s := tape.story()
		renderedDiff(t, s, "")
		all, left := s.Differences("")
		for _, d := range all {
			for _, c := range d.Changes {
				checkPrintable(t, c.Path+c.From+c.To+c.Note)
				if strings.Contains(c.Path+c.From+c.To, "\n") {
					t.Fatalf("a line feed leaves: %q", c)
				}
			}
		}
		if _, err := json.Marshal(JSONDifferences(s, all, left)); err != nil {
			t.Fatalf("%v", err)
		}
	})
}
