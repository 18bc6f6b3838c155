package webui

import (
	"fmt"
	"net/http"
)

// setupView is the page for whoever begins: what to type, what hinders this server, and what is amiss with it.
type setupView struct {
	URL      string // of this server, as the browser calls it
	LogKey   string
	Ready    bool
	Reasons  []reason
	Findings []diagnosis
	Empty    bool   // no application has said anything yet
	Apps     string // how many have
}

type reason struct{ Code, Detail string }

// diagnosis is a finding about this server, as stet doctor has them about a machine.
type diagnosis struct {
	Tone, Icon, What, Says, Do string
	Href                       string // where more is said
}

func (u *UI) getSetup(v *visit) error {
	l, err := v.log()
	if err != nil {
		return err
	}
	view := setupView{URL: "http://" + v.r.Host, LogKey: l.LogKey}
	if v.r.TLS != nil || v.r.Header.Get("X-Forwarded-Proto") == "https" {
		view.URL = "https://" + v.r.Host
	}
	s, err := ask[status](v, "/v1/status")
	if err != nil {
		return err
	}
	view.Ready, view.Reasons, view.Findings = len(s.Reasons) == 0, s.Reasons, v.diagnose(s)
	n, err := ask[counts](v, link("/v1/counts", "q", "-app:stet", "facet", "app"))
	if err != nil {
		return err
	}
	view.Empty = n.Count == 0
	if n.Facet != nil {
		view.Apps = number(uint64(len(n.Facet.Values)), n.Facet.More) + " applications have"
		if len(n.Facet.Values) == 1 {
			view.Apps = "One application has"
		}
	}
	return u.show(v, http.StatusOK, "setup", "Setup", view)
}

// diagnose says what is amiss with this server, and what is not: each thing that it looks at has a line.
func (v *visit) diagnose(s status) []diagnosis {
	b := v.banner(s)
	log := diagnosis{Tone: b.Tone, Icon: b.Icon, What: "Log", Says: b.Words + ". " + b.Says, Do: b.Next, Href: "./"}
	tail := diagnosis{Tone: "good", Icon: "ok", What: "Publishing", Says: b.Tail}
	if seconds(s.Tail.Age) > tailAfter {
		tail.Tone, tail.Icon, tail.Do = "bad", "bad", "look at the server's own log: it says why nothing is published"
	}
	index := diagnosis{Tone: "good", Icon: "ok", What: "Index", Says: "All entries can be found."}
	if left := s.Size - min(s.Indexed, s.Size); left > 0 {
		index.Tone, index.Icon = "warn", "wait"
		index.Says = fmt.Sprintf("%s %s cannot be found yet.", number(left, false), plural(left, "entry", "entries"))
	}
	clock := diagnosis{Tone: "good", Icon: "ok", What: "Clock", Says: fmt.Sprintf("In step, to within %s.", micros(s.Clock.MaxError))}
	switch s.Clock.State {
	case "synchronized":
	case "unsynchronized":
		clock.Tone, clock.Icon, clock.Says, clock.Do = "bad", "bad", "The kernel does not say that its clock is in step.", "have chrony, ntpd or systemd-timesyncd keep it; --require-clock-sync takes nothing until then"
	default:
		clock.Tone, clock.Icon, clock.Says = "warn", "warn", "Whether it is in step cannot be found out here."
	}
	gaps := diagnosis{Tone: "good", Icon: "ok", What: "Streams", Says: "None was refused for missing numbers."}
	if n := uint64(max(s.Gaps, 0)); n > 0 {
		gaps.Tone, gaps.Icon = "bad", "bad"
		gaps.Says = fmt.Sprintf("%s %s refused for missing numbers, and did not go on since.", number(n, false), plural(n, "stream was", "streams were"))
		gaps.Do, gaps.Href = "stet doctor, on the machine that sends", link("search", "q", "event:stream_gap")
	}
	return []diagnosis{log, tail, index, clock, gaps}
}
