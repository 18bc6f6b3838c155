package spool

import (
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/stetlog/stet/internal/fsx"
	"github.com/stetlog/stet/internal/fsx/fsxtest"
)

const refusedStream = "01980000-0000-7000-8000-000000000001"

// What is kept is found again with its note until it is done, and keeping it again, as after a crash, brings no note back.
func TestRefused(t *testing.T) {
	m := fsxtest.New()
	all := []Refused{
		{Stream: refusedStream, Seq: 12, Key: "k", App: "shop", Environment: "test", Code: "contradiction", Path: "labels.\"é\""},
		{Stream: refusedStream, Seq: 7, Key: "k", App: "shop"},
	}
	for _, r := range all {
		if err := KeepRefused(m, Dir, r, []byte("event"), true); err != nil {
			t.Fatal(err)
		}
	}
	if err := KeepRefused(m, Dir, Refused{Stream: refusedStream, Seq: 13}, []byte("another's"), false); err != nil {
		t.Fatal(err)
	}
	got, err := ListRefused(m, Dir)
	if d := cmp.Diff(all, got); d != "" || err != nil {
		t.Fatal(d, err)
	}
	if b, err := ReadRefused(m, Dir, all[0], 100); string(b) != "event" || err != nil {
		t.Errorf("%q, %v", b, err)
	}
	for range 2 {
		if err := DoneRefused(m, Dir, all[0]); err != nil {
			t.Fatal(err)
		}
		if err := KeepRefused(m, Dir, all[0], []byte("event"), true); err != nil {
			t.Fatal(err)
		}
		if got, err = ListRefused(m, Dir); len(got) != 1 || got[0] != all[1] || err != nil {
			t.Errorf("%+v, %v", got, err)
		}
	}
	if files, bytes, err := Quarantined(m, Dir); files != 3 || bytes != 2*5+9 || err != nil {
		t.Errorf("%d files of %d bytes, %v", files, bytes, err)
	}
	if err := KeepRefused(m, Dir, Refused{Stream: "../x", Seq: 1}, nil, true); !errors.Is(err, ErrStream) {
		t.Errorf("a path for a stream: %v", err)
	}
}

// A quarantine ends somewhere: nothing more comes in, and what is in it stays.
func TestAFullQuarantine(t *testing.T) {
	m := fsxtest.New()
	if err := fsx.MkdirAll(m, QuarantineDir, 0o700); err != nil {
		t.Fatal(err)
	}
	for n := range MaxQuarantined {
		f, err := m.Create(fmt.Sprintf("%s/%d", QuarantineDir, n), 0o600)
		if err != nil {
			t.Fatal(err)
		}
		_ = f.Close()
	}
	r := Refused{Stream: refusedStream, Seq: 1}
	if err := KeepRefused(m, Dir, r, []byte("event"), true); !errors.Is(err, ErrQuarantineFull) {
		t.Errorf("one file too many: %v", err)
	}
	if got, err := ListRefused(m, Dir); len(got) != 0 || err != nil {
		t.Errorf("noted all the same: %+v, %v", got, err)
	}
	if err := m.Remove(QuarantineDir + "/0"); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time it is there already
		if err := KeepRefused(m, Dir, r, []byte("event"), true); err != nil {
			t.Errorf("with room for one: %v", err)
		}
	}
}

func FuzzRefusedNote(f *testing.F) {
	f.Add([]byte(`{"stream_id":"` + refusedStream + `","stream_seq":7,"key":"k","app_id":"a","environment":"","code":"c","path":"p"}` + "\n"))
	f.Add([]byte(`{"stream_id":"../../x","stream_seq":7}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := parseRefused(b)
		if err != nil {
			return
		}
		if !isStream(r.Stream) || r.Seq == 0 || r.Seq > MaxSeq {
			t.Errorf("%q is %+v", b, r)
		}
	})
}
