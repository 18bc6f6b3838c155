package proof

import (
	"errors"
	"strings"
	"testing"
)

// TestTlogProofLineEnds: base64 decoders skip carriage returns and line feeds; this format does not.
func TestTlogProofLineEnds(t *testing.T) {
	checkpoint := Checkpoint{Origin: "log", Size: 2, Root: Hash{1}}.Text() + "\n— log AAAAAAAA\n"
	good := string(AppendTlogProof(nil, TlogProof{Extra: []byte("extra"), Index: 1, Path: []Hash{{2}}, Checkpoint: []byte(checkpoint)}))
	if _, err := ParseTlogProof([]byte(good)); err != nil {
		t.Fatal(err)
	}
	path, _, _ := strings.Cut(good[strings.Index(good, "index 1\n")+len("index 1\n"):], "\n")
	for _, at := range []string{"c2sp", "extra ", "index ", "1\n", path[:1], path[1:], "log\n", "2\n"} {
		for _, c := range []string{"\r", "\n", " "} {
			for _, bad := range []string{strings.Replace(good, at, at+c, 1), strings.Replace(good, at, c+at, 1)} {
				if _, err := ParseTlogProof([]byte(bad)); !errors.Is(err, ErrMalformed) {
					t.Errorf("%q: %v", bad, err)
				}
			}
		}
	}
	if _, err := ParseTlogProof([]byte(strings.Replace(good, "extra "+"ZXh0cmE=", "extra \rZXh0cmE=", 1))); !errors.Is(err, ErrMalformed) {
		t.Errorf("a carriage return before the extra data: %v", err)
	}
	for _, cut := range []string{good[:strings.Index(good, path)+10], good[:strings.Index(good, path)+len(path)+1], "c2sp.org/tlog-proof@v1\n"} {
		if _, err := ParseTlogProof([]byte(cut)); !errors.Is(err, ErrMalformed) {
			t.Errorf("cut to %q: %v", cut, err)
		}
	}
}
