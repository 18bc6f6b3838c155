// Command mutants breaks the code in known ways, one at a time, and runs the tests that must notice. A mutant that no
// test notices is a promise that nobody keeps; the command then exits 1.
//
//	go run ./mutants                     all of mutants/list, three at a time
//	go run ./mutants -only 'seal chain'  those whose promise contains these words
//	go run ./mutants -v                  with the output of the tests that noticed
//
// A mutant is killed when it compiles, and a test fails that passes without it: a red tree is not taken for a kill. Nothing
// in the tree is changed; what is broken is an overlay of the build. Most mutants are compiled together (see weave.go);
// those that cannot be, and those that nobody noticed that way, are compiled alone, which has the last word.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"sync"
	"time"
)

// list are the files in which the mutants stand, below the module's root.
const list = "mutants/list/*.txt"

func main() {
	only := flag.String("only", "", "run the mutants whose promise contains `words`")
	jobs := flag.Int("j", 3, "run `n` at a time")
	verbose := flag.Bool("v", false, "show what the tests said")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := start(ctx, *only, *jobs, *verbose); err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		os.Exit(1)
	}
}

func start(ctx context.Context, only string, jobs int, verbose bool) error {
	root, err := os.Getwd()
	if err != nil {
		return err
	}
	all, err := read(root)
	if err != nil {
		return err
	}
	var chosen []mutant
	for _, m := range all {
		if strings.Contains(m.promise, only) {
			chosen = append(chosen, m)
		}
	}
	if len(chosen) == 0 {
		return fmt.Errorf("no promise in %s contains %q", list, only)
	}
	r := runner{root: root, jobs: max(1, jobs), verbose: verbose, out: os.Stdout, mu: new(sync.Mutex)}
	return r.run(ctx, chosen)
}

// errAlive says that the tests do not hold what they should.
var errAlive = errors.New("not every break was noticed")

// runner runs mutants of the module at root, several at a time.
type runner struct {
	root    string
	jobs    int
	verbose bool
	out     io.Writer
	mu      *sync.Mutex // guards out
}

// run reports one line a mutant. It returns errAlive where one of them was not killed, for whatever reason.
func (r runner) run(ctx context.Context, all []mutant) error {
	begin := time.Now()
	results, err := r.together(ctx, all)
	if err != nil {
		return err
	}
	var alone []int
	for i := range all {
		if results[i].verdict != killed {
			alone = append(alone, i)
		}
	}
	if len(alone) > 0 {
		if err := r.oneByOne(ctx, all, results, alone); err != nil {
			return err
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	count := map[verdict]int{}
	for _, res := range results {
		count[res.verdict]++
	}
	r.printf("%d mutants: %d killed, %d alive, %d broken, %d compiled alone, in %.0fs\n",
		len(all), count[killed], count[alive], count[broken], len(alone), time.Since(begin).Seconds())
	if count[killed] < len(all) {
		return errAlive
	}
	return nil
}

// together kills what it can of all mutants in one copy of the tree; the others have no verdict.
func (r runner) together(ctx context.Context, all []mutant) ([]result, error) {
	results := make([]result, len(all))
	dir, err := os.MkdirTemp("", "stet-mutants-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }() // what is left there harms nobody
	w, err := r.weave(dir, all)
	if err != nil {
		return nil, err
	}
	if err := r.build(ctx, w, all); err != nil {
		return nil, err
	}
	r.each(len(all), func(i int) {
		start := time.Now()
		if res, ok := r.wake(ctx, w, all[i]); ok {
			res.took = time.Since(start)
			results[i] = res
		}
	})
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	r.whileAsleep(ctx, w, all, results)
	for i, res := range results {
		if res.verdict == killed {
			r.report(all[i], res, "")
		}
	}
	return results, nil
}

// oneByOne tests the tree as it is, and then some mutants, each compiled alone.
func (r runner) oneByOne(ctx context.Context, all []mutant, results []result, which []int) error {
	some := make([]mutant, len(which))
	for n, i := range which {
		some[n] = all[i]
	}
	if err := r.control(ctx, some); err != nil {
		return err
	}
	r.each(len(which), func(n int) {
		start := time.Now()
		res := r.kill(ctx, some[n])
		res.took = time.Since(start)
		results[which[n]] = res
		r.report(some[n], res, " (compiled alone)")
	})
	return nil
}

// report prints what became of a mutant.
func (r runner) report(m mutant, res result, how string) {
	line := fmt.Sprintf("%-6s %5.1fs  %s: %s%s\n", res.verdict, res.took.Seconds(), m.promise, res.why, how)
	if r.verbose && len(res.output) > 0 {
		line += indent(res.output) + "\n"
	}
	r.printf("%s", line)
}

// each calls fn for 0 to n-1, r.jobs at a time.
func (r runner) each(n int, fn func(i int)) {
	var wg sync.WaitGroup
	next := make(chan int)
	for range min(r.jobs, n) {
		wg.Go(func() {
			for i := range next {
				fn(i)
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	wg.Wait()
}

// printf may be called by several goroutines.
func (r runner) printf(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, _ = fmt.Fprintf(r.out, format, args...) // the exit code says what matters
}

func indent(s string) string {
	return "\t" + strings.ReplaceAll(strings.TrimRight(s, "\n"), "\n", "\n\t")
}
