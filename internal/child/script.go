package child

import (
	"io"
	"path/filepath"
	"slices"
	"strings"
)

// maxShebang is what Linux reads of a script to find its interpreter
// (BINPRM_BUF_SIZE).
const maxShebang = 256

// shebang splits a file's #! line into interpreter and, as Linux does, at most
// one argument. False means that the file has none, or cannot be read.
func shebang(path string) ([]string, bool) {
	f, err := openRegular(path)
	if err != nil {
		return nil, false
	}
	defer f.Close() //nolint:errcheck // read only
	b, err := io.ReadAll(io.LimitReader(f, maxShebang))
	if err != nil {
		return nil, false
	}
	return parseShebang(string(b))
}

func parseShebang(s string) ([]string, bool) {
	line, ok := strings.CutPrefix(s, "#!")
	if !ok {
		return nil, false
	}
	line, _, _ = strings.Cut(line, "\n")
	line, _, _ = strings.Cut(line, "\x00")
	line = strings.Trim(line, " \t\r")
	if line == "" {
		return nil, false
	}
	i := strings.IndexAny(line, " \t")
	if i < 0 {
		return []string{line}, true
	}
	return []string{line[:i], strings.Trim(line[i:], " \t")}, true
}

// envCommand finds the program in a #!/usr/bin/env line.
func envCommand(line []string) (string, bool) {
	if len(line) < 2 || filepath.Base(line[0]) != "env" {
		return "", false
	}
	// With -S env splits the one argument that the kernel leaves it.
	if rest := afterEnv(append([]string{"env"}, strings.Fields(line[1])...)); rest != nil {
		return rest[0], true
	}
	return "", false
}

// afterEnv returns the command in the arguments of env(1), nil where it is not
// env, or has no command, or uses options whose effect on the search for the
// command is not followed here (-C, -P).
func afterEnv(args []string) []string {
	if args[0] != "env" {
		return nil
	}
	for i := 1; i < len(args); i++ {
		a := args[i]
		switch {
		case a == "-u" || a == "--unset":
			i++
		case a == "-S" || a == "--split-string" || a == "--", a == "-i", a == "-", a == "--ignore-environment", a == "-v",
			strings.HasPrefix(a, "--unset="):
		case strings.HasPrefix(a, "-"):
			return nil
		case strings.Contains(a, "="):
		default:
			return args[i:]
		}
	}
	return nil
}

// A grammar is what has to be known of an interpreter's options to find the
// script among its arguments: the first that is neither an option nor an
// option's value. Letters are single options, which may be run together (-xe).
type grammar struct {
	code   string   // take the code itself, or a module: there is no script
	value  string   // take the next argument where nothing follows in the same
	rest   string   // take what follows in the same argument, perhaps nothing
	file   string   // take the script
	code2  []string // long forms of code
	value2 []string // long forms of value, as separate arguments
}

// grammarOf knows the interpreters by name, versions aside (python3.12, php8.2).
// Unknown names have none: better no script than the wrong one.
func grammarOf(name string) (grammar, bool) {
	name = strings.TrimPrefix(name, "-") // a login shell
	switch strings.TrimRight(name, "0123456789.-") {
	case "sh", "bash", "dash", "ash", "ksh", "mksh", "zsh":
		return grammar{code: "cs", value: "oO", value2: []string{"--rcfile", "--init-file"}}, true
	case "fish":
		return grammar{code: "c", value: "Cd", code2: []string{"--command"}}, true
	case "python", "pypy":
		return grammar{code: "cm", value: "WX"}, true
	case "perl":
		return grammar{code: "eE", value: "I", rest: "MmixFDdV"}, true
	case "ruby":
		return grammar{code: "e", value: "IrCEK", rest: "iFxW"}, true
	case "node", "nodejs":
		return grammar{code: "ep", value: "rC", code2: []string{"--eval", "--print", "--test"},
			value2: []string{"--require", "--import", "--loader", "--conditions", "--env-file"}}, true
	case "php":
		return grammar{code: "rBRES", value: "dcz", file: "fF"}, true
	case "Rscript":
		return grammar{code: "e", value: "g"}, true
	case "lua", "luajit":
		return grammar{code: "e", value: "l"}, true
	}
	return grammar{}, false
}

// scriptArg finds the script in an interpreter's command line; args[0] is the
// interpreter's name.
func scriptArg(args []string) (string, bool) {
	g, ok := grammarOf(args[0])
	if !ok {
		return "", false
	}
	for i := 1; i < len(args); i++ {
		a := args[i]
		switch {
		case a == "--":
			if i+1 < len(args) {
				return args[i+1], true
			}
			return "", false
		case a == "-":
			return "", false // standard input
		case strings.HasPrefix(a, "--"):
			long, _, joined := strings.Cut(a, "=")
			if slices.Contains(g.code2, long) {
				return "", false
			}
			if !joined && slices.Contains(g.value2, long) {
				i++
			}
		case a[:min(1, len(a))] == "-" || strings.HasPrefix(a, "+") && strings.Contains(g.value, "O"):
			switch g.cluster(a[1:]) {
			case takesCode:
				return "", false
			case takesNext:
				i++
			case takesFile:
				if i+1 < len(args) {
					return args[i+1], true
				}
				return "", false
			case plain:
			}
		default:
			return a, a != ""
		}
	}
	return "", false
}

type effect int

const (
	plain effect = iota
	takesCode
	takesNext
	takesFile
)

// cluster says what a run of single-letter options does.
func (g grammar) cluster(letters string) effect {
	for i, c := range letters {
		last := i == len(letters)-1
		switch {
		case strings.ContainsRune(g.code, c):
			return takesCode
		case strings.ContainsRune(g.rest, c):
			return plain
		case strings.ContainsRune(g.value, c) && last:
			return takesNext
		case strings.ContainsRune(g.value, c):
			return plain
		case strings.ContainsRune(g.file, c) && last:
			return takesFile
		}
	}
	return plain
}
