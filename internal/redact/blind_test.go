package redact_test

// The blind corpora are written by somebody who had not read the rules, so that
// the figures in docs/spec/event.md are not those of a table the rules were
// tuned on. Secrets are generated, never stored: «…» marks what must not be left
// over, and <KIND N> in a text stands for N random characters of a kind.

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/redact"
)

// sample is one text of a corpus: what it is about, how it reaches the log, and
// the text itself.
type sample struct {
	family string
	how    how
	text   string
}

type how uint8

const (
	text   how = iota // in every free text
	argv              // a command line, its arguments separated by " ¦ "
	nested            // JSON of job.params
	label             // KEY=VALUE of labels
)

var alphabets = map[string]string{
	"b62": "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
	"b64": "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
	"url": "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_",
	"hex": "0123456789abcdef",
	"HEX": "0123456789ABCDEF",
	"up":  "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567",
	"low": "abcdefghijklmnopqrstuvwxyz0123456789",
	"dig": "123456789",
}

// fill replaces <KIND N> by random characters, the same in every run, and
// <basic TEXT> by its base64.
func fill(t testing.TB, s string, r *rand.Rand) string {
	t.Helper()
	var out strings.Builder
	for {
		before, rest, ok := strings.Cut(s, "<")
		out.WriteString(before)
		if !ok {
			return out.String()
		}
		inside, after, ok := strings.Cut(rest, ">")
		kind, arg, two := strings.Cut(inside, " ")
		alphabet, known := alphabets[kind]
		switch n, err := strconv.Atoi(arg); {
		case ok && two && kind == "basic":
			out.WriteString(base64.StdEncoding.EncodeToString([]byte(arg)))
			s = after
		case ok && two && known && err == nil:
			for range n {
				out.WriteByte(alphabet[r.IntN(len(alphabet))])
			}
			s = after
		default:
			out.WriteByte('<')
			s = rest
		}
	}
}

// marked takes the marks out of a text and returns what they mark.
func marked(s string) (plain string, secrets []string) {
	for {
		before, rest, ok := strings.Cut(s, "«")
		plain += before
		if !ok {
			return plain, secrets
		}
		secret, after, _ := strings.Cut(rest, "»")
		plain += secret
		secrets = append(secrets, secret)
		s = after
	}
}

// left returns the part of a secret that is still in s: six tenths of it in one
// piece count as a leak, since the rest can be guessed; of less than eight
// characters, the whole.
func left(s, secret string) string {
	n := len(secret)
	if n >= 8 {
		n = (n*6 + 9) / 10
	}
	for i := 0; i+n <= len(secret); i++ {
		if strings.Contains(s, secret[i:i+n]) {
			return secret[i : i+n]
		}
	}
	return ""
}

var masks = regexp.MustCompile(`\[redacted:[a-z_]+\]`)

// blindEvent is a job's submission or an application's event with nothing in it
// that a rule could find.
func blindEvent() *event.Event {
	at := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
	return &event.Event{
		EventID: event.NewUUIDv7(at, [10]byte{1}), Timestamp: at, InteractionID: "018f2b1e-7c00-7000-8000-000000000001",
		AppID: "billing", AppVersion: "1.4.2", CodeLocation: "purge.go:42", EntryPoint: &event.EntryPoint{Kind: "cli", Name: "purge"},
		Host: &event.Host{Name: "db1", IP: "10.0.0.7"}, Environment: "production", UserID: "u-17", SourceIP: "192.0.2.7",
		Principal: &event.Principal{Type: "user", ID: "u-17"}, EventType: "job_submitted", Why: &event.Why{Trigger: "manual", Reason: "nightly"},
		Job:      &event.Job{ID: "purge-1", RunID: "r1", Name: "purge", Params: map[string]any{"days": 30}},
		StreamID: event.NewUUIDv7(at, [10]byte{2}), StreamSeq: 1, Clock: &event.Clock{Confidence: "high", MaxErrorUS: new(int64(120))},
	}
}

