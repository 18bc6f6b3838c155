package origin

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Lineage names a run as OpenLineage's OPENLINEAGE_PARENT_ID does, by which a scheduler tells the process that it starts
// which run that is a part of: namespace/job/runId.
type Lineage struct{ Namespace, Job, Run string }

// ParseLineage reads a parent id: three parts without a slash in them, as OpenLineage's own clients split it, printable,
// and the last a UUID. ok is false for anything else.
func ParseLineage(s string) (l Lineage, ok bool) {
	if len(s) > MaxText || !utf8.ValidString(s) || strings.IndexFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) >= 0 {
		return l, false
	}
	part := strings.Split(s, "/")
	if len(part) != 3 || part[0] == "" || part[1] == "" || !isUUID(part[2]) {
		return l, false
	}
	return Lineage{part[0], part[1], part[2]}, true
}

// String is what ParseLineage reads.
func (l Lineage) String() string { return l.Namespace + "/" + l.Job + "/" + l.Run }

// isUUID takes a UUID of any version, in letters of either case.
func isUUID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i, c := range []byte(s) {
		switch i {
		case 8, 13, 18, 23:
			if c != '-' {
				return false
			}
		default:
			if (c < '0' || c > '9') && (c < 'a' || c > 'f') && (c < 'A' || c > 'F') {
				return false
			}
		}
	}
	return true
}

// lineage is the parent that the environment names, where it is one.
func (d detector) lineage() Value {
	v := d.env("OPENLINEAGE_PARENT_ID")
	if _, ok := ParseLineage(v.Text); !ok {
		return Value{}
	}
	return v
}
