package stet_test

import (
	"context"
	"testing"

	"github.com/stetlog/stet"
	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/fsx/fsxtest"
)

func BenchmarkDo(b *testing.B) {
	rec, err := stet.OpenOn(fsxtest.New(), stet.Options{App: "bench"}, func() error { return nil })
	if err != nil {
		b.Fatal(err)
	}
	j := stet.Job{Name: "a", Reason: "r", Params: map[string]any{"days": 30}}
	b.ReportAllocs()
	for b.Loop() {
		if err := rec.Do(context.Background(), j, nothing); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkRecord(b *testing.B) {
	rec, err := stet.OpenOn(fsxtest.New(), stet.Options{App: "bench"}, func() error { return nil })
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if err := rec.Record(context.Background(), event.Event{EventType: "authn_login_success", UserID: "bob"}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkRecordParallel(b *testing.B) {
	rec, err := stet.OpenOn(fsxtest.New(), stet.Options{App: "bench"}, func() error { return nil })
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.SetParallelism(64)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := rec.Record(context.Background(), event.Event{EventType: "authn_login_success", UserID: "bob"}); err != nil {
				b.Fatal(err)
			}
		}
	})
}
