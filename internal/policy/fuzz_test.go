package policy_test

import (
	"os"
	"testing"
	"unicode"

	"github.com/stetlog/stet/internal/policy"
)

// Whatever a file holds, it is judged: every rule's counts add up, and what is told is printable.
func FuzzLint(f *testing.F) {
	for _, name := range []string{"nginx", "spring", "otel"} {
		b, err := os.ReadFile("testdata/" + name + ".log")
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(b))
	}
	f.Add("")
	f.Add("{}\n\xff\n{\"a\":\n" + jobEvent("2026-01-13T10:00:00Z", "job_started", `,"parent_id":"j","root_id":"j"}`))
	f.Fuzz(func(t *testing.T, text string) {
		r := lint(policy.Options{Name: "x.log"}, text)
		if n := r.Count(policy.Pass) + r.Count(policy.Fail) + r.Count(policy.NotChecked); n != len(policy.Rules()) {
			t.Fatalf("%d rules have a state", n)
		}
		for _, x := range r.Rules {
			n := uint64(0)
			for _, f := range x.Findings {
				n += f.Count
			}
			if n != x.Fail || x.State() != policy.Pass && len(x.Findings)+len(x.Reasons) == 0 {
				t.Fatalf("%s: %d failures, %d of them with a finding; %v without a reason", x.ID, x.Fail, n, x.State())
			}
		}
		for _, c := range told(t, &r) {
			if c != '\n' && !unicode.IsPrint(c) {
				t.Fatalf("%U is told", c)
			}
		}
	})
}
