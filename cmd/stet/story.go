package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/term"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/store"
	"github.com/stetlog/stet/internal/story"
)

type storyCmd struct {
	storeFlag
	Which string `arg:"" optional:"" help:"An interaction, job or run id, or at least 8 bytes of its beginning, or a job's name (its latest story); otherwise the latest story."`
	Tree  bool   `help:"Show children in full."`
	List  bool   `help:"List the latest stories instead, one a line."`
	Limit int    `help:"How many stories --list shows." default:"20"`
	JSON  bool   `help:"Print JSON."`
}

func (c *storyCmd) Run(e *env) (err error) {
	s, done, err := c.reading(e)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, done()) }()
	stories, err := c.stories(e, s)
	if err != nil {
		return err
	}
	if c.List {
		return c.list(e, stories)
	}
	found, others := c.choose(stories)
	if found == nil {
		return fmt.Errorf("no story of %q among %d in %s; stet story --list shows the latest", c.Which, len(stories), s.Name)
	}
	if c.JSON {
		return printJSON(e, story.JSON(*found))
	}
	if err := story.Render(e.stdout, *found, story.RenderOptions{Width: width(e.stdout), Colour: colour(e.stdout), Tree: c.Tree, LocalOnly: !c.remote()}); err != nil {
		return err
	}
	if others > 0 {
		_, _ = fmt.Fprintf(e.stderr, "stet: the latest of %d stories; stet story --list shows the others\n", others+1)
	}
	return nil
}

// stories folds what can matter: where an interaction is named in full, only that one is kept in memory.
func (c *storyCmd) stories(e *env, s *store.Reading) ([]story.Story, error) {
	var f story.Fold
	var want func(event.Ref) bool
	if id, err := event.ParseUUID(c.Which); err == nil {
		exact := id.String()
		want = func(r event.Ref) bool { return string(r.InteractionID) == exact }
		if err := s.Items(e.ctx, &f, want); err != nil {
			return nil, err
		}
		if all := f.Stories(); len(all) > 0 {
			return all, nil
		}
	}
	if err := s.Items(e.ctx, &f, nil); err != nil {
		return nil, err
	}
	return f.Stories(), nil
}

// choose finds the story that is meant, the latest where several are. others counts the rest that matched.
func (c *storyCmd) choose(all []story.Story) (found *story.Story, others int) {
	for i := range all {
		if !ownStory(all[i]) && c.Which == "" || !c.matches(all[i]) {
			continue
		}
		if found != nil {
			others++
		}
		found = &all[i]
	}
	return found, others
}

// ownStory is one that is not the store's own housekeeping.
func ownStory(s story.Story) bool { return len(s.Jobs)+len(s.Orphans) > 0 }

func (c *storyCmd) matches(s story.Story) bool {
	if c.Which == "" || c.begins(s.InteractionID) {
		return true
	}
	for _, item := range s.Events {
		if j := item.Event.Job; j != nil && (j.Name == c.Which || c.begins(j.ID) || c.begins(j.RunID)) {
			return true
		}
	}
	return false
}

// minPrefix is the shortest beginning of an id that is taken for one, in bytes: a short word is a job's name, and one such
// as "feed" or "b2" may well be what some id begins with.
const minPrefix = 8

func (c *storyCmd) begins(id string) bool {
	return id == c.Which || len(c.Which) >= minPrefix && strings.HasPrefix(id, c.Which)
}

func (c *storyCmd) list(e *env, all []story.Story) error {
	var last []story.Story
	for i := len(all) - 1; i >= 0 && len(last) < c.Limit; i-- {
		if (c.Which != "" || ownStory(all[i])) && c.matches(all[i]) {
			last = append(last, all[i])
		}
	}
	if c.JSON {
		docs := make([]story.Document, len(last))
		for i, s := range last {
			docs[i] = story.JSON(s)
		}
		return printJSON(e, docs)
	}
	for _, s := range last {
		if _, err := fmt.Fprintln(e.stdout, story.Line(s)); err != nil {
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
