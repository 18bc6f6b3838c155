package story

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/stetlog/stet/event"
)

// details lists what an event says beyond its sentence.
func details(it Item) []string {
	e := it.Event
	w := wordsOf(e)
	var out []string
	add := func(label, text string) {
		if text != "" {
			out = append(out, label+": "+text)
		}
	}
	if e.Job != nil && len(e.Job.Params) > 0 {
		add("Parameters", params(e.Job.Params, w))
	}
	if e.EventType == "job_submitted" && e.Job != nil && !e.Job.ScheduledFor.IsZero() {
		add("Scheduled for", instant(e.Job.ScheduledFor))
	}
	if a := e.Authorization; a != nil {
		if len(a.Required) > 0 {
			add("Required", list(a.Required, w))
		}
		if len(a.Granted) > 0 {
			add("Granted", list(a.Granted, w))
		}
	}
	if im := e.Impact; im != nil {
		add("Impact", impact(im, w))
	} else if why := excuse(e, "impact"); why != "" && e.Timing != nil {
		add("Impact", why)
	}
	if e.EventType != "job_snapshot" {
		for _, x := range []struct {
			label string
			s     *event.Snapshot
		}{{"Before", e.Before}, {"After", e.After}} {
			if x.s != nil {
				add(x.label, snapshot(x.s, w))
			}
		}
	}
	for _, r := range e.References {
		add("Reference", w.name(r.Kind)+" "+w.phrase(r.Value))
	}
	out = append(out, labels(e.Labels, w)...)
	if rp := e.Repeat; rp != nil {
		add("Repeated", fmt.Sprintf("%s times, from %s to %s", number(rp.Count), instant(rp.First), instant(rp.Last)))
	}
	if n := redacted(e); n > 0 {
		add("Redacted", plural(int(n), "value")+": "+redactions(e, w))
	}
	if len(e.Sanitized) > 0 {
		paths := make([]string, 0, len(e.Sanitized))
		for _, s := range e.Sanitized {
			paths = append(paths, s.Path)
		}
		add("Escaped or cut", list(paths, w))
	}
	return out
}

// bar stands before each line of a text that has several.
const bar = "| "

func impact(im *event.Impact, w words) string {
	var parts []string
	if im.Summary != "" {
		parts = append(parts, w.phrase(im.Summary))
	}
	for _, k := range slices.Sorted(maps.Keys(im.Counts)) {
		parts = append(parts, w.name(k)+" "+number(im.Counts[k]))
	}
	return strings.Join(parts, ", ")
}

// labels writes an event's labels. One that holds several lines, as the end of a command's output does, is written line
// by line behind a bar, so that none of its lines can pass for one of ours.
func labels(m map[string]string, w words) []string {
	var out []string
	for _, k := range slices.Sorted(maps.Keys(m)) {
		lines := splitLines(w.text(m[k]))
		if len(lines) == 1 {
			out = append(out, w.name(k)+": "+w.phrase(m[k]))
			continue
		}
		out = append(out, w.name(k)+":")
		for _, l := range lines {
			out = append(out, bar+l)
		}
	}
	return out
}

// splitLines cuts escaped text behind every escaped line feed, and drops an end that is empty.
func splitLines(s string) []string {
	var lines []string
	from := 0
	for i := 0; i+1 < len(s); i++ {
		if s[i] != '\\' {
			continue
		}
		if s[i+1] == 'n' {
			lines = append(lines, s[from:i])
			from = i + 2
		}
		i++ // an escape is at least two bytes, and the second may be a backslash
	}
	if from < len(s) || len(lines) == 0 {
		lines = append(lines, s[from:])
	}
	return lines
}

// redacted counts what was masked, those that were only counted included.
func redacted(e *event.Event) (n uint64) {
	for _, r := range e.Redactions {
		n += max(r.Count, 1)
	}
	return n
}

func redactions(e *event.Event, w words) string {
	var parts []string
	for _, r := range e.Redactions {
		s := w.name(r.Action)
		if r.Path != "" {
			s = w.name(r.Path) + " " + s
		}
		if r.Rule != "" {
			s += " by rule " + w.name(r.Rule)
		}
		if r.Count > 0 {
			s += ", " + number(r.Count) + " more"
		}
		parts = append(parts, s)
	}
	return strings.Join(parts, "; ")
}
