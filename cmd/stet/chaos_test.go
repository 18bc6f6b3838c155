package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stetlog/stet/internal/auth"
	"github.com/stetlog/stet/internal/fsx"
)

// The size of TestChaos.
const (
	chaosEmitters = 8
	chaosMachines = 4 // two emitters share a machine, and so a key, a place and a memory
)

// machine is where emitters run: a state directory and a token of its own.
type machine struct {
	app, state, token string
}

// chaos is one server with its emitters, and what is known of them.
type chaos struct {
	x        *shop
	proxy    *proxy
	machines []*machine
	receipts *receipts
	enough   chan struct{} // closed when enough were killed
	left     atomic.Int64  // kills to go, of servers and emitters
	doomed   atomic.Int64  // emitters that nobody was chosen for yet
	last     *served       // the server that lives

	mu       sync.Mutex
	recorded map[who]int // how far each writer said that it is
	harm     []error
}

// TestChaos has eight processes record, and send to one server over a network that loses, cuts and delays, while server
// and emitters are killed again and again, as nothing can that they could prepare for. In the end every event that an
// emitter said is durable must be in the ledger once and in its place, and everything that the server ever answered must
// be true: also answers that reached nobody. STET_SEED repeats what happens, as far as the machine's own timing allows;
// STET_LONG=1 kills fifty times each.
func TestChaos(t *testing.T) {
	seed := rand.Uint64()
	if s := os.Getenv("STET_SEED"); s != "" {
		var err error
		if seed, err = strconv.ParseUint(s, 10, 64); err != nil {
			t.Fatalf("STET_SEED: %v", err)
		}
	}
	long := os.Getenv("STET_LONG") != ""
	kills, limit := 5, 5*time.Minute
	if long {
		kills, limit = 50, 30*time.Minute
	}
	t.Logf("STET_SEED=%d, %d kills each", seed, kills)
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	c := newChaos(t, ctx, seed)
	c.left.Store(int64(2 * kills))
	c.doomed.Store(int64(kills))
	began := time.Now()

	var all sync.WaitGroup
	all.Go(func() { c.killServers(ctx, rand.New(rand.NewPCG(seed, 2)), kills) })
	for i := range chaosEmitters {
		all.Go(func() { c.killEmitters(ctx, rand.New(rand.NewPCG(seed, uint64(10+i))), i) })
	}
	all.Wait()
	if err := ctx.Err(); err != nil {
		t.Errorf("it did not end in %v: %d kills were to go", limit, c.left.Load())
	}
	for i, err := range c.harm {
		if t.Error(err); i == 20 {
			t.Fatal("and more")
		}
	}
	if t.Failed() || c.last == nil {
		t.Fatalf("no server is left; %v", c.proxy.counts())
	}
	t.Logf("killed %d servers and %d emitters in %v; requests: %s", kills, kills, time.Since(began).Round(time.Second), c.proxy.counts())
	c.settle(t)
	for _, m := range c.machines {
		judgeMachine(t, m, c.receipts)
	}
	l := judgeChaos(t, c.x, c.receipts, c.recorded)
	// A test in which nothing happens would find nothing wrong. In a short one chance may have it that something is missing.
	if all := c.proxy.struck; long && (slices.Min(all[:]) == 0 || c.receipts.again == 0 || l.lost == 0) {
		t.Error("something never happened")
	}
	c.x.must(t, exitOK, "verify")
}

func newChaos(t *testing.T, ctx context.Context, seed uint64) *chaos {
	t.Helper()
	c := &chaos{x: newShop(t), enough: make(chan struct{}), recorded: map[who]int{}}
	c.x.must(t, exitOK, "emit", "sys_startup") // makes the store
	log, vkey := logVerifier(t, c.x)
	c.receipts = newReceipts(log)
	fsys, err := fsx.OpenDir(c.x.store)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = fsys.Close() }() // all that was written is synced
	tokens, err := auth.Open(fsys, auth.Options{LogKeys: []string{vkey}})
	if err != nil {
		t.Fatal(err)
	}
	for i := range chaosMachines {
		m := &machine{app: fmt.Sprintf("app%d", i), state: filepath.Join(c.x.dir, fmt.Sprintf("machine%d", i))}
		m.token = filepath.Join(c.x.dir, m.app+".token")
		text, _, err := tokens.Create(auth.Spec{Name: m.app, Role: auth.Writer, App: m.app})
		if err == nil {
			err = os.WriteFile(m.token, []byte(text), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
		c.machines = append(c.machines, m)
	}
	if c.proxy, err = newProxy(ctx, seed, c.receipts.hear); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.proxy.close)
	t.Cleanup(func() {
		if b, err := os.ReadFile(filepath.Join(c.x.dir, "server.log")); err == nil && t.Failed() {
			t.Logf("the servers said:\n%s", b)
		}
	})
	return c
}

func (c *chaos) hurt(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.harm = append(c.harm, fmt.Errorf(format, args...))
}

// killed counts a kill, and tells everybody when there were enough.
func (c *chaos) killed() {
	if c.left.Add(-1) == 0 {
		close(c.enough)
	}
}

// served is a server that runs.
type served struct {
	cmd   *exec.Cmd
	url   chan string // its first address, once it answers
	ended chan struct{}
}

