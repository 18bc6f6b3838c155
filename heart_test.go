package stet_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stetlog/stet"
	"github.com/stetlog/stet/event"
)

// Open runs report by themselves, with a number and until when the next one is due, and stop with the outcome.
func TestAutomaticHeartbeats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := open(t, stet.Options{Heartbeat: time.Minute})
		err := w.Do(t.Context(), job("a"), func(ctx context.Context, run *stet.Run) error {
			run.Progress("half way")
			time.Sleep(3 * time.Minute)
			if err := run.Pause(ctx, "too hot"); err != nil {
				return err
			}
			time.Sleep(time.Minute)
			return run.Resume(ctx, "cool enough")
		})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		beats := w.of("job_heartbeat")
		if len(beats) != 4 {
			t.Fatalf("%d heartbeats in four minutes, want one each 54 s", len(beats))
		}
		for i, e := range beats {
			want := event.Heartbeat{N: uint64(i + 1), Progress: "half way", NextDue: e.Heartbeat.NextDue}
			if i == 3 {
				want.Progress = "paused; half way"
			}
			if *e.Heartbeat != want {
				t.Errorf("heartbeat %d is %+v, want %+v", i, *e.Heartbeat, want)
			}
			if i > 0 && e.Timestamp.After(beats[i-1].Heartbeat.NextDue) {
				t.Errorf("heartbeat %d came at %v, it was due by %v", i, e.Timestamp, beats[i-1].Heartbeat.NextDue)
			}
		}
		types := w.types()
		if got := types[len(types)-1]; got != "job_succeeded" {
			t.Errorf("the last event is %s", got)
		}
		w.only("job_paused")
		w.only("job_resumed")
	})
}

// Whoever reports himself is not reported on top of that; and who wants no automatic heartbeats has none.
func TestOwnHeartbeats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := open(t, stet.Options{Heartbeat: time.Minute})
		run := begin(t, w, t.Context(), job("a"))
		for range 10 {
			time.Sleep(50 * time.Second)
			if err := run.Heartbeat(t.Context(), "by itself", time.Time{}); err != nil {
				t.Fatal(err)
			}
		}
		if n := len(w.of("job_heartbeat")); n != 10 {
			t.Errorf("%d heartbeats, want its own 10", n)
		}
		none := open(t, stet.Options{Heartbeat: -1})
		begin(t, none, t.Context(), job("a"))
		time.Sleep(24 * time.Hour)
		none.wantTypes(fourPhases...)
	})
}

// Thousands of runs report from one goroutine, and share their flushes. STET_LONG=1 has ten thousand.
func TestManyHeartbeats(t *testing.T) {
	runs := 2_000
	if os.Getenv("STET_LONG") != "" {
		runs = 10_000
	}
	synctest.Test(t, func(t *testing.T) {
		w := open(t, stet.Options{Heartbeat: time.Hour})
		var all sync.WaitGroup
		for i := range runs {
			all.Go(func() { begin(t, w, t.Context(), job(fmt.Sprint(i))) })
		}
		all.Wait()
		before := w.disk.flushes()
		time.Sleep(time.Hour)
		synctest.Wait()
		// They are handed over 16 at a time; how many of these pieces share a flush is the scheduler's to decide.
		if n := w.disk.flushes() - before; n > runs/32 {
			t.Errorf("%d heartbeats took %d flushes", runs, n)
		}
		seen := map[string]int{}
		for _, e := range w.of("job_heartbeat") {
			seen[e.Job.RunID]++
		}
		if len(seen) != runs {
			t.Errorf("%d of %d runs reported", len(seen), runs)
		}
	})
}

// guard is an authoriser whose answer changes.
type guard struct {
	mu     sync.Mutex
	say    func(again bool) (stet.Decision, error)
	asked  atomic.Int64
	during func(context.Context)
}

func (g *guard) Authorize(ctx context.Context, _ stet.Job) (stet.Decision, error) {
	g.asked.Add(1)
	if g.during != nil {
		g.during(ctx)
	}
	_, again := stet.FromContext(ctx)
	g.mu.Lock()
	say := g.say
	g.mu.Unlock()
	return say(again)
}

