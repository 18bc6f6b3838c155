package policy_test

import (
	"bytes"
	"encoding/json"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/stetlog/stet/internal/policy"
)

func encode(t *testing.T, v any) string {
	t.Helper()
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// What the schema of SARIF 2.1.0 demands of the members that are written, and what its text demands beside.
func TestSARIF(t *testing.T) {
	b, err := os.ReadFile("testdata/spring.log")
	if err != nil {
		t.Fatal(err)
	}
	r := lint(policy.Options{Name: "logs/a b:c.log"}, string(b))
	var doc struct {
		Version string
		Schema  string `json:"$schema"`
		Runs    []struct {
			ColumnKind string
			Tool       struct {
				Driver struct {
					Name           string
					InformationURI string
					Rules          []struct {
						ID                                      string
						ShortDescription, FullDescription, Help struct{ Text string }
						DefaultConfiguration                    struct{ Level string }
						Properties                              struct {
							State                  string
							Pass, Fail, NotChecked int
						}
					}
				}
			}
			Invocations []struct {
				ExecutionSuccessful        *bool
				ToolExecutionNotifications []struct {
					Level          string
					Message        struct{ Text string }
					AssociatedRule struct {
						ID    string
						Index int
					}
				}
			}
			Results []struct {
				RuleID      string
				RuleIndex   int
				Kind, Level string
				Message     struct{ Text string }
				Locations   []struct {
					PhysicalLocation struct {
						ArtifactLocation struct{ URI string }
						Region           *struct{ StartLine int }
					}
				}
			}
		}
	}
	if err := json.Unmarshal([]byte(encode(t, policy.SARIFOf(&r, "v1"))), &doc); err != nil {
		t.Fatal(err)
	}
	if doc.Version != "2.1.0" || !strings.Contains(doc.Schema, "sarif-2.1.0") || len(doc.Runs) != 1 {
		t.Fatalf("version %q, schema %q, %d runs", doc.Version, doc.Schema, len(doc.Runs))
	}
	run := doc.Runs[0]
	d := run.Tool.Driver
	if d.Name == "" || len(d.Rules) != len(policy.Rules()) || run.ColumnKind != "unicodeCodePoints" {
		t.Errorf("driver %q with %d rules", d.Name, len(d.Rules))
	}
	if u, err := url.Parse(d.InformationURI); err != nil || !u.IsAbs() {
		t.Errorf("informationUri %q", d.InformationURI)
	}
	failing := map[string]bool{}
	for _, x := range d.Rules {
		if x.ID == "" || x.ShortDescription.Text == "" || x.FullDescription.Text == "" || x.Help.Text == "" {
			t.Errorf("rule %q says too little", x.ID)
		}
		if x.Properties.Fail > 0 {
			failing[x.ID] = true
		}
		if want := (map[bool]string{true: "fail", false: "pass"})[x.Properties.Fail > 0]; x.Properties.State != want && x.Properties.State != "not checked" {
			t.Errorf("rule %s: %d fail and its state is %s", x.ID, x.Properties.Fail, x.Properties.State)
		}
	}
	if len(run.Results) == 0 {
		t.Fatal("no results")
	}
	for _, x := range run.Results {
		if x.Kind != "fail" || x.Level != "error" && x.Level != "warning" || x.Message.Text == "" {
			t.Errorf("a result of kind %q, level %q, with text %q", x.Kind, x.Level, x.Message.Text)
		}
		if x.RuleIndex < 0 || x.RuleIndex >= len(d.Rules) || d.Rules[x.RuleIndex].ID != x.RuleID || d.Rules[x.RuleIndex].DefaultConfiguration.Level != x.Level {
			t.Errorf("a result of rule %q at index %d", x.RuleID, x.RuleIndex)
		}
		delete(failing, x.RuleID)
		for _, at := range x.Locations {
			u, err := url.Parse(at.PhysicalLocation.ArtifactLocation.URI)
			if err != nil || u.IsAbs() || u.Path != "logs/a b:c.log" {
				t.Errorf("a result in %q", at.PhysicalLocation.ArtifactLocation.URI)
			}
			if g := at.PhysicalLocation.Region; g != nil && g.StartLine < 1 {
				t.Errorf("a result at line %d", g.StartLine)
			}
		}
		if len(x.Locations) != 1 {
			t.Errorf("a result at %d places", len(x.Locations))
		}
	}
	if len(failing) > 0 {
		t.Errorf("rules that fail without a result: %v", failing)
	}
	if len(run.Invocations) != 1 || run.Invocations[0].ExecutionSuccessful == nil {
		t.Fatalf("%d invocations", len(run.Invocations))
	}
	for _, n := range run.Invocations[0].ToolExecutionNotifications {
		if n.Level != "note" || n.Message.Text == "" || d.Rules[n.AssociatedRule.Index].ID != n.AssociatedRule.ID {
			t.Errorf("a notification of level %q about %q", n.Level, n.AssociatedRule.ID)
		}
	}
}
