package alert

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/fsx"
	"github.com/stetlog/stet/internal/logread"
	"github.com/stetlog/stet/internal/search"
	"github.com/stetlog/stet/internal/webhook"
	"github.com/stetlog/stet/proof"
)

// Log is the log that is followed. *store.Held is one. Its methods are safe for concurrent use.
type Log interface {
	// Record records events of the server's own, under the store's key; they are durable (L1) when it returns nil.
	Record(ctx context.Context, events ...*event.Event) ([]uint64, error)
	// Checkpoint is the newest signed one.
	Checkpoint() []byte
}

// Options are what Alerts are made of. Log, Source, FS and StoreKey must be set; the zero value of the rest is good.
type Options struct {
	Log      Log
	Source   logread.Source // the log's files
	FS       fsx.FS         // the store's directory; whoever opens it holds the store's lock
	StoreKey string         // verifier key whose word alert_sent is

	Logger   *slog.Logger     // told of trouble; nil: nobody is
	Now      func() time.Time // nil: time.Now
	Rand     io.Reader        // of ids and secrets; nil: crypto/rand
	Jitter   func() float64   // in [0, 1); nil: math/rand
	Trust    *tls.Config      // of targets; nil: what the system trusts
	Resolver *net.Resolver    // of targets' names; nil: the system's
}

// Alerts are the alerts of a store that is held. All methods are safe for concurrent use.
type Alerts struct {
	o        Options
	public   *http.Client
	any      *http.Client
	testing  chan struct{} // a place for each test that is under way
	changing sync.Mutex    // of definitions, from the look to the last write; before saving
	broken   error         // set once: what of the definitions is on disk is not known; under changing

	saving sync.Mutex // of the file of places; before mu
	saved  string     // what is in it; under saving

	mu      sync.Mutex
	all     []*state // in the order they were made
	next    uint64   // entries before it were looked at
	running func(*state)
}

// state is an alert in memory.
type state struct {
	rule   rule // as it was made, whatever has become of it: its From, Off and Half are not looked at
	secret []byte
	match  *search.Matcher // the follower's
	may    func([]byte) bool
	wake   chan struct{} // something waits; has room for one

	// Under Alerts.mu:
	from  uint64
	off   string
	half  bool
	place place
	stop  func() // ends its deliveries and waits for that; nil where it has none
}

// on says whether an alert does anything.
func (s *state) on() bool { return !s.half && s.off == "" }

// tests is how many test deliveries may be under way.
const tests = 4

// Open reads the alerts of a store. One that has none yet is no error. A damaged file of definitions is ErrDamaged; a damaged
// file of places is told to the logger, and every alert begins again where it was made: rather twice than never.
func Open(o Options) (*Alerts, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Rand == nil {
		o.Rand = rand.Reader
	}
	a := &Alerts{o: o, public: webhook.NewClient(webhook.Options{Trust: o.Trust, Resolver: o.Resolver}), any: webhook.NewClient(webhook.Options{Private: true, Trust: o.Trust, Resolver: o.Resolver}), testing: make(chan struct{}, tests)}
	b, err := readFile(o.FS, rulesFile)
	if err != nil {
		return nil, err
	}
	var rules []rule
	if b != nil {
		if rules, err = parseRules(b); err != nil {
			return nil, err
		}
	}
	size := a.size()
	at, err := a.readPlaces(size)
	if err != nil {
		return nil, err
	}
	for _, r := range rules {
		p, ok := at[r.ID]
		if !ok {
			p = place{ID: r.ID, Next: min(r.From, size)}
			if r.Off == "" && !r.Half {
				a.next = min(a.next, p.Next)
			}
		}
		s, err := newState(r, p)
		if err != nil {
			return nil, err // never: the rule was checked
		}
		a.all = append(a.all, s)
	}
	return a, nil
}

// readPlaces reads how far each alert is, by its id, in a log of this size.
func (a *Alerts) readPlaces(size uint64) (map[string]place, error) {
	a.next = size
	b, err := readFile(a.o.FS, placeFile)
	var p places
	if err == nil && b != nil {
		p, err = parsePlaces(b)
	}
	at := map[string]place{}
	for _, x := range p.All {
		at[x.ID] = x
		if x.Next > size && err == nil {
			err = damaged(placeFile, 2, "it is ahead of the log")
		}
	}
	switch {
	case p.Next > size && err == nil:
		err = damaged(placeFile, 2, "it is ahead of the log")
	case err == nil && b != nil:
		a.next = p.Next
	}
	if errors.Is(err, ErrDamaged) {
		a.o.Logger.Error("how far alerts are is not known any more; each begins again where it was made", slog.Any("error", err))
		return nil, nil
	}
	return at, err
}