// serve starts a server. What it writes on standard error is kept in a file.
func (c *chaos) serve(ctx context.Context) (*served, error) {
	cmd := c.x.command(ctx, "serve", "--listen", "127.0.0.1:0")
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	f, err := os.OpenFile(filepath.Join(c.x.dir, "server.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // the child has its own
	cmd.Stderr = f
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	s := &served{cmd: cmd, url: make(chan string, 1), ended: make(chan struct{})}
	go func() {
		defer close(s.ended)
		line, err := bufio.NewReader(stdout).ReadString('\n')
		if err == nil {
			s.url <- strings.TrimSpace(line)
		}
		_, _ = io.Copy(io.Discard, stdout)
		_ = cmd.Wait() // who asks looks at its state
	}()
	return s, nil
}

// killServers starts a server and kills it, again and again: three times after so many requests and answers that have
// begun, the fourth while it starts. Then it starts one that lives.
func (c *chaos) killServers(ctx context.Context, r *rand.Rand, kills int) {
	for n := 0; ; n++ {
		s, err := c.serve(ctx)
		if err != nil {
			c.hurt("start a server: %v", err)
			return
		}
		var early <-chan time.Time
		if n < kills && n%4 == 3 {
			early = time.After(time.Duration(r.IntN(150)) * time.Millisecond)
		}
		select {
		case url := <-s.url:
			c.proxy.to(strings.TrimPrefix(url, "http://"))
		case <-early:
		case <-s.ended:
			c.hurt("server %d ended by itself: %v", n, s.cmd.ProcessState)
			return
		}
		if n == kills {
			c.last = s
			return
		}
		if early == nil {
			for range 1 + r.IntN(30) {
				select {
				case <-c.proxy.next():
				case <-s.ended:
					c.hurt("server %d ended by itself: %v", n, s.cmd.ProcessState)
					return
				case <-ctx.Done():
					return
				}
			}
		}
		c.proxy.to("")
		_ = s.cmd.Process.Kill()
		<-s.ended
		c.killed()
	}
}

// killEmitters has one emitter live and die again and again, until enough have died. Every sixth life ends in peace, and so
// does the last one.
func (c *chaos) killEmitters(ctx context.Context, r *rand.Rand, emitter int) {
	for life := 0; ctx.Err() == nil; life++ {
		select {
		case <-c.enough:
			return
		default:
		}
		lines, peace := 1+r.IntN(100), r.IntN(6) == 0
		if !peace && c.doomed.Add(-1) < 0 {
			lines, peace = math.MaxInt, true // enough are killed or will be: this one is there for the servers
		}
		if err := c.live(ctx, emitter, life, lines, peace); err != nil {
			c.hurt("emitter %d in life %d: %v", emitter, life, err)
			return
		}
		if !peace {
			c.killed()
		}
	}
}

// live starts an emitter, and kills it after so many lines, or lets it come to its end then, or when enough have died.
func (c *chaos) live(ctx context.Context, emitter, life, lines int, peace bool) error {
	m := c.machines[emitter%chaosMachines]
	name := strconv.Itoa(emitter)
	cmd := exec.CommandContext(ctx, "stet-chaos-emitter", name, strconv.Itoa(life))
	cmd.Dir = c.x.dir
	cmd.Env = append(os.Environ(), "STET_STORE="+c.proxy.url(), "STET_STATE="+m.state, "STET_TOKEN_FILE="+m.token, "STET_APP="+m.app, "TMPDIR="+c.x.dir)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	over := make(chan struct{})
	defer close(over)
	go func() {
		select {
		case <-c.enough:
			_ = stdin.Close()
		case <-over:
		}
	}()
	for in := json.NewDecoder(stdout); ; lines-- {
		var s told
		err := in.Decode(&s)
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("its lines: %w", err)
		}
		switch s.What {
		case "recorded", "ran":
			c.mu.Lock()
			c.recorded[who{name + "." + strconv.Itoa(life), s.Writer}] = s.N
			c.mu.Unlock()
		case "loss":
			c.hurt("emitter %d in life %d: %s", emitter, life, s.Why)
		}
		switch {
		case lines > 0:
		case peace:
			_ = stdin.Close()
		default:
			_ = cmd.Process.Kill()
		}
	}
	if err = cmd.Wait(); !peace {
		return nil
	}
	return err
}

// settle lets everything that is spooled come in over a network that works, and ends the server in peace.
func (c *chaos) settle(t *testing.T) {
	t.Helper()
	c.proxy.calm()
	var all sync.WaitGroup
	for _, m := range c.machines {
		all.Go(func() {
			s, done, err := chaosShipper(c.proxy.url(), m.state, m.token)
			if err != nil {
				t.Error(err)
				return
			}
			if r, err := s.Flush(t.Context()); err != nil || len(r.Left) > 0 || len(r.Damaged) > 0 || r.Refused > 0 {
				t.Errorf("%s: %+v, %v", m.app, r, err)
			}
			if err := done(); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if err := c.last.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	<-c.last.ended
	if code := c.last.cmd.ProcessState.ExitCode(); code != exitOK {
		t.Errorf("the last server ended with %d", code)
	}
	c.proxy.close() // all was heard
}
