package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"time"

	"github.com/stetlog/stet/event"
)

// events measures one core: what a door does with a sealed event that it is sent, and what an emitter does to make one.
func events(_ context.Context, c config, t *table) error {
	b, err := measure(c)
	if err != nil {
		return err
	}
	all, err := pool(512)
	if err != nil {
		return err
	}
	size := 0
	for _, e := range all {
		size += len(e)
	}
	t.row("mean size", fmt.Sprintf("%d B", size/len(all)), "")
	report := func(what string, fn func(i int) error) error {
		i := 0
		per, err := each(c.duration, func() error { i++; return fn(i) })
		if err != nil {
			return err
		}
		allocs, bytes := allocations(func() error { i++; return fn(i) })
		t.row(what, micros(per), "%s at DESIGN's speed; %.2f of a verified signature; %.1f allocations, %.0f B",
			micros(time.Duration(float64(per)/b.slower())), float64(per)/float64(b.verify), allocs, bytes)
		return nil
	}
	checked := func(c event.Codec) func(int) error {
		return func(i int) error {
			_, err := c.Check(all[i%len(all)])
			return err
		}
	}
	if err := report("check", checked(event.Codec{})); err != nil {
		return err
	}
	if err := report("check, secrets refused", checked(event.Codec{RefuseSecrets: true})); err != nil {
		return err
	}
	rng := rand.New(rand.NewPCG(3, 4))
	fresh := make([]*event.Event, len(all))
	for i := range fresh {
		fresh[i] = made(rng, i)
	}
	var codec event.Codec
	var scratch event.Scratch
	buf := make([]byte, 0, 4096)
	return report("redact, sanitise, write and check", func(i int) error {
		_, err := codec.AppendWith(&scratch, buf, fresh[i%len(fresh)])
		return err
	})
}

// allocations is how much one call of fn allocates, on average.
func allocations(fn func() error) (n, bytes float64) {
	const calls = 2048
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range calls {
		_ = fn() // it succeeded a moment ago
	}
	runtime.ReadMemStats(&after)
	return float64(after.Mallocs-before.Mallocs) / calls, float64(after.TotalAlloc-before.TotalAlloc) / calls
}
