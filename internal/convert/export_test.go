package convert

// Cell is cell, for tests.
func Cell(s string) string { return cell(s) }

// NamesTable is which formats have what under a name of ours, for the specification.
func NamesTable() string {
	all := []Format{CSV, Syslog, OTLP, OCSF, ECS}
	s := "| name |"
	for _, f := range all {
		s += " " + f.String() + " |"
	}
	s += "\n|---|---|---|---|---|---|\n"
	for _, c := range columns {
		s += "| `" + c.name + "` |"
		for _, f := range all {
			if c.in.has(f) {
				s += " x |"
			} else {
				s += " |"
			}
		}
		s += "\n"
	}
	return s
}
