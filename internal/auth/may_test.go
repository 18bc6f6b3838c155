package auth

import (
	"errors"
	"os"
	"strings"
	"testing"
)

// rights reads the table of docs/spec/tokens.md: roles, and for each action what each of them may do.
func rights(t *testing.T) (roles []string, rows [][]string) {
	t.Helper()
	b, err := os.ReadFile("../../docs/spec/tokens.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, ok := strings.Cut(string(b), "<!-- rights")
	if !ok {
		t.Fatal("docs/spec/tokens.md has no table of rights")
	}
	_, table, _ = strings.Cut(table, "\n")
	table, _, _ = strings.Cut(table, "\n\n")
	for i, line := range strings.Split(table, "\n") {
		cells := strings.Split(strings.Trim(line, "|"), "|")
		for j := range cells {
			cells[j] = strings.TrimSpace(cells[j])
		}
		switch i {
		case 0:
			roles = cells[1:]
		case 1:
		default:
			rows = append(rows, cells)
		}
	}
	return roles, rows
}

// Every role, bound to every application and environment, tries everything on everything, and may what the table says.
func TestRights(t *testing.T) {
	mine, other := vkey("emitter/mine"), vkey("emitter/other")
	actions := Actions()
	apps := []string{"billing", "payroll", "billing2", "Billing", ""}
	environments := []string{"", "production", "staging", "Production"}
	tried := map[string]int{}

	roles, rows := rights(t)
	if len(rows) != len(actions) || len(roles) != 6 {
		t.Fatalf("the table has %d actions and %d roles; there are %d and 6", len(rows), len(roles), len(actions))
	}
	for i, cells := range rows {
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
	case "owner on the socket":
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
