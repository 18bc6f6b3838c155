package keyfile

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/mod/sumdb/note"
)

const role = "STET_KEYFILE_TEST_PATH"

// The test binary is run again as one of many processes that want the key.
func TestMain(m *testing.M) {
	if path := os.Getenv(role); path != "" {
		k, err := LoadOrCreate(path, "racer/"+fmt.Sprint(os.Getpid()), nil)
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println(k.VKey)
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// seed is a key that tests know: 32 times the letter s.
var seed = bytes.Repeat([]byte("s"), 32)

func known(t *testing.T) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "new", "deep", "emitter.key")
	if _, err := LoadOrCreate(path, "stet-emitter/db1/1000", bytes.NewReader(seed)); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestFileFormat(t *testing.T) {
	b, err := os.ReadFile(known(t))
	if err != nil {
		t.Fatal(err)
	}
	// A vector for other implementations: RFC 8032 for the key, C2SP
	// signed-note for name, hash and prefix byte.
	const want = "stet/key/v1\nPRIVATE+KEY+stet-emitter/db1/1000+HASH+AXNzc3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc3Nz\n"
	k, err := fromSeed("stet-emitter/db1/1000", seed)
	if err != nil {
		t.Fatal(err)
	}
	hash := strings.Split(k.VKey, "+")[1]
	if got := strings.Replace(string(b), "+"+hash+"+", "+HASH+", 1); got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	// note itself must read the second line.
	_, line, _ := strings.Cut(strings.TrimSpace(string(b)), "\n")
	s, err := note.NewSigner(line)
	if err != nil {
		t.Fatal(err)
	}
	if s.Name() != k.Name || fmt.Sprintf("%08x", s.KeyHash()) != hash {
		t.Errorf("note reads %s+%08x", s.Name(), s.KeyHash())
	}
}

func TestCreatedForTheOwnerAlone(t *testing.T) {
	old := syscall.Umask(0)
	defer syscall.Umask(old)
	path := known(t)
	for name, want := range map[string]fs.FileMode{
		path: 0o600, filepath.Dir(path): 0o700 | fs.ModeDir, filepath.Dir(filepath.Dir(path)): 0o700 | fs.ModeDir,
	} {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode() != want {
			t.Errorf("%s has mode %v, want %v", name, info.Mode(), want)
		}
	}
	if names := list(t, filepath.Dir(path)); len(names) != 1 {
		t.Errorf("the directory holds %v", names)
	}
}

func list(t *testing.T, dir string) (names []string) {
	t.Helper()
	all, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range all {
		names = append(names, e.Name())
	}
	return names
}

func TestExistingKeyKeepsItsName(t *testing.T) {
	path := known(t)
	first, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	again, err := LoadOrCreate(path, "another name", nil) // not even a valid one
	if err != nil {
		t.Fatal(err)
	}
	if again.Name != "stet-emitter/db1/1000" || again.VKey != first.VKey || again.ID() != first.ID() {
		t.Errorf("got %s", again.VKey)
	}
	if len(first.ID()) != 64 {
		t.Errorf("id %q", first.ID())
	}
}

func TestSignaturesVerify(t *testing.T) {
	k, err := Load(known(t))
	if err != nil {
		t.Fatal(err)
	}
	msg := []byte("let it stand")
	sig, err := k.Signer.Sign(nil, msg, crypto.Hash(0))
	if err != nil {
		t.Fatal(err)
	}
	if !ed25519.Verify(k.Signer.Public().(ed25519.PublicKey), msg, sig) {
		t.Error("the signature does not verify")
	}
	if _, err := k.Signer.Sign(nil, msg, crypto.SHA256); err == nil {
		t.Error("a hash of the wrong kind was signed")
	}
	s, err := k.NoteSigner()
	if err != nil {
		t.Fatal(err)
	}
	signed, err := note.Sign(&note.Note{Text: "text\n"}, s)
	if err != nil {
		t.Fatal(err)
	}
	v, err := note.NewVerifier(k.VKey)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := note.Open(signed, note.VerifierList(v)); err != nil {
		t.Error(err)
	}
	if _, err := (Key{}).NoteSigner(); err == nil {
		t.Error("an empty key signs notes")
	}
}

func TestHundredProcessesGetOneKey(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "state", "emitter.key")
	const processes = 100
	type answer struct {
		out []byte
		err error
	}
	answers := make(chan answer, processes)
	for range processes {
		go func() {
			cmd := exec.Command(self)
			cmd.Env = append(os.Environ(), role+"="+path)
			out, err := cmd.CombinedOutput()
			answers <- answer{out, err}
		}()
	}
	got := map[string]int{}
	for range processes {
		a := <-answers
		if a.err != nil {
			t.Errorf("%v: %s", a.err, a.out)
		}
		got[string(a.out)]++
	}
	if len(got) != 1 {
		t.Errorf("%d different keys: %v", len(got), got)
	}
	if names := list(t, filepath.Dir(path)); len(names) != 1 {
		t.Errorf("left behind: %v", names)
	}
}

