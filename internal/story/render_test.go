package story

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/stetlog/stet/event"
)

// With colours nothing leaves but the same text and sequences that set a style and take it back.
func TestColourAddsOnlyStyles(t *testing.T) {
	sgr := regexp.MustCompile("\x1b\\[(?:[12]|3[123])m([^\x1b]*)\x1b\\[0m")
	for _, tale := range tales {
		tape := newTape()
		tale.tell(tape)
		o := tale.o
		var plainText, coloured bytes.Buffer
		if err := Render(&plainText, tape.story(), o); err != nil {
			t.Fatal(err)
		}
		o.Colour = true
		if err := Render(&coloured, tape.story(), o); err != nil {
			t.Fatal(err)
		}
		if coloured.Len() == plainText.Len() {
			t.Errorf("%s: no colour", tale.name)
		}
		stripped := sgr.ReplaceAllString(coloured.String(), "$1")
		if diff := cmp.Diff(trimmed(plainText.String()), trimmed(stripped)); diff != "" {
			t.Errorf("%s: without its styles the coloured text is another (-want +got):\n%s", tale.name, diff)
		}
		checkPrintable(t, stripped)
	}
}

func trimmed(s string) string {
	lines := strings.Split(s, "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	return strings.Join(lines, "\n")
}

func TestTimesShowTheirZone(t *testing.T) {
	tape := newTape()
	tape.process("backup", "web1").begins("backup")
	var b bytes.Buffer
	if err := Render(&b, tape.story(), RenderOptions{Location: time.FixedZone("", 2*3600)}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"05:00:00.000+02:00", "2026-03-01 05:00:00.000+02:00"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %s in\n%s", want, b.String())
		}
	}
}

// A story over midnight says the date with each time.
func TestTimesOverMidnight(t *testing.T) {
	tape := newTape()
	s := tape.process("backup", "web1")
	s.begins("backup")
	tape.pass(24 * time.Hour)
	s.say("job_succeeded", job("backup", "outcome"))
	text := rendered(t, tape.story())
	if !strings.Contains(text, "Outcome        2026-03-02 03:00:00.003Z  #4") {
		t.Error(text)
	}
}

