package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The name of a line's job is the same for every run, and says what the line does.
func TestReadLine(t *testing.T) {
	for line, want := range map[string]string{
		"/usr/local/bin/backup.sh --all >/dev/null 2>&1":       "backup.sh",
		"backup.sh # stet: nightly-backup":                     "nightly-backup",
		"backup.sh '# stet: no' # stet: yes":                   "yes",
		"backup.sh # not ours":                                 "backup.sh",
		"backup.sh #stet:":                                     "backup.sh",
		strings.Repeat("\x9b", 200):                            "?",
		strings.Repeat("é", 100):                               strings.Repeat("é", 64),
		"cd /srv && ./purge":                                   "purge",
		"cd / && run-parts --report /etc/cron.hourly":          "run-parts",
		"test -x /usr/sbin/anacron || ( cd / && run-parts x )": "run-parts",
		"[ -x /usr/lib/sa1 ] && exec /usr/lib/sa1 1 1":         "sa1",
		"if [ -d /x ]; then make -C /x; fi":                    "make",
		"TZ=UTC LANG=C report -d today":                        "report",
		`"/opt/my tools/run me" now`:                           "run me",
		`echo a\ b; date`:                                      "echo",
		"sleep 5":                                              "sleep",
		"2>/tmp/log </dev/null mailq":                          "mailq",
		">>log date":                                           "date",
		"X=1":                                                  "cron",
		"":                                                     "cron",
		"   ":                                                  "cron",
		"# stet: named":                                        "named",
		"$HOME/bin/x":                                          "x",
		"/":                                                    "cron",
		"'unclosed":                                            "unclosed",
		strings.Repeat("x", 300):                               strings.Repeat("x", 128),
		"a # stet: " + strings.Repeat("x", 127) + "\u00e4 and on": strings.Repeat("x", 127),
	} {
		if got := readLine(line, "").name; got != want {
			t.Errorf("%q is called %q, want %q", line, got, want)
		}
	}
	if got := readLine("backup.sh", "given"); got.name != "given" || got.how != "STET_JOB" {
		t.Errorf("STET_JOB: %+v", got)
	}
	if got := readLine("backup.sh # stet: named", "given"); got.name != "named" || got.how != "the line's comment" {
		t.Errorf("the line's own word comes first: %+v", got)
	}
	if d := cmp.Diff([]string{"/bin/a", "b c", "d"}, readLine(`X=y cd /z; /bin/a "b c" d >e`, "").command); d != "" {
		t.Error(d)
	}
}
