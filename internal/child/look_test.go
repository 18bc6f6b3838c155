package child

import (
	"context"
	"crypto/sha256"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func put(t *testing.T, path, text string, mode os.FileMode) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestLook(t *testing.T) {
	dir := t.TempDir()
	put(t, dir+"/a/tool", "#!/bin/sh\n", 0o644) // comes first, but may not be run
	put(t, dir+"/b/tool", "#!/bin/sh\n", 0o755)
	put(t, dir+"/c/tool/file", "", 0o644) // a directory of that name
	put(t, dir+"/tool", "#!/bin/sh\n", 0o755)
	for _, tc := range []struct {
		name, argv0, path, dir string
		want                   string
	}{
		{"first that may be run", "tool", dir + "/none:" + dir + "/a:" + dir + "/c:" + dir + "/b", "", dir + "/b/tool"},
		{"a slash: PATH does not count", dir + "/b/tool", "", "", dir + "/b/tool"},
		{"relative, with a slash", "./b/tool", "", dir, "./b/tool"},
		{"an empty element is the current directory", "tool", dir + "/a::" + dir + "/b", dir, "./tool"},
		{"a relative element", "tool", "b", dir, "b/tool"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := Look(tc.argv0, []string{"PATH=" + tc.path, "PATH=/not/this"}, tc.dir)
			if err != nil || got != tc.want {
				t.Errorf("got %q, %v; want %q", got, err, tc.want)
			}
		})
	}
	if got, err := Look("sh", nil, ""); err != nil || got != "/bin/sh" {
		t.Errorf("without PATH: %q, %v", got, err)
	}
}

func TestEnviron(t *testing.T) {
	parent := []string{"B=2", "STET_TOKEN=secret", "A=1", "odd", "B=again", "STET_TOKEN=twice", "E="}
	got := Environ(parent, map[string]string{"A": "new", "Z": "z", "C": "c=c", "STET_TOKEN": "set"}, "STET_TOKEN")
	want := []string{"B=2", "odd", "B=again", "E=", "A=new", "C=c=c", "Z=z"}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if parent[1] != "STET_TOKEN=secret" {
		t.Error("the parent's environment was changed")
	}
}

func TestNames(t *testing.T) {
	got := Names([]string{"B=secret", "A=", "nameless", "B=2", "=odd"})
	if d := cmp.Diff([]string{"A", "B"}, got); d != "" {
		t.Error(d)
	}
}

