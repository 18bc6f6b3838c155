package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/term"

	"github.com/stetlog/stet/internal/story"
)

// tales finds stories in a log and tells them.
type tales interface {
	look(word string) ([]match, error) // the interactions that a word means, in the order in which they began
	tell(interaction string) (*story.Story, error)
	tellAll(interactions []string) ([]*story.Story, error)
	find(story.Cause) (*story.Story, error) // a story.Finder
	lacks() error                           // what of the log could not be read for all that; nil where nothing is lacking
}

type storyCmd struct {
	storeFlag
	Which         string `arg:"" optional:"" help:"An interaction, job or run id, or at least 8 bytes of its beginning, an event's id or its entry's number, or a job's name (its latest story); otherwise the latest story."`
	Tree          bool   `help:"Show the lineage: what it goes back to, and every job of it in a row."`
	ChildrenAfter string `help:"With --tree: the jobs that stand behind this one among those of its parent." placeholder:"JOB"`
	Diff          bool   `help:"Show what differs: the states that runs recorded before and after, and one attempt of a job and the next."`
	Full          bool   `help:"Show children in full."`
	List          bool   `help:"List the latest stories instead, one a line."`
	Scan          bool   `help:"Read the whole log of a server instead of asking its index, which could leave something out."`
	Limit         int    `help:"How many stories --list shows; how many jobs any list of them has." default:"20"`
	JSON          bool   `help:"Print JSON."`
}

func (c *storyCmd) Run(e *env) (err error) {
	if c.ChildrenAfter != "" {
		c.Tree = true
		c.Which = firstOf(c.Which, c.ChildrenAfter)
	}
	switch {
	case c.Limit < 1:
		return usage("--limit %d: it is 1 or more", c.Limit)
	case several(c.List, c.Tree, c.Diff, c.Full):
		return usage("--list, --tree, --diff and --full exclude each other")
	}
	w, done, err := c.live(e)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, done()) }()
	var t tales = &teller{e: e, log: w.log}
	if w.ask != nil && !c.Scan {
		if t, err = newAskedTeller(e, w, c.Limit); err != nil {
			return err
		}
	}
	found, err := t.look(c.Which)
	if err != nil {
		return err
	}
	if c.List {
		return errors.Join(c.list(e, t, found), shown(t.lacks()))
	}
	if len(found) == 0 {
		err = fmt.Errorf("no story of %q in %s; stet story --list shows the latest", c.Which, w.log.Name)
		if c.Which == "" {
			err = fmt.Errorf("no job has a story in %s yet", w.log.Name)
		}
		if lacks := t.lacks(); lacks != nil {
			err = exit{exitIntegrity, fmt.Errorf("%w, as far as it can be read: %w", err, lacks)}
		}
		return err
	}
	last := found[len(found)-1]
	tale, err := t.tell(last.interaction)
	if err != nil {
		return err
	}
	o := story.RenderOptions{Width: width(e.stdout), Colour: colour(e.stdout), Full: c.Full, LocalOnly: !c.remote(), Limit: c.Limit, Now: time.Now()}
	switch {
	case c.Tree:
		err = c.tree(e, t, tale, last, o)
	case c.Diff:
		err = c.diff(e, tale, last, o)
	case c.JSON:
		err = printJSON(e, story.JSON(*tale))
	default:
		o.Job = last.job
		err = story.Render(e.stdout, *tale, o)
	}
	if err == nil && len(found) > 1 {
		_, _ = fmt.Fprintf(e.stderr, "stet: the latest of %d stories; stet story --list shows the others\n", len(found))
	}
	if err == nil {
		err = shown(t.lacks())
	}
	return err
}

// tree prints the lineage: of one job where one was named, else of the whole interaction.
func (c *storyCmd) tree(e *env, t tales, tale *story.Story, m match, o story.RenderOptions) error {
	to := story.TreeOptions{After: c.ChildrenAfter, Children: c.Limit}
	if c.ChildrenAfter == "" && m.byJob {
		to.Job = m.job
	}
	tree, err := tale.Tree(to)
	if err != nil {
		return err
	}
	if err := tree.Ascend(t.find); err != nil {
		return err
	}
	if c.JSON {
		return printJSON(e, story.JSONTree(tree))
	}
	return story.RenderTree(e.stdout, tree, o)
}

// diff prints what differs in a job where one was named, else in all of the interaction.
func (c *storyCmd) diff(e *env, tale *story.Story, m match, o story.RenderOptions) error {
	all, left := tale.Differences(m.job)
	if c.JSON {
		return printJSON(e, story.JSONDifferences(*tale, all, left))
	}
	return story.RenderDifferences(e.stdout, *tale, all, left, o)
}

// several reports whether more than one of some flags was given.
func several(flags ...bool) bool {
	n := 0
	for _, f := range flags {
		if f {
			n++
		}
	}
	return n > 1
}

func (c *storyCmd) list(e *env, t tales, found []match) error {
	found = found[max(len(found)-c.Limit, 0):]
	ids := make([]string, 0, len(found))
	for i := len(found) - 1; i >= 0; i-- {
		ids = append(ids, found[i].interaction)
	}
	last, err := t.tellAll(ids)
	if err != nil {
		return err
	}
	if c.JSON {
		docs := make([]story.Document, len(last))
		for i, s := range last {
			docs[i] = story.JSON(*s)
		}
		return printJSON(e, docs)
	}
	for _, s := range last {
		if _, err := fmt.Fprintln(e.stdout, story.Line(*s)); err != nil {
			return err
		}
	}
	return nil
}

func printJSON(e *env, v any) error {
	enc := json.NewEncoder(e.stdout)
	enc.SetEscapeHTML(false)
	if terminal(e.stdout) {
		enc.SetIndent("", "  ")
	}
	return enc.Encode(v)
}

// terminal says whether a person is looking.
func terminal(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }

// colour is wanted on a terminal, unless NO_COLOR says otherwise (no-color.org).
func colour(f *os.File) bool { return terminal(f) && os.Getenv("NO_COLOR") == "" }

// width is where to wrap; elsewhere than on a terminal nothing is wrapped.
func width(f *os.File) int {
	w, _, err := term.GetSize(int(f.Fd()))
	if err != nil || w == 0 {
		return 0 // no terminal, or one that does not know
	}
	return max(w, 40)
}