// What a running job's authoriser says decides whether it goes on; the record says why it did not.
func TestLapses(t *testing.T) {
	boom := errors.New("no route to the policy server")
	yes := func() (stet.Decision, error) { return stet.Decision{Allowed: true}, nil }
	for _, tc := range []struct {
		name   string
		first  func() (stet.Decision, error)
		again  func() (stet.Decision, error)
		after  time.Duration // when it is cancelled; 0: never, in an hour
		within time.Duration
		why    string
	}{
		{"a clear no", yes, func() (stet.Decision, error) {
			return stet.Decision{Reason: "the window is over", DecidedBy: "opa"}, nil
		}, 54 * time.Second, time.Second, "the window is over"},
		{"a no without a reason", yes, func() (stet.Decision, error) { return stet.Decision{}, nil }, 54 * time.Second, time.Second, "no reason was given"},
		{"yes", yes, yes, 0, 0, ""},
		{"an error", yes, func() (stet.Decision, error) { return stet.Decision{}, boom }, 0, 0, ""},
		{"a panic", yes, func() (stet.Decision, error) { panic("boom") }, 0, 0, ""},
		{"it runs out, and nobody can be asked", func() (stet.Decision, error) {
			return stet.Decision{Allowed: true, ValidUntil: time.Now().Add(90 * time.Second)}, nil
		}, func() (stet.Decision, error) { return stet.Decision{}, boom }, 90 * time.Second, time.Millisecond, "nobody has renewed it"},
		{"it runs out soon", func() (stet.Decision, error) {
			return stet.Decision{Allowed: true, ValidUntil: time.Now().Add(time.Millisecond)}, nil
		}, yes, time.Millisecond, time.Millisecond, "nobody has renewed it"},
		{"an answer that ran out before it came", yes, func() (stet.Decision, error) {
			return stet.Decision{Allowed: true, ValidUntil: time.Now().Add(-time.Second)}, nil
		}, 54 * time.Second, time.Second, "valid only until"},
		{"it is renewed each time", func() (stet.Decision, error) {
			return stet.Decision{Allowed: true, ValidUntil: time.Now().Add(30 * time.Second)}, nil
		}, func() (stet.Decision, error) {
			return stet.Decision{Allowed: true, ValidUntil: time.Now().Add(30 * time.Second)}, nil
		}, 0, 0, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := &guard{say: func(again bool) (stet.Decision, error) {
					if again {
						return tc.again()
					}
					return tc.first()
				}}
				w := open(t, stet.Options{Heartbeat: time.Minute, Authorizer: g})
				began := time.Now()
				var ended time.Duration
				err := w.Do(t.Context(), job("a"), func(ctx context.Context, _ *stet.Run) error {
					select {
					case <-ctx.Done():
						ended = time.Since(began)
						if !errors.Is(context.Cause(ctx), stet.ErrLapsed) {
							t.Errorf("the context ended with %v", context.Cause(ctx))
						}
						return ctx.Err()
					case <-time.After(time.Hour):
						return nil
					}
				})
				if tc.after == 0 {
					if err != nil || ended != 0 {
						t.Errorf("it ended after %v with %v", ended, err)
					}
					w.only("job_succeeded")
					if n := len(w.of("job_heartbeat")); n < 50 {
						t.Errorf("%d heartbeats in an hour", n)
					}
					return
				}
				if !errors.Is(err, context.Canceled) || errors.Is(err, stet.ErrLapsed) {
					t.Errorf("Do returned %v, want the function's own error", err)
				}
				if ended < tc.after || ended > tc.after+tc.within {
					t.Errorf("it was cancelled after %v, want %v", ended, tc.after)
				}
				asked, aborted := w.only("job_cancel_requested"), w.only("job_aborted")
				if !strings.Contains(asked.StatusReason, tc.why) || asked.Authorization == nil || asked.Authorization.Decision == "allowed" {
					t.Errorf("the cancel request says %q, %+v", asked.StatusReason, asked.Authorization)
				}
				if !strings.Contains(aborted.StatusReason, stet.ErrLapsed.Error()) || !strings.Contains(aborted.StatusReason, tc.why) {
					t.Errorf("the outcome says %q", aborted.StatusReason)
				}
				if asked.StreamSeq > aborted.StreamSeq {
					t.Error("the outcome stands before the request to cancel")
				}
			})
		})
	}
}

// Heartbeats say until when the job is allowed to run, and that nobody could be asked.
func TestHeartbeatsSayWhatIsAuthorized(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		until := time.Now().Add(10 * time.Minute)
		var silent atomic.Bool
		g := &guard{say: func(bool) (stet.Decision, error) {
			if silent.Load() {
				return stet.Decision{}, errors.New("it is down")
			}
			return stet.Decision{Allowed: true, ValidUntil: until}, nil
		}}
		w := open(t, stet.Options{Heartbeat: time.Minute, Authorizer: g})
		run := begin(t, w, t.Context(), job("a"))
		time.Sleep(time.Minute)
		silent.Store(true)
		time.Sleep(time.Minute)
		beats := w.of("job_heartbeat")
		if len(beats) != 2 || !beats[0].Heartbeat.AuthorizationValidUntil.Equal(until) || beats[0].StatusReason != "" {
			t.Fatalf("%d heartbeats, the first is %+v", len(beats), beats[0])
		}
		if !beats[1].Heartbeat.AuthorizationValidUntil.Equal(until) || !strings.Contains(beats[1].StatusReason, "it is down") {
			t.Errorf("the second is %+v, %q", beats[1].Heartbeat, beats[1].StatusReason)
		}
		time.Sleep(time.Hour) // it was cancelled, and does not care
		if err := run.Succeed(t.Context()); err != nil {
			t.Fatal(err)
		}
		last := w.of("job_heartbeat")
		if e := last[len(last)-1]; !strings.Contains(e.StatusReason, "told to stop") {
			t.Errorf("a heartbeat after that says %q", e.StatusReason)
		}
		w.only("job_cancel_requested")
	})
}

