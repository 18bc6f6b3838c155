package auth

import (
	"errors"
	"fmt"
	"time"
)

// Role is what a token is for.
type Role string

// The roles. Writers and readers belong to one application, and where they name one, to one environment of it.
const (
	Writer  Role = "writer"  // adds events of its application under its own keys
	Reader  Role = "reader"  // reads events of its application
	Auditor Role = "auditor" // reads everything
	Admin   Role = "admin"   // reads everything; makes and revokes tokens and keys; adds nothing to the log itself
)

// Roles lists all roles.
func Roles() []Role { return []Role{Writer, Reader, Auditor, Admin} }

// scoped says whether a role belongs to an application.
func (r Role) scoped() bool { return r == Writer || r == Reader }

// Action is what somebody wants to do.
type Action string

// The actions, and what their Subject says.
const (
	Append       Action = "append"        // add events: App, Environment; Key where they are sealed
	EnrolKey     Action = "enrol key"     // have a key of one's own enrolled
	ReadReceipt  Action = "read receipt"  // see a receipt of a batch: App, Environment and Key of its seal
	ReadEntry    Action = "read entry"    // read one event, its seal and proof: App, Environment
	ReadTree     Action = "read tree"     // checkpoints and hashes, which say nothing about what was logged
	ReadLog      Action = "read log"      // whole bundles: the events of all applications
	ReadMetrics  Action = "read metrics"  // how the server fares
	ManageTokens Action = "manage tokens" // make, list and revoke tokens and keys
	ManageAlerts Action = "manage alerts" // add, list, remove and test alerts, which give events to others

	ManageExpectations Action = "manage expectations" // say when jobs must run, and end that
)

// Actions lists all actions.
func Actions() []Action {
	return []Action{Append, EnrolKey, ReadReceipt, ReadEntry, ReadTree, ReadLog, ReadMetrics, ManageTokens, ManageAlerts, ManageExpectations}
}

// Subject is what an action is about; which members count stands at the action.
type Subject struct {
	App, Environment string
	Key              string // verifier key of the seal; "" where events come unsealed
}

// Identity is who a caller was found to be. The zero value may do nothing.
type Identity struct {
	Token       string // name of the token, for via and events; "" for a peer on the Unix socket
	Role        Role
	App         string // writers and readers: theirs
	Environment string // the same; "" means all of the application
	// Own says that the caller could as well write into the store's directory: the uid on the other end of the Unix socket is
	// the server's own or root's, or the server is one for trying out. Such a caller may do everything.
	Own bool
	UID *uint32 // of a peer on the Unix socket

	Expires time.Time // of the token; zero: never

	keys map[string]bool // verifier keys that the token has brought; not written to once made
	hash hash            // of the token's secret
}

var (
	// ErrNotAllowed says that the caller is known and may not do this.
	ErrNotAllowed = errors.New("not allowed")
	// ErrKey says that a writer may add these events, but under none but its own keys, of which this is none yet.
	ErrKey = errors.New("the key that sealed this is not one of the token's")
)

// May decides whether the caller may do something; nil is yes. It is the one place that decides, for all ways in. The error
// wraps ErrNotAllowed or ErrKey and tells the caller's own rights, never what the subject is: that may be what must not
// be known.
func (id Identity) May(do Action, what Subject) error {
	if id.Own {
		return nil
	}
	switch id.Role {
	case Writer:
		switch do {
		case ReadTree, EnrolKey:
			return nil
		case Append, ReadReceipt:
			if !id.covers(what) {
				return id.refuse(do)
			}
			if what.Key != "" && !id.keys[what.Key] {
				return fmt.Errorf("%w: token %s; run stet enrol on the machine with a token for it", ErrKey, id.Token)
			}
			return nil
		}
	case Reader:
		switch do {
		case ReadTree:
			return nil
		case ReadEntry, ReadReceipt:
			if id.covers(what) {
				return nil
			}
		}
	case Auditor:
		switch do {
		case ReadTree, ReadEntry, ReadReceipt, ReadLog, ReadMetrics:
			return nil
		}
	case Admin:
		switch do {
		case ReadTree, ReadEntry, ReadReceipt, ReadLog, ReadMetrics, ManageTokens, ManageAlerts, ManageExpectations:
			return nil
		}
	}
	return id.refuse(do)
}

// Reads says which of the log's events the caller may read: everything, or those of what's application and, where it names
// one, environment; otherwise it is an error, as of May. It is for whoever looks for events; each one that is found is still
// May's to decide.
func (id Identity) Reads() (what Subject, everything bool, err error) {
	if id.May(ReadEntry, Subject{}) == nil {
		return Subject{}, true, nil
	}
	what = Subject{App: id.App, Environment: id.Environment}
	return what, false, id.May(ReadEntry, what)
}

// covers says whether a subject lies in the application and environment that the token was made for.
func (id Identity) covers(what Subject) bool {
	return id.App != "" && what.App == id.App && (id.Environment == "" || what.Environment == id.Environment)
}

func (id Identity) refuse(do Action) error {
	switch {
	case id.Role == "":
		return fmt.Errorf("%w: %s: nobody without a token may", ErrNotAllowed, do)
	case id.Role.scoped() && id.Environment != "":
		return fmt.Errorf("%w: %s: token %s is for a %s of application %s, environment %s", ErrNotAllowed, do, id.Token, id.Role, id.App, id.Environment)
	case id.Role.scoped():
		return fmt.Errorf("%w: %s: token %s is for a %s of application %s", ErrNotAllowed, do, id.Token, id.Role, id.App)
	}
	return fmt.Errorf("%w: %s: token %s is for an %s", ErrNotAllowed, do, id.Token, id.Role)
}

// Peer is the identity of a process on the other end of a Unix socket, by what the kernel says of it. owner is the uid that
// the server runs as. For everybody but owner and root, ok is false: they need a token.
func Peer(uid, owner uint32) (id Identity, ok bool) {
	if uid != owner && uid != 0 {
		return Identity{}, false
	}
	return Identity{Role: Admin, Own: true, UID: &uid}, true
}

// Anyone is the identity of every caller of a server for trying out, which has nothing to protect.
func Anyone() Identity { return Identity{Role: Admin, Own: true} }

// Has says whether the caller's token has brought this key.
func (id Identity) Has(vkey string) bool { return id.keys[vkey] }
