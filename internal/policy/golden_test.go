package policy_test

import (
	"bufio"
	"bytes"
	"os"
	"strings"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"

	"github.com/stetlog/stet/internal/convert"
	"github.com/stetlog/stet/internal/policy"
	"github.com/stetlog/stet/internal/story"
)

func fieldList() string {
	return "`" + strings.Join(convert.Fields(), "`, `") + "`\n"
}

// guess is the mapping that is guessed of all lines.
func guess(text string) convert.Map {
	var g convert.Guess
	for line := range strings.Lines(text) {
		records, _ := convert.ReadLine([]byte(line))
		for i := range records {
			g.Add(&records[i])
		}
	}
	return g.Map()
}

// lint judges a file as the command does. A nil mapping is guessed.
func lint(o policy.Options, text string) policy.Report {
	if o.Map == nil {
		o.Map = guess(text)
	}
	if o.Places == 0 {
		o.Places = 5
	}
	l := policy.New(o)
	var fold story.Fold
	s := bufio.NewScanner(strings.NewReader(text))
	s.Buffer(nil, 1<<20)
	for n := 1; s.Scan(); n++ {
		for _, it := range l.Line(n, s.Bytes()) {
			fold.Add(it)
		}
	}
	for _, x := range fold.Stories() {
		l.Story(&x)
	}
	return l.Report()
}

// Three shapes of applications' logs: what is guessed of them, and what a person is told.
func TestSamples(t *testing.T) {
	for _, c := range []struct {
		name    string
		secrets []string // in the log, and nowhere else
	}{
		{"nginx", []string{"tk_9f8a7b6c5d4e3f2a1b0c", "8A1F0C3D5E7B9A2C4E6F8091A2B3C4D5", "carol", "admin logged in"}},
		{"spring", []string{"hunter2", "s3cr3tPw", "dave", "8A1F0C3D5E7B9A2C4E6F8091A2B3C4D5"}},
		{"otel", []string{"4111", "eyJhbGciOiJIUzI1NiJ9", "u-88"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			b, err := os.ReadFile("testdata/" + c.name + ".log")
			if err != nil {
				t.Fatal(err)
			}
			r := lint(policy.Options{Name: c.name + ".log"}, string(b))
			var out bytes.Buffer
			out.WriteString(guess(string(b)).YAML() + "\n")
			if err := policy.WriteText(&out, &r); err != nil {
				t.Fatal(err)
			}
			golden(t, "testdata/"+c.name+".golden", out.Bytes())
			all := out.String() + encode(t, policy.JSON(&r)) + encode(t, policy.SARIFOf(&r, "v1"))
			for _, s := range c.secrets {
				if !bytes.Contains(b, []byte(s)) {
					t.Errorf("the sample does not hold %q", s)
				}
				if strings.Contains(all, s) {
					t.Errorf("%q, which is in the log, is told", s)
				}
			}
			for _, x := range all {
				if x != '\n' && !unicode.IsPrint(x) {
					t.Fatalf("%U is told", x)
				}
			}
		})
	}
}

func golden(t *testing.T, file string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("run go test ./internal/policy -update and read the difference:\n%s", diff)
	}
}