func TestLoadRefuses(t *testing.T) {
	good, err := os.ReadFile(known(t))
	if err != nil {
		t.Fatal(err)
	}
	replace := func(old, with string) string {
		s := strings.Replace(string(good), old, with, 1)
		if s == string(good) {
			t.Fatalf("nothing to replace: %q", old)
		}
		return s
	}
	for _, tc := range []struct {
		name, text string
		mode       fs.FileMode
		want       error
		says       string
	}{
		{"readable by the group", string(good), 0o640, ErrExposed, "chmod 600"},
		{"readable by others", string(good), 0o604, ErrExposed, "0604"},
		{"writable by the group", string(good), 0o620, ErrExposed, "chmod 600"},
		{"empty", "", 0o600, ErrFormat, "first line"},
		{"a later version", replace("v1", "v2"), 0o600, ErrFormat, "first line"},
		{"cut", string(good)[:len(good)-1], 0o600, ErrFormat, "two lines"},
		{"more", string(good) + "x\n", 0o600, ErrFormat, "two lines"},
		{"too large", string(good) + strings.Repeat("x", 2000), 0o600, ErrFormat, "larger"},
		{"a public key", "stet/key/v1\n" + "name+00000000+AAAA\n", 0o600, ErrFormat, "no private key"},
		{"another algorithm", replace("+AXNz", "+AnNz"), 0o600, ErrFormat, "algorithm 2"},
		{"a flipped bit", replace("+AXNz", "+AXNy"), 0o600, ErrFormat, "its own hash"},
		{"another name", replace("/1000+", "/1001+"), 0o600, ErrFormat, "its own hash"},
		{"no hash", "stet/key/v1\nPRIVATE+KEY+name\n", 0o600, ErrFormat, "cut short"},
		{"short", replace("c3Nz\n", "c3M=\n"), 0o600, ErrFormat, "33 bytes"},
		{"CR", replace("\n", "\r\n"), 0o600, ErrFormat, "first line"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "key")
			if err := os.WriteFile(path, []byte(tc.text), tc.mode); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(path, tc.mode); err != nil {
				t.Fatal(err)
			}
			_, err := LoadOrCreate(path, "name", nil)
			if !errors.Is(err, tc.want) || !strings.Contains(err.Error(), tc.says) || !strings.Contains(err.Error(), path) {
				t.Errorf("got %v; want %v, %q", err, tc.want, tc.says)
			}
			if err != nil && strings.Contains(err.Error(), "c3Nz") {
				t.Errorf("the error shows the key: %v", err)
			}
			after, rerr := os.ReadFile(path)
			if rerr != nil || string(after) != tc.text {
				t.Error("the refused file was touched")
			}
		})
	}
}

func TestLoadRefusesWhatIsNoFile(t *testing.T) {
	dir := t.TempDir()
	fifo := filepath.Join(dir, "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{dir, fifo} {
		if _, err := Load(path); !errors.Is(err, ErrFormat) {
			t.Errorf("%s: %v", path, err)
		}
	}
	if _, err := Load(filepath.Join(dir, "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing: %v", err)
	}
	if _, err := LoadOrCreate(filepath.Join(fifo, "key"), "name", nil); !errors.Is(err, syscall.ENOTDIR) {
		t.Errorf("below a file: %v", err)
	}
}

func TestLoadRefusesAnotherUsersKey(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only the superuser can give a file away")
	}
	path := known(t)
	if err := os.Chown(path, 4711, 4711); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(path); !errors.Is(err, ErrOwner) || !strings.Contains(err.Error(), "4711") {
		t.Errorf("got %v", err)
	}
}