func TestDigests(t *testing.T) {
	dir := t.TempDir()
	python := put(t, dir+"/bin/python3.12", "\x7fELF python", 0o755)
	tool := put(t, dir+"/bin/tool", "\x7fELF tool", 0o755)
	job := put(t, dir+"/job.py", "print()", 0o644)
	script := put(t, dir+"/script", "#!"+python+" -u\nprint()", 0o755)
	viaEnv := put(t, dir+"/via-env", "#!/usr/bin/env -S python3.12 -u\nprint()", 0o755)
	second := put(t, dir+"/second", "#! "+script+"\n", 0o755)
	link := dir + "/bin/link"
	if err := os.Symlink(tool, link); err != nil {
		t.Fatal(err)
	}
	env := []string{"PATH=" + dir + "/bin"}
	for _, tc := range []struct {
		name string
		path string
		args []string
		want []string // kind and path
	}{
		{"a program", tool, []string{job}, []string{"executable " + tool}},
		{"a link to it", link, nil, []string{"executable " + link}},
		{"an interpreter and its script", python, []string{"-u", job}, []string{"interpreter " + python, "script " + job}},
		{"a script relative to where it starts", python, []string{"job.py"}, []string{"interpreter " + python, "script " + job}},
		{"an interpreter with code", python, []string{"-c", "print()"}, []string{"executable " + python}},
		{"an interpreter and what is no file", python, []string{"nothing.py"}, []string{"executable " + python}},
		{"a script", script, []string{job}, []string{"script " + script, "interpreter " + python}},
		{"a script through env", viaEnv, nil, []string{"script " + viaEnv, "interpreter /usr/bin/env", "interpreter " + python}},
		{"a script through a script", second, nil, []string{"script " + second, "script " + script, "interpreter " + python}},
		{"env", "/usr/bin/env", []string{"A=1", "python3.12", "job.py"},
			[]string{"executable /usr/bin/env", "interpreter " + python, "script " + job}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			all := Digests(t.Context(), tc.path, append([]string{filepath.Base(tc.path)}, tc.args...), env, dir)
			var got []string
			for _, c := range all {
				got = append(got, string(c.Kind)+" "+c.Path)
				b, err := os.ReadFile(c.Path)
				if err != nil {
					t.Fatal(err)
				}
				if c.Err != nil || c.SHA256 != sha256.Sum256(b) || c.Size != int64(len(b)) {
					t.Errorf("%s: %d bytes, %x, %v", c.Path, c.Size, c.SHA256, c.Err)
				}
			}
			if d := cmp.Diff(tc.want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestDigestRefusals(t *testing.T) {
	dir := t.TempDir()
	large := put(t, dir+"/large", "", 0o755)
	if err := os.Truncate(large, MaxCode+1); err != nil {
		t.Fatal(err)
	}
	if c := Digest(t.Context(), large); !errors.Is(c.Err, ErrTooLarge) {
		t.Errorf("too large: %v", c.Err)
	}
	if c := Digest(t.Context(), dir+"/none"); !errors.Is(c.Err, os.ErrNotExist) {
		t.Errorf("missing: %v", c.Err)
	}
	if c := Digest(t.Context(), dir); c.Err == nil {
		t.Error("a directory was hashed")
	}
	done, cancel := context.WithCancel(t.Context())
	cancel()
	if all := Digests(done, "/bin/sh", []string{"sh"}, nil, ""); len(all) != 1 || !errors.Is(all[0].Err, context.Canceled) {
		t.Errorf("cancelled: %+v", all)
	}
}

func TestScriptAmongArguments(t *testing.T) {
	for line, want := range map[string]string{
		"sh job.sh":                        "job.sh",
		"sh -e job.sh arg":                 "job.sh",
		"sh -euo pipefail job.sh":          "job.sh",
		"sh +e job.sh":                     "job.sh",
		"sh -- job.sh":                     "job.sh",
		"sh -c code":                       "",
		"sh -xec code":                     "",
		"sh -s arg":                        "",
		"sh":                               "",
		"sh -":                             "",
		"bash --norc --rcfile x job.sh":    "job.sh",
		"bash -O extglob job.sh":           "job.sh",
		"python3 -u -W ignore -X dev a.py": "a.py",
		"python3.12 -m http.server a.py":   "",
		"python -Wignore a.py":             "a.py",
		"perl -w -I lib a.pl":              "a.pl",
		"perl -Ilib -MData::Dumper a.pl":   "a.pl",
		"perl -lane code a.txt":            "",
		"perl -pi.bak -e code":             "",
		"ruby -r json -I lib a.rb":         "a.rb",
		"ruby -e code":                     "",
		"node --require x a.js":            "a.js",
		"node --require=x --inspect a.js":  "a.js",
		"node --eval code":                 "",
		"node -p code":                     "",
		"php -d a=b a.php":                 "a.php",
		"php8.2 -f a.php":                  "a.php",
		"php -r code":                      "",
		"Rscript --vanilla a.R":            "a.R",
		"Rscript -e code":                  "",
		"tar cf x.tar dir":                 "",
		"sleep 60":                         "",
	} {
		got, ok := scriptArg(strings.Fields(line))
		if got != want || ok != (want != "") {
			t.Errorf("%s: %q, %v; want %q", line, got, ok, want)
		}
	}
	if got, ok := scriptArg([]string{"sh", ""}); ok {
		t.Errorf("an empty argument is a script: %q", got)
	}
}

func TestParseShebang(t *testing.T) {
	for text, want := range map[string][]string{
		"#!/bin/sh\nx":            {"/bin/sh"},
		"#! /bin/sh -e \nx":       {"/bin/sh", "-e"},
		"#!/usr/bin/env -S a b\n": {"/usr/bin/env", "-S a b"},
		"#!/bin/sh\r\n":           {"/bin/sh"},
		"#!/bin/sh":               {"/bin/sh"},
		"#!\n":                    nil,
		"#! \t\n/bin/sh":          nil,
		"\x7fELF":                 nil,
		"":                        nil,
		"# /bin/sh\n":             nil,
	} {
		got, ok := parseShebang(text)
		if !slices.Equal(got, want) || ok != (want != nil) {
			t.Errorf("%q: %q, %v; want %q", text, got, ok, want)
		}
	}
}
