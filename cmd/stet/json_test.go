package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stetlog/stet/internal/policy"
)

// Every command that prints something prints it as JSON too: one document that names its format, and nothing beside it.
func TestJSON(t *testing.T) {
	x := newShop(t)
	ran := filepath.Join(x.dir, "ran.json")
	x.must(t, 7, "run", "--job", "one", "--json-file", ran, "--", "sh", "-c", "exit 7")
	out, err := os.ReadFile(ran)
	if err != nil {
		t.Fatal(err)
	}
	document(t, "run", out, "stet.run/1", &ranReport{})
	lines := filepath.Join(x.dir, "lines.jsonl")
	if err := os.WriteFile(lines, []byte(`{"event_type":"sys_startup"}`+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		format string
		into   any // nil: any object
		args   []string
	}{
		{"stet.emit/1", &recorded{}, []string{"emit", "--json", "sys_startup"}},
		{"stet.import/1", &importReport{}, []string{"import", "--json", lines}},
		{"stet.import/1", &importReport{}, []string{"import", "--json", "--dry-run", lines}},
		{"stet.correct/1", &corrected{}, []string{"correct", "--json", "--reason", "x", "4"}},
		{"stet.proof/1", &proofReport{}, []string{"show", "--proof", "--json", "4"}},
		{"stet.verify/1", &verifyReport{}, []string{"verify", "--json"}},
		{"stet.lint/1", &policy.Document{}, []string{"lint", "--json"}},
		{"stet.lint/1", &policy.Document{}, []string{"lint", "--json", lines}},
		{"stet.ghosts/1", &ghostsReport{}, []string{"ghosts", "--json"}},
		{"stet.expectations/1", &expectationList{}, []string{"expect", "add", "one", "--cron", "@daily", "--json"}},
		{"stet.expectations/1", &expectationList{}, []string{"expect", "list", "--json"}},
		{"stet.expect_report/1", &expectReport{}, []string{"expect", "report", "one", "--json"}},
		{"stet.expectations/1", &expectationList{}, []string{"expect", "remove", "one", "--json"}},
		{"stet.doctor/1", &health{}, []string{"doctor", "--json"}},
		{"stet.version/1", nil, []string{"version", "--json"}},
		{"", nil, []string{"story", "--json", "one"}},
		{"", nil, []string{"show", "--json", "4"}},
	} {
		document(t, strings.Join(c.args, " "), x.must(t, exitOK, c.args...), c.format, c.into)
	}
	var stories []json.RawMessage
	if err := json.Unmarshal(x.must(t, exitOK, "story", "--list", "--json"), &stories); err != nil || len(stories) == 0 {
		t.Errorf("story --list: %d, %v", len(stories), err)
	}
	for _, command := range []string{"export", "search"} { // a line an entry
		for line := range bytes.Lines(x.must(t, exitOK, command, "--json")) {
			if !json.Valid(line) {
				t.Errorf("%s: %s", command, line)
			}
		}
	}
	// What --json has no use for is said in the manual: demo, completion, man, export --tlog and run's command own their output.
	help := string(x.must(t, exitOK, "run", "--help"))
	if !strings.Contains(help, "--json-file") {
		t.Error("run does not say how to get JSON")
	}
}

// document decodes strictly what must be one document of a format.
func document(t *testing.T, what string, out []byte, format string, into any) {
	t.Helper()
	var named struct {
		Format string `json:"format"`
	}
	if err := json.Unmarshal(out, &named); err != nil {
		t.Errorf("%s: %v in %s", what, err, out)
		return
	}
	if format != "" && named.Format != format {
		t.Errorf("%s: its format is %q, want %q", what, named.Format, format)
	}
	if into == nil {
		into = &map[string]any{}
	}
	d := json.NewDecoder(bytes.NewReader(out))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		t.Errorf("%s: %v in %s", what, err, out)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		t.Errorf("%s: there is more behind the document: %s", what, out)
	}
}