func TestNames(t *testing.T) {
	for _, name := range []string{"", "two words", "a+b", "line\n", "tab\t", "b\xff", "naïve", strings.Repeat("x", MaxName+1)} {
		if _, err := Generate(name, nil); !errors.Is(err, ErrName) {
			t.Errorf("%q: %v", name, err)
		}
		clean := CleanName(name)
		if name == "" {
			continue
		}
		if _, err := Generate(clean, nil); err != nil {
			t.Errorf("%q, cleaned to %q: %v", name, clean, err)
		}
	}
	if got := CleanName("stet-emitter/db1/1000"); got != "stet-emitter/db1/1000" {
		t.Errorf("a good name became %q", got)
	}
}

func TestNoRandomnessNoKey(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	if _, err := LoadOrCreate(path, "name", strings.NewReader("too short")); err == nil {
		t.Error("a key from nine bytes of randomness")
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file is there: %v", err)
	}
}

// However a key is printed, the seed does not come out.
func TestPrintingHidesTheKey(t *testing.T) {
	k, err := Generate("name", bytes.NewReader(seed))
	if err != nil {
		t.Fatal(err)
	}
	nested := struct{ hidden any }{k}
	var printed strings.Builder
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%q", "%d"} {
		fmt.Fprintf(&printed, verb, k)
		fmt.Fprintf(&printed, verb, &k)
		fmt.Fprintf(&printed, verb, k.Signer)
		fmt.Fprintf(&printed, verb, nested)
	}
	if b, err := json.Marshal(k); err == nil {
		printed.Write(b)
	}
	for _, secret := range []string{
		"ssss", "73737373", "115 115 115", "0x73, 0x73", base64.StdEncoding.EncodeToString(seed)[:8],
	} {
		if strings.Contains(printed.String(), secret) {
			t.Errorf("%q is in the print", secret)
		}
	}
}

func TestStateDir(t *testing.T) {
	for _, tc := range []struct {
		name string
		uid  int
		env  map[string]string
		want string
	}{
		{"given", 1000, map[string]string{"STET_STATE": "/srv/stet/", "HOME": "/home/a"}, "/srv/stet"},
		{"given to root", 0, map[string]string{"STET_STATE": "/srv/stet"}, "/srv/stet"},
		{"root", 0, map[string]string{"HOME": "/root", "XDG_STATE_HOME": "/x"}, "/var/lib/stet"},
		{"xdg", 1000, map[string]string{"HOME": "/home/a", "XDG_STATE_HOME": "/x"}, "/x/stet"},
		{"relative xdg is ignored", 1000, map[string]string{"HOME": "/home/a", "XDG_STATE_HOME": "x"}, "/home/a/.local/state/stet"},
		{"home", 1000, map[string]string{"HOME": "/home/a", "STET_STATE": ""}, "/home/a/.local/state/stet"},
		{"relative", 1000, map[string]string{"STET_STATE": "here", "HOME": "/home/a"}, ""},
		{"nothing", 1000, nil, ""},
		{"relative home", 1000, map[string]string{"HOME": "a"}, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := stateDir(func(k string) (string, bool) { v, ok := tc.env[k]; return v, ok }, tc.uid)
			if got != tc.want || (err != nil) != (tc.want == "") {
				t.Errorf("got %q, %v; want %q", got, err, tc.want)
			}
			if err != nil && (!errors.Is(err, ErrNoState) || !strings.Contains(err.Error(), "STET_STATE")) {
				t.Errorf("the error does not say what to do: %v", err)
			}
		})
	}
	store, err := DefaultStore(func(k string) (string, bool) { return "/srv/stet", k == "STET_STATE" })
	if err != nil || store != "/srv/stet/store" {
		t.Errorf("default store %q, %v", store, err)
	}
}

// Whatever is in the file: a key that is written as that same file, or an error
// that quotes none of it.
func FuzzParse(f *testing.F) {
	good, err := encode("stet-emitter/db1/1000", seed)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte("stet/key/v1\nPRIVATE+KEY+n+00000000+AA==\n"))
	f.Add([]byte("stet/key/v2\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		k, err := Parse(text)
		if err != nil {
			if !errors.Is(err, ErrFormat) {
				t.Errorf("unexpected kind of error: %v", err)
			}
			return
		}
		_, data, _ := strings.Cut(strings.TrimPrefix(string(text), header+"\n"+private+k.Name+"+"), "+")
		raw, err := base64.StdEncoding.DecodeString(strings.TrimSpace(data))
		if err != nil {
			t.Fatal(err)
		}
		again, err := encode(k.Name, raw[1:])
		if err != nil || !bytes.Equal(again, text) {
			t.Errorf("a second form of one key was accepted:\n%q\n%q", text, again)
		}
	})
}
