package store

import (
	"bytes"
	"slices"

	"github.com/stetlog/stet/event"
)

// changed says which paths of an event the codec redacted or sanitised when it wrote it, behind those that the event itself
// named, which its sender's own tools had changed.
func changed(codec *event.Codec, e *event.Event, written []byte) ([]string, error) {
	if !bytes.Contains(written, []byte(`"redactions":`)) && !bytes.Contains(written, []byte(`"sanitized":`)) {
		return nil, nil
	}
	now, err := codec.Parse(written)
	if err != nil {
		return nil, err
	}
	var paths []string
	for _, r := range now.Redactions[min(len(e.Redactions), len(now.Redactions)):] {
		paths = append(paths, r.Path)
	}
	for _, s := range now.Sanitized[min(len(e.Sanitized), len(now.Sanitized)):] {
		paths = append(paths, s.Path)
	}
	return fitChanged(paths), nil
}

// Limits of what via says was changed: via as a whole has 2 KiB, and what else is in it needs its part.
const (
	changedPaths = 32
	changedBytes = 1 << 10
)

// fitChanged is paths as via takes them: each once, and where they are too many, the first with "*" behind them. The event
// itself lists them in redactions and sanitized.
func fitChanged(paths []string) []string {
	var kept []string
	size := 0
	for _, p := range paths {
		if slices.Contains(kept, p) {
			continue
		}
		if size += len(p) + 8; len(kept) == changedPaths || size > changedBytes {
			return append(kept, "*")
		}
		kept = append(kept, p)
	}
	return kept
}
