package lost

import (
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/redact"
)

// SystemLog is where the system's log listens.
const SystemLog = "/dev/log"

// priority is facility 13, "log audit", and severity 4, a warning (RFC 5424, as SCHEMA maps events).
const priority = 13*8 + 4

// maxLine bounds a line for the system's log, in bytes: RFC 3164's own limit, which some daemons still have.
const maxLine = 1024

// Line is a message as the log daemons of Unix systems take it from their own machine: RFC 3164 without a host name. It is
// one line of printable text without secrets.
func Line(at time.Time, pid int, text string) string {
	text, _ = redact.Text(text)
	line := fmt.Sprintf("<%d>%s stet[%d]: %s", priority, at.Format(time.Stamp), pid, event.Sanitize(text))
	return strings.ToValidUTF8(line[:min(len(line), maxLine)], "")
}

// Tell hands a line to the system's log that listens at path. It waits until the deadline at most.
func Tell(path, line string, deadline time.Time) error {
	c, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }() // a datagram is sent or not
	if err := c.SetWriteDeadline(deadline); err != nil {
		return err
	}
	_, err = c.Write([]byte(line))
	return err
}
