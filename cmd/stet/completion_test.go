package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// need skips a test for want of a program that .ci/tools installs; not where all is demanded.
func need(t *testing.T, program string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil && os.Getenv("CI") == "true" {
		t.Fatalf("%s is missing: run .ci/tools", program)
	}
	if err != nil {
		t.Skipf("%s is missing: run .ci/tools", program)
	}
	return path
}

// What each shell offers for a line, by the shell's own way of asking.
var shells = map[string]func(words []string) string{
	"bash": func(words []string) string {
		return `source "$SCRIPT"; complete -p stet >/dev/null || exit 1; COMP_WORDS=(` + quoted(words) + `); COMP_CWORD=$((${#COMP_WORDS[@]}-1)); _stet; printf '%s\n' "${COMPREPLY[@]}"`
	},
	"zsh": func(words []string) string {
		return `compdef() { [ "$1 $2" = "_stet stet" ] || exit 1; }; compadd() { shift; print -rl -- "$@" }; _files() { : }; source "$SCRIPT"; words=(` + quoted(words) + `); CURRENT=$#words; _stet`
	},
	"fish": func(words []string) string {
		return `source $SCRIPT; complete -C "` + strings.Join(words, " ") + `"`
	},
}

func quoted(words []string) string {
	all := make([]string, len(words))
	for i, w := range words {
		all[i] = "'" + w + "'"
	}
	return strings.Join(all, " ")
}

// Each shell loads its script without complaint and offers what can stand there.
func TestCompletion(t *testing.T) {
	x := newShop(t)
	for shell, asks := range shells {
		t.Run(shell, func(t *testing.T) {
			path := need(t, shell)
			script := filepath.Join(x.dir, "completion."+shell)
			if err := os.WriteFile(script, x.must(t, exitOK, "completion", shell), 0o600); err != nil {
				t.Fatal(err)
			}
			for line, want := range map[string][]string{
				"stet ver":                  {"verify", "version"},
				"stet run --req":            {"--require-record"},
				"stet run --trigger ma":     {"manual"},
				"stet completion f":         {"fish"},
				"stet story --store /x --l": {"--limit", "--list"},
				"stet no-such-command-at-":  nil,
				"stet run -- --verb":        nil,
			} {
				cmd := x.command(t.Context(), "version")
				args := []string{"-c", asks(strings.Fields(line))}
				if shell == "zsh" {
					args = append([]string{"-f"}, args...)
				}
				cmd.Path, cmd.Args = path, append([]string{shell}, args...)
				cmd.Env = append(cmd.Env, "SCRIPT="+script, "HOME="+x.dir)
				out, err := cmd.CombinedOutput()
				if err != nil {
					t.Fatalf("%s: %v\n%s", line, err, out)
				}
				var got []string
				for w := range strings.FieldsSeq(string(out)) {
					got = append(got, w)
				}
				slices.Sort(got)
				if !slices.Equal(got, want) {
					t.Errorf("%s: %q, want %q", line, got, want)
				}
			}
		})
	}
}

// The manual page is what man(7) allows, and tells of every command, flag and exit code.
func TestManual(t *testing.T) {
	mandoc := need(t, "mandoc")
	x := newShop(t)
	page := x.must(t, exitOK, "man")
	file := filepath.Join(x.dir, "stet.1")
	if err := os.WriteFile(file, page, 0o600); err != nil {
		t.Fatal(err)
	}
	complaints, _ := exec.CommandContext(t.Context(), mandoc, "-Tlint", "-Wwarning", file).Output() // its exit code counts them
	for line := range strings.Lines(string(complaints)) {
		if !strings.Contains(line, "missing date") { // which the binary of a test has none of
			t.Error(line)
		}
	}
	out, err := exec.CommandContext(t.Context(), mandoc, "-Tascii", "-Owidth=400", file).Output()
	if err != nil {
		t.Fatal(err)
	}
	text := plainText(string(out))
	help := string(x.must(t, exitOK, "--help"))
	for _, command := range []string{"run", "emit", "import", "correct", "search", "story", "show", "verify", "export", "demo", "doctor", "version", "completion", "man"} {
		if !strings.Contains(text, "stet "+command) || !strings.Contains(help, "  "+command+" ") {
			t.Errorf("the manual or the help says nothing of stet %s", command)
		}
		for word := range strings.FieldsSeq(string(x.must(t, exitOK, command, "--help"))) {
			if flag, _, _ := strings.Cut(strings.Trim(word, `",.:;()[]`), "="); strings.HasPrefix(flag, "--") && len(flag) > 2 && flag != "--help" && !strings.Contains(text, flag) {
				t.Errorf("the manual says nothing of stet %s %s", command, flag)
			}
		}
	}
	for _, part := range []string{"EXIT STATUS", "ENVIRONMENT", "FILES", "integrity failure", "findings", "not allowed", "STET_STATE", "emitter.key"} {
		if !strings.Contains(text, part) {
			t.Errorf("the manual says nothing of %q", part)
		}
	}
}

// plainText takes overstriking out of what mandoc writes.
func plainText(s string) string {
	var out []rune
	for _, c := range s {
		if c == '\b' && len(out) > 0 {
			out = out[:len(out)-1]
			continue
		}
		out = append(out, c)
	}
	return string(out)
}