func newState(r rule, p place) (*state, error) {
	q, err := search.Parse(r.Query)
	if err != nil {
		return nil, err
	}
	secret, err := webhook.ParseSecret(r.Secret)
	if err != nil {
		return nil, err
	}
	m := search.NewMatcher(q, time.Time{})
	return &state{rule: r, secret: secret, match: m, may: m.Sieve(), place: p, wake: make(chan struct{}, 1),
		from: r.From, off: r.Off, half: r.Half}, nil
}

// Info is what is told of an alert.
type Info struct {
	Name, Query, Target string // of the target scheme and host
	Window              time.Duration
	AllowPrivate        bool
	Created             time.Time
	Off                 string // why it was turned off; "": it is on

	Waiting uint64 // entries that were found and are in no message yet
	Sending uint64 // entries in the message that is on its way
	Behind  uint64 // entries of the log that were not looked at yet
	Last    *Delivery
}

// Delivery is the last one of an alert, whether it has ended or is tried again.
type Delivery struct {
	Began, At time.Time // its first attempt, and its last
	OK        bool
	Tries     int
	Outcome   string // in a few words
}

func (a *Alerts) info(s *state, size uint64) Info {
	i := Info{Name: s.rule.Name, Query: s.rule.Query, Target: Target(s.rule.URL), Window: time.Duration(s.rule.Window) * time.Millisecond,
		AllowPrivate: s.rule.Private, Off: s.off}
	i.Created, _ = event.ParseTime(s.rule.Created) // it was checked
	if s.place.Waiting != nil {
		i.Waiting = s.place.Waiting.Count
	}
	if s.place.Sending != nil {
		i.Sending = s.place.Sending.Count
	}
	if seen := max(a.next, s.place.Next); seen < size && s.on() {
		i.Behind = size - seen
	}
	if l := s.place.Last; l != nil {
		d := Delivery{OK: l.OK, Tries: l.Tries, Outcome: l.Outcome}
		d.Began, _ = event.ParseTime(l.Began) // they were checked
		d.At, _ = event.ParseTime(l.At)
		i.Last = &d
	}
	return i
}

// List returns all alerts, in the order they were made.
func (a *Alerts) List() []Info {
	size := a.size()
	a.mu.Lock()
	defer a.mu.Unlock()
	var all []Info
	for _, s := range a.all {
		if !s.half {
			all = append(all, a.info(s, size))
		}
	}
	return all
}

// size is that of the log under its newest checkpoint.
func (a *Alerts) size() uint64 {
	cp, err := proof.ParseCheckpointText(a.o.Log.Checkpoint())
	if err != nil {
		return 0 // never: the log signed it
	}
	return cp.Size
}

// Add makes an alert, durably, and returns its secret where it made one. It looks at what is published from now on. tell has
// the log say so; it is called when the alert is durable, and what it returns nil to counts. Add fails with ErrSpec, ErrTaken
// or ErrFull, and with what tell returns: then there is no alert.
func (a *Alerts) Add(spec Spec, tell func(Info) error) (secret string, i Info, err error) {
	q, err := spec.check()
	if err == nil {
		err = spec.reachable()
	}
	if err != nil {
		return "", i, err
	}
	made := ""
	if spec.Secret == "" {
		if made, err = webhook.MakeSecret(a.o.Rand); err != nil {
			return "", i, err
		}
		spec.Secret = made
	}
	var id [16]byte
	if _, err := io.ReadFull(a.o.Rand, id[:]); err != nil {
		return "", i, fmt.Errorf("no randomness for an alert's id: %w", err)
	}
	r := rule{Name: spec.Name, ID: hex.EncodeToString(id[:]), Query: q.String(), URL: spec.URL, Window: spec.Window.Milliseconds(),
		Private: spec.AllowPrivate, Secret: spec.Secret, Created: event.FormatTime(a.o.Now()), Half: true}
	s, err := newState(r, place{ID: r.ID})
	if err != nil {
		return "", i, err
	}
	a.changing.Lock()
	defer a.changing.Unlock()
	a.mu.Lock()
	switch {
	case slices.ContainsFunc(a.all, func(o *state) bool { return o.rule.Name == r.Name }):
		err = fmt.Errorf("%w: %s", ErrTaken, r.Name)
	case len(a.all) >= MaxAlerts:
		err = fmt.Errorf("%w: %d are the most", ErrFull, MaxAlerts)
	default:
		a.all = append(a.all, s)
	}
	a.mu.Unlock()
	if err != nil {
		return "", i, err
	}
	if err = a.write(); err == nil {
		err = tell(a.info(s, 0))
	}
	if err == nil {
		a.mu.Lock()
		// A look that is under way has passed entries by for want of this alert, and goes no further than this.
		s.from = a.size()
		s.place.Next, s.half = s.from, false
		a.mu.Unlock()
		err = a.write()
	}
	if err != nil {
		return "", i, errors.Join(err, a.drop(s))
	}
	a.mu.Lock()
	i = a.info(s, 0)
	if a.running != nil {
		a.running(s)
	}
	a.mu.Unlock()
	return made, i, nil
}

