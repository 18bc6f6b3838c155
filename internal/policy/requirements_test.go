package policy_test

import (
	"flag"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/stetlog/stet/internal/policy"
)

var update = flag.Bool("update", false, "rewrite golden files and the specification")

// Every part of both documents has a requirement, in the documents' order; every requirement has a rule, or the reason why no
// log can show it; and every rule is there because a requirement asks for it.
func TestEveryRequirementIsAccountedFor(t *testing.T) {
	b, err := os.ReadFile("testdata/outline.txt")
	if err != nil {
		t.Fatal(err)
	}
	var want, got []string
	for line := range strings.Lines(string(b)) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			want = append(want, line)
		}
	}
	var rules []string
	for _, r := range policy.Rules() {
		if slices.Contains(rules, r.ID) {
			t.Errorf("rule %s is there twice", r.ID)
		}
		if r.Of == "" || r.Title == "" || r.Check == "" || r.Next == "" {
			t.Errorf("rule %s does not say what it judges, what must hold, how it is decided, or what to do next", r.ID)
		}
		rules = append(rules, r.ID)
	}
	asked := map[string]bool{}
	ids := map[string]bool{}
	for _, q := range policy.Requirements() {
		part := q.Document() + " " + q.Section
		if len(got) == 0 || got[len(got)-1] != part { // several requirements of one part stand together
			got = append(got, part)
		}
		if ids[q.ID] {
			t.Errorf("requirement %s is there twice", q.ID)
		}
		ids[q.ID] = true
		if len(q.Rules) == 0 && q.Reason == "" {
			t.Errorf("requirement %s has neither a rule nor a reason", q.ID)
		}
		for _, r := range q.Rules {
			if !slices.Contains(rules, r) {
				t.Errorf("requirement %s names the rule %s, which is none", q.ID, r)
			}
			asked[r] = true
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("parts of the documents (-) and of the table (+):\n%s", diff)
	}
	for _, r := range rules {
		if !asked[r] {
			t.Errorf("no requirement asks for rule %s", r)
		}
	}
}

// The specification holds the tables.
func TestSpecIsTheTables(t *testing.T) {
	const file = "../../docs/spec/lint.md"
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	got := string(b)
	for name, table := range map[string]string{"rules": policy.MarkdownRules(), "requirements": policy.MarkdownRequirements(), "fields": fieldList()} {
		begin, end := "<!-- "+name+": written by go test ./internal/policy -update -->\n", "<!-- end of "+name+" -->\n"
		head, rest, ok := strings.Cut(got, begin)
		old, tail, ok2 := strings.Cut(rest, end)
		if !ok || !ok2 {
			t.Fatalf("the markers of %s are gone", name)
		}
		if diff := cmp.Diff(table, old); diff != "" && !*update {
			t.Errorf("run go test ./internal/policy -update:\n%s", diff)
		}
		got = head + begin + table + end + tail
	}
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
