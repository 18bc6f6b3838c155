package origin_test

import (
	"regexp"
	"testing"

	"github.com/stetlog/stet/internal/origin"
)

// record stands for a function of a library that wants to know its caller.
func record(skip int, own ...string) origin.Code { return origin.Caller(skip, own...) }

type worker[T any] struct{}

func (worker[T]) run() origin.Code { return record(0) }

func TestCaller(t *testing.T) {
	const here = `^github\.com/stetlog/stet/internal/origin_test/caller_test\.go:\d+$`
	for name, c := range map[string]origin.Code{
		"direct":            record(0),
		"method of generic": worker[int]{}.run(),
		"closure":           func() origin.Code { return record(0) }(),
		"one further up":    func() origin.Code { return record(1) }(),
	} {
		if !regexp.MustCompile(here).MatchString(c.Location.Text) {
			t.Errorf("%s: %q", name, c.Location.Text)
		}
		if c.Location.How != "runtime: calling function" {
			t.Errorf("%s: how %q", name, c.Location.How)
		}
	}
	if c := record(0, "github.com/stetlog/stet/internal/origin_test"); c.Function != "testing.tRunner" || !regexp.MustCompile(`^testing/testing\.go:\d+$`).MatchString(c.Location.Text) {
		t.Errorf("outside the packages that are our own: %+v", c)
	}
	if c := record(1000); c != (origin.Code{}) {
		t.Errorf("above everything: %+v", c)
	}
}
