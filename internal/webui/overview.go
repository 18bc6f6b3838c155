package webui

import (
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/stetlog/stet/internal/ghosts"
	"github.com/stetlog/stet/internal/search"
	"github.com/stetlog/stet/internal/story"
	"github.com/stetlog/stet/internal/wire"
)

// overviewView is the first page: is the log whole, and what is missing.
type overviewView struct {
	Banner  banner
	Origin  string
	Bars    *histogram // of the last day
	Figures []figure
	Ghosts  []ghostView // those that are open, the newest
	Silent  []silent    // who was heard in the last week, and not in the last day
	Trouble []string    // why the server takes nothing
	NoGhost string      // why there is no list of them
	Hint    bool        // there are no jobs yet
}

// banner is one sentence about the whole log.
type banner struct {
	Tone, Icon string
	Words      string // Verified, Behind, Unwitnessed, FAILED at seq N
	Says       string
	What, Next string
	Checked    moment
	Tail       string
	Href       string // of the entry that failed
}

// figure is a number with the search that it comes from.
type figure struct {
	Words, Count, Href, Icon, Tone string
}

type silent struct {
	Name, Href string
}

// status is stet.status/1.
type status struct {
	Origin   string
	Size     uint64
	Root     string
	Signers  []string
	Verified struct {
		State, At  string
		Took       float64 `json:"took_s"`
		Size       uint64
		Seq        *uint64
		What, Next string
	}
	Tail struct {
		Entries uint64
		Age     float64 `json:"age_s"`
	}
	Indexed uint64
	Gaps    int `json:"streams_with_gaps"`
	Clock   struct {
		State    string
		MaxError int64 `json:"max_error_us"`
	}
	Reasons []struct{ Code, Detail string }
}

// behindAfter is how old the last verification may be, beyond what it took, and how old the unpublished tail.
const (
	behindAfter = 2 * time.Hour
	tailAfter   = time.Minute
)

func (u *UI) getOverview(v *visit) error {
	s, err := ask[status](v, "/v1/status")
	if err != nil {
		return err
	}
	view := overviewView{Banner: v.banner(s), Origin: s.Origin}
	for _, r := range s.Reasons {
		view.Trouble = append(view.Trouble, r.Detail)
	}
	if err := v.figures(&view); err != nil {
		return err
	}
	day, err := search.Parse("since:24h")
	if err == nil {
		view.Bars, err = v.histogram(day)
	}
	if err == nil {
		err = v.silent(&view)
	}
	if err == nil {
		err = v.openGhosts(&view)
	}
	if err != nil {
		return err
	}
	return u.show(v, http.StatusOK, "overview", "Overview", view)
}

