package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stetlog/stet/internal/policy"
)

// A log of more jobs than are folded at a time is read again, a share of the interactions each time: every run is judged once,
// with all of its events, wherever in the log they stand. Standard input cannot be read again, and its stories are not checked.
func TestLintShares(t *testing.T) {
	const runs, ghosts = 1000, 25
	var log bytes.Buffer
	for i := range runs {
		fmt.Fprintf(&log, `{"timestamp":"2026-01-13T02:00:00Z","event_type":"job_started","interaction_id":"i%d","job":{"id":"j%[1]d"}}`+"\n", i)
	}
	for i := ghosts; i < runs; i++ {
		fmt.Fprintf(&log, `{"timestamp":"2026-01-13T02:10:00Z","event_type":"job_succeeded","interaction_id":"i%d","job":{"id":"j%[1]d"}}`+"\n", i)
	}
	log.WriteString(`{"timestamp":"2026-01-15T00:00:00Z"}` + "\n") // so that those are gone
	file := filepath.Join(t.TempDir(), "jobs.log")
	if err := os.WriteFile(file, log.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	var one bytes.Buffer // an interaction of more events than any share holds
	for range 1000 {
		one.WriteString(`{"timestamp":"2026-01-13T02:00:00Z","event_type":"job_heartbeat","interaction_id":"i","job":{"id":"j"}}` + "\n")
	}
	large := filepath.Join(t.TempDir(), "large.log")
	if err := os.WriteFile(large, one.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		what   string
		atOnce int
		want   string
	}{
		{file, 0, fmt.Sprintf("%d pass, %d fail, 0 not checked", runs-ghosts, ghosts)},
		{file, 100, fmt.Sprintf("%d pass, %d fail, 0 not checked", runs-ghosts, ghosts)},
		{"-", 100, fmt.Sprintf("0 pass, 0 fail, %d not checked", 2*runs-ghosts)}, // events
		{large, 100, "0 pass, 0 fail, 1000 not checked"},
	} {
		r := ghostsOf(t, &lintCmd{What: c.what, JSON: true, atOnce: c.atOnce}, file)
		if got := fmt.Sprintf("%d pass, %d fail, %d not checked", r.Pass, r.Fail, r.NotChecked); got != c.want {
			t.Errorf("%s, %d at once: %s, want %s: %v %v", c.what, c.atOnce, got, c.want, r.Findings, r.Reasons)
		}
	}
}

// ghostsOf runs the command with a file as standard input, and returns what came of rule ghost.
func ghostsOf(t *testing.T, c *lintCmd, stdin string) policy.JSONRule {
	t.Helper()
	in, err := os.Open(stdin)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = in.Close() }() // read only
	out, err := os.Create(filepath.Join(t.TempDir(), "out.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(c.Run(&env{ctx: t.Context(), stdin: in, stdout: out, stderr: os.Stderr}), out.Close()); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(out.Name())
	if err != nil {
		t.Fatal(err)
	}
	var d policy.Document
	if err := json.Unmarshal(b, &d); err != nil {
		t.Fatal(err)
	}
	return rule(d, "ghost")
}

func rule(d policy.Document, id string) policy.JSONRule {
	return d.Rules[slices.IndexFunc(d.Rules, func(r policy.JSONRule) bool { return r.ID == id })]
}

// Whatever lines a file has, those that can be read are judged, the others are findings, and none is quoted.
func TestLintUglyLines(t *testing.T) {
	x := newShop(t)
	lines := []string{
		"\xef\xbb\xbf" + `{"level":"INFO"}`, // the mark that some programs put in front of a file
		"", "  \t ",
		`{"x":"` + strings.Repeat("hunter2", maxLine/7) + `"}`, // too long to be read
		`{"x":"` + strings.Repeat("y", 70_000) + `","level":"INFO"}`,
		strings.Repeat(`{"a":`, 100) + "1" + strings.Repeat("}", 100),
		strings.Repeat("[", 100_000),
		`{"level":"INFO","level":"hunter2"}`,
		"{\"level\":\"\xff\"}",
		"hunter2", "\x00\x00\x00", `{"level":"hunter2`,
		`{"level":"WARN"}` + "\r",
		`{"level":"ERROR"}`, // without a line's end
	}
	file := filepath.Join(x.dir, "ugly.log")
	if err := os.WriteFile(file, []byte(strings.Join(lines, "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	out := x.must(t, exitOK, "lint", "--json", file)
	if bytes.Contains(out, []byte("hunter2")) {
		t.Error("a line is quoted")
	}
	var d policy.Document
	if err := json.Unmarshal(out, &d); err != nil {
		t.Fatal(err)
	}
	if d.Lines != 12 || d.Events != 4 {
		t.Errorf("%d lines, %d events", d.Lines, d.Events)
	}
	if r := rule(d, "severity"); r.Pass != 4 {
		t.Errorf("severity: %+v", r)
	}
	if r := rule(d, "size"); r.Fail != 3 || r.Pass != 9 {
		t.Errorf("size: %+v", r)
	}
	var got []int
	for _, f := range rule(d, "format").Findings {
		got = append(got, f.Lines...)
	}
	slices.Sort(got)
	if want := []int{4, 6, 7, 8, 9, 10, 11, 12}; !slices.Equal(got, want) {
		t.Errorf("lines that are no JSON: %v, want %v", got, want)
	}
}
