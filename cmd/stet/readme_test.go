package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// The README's console blocks are run, and must print what it shows; "…" stands for anything. Its Go blocks must build
// and run against this tree.
func TestReadme(t *testing.T) {
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?ms)^```(console|go)\n(.*?)^```$").FindAllStringSubmatch(string(text), -1)
	if len(blocks) < 2 {
		t.Fatalf("%d blocks found, at least one of each kind is expected", len(blocks))
	}
	dir := t.TempDir()
	bin := filepath.Join(dir, "bin")
	sh := func(in string, args ...string) (string, error) {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
		defer cancel()
		cmd := exec.CommandContext(ctx, args[0], args[1:]...)
		cmd.Dir = in
		cmd.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"), "STET_STORE="+filepath.Join(dir, "store"),
			"STET_STATE="+filepath.Join(dir, "state"), "STET_ENV=", "STET_APP=", "GOWORK=off")
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	if out, err := sh(".", "go", "build", "-o", filepath.Join(bin, "stet"), "."); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	work := filepath.Join(dir, "work")
	if err := os.MkdirAll(filepath.Join(work, "data"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, b := range blocks {
		if b[1] == "go" {
			root, err := filepath.Abs("../..")
			if err != nil {
				t.Fatal(err)
			}
			prog := filepath.Join(dir, "prog")
			sum, err := os.ReadFile("../../go.sum")
			if err != nil {
				t.Fatal(err)
			}
			for name, text := range map[string]string{"main.go": b[2], "go.sum": string(sum),
				"go.mod": "module example\n\ngo 1.26\n\nrequire github.com/stetlog/stet v0.0.0\n\nreplace github.com/stetlog/stet => " + root + "\n"} {
				if err := os.MkdirAll(prog, 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(filepath.Join(prog, name), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if out, err := sh(prog, "go", "run", "-mod=mod", "."); err != nil {
				t.Errorf("the README's program: %v\n%s", err, out)
			}
			continue
		}
		for _, step := range strings.Split("\n"+b[2], "\n$ ")[1:] {
			line, want, _ := strings.Cut(step, "\n")
			out, err := sh(work, "sh", "-c", line)
			if err != nil {
				t.Errorf("$ %s: %v\n%s", line, err, out)
			}
			pattern := strings.ReplaceAll(regexp.QuoteMeta(strings.TrimSpace(want)), "…", ".*")
			if !regexp.MustCompile(`^` + pattern + `$`).MatchString(strings.TrimSpace(out)) {
				t.Errorf("$ %s\nprints\n%s\nthe README says\n%s", line, out, want)
			}
		}
	}
}
