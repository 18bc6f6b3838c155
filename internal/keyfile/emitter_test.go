package keyfile

import (
	"errors"
	"os"
	"strings"
	"testing"
)

func TestTheEmittersKeyIsReplacedOnce(t *testing.T) {
	state := t.TempDir()
	must := func(k Key, err error) Key {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	old := must(Emitter(state, "db 1+", nil))
	if !strings.HasPrefix(old.Name, "stet-emitter/db_1_/") {
		t.Errorf("its name is %q", old.Name)
	}
	if err := TakeNextEmitter(state); !errors.Is(err, ErrNoNext) {
		t.Errorf("without a next one: %v", err)
	}
	next := must(NextEmitter(state, "db1", nil))
	if again := must(NextEmitter(state, "db1", nil)); again.VKey != next.VKey || next.VKey == old.VKey {
		t.Error("whoever goes on with a rotation gets another key")
	}
	if same := must(Emitter(state, "db1", nil)); same.VKey != old.VKey {
		t.Error("the next key is used before its time")
	}
	if err := TakeNextEmitter(state); err != nil {
		t.Fatal(err)
	}
	if now := must(Emitter(state, "db1", nil)); now.VKey != next.VKey {
		t.Error("the next key is not in its place")
	}
	if left, err := os.ReadDir(state); err != nil || len(left) != 1 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}
