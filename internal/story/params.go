package story

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/stetlog/stet/event"
)

// maxParams is how much of a request's parameters a story shows, in bytes. The event has the rest.
const maxParams = 1000

// maxItems is how many elements of a list are shown.
const maxItems = 16

// params writes a request's parameters: keys in order, text quoted wherever it is not one plain word.
func params(m map[string]any, w words) string {
	var b strings.Builder
	if argv, env, ok := commandOf(m); ok {
		b.WriteString("{argv: ")
		writeValue(&b, argv, w, 1)
		b.WriteString(", env: " + plural(env, "name") + "}")
	} else {
		writeValue(&b, m, w, 0)
	}
	s := b.String()
	if len(s) <= maxParams {
		return s
	}
	cut := maxParams
	for cut > 0 && s[cut]&0xc0 == 0x80 { // not inside a rune
		cut--
	}
	return s[:cut] + "… (cut here; the event has all of it)"
}

// commandOf recognises the parameters of a command under stet run: what it was called with, and how many names its
// environment had. Those names say little to a reader; the event has them.
func commandOf(m map[string]any) (argv []any, names int, ok bool) {
	argv, isArgv := m["argv"].([]any)
	env, isEnv := m["env"].([]any)
	if !isArgv || !isEnv || len(m) != 2 {
		return nil, 0, false
	}
	for i, x := range env {
		name, isText := x.(string)
		if !isText {
			return nil, 0, false
		}
		var more int
		if n, err := fmt.Sscanf(name, "and %d more", &more); n == 1 && err == nil && i == len(env)-1 && more > 0 && more < 1<<20 {
			return argv, i + more, true
		}
	}
	return argv, len(env), true
}

func writeValue(b *strings.Builder, v any, w words, depth int) {
	switch v := v.(type) {
	case nil:
		b.WriteString("null")
	case string:
		b.WriteString(w.name(v))
	case map[string]any:
		if depth > event.MaxParamsDepth || b.Len() > 2*maxParams {
			b.WriteString("{…}")
			return
		}
		for i, k := range slices.Sorted(maps.Keys(v)) {
			b.WriteString([]string{"{", ", "}[min(i, 1)])
			b.WriteString(w.name(k))
			b.WriteString(": ")
			writeValue(b, v[k], w, depth+1)
		}
		b.WriteString([]string{"{}", "}"}[min(len(v), 1)])
	case []any:
		if depth > event.MaxParamsDepth || b.Len() > 2*maxParams {
			b.WriteString("[…]")
			return
		}
		for i, x := range v {
			b.WriteString([]string{"[", ", "}[min(i, 1)])
			if i == maxItems && len(v) > maxItems+1 {
				fmt.Fprintf(b, "and %s more", number(len(v)-i))
				break
			}
			writeValue(b, x, w, depth+1)
		}
		b.WriteString([]string{"[]", "]"}[min(len(v), 1)])
	default: // bools and numbers; what else package event may take is not worth more than its default form
		b.WriteString(w.text(fmt.Sprint(v)))
	}
}