// An authoriser that never answers neither keeps heartbeats from being made nor others' authorizations from running out,
// and no more questions than a few are open at it.
func TestAuthoriserThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		var open64 atomic.Int64
		g := &guard{say: func(bool) (stet.Decision, error) {
			return stet.Decision{Allowed: true, ValidUntil: time.Now().Add(30 * time.Minute)}, nil
		}}
		g.during = func(ctx context.Context) {
			if _, again := stet.FromContext(ctx); again {
				open64.Add(1)
				<-release
			}
		}
		w := open(t, stet.Options{Heartbeat: time.Minute, Authorizer: g})
		const runs = 200
		var lapsed atomic.Int64
		for i := range runs {
			run := begin(t, w, t.Context(), job(fmt.Sprint(i)))
			ctx := run.Context(t.Context())
			context.AfterFunc(ctx, func() {
				if errors.Is(context.Cause(ctx), stet.ErrLapsed) {
					lapsed.Add(1)
				}
			})
		}
		time.Sleep(10*time.Minute + time.Second)
		if n := len(w.of("job_heartbeat")); n < 9*runs {
			t.Errorf("%d heartbeats of %d runs in ten minutes", n, runs)
		}
		if n := open64.Load(); n > 64 {
			t.Errorf("%d questions are open", n)
		}
		time.Sleep(20 * time.Minute)
		synctest.Wait()
		if lapsed.Load() != runs {
			t.Errorf("%d of %d runs were cancelled when their authorizations had run out", lapsed.Load(), runs)
		}
		close(release)
		synctest.Wait()
	})
}

// A disk that hangs does not keep a run going whose authorization was withdrawn.
func TestLapseWhileTheDiskHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &guard{say: func(again bool) (stet.Decision, error) { return stet.Decision{Allowed: !again}, nil }}
		w := open(t, stet.Options{Heartbeat: time.Minute, Authorizer: g, Policy: stet.BestEffort})
		run := begin(t, w, t.Context(), job("a"))
		ctx := run.Context(t.Context())
		hang := make(chan struct{})
		w.disk.set(func(f *flaky) { f.hang = hang })
		began := time.Now()
		<-ctx.Done()
		if d := time.Since(began); d > time.Minute {
			t.Errorf("it was cancelled after %v", d)
		}
		w.disk.set(func(f *flaky) { f.hang = nil })
		close(hang)
	})
}

// What an authoriser allowed for a time is asked for again where the run starts only after that.
func TestStartAfterTheAnswerRanOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var no atomic.Bool
		g := &guard{say: func(bool) (stet.Decision, error) {
			return stet.Decision{Allowed: !no.Load(), ValidUntil: time.Now().Add(time.Minute)}, nil
		}}
		w := open(t, stet.Options{Authorizer: g})
		s, err := w.Submit(t.Context(), job("a"))
		if err != nil {
			t.Fatal(err)
		}
		a, err := s.Authorize(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Minute)
		run, err := a.Start(t.Context())
		if err != nil || g.asked.Load() != 2 {
			t.Fatalf("asked %d times, %v", g.asked.Load(), err)
		}
		if err := run.Succeed(t.Context()); err != nil {
			t.Fatal(err)
		}
		no.Store(true)
		if _, err := a.Start(t.Context()); !errors.Is(err, stet.ErrDenied) {
			t.Errorf("start after a refusal: %v", err)
		}
		w.only("job_denied")
		stale := open(t, stet.Options{Authorizer: &guard{say: func(bool) (stet.Decision, error) {
			return stet.Decision{Allowed: true, ValidUntil: time.Now().Add(-time.Second)}, nil
		}}})
		if err := stale.Do(t.Context(), job("b"), func(context.Context, *stet.Run) error { t.Error("it ran"); return nil }); !errors.Is(err, stet.ErrDenied) {
			t.Errorf("an answer that had run out: %v", err)
		}
	})
}
