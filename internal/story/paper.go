package story

import (
	"io"
	"strings"
	"time"
	"unicode/utf8"
)

// paper is what a story is written on: it keeps columns, wraps, colours, and remembers the first error.
type paper struct {
	w        io.Writer
	err      error
	width    int // columns; 0: lines are as long as they are
	colour   bool
	zone     *time.Location
	now      time.Time       // zero: what is missing is not said since when
	limit    int             // jobs of one list; 0: all
	jobs     map[string]*Job // of the story, by their ids
	day      string          // the date that all times of the story share, or ""
	sample   time.Time       // one of them
	refWidth int             // columns of the widest reference
	topKey   string          // key of the run at the head of a tree: what another key sealed is marked
}

// style is a way to write, as an SGR parameter. These are the only escape sequences that ever leave.
type style string

const (
	unstyled style = ""
	bold     style = "1"
	faint    style = "2"
	red      style = "31"
	green    style = "32"
	yellow   style = "33"
)

const labelWidth = 15

// How times are written: to the millisecond, and never without their zone.
const (
	hour     = "15:04:05.000Z07:00"
	dateTime = "2006-01-02 15:04:05.000Z07:00"
)

func (p *paper) write(s string) {
	if p.err == nil {
		_, p.err = io.WriteString(p.w, s)
	}
}

func (p *paper) paint(s string, st style) string {
	if !p.colour || st == unstyled || s == "" {
		return s
	}
	return "\x1b[" + string(st) + "m" + s + "\x1b[0m"
}

// line writes text after a head of its own, wrapped with its further lines under its first. The head is written as it
// is, and headWidth says how many columns it takes.
func (p *paper) line(head string, headWidth int, text string, st style) {
	indent := strings.Repeat(" ", headWidth)
	for i, l := range wrap(text, p.width-headWidth) {
		if i == 0 {
			l = strings.TrimRight(head+p.paint(l, st), " ")
		} else {
			l = indent + p.paint(l, st)
		}
		p.write(l + "\n")
	}
}

// wrap breaks text at spaces into lines of width columns, or does not where there is no room to speak of. A word is
// never cut: half a digest is worse than a long line.
func wrap(text string, width int) []string {
	const least = 24
	if width < least {
		if width <= 0 {
			return []string{text}
		}
		width = least
	}
	var lines []string
	for utf8.RuneCountInString(text) > width {
		at, columns, space := 0, 0, -1
		for i, r := range text {
			if r == ' ' && i > 0 {
				space = i
			}
			if columns++; columns > width && space >= 0 {
				at = space
				break
			}
		}
		if at == 0 {
			break
		}
		lines = append(lines, text[:at])
		text = strings.TrimLeft(text[at:], " ")
	}
	return append(lines, text)
}

// clock writes a time with its zone: the hour alone where the whole story is of one day and its head has said which.
func (p *paper) clock(t time.Time) string {
	t = t.In(p.zone)
	if p.day != "" && t.Format(time.DateOnly) == p.day {
		return t.Format(hour)
	}
	return p.instant(t)
}

func (p *paper) instant(t time.Time) string {
	return t.In(p.zone).Format(dateTime)
}

// clockWidth is how many columns a time takes. A zone may have an offset of its own in summer, but Z and +02:00 in one
// story are worth a ragged column.
func (p *paper) clockWidth() int {
	layout := dateTime
	if p.day != "" {
		layout = hour
	}
	return len(p.sample.In(p.zone).Format(layout))
}
