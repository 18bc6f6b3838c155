package expect

import (
	"bytes"
	"errors"
	"strings"
)

// The bounds of files that are read for schedules.
const (
	// MaxFile is how long a file may be, in bytes.
	MaxFile = 1 << 20
	maxLine = 16 << 10 // bytes
)

// ErrFile says that a file cannot be read for schedules at all.
var ErrFile = errors.New("not a file of schedules")

// CronLine is a line of a crontab that starts something, or would.
type CronLine struct {
	Number   int
	Schedule Schedule
	Zone     string            // CRON_TZ as it stands there; "": that of the machine
	User     string            // of a system crontab
	Command  string            // what the shell gets
	Env      map[string]string // what the lines before set; not to be written to
	Err      error             // why the line is not understood; then only Number counts
}

// Crontab reads a crontab as cron(8) does; with system it has a column for the user, as /etc/crontab and the files of
// /etc/cron.d have. Lines are understood or have an Err: none is guessed. ErrFile: it is too long, or no text.
//
// CRON_TZ is cronie's, and says in which zone the lines behind it are meant; Debian's cron has none. TZ is for the commands
// alone, with both.
func Crontab(text []byte, system bool) ([]CronLine, error) {
	if len(text) > MaxFile || bytes.IndexByte(text, 0) >= 0 {
		return nil, ErrFile
	}
	var all []CronLine
	env := map[string]string{}
	n := 0
	for line := range bytes.Lines(text) {
		n++
		s, ended := strings.CutSuffix(string(line), "\n")
		s = strings.TrimLeft(s, " \t")
		if s == "" || s[0] == '#' {
			continue
		}
		if name, value, ok := assignment(s); ok {
			next := make(map[string]string, len(env)+1) // lines before keep what they have
			for k, v := range env {
				next[k] = v
			}
			next[name] = value
			env = next
			continue
		}
		l, err := cronLine(s, system)
		switch {
		case len(line) > maxLine:
			err = wrong("the line is longer than %d bytes", maxLine)
		case !ended:
			err = wrong("the last line has no line end, so cron takes no notice of it")
		}
		l.Number, l.Env, l.Zone, l.Err = n, env, env["CRON_TZ"], err
		all = append(all, l)
	}
	return all, nil
}

// cronLine reads schedule, user and command.
func cronLine(s string, system bool) (l CronLine, err error) {
	fields := len(cronFields)
	if s[0] == '@' {
		fields = 1
	}
	when, rest := words(s, fields)
	if l.Schedule, err = ParseCron(when); err != nil {
		return l, err
	}
	if system {
		l.User, rest = words(rest, 1)
	}
	if l.Command = command(rest); l.Command == "" {
		return l, wrong("there is no command")
	}
	return l, nil
}

// words cuts n words from the beginning.
func words(s string, n int) (first, rest string) {
	i := 0
	for range n {
		for i < len(s) && (s[i] == ' ' || s[i] == '\t') {
			i++
		}
		for i < len(s) && s[i] != ' ' && s[i] != '\t' {
			i++
		}
	}
	return strings.TrimSpace(s[:i]), strings.TrimLeft(s[i:], " \t")
}

// command is what of the rest of a line the shell gets: up to the first percent sign without a backslash before it.
func command(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) && s[i+1] == '%' {
			i++
		} else if s[i] == '%' {
			break
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// assignment reads NAME = VALUE, either of which may be in quotes.
func assignment(s string) (name, value string, ok bool) {
	name, rest, ok := quoted(s, "= \t")
	if !ok || name == "" {
		return "", "", false
	}
	rest, ok = strings.CutPrefix(strings.TrimLeft(rest, " \t"), "=")
	if !ok {
		return "", "", false
	}
	rest = strings.TrimSpace(rest)
	if value, end, ok := quoted(rest, ""); ok && end == "" {
		return name, value, true
	}
	return name, rest, true
}

// quoted cuts a word that may be in quotes, or ends before one of these bytes.
func quoted(s, until string) (word, rest string, ok bool) {
	if s != "" && (s[0] == '"' || s[0] == '\'') {
		return strings.Cut(s[1:], s[:1])
	}
	i := strings.IndexAny(s, until)
	if until == "" || i < 0 {
		return s, "", until == ""
	}
	return s[:i], s[i:], true
}
