package stet

import (
	"context"
	"net/url"
	"os"
	"slices"
	"strings"

	"github.com/stetlog/stet/event"
)

// The headers by which a request, or a message in a queue, says whose it is, beside W3C's traceparent, tracestate and
// baggage. The interaction id is percent-encoded where a header could not carry it.
const (
	HeaderInteractionID = "Stet-Interaction-Id"
	HeaderParentJobID   = "Stet-Parent-Job-Id"
	HeaderRootJobID     = "Stet-Root-Job-Id"

	headerTraceparent = "traceparent"
	headerTracestate  = "tracestate"
	headerBaggage     = "baggage"
)

// Carrier is what carries text by name from one process to another. http.Header is one; a name that is there several
// times has several values.
type Carrier interface {
	Values(name string) []string
	Set(name, value string)
}

// MapCarrier is a Carrier for the metadata of a message. It finds names in any case, as brokers change them.
type MapCarrier map[string]string

// Values implements Carrier.
func (m MapCarrier) Values(name string) []string {
	var all []string
	for k, v := range m {
		if strings.EqualFold(k, name) {
			all = append(all, v)
		}
	}
	return all
}

// Set implements Carrier. It replaces what is there by the same name in another case.
func (m MapCarrier) Set(name, value string) {
	for k := range m {
		if strings.EqualFold(k, name) {
			delete(m, k)
		}
	}
	m[name] = value
}

// Inject writes into c, for whoever receives it, where ctx stands in the tree: interaction, the job that is under way, the
// root of its tree, the trace, and the baggage that ctx came with. A traceparent that c has already stays, with its
// tracestate; of its baggage only our own members are replaced. What is not known is not written.
func Inject(ctx context.Context, c Carrier) {
	l := lineageOf(ctx)
	ours := l.write(c)
	if l.trace.valid() && len(c.Values(headerTraceparent)) == 0 {
		c.Set(headerTraceparent, l.trace.parent())
		if l.trace.State != "" {
			c.Set(headerTracestate, l.trace.State)
		}
	}
	b := parseBaggage(c.Values(headerBaggage))
	if len(b.ours)+len(l.baggage)+len(ours) == 0 {
		return
	}
	for _, m := range l.baggage {
		if key, _, ok := parseMember(m); ok && !b.has(key) {
			b.add(m)
		}
	}
	for _, m := range ours {
		b.add(m)
	}
	c.Set(headerBaggage, strings.Join(b.others, ","))
}

// write sets our own headers, and returns our members of the baggage.
func (l lineage) write(c Carrier) (members []string) {
	set := func(name, key, value string) {
		c.Set(name, value)
		members = append(members, key+"="+value)
	}
	if l.interaction != "" {
		set(HeaderInteractionID, baggageInteraction, escape(l.interaction))
	}
	if !l.parent.IsZero() {
		set(HeaderParentJobID, baggageParent, l.parent.String())
		set(HeaderRootJobID, baggageRoot, l.root.String())
	}
	return members
}

// Extract returns a context in which what c says is where ctx stands in the tree: jobs that begin under it are children of
// the job that c names, and events belong to its interaction and trace. All of it is a claim of whoever wrote c, and
// "derived" says so, with source, such as "kafka header", in front of the name. It takes the place of a run in ctx, and
// of what the environment says, also where c says nothing. Hand it only what comes from peers that you trust: Middleware
// does, for requests.
func Extract(ctx context.Context, c Carrier, source string) context.Context {
	return claims(c.Values, claimedBy(source)).in(ctx)
}

func claimedBy(source string) func(name string) string {
	return func(name string) string { return source + ": " + name + " (claimed by the peer)" }
}

// lineage is where what begins under a context stands in the tree.
type lineage struct {
	interaction    string // "": its own
	interactionHow string // for derived
	run            *Run   // that it is in; nil: none
	parent, root   event.UUID
	parentHow      string
	rootHow        string
	damaged        bool // there is a parent, but its name is damaged
	trace          Trace
	traceHow       string
	baggage        []string // other people's members
}

// lineageOf reads it from ctx: the run, else what a peer claimed, else what the environment claims.
func lineageOf(ctx context.Context) lineage {
	var l lineage
	peer, fromPeer := ctx.Value(lineageKey{}).(*lineage)
	run, inRun := FromContext(ctx)
	switch {
	case inRun && !run.zero():
		l = lineage{interaction: run.t.interaction, run: run, parent: run.t.id, root: run.t.root}
	case fromPeer:
		l = *peer
	default:
		l = reader{values: environment, how: fromEnvironment}.parents()
	}
	if fromPeer {
		l.baggage = peer.baggage
	}
	if l.run == nil {
		l.interaction, l.interactionHow = interactionOf(ctx)
	}
	l.trace, l.traceHow = traceOf(ctx)
	return l
}

