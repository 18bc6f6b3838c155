package server

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/stetlog/stet/internal/wire"
)

func gzipped(t *testing.T, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	if _, err := z.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func zstandard(t *testing.T, b []byte, o ...zstd.EOption) []byte {
	t.Helper()
	z, err := zstd.NewWriter(nil, o...)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := z.Close(); err != nil {
			t.Error(err)
		}
	}()
	return z.EncodeAll(b, nil)
}

// wideFrame is a zstd frame of few bytes that asks for a window of 1 GiB.
func wideFrame() []byte {
	// RFC 8878: magic, a frame header descriptor without content size, a window descriptor of 2^(10+20), one raw block.
	return []byte{0x28, 0xb5, 0x2f, 0xfd, 0x00, 20 << 3, 0x09, 0x00, 0x00, 'x'}
}

func TestBodies(t *testing.T) {
	const packed, inflated = 4 << 10, 64 << 10
	text := []byte(strings.Repeat("sealed ", 1000))
	zeros := make([]byte, 8<<20)
	largest := bytes.Repeat([]byte("x"), inflated)
	gz := gzipped(t, text)
	for _, tc := range []struct {
		name     string
		body     []byte
		encoding []string
		want     []byte
		err      error
	}{
		{"plain", text[:packed], nil, text[:packed], nil},
		{"plain, said to be", text[:100], []string{"identity"}, text[:100], nil},
		{"empty", nil, nil, nil, nil},
		{"gzip", gz, []string{"gzip"}, text, nil},
		{"gzip, in capitals", gz, []string{" GZIP "}, text, nil},
		{"zstd", zstandard(t, text), []string{"zstd"}, text, nil},
		{"gzip of just as much as may be", gzipped(t, largest), []string{"gzip"}, largest, nil},
		{"zstd of just as much as may be", zstandard(t, largest), []string{"zstd"}, largest, nil},
		{"more than may come", text[:packed+1], nil, nil, errTooLarge},
		{"gzip of a byte too much", gzipped(t, append(largest, 'x')), []string{"gzip"}, nil, errTooLarge},
		{"a gzip bomb", gzipped(t, zeros[:2<<20]), []string{"gzip"}, nil, errTooLarge},
		{"a zstd bomb", zstandard(t, zeros), []string{"zstd"}, nil, errTooLarge},
		{"a zstd window larger than any decoder must have", wideFrame(), []string{"zstd"}, nil, errGarbled},
		{"gzip in gzip is unpacked once", gzipped(t, gz), []string{"gzip"}, gz, nil},
		{"two encodings", gzipped(t, gz), []string{"gzip", "gzip"}, nil, errEncoding},
		{"two encodings in one", gz, []string{"gzip, gzip"}, nil, errEncoding},
		{"an encoding that nobody takes", text[:10], []string{"br"}, nil, errEncoding},
		{"no gzip", text[:100], []string{"gzip"}, nil, errGarbled},
		{"no zstd", text[:100], []string{"zstd"}, nil, errGarbled},
		{"gzip cut short", gz[:len(gz)-9], []string{"gzip"}, nil, errGarbled},
		{"gzip with another checksum", append(gz[:len(gz)-8:len(gz)-8], 1, 2, 3, 4, 5, 6, 7, 8), []string{"gzip"}, nil, errGarbled},
		{"something behind gzip", append(gz[:len(gz):len(gz)], "more"...), []string{"gzip"}, nil, errGarbled},
		{"something behind zstd", append(zstandard(t, text), "more"...), []string{"zstd"}, nil, errGarbled},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newBodies(1<<20, 1)
			for range 2 { // the second time with what the first left behind
				r := httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(tc.body))
				r.Header["Content-Encoding"] = tc.encoding
				b, received, err := s.read(httptest.NewRecorder(), r, packed, inflated)
				if !errors.Is(err, tc.err) || tc.err == nil && err != nil {
					t.Fatalf("got %v, want %v", err, tc.err)
				}
				if err == nil {
					if !bytes.Equal(b.b, tc.want) {
						t.Errorf("%d bytes, want %d", len(b.b), len(tc.want))
					}
					if received != int64(len(tc.body)) {
						t.Errorf("%d bytes received, %d were sent", received, len(tc.body))
					}
					b.free()
				}
				if used := s.mem.used.Load(); used != 0 {
					t.Errorf("%d bytes of memory were not given back", used)
				}
			}
		})
	}
}

// What a request says of its length is not believed, and neither is it read when it says too much.
func TestLyingLength(t *testing.T) {
	s := newBodies(1<<20, 1)
	r := httptest.NewRequest(http.MethodPost, "/", io.NopCloser(unreadable{t}))
	r.ContentLength = 1 << 40
	if _, _, err := s.read(httptest.NewRecorder(), r, 1<<10, 1<<10); !errors.Is(err, errTooLarge) {
		t.Errorf("got %v", err)
	}
}

type unreadable struct{ t *testing.T }

func (u unreadable) Read([]byte) (int, error) {
	u.t.Error("a body that is too large by its own word was read")
	return 0, io.EOF
}

// All requests share the memory for their bodies: who would exceed it is refused, and nothing is held for it.
func TestBodiesShareMemory(t *testing.T) {
	s := newBodies(256<<10, 1)
	read := func(n int) (*body, error) {
		r := httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(make([]byte, n)))
		b, _, err := s.read(httptest.NewRecorder(), r, 1<<20, 1<<20)
		return b, err
	}
	first, err := read(100 << 10)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := read(200 << 10); !errors.Is(err, errOverloaded) {
		t.Errorf("a second body beyond the memory: %v", err)
	}
	second, err := read(50 << 10)
	if err != nil {
		t.Fatalf("a second body within the memory: %v", err)
	}
	if used := s.mem.used.Load(); used > s.mem.limit || used < 150<<10 {
		t.Errorf("%d bytes are accounted for", used)
	}
	second.free()
	first.free()
	if used := s.mem.used.Load(); used != 0 {
		t.Errorf("%d bytes of memory were not given back", used)
	}
}

// A body that ends early, or whose connection breaks, is not taken for a whole one, and may be sent again; one whose chunks
// are none will never be better.
func TestBodyCutShort(t *testing.T) {
	for name, c := range map[string]struct {
		request string
		is      error
		code    wire.Code
	}{
		"less than was promised": {"Content-Length: 10\r\n\r\nhalf", errCut, wire.Incomplete},
		"without the last chunk": {"Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n", errCut, wire.Incomplete},
		"within a chunk":         {"Transfer-Encoding: chunked\r\n\r\nff\r\nhalf", errCut, wire.Incomplete},
		"a chunk of no size":     {"Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\nsecret\r\n", errFraming, wire.Malformed},
	} {
		s := newBodies(1<<20, 1)
		r, err := http.ReadRequest(bufio.NewReader(strings.NewReader("POST / HTTP/1.1\r\nHost: x\r\n" + c.request)))
		if err != nil {
			t.Fatal(err)
		}
		_, received, err := s.read(httptest.NewRecorder(), r, 1<<10, 1<<10)
		if !errors.Is(err, c.is) || received != 4 {
			t.Errorf("%s: %d bytes, %v", name, received, err)
		}
		if no := asRefusal(t.Context(), err); no.problem.Code != c.code || !no.close || strings.Contains(no.problem.Detail, "secret") {
			t.Errorf("%s: %+v", name, no)
		}
		if used := s.mem.used.Load(); used != 0 {
			t.Errorf("%s: %d bytes are still held", name, used)
		}
	}
}
