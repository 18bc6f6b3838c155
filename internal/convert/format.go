package convert

import "strconv"

// Format is a form in which a log leaves. docs/spec/formats.md has what each makes of a row.
type Format uint8

// The formats. Of each a row is one line.
const (
	JSONLines   Format = iota + 1 // the entry's exact bytes, with its seq and hash beside them
	CSV                           // RFC 4180, with a head
	CEF                           // ArcSight Common Event Format, version 0
	CEF1                          // the same, version 1: IPv6 addresses in src and dvc
	Syslog                        // RFC 5424
	OCSF                          // Open Cybersecurity Schema Framework 1.9, JSON
	ECS                           // Elastic Common Schema 9, JSON
	CloudEvents                   // 1.0.2, structured, JSON
	OTLP                          // OpenTelemetry logs: an export request of one record, JSON
	OpenLineage                   // 2-0-2 run events, JSON: for the beginning and the end of runs alone
)

// formatNames are the names by which people choose, in the order of the formats.
var formatNames = [...]string{"jsonl", "csv", "cef", "cef1", "syslog", "ocsf", "ecs", "cloudevents", "otlp", "openlineage"}

// Formats are the names of all formats.
func Formats() []string { return append([]string(nil), formatNames[:]...) }

// ParseFormat finds a format by its name.
func ParseFormat(name string) (Format, bool) {
	for i, n := range formatNames {
		if n == name {
			return Format(i + 1), true
		}
	}
	return 0, false
}

// String is the format's name.
func (f Format) String() string {
	if f == 0 || int(f) > len(formatNames) {
		return "format " + strconv.Itoa(int(f))
	}
	return formatNames[f-1]
}

// Append appends what a row is in this format: one line, without its end. It appends nothing where the format has no word for such
// a row, which only OpenLineage lacks. There is no line break in what it appends, whatever the row says.
func (f Format) Append(dst []byte, r *Row) []byte {
	switch f {
	case JSONLines:
		return appendJSONLine(dst, r)
	case CSV:
		return appendCSVRow(dst, r)
	case CEF, CEF1:
		return appendCEF(dst, r, f == CEF1)
	case Syslog:
		return appendSyslog(dst, r)
	case OCSF:
		return appendOCSF(dst, r)
	case ECS:
		return appendECS(dst, r)
	case CloudEvents:
		return appendCloudEvent(dst, r)
	case OTLP:
		return appendOTLP(dst, r)
	case OpenLineage:
		return appendLineage(dst, r)
	}
	panic("convert: no such format: " + f.String())
}

// Head appends the lines that stand before all rows in a file, with their ends.
func (f Format) Head(dst []byte) []byte {
	if f == CSV {
		return append(csvHead(dst), f.End()...)
	}
	return dst
}

// End is what ends a line in a file.
func (f Format) End() string {
	if f == CSV {
		return "\r\n"
	}
	return "\n"
}

// AppendLine appends a row with the end of its line, or nothing.
func (f Format) AppendLine(dst []byte, r *Row) []byte {
	n := len(dst)
	if dst = f.Append(dst, r); len(dst) > n {
		dst = append(dst, f.End()...)
	}
	return dst
}

// appendJSONLine appends {"seq":…,"entry_hash":"sha256:…","entry":…}. The hash is that of the entry's bytes as they stand there:
// SHA-256 of a zero byte and these.
func appendJSONLine(dst []byte, r *Row) []byte {
	dst = append(dst, `{"seq":`...)
	dst = strconv.AppendUint(dst, r.Seq, 10)
	dst = append(dst, `,"entry_hash":"`...)
	dst = append(dst, r.entryHash()...)
	dst = append(dst, `","entry":`...)
	dst = append(dst, r.raw...)
	return append(dst, '}')
}