// placed says whether a peer's claims, even if it made none, stand in for those of the environment.
func placed(ctx context.Context) bool {
	_, ok := ctx.Value(lineageKey{}).(*lineage)
	return ok
}

// in puts a peer's claims into ctx.
func (l lineage) in(ctx context.Context) context.Context {
	ctx = WithRun(ctx, nil)
	ctx = context.WithValue(ctx, lineageKey{}, &l)
	ctx = context.WithValue(ctx, interactionKey{}, found{l.interaction, l.interactionHow})
	return context.WithValue(ctx, traceKey{}, inTrace{Trace: l.trace, how: l.traceHow})
}

// references show claims that are not believed.
func (l lineage) references() []event.Reference {
	var all []event.Reference
	show := func(what, value string, some bool) {
		if some {
			all = append(all, event.Reference{Kind: "claimed_" + what, Value: value})
		}
	}
	show("interaction_id", l.interaction, l.interaction != "")
	show("parent_job_id", l.parent.String(), !l.parent.IsZero())
	show("root_job_id", l.root.String(), !l.root.IsZero())
	show("traceparent", l.trace.parent(), l.trace.valid())
	return all
}

// reader reads what a carrier says.
type reader struct {
	values  func(name string) []string
	how     func(name string) string // what derived says of a name
	baggage baggage
}

// claims reads all of it.
func claims(values func(name string) []string, how func(name string) string) lineage {
	r := reader{values, how, parseBaggage(values(headerBaggage))}
	l := r.parents()
	l.interaction, l.interactionHow = r.interaction()
	l.trace, l.traceHow = claimedTrace(values, how)
	l.baggage = r.baggage.others
	return l
}

// one returns what our header says, else what our member of the baggage does, and where that stood. twice: it says more
// than one thing, which is as good as none.
func (r reader) one(name, key string) (value, from string, twice bool) {
	all := some(r.values(name))
	if len(all) == 0 {
		all, name = some(r.baggage.ours[key]), headerBaggage+" "+key
	}
	switch len(all) {
	case 0:
		return "", "", false
	case 1:
		return all[0], r.how(name), false
	}
	return "", r.how(name), true
}

// parents reads which job's child the next one is.
func (r reader) parents() (l lineage) {
	parent, how, twice := r.one(HeaderParentJobID, baggageParent)
	if l.damaged = twice; parent == "" {
		return l
	}
	var ok bool
	if l.parent, ok = parseID(parent); !ok {
		l.damaged = true
		return l
	}
	l.parentHow = how
	root, how, _ := r.one(HeaderRootJobID, baggageRoot)
	if l.root, ok = parseID(root); !ok {
		l.root, how = l.parent, "the parent: no other root is named"
	}
	l.rootHow = how
	return l
}

// interaction reads which interaction goes on. An empty id is a new one, and how says why where there was another.
func (r reader) interaction() (id, how string) {
	id, from, twice := r.one(HeaderInteractionID, baggageInteraction)
	if twice {
		return "", "new: there was more than one in " + from
	}
	if raw, err := url.PathUnescape(id); err == nil {
		id = raw
	}
	if id == "" {
		return "", ""
	}
	if id, how = fitInteraction(id); how == "" {
		how = from
	}
	return id, how
}

// claimedTrace reads the trace that a carrier names; zero where there is none.
func claimedTrace(values func(name string) []string, how func(name string) string) (Trace, string) {
	parents := some(values(headerTraceparent))
	if len(parents) != 1 {
		return Trace{}, "" // of two none can be the right one (Trace Context 3.2.1)
	}
	t, ok := parseTraceparent(parents[0])
	if !ok {
		return Trace{}, ""
	}
	t.State = parseTracestate(values(headerTracestate))
	return t, how(headerTraceparent)
}

// some leaves out what is empty.
func some(values []string) []string {
	if !slices.Contains(values, "") {
		return values
	}
	return slices.DeleteFunc(slices.Clone(values), func(v string) bool { return v == "" })
}

func parseID(s string) (event.UUID, bool) {
	id, err := event.ParseUUID(s)
	return id, err == nil && !id.IsZero()
}

// environment is what a parent process says, by the names of its variables. Baggage does not travel so.
func environment(name string) []string {
	if v := os.Getenv(variables[name]); v != "" {
		return []string{v}
	}
	return nil
}

func fromEnvironment(name string) string { return "environment: " + variables[name] }
