package server

import "sync"

// maxGaps is how many streams with a hole are remembered; of more, the oldest is forgotten.
const maxGaps = 4096

// gaps are the streams whose last answer was that numbers are missing.
type gaps struct {
	mu    sync.Mutex
	all   map[string]bool
	order []string
}

func newGaps() *gaps { return &gaps{all: map[string]bool{}} }

func (g *gaps) open(stream string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.all[stream] {
		return
	}
	if len(g.all) >= maxGaps {
		for len(g.order) > 0 {
			oldest := g.order[0]
			g.order = g.order[1:]
			if g.all[oldest] {
				delete(g.all, oldest)
				break
			}
		}
	}
	g.all[stream] = true
	g.order = append(g.order, stream)
}

func (g *gaps) close(stream string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.all, stream)
	if len(g.all) == 0 {
		g.order = nil
	}
}

func (g *gaps) count() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.all)
}
