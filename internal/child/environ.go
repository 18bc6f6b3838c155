package child

import (
	"maps"
	"slices"
	"strings"
)

// Environ builds a child's environment: parent's entries in their order, without
// those withheld by name, with those of set in place of or behind them. Nothing
// else is touched: entries without '=' and names that occur twice reach the
// child as they would have without us, unless they are set or withheld, which
// holds for every occurrence. Withholding wins over setting.
func Environ(parent []string, set map[string]string, withhold ...string) []string {
	env := make([]string, 0, len(parent)+len(set))
	for _, kv := range parent {
		name, _, _ := strings.Cut(kv, "=")
		if _, replaced := set[name]; replaced || slices.Contains(withhold, name) {
			continue
		}
		env = append(env, kv)
	}
	for _, name := range slices.Sorted(maps.Keys(set)) {
		if !slices.Contains(withhold, name) {
			env = append(env, name+"="+set[name])
		}
	}
	return env
}

// Names lists the names in an environment, sorted, each once, and nothing of the
// values. An entry without '=' has no name and is left out: all of it might be a
// value.
func Names(env []string) []string {
	names := make([]string, 0, len(env))
	for _, kv := range env {
		if name, _, ok := strings.Cut(kv, "="); ok && name != "" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}