// banner says how the log stands, the worst first.
func (v *visit) banner(s status) banner {
	b := banner{Tail: "Everything that is durable is under the checkpoint."}
	if n := s.Tail.Entries; n > 0 {
		b.Tail = fmt.Sprintf("%s %s not under a checkpoint yet, the oldest for %s.", number(n, false), plural(n, "entry is", "entries are"), story.Age(seconds(s.Tail.Age)))
	}
	at, _ := parseTime(s.Verified.At)
	if !at.IsZero() {
		b.Checked = v.at(at)
	}
	since := s.Size - min(s.Verified.Size, s.Size)
	says := fmt.Sprintf("All %s entries were verified by this server, which took %s", number(s.Verified.Size, false), micros(int64(s.Verified.Took*1e6)))
	if since > 0 {
		says += fmt.Sprintf("; %s came since", number(since, false))
	}
	says += "."
	switch {
	case s.Verified.State == "failed":
		b.Tone, b.Icon, b.Words, b.Says = "bad", "bad", "FAILED", "The log is not what was signed."
		if s.Verified.Seq != nil {
			b.Words += fmt.Sprintf(" at seq %d", *s.Verified.Seq)
			b.Href = eventLink(*s.Verified.Seq)
		}
		b.What, b.Next = s.Verified.What, s.Verified.Next
	case s.Verified.State == "not_checked":
		b.Tone, b.Icon, b.Words, b.Says = "warn", "warn", "Behind", "The last verification could not look at everything."
		b.What, b.Next = s.Verified.What, s.Verified.Next
	case s.Verified.State == "pending":
		b.Tone, b.Icon, b.Words, b.Says = "live", "wait", "Behind", "The first verification since this server began has not ended yet."
	case v.now.Sub(at) > behindAfter+seconds(2*s.Verified.Took), seconds(s.Tail.Age) > tailAfter:
		b.Tone, b.Icon, b.Words, b.Says = "warn", "wait", "Behind", says
	case len(s.Signers) == 0:
		b.Tone, b.Icon, b.Words = "good", "ok", "Verified, unwitnessed"
		b.Says = says + " Nobody else has signed its checkpoint: keep one elsewhere, or run stet verify on another computer."
	default:
		b.Tone, b.Icon, b.Words, b.Says = "good", "ok", "Verified", says
	}
	return b
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

func plural(n uint64, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

// asked are the figures of the last day.
var figuresAsked = [...]struct{ words, query, icon, tone string }{
	{"Jobs succeeded", "event:job_succeeded since:24h", "ok", "good"},
	{"Jobs failed", "event:job_failed since:24h", "bad", "bad"},
	{"Jobs lost", "event:job_lost since:24h", "ghost", "bad"},
	{"Never started, never ended", "event:job_never_started,job_no_outcome since:24h", "ghost", "bad"},
	{"Stalled", "event:job_stalled since:24h", "wait", "warn"},
	{"Missed", "event:job_missed since:24h", "clock", "warn"},
	{"Refused events", "event:event_refused since:24h", "x", "warn"},
	{"Security events", "is:security since:24h", "key", ""},
}

func (v *visit) figures(view *overviewView) error {
	for _, f := range figuresAsked {
		c, err := ask[counts](v, link("/v1/counts", "q", f.query))
		if err != nil {
			return err
		}
		tone := f.tone
		if c.Count == 0 {
			tone = ""
		}
		view.Figures = append(view.Figures, figure{f.words, number(c.Count, c.AtLeast), link("search", "q", f.query), f.icon, tone})
	}
	c, err := ask[counts](v, link("/v1/counts", "q", "event:job_started"))
	view.Hint = err == nil && c.Count == 0
	return err
}

// silent finds the applications that were heard in the last week, and not in the last day.
func (v *visit) silent(view *overviewView) error {
	heard := map[string]bool{}
	for _, since := range []string{"since:24h", "since:7d"} {
		c, err := ask[counts](v, link("/v1/counts", "q", since, "facet", "app", "limit", "200"))
		if err != nil {
			return err
		}
		if c.Facet == nil {
			return nil
		}
		for _, one := range c.Facet.Values {
			if since == "since:7d" && !heard[one.Value] {
				view.Silent = append(view.Silent, silent{one.Value, link("search", "q", is(search.FieldApp, one.Value))})
			}
			heard[one.Value] = true
		}
	}
	return nil
}

// foundGhosts is stet.found_ghosts/1.
type foundGhosts struct {
	Searched searched
	Doubts   []doubt
	Ghosts   []ghosts.JSON
	Next     string
}

// openGhosts lists the newest that nothing has answered. Who may read one application only is shown none, because they are
// the server's own findings.
func (v *visit) openGhosts(view *overviewView) error {
	found, err := ask[foundGhosts](v, link("/v1/ghosts", "open", "true", "limit", strconv.Itoa(5)))
	if p, ok := problemOf(err); ok && p.Code == wire.NotAllowed {
		view.NoGhost = "Your token is for one application; what is missing is found by the server, and shown to who may read the whole log."
		return nil
	}
	for _, g := range found.Ghosts {
		view.Ghosts = append(view.Ghosts, v.ghost(g))
	}
	return err
}
