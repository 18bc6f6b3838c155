package policy_test

import (
	"os"
	"strings"
	"testing"

	"github.com/stetlog/stet/internal/policy"
)

// What a line of another application's log costs, by all rules.
func BenchmarkLine(b *testing.B) {
	text, err := os.ReadFile("testdata/spring.log")
	if err != nil {
		b.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	l := policy.New(policy.Options{Map: guess(string(text)), Places: 5})
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		l.Line(i+1, []byte(lines[i%6]))
	}
}
