package stet

import (
	"os"
	"strings"
	"unicode"

	"github.com/stetlog/stet/internal/origin"
	"github.com/stetlog/stet/internal/redact"
)

// The variables by which OpenLineage's clients learn which run they are a part of: namespace/job/runId.
const (
	envLineageParent    = "OPENLINEAGE_PARENT_ID"
	envLineageRoot      = "OPENLINEAGE_ROOT_PARENT_ID"
	envLineageNamespace = "OPENLINEAGE_NAMESPACE"
	lineageNamespace    = "stet" // where the environment names none
)

// lineage returns the variables for a process that the run starts: its parent is this run, no longer the one that
// started ours, which is its root where nobody has named another.
func (r *Run) lineage() []string {
	own := origin.Lineage{Namespace: lineagePart(os.Getenv(envLineageNamespace), lineageNamespace), Job: lineagePart(r.t.job.Name, "job"), Run: r.ID()}
	env := []string{envLineageParent + "=" + own.String()}
	if _, ok := origin.ParseLineage(os.Getenv(envLineageRoot)); ok {
		return env // is in the environment already
	}
	if parent, ok := origin.ParseLineage(os.Getenv(envLineageParent)); ok {
		return append(env, envLineageRoot+"="+parent.String())
	}
	return env
}

// lineagePart makes a part of an id from any text: the slash stands between parts. Secrets are masked.
func lineagePart(s, otherwise string) string {
	s, _ = redact.Text(clip(s, 64<<10))
	s = strings.Map(func(c rune) rune {
		if c == '/' || !unicode.IsPrint(c) {
			return '_'
		}
		return c
	}, strings.ToValidUTF8(s, "_"))
	return first(clip(s, 128), otherwise)
}
