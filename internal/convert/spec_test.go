package convert_test

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/stetlog/stet/internal/convert"
)

// TestSpecHasEveryName: the table of names in docs/spec/formats.md is the one in code, and every format is described.
func TestSpecHasEveryName(t *testing.T) {
	const file, begin, end = "../../docs/spec/formats.md", "<!-- table: written by go test ./internal/convert -update -->\n", "<!-- end of table -->\n"
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok := strings.Cut(string(b), begin)
	table, tail, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatal("the markers of the table are gone")
	}
	if want := convert.NamesTable(); *update {
		if err := os.WriteFile(file, []byte(head+begin+want+end+tail), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if diff := cmp.Diff(want, table); diff != "" {
		t.Errorf("run go test ./internal/convert -update:\n%s", diff)
	}
	for _, name := range convert.Formats() {
		if !strings.Contains(head, "`"+name+"`") {
			t.Errorf("%s is not described", name)
		}
	}
}
