package event

import "sort"

// class says which conditions of the table a type falls under.
type class uint16

const (
	classJob class = 1 << iota
	classSubmission
	classAuthorization
	classRun // belongs to one run
	classStart
	classHeartbeat
	classOutcome
	classStatus
	classCorrection
	classSession
)

// Type is one row of the catalogue.
type Type struct {
	Name        string
	Severity    Severity // an event may be more severe, not less
	Security    bool     // an event may raise the flag, not lower it
	Description string   // stands in for an event's own
	Required    []string // paths that must be there or be excused; also labels.KEY and job.params.KEY
	Modifies    bool     // changes sensitive data: before and after, or their excuse
	// PersonalData names paths that may hold personal data, with the basis, such
	// as "consent" or "contract". Secrets are masked there all the same.
	PersonalData map[string]string
	// Reserved: only a store's or server's own key may raise it.
	Reserved bool

	class  class
	status string // the one status that agrees with the type
	phase  string
}

// Catalogue maps event types to what is known of them. It is not changed once
// made and may be shared.
type Catalogue struct {
	types map[string]*Type
}

// unknownType stands for a type that the catalogue does not have.
var unknownType = &Type{Severity: SeverityInfo}

// Builtin returns the catalogue of SCHEMA: jobs, stet's own types and the OWASP
// Logging Vocabulary.
func Builtin() *Catalogue { return builtin }

// Lookup returns what is known of a type.
func (c *Catalogue) Lookup(name string) (Type, bool) {
	t, ok := c.types[name]
	if !ok {
		return Type{}, false
	}
	return *t, true
}

// Known is Lookup for who takes no other types: where the catalogue does not have
// one, it returns the *Error of a strict Codec.
func (c *Catalogue) Known(name string) (Type, error) {
	t, ok := c.Lookup(name)
	if !ok {
		return t, &Error{Code: string(ErrUnknownType), Path: "event_type", Detail: notInCatalogue, Hint: addToCatalogue}
	}
	return t, nil
}

const (
	notInCatalogue = "is not in the catalogue, which is strict"
	addToCatalogue = "add the type to the catalogue file"
)

// Names returns all types in alphabetical order.
func (c *Catalogue) Names() []string {
	names := make([]string, 0, len(c.types))
	for n := range c.types {
		names = append(names, n)
	}
	sort.Strings(names)
	return names
}

func (c *Catalogue) lookup(name []byte) (*Type, bool) {
	if t, ok := c.types[string(name)]; ok {
		return t, true
	}
	return unknownType, false
}

func (c *Codec) catalogue() *Catalogue {
	if c.Catalogue == nil {
		return builtin
	}
	return c.Catalogue
}
