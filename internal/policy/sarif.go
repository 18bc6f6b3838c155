package policy

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/stetlog/stet/event"
)

// SARIF is a report in SARIF 2.1.0 (OASIS), as code scanning takes it: each finding is a result at its first places, of kind
// fail. What was not checked is no result, because scanners show every result as an alert: it stands in the invocation's
// notifications, and all counts in the properties of their rules.
type SARIF struct {
	Version string     `json:"version"`
	Schema  string     `json:"$schema"`
	Runs    []sarifRun `json:"runs"`
}

type sarifRun struct {
	Tool        sarifTool         `json:"tool"`
	Invocations []sarifInvocation `json:"invocations"`
	Results     []sarifResult     `json:"results"`
	ColumnKind  string            `json:"columnKind"`
}

type sarifTool struct {
	Driver sarifDriver `json:"driver"`
}

type sarifDriver struct {
	Name           string      `json:"name"`
	Version        string      `json:"version,omitempty"`
	InformationURI string      `json:"informationUri"`
	Rules          []sarifRule `json:"rules"`
}

type sarifRule struct {
	ID                   string         `json:"id"`
	ShortDescription     sarifText      `json:"shortDescription"`
	FullDescription      sarifText      `json:"fullDescription"`
	Help                 sarifText      `json:"help"`
	DefaultConfiguration sarifLevel     `json:"defaultConfiguration"`
	Properties           map[string]any `json:"properties"`
}

type sarifLevel struct {
	Level string `json:"level"`
}

type sarifText struct {
	Text string `json:"text"`
}

type sarifInvocation struct {
	ExecutionSuccessful bool                `json:"executionSuccessful"`
	Notifications       []sarifNotification `json:"toolExecutionNotifications"`
}

type sarifNotification struct {
	Level          string         `json:"level"`
	Message        sarifText      `json:"message"`
	AssociatedRule sarifReference `json:"associatedRule"`
}

type sarifReference struct {
	ID    string `json:"id"`
	Index int    `json:"index"`
}

type sarifResult struct {
	RuleID    string          `json:"ruleId"`
	RuleIndex int             `json:"ruleIndex"`
	Kind      string          `json:"kind"`
	Level     string          `json:"level"`
	Message   sarifText       `json:"message"`
	Locations []sarifLocation `json:"locations"`
}

type sarifLocation struct {
	Physical *sarifPhysical `json:"physicalLocation,omitempty"`
	Logical  []sarifLogical `json:"logicalLocations,omitempty"`
}

type sarifPhysical struct {
	Artifact sarifArtifact `json:"artifactLocation"`
	Region   *sarifRegion  `json:"region,omitempty"`
}

type sarifArtifact struct {
	URI string `json:"uri"`
}

type sarifRegion struct {
	StartLine int `json:"startLine"`
}

type sarifLogical struct {
	Name string `json:"name"`
	Full string `json:"fullyQualifiedName"`
	Kind string `json:"kind"`
}

// SARIFOf makes the document. version is the tool's own.
func SARIFOf(r *Report, version string) SARIF {
	run := sarifRun{Tool: sarifTool{sarifDriver{Name: "stet lint", Version: version, InformationURI: "https://github.com/stetlog/stet", Rules: []sarifRule{}}},
		Invocations: []sarifInvocation{{ExecutionSuccessful: true, Notifications: []sarifNotification{}}}, Results: []sarifResult{}, ColumnKind: "unicodeCodePoints"}
	for i := range r.Rules {
		x := &r.Rules[i]
		level := "error"
		if x.Should {
			level = "warning"
		}
		run.Tool.Driver.Rules = append(run.Tool.Driver.Rules, sarifRule{ID: x.ID, ShortDescription: sarifText{x.Title}, FullDescription: sarifText{x.Check},
			Help: sarifText{x.Next + ". From: " + sourcesText(x.ID)}, DefaultConfiguration: sarifLevel{level},
			Properties: map[string]any{"state": x.State().String(), "pass": x.Pass, "fail": x.Fail, "notChecked": x.NotChecked}})
		for _, f := range x.Findings {
			message := sarifText{fmt.Sprintf("%s (%d of %d %s). Next: %s.", f.What, f.Count, x.Pass+x.Fail+x.NotChecked, x.Of, x.Next)}
			at := f.Places
			if len(at) == 0 {
				at = []Place{{}}
			}
			for _, p := range at {
				run.Results = append(run.Results, sarifResult{RuleID: x.ID, RuleIndex: i, Kind: "fail", Level: level, Message: message, Locations: []sarifLocation{locationOf(r, p)}})
			}
		}
		for _, f := range x.Reasons {
			n := &run.Invocations[0]
			n.Notifications = append(n.Notifications, sarifNotification{Level: "note", Message: sarifText{fmt.Sprintf("not checked: %s (%d %s)", f.What, f.Count, x.Of)},
				AssociatedRule: sarifReference{x.ID, i}})
		}
	}
	return SARIF{Version: "2.1.0", Schema: "https://json.schemastore.org/sarif-2.1.0.json", Runs: []sarifRun{run}}
}

func locationOf(r *Report, p Place) sarifLocation {
	if p.HasSeq {
		name := fmt.Sprintf("entry %d", p.Seq)
		return sarifLocation{Logical: []sarifLogical{{name, printable(r.Name) + "#" + name, "member"}}}
	}
	if r.Ledger {
		return sarifLocation{Logical: []sarifLogical{{"log", printable(r.Name), "module"}}}
	}
	where := &sarifPhysical{Artifact: sarifArtifact{uri(r.Name)}}
	if p.Line > 0 {
		where.Region = &sarifRegion{p.Line}
	}
	return sarifLocation{Physical: where}
}

// uri writes a file's path as a relative or absolute reference of RFC 3986.
func uri(path string) string {
	parts := strings.Split(path, "/")
	for i, p := range parts {
		parts[i] = url.PathEscape(p)
	}
	s := strings.Join(parts, "/")
	if first, _, _ := strings.Cut(s, "/"); strings.Contains(first, ":") {
		s = "./" + s // or it would be taken for a scheme
	}
	return s
}

func printable(s string) string { return event.Sanitize(s) }
