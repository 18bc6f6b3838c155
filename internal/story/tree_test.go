package story

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/stetlog/stet/event"
)

// manyJobs begins n jobs, each under the parent that above gives it.
func manyJobs(n int, above func(i int) string) *tape {
	tape := newTape()
	s := tape.process("wide", "web1")
	for i := range n {
		s.starts(fmt.Sprint(i), func(e *event.Event) {
			e.EventID = event.DeriveUUID("event", fmt.Sprint(i), e.EventID.Time48())
			if parent := above(i); parent != "" {
				e.Job.ParentID, e.Job.RootID = "job-"+parent, "job-0"
			}
		})
	}
	return tape
}

func renderedTree(t fataler, tree *Tree, o RenderOptions) string {
	t.Helper()
	var b bytes.Buffer
	if err := RenderTree(&b, tree, o); err != nil {
		t.Fatalf("render: %v", err)
	}
	checkPrintable(t, b.String())
	return b.String()
}

// The lineage of these tales is kept in testdata, every word.
func TestLineages(t *testing.T) {
	for _, tale := range tales {
		switch tale.name {
		case "children", "orphans", "attempts", "hostile", "lost":
		default:
			continue
		}
		t.Run(tale.name, func(t *testing.T) {
			tape := newTape()
			tale.tell(tape)
			s := tape.story()
			tree, err := s.Tree(TreeOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if err := tree.Ascend(nil); err != nil {
				t.Fatal(err)
			}
			golden(t, tale.name+"_lineage.txt", []byte(renderedTree(t, tree, RenderOptions{Width: 80, Now: tape.now.Add(3 * time.Hour)})))
			if tale.name == "children" {
				doc, err := json.MarshalIndent(JSONTree(tree), "", "  ")
				if err != nil {
					t.Fatal(err)
				}
				golden(t, tale.name+"_lineage.json", append(doc, '\n'))
			}
		})
	}
}

// What a tree shows does not grow with the story, and what it leaves out is counted.
func TestTreeOfManyChildren(t *testing.T) {
	const children = 20_000
	s := manyJobs(children+1, func(i int) string { return []string{"", "0"}[min(i, 1)] }).story()
	tree, err := s.Tree(TreeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if len(tree.Branches) != 1+DefaultChildren || tree.Jobs != children+1 || tree.States[StateRunning] != children+1 {
		t.Errorf("%d rows, %d jobs, %v", len(tree.Branches), tree.Jobs, tree.States)
	}
	if b := tree.Branches[0]; b.Left != children-DefaultChildren || b.Below != children || b.After.ID != "job-20" {
		t.Errorf("%d left of %d, behind %s", b.Left, b.Below, b.After.ID)
	}
	text := renderedTree(t, tree, RenderOptions{})
	if !strings.Contains(text, "20,001 jobs") || !strings.HasSuffix(text, "└ … 19,980 more: stet story --tree --children-after job-20\n") {
		t.Error(text)
	}
	if tree, err = s.Tree(TreeOptions{After: "job-19995"}); err != nil || len(tree.Branches) != 5 || tree.Left != 0 {
		t.Errorf("the last page: %d rows, %v", len(tree.Branches), err)
	}
	var none *NoJobError
	if _, err = s.Tree(TreeOptions{After: "job-nobody"}); !errors.As(err, &none) || none.ID != "job-nobody" {
		t.Errorf("a page behind nobody: %v", err)
	}
	var b bytes.Buffer
	if err := Render(&b, s, RenderOptions{Limit: 20}); err != nil || b.Len() > 8000 || !strings.Contains(b.String(), "… 19,980 more jobs: stet story --tree") {
		t.Errorf("%v, %d bytes", err, b.Len())
	}
}

// A thousand levels are neither a deep stack, nor a wide page, nor a document that no decoder takes.
func TestDeepLineage(t *testing.T) {
	const levels = 1000
	tape := manyJobs(levels, func(i int) string { return strings.TrimPrefix(fmt.Sprint(i-1), "-1") })
	s := tape.story()
	checkWhole(t, tape.items, s)
	tree, err := s.Tree(TreeOptions{})
	if err != nil || len(tree.Branches) != DefaultRows {
		t.Fatalf("%d rows, %v", len(tree.Branches), err)
	}
	for line := range strings.Lines(renderedTree(t, tree, RenderOptions{Width: 80})) {
		if utf8.RuneCountInString(line) > 81 {
			t.Errorf("a row of %d columns: %s", utf8.RuneCountInString(line), line)
		}
	}
	if tree, err = s.Tree(TreeOptions{Job: "job-999"}); err != nil {
		t.Fatal(err)
	}
	if err := tree.Ascend(nil); err != nil || len(tree.Ascents) != 1 || len(tree.Ascents[0].Steps) != levels-1 {
		t.Fatalf("%v: %d ascents", err, len(tree.Ascents))
	}
	if text := renderedTree(t, tree, RenderOptions{}); !strings.Contains(text, "989 steps between") || !strings.Contains(text, "Original principal, as #1 claims") {
		t.Error(text)
	}
	doc := JSON(s)
	in := 0
	var count func(j JSONJob, depth int)
	count = func(j JSONJob, depth int) {
		if in++; depth > MaxNesting {
			t.Fatalf("%d levels of children", depth)
		}
		for _, c := range j.Children {
			count(c, depth+1)
		}
	}
	for _, j := range slices.Concat(doc.Jobs, doc.Orphans, doc.Deeper) {
		count(j, 0)
	}
	if in != levels {
		t.Errorf("%d jobs in the document, want %d", in, levels)
	}
}

// A chain of corrections of any length makes a story of bounded depth, and each has its place.
func TestLongChainOfCorrections(t *testing.T) {
	tape := newTape()
	s := tape.process("backup", "web1")
	last := s.starts("backup").EventID
	for i := range 2000 {
		s.say("job_corrected", job("backup", "", func(e *event.Event) {
			e.EventID = event.DeriveUUID("correction", fmt.Sprint(i), last.Time48())
			e.Corrects = &event.Corrects{EventID: last, Kind: "correction"}
			last = e.EventID
		}))
	}
	story := tape.story()
	checkWhole(t, tape.items, story)
	depth := 0
	for e := story.Events[0]; len(e.Corrections) > 0; e = e.Corrections[0] {
		depth++
	}
	if depth != maxCorrections {
		t.Errorf("corrections hang %d deep, want %d", depth, maxCorrections)
	}
}

// elsewhere makes an event of another interaction.
func elsewhere(id string) func(*event.Event) {
	return func(e *event.Event) { e.InteractionID = id }
}

func causedBy(id event.UUID) func(*event.Event) {
	return func(e *event.Event) { e.CausationID = id }
}

func upstream(system, ref string) func(*event.Event) {
	return func(e *event.Event) { e.Principal.Upstream = &event.Upstream{System: system, EventRef: ref} }
}

// Whatever a job goes back to is found where the log has it, in whichever interaction, application and environment, and is
// named where it has not.
func TestAscend(t *testing.T) {
	for _, c := range []struct {
		name string
		tell func(t *tape, web, worker *process)
		want string // of the ascent of job "mail": a step a line, as Step's fields say
		top  string // who its original principal is
	}{
		{"nothing", func(_ *tape, _, worker *process) { worker.asks("mail") }, "", ""},
		{"a request is no cause of its own start", func(_ *tape, _, worker *process) {
			worker.starts("mail", causedBy(worker.asks("mail").EventID))
		}, "", ""},
		{"a parent", func(_ *tape, web, worker *process) {
			web.asks("order", func(e *event.Event) { e.UserID = "alice" })
			worker.asks("mail", childOf("order"))
		}, "parent job-order", "user alice"},
		{"a parent elsewhere", func(_ *tape, web, worker *process) {
			web.asks("order", elsewhere("other"), func(e *event.Event) { e.UserID = "alice" })
			worker.asks("mail", childOf("order"))
		}, "parent job-order in other", "user alice"},
		{"a parent that the ledger has behind its child", func(_ *tape, web, worker *process) {
			worker.asks("mail", childOf("order"))
			web.asks("order", func(e *event.Event) { e.UserID = "alice" })
		}, "parent job-order", "user alice"},
		{"an event of no job", func(_ *tape, web, worker *process) {
			id := web.say("sensitive_update", func(e *event.Event) { e.UserID = "bob" }).EventID
			worker.asks("mail", causedBy(id))
		}, "causation sensitive_update", "user bob"},
		{"events elsewhere, one behind the other, in two environments", func(_ *tape, web, worker *process) {
			first := web.say("authn_login_success", func(e *event.Event) { e.InteractionID, e.UserID, e.Environment = "one", "carol", "staging" }).EventID
			web.asks("import", elsewhere("two"), causedBy(first))
			id := web.starts("import", elsewhere("two")).EventID
			worker.asks("mail", upstream("web", id.String()))
		}, "upstream job-import in two\ncausation authn_login_success in one", "user carol"},
		{"another system", func(_ *tape, _, worker *process) { worker.asks("mail", upstream("sap", "4711")) },
			"upstream sap 4711 not found", "service account"},
		{"what the log has not", func(_ *tape, _, worker *process) { worker.asks("mail", childOf("nobody")) },
			"parent job-nobody not found", "service account"},
		{"a parent that the log has not, but a cause that it has", func(_ *tape, web, worker *process) {
			id := web.say("user_created", func(e *event.Event) { e.InteractionID, e.UserID = "other", "dora" }).EventID
			worker.asks("mail", childOf("nobody"), causedBy(id))
		}, "causation user_created in other", "user dora"},
		{"two parents: the first that is named counts", func(_ *tape, web, worker *process) {
			web.asks("order")
			web.asks("other")
			worker.asks("mail", childOf("order"))
			worker.starts("mail", childOf("other"))
		}, "parent job-order", "service account"},
		{"a parent that names its child", func(_ *tape, _, worker *process) {
			worker.asks("order", childOf("mail"))
			worker.asks("mail", childOf("order"))
		}, "parent job-order\nparent job-mail circle", "service account"},
		{"a circle through another interaction", func(_ *tape, web, worker *process) {
			id := worker.asks("mail", childOf("order")).EventID
			web.asks("order", elsewhere("other"), causedBy(id))
		}, "parent job-order in other\ncausation job-mail circle", "service account"},
	} {
		t.Run(c.name, func(t *testing.T) {
			tape := newTape()
			c.tell(tape, tape.process("web", "web1"), tape.process("mailer", "worker1"))
			fold, asked := tape.fold(), 0
			s, _ := fold.Story("7f3c")
			checkWhole(t, slices.DeleteFunc(slices.Clone(tape.items), func(it Item) bool { return it.Event.InteractionID != "7f3c" }), s)
			tree, err := s.Tree(TreeOptions{Job: "job-mail"})
			if err != nil {
				t.Fatal(err)
			}
			if err := tree.Ascend(func(cause Cause) (*Story, error) {
				asked++
				return findIn(fold, &s, cause), nil
			}); err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, a := range tree.Ascents {
				for _, s := range a.Steps {
					got = append(got, stepText(s))
				}
			}
			if diff := cmp.Diff(c.want, strings.Join(got, "\n")); diff != "" || asked > 4 {
				t.Errorf("asked %d times (-want +got):\n%s", asked, diff)
			}
			if text := renderedTree(t, tree, RenderOptions{}); c.top != "" && !strings.Contains(text, "claims: "+c.top) {
				t.Errorf("no %q in\n%s", c.top, text)
			}
			if doc := JSONTree(tree); len(doc.Ascents) != len(tree.Ascents) {
				t.Errorf("%d ascents in the document", len(doc.Ascents))
			}
		})
	}
}

// findIn is what a log does; self is the story at hand, which a log has folded but once.
func findIn(f *Fold, self *Story, c Cause) *Story {
	for _, s := range f.Stories() {
		if s.InteractionID == self.InteractionID {
			s = *self
		}
		for _, e := range s.Events {
			if c.How == ByParent && e.Event.Job != nil && e.Event.Job.ID == c.JobID || c.How != ByParent && e.Event.EventID == c.Event {
				if s.InteractionID == self.InteractionID {
					return self
				}
				return &s
			}
		}
	}
	return nil
}

func stepText(s Step) string {
	text := s.How + " "
	switch {
	case s.Job != nil:
		text += s.Job.ID
	case s.Entry != nil:
		text += s.Entry.Event.EventType
	case s.How == ByParent:
		text += s.JobID + " not found"
	default:
		text += s.System + " " + s.Ref + " not found"
	}
	if s.Story != nil && s.Story.InteractionID != "7f3c" {
		text += " in " + s.Story.InteractionID
	}
	if s.Circle {
		text += " circle"
	}
	return text
}

// What is asked of a finder is bounded, however many interactions a line of causes goes through; and its error is passed on.
func TestAscendAsksABoundedNumberOfTimes(t *testing.T) {
	tape := newTape()
	s := tape.process("web", "web1")
	s.asks("mail", upstream("web", uuid("cause", 0).String()))
	tree, err := func() (*Tree, error) { s := tape.story(); return s.Tree(TreeOptions{}) }()
	if err != nil {
		t.Fatal(err)
	}
	asked := 0
	if err := tree.Ascend(func(c Cause) (*Story, error) { // each has a cause of its own, without end
		asked++
		tape := newTape()
		tape.process("web", "web1").say("user_updated", func(e *event.Event) {
			e.InteractionID, e.EventID, e.CausationID = fmt.Sprint(asked), c.Event, uuid("cause", byte(asked))
		})
		s, _ := tape.fold().Story(fmt.Sprint(asked))
		return &s, nil
	}); err != nil || asked != maxFinds {
		t.Errorf("asked %d times, %v", asked, err)
	}
	if last := tree.Ascents[0].Steps[maxFinds]; !last.Unsought {
		t.Errorf("the last step: %+v", last)
	}
	tree.Ascents = nil
	if err := tree.Ascend(func(Cause) (*Story, error) { return nil, errFull }); !errors.Is(err, errFull) {
		t.Errorf("%v", err)
	}
}

// Whatever is recorded: who follows the pages of a tree sees every job once, no page is larger than it may be, and nothing
// but printable text leaves.
func TestPagesShowEveryJobOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tape := drawTape(t)
		ids := rapid.SampledFrom([]string{"", "x", "y", "z", "v", "w", "u"})
		for i := range tape.items {
			if j := tape.items[i].Event.Job; j != nil {
				j.ID, j.ParentID = "j"+ids.Draw(t, "job"), ids.Draw(t, "parent")
				if j.ParentID != "" {
					j.ParentID = "j" + j.ParentID
				}
			}
		}
		s := tape.story()
		checkWhole(t, tape.items, s)
		o := TreeOptions{Children: rapid.IntRange(1, 3).Draw(t, "children"), Rows: rapid.IntRange(2, 6).Draw(t, "rows")}
		seen := make(map[*Job]int)
		pages := []TreeOptions{o}
		for n := 0; len(pages) > 0; n++ {
			if n > 200 {
				t.Fatalf("pages without end")
			}
			page := pages[0]
			pages = pages[1:]
			tree, err := s.Tree(page)
			if err != nil {
				t.Fatalf("%+v: %v", page, err)
			}
			if err := tree.Ascend(nil); err != nil {
				t.Fatalf("%v", err)
			}
			renderedTree(t, tree, RenderOptions{Width: 80, Now: day.Add(time.Hour)})
			if _, err := json.Marshal(JSONTree(tree)); err != nil {
				t.Fatalf("%v", err)
			}
			all := slices.Concat(tree.Branches, tree.Orphans)
			if len(all) > o.Rows || len(tree.Ascents) > maxAscents {
				t.Fatalf("%d rows, %d ascents", len(all), len(tree.Ascents))
			}
			for _, b := range all {
				if b.Job.ID != page.Job || page.After != "" {
					seen[b.Job]++
				}
				switch {
				case b.Left > 0 && b.After != nil:
					pages = append(pages, TreeOptions{After: b.After.ID, Children: o.Children, Rows: o.Rows})
				case b.Left > 0:
					pages = append(pages, TreeOptions{Job: b.Job.ID, Children: o.Children, Rows: o.Rows})
				}
			}
			next := func(list []Branch, left int) {
				for _, b := range slices.Backward(list) {
					if b.Depth == 0 && left > 0 {
						pages = append(pages, TreeOptions{After: b.Job.ID, Children: o.Children, Rows: o.Rows})
						return
					}
				}
			}
			next(tree.Branches, tree.Left)
			next(tree.Orphans, tree.OrphansLeft)
		}
		for _, j := range s.all() {
			if seen[j] != 1 {
				t.Fatalf("job %q was shown %d times", j.ID, seen[j])
			}
		}
	})
}
