package expect

import (
	"errors"
	"slices"
	"time"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/watch"
)

var (
	// ErrExpected says that a definition counts already.
	ErrExpected = errors.New("this is expected already")
	// ErrUnknown says that no definition that counts has an id.
	ErrUnknown = errors.New("nothing of this id is expected")
	// ErrFull says that MaxDefinitions count.
	ErrFull = errors.New("more cannot be expected")
)

// Active is a definition that counts.
type Active struct {
	Definition
	Place Place
	Since time.Time // when the log took it in
}

// Place is an event's place in the log.
type Place struct {
	Seq     uint64
	EventID event.UUID
}

// Defined are the definitions that count, in the order of the log. Its zero value is that of an empty log. It is for one
// goroutine at a time.
type Defined struct{ all []Active }

// All lists them.
func (s *Defined) All() []Active { return slices.Clone(s.all) }

// Find finds one by its id, or ErrUnknown.
func (s *Defined) Find(id string) (Active, error) {
	for _, a := range s.all {
		if a.ID() == id {
			return a, nil
		}
	}
	return Active{}, ErrUnknown
}

// Room says why a definition cannot be added; nil where it can.
func (s *Defined) Room(d Definition) error {
	if _, err := s.Find(d.ID()); err == nil {
		return ErrExpected
	}
	if len(s.all) >= MaxDefinitions {
		return ErrFull
	}
	return nil
}

// Apply takes in the next entry of the log. ok says that it changed something: a was added, or removed. What is not the
// store's word, or no definition of this version, or has no room, changes nothing.
func (s *Defined) Apply(e watch.Entry) (a Active, ok bool) {
	if !e.StoreKey || e.Event == nil {
		return a, false
	}
	switch e.Event.EventType {
	case Added:
		d, err := FromLabels(e.Event.Labels)
		if err != nil || s.Room(d) != nil {
			return a, false
		}
		a = Active{d, Place{e.Seq, e.Event.EventID}, e.ReceivedAt}
		s.all = append(s.all, a)
		return a, true
	case Removed:
		a, err := s.Find(e.Event.Labels[labelID])
		if err != nil {
			return a, false
		}
		s.all = slices.DeleteFunc(s.all, func(x Active) bool { return x.Place == a.Place })
		return a, true
	}
	return a, false
}
