package formats_test

import (
	"bytes"
	"strconv"
	"testing"
	"time"

	"github.com/leodido/go-syslog/v4"
	"github.com/leodido/go-syslog/v4/octetcounting"
	"github.com/leodido/go-syslog/v4/rfc5424"

	"github.com/stetlog/stet/internal/convert"
)

// TestSyslog reads all rows as one octet-counted stream.
func TestSyslog(t *testing.T) {
	all := samples(t)
	var stream, line []byte
	for _, s := range all {
		line = convert.Syslog.Append(line[:0], s.row)
		stream = convert.SyslogFrame(stream, line)
	}
	n := 0
	octetcounting.NewParser(syslog.WithMaxMessageLength(1<<20), syslog.WithListener(func(r *syslog.Result) {
		if r.Error != nil {
			t.Fatalf("seq %d: %v in %q", n, r.Error, convert.Syslog.Append(nil, all[n].row))
		}
		readSyslog(t, all[n], r.Message.(*rfc5424.SyslogMessage))
		n++
	})).Parse(bytes.NewReader(stream))
	if n != len(all) {
		t.Fatalf("%d of %d messages arrived", n, len(all))
	}
}

func readSyslog(t *testing.T, s sample, m *rfc5424.SyslogMessage) {
	t.Helper()
	e := s.Event
	same(t, s, "priority", uint8(13*8+*e.Severity), *m.Priority)
	same(t, s, "timestamp", at.Truncate(time.Microsecond), m.Timestamp.UTC())
	same(t, s, "names", []string{e.AppID, e.StreamID.String(), e.EventType[:min(len(e.EventType), 32)]}, []string{*m.Appname, *m.ProcID, *m.MsgID})
	message := "\ufeff" + e.Description
	if m.Message == nil {
		t.Fatalf("seq %d has no message", s.seq)
	}
	same(t, s, "message", message, *m.Message)
	data := *m.StructuredData
	same(t, s, "time quality", map[string]string{"tzKnown": "1", "isSynced": "1", "syncAccuracy": "120"}, data["timeQuality"])
	same(t, s, "meta", map[string]string{"sequenceId": strconv.FormatUint(s.seq+1, 10)}, data["meta"])
	same(t, s, "our data", s.texts(), data[convert.SyslogID])
}
