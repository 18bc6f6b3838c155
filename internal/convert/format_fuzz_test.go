package convert_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/convert"
	"github.com/stetlog/stet/proof"
)

// cefKey is the beginning of a key: an equals sign that is not escaped, and the word before it.
var cefKey = regexp.MustCompile(`(?:^| )([A-Za-z0-9_.]+)=`)

// FuzzFormats: whatever text stands in an event's fields, a row is one line of UTF-8 without a character that does not show itself, JSON is
// JSON, a table's row has as many cells as its head, and CEF has each key once.
func FuzzFormats(f *testing.F) {
	for _, s := range []string{"", " a ", `a|b\c=d`, `"] [x y="z"`, "cs1=x act=y", "=1+2", "\r\nCEF:0|", "\u202e\ufeff\u2028", "\xff\xc0", "\ufffe", strings.Repeat(`"\`, 1200)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		e := full()
		for _, path := range []string{"user_id", "description", "host.name", "host.instance_id", "job.id", "job.name", "job.run_id", "job.parent_id", "app_version", "code_location", "entry_point.name",
			"entry_point.method", "environment", "action", "object.id", "status_reason", "status_code", "principal.id", "why.reason", "source.user_agent", "target.system"} {
			e.Set(path, s)
		}
		e.Labels = map[string]string{"l" + s: s}
		b, err := (&event.Codec{}).Append(nil, e)
		if err != nil {
			t.Skip("no event has such a text")
		}
		raw := proof.Entry{Seq: 7, ReceivedAt: proof.FormatTime(at), Via: proof.Via{Kind: proof.ViaSpool}.Append(nil), Event: b}.Append(nil)
		r, err := convert.NewRow(raw, "")
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range convert.Formats() {
			format, _ := convert.ParseFormat(name)
			line := format.Append(nil, r)
			text := strings.TrimPrefix(string(line), "\ufeff")
			if format == convert.Syslog {
				text = strings.Replace(text, "] \ufeff", "] ", 1) // its BOM
			}
			if !utf8.ValidString(text) || strings.ContainsFunc(text, event.Hidden) {
				t.Fatalf("%s: %q", name, line)
			}
			switch format {
			case convert.CSV:
				rows, err := csv.NewReader(bytes.NewReader(append(format.Head(nil), line...))).ReadAll()
				if err != nil || len(rows) != 2 {
					t.Fatalf("%v in %q", err, line)
				}
			case convert.CEF, convert.CEF1:
				keys := map[string]bool{}
				_, extension, _ := strings.Cut(text, "|7|")
				for _, m := range cefKey.FindAllStringSubmatch(extension, -1) {
					if keys[m[1]] {
						t.Fatalf("%s is there twice: %s", m[1], extension)
					}
					keys[m[1]] = true
				}
			case convert.Syslog:
			default:
				if !json.Valid(line) && (format != convert.OpenLineage || len(line) > 0) { // without a run there is no event of it
					t.Fatalf("%s: %s", name, line)
				}
			}
		}
		if body := convert.CloudEventsBatch(nil, []*convert.Row{r, r}); !json.Valid(body) {
			t.Fatalf("%s", body)
		}
		if _, err := convert.OTLPRequest([]*convert.Row{r, r}); err != nil {
			t.Fatal(err)
		}
	})
}
