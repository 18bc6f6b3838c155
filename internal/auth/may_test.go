package auth

import (
	"errors"
	"strings"
	"testing"
)

// rights is what each role may do, for people to read: yes, no, own (its application and environment), or key (own, and
// under one of the token's keys).
const rights = `
           nobody  writer  reader  auditor  admin  peer
append     no      key     no      no       no     yes
enrolkey   no      yes     no      no       no     yes
receipt    no      key     own     yes      yes    yes
entry      no      no      own     yes      yes    yes
tree       no      yes     yes     yes      yes    yes
log        no      no      no      yes      yes    yes
metrics    no      no      no      yes      yes    yes
manage     no      no      no      no       yes    yes
`

// Every role, bound to every application and environment, tries everything on everything.
func TestRights(t *testing.T) {
	mine, other := vkey("emitter/mine"), vkey("emitter/other")
	actions := Actions()
	apps := []string{"billing", "payroll", "billing2", "Billing", ""}
	environments := []string{"", "production", "staging", "Production"}
	tried := map[string]int{}

	lines := strings.Split(strings.TrimSpace(rights), "\n")
	roles := strings.Fields(lines[0])
	if len(lines)-1 != len(actions) {
		t.Fatalf("the table has %d actions, there are %d", len(lines)-1, len(actions))
	}
	for i, line := range lines[1:] {
		cells := strings.Fields(line)
		for r, role := range roles {
			right := cells[r+1]
			for _, id := range identities(role, apps, environments, mine) {
				for _, app := range apps {
					for _, env := range environments {
						for _, key := range []string{"", mine, other} {
							scope := id.App != "" && app == id.App && (id.Environment == "" || env == id.Environment)
							want := right == "yes" || right == "own" && scope || right == "key" && scope && key != other
							err := id.May(actions[i], Subject{App: app, Environment: env, Key: key})
							if (err == nil) != want {
								t.Fatalf("%s of %q/%q: %s on %q/%q under key %q: %v, want %v", role, id.App, id.Environment, actions[i], app, env, key, err, want)
							}
							if err != nil && !errors.Is(err, ErrNotAllowed) && !errors.Is(err, ErrKey) {
								t.Fatalf("the error is of no known kind: %v", err)
							}
							if errors.Is(err, ErrKey) && !scope {
								t.Fatalf("%s: the answer to who may not at all is to bring a key", actions[i])
							}
							// What the subject is may be what must not be known.
							if err != nil && app == "payroll" && id.App != "payroll" && strings.Contains(err.Error(), "payroll") {
								t.Fatalf("the refusal tells what was asked about: %v", err)
							}
							tried[right]++
						}
					}
				}
			}
		}
	}
	if len(tried) != 4 {
		t.Fatalf("not all kinds of rights were tried: %v", tried)
	}
}

func identities(role string, apps, environments []string, key string) []Identity {
	switch role {
	case "nobody":
		return []Identity{{}, {Role: "root"}, {App: "billing"}}
	case "peer":
		p, _ := Peer(1000, 1000)
		return []Identity{p, Anyone()}
	case "auditor", "admin":
		return []Identity{{Token: "t", Role: Role(role)}}
	}
	var all []Identity
	for _, app := range apps {
		for _, env := range environments {
			all = append(all, Identity{Token: "t", Role: Role(role), App: app, Environment: env, keys: map[string]bool{key: true}})
		}
	}
	return all
}

func TestPeers(t *testing.T) {
	for _, tt := range []struct {
		uid, owner uint32
		want       bool
	}{{1000, 1000, true}, {0, 1000, true}, {0, 0, true}, {1001, 1000, false}, {1000, 0, false}, {1<<32 - 1, 1000, false}} {
		id, ok := Peer(tt.uid, tt.owner)
		if ok != tt.want || ok != (id.May(ManageTokens, Subject{}) == nil) {
			t.Errorf("uid %d at a server of uid %d: %v, want %v", tt.uid, tt.owner, ok, tt.want)
		}
		if ok && (id.UID == nil || *id.UID != tt.uid) {
			t.Errorf("uid %d is known as %v", tt.uid, id.UID)
		}
	}
}
