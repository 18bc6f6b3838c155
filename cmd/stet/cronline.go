package main

import (
	"path/filepath"
	"slices"
	"strings"
)

// cronLine is what a crontab's line says of itself.
type cronLine struct {
	name    string   // of its job: never empty
	how     string   // how that was found, for derived
	command []string // the words of the command that does the work, as far as they can be told; may be empty
}

const (
	// maxCronLine bounds how much of a line is looked at, in bytes. Cron's own limit is lower.
	maxCronLine = 64 << 10
	// maxJobName bounds the name of a job, in bytes (SCHEMA).
	maxJobName = 128
	// cronMark begins the comment that names a line's job: "backup.sh  # stet: nightly-backup".
	cronMark = "stet:"
)

// readLine finds a name for a line's job, the same for every run of it: what the line's comment says, else given, else
// the line's first command that does something. The line is read as a shell would split it into words, no further:
// nothing is expanded.
func readLine(line, given string) cronLine {
	commands, comment := splitLine(line[:min(len(line), maxCronLine)])
	l := cronLine{name: "cron", how: "stet-cron", command: works(commands)}
	switch name, ok := strings.CutPrefix(strings.TrimSpace(comment), cronMark); {
	case ok && strings.TrimSpace(name) != "":
		l.name, l.how = strings.TrimSpace(name), "the line's comment"
	case given != "":
		l.name, l.how = given, "STET_JOB"
	case len(l.command) > 0:
		if base := filepath.Base(l.command[0]); base != "." && base != "/" {
			l.name, l.how = base, "first command of the line"
		}
	}
	if len(l.name) > maxJobName {
		// Never to nothing, even where no byte of it is UTF-8; the character that the limit splits is left out.
		l.name = strings.ToValidUTF8(l.name, "?")
		l.name = strings.ToValidUTF8(l.name[:min(len(l.name), maxJobName)], "")
	}
	return l
}

// Words that come before a command, and commands that prepare for the one that matters.
var (
	beforeCommand = []string{"!", "if", "then", "else", "elif", "while", "until", "do", "exec", "command", "nohup", "time", "setsid", "chronic"}
	preparation   = []string{"cd", "test", "[", "[[", ":", "true", "sleep", "umask", "ulimit", "export", "set", ".", "source", "fi", "done", "esac"}
)

// works chooses the command whose name says what the line does: the first that only prepares nothing, else the first.
func works(commands [][]string) []string {
	var first []string
	for _, words := range commands {
		for len(words) > 0 && (isAssignment(words[0]) || slices.Contains(beforeCommand, words[0])) {
			words = words[1:]
		}
		switch {
		case len(words) == 0 || words[0] == "":
		case !slices.Contains(preparation, words[0]):
			return words
		case first == nil:
			first = words
		}
	}
	return first
}

func isAssignment(word string) bool {
	name, _, ok := strings.Cut(word, "=")
	return ok && name != "" && strings.IndexFunc(name, func(c rune) bool {
		return c != '_' && (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z')
	}) < 0
}

// splitLine splits a line into simple commands, and these into words without their quotes, and returns the text behind
// the last #. Redirections are left out.
func splitLine(line string) (commands [][]string, comment string) {
	var words []string
	var word strings.Builder
	inWord, skip := false, false
	endWord := func() {
		if inWord && !skip {
			words = append(words, word.String())
		}
		skip = skip && !inWord // a redirection takes one word
		word.Reset()
		inWord = false
	}
	endCommand := func() {
		endWord()
		if len(words) > 0 {
			commands = append(commands, words)
		}
		words, skip = nil, false
	}
	for i := 0; i < len(line); i++ {
		switch c := line[i]; {
		case c == '\\' && i+1 < len(line):
			i++
			word.WriteByte(line[i])
			inWord = true
		case c == '\'' || c == '"':
			end := closing(line, i)
			word.WriteString(line[i+1 : end])
			i, inWord = end, true
		case c == '#' && !inWord:
			end := len(line)
			if n := strings.IndexByte(line[i:], '\n'); n >= 0 {
				end = i + n
			}
			comment, i = line[i+1:end], end-1
		case c == ' ' || c == '\t':
			endWord()
		case c == '>' || c == '<':
			if strings.Trim(word.String(), "0123456789") == "" {
				word.Reset() // the number of the file, 2>
				inWord = false
			}
			endWord()
			skip = true
			for i+1 < len(line) && strings.IndexByte("<>&|", line[i+1]) >= 0 {
				i++
			}
		case strings.IndexByte(";&|(){}\n", c) >= 0 && !(c == '{' || c == '}') || (c == '{' || c == '}') && !inWord:
			endCommand()
		default:
			word.WriteByte(c)
			inWord = true
		}
	}
	endCommand()
	return commands, comment
}

// closing is where the quote at from ends, or the line does.
func closing(line string, from int) int {
	for i := from + 1; i < len(line); i++ {
		switch {
		case line[i] == '\\' && line[from] == '"':
			i++
		case line[i] == line[from]:
			return i
		}
	}
	return len(line)
}
