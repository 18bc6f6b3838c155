// Command mutants breaks the code in known ways, one at a time, and runs the tests that must notice. A mutant that no
// test notices is a promise that nobody keeps; the command then exits 1.
//
//	go run ./mutants                     all of mutants/list, two at a time
//	go run ./mutants -only 'seal chain'  those whose promise contains these words
//	go run ./mutants -v                  with the output of the tests that noticed
//
// A mutant is killed when it compiles, and a test fails that passes without it. So the tests are run once over the tree
// as it is before anything is broken: a red tree is not taken for a kill. Nothing in the tree is changed; each mutant is
// an overlay of the build.
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
	jobs := flag.Int("j", 2, "run `n` at a time")
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
	r := runner{root: root, jobs: max(1, jobs), verbose: verbose, out: os.Stdout}
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
}

// run tests the tree as it is, then every mutant, and reports one line each. It returns errAlive where one of them was
// not killed, for whatever reason.
func (r runner) run(ctx context.Context, all []mutant) error {
	begin := time.Now()
	if err := r.control(ctx, all); err != nil {
		return err
	}
	r.printf("the tests pass without a mutant (%.1fs)\n", time.Since(begin).Seconds())

	var mu sync.Mutex // guards what follows, and the output
	count := map[verdict]int{}
	r.each(len(all), func(i int) {
		start := time.Now()
		res := r.kill(ctx, all[i])
		mu.Lock()
		defer mu.Unlock()
		count[res.verdict]++
		r.printf("%-6s %5.1fs  %s: %s\n", res.verdict, time.Since(start).Seconds(), all[i].promise, res.why)
		if r.verbose && len(res.output) > 0 {
			r.printf("%s\n", indent(res.output))
		}
	})
	if err := ctx.Err(); err != nil {
		return err
	}
	r.printf("%d mutants: %d killed, %d alive, %d broken, in %.0fs\n",
		len(all), count[killed], count[alive], count[broken], time.Since(begin).Seconds())
	if count[killed] < len(all) {
		return errAlive
	}
	return nil
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

func (r runner) printf(format string, args ...any) {
	_, _ = fmt.Fprintf(r.out, format, args...) // the exit code says what matters
}

func indent(s string) string {
	return "\t" + strings.ReplaceAll(strings.TrimRight(s, "\n"), "\n", "\n\t")
}
