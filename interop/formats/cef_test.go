package formats_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/convert"
)

// TestCEF has liblognorm read all rows.
func TestCEF(t *testing.T) {
	program, err := exec.LookPath("lognormalizer")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip("no lognormalizer on this machine: apt-get install liblognorm-utils, or make tools")
	}
	rules := filepath.Join(t.TempDir(), "cef.rb")
	if err := os.WriteFile(rules, []byte("version=2\nrule=:%f:cef%\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	all := samples(t)
	for _, format := range []convert.Format{convert.CEF, convert.CEF1} {
		var in []byte
		for _, s := range all {
			in = format.AppendLine(in, s.row)
		}
		in = bytes.ReplaceAll(in, []byte("CEF:1|"), []byte("CEF:0|")) // it knows version 0 alone
		cmd := exec.CommandContext(t.Context(), program, "-r", rules, "-e", "json")
		cmd.Stdin = bytes.NewReader(in)
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(bytes.NewReader(out))
		lines.Buffer(nil, 1<<20)
		n := 0
		for lines.Scan() {
			readCEF(t, all[n], lines.Bytes(), format == convert.CEF1)
			n++
		}
		if lines.Err() != nil || n != len(all) {
			t.Fatalf("%d of %d messages: %v", n, len(all), lines.Err())
		}
	}
}

// cefMessage is what liblognorm says of a message.
type cefMessage struct {
	F struct {
		DeviceVendor, DeviceProduct, DeviceVersion, SignatureID, Name, Severity string
		Extensions                                                              map[string]string
	} `json:"f"`
}

func readCEF(t *testing.T, s sample, line []byte, v1 bool) {
	t.Helper()
	var m cefMessage
	if err := json.Unmarshal(line, &m); err != nil {
		t.Fatalf("seq %d: %v in %s", s.seq, err, line)
	}
	if m.F.SignatureID == "" {
		t.Fatalf("seq %d is not understood: %s", s.seq, line)
	}
	typ, _ := event.Builtin().Lookup(s.EventType)
	same(t, s, "header", []string{"stetlog", "stet", cut(s.AppVersion, 31), s.EventType, typ.Description, strconv.Itoa(severities[*s.Severity].cef)},
		[]string{m.F.DeviceVendor, m.F.DeviceProduct, m.F.DeviceVersion, m.F.SignatureID, m.F.Name, m.F.Severity})

	want := map[string]string{"rt": "1767323045678", "start": "1767322955678", "spt": "51000", "cn1": strconv.FormatUint(s.seq, 10), "cn1Label": "seq", "cn2": "120", "cn2Label": "max_error_us"}
	var changed []string
	if len(s.AppVersion) > 31 {
		changed = append(changed, "deviceVersion")
	}
	add := func(key, value string, limit int) {
		v := strings.Trim(cut(value, limit), " ")
		if v != value {
			changed = append(changed, key)
		}
		if v != "" {
			want[key] = v
		}
	}
	label := func(key, label, value string) {
		add(key, value, 4000)
		if value != "" {
			want[key+"Label"] = label
		}
	}
	want["xternalId"] = s.EventID.String() // liblognorm 2.0.6 drops the first letter of the first key
	add("suid", s.UserID, 1023)
	if s.SourceIP == "2001:db8::7" && !v1 {
		label("c6a2", "Source IPv6 Address", s.SourceIP)
	} else {
		add("src", s.SourceIP, 1023)
	}
	add("dvchost", s.Host.Name, 100)
	if s.Host.IP == "2001:db8::1" && !v1 {
		label("c6a1", "Device IPv6 Address", s.Host.IP)
	} else {
		add("dvc", s.Host.IP, 1023)
	}
	add("deviceExternalId", s.Host.InstanceID, 255)
	add("sourceServiceName", s.AppID, 1023)
	add("deviceProcessName", s.Job.Name, 1023)
	add("act", s.Action, 63)
	add("outcome", s.Status, 63)
	add("reason", s.StatusReason, 1023)
	add("msg", s.Description, 1023)
	add("cat", s.Job.Phase, 1023)
	add("request", s.EntryPoint.Name, 1023)
	add("requestMethod", s.EntryPoint.Method, 1023)
	label("cs1", "interaction_id", s.InteractionID)
	label("cs2", "job_id", s.Job.ID)
	label("cs3", "root_id", s.Job.RootID)
	label("cs4", "parent_id", s.Job.ParentID)
	label("cs5", "trace_id", s.TraceID)
	label("cs6", "entry_hash", s.hash)
	if len(changed) > 0 {
		label("flexString1", "cut", strings.Join(changed, ","))
	}
	same(t, s, "extension", want, m.F.Extensions)
}

// cut is a text of at most n bytes, between two characters.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "")
}
