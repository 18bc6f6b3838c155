package webui

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/stetlog/stet/internal/ghosts"
	"github.com/stetlog/stet/internal/search"
	"github.com/stetlog/stet/internal/story"
	"github.com/stetlog/stet/proof"
)

// overviewView is the first page: is the log whole, and what is missing.
type overviewView struct {
	Banner  banner
	Origin  string
	Bars    *histogram // of the last day
	Figures []figure
	Ghosts  []ghostView // those that are open, the newest
	Silent  []silent    // emitters that were heard on most days of the last week, and not in the last one
	Policy  policyFigure
	Trouble []string // why the server takes nothing
	NoGhost string   // why there is no list of them
	Hint    bool     // there are no jobs yet
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

// silent is an emitter: a key that seals streams, or the token of one whose events are not sealed.
type silent struct {
	Name, Key, Href string
	Days            int
	Last            moment
	LastHref        string
}

// policyFigure is what the newest events are worth by the rules of the two documents.
type policyFigure struct {
	Failing, Passing, NotChecked, Events int
	Tone, Icon                           string
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
	Reasons []reason
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
	if err == nil {
		err = v.policy(&view)
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
		b.Tone, b.Icon, b.Words = "live", "eye", "Unwitnessed"
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

// asked are the figures of the last day; found are those of what the server itself found.
var figuresAsked = [...]struct {
	words, query, icon, tone string
	found                    bool
}{
	{"Jobs succeeded", "event:job_succeeded since:24h", "ok", "good", false},
	{"Jobs failed", "event:job_failed since:24h", "bad", "bad", false},
	{"Jobs lost", "event:job_lost since:24h", "ghost", "bad", true},
	{"Ghosts: never started or ended", "event:job_never_started,job_no_outcome since:24h", "ghost", "bad", true},
	{"Stalled", "event:job_stalled since:24h", "wait", "warn", true},
	{"Missed slots", "event:job_missed since:24h", "clock", "warn", true},
	{"Refused events", "event:event_refused since:24h", "x", "warn", true},
	{"Security events", "is:security since:24h", "key", "", false},
}

func (v *visit) figures(view *overviewView) error {
	for _, f := range figuresAsked {
		c, err := ask[counts](v, link("/v1/counts", "q", f.query))
		if err != nil {
			return err
		}
		if f.found && c.Count == 0 && c.Searched.App != nil {
			continue // whoever is not shown such events is not told that there are none
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

const (
	// An emitter is regular that was heard on so many of the silentOf days before the last one.
	silentDays, silentOf = 4, 7
	// silentMost is how many emitters are looked at.
	silentMost = 200
	// silentShown is how many are shown.
	silentShown = 10
)

// silent finds the emitters that were heard of regularly, and are silent now: heard on most days of a week, and not in the last
// 24 hours. Events are found by their key and by their sender's token: an emitter that seals is told by its key, and one that
// does not by its token, because the server's key for such events is everybody's.
func (v *visit) silent(view *overviewView) error {
	days := map[string]int{}
	now := v.now.Truncate(time.Second)
	for day := range silentOf + 1 {
		until := now.Add(-time.Duration(day) * 24 * time.Hour)
		query := "after:" + until.Add(-24*time.Hour).Format(time.RFC3339)
		if day > 0 {
			query += " before:" + until.Format(time.RFC3339)
		}
		c, err := ask[counts](v, link("/v1/counts", "q", query, "facet", "emitter", "limit", strconv.Itoa(silentMost)))
		if err != nil {
			return err
		}
		if c.Facet == nil {
			return nil
		}
		for _, one := range c.Facet.Values {
			if day == 0 {
				days[one.Value] = -silentOf // it is heard
			}
			days[one.Value]++
		}
	}
	regular := slices.DeleteFunc(slices.Sorted(maps.Keys(days)), func(id string) bool { return days[id] < silentDays })
	if len(regular) == 0 {
		return nil
	}
	l, err := v.log()
	if err != nil {
		return err
	}
	ended, err := v.ended(l.StoreKey)
	if err != nil {
		return err
	}
	for _, id := range regular {
		if _, gone := ended[id]; gone {
			continue // a key that was revoked or replaced is not waited for
		}
		if len(view.Silent) == silentShown {
			break
		}
		last, err := ask[foundRows](v, link("/v1/events", "q", is(search.FieldEmitter, id), "limit", "1"))
		if err != nil {
			return err
		}
		one := silent{Name: id, Href: link("search", "q", is(search.FieldEmitter, id)), Days: days[id]}
		another := false
		for _, row := range last.Rows {
			seen := v.row(row, "")
			one.Last, one.LastHref = seen.At, seen.Event
			key, door := proof.KeyID(row.Key), strings.HasPrefix(row.Key, proof.DoorKey)
			if key == id {
				name, _, _ := strings.Cut(row.Key, "+")
				one.Name, one.Key, another = name, id[:16]+"…", door
			} else {
				another = !door && slices.Contains(regular, key)
			}
		}
		if !another {
			view.Silent = append(view.Silent, one)
		}
	}
	return nil
}

// policyEvents is how many of the newest events the overview judges.
const policyEvents = 50

// policy judges the newest events, as the page of the policy does with more of them.
func (v *visit) policy(view *overviewView) error {
	j, err := ask[judgedAnswer](v, link("/v1/policy", "limit", strconv.Itoa(policyEvents)))
	if err != nil {
		return err
	}
	d := j.Report
	view.Policy = policyFigure{Failing: d.Failing, Passing: d.Passing, NotChecked: d.NotChecked, Events: d.Events, Tone: "", Icon: "ok"}
	if d.Failing > 0 {
		view.Policy.Tone, view.Policy.Icon = "warn", "warn"
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

// untold says that the list is empty because its reader is shown one application's events, and what is missing are the server's
// own: it does not say that nothing is missing.
func (f foundGhosts) untold() bool { return f.Searched.App != nil && len(f.Ghosts) == 0 }

const notTold = "Your token is for one application. What is missing is found by the server and recorded as its own events, which are shown to who may read the whole log: it takes an auditor's token."

// openGhosts lists the newest that nothing has answered. Who may read one application only is shown none, because they are
// the server's own findings.
func (v *visit) openGhosts(view *overviewView) error {
	found, err := ask[foundGhosts](v, link("/v1/ghosts", "open", "true", "limit", strconv.Itoa(5)))
	if found.untold() {
		view.NoGhost = notTold
	}
	for _, g := range found.Ghosts {
		view.Ghosts = append(view.Ghosts, v.ghost(g))
	}
	return err
}
