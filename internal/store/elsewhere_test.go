package store

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/emitter"
	"github.com/stetlog/stet/internal/fsx"
	"github.com/stetlog/stet/internal/fsx/fsxtest"
	"github.com/stetlog/stet/internal/spool"
	"github.com/stetlog/stet/internal/story"
)

// beginAs starts stream n of another key or application.
func beginAs(fsys fsx.FS, n int, keyName, app string) *process {
	k := key(keyName)
	p := &process{stream: streamID(n), vkey: k.VKey}
	if p.signer, p.err = k.NoteSigner(); p.err != nil {
		return p
	}
	about := meta(p.stream, k.VKey)
	about.AppID = app
	p.em, p.err = emitter.Open(emitter.Options{FS: fsys, Dir: spool.Dir, Signer: p.signer, Codec: &event.Codec{}, Clock: ticker(), Rand: zeros{}, Meta: about})
	return p
}

// A process whose spool failed reports in another one how its runs ended. Then they are not lost, whichever of the two
// comes into the ledger first; but only its own word counts.
func TestOutcomesInAnotherStream(t *testing.T) {
	for _, tc := range []struct {
		name   string
		second func(fsx.FS) *process
		tell   func(t *testing.T, m *fsxtest.Mem, start, end func(), die func(n int))
		lost   int
	}{
		{"both at once", nil, func(t *testing.T, m *fsxtest.Mem, start, end func(), die func(int)) {
			start()
			end()
			die(1)
			die(2)
			mustDrain(t, storeOn(m))
		}, 0},
		{"the outcome while both live, and the start's process dies later", nil, func(t *testing.T, m *fsxtest.Mem, start, end func(), die func(int)) {
			start()
			end()
			mustDrain(t, storeOn(m))
			die(2)
			mustDrain(t, storeOn(m))
			die(1)
			mustDrain(t, storeOn(m))
		}, 0},
		{"the outcome reaches the ledger before the start", nil, func(t *testing.T, m *fsxtest.Mem, start, end func(), die func(int)) {
			end()
			die(2)
			mustDrain(t, storeOn(m))
			start()
			die(1)
			mustDrain(t, storeOn(m))
		}, 0},
		{"no outcome at all", nil, func(t *testing.T, m *fsxtest.Mem, start, _ func(), die func(int)) {
			start()
			die(1)
			die(2)
			mustDrain(t, storeOn(m))
		}, 1},
		{"the outcome comes when the run was given up", nil, func(t *testing.T, m *fsxtest.Mem, start, end func(), die func(int)) {
			start()
			die(1)
			mustDrain(t, storeOn(m))
			end()
			die(2)
			mustDrain(t, storeOn(m))
		}, 1},
		{"another key", func(m fsx.FS) *process { return beginAs(m, 2, "stet-emitter/other/0", "shop") }, func(t *testing.T, m *fsxtest.Mem, start, end func(), die func(int)) {
			start()
			end()
			die(1)
			die(2)
			mustDrain(t, storeOn(m))
		}, 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m := fsxtest.New()
			lives := map[int]*fsxtest.Mem{1: m.Process(), 2: m.Process()}
			if tc.second == nil {
				tc.second = func(m fsx.FS) *process { return begin(m, 2) }
			}
			first, second := begin(lives[1], 1), tc.second(lives[2])
			second.note()
			tc.tell(t, m, func() { first.start("run-1"); noneFailed(t, first) }, func() { second.end("run-1"); noneFailed(t, second) },
				func(n int) { lives[n].Kill() })
			first.close()
			second.close()
			if got := mustRead(t, storeOn(m)).lost["run-1"]; got != tc.lost {
				t.Errorf("it was called lost %d times, want %d", got, tc.lost)
			}
			mustVerify(t, m)
			var f story.Fold
			if err := storeOn(m).Items(t.Context(), &f, nil); err != nil {
				t.Fatal(err)
			}
			s, _ := f.Story("order-1")
			run := s.Jobs[0].Runs[0]
			switch {
			case tc.name == "no outcome at all", tc.name == "another key":
				if run.State() != story.StateLost {
					t.Errorf("it is %s", run.State())
				}
			case run.State() != story.StateSucceeded:
				t.Errorf("it is %s", run.State())
			case tc.lost == 1 && run.Lost.Standing != story.Overtaken:
				t.Errorf("that it was lost %s", run.Lost.Standing)
			}
		})
	}
}

// An outcome that comes while the losses of its process are half recorded changes nothing about them: the rest is
// recorded as it was begun, and the story says that the outcome came after all.
func TestOutcomeBetweenTwoRoundsOfAnAct(t *testing.T) {
	const runs = 2*actBatch + 17
	crashed := func() (*fsxtest.Mem, *process) {
		m := fsxtest.New()
		dying := m.Process()
		p, q := begin(dying, 1), begin(m, 2)
		for i := range runs {
			p.start(fmt.Sprint("run-", i))
		}
		q.note()
		noneFailed(t, p, q)
		dying.Kill()
		p.close()
		return m, q
	}
	dry, q := crashed()
	before := len(dry.Ops())
	mustDrain(t, storeOn(dry))
	var faults []int
	for i, op := range dry.Ops()[before:] {
		if op.Kind == "write" && strings.HasPrefix(op.Name, "journal/") {
			faults = append(faults, i+1)
		}
	}
	q.close()
	slices.Reverse(faults) // the losses are the last that a round records
	for _, fault := range faults {
		m, q := crashed()
		m.FailAt(len(m.Ops())+fault, errors.New("the disk is broken"), false)
		_, err := storeOn(m).Drain(t.Context())
		if err != nil && half(t, m, runs) {
			q.end("run-5")
			noneFailed(t, q)
			q.close()
			mustDrain(t, storeOn(m))
			got := mustRead(t, storeOn(m)).lost
			for i := range runs {
				if run := fmt.Sprint("run-", i); got[run] != 1 {
					t.Errorf("%s is called lost %d times", run, got[run])
				}
			}
			mustVerify(t, m)
			return
		}
		q.close()
	}
	t.Fatal("no fault left the losses half recorded")
}

// half says whether some of the runs of stream 1 are recorded as lost and some are not, in the log or its journal.
func half(t *testing.T, m *fsxtest.Mem, runs int) bool {
	t.Helper()
	s := storeOn(m)
	desk, err := s.open(t.Context(), forOneRound())
	if err != nil {
		t.Fatal(err)
	}
	r := &drain{desk: desk}
	_, act, there, err := r.actStream(t.Context(), actClose, streamID(1), time48(streamID(1)))
	if err := errors.Join(err, r.l.Close()); err != nil {
		t.Fatal(err)
	}
	return there && !act.Final && int(act.Next-1) < runs
}