// written returns all texts of what the encoder makes of a sample, with the
// masks, as a reader sees them; and how many records of redaction it made.
func written(t testing.TB, how how, s string) (out string, masked int) {
	t.Helper()
	e := blindEvent()
	switch how {
	case text:
		e.Description, e.Why.Reason = s, s
		e.Job.Params["note"], e.Job.Params["list"] = s, []any{map[string]any{"line": s}, 7}
		e.Labels = map[string]string{"note": s}
		e.References = []event.Reference{{Kind: "log", Value: s}}
	case argv:
		e.Job.Params["argv"], _ = redact.Args(strings.Split(s, " ¦ "))
		e.Job.Params["again"] = strings.Split(s, " ¦ ")
	case nested:
		if err := json.Unmarshal([]byte(s), &e.Job.Params); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	case label:
		k, v, _ := strings.Cut(s, "=")
		e.Labels = map[string]string{k: v}
		e.Job.Params[k] = v
	}
	b, err := new(event.Codec).Append(nil, e)
	if err != nil {
		t.Fatalf("%s: %v", s, err)
	}
	var all struct {
		Description string
		Why, Labels map[string]any
		Job         struct{ Params map[string]any }
		References  []any
	}
	if err := json.Unmarshal(b, &all); err != nil {
		t.Fatal(err)
	}
	var texts []string
	var walk func(any)
	walk = func(v any) {
		switch x := v.(type) {
		case string:
			u, ok := event.Unsanitize(x)
			if !ok {
				u = x
			}
			texts = append(texts, u)
		case float64:
			texts = append(texts, strconv.FormatFloat(x, 'f', -1, 64))
		case []any:
			for _, v := range x {
				walk(v)
			}
		case map[string]any:
			for k, v := range x {
				walk(k)
				walk(v)
			}
		}
	}
	walk([]any{all.Description, all.Why, all.Labels, all.Job.Params, all.References})
	slices.Sort(texts)
	out = strings.Join(texts, "\x00")
	return out, strings.Count(out, "[redacted:")
}

// tally counts a corpus by family.
type tally struct{ n, bad map[string]int }

func (c tally) String() string {
	var b strings.Builder
	n, bad := 0, 0
	for _, f := range slices.Sorted(func(yield func(string) bool) {
		for f := range c.n {
			if !yield(f) {
				return
			}
		}
	}) {
		fmt.Fprintf(&b, "  %-10s %3d of %3d\n", f, c.bad[f], c.n[f])
		n, bad = n+c.n[f], bad+c.bad[f]
	}
	return fmt.Sprintf("%d of %d (%.4f)\n", bad, n, float64(bad)/float64(n)) + b.String()
}

// measure runs one corpus through the rules and the encoder and returns the
// share of positives found and of negatives spoilt.
func measure(t *testing.T, positives, negatives []sample) (recall, spoilt float64) {
	t.Helper()
	tell := os.Getenv("STET_BLIND") != ""
	r := rand.New(rand.NewPCG(17, 4))
	leaks, false1 := tally{map[string]int{}, map[string]int{}}, tally{map[string]int{}, map[string]int{}}
	for _, p := range positives {
		s, secrets := marked(fill(t, p.text, r))
		if len(secrets) == 0 {
			t.Fatalf("%s: nothing is marked", p.text)
		}
		leaks.n[p.family]++
		out, _ := written(t, p.how, s)
		if p.how == text {
			masked, _ := redact.Text(s)
			out += "\x00" + masked
			if again, finds := redact.Text(masked); again != masked || len(finds) > 0 {
				t.Errorf("not idempotent: %q, then %q", masked, again)
			}
		}
		for _, secret := range secrets {
			if l := left(masks.ReplaceAllLiteralString(out, "\x00"), secret); l != "" {
				leaks.bad[p.family]++
				if tell {
					t.Logf("LEAK %s %q of %q", p.family, l, s)
				}
				break
			}
		}
	}
	for _, p := range negatives {
		s := fill(t, p.text, r)
		false1.n[p.family]++
		out, masked := written(t, p.how, s)
		if masked > 0 {
			false1.bad[p.family]++
			if tell {
				i := strings.Index(out, "[redacted:")
				t.Logf("FALSE %s %q: %q", p.family, s, out[max(i-30, 0):min(i+60, len(out))])
			}
		}
	}
	t.Logf("leaks: %v", leaks)
	t.Logf("false positives: %v", false1)
	sum := func(m map[string]int) (n int) {
		for _, v := range m {
			n += v
		}
		return n
	}
	return 1 - float64(sum(leaks.bad))/float64(len(positives)), float64(sum(false1.bad)) / float64(len(negatives))
}