func TestChildrenLeftAreSaid(t *testing.T) {
	tape := newTape()
	family(tape)
	s := tape.story()
	s.Jobs[0].Children, s.Jobs[0].ChildrenLeft = s.Jobs[0].Children[:1], 2
	text := rendered(t, s)
	for _, want := range []string{"3 jobs started by nightly", "and 2 more jobs not shown here"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}

// A tree as deep as a liar makes it neither overflows the stack nor the page.
func TestDeepTree(t *testing.T) {
	tape := newTape()
	s := tape.process("deep", "web1")
	for i := range 5000 {
		s.say("job_started", func(e *event.Event) {
			e.Job = &event.Job{ID: fmt.Sprint("job-", i), RunID: "r", Name: "deep"}
			if i > 0 {
				e.Job.ParentID = fmt.Sprint("job-", i-1)
			}
		})
	}
	story := tape.story()
	checkWhole(t, tape.items, story)
	longest := 0
	for line := range strings.SplitSeq(rendered(t, story), "\n") {
		longest = max(longest, utf8.RuneCountInString(line))
	}
	if longest > 250 {
		t.Errorf("a line of %d columns", longest)
	}
}

type full3 struct{ left int }

func (f *full3) Write(p []byte) (int, error) {
	if f.left--; f.left < 0 {
		return 0, errFull
	}
	return len(p), nil
}

var errFull = errors.New("disk full")

func TestRenderReportsTheWritersError(t *testing.T) {
	tape := newTape()
	tape.process("backup", "web1").begins("backup")
	for n := range 10 {
		if err := Render(&full3{n}, tape.story(), RenderOptions{}); !errors.Is(err, errFull) {
			t.Errorf("after %d writes: %v, want %v", n, err, errFull)
		}
	}
}

func TestRenderOfNothing(t *testing.T) {
	if err := Render(io.Discard, Story{}, RenderOptions{}); err != nil {
		t.Error(err)
	}
	if doc := JSON(Story{}); doc.Jobs == nil || doc.Schema != SchemaJSON {
		t.Errorf("%+v", doc)
	}
}

func TestLine(t *testing.T) {
	lines := make(map[string]string)
	for _, tale := range tales {
		tape := newTape()
		tale.tell(tape)
		lines[tale.name] = Line(tape.story())
		checkPrintable(t, lines[tale.name])
		if strings.Contains(lines[tale.name], "\n") {
			t.Errorf("%s: more than one line", tale.name)
		}
	}
	for name, want := range map[string]string{
		"failure":     "2026-03-01 03:00:00Z  backup: failed after 1 h 10 min with exit code 3  7f3c",
		"children":    "2026-03-01 03:00:00Z  nightly: succeeded after 100 ms, with 4 other jobs  7f3c",
		"application": "2026-03-01 03:00:00Z  User alice logged in.  7f3c",
	} {
		if lines[name] != want {
			t.Errorf("got  %s\nwant %s", lines[name], want)
		}
	}
	if got := Line(Story{InteractionID: "x"}); got != "no events  x" {
		t.Error(got)
	}
}

func TestRow(t *testing.T) {
	e := full("page_viewed")
	it := Item{Seq: 12, HasSeq: true, ReceivedAt: day, Event: e}
	if got, want := Row(it), `      12  2026-03-01 03:00:00Z  page_viewed       backup      alice       page_viewed was recorded without a description.  7f3c`; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	e.Escaped, e.UserID, e.InteractionID = false, "", "a\n\u202eb\x1b[2J"
	e.Principal = &event.Principal{Type: "user", ID: "bob  job_failed"}
	row := Row(it)
	checkPrintable(t, row)
	if strings.Contains(row, "\n") || !strings.Contains(row, `"bob  job_failed"`) || !strings.HasSuffix(row, `"a\n\u202eb\u001b[2J"`) {
		t.Error(row)
	}
	for _, tale := range tales {
		tape := newTape()
		tale.tell(tape)
		for _, e := range tape.story().Events {
			checkPrintable(t, Row(e.Item))
		}
	}
}

func TestParams(t *testing.T) {
	long := make([]any, 100)
	for i := range long {
		long[i] = int64(i)
	}
	for _, c := range []struct {
		in   map[string]any
		want string
	}{
		{nil, "{}"},
		{map[string]any{"b": true, "a": nil, "c": map[string]any{}, "d": []any{}}, "{a: null, b: true, c: {}, d: []}"},
		{map[string]any{"a b": "x, y: z"}, `{"a b": "x, y: z"}`},
		{map[string]any{"n": long}, "{n: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, and 84 more]}"},
		{map[string]any{"n": long[:17]}, "{n: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]}"},
	} {
		if got := params(c.in, words{}); got != c.want {
			t.Errorf("got %s, want %s", got, c.want)
		}
	}
	if got := params(map[string]any{"a": strings.Repeat("ü", maxParams)}, words{}); !strings.HasSuffix(got, "ü… (cut here; the event has all of it)") || len(got) > maxParams+60 {
		t.Errorf("%d bytes: %s", len(got), got)
	}
}

// Of a command under stet run its environment's names are counted, not listed.
func TestParamsOfACommand(t *testing.T) {
	argv := []any{"tar", "cf", "a b"}
	for name, tc := range map[string]struct {
		in   map[string]any
		want string
	}{
		"names":     {map[string]any{"argv": argv, "env": []any{"HOME", "PATH"}}, `{argv: [tar, cf, "a b"], env: 2 names}`},
		"one":       {map[string]any{"argv": argv, "env": []any{"HOME"}}, `{argv: [tar, cf, "a b"], env: 1 name}`},
		"very many": {map[string]any{"argv": argv, "env": []any{"HOME", "PATH", "and 21 more"}}, `{argv: [tar, cf, "a b"], env: 23 names}`},
		"no list":   {map[string]any{"argv": argv, "env": "test"}, `{argv: [tar, cf, "a b"], env: test}`},
		"numbers":   {map[string]any{"argv": argv, "env": []any{int64(1)}}, `{argv: [tar, cf, "a b"], env: [1]}`},
		"another's": {map[string]any{"argv": argv, "env": []any{"A"}, "n": int64(1)}, `{argv: [tar, cf, "a b"], env: [A], n: 1}`},
	} {
		if got := params(tc.in, words{}); got != tc.want {
			t.Errorf("%s: %s, want %s", name, got, tc.want)
		}
	}
}

func TestWrap(t *testing.T) {
	text := "one two three four five six seven eight"
	for _, width := range []int{-5, 0, 1, 24, 30, 100} {
		lines := wrap(text, width)
		if got := strings.Join(lines, " "); got != text {
			t.Errorf("width %d: wrapped to %q", width, got)
		}
		for _, l := range lines {
			if width >= 24 && len(l) > width {
				t.Errorf("width %d: a line of %d", width, len(l))
			}
		}
	}
	long := strings.Repeat("x", 64)
	if lines := wrap("see "+long+" there", 30); len(lines) != 3 || lines[1] != long {
		t.Errorf("a long word is cut: %q", lines)
	}
}

func TestDuration(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0 µs", 412 * time.Microsecond: "412 µs", 1200 * time.Microsecond: "1.2 ms", 250 * time.Millisecond: "250 ms",
		2149 * time.Millisecond: "2.1 s", 59_999 * time.Millisecond: "59.9 s", time.Minute: "1 min", 185 * time.Second: "3 min 5 s",
		47*time.Hour + time.Minute: "47 h 1 min", 48 * time.Hour: "2 days", 75 * time.Hour: "3 days 3 h", -time.Second: "-1.0 s",
		-1 << 63: "-106751 days 23 h",
	} {
		if got := duration(d); got != want {
			t.Errorf("duration(%d) = %q, want %q", d, got, want)
		}
	}
}

