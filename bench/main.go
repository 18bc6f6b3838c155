// Command bench measures what DESIGN's section "Speed" sets aims for, in one run on one machine, and prints each figure
// beside what bounds it there: the limit program (a bare write-ahead log with group commit, leaf hashes, a Merkle tree),
// the bare fdatasync, the bare signature. Times differ between machines and between minutes; the ratios much less.
//
//	go run .                      all of it, about three minutes
//	go run . -duration 30s        as the aims are stated
//	go run . -only 'ledger|disk'  some of it
//	go run . -only find           what is asked over HTTP of a million events; -found 10000000 -log DIR of ten, which DIR keeps
//	go run . -only '^ui$'         what the pages of the web UI cost in a million events; -log DIR keeps those, for half a day
//
// Nothing here fails because it was slow: what the figures mean is in docs/performance.md.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"runtime/pprof"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	var err error
	if len(os.Args) == 3 && os.Args[1] == bareFlag {
		err = serveBare(ctx, os.Args[2], os.Stdout)
	} else {
		err = run(ctx, os.Args[1:], os.Stdout)
	}
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// config is what a run is asked for.
type config struct {
	duration time.Duration  // of each timed measurement; those of a fixed amount of work do not look at it
	shapes   *regexp.Regexp // of the ledger's and the server's rows
	events   int            // of the log that is verified
	batches  int            // of the spool that is drained
	dir      string         // a directory of the run's own, on the disk to be measured
	memory   string         // the same in memory, or "" where there is none
	root     string         // of the module stet, to build the command
	found    int            // in the log that is searched and looked at over HTTP
	log      string         // a generated log to index, made where it is missing and kept; "" for one that is not kept
}

// A section measures some rows, and may use what an earlier one found.
type section struct {
	name string
	run  func(ctx context.Context, c config, t *table) error
}

func sections() []section {
	return []section{
		{"machine", machine},
		{"event", events},
		{"ledger", ledgers},
		{"verify", verification},
		{"rest", atRest},
		{"sdk", sdk},
		{"drain", drain},
		{"command", command},
		{"server", servers},
		{"index", indexing},
		{"indexed", indexed},
		{"find", finding},
		{"ui", ui},
	}
}

func run(ctx context.Context, args []string, out io.Writer) (err error) {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(out)
	var c config
	flags.DurationVar(&c.duration, "duration", 3*time.Second, "of each timed measurement")
	flags.IntVar(&c.events, "events", 100_000, "in the log that is verified, and in the one that is indexed")
	flags.IntVar(&c.found, "found", 0, "in the log that is searched and looked at over HTTP; 0: 1,000,000 with -only find or -only '^ui$', otherwise as many as -events")
	flags.IntVar(&c.batches, "batches", 10_000, "of one event each, in the spool that is drained")
	flags.StringVar(&c.root, "root", "..", "where the module stet is")
	flags.StringVar(&c.log, "log", "", "a `directory` for the log that is indexed, made where it is missing, and kept")
	only := flags.String("only", "", "run the sections whose name matches this `pattern`")
	shapes := flags.String("shapes", "", "of the ledger's, the server's and the UI's rows measure those that match this `pattern`, such as '1024.*100' or 'batches|singles'")
	dir := flags.String("dir", "", "a directory on the disk to be measured; the current one where empty")
	profile := flags.String("cpuprofile", "", "write a profile of the whole run to this `file`")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if c.found == 0 {
		if c.found = c.events; *only == "find" || *only == "^ui$" {
			c.found = 1_000_000
		}
	}
	if *dir == "" {
		*dir = "." // the temporary directory may be in memory
	}
	if c.dir, err = os.MkdirTemp(*dir, ".stet-bench-"); err != nil {
		return err
	}
	if c.dir, err = filepath.Abs(c.dir); err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(c.dir) }()
	if c.memory, err = os.MkdirTemp("/dev/shm", "stet-bench-"); err != nil {
		c.memory = "" // not Linux, or not mounted: rows that need it say so
	} else {
		defer func() { _ = os.RemoveAll(c.memory) }()
	}
	wanted, err := regexp.Compile(*only)
	if err != nil {
		return fmt.Errorf("-only: %w", err)
	}
	if c.shapes, err = regexp.Compile(*shapes); err != nil {
		return fmt.Errorf("-shapes: %w", err)
	}
	if *profile != "" {
		f, err := os.Create(*profile)
		if err != nil {
			return err
		}
		if err := pprof.StartCPUProfile(f); err != nil {
			return err
		}
		defer func() {
			pprof.StopCPUProfile()
			if cerr := f.Close(); err == nil {
				err = cerr
			}
		}()
	}
	t := &table{out: out}
	t.printf("%s, %d processors, %s, %v a measurement\n", runtime.GOARCH, runtime.GOMAXPROCS(0), runtime.Version(), c.duration)
	for _, s := range sections() {
		if !wanted.MatchString(s.name) {
			continue
		}
		t.printf("\n%s\n", s.name)
		if err := s.run(ctx, c, t); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return t.err
}
