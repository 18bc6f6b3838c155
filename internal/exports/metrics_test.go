package exports

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/stetlog/stet/internal/admin"
	"github.com/stetlog/stet/internal/auth"
	"github.com/stetlog/stet/internal/logread"
	"github.com/stetlog/stet/internal/search"
	"github.com/stetlog/stet/internal/server"
)

// What an operator watches: what waits and is made, what room the files take, and what became of each that was asked for; no name,
// no query.
func TestMetrics(t *testing.T) {
	src, vkey := newLog(t)
	d := NewDesk(Options{Source: src, LogKey: func() string { return vkey }, Limits: Limits{Files: 20, Each: 20},
		Scratch: func() (ScratchFile, error) { return os.CreateTemp(t.TempDir(), "f") },
		Record:  func(context.Context, auth.Identity, server.Peer, admin.Export) (uint64, error) { return 7, nil }})
	defer d.clear()
	registry := prometheus.NewRegistry()
	if err := registry.Register(d.Metrics()); err != nil {
		t.Fatal(err)
	}
	gather := func() map[string]float64 {
		got := map[string]float64{}
		all, err := registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range all {
			for _, one := range m.GetMetric() {
				name := m.GetName()
				for _, l := range one.GetLabel() {
					name += " " + l.GetValue()
				}
				got[name] = one.GetGauge().GetValue() + one.GetCounter().GetValue()
			}
		}
		return got
	}
	ask := func(query string, complete bool) error {
		q, err := search.Parse(query)
		if err == nil {
			_, err = d.ask(auth.Identity{Token: "secret"}, server.Peer{}, q, complete)
		}
		return err
	}
	// one asks for a file, and has it made within limits that are not those of the desk.
	one := func(change func(*Desk, context.CancelFunc), complete bool) order {
		if err := ask("seq:<5 seq:>7", complete); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		limits, options := d.limits, d.o
		change(d, cancel)
		o := <-d.queue
		d.make(ctx, o)
		d.limits, d.o = limits, options
		return *o
	}
	if err := errors.Join(ask("", false), ask("", false)); err != nil {
		t.Fatal(err)
	}
	first := <-d.queue
	d.make(t.Context(), first)
	if m := gather(); m["stet_evidence_files"] != 1 || m["stet_evidence_kept_bytes"] != float64(first.made.Bytes) || m["stet_evidence_kept_bytes"] == 0 || m["stet_evidence_waiting"] != 1 {
		t.Errorf("one is made, one waits: %v", m)
	}
	<-d.queue
	d.progress(d.orders[1], Checking)(1, 2)
	_ = one(func(d *Desk, _ context.CancelFunc) { d.limits.Time = 1 }, false)
	_ = one(func(d *Desk, _ context.CancelFunc) { d.limits.Bytes = 1 }, false)
	_ = one(func(*Desk, context.CancelFunc) {}, true)
	_ = one(func(d *Desk, _ context.CancelFunc) {
		d.o.Scratch = func() (ScratchFile, error) { return nil, os.ErrPermission }
	}, false)
	_ = one(func(d *Desk, _ context.CancelFunc) {
		d.o.Source = logread.NewRemote(func(ctx context.Context, path string) ([]byte, error) {
			if strings.HasPrefix(path, "tile/entries/") {
				return nil, fs.ErrNotExist
			}
			return src.Fetch(ctx, path)
		})
	}, false)
	ended := one(func(_ *Desk, cancel context.CancelFunc) { cancel() }, false)
	if first.state != Ready || ended.problem != "the server ends" {
		t.Fatalf("%s %s, %s %s", first.state, first.problem, ended.state, ended.problem)
	}
	if err := ask("", false); err != nil {
		t.Fatal(err)
	}
	d.limits.Each = 1
	for range 9 { // those that are done make room, the others do not
		_ = ask("", false)
	}
	want := map[string]float64{"stet_evidence_waiting": 8, "stet_evidence_making": 1, "stet_evidence_files": 0, "stet_evidence_kept_bytes": 0,
		"stet_evidence_made_bytes_total": float64(first.made.Bytes), "stet_evidence_orders_total made": 1, "stet_evidence_orders_total nothing": 1,
		"stet_evidence_orders_total unverified": 1, "stet_evidence_orders_total too_long": 1, "stet_evidence_orders_total too_large": 1,
		"stet_evidence_orders_total error": 1, "stet_evidence_orders_total refused": 2}
	if diff := cmp.Diff(want, gather()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
