package server

import "sync"

// maxGaps is how many streams with a hole are remembered; of more, any is forgotten.
const maxGaps = 4096

// gaps are the streams whose last answer was that numbers are missing.
type gaps struct {
	mu  sync.Mutex
	all map[string]struct{}
}

func newGaps() *gaps { return &gaps{all: map[string]struct{}{}} }

func (g *gaps) open(stream string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if _, ok := g.all[stream]; ok {
		return
	}
	if len(g.all) >= maxGaps {
		for one := range g.all {
			delete(g.all, one)
			break
		}
	}
	g.all[stream] = struct{}{}
}

func (g *gaps) close(stream string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.all, stream)
}

func (g *gaps) count() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.all)
}