func ExampleRender() {
	var f Fold
	tape := newTape()
	s := tape.process("backup", "web1")
	s.asks("backup", func(e *event.Event) { e.UserID, e.Job.Params = "alice", nil })
	s.may("backup")
	for _, it := range tape.items {
		f.Add(it)
	}
	f.Ended(s.stream)
	for _, story := range f.Stories() {
		var b bytes.Buffer
		if err := Render(&b, story, RenderOptions{}); err != nil {
			fmt.Println(err)
		}
		_, phases, _ := strings.Cut(b.String(), "\n\n  ")
		fmt.Print("  ", phases)
	}
	// Output:
	//   Submission     03:00:00.000Z  #1  alice asked for backup to run: nightly (schedule, cron).
	//   Authorization  03:00:00.001Z  #2  Nobody was asked whether backup may run: no authoriser is configured.
	//   Execution      missing            Never reported.
	//   Outcome        missing            Never reported.
}

func ExampleSentence() {
	took := int64(2_100_000)
	fmt.Println(Sentence(Item{Event: &event.Event{
		EventType:  "job_failed",
		Job:        &event.Job{ID: "1", Name: "backup"},
		Timing:     &event.Timing{DurationUS: &took},
		StatusCode: "3",
	}}))
	// Output: backup failed after 2.1 s with exit code 3.
}

func ExampleOpenRuns() {
	tape := newTape()
	s := tape.process("backup", "web1")
	s.begins("backup")
	for _, run := range OpenRuns(s.stream, tape.items) {
		if run.Execution.Event == nil {
			continue // only asked for: a queue may still hold it
		}
		lost := Lost(run, Evidence{PID: 4711})
		fmt.Println(Sentence(Item{Event: lost, StoreKey: true}))
	}
	// Output: The store recorded backup as lost: process 4711 is gone and never reported an outcome.
}

// FuzzRender renders whatever package event accepts as an event: nothing panics, every event has its place, and only
// what can be printed leaves.
func FuzzRender(f *testing.F) {
	for _, seed := range seeds(f) {
		f.Add(seed, []byte(nil))
		f.Add(seed, seed)
	}
	f.Fuzz(func(t *testing.T, a, b []byte) {
		var fold Fold
		var items []Item
		for i, raw := range [][]byte{a, b} {
			e, err := event.Parse(raw)
			if err != nil {
				continue
			}
			items = append(items, Item{Seq: uint64(i), HasSeq: true, KeyID: "k", Raw: raw, Event: e})
			fold.Add(items[len(items)-1])
			checkSentence(t, Sentence(items[len(items)-1]))
		}
		for _, s := range fold.Stories() {
			checkPrintable(t, rendered(t, s))
			JSON(s)
		}
		if len(items) == 2 && items[0].Event.InteractionID == items[1].Event.InteractionID {
			s, _ := fold.Story(items[0].Event.InteractionID)
			checkWhole(t, items, s)
		}
	})
}

// seeds are the events of every tale that a codec takes, encoded.
func seeds(t fataler) (out [][]byte) {
	var codec event.Codec
	for _, tale := range tales {
		tape := newTape()
		tale.tell(tape)
		for _, it := range tape.items {
			it.Event.Escaped = false
			b, err := codec.Append(nil, it.Event)
			if err == nil {
				out = append(out, b)
			}
		}
	}
	if len(out) < 40 {
		t.Fatalf("only %d of the tales' events can be encoded", len(out))
	}
	return out
}