// Remove takes an alert away, at once; what waits for it is not sent any more. tell has the log say so; where that fails the
// alert is gone all the same, and Settle has the log say so. It fails with ErrNoAlert.
func (a *Alerts) Remove(name string, tell func(Info) error) (i Info, err error) {
	a.changing.Lock()
	a.mu.Lock()
	n := slices.IndexFunc(a.all, func(s *state) bool { return s.rule.Name == name })
	if n < 0 {
		a.mu.Unlock()
		a.changing.Unlock()
		return i, fmt.Errorf("%w: %.80q", ErrNoAlert, name)
	}
	s := a.all[n]
	s.half = true
	stop := s.stop
	a.mu.Unlock()
	err = a.write()
	a.changing.Unlock()
	if stop != nil {
		stop() // it may be about to change the definitions itself
	}
	a.mu.Lock()
	i = a.info(s, 0)
	a.mu.Unlock()
	if err != nil {
		return i, err
	}
	if err := tell(i); err != nil {
		return i, fmt.Errorf("alert %s does nothing any more, and the log does not say so yet (it will when the store is next served): %w", name, err)
	}
	a.changing.Lock()
	defer a.changing.Unlock()
	return i, a.drop(s)
}

// Settle ends what was begun by whoever died in between: alerts that were half made or half removed are gone. tell has the log
// say so.
func (a *Alerts) Settle(tell func(Info) error) error {
	a.changing.Lock()
	defer a.changing.Unlock()
	a.mu.Lock()
	half := slices.DeleteFunc(slices.Clone(a.all), func(s *state) bool { return !s.half })
	a.mu.Unlock()
	for _, s := range half {
		if err := tell(a.info(s, 0)); err != nil {
			return err
		}
		if err := a.drop(s); err != nil {
			return err
		}
	}
	return nil
}

// drop forgets an alert. The caller holds changing.
func (a *Alerts) drop(s *state) error {
	a.mu.Lock()
	a.all = slices.DeleteFunc(a.all, func(o *state) bool { return o == s })
	a.mu.Unlock()
	return a.write()
}

// write makes the definitions durable. After a failed write nobody knows what is on disk, and no later write would make it
// known, so all further changes fail. The caller holds changing.
func (a *Alerts) write() error {
	if a.broken != nil {
		return a.broken
	}
	a.mu.Lock()
	var rules []rule
	for _, s := range a.all {
		r := s.rule
		r.From, r.Off, r.Half = s.from, s.off, s.half
		rules = append(rules, r)
	}
	a.mu.Unlock()
	b, err := encodeRules(rules)
	if err == nil && len(b) > maxFile {
		return fmt.Errorf("%w: %s would have more than %d bytes", ErrFull, rulesFile, maxFile)
	}
	if err == nil {
		err = writeFile(a.o.FS, rulesFile, b)
	}
	if err != nil {
		a.broken = fmt.Errorf("%w (nobody knows what is on disk now; start anew and look at the list of alerts)", err)
	}
	return a.broken
}

// save makes durable how far all alerts are. After an error the file has this or what was there before, which is as good, and
// the next call tries again with a new file.
func (a *Alerts) save() error {
	a.saving.Lock()
	defer a.saving.Unlock()
	a.mu.Lock()
	p := places{Next: a.next}
	for _, s := range a.all {
		p.All = append(p.All, s.place)
	}
	b, err := encodePlaces(p)
	a.mu.Unlock()
	if err != nil || string(b) == a.saved {
		return err
	}
	if err := writeFile(a.o.FS, placeFile, b); err != nil {
		return err
	}
	a.saved = string(b)
	return nil
}
