package webui

import (
	"encoding/json"

	"github.com/stetlog/stet/internal/story"
)

// What the API answers, as far as pages look at it; docs/openapi.yaml describes it.

// searched says what an answer is about.
type searched struct {
	Indexed, Size        uint64
	Complete, Rebuilding bool
	Unread               string
	App, Environment     *string
}

// foundRows is stet.found/1.
type foundRows struct {
	Query    string
	Searched searched
	Rows     []foundRow
	Next     string
}

type foundRow struct {
	Seq        uint64
	Doubt, Key string
	Entry      json.RawMessage
}

// counts is stet.counts/1.
type counts struct {
	Searched searched
	Count    uint64
	AtLeast  bool `json:"at_least"`
	Facet    *struct {
		Field  string
		Values []struct {
			Value   string
			Count   uint64
			AtLeast bool `json:"at_least"`
		}
		More bool
	}
	Histogram []struct {
		From, Until string
		Count       uint64
		AtLeast     bool `json:"at_least"`
	}
}

type doubt struct {
	Seq   uint64
	Doubt string
}

// foundStory is stet.found_story/1.
type foundStory struct {
	Searched        searched
	More            bool
	Doubts          []doubt
	Story           story.Document
	Differences     []story.JSONDifference
	DifferencesLeft int `json:"differences_left"`
}

// provenEntry is stet.entry/1.
type provenEntry struct {
	Seq        uint64
	Entry      json.RawMessage
	Leaf       string
	Size       uint64
	Proof      []string
	Checkpoint string
	Seal       *uint64
	Doubt      string
}

// logIs is stet.log/1.
type logIs struct {
	Origin   string
	LogKey   string `json:"log_key"`
	StoreKey string `json:"store_key"`
}
