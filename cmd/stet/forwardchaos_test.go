package main

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stetlog/stet/internal/convert"
	"github.com/stetlog/stet/proof"
)

// TestForwardChaos has a log forwarded to a syslog receiver while events come in, and kills both again and again, as nothing can that they could
// prepare for. In the end every event must be with the receiver, whole, and those that are there twice must be the same row. STET_LONG=1 kills each
// fifty times, and rsyslog as well.
func TestForwardChaos(t *testing.T) {
	kills, long := 5, os.Getenv("STET_LONG") != ""
	if long {
		kills = 50
	}
	t.Run("own", func(t *testing.T) {
		x := newShop(t)
		killBoth(t, x, ownCollector(t, x.dir), "500ms", kills)
	})
	if long {
		t.Run("rsyslog", func(t *testing.T) {
			x := newShop(t)
			killBoth(t, x, rsyslogCollector(t, x.dir, "imtcp", false), "3s", kills)
		})
	}
}

// killBoth kills a forwarder and a receiver so many times each, and looks at what is there in the end.
func killBoth(t *testing.T, x *shop, to *collector, settle string, kills int) {
	t.Helper()
	seed := seedOf(t)
	r := rand.New(rand.NewPCG(seed, 1))
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Minute)
	defer cancel()
	args := []string{"forward", "--to", "syslog+tcp://" + to.address, "--settle", settle}
	said, err := os.OpenFile(filepath.Join(x.dir, "forward.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = said.Close() }() // it is for people
	begin := [2]func() *exec.Cmd{func() *exec.Cmd { return x.command(ctx, args...) }, func() *exec.Cmd { return to.start(ctx) }}
	var alive [2]*exec.Cmd
	start := func(i int) {
		alive[i] = begin[i]()
		alive[i].Stderr = said
		if err := alive[i].Start(); err != nil {
			t.Fatal(err)
		}
	}
	x.must(t, exitOK, "emit", "sys_startup") // makes the store
	start(0)
	start(1)
	for left := [2]int{kills, kills}; left[0]+left[1] > 0; {
		was := sizeOf(to.file)
		importSome(t, x, r, 50)
		// Three times in four when something has just arrived, else at any time.
		wait := time.Duration(r.IntN(1500)) * time.Millisecond
		for began := time.Now(); time.Since(began) < wait; time.Sleep(time.Millisecond) {
			if r.IntN(4) > 0 && sizeOf(to.file) > was {
				break
			}
		}
		i := r.IntN(2)
		if left[i] == 0 {
			i = 1 - i
		}
		left[i]--
		if err := alive[i].Process.Kill(); err != nil {
			t.Fatalf("it has ended by itself: %v\n%s", err, last(t, said.Name()))
		}
		_ = alive[i].Wait() // killed
		start(i)
	}
	if err := alive[0].Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = alive[0].Wait() // killed
	x.must(t, exitOK, append(args, "--once")...)
	if err := alive[1].Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = alive[1].Wait() // killed: nobody says it anything more
	judgeReceived(t, x, to.file, to.ordered)
}

// seedOf is the seed of a test that chance has a part in.
func seedOf(t *testing.T) uint64 {
	t.Helper()
	seed := rand.Uint64()
	if s := os.Getenv("STET_SEED"); s != "" {
		var err error
		if seed, err = strconv.ParseUint(s, 10, 64); err != nil {
			t.Fatalf("STET_SEED: %v", err)
		}
	}
	t.Logf("STET_SEED=%d", seed)
	return seed
}

func sizeOf(file string) int64 {
	fi, err := os.Stat(file)
	if err != nil {
		return 0
	}
	return fi.Size()
}

// last is the end of what was said.
func last(t *testing.T, file string) []byte {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return b[max(0, len(b)-4000):]
}

// importSome brings events in, with texts that syslog has to escape.
func importSome(t *testing.T, x *shop, r *rand.Rand, n int) {
	t.Helper()
	var b bytes.Buffer
	for i := range n {
		fmt.Fprintf(&b, `{"event_type":"shop_checkout","description":"sale %d of %d: \"a]b\" \\ ü %s"}`+"\n", i, r.Uint64(), strings.Repeat("x", r.IntN(3000)))
	}
	file := filepath.Join(x.dir, "events.jsonl")
	if err := os.WriteFile(file, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	x.must(t, exitOK, "import", "--app", "shop", file)
}

// syslogRows are the rows of all events in a log.
func syslogRows(t *testing.T, x *shop) (rows []string) {
	t.Helper()
	var batch [][]byte // whose seal has not come yet
	for line := range bytes.Lines(x.must(t, exitOK, "export", "--json")) {
		raw := bytes.TrimSuffix(line, []byte("\n"))
		e, err := proof.ParseEntry(raw)
		if err != nil {
			t.Fatal(err)
		}
		if e.Seal == nil {
			batch = append(batch, raw)
			continue
		}
		seal, err := proof.ParseSeal(e.Seal.Note)
		if err != nil {
			t.Fatal(err)
		}
		for _, raw := range batch {
			row, err := convert.NewRow(raw, seal.Key)
			if err != nil {
				t.Fatal(err)
			}
			rows = append(rows, string(convert.Syslog.Append(nil, row)))
		}
		batch = nil
	}
	return rows
}

// judgeReceived holds what a receiver has against the log: every event must be there, whole, and, of one that keeps the order, for the first
// time in its place. A line may have
// something before the row: what a process that was killed had written of another.
func judgeReceived(t *testing.T, x *shop, file string, ordered bool) {
	t.Helper()
	rows := syslogRows(t, x)
	place := map[string]int{}
	for i, row := range rows {
		place[row] = i
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	times, torn, order := make([]int, len(rows)), 0, 0
	for line := range strings.Lines(string(b)) {
		line = strings.TrimSuffix(line, "\n")
		i, ok := place[line]
		if j := strings.LastIndex(line, ">1 "); !ok && j > 0 { // behind what is left of another
			i, ok = place[line[strings.LastIndex(line[:j], "<"):]]
		}
		if !ok {
			torn++
			continue
		}
		if times[i]++; times[i] == 1 {
			if i != order && ordered {
				t.Errorf("row %d came before row %d", i, order)
			}
			order = i + 1
		}
	}
	missing, twice := 0, 0
	for i, n := range times {
		if n == 0 {
			if missing++; missing < 10 {
				t.Errorf("this row did not come: %.300s", rows[i])
			}
		}
		twice += max(n-1, 0)
	}
	t.Logf("%d events, %d missing, %d rows came again, %d lines are none whole", len(rows), missing, twice, torn)
}
