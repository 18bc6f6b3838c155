package exhibit

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"iter"
	"strings"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/evidence"
	"github.com/stetlog/stet/internal/story"
	"github.com/stetlog/stet/proof"
)

// MaxStories is how many events the stories are made of at most; further ones are in the table only.
const MaxStories = 20_000

//go:embed stories.html
var page string

// told is what the page of stories shows.
type told struct {
	evidence.Contents
	Log     Log
	Root    string
	Stories []oneStory
	Events  int
	More    bool
	Most    int
	Stubs   int
}

type oneStory struct{ Title, Text string }

// writeStories tells the stories of what was found, by the one fold that tells them everywhere.
func writeStories(w io.Writer, c evidence.Contents, l Log, storeKey string, found func() iter.Seq2[hit, error]) error {
	t := told{Contents: c, Log: l, Root: l.Root.String(), Most: MaxStories}
	var f story.Fold
	for h, err := range found() {
		if err != nil {
			return err
		}
		if h.Event == nil {
			t.Stubs++
			continue
		}
		if t.Events == MaxStories {
			t.More = true
			break
		}
		t.Events++
		item := story.Item{Seq: h.Seq, HasSeq: true, EntryHash: proof.LeafHash(h.raw), EventHash: proof.LeafHash(h.Event)}
		if item.Event, err = event.Parse(h.Event); err != nil {
			return err
		}
		if item.ReceivedAt, err = proof.ParseTime(h.ReceivedAt); err != nil {
			return err
		}
		if item.Via, err = proof.ParseVia(h.Via); err != nil {
			return err
		}
		if h.seal != nil {
			item.KeyID, item.StoreKey = proof.KeyID(h.seal.Key), h.seal.Key == storeKey
		}
		f.Add(item)
	}
	for _, s := range f.Stories() {
		var text strings.Builder
		if err := story.Render(&text, s, story.RenderOptions{Width: storyWidth}); err != nil {
			return err
		}
		t.Stories = append(t.Stories, oneStory{story.Line(s), text.String()})
	}
	p, err := template.New("stories").Parse(page)
	if err != nil {
		return fmt.Errorf("the page of stories: %w", err)
	}
	return p.Execute(w, t)
}

// storyWidth is where the lines of stories are broken, in characters.
const storyWidth = 110
