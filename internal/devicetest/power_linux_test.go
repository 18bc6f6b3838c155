package devicetest

import (
	"bufio"
	"context"
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stetlog/stet"
)

// work is a worker on the disk mounted at dir: it records and drains without end, and says on its standard output what it
// was told, and when. The pipe is no part of the disk, so what it says is known whatever becomes of that.
func work(dir string) {
	ctx := context.Background()
	var mu sync.Mutex
	say := func(format string, args ...any) {
		mu.Lock()
		defer mu.Unlock()
		if _, err := fmt.Printf("%d "+format+"\n", append([]any{time.Now().UnixNano()}, args...)...); err != nil {
			os.Exit(0) // nobody listens any more
		}
	}
	failed := func(what string, err error) { say("E %s: %q", what, err.Error()); os.Exit(0) }
	boot := strconv.FormatInt(time.Now().UnixNano(), 36)
	rec, err := stet.Open(ctx, storeIn(dir), options(dir))
	if err != nil {
		failed("open", err)
	}
	var all sync.WaitGroup
	for w := range 3 {
		all.Go(func() {
			for i := 0; ; i++ {
				id := fmt.Sprintf("%s-%d-%d", boot, w, i)
				if err := rec.Record(ctx, said(id, 40+i%700)); err != nil {
					failed("record", err)
				}
				say("A %s", id)
			}
		})
	}
	all.Go(func() { // short lives: spools that begin, end and are removed
		for i := 0; ; i++ {
			id := fmt.Sprintf("%s-short-%d", boot, i)
			short, err := stet.Open(ctx, storeIn(dir), options(dir))
			if err != nil {
				failed("open another", err)
			}
			if err := short.Record(ctx, said(id, 10)); err != nil {
				failed("record in another", err)
			}
			say("A %s", id)
			if err := short.Close(); err != nil {
				failed("close another", err)
			}
		}
	})
	all.Go(func() {
		for {
			cp, err := drain(ctx, dir)
			if err != nil {
				failed("drain", err)
			}
			if cp != nil {
				say("C %s", base64.StdEncoding.EncodeToString(cp))
			}
		}
	})
	all.Wait()
}

// life runs a worker until it has said so many things, cuts the power, and takes in what it was told.
func (c *told) life(t *testing.T, d *disk, lines int, how uint32) (err error) {
	t.Helper()
	worker := exec.Command("/proc/self/exe")
	worker.Env = append(os.Environ(), envWorker+"="+d.dir)
	worker.Stderr = os.Stderr
	out, err := worker.StdoutPipe()
	must(t, err)
	must(t, worker.Start())
	said := bufio.NewScanner(out)
	said.Buffer(nil, 1<<20)
	var cut int64 // when the power went; 0: not yet
	for n := 0; said.Scan(); n++ {
		stamp, rest, _ := strings.Cut(said.Text(), " ")
		at, perr := strconv.ParseInt(stamp, 10, 64)
		must(t, perr)
		kind, what, _ := strings.Cut(rest, " ")
		switch {
		case cut > 0 && at >= cut:
			// On a computer without power nobody is told anything. The kernel goes on, and while it shuts a file system down it
			// lets an fdatasync that is under way return nil for bytes that it drops (seen on 6.18, with bare writes too).
		case kind == "A":
			c.acked[what] = true
		case kind == "C":
			msg, err := base64.StdEncoding.DecodeString(what)
			must(t, err)
			if n := len(c.seen); n == 0 || string(c.seen[n-1]) != string(msg) {
				c.seen = append(c.seen, msg)
			}
		case err == nil:
			err = fmt.Errorf("before the power cut: %s", rest)
		}
		if n == lines {
			cut = time.Now().UnixNano()
			d.cut(how)
			must(t, worker.Process.Kill())
		}
	}
	must(t, said.Err())
	_ = worker.Wait() // it was killed
	if cut == 0 && err == nil {
		err = fmt.Errorf("it ended before the power cut")
	}
	return err
}

// powerCuts is how many power cuts there are (THREATS asks for 200 each change), and cutsADisk after how many the next
// disk is made.
const powerCuts, cutsADisk = 200, 20

// TestNothingAcknowledgedIsLostInAPowerCut: THREATS 1 to 3, by the kernel. Recorders and drains work, the power goes at
// some moment, the disk is mounted again with its journal's replay, and all that anybody was told holds: also what was
// told before an earlier cut. STET_SEED repeats a run, as far as the scheduler does.
func TestNothingAcknowledgedIsLostInAPowerCut(t *testing.T) {
	needDevices(t)
	seed := uint64(time.Now().UnixNano())
	if v := os.Getenv("STET_SEED"); v != "" {
		n, err := strconv.ParseUint(v, 10, 64)
		must(t, err)
		seed = n
	}
	rng := rand.New(rand.NewPCG(seed, 0))
	images := mountMemory(t, 128<<20)
	d := newDisk(t, images, 64<<20)
	c := told{acked: map[string]bool{}}
	acked, kept, seen := 0, 0, 0
	for i := range powerCuts {
		if i > 0 && i%cutsADisk == 0 {
			acked, seen = acked+len(c.acked), seen+len(c.seen)
			d.unmount()
			d.format(64 << 20)
			d.mount()
			c = told{acked: map[string]bool{}}
		}
		how := noLogFlush
		if rng.IntN(3) == 0 {
			how = logFlush
		}
		lines := rng.IntN(60)
		if err := c.life(t, d, lines, how); err != nil {
			t.Fatalf("cut %d (seed %d): %v", i, seed, err)
		}
		d.unmount()
		d.mount()
		n, err := audit(d.dir, c)
		if err != nil {
			t.Fatalf("cut %d (seed %d), after %d lines: %v", i, seed, lines, err)
		}
		kept = max(kept, n-len(c.acked))
	}
	t.Logf("%d power cuts: %d events acknowledged and there, %d checkpoints hold; at most %d unacknowledged events survived on a disk (seed %d)",
		powerCuts, acked+len(c.acked), seen+len(c.seen), kept, seed)
}
