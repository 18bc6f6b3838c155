package main

import (
	"fmt"
	"runtime/debug"
	"strings"

	"github.com/alecthomas/kong"
)

type manCmd struct{}

func (manCmd) Help() string {
	return `To read it, and to install it:

    stet man | man -l -
    stet man > /usr/local/share/man/man1/stet.1`
}

func (manCmd) Run(e *env) error {
	version, date := "", ""
	if info, ok := debug.ReadBuildInfo(); ok {
		version = info.Main.Version
		for _, s := range info.Settings {
			if s.Key == "vcs.time" {
				date, _, _ = strings.Cut(s.Value, "T")
			}
		}
	}
	_, err := e.stdout.WriteString(manual(e.model, version, date))
	return err
}

// manualVariables are what stet reads from the environment, beside what flags name.
var manualVariables = [][2]string{
	{"STET_STORE", "The store, where --store does not name one."},
	{"STET_STATE", "The state directory, an absolute path, instead of /var/lib/stet for root and $XDG_STATE_HOME/stet or ~/.local/state/stet for others."},
	{"STET_APP, STET_APP_VERSION, STET_ENV", "Application, its version and the environment that events name, where nothing else does."},
	{"STET_INTERACTION_ID, STET_PARENT_JOB_ID, STET_ROOT_JOB_ID, TRACEPARENT", "Place in the tree of jobs; stet run sets them for its command, and reads them."},
	{"STET_IMPACT_FILE", "Set by stet run: where the command may say what it changed, as {\"summary\": …, \"counts\": {…}} or plain text."},
	{"NO_COLOR", "No colour, also on a terminal."},
}

var manualFiles = [][2]string{
	{"/var/lib/stet/store, ~/.local/state/stet/store", "The default store."},
	{"STORE/store", "Which log this is, and its keys."},
	{"STORE/spool/", "What is recorded and not yet in the log: durable, sealed."},
	{"STORE/log/", "The log, in the layout of C2SP tlog-tiles."},
	{"STORE/keys/", "The keys of the log, of the store, and of a server's door for unsealed events. Nobody else may read them."},
	{"STORE/auth/", "What is kept of tokens, which is not the tokens, and what the server last ran with."},
	{"STORE/admin.sock", "Where a server that has the store answers its owner: stet admin asks there."},
	{"STORE/quarantine/", "What could not be taken in, kept."},
	{"STATE/emitter.key", "The key that seals what this user records on this host."},
	{"STATE/known/", "The checkpoints that this computer has seen, by which it notices a log that was cut or forked."},
}

// manual writes the manual page in man(7)'s language, of what the parser itself knows.
func manual(app *kong.Application, version, date string) string {
	var b strings.Builder
	line := func(format string, args ...any) { _, _ = fmt.Fprintf(&b, format+"\n", args...) }
	line(`.TH STET 1 "%s" "stet %s" "stet"`, date, roff(version))
	line(".SH NAME")
	line(`stet \- signed append\-only audit log for background jobs`)
	line(".SH SYNOPSIS")
	line(`.B stet run \-\-why`)
	line(`\(dqnightly purge\(dq \-\- ./purge.sh`)
	line(".PP")
	line(".B stet")
	line(".I command")
	line("[options]")
	line(".SH DESCRIPTION")
	for i, p := range strings.Split(app.Help, "\n\n") {
		if i > 0 {
			line(".PP")
		}
		line("%s", roff(p))
	}
	line(".SH COMMANDS")
	for _, c := range app.Children {
		if !c.Hidden {
			manualOf(line, c)
		}
	}
	line(".SH EXIT STATUS")
	for _, x := range exitCodes {
		pair(line, fmt.Sprint(x.code), x.means)
	}
	line(".PP")
	line("%s", roff("stet run passes the command's own code through: 128 and the number of a signal that ended it, 127 where it was not found, 126 where it could not be executed, and 125 where --require-record kept it from starting."))
	line(".SH ENVIRONMENT")
	for _, v := range manualVariables {
		pair(line, v[0], v[1])
	}
	line(".SH FILES")
	for _, f := range manualFiles {
		pair(line, f[0], f[1])
	}
	return b.String()
}

func manualOf(line func(string, ...any), c *kong.Node) {
	line(".SS %s", roff("stet "+c.Name+synopsis(c)))
	line("%s", roff(c.Help))
	for p := range strings.SplitSeq(c.Detail, "\n\n") {
		if p != "" {
			line(".PP")
			line("%s", roff(p))
		}
	}
	for _, p := range c.Positional {
		pair(line, p.Name, p.Help)
	}
	for _, f := range c.Flags {
		if f.Hidden {
			continue
		}
		help := f.Help
		if len(f.Envs) > 0 {
			help += " ($" + strings.Join(f.Envs, ", $") + ")"
		}
		pair(line, f.String(), help)
	}
}

func synopsis(c *kong.Node) (s string) {
	for _, p := range c.Positional {
		name := p.Name
		if p.IsSlice() {
			name += " ..."
		}
		if !p.Required {
			name = "[" + name + "]"
		}
		s += " " + name
	}
	return s
}

// pair writes a term and what it means.
func pair(line func(string, ...any), term, meaning string) {
	line(".TP")
	line(".B %s", roff(term))
	line("%s", roff(meaning))
}

// roff escapes what has a meaning of its own there: backslashes, dashes that should stay dashes, and dots and quotes at
// the start of a line. A line is a sentence's end at most.
func roff(s string) string {
	s = strings.NewReplacer(`\`, `\e`, "-", `\-`, "\"", `\(dq`, "…", "...", "~", `\(ti`).Replace(strings.TrimSpace(s))
	lines := strings.Split(s, "\n")
	for i, l := range lines {
		l = strings.TrimSpace(l)
		if strings.HasPrefix(l, ".") || strings.HasPrefix(l, "'") {
			l = `\&` + l
		}
		lines[i] = l
	}
	return strings.Join(lines, "\n")
}
