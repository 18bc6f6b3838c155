package admin

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/auth"
)

// The folding of what comes in floods: the first of a kind is recorded at once, all others of its window in one event.
const (
	// Window is how long alike things are folded into one event.
	Window = time.Minute
	// Kinds is how many kinds one window tells apart, of logins and of readings each. What is beyond is counted together. So
	// a flood from everywhere costs at most 2·Kinds + 2 events a window each.
	Kinds = 64
)

// Watch records refused logins and readings of events. Nobody who is told about them waits for the log. All methods are safe
// for concurrent use.
type Watch struct {
	Log    Log
	Now    func() time.Time // nil: time.Now
	Logger *slog.Logger     // told where the log cannot be; nil: nobody is

	mu    sync.Mutex
	kinds map[kind]*tally
	count [kindsOf]int  // kinds in use, by their sort
	wake  chan struct{} // made by Run; has room for one
}

const (
	loginKind = iota
	readKind
	kindsOf
)

// kind is what makes two things alike. One whose members are empty but for sort stands for all that are not told apart.
type kind struct {
	sort  int
	who   string // a token's name, or uid:N; "" for nobody
	addr  string // of the peer, whole for IPv4, its /64 for IPv6
	what  string // a code, or what was read
	other bool   // all kinds that there was no room for
}

// tally is how often a kind came in the window.
type tally struct {
	by          By // the first one
	count       uint64
	told        uint64 // of these, the log has
	fresh       bool   // nothing came since; what follows is about what has
	first, last time.Time
	from, to    uint64 // of a reading: the least entry, and behind the greatest
	entries     uint64 // of a reading: how many were given out
}

// Refused notes a login that was refused. addr is the peer's own address; uid is that of a peer on the Unix socket.
func (w *Watch) Refused(addr netip.Addr, uid *uint32, why error) {
	k := kind{sort: loginKind, addr: network(addr), what: "unknown"}
	switch {
	case errors.Is(why, auth.ErrExpired):
		k.what = "expired"
	case errors.Is(why, auth.ErrRevoked):
		k.what = "revoked"
	}
	by := By{}
	if uid != nil {
		by.UID, k.who = uid, fmt.Sprintf("uid:%d", *uid)
	}
	if addr.IsValid() {
		by.Addr = addr.Unmap().WithZone("").String()
	}
	w.note(k, by, 0, 0, 0)
}

// Read notes that events were given to somebody: so many entries of those from first to last.
func (w *Watch) Read(by By, first, last, entries uint64) {
	if entries > 0 {
		w.note(kind{sort: readKind, who: by.name(), addr: by.Addr, what: "entries"}, by, first, last+1, entries)
	}
}

// network is what an attacker has to be given one of: an address of IPv4, a /64 of IPv6.
func network(a netip.Addr) string {
	a = a.Unmap().WithZone("")
	if !a.Is6() {
		if !a.IsValid() {
			return ""
		}
		return a.String()
	}
	p, err := a.Prefix(64)
	if err != nil { // never: 64 bits are in an address of IPv6
		return a.String()
	}
	return p.String()
}

func (w *Watch) now() time.Time {
	if w.Now != nil {
		return w.Now()
	}
	return time.Now()
}

func (w *Watch) note(k kind, by By, from, to, entries uint64) {
	now := w.now()
	w.mu.Lock()
	defer w.mu.Unlock()
	t := w.kinds[k]
	if t == nil {
		if w.count[k.sort] >= Kinds {
			k = kind{sort: k.sort, other: true}
			t, by = w.kinds[k], By{}
		} else {
			w.count[k.sort]++
		}
	}
	if t == nil {
		if w.kinds == nil {
			w.kinds = map[kind]*tally{}
		}
		t = &tally{by: by, fresh: true}
		w.kinds[k] = t
		select {
		case w.wake <- struct{}{}:
		default: // Run looks at all kinds when it looks, and a nil channel is one that Run will look at
		}
	}
	if t.fresh {
		t.fresh, t.first, t.from, t.to, t.entries = false, now, from, to, 0
	}
	t.count++
	t.last, t.entries = now, t.entries+entries
	t.from, t.to = min(t.from, from), max(t.to, to)
}

// Run records what is noted until ctx ends, and then what is left. One call a Watch.
func (w *Watch) Run(ctx context.Context) {
	w.mu.Lock()
	w.wake = make(chan struct{}, 1)
	wake := w.wake
	w.mu.Unlock()
	window := time.NewTicker(Window)
	defer window.Stop()
	for {
		w.tell(ctx, false) // also what came before there was a channel
		select {
		case <-wake:
		case <-window.C:
			w.tell(ctx, true)
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
			defer cancel()
			w.tell(last, true)
			return
		}
	}
}

// tell records the first of each kind, and with end all that came since, as the window is over.
func (w *Watch) tell(ctx context.Context, end bool) {
	var events []*event.Event
	w.mu.Lock()
	for k, t := range w.kinds {
		if n := t.count - t.told; n > 0 && (end || t.told == 0) {
			events = append(events, t.event(k, n))
			t.told, t.fresh = t.count, true
		}
	}
	if end {
		w.kinds, w.count = nil, [kindsOf]int{}
	}
	w.mu.Unlock()
	if len(events) == 0 {
		return
	}
	slices.SortFunc(events, func(a, b *event.Event) int { return strings.Compare(a.InteractionID, b.InteractionID) }) // by type and time
	if _, err := w.Log.Record(ctx, events...); err != nil && w.Logger != nil {
		w.Logger.Error("the log could not be told of logins or readings", slog.Int("events", len(events)), slog.Any("error", err))
	}
}

// event says what came n times, all of it since the last event of the kind.
func (t *tally) event(k kind, n uint64) *event.Event {
	var e *event.Event
	switch k.sort {
	case loginKind:
		e = &event.Event{EventType: "login_refused", Action: "login", Object: &event.Object{Type: "server", ID: "stet"}, CodeLocation: "internal/admin",
			EntryPoint: &event.EntryPoint{Kind: "http", Name: "login"}, Absent: map[string]string{},
			Principal: &event.Principal{Type: "unauthenticated"}, Status: event.StatusDenied,
			StatusReason: map[string]string{"expired": "the token has expired", "revoked": "the token was revoked", "unknown": "the token is not known"}[k.what]}
		e.Absent["user_id"] = event.AbsentUnauthenticated
		if t.by.UID != nil {
			e.UserID = t.by.name()
			delete(e.Absent, "user_id")
		}
		t.by.place(e)
		if k.other {
			e.StatusReason = "logins from more places than are told apart"
			e.Absent["source_ip"] = event.AbsentUnavailable
		}
	case readKind:
		e = t.by.event("log_read", "read", k.what, fmt.Sprintf("%d-%d", t.from, t.to-1))
		e.Labels = map[string]string{"entries": fmt.Sprint(t.entries)}
		if k.other {
			e.Principal, e.UserID = &event.Principal{Type: "user"}, ""
			e.Absent["user_id"], e.Absent["principal.id"] = event.AbsentUnavailable, event.AbsentUnavailable
			e.StatusReason = "readings by more people than are told apart"
		}
	}
	e.InteractionID = fmt.Sprintf("%s %s", e.EventType, event.FormatTime(t.first))
	if n > 1 {
		e.Repeat = &event.Repeat{Count: n, First: t.first, Last: t.last}
	}
	return e
}
