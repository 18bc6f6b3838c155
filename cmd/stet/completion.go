package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

type completionCmd struct {
	Shell string `arg:"" enum:"bash,zsh,fish" help:"bash, zsh or fish."`
}

// Help says where the script goes.
func (completionCmd) Help() string {
	return `bash, for all users, or a line of ~/.bashrc:

    stet completion bash > /etc/bash_completion.d/stet
    source <(stet completion bash)

zsh, a file in a directory of $fpath, or a line of ~/.zshrc behind compinit:

    stet completion zsh > _stet
    source <(stet completion zsh)

fish:

    stet completion fish > ~/.config/fish/completions/stet.fish`
}

// completeCommand is how the scripts ask which words can stand at the end of a line. It is no command for people.
const completeCommand = "__complete"

// The scripts know nothing of stet's commands, so they never need an update. Where stet has nothing to offer, the shell
// offers files.
const (
	bashCompletion = `_stet() {
	local IFS=$'\n'
	COMPREPLY=($(compgen -W "$(stet __complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)" -- "${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _stet stet
`
	zshCompletion = `#compdef stet
_stet() {
	local -a found
	found=("${(@f)$(stet __complete "${(@)words[2,CURRENT]}" 2>/dev/null)}")
	found=(${found:#})
	if (( $#found )); then compadd -- $found; else _files; fi
}
if [ "$funcstack[1]" = _stet ]; then _stet; else compdef _stet stet; fi
`
	fishCompletion = `function __stet_complete
	set -l words (commandline -opc) (commandline -ct)
	stet __complete $words[2..-1] 2>/dev/null
end
complete -c stet -a '(__stet_complete)'
`
)

func (c completionCmd) Run(e *env) error {
	_, err := e.stdout.WriteString(map[string]string{"bash": bashCompletion, "zsh": zshCompletion, "fish": fishCompletion}[c.Shell])
	return err
}

// complete prints the words that can stand where the last of words is being typed.
func complete(e *env, words []string) error {
	for _, w := range candidates(e.model.Node, words) {
		if _, err := fmt.Fprintln(e.stdout, w); err != nil {
			return err
		}
	}
	return nil
}

// values are the closed lists that the parser does not know.
func values(flag string) []string {
	switch flag {
	case "trigger":
		return triggers
	case "env":
		return []string{"production", "staging", "development", "test"}
	}
	return nil
}

func candidates(node *kong.Node, words []string) (out []string) {
	if len(words) == 0 {
		return nil
	}
	last, before := words[len(words)-1], words[:len(words)-1]
	var value *kong.Flag // the flag whose value comes next
	positional := 0
	for _, w := range before {
		switch {
		case value != nil:
			value = nil
		case w == "--":
			return nil // what follows is somebody else's command line
		case strings.HasPrefix(w, "-"):
			if f := flagOf(node, w); f != nil && !f.IsBool() && !strings.Contains(w, "=") {
				value = f
			}
		default:
			if child := childOf(node, w); child != nil {
				node = child
			} else if positional++; passes(node) {
				return nil
			}
		}
	}
	name, typed, assigned := strings.Cut(last, "=")
	switch {
	case value != nil:
		return having(last, "", append(value.EnumSlice(), values(value.Name)...))
	case strings.HasPrefix(last, "-") && assigned:
		if f := flagOf(node, name); f != nil {
			return having(typed, name+"=", append(f.EnumSlice(), values(f.Name)...))
		}
		return nil
	case strings.HasPrefix(last, "-"):
		for n := node; n != nil; n = n.Parent {
			for _, f := range n.Flags {
				if !f.Hidden {
					out = append(out, "--"+f.Name)
				}
			}
		}
	case len(node.Children) > 0:
		for _, child := range node.Children {
			if !child.Hidden {
				out = append(out, child.Name)
			}
		}
	case node.Name == "search":
		out = searchWords()
	case positional < len(node.Positional):
		out = node.Positional[positional].EnumSlice()
	}
	slices.Sort(out)
	return having(last, "", slices.Compact(out))
}

// passes says whether a command hands everything from its first argument on to another program.
func passes(n *kong.Node) bool {
	return len(n.Positional) > 0 && n.Positional[0].Passthrough
}

func having(prefix, before string, words []string) (out []string) {
	for _, w := range words {
		if w != "" && strings.HasPrefix(w, prefix) {
			out = append(out, before+w)
		}
	}
	return out
}

func childOf(n *kong.Node, word string) *kong.Node {
	for _, child := range n.Children {
		if child.Name == word {
			return child
		}
	}
	return nil
}

func flagOf(n *kong.Node, word string) *kong.Flag {
	word, _, _ = strings.Cut(word, "=")
	for ; n != nil; n = n.Parent {
		for _, f := range n.Flags {
			if word == "--"+f.Name || f.Short != 0 && word == "-"+string(f.Short) {
				return f
			}
		}
	}
	return nil
}
