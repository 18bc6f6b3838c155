package main

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/stetlog/stet/proof"
)

// auditor runs verify in this process, thousands of times.
type auditor struct {
	t   *testing.T
	out *os.File
	n   int
}

func newAuditor(t *testing.T, state string) *auditor {
	t.Helper()
	t.Setenv("STET_STATE", state)
	out, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = out.Close() })
	return &auditor{t: t, out: out}
}

func (a *auditor) verify(store string) (code int, out string) {
	a.t.Helper()
	a.n++
	if err := a.out.Truncate(0); err != nil {
		a.t.Fatal(err)
	}
	if _, err := a.out.Seek(0, 0); err != nil {
		a.t.Fatal(err)
	}
	code = run([]string{"verify", "--store", store}, nil, a.out, a.out)
	b, err := os.ReadFile(a.out.Name())
	if err != nil {
		a.t.Fatal(err)
	}
	return code, string(b)
}

// named is a finding that says where to look: an entry, a file, or, where a rewritten log is good in itself, how many of
// its entries cannot all be those that were once signed.
var named = regexp.MustCompile(`failed( at seq \d+)?( \([^)]+\))?:( this computer saw the first \d+ entries)?`)

// caught demands exit 3 and a name: of an entry or of a file.
func (a *auditor) caught(what string, l loot) {
	a.t.Helper()
	code, out := a.verify(l.dir)
	if code != exitIntegrity {
		a.t.Errorf("%s: exit %d, want %d\n%s", what, code, exitIntegrity, out)
		return
	}
	for _, m := range named.FindAllStringSubmatch(out, -1) {
		if m[1] != "" || m[2] != "" || m[3] != "" {
			return
		}
	}
	a.t.Errorf("%s: caught, yet neither an entry nor a file is named\n%s", what, out)
}

func (a *auditor) is(want int, what string, l loot) {
	a.t.Helper()
	if code, out := a.verify(l.dir); code != want {
		a.t.Errorf("%s: exit %d, want %d\n%s", what, code, want, out)
	}
}

// scene is a store as a week may leave it, with an older copy of it.
type scene struct {
	*shop
	older loot // before the last runs
	now   loot // cleanly closed
	other loot // another store of the same user
}

// newScene records, on the real program: a parent with children, a failure, and a run whose recorder was killed. A long
// one also has a run with so many heartbeats that the log has three bundles.
func newScene(t *testing.T, long bool) *scene {
	t.Helper()
	s := &scene{shop: newShop(t)}
	s.must(t, 0, "run", "--job", "parent", "--why", "a tree", "--", "sh", "-c", "stet run --job child -- true; stet run --job other -- true")
	s.must(t, 3, "run", "--job", "failing", "--", "sh", "-c", "exit 3")
	s.older = steal(t, s.store)
	if long {
		s.must(t, 0, "run", "--job", "long", "--heartbeat", "1ms", "--", "sh", "-c",
			fmt.Sprintf("until test $(cat store/spool/*/*.seg | grep -ao '\"event_type\":\"job_heartbeat\"' | wc -l) -gt %d; do sleep 0.02; done", 2*proof.TileWidth))
	}
	s.lose(t)
	s.must(t, 0, "run", "--job", "last", "--", "true")
	s.now = steal(t, s.store)
	if n := len(s.now.entries()); long && n <= 2*proof.TileWidth {
		t.Fatalf("the store has %d entries, too few for three bundles", n)
	}
	there := &shop{dir: s.dir, store: filepath.Join(s.dir, "there"), state: s.state}
	there.must(t, 0, "run", "--", "true")
	s.other = steal(t, there.store)
	return s
}

// lose has a recorder killed in the middle of its command.
func (s *scene) lose(t *testing.T) {
	t.Helper()
	cmd := s.command(t.Context(), "run", "--job", "lost", "--", "sh", "-c", "kill -9 $PPID; sleep 0.1")
	if err := cmd.Run(); err == nil {
		t.Fatal("the recorder survived its own death")
	}
}

// TestTampers alters a real store in every way that its owner, a thief or a bad disk could, and demands that verify
// catches it and says where. STET_LONG=1 tries every byte of every file and every entry; otherwise some are picked.
func TestTampers(t *testing.T) {
	s := newScene(t, false)
	a := newAuditor(t, s.state)
	a.is(exitOK, "a store that nobody touched", s.now)
	r := rand.New(rand.NewPCG(1, 2))
	t.Run("flip", func(t *testing.T) { flips(t, a, s.now, r, 40) })
	t.Run("file", func(t *testing.T) { files(a, s) })
	t.Run("entry", func(t *testing.T) { entries(a, s.now, r, 30) })
	t.Run("forge", func(t *testing.T) { forgeries(t, a, s) })
	t.Logf("%d verifications", a.n)
}

// TestTampersOfBundles does the same, more thinly, where the log is long enough to have more than one bundle.
func TestTampersOfBundles(t *testing.T) {
	s := newScene(t, true)
	a := newAuditor(t, s.state)
	a.is(exitOK, "a store that nobody touched", s.now)
	r := rand.New(rand.NewPCG(3, 4))
	t.Run("flip", func(t *testing.T) { flips(t, a, s.now, r, 6) })
	t.Run("entry", func(t *testing.T) { entries(a, s.now, r, 8) })
	t.Logf("%d verifications", a.n)
}

// flips changes one byte at a time, where that changes what the file says.
func flips(t *testing.T, a *auditor, from loot, r *rand.Rand, some int) {
	l := steal(t, from.dir)
	same := 0
	for _, name := range l.files() {
		good := l.read(name)
		compressed := strings.HasPrefix(name, "log/tile/entries/")
		var content []byte
		if compressed {
			content = inflate(good)
		}
		for _, at := range pick(len(good), r, some) {
			bad := bytes.Clone(good)
			bad[at] ^= 1 << r.IntN(8)
			l.write(name, bad)
			what := fmt.Sprintf("%s: byte %d of %d is %02x, was %02x", name, at, len(good), bad[at], good[at])
			if got := inflate(bad); compressed && got != nil && bytes.Equal(got, content) {
				// Another spelling of the same entries. It is caught where it is a header that could hold something.
				same++
				continue
			}
			a.caught(what, l)
		}
		l.write(name, good)
	}
	a.is(exitOK, "everything put back", l)
	t.Logf("%d flips left the decoded content as it was", same)
}

// pick returns about so many of n places, in order: the first and the last ones, and some in between; with STET_LONG all.
func pick(n int, r *rand.Rand, some int) (at []int) {
	all := os.Getenv("STET_LONG") != ""
	for i := range n {
		if all || i < some/4 || i >= n-some/4 || r.IntN(n) < some/2 {
			at = append(at, i)
		}
	}
	return at
}

// files removes, cuts, empties, replaces and adds whole files.
func files(a *auditor, s *scene) {
	for _, name := range s.now.files() {
		l := steal(a.t, s.now.dir)
		good := l.read(name)
		if name == "lock" {
			// It is empty and never read: nothing can be said by it. A missing one is made again.
			l.remove(name)
			a.is(exitOK, "lock removed", l)
			continue
		}
		l.remove(name)
		a.caught(name+" removed", l)
		l.write(name, good[:len(good)/2])
		a.caught(name+" cut in half", l)
		l.write(name, nil)
		a.caught(name+" emptied", l)
		l.write(name, append(bytes.Clone(good), 'x'))
		a.caught(name+" grown by a byte", l)
		l.remove(name)
		l.must(os.MkdirAll(l.path(name), 0o700))
		a.is(exitNotChecked, name+" is a directory", l)
	}
	for _, name := range []string{"log", "log/tile", "log/tile/0", "log/tile/entries", "keys"} {
		l := steal(a.t, s.now.dir)
		l.remove(name)
		a.caught(name+" removed", l)
	}
	for _, from := range []struct {
		name string
		loot
	}{{"an older copy", s.older}, {"another store", s.other}} {
		for _, names := range [][]string{{"head"}, {"log/checkpoint"}, {"head", "log/checkpoint"}, {"log"}, {"log", "head"}} {
			l := steal(a.t, s.now.dir)
			for _, n := range names {
				l.take(from.loot, n)
			}
			a.caught(fmt.Sprintf("%v of %s", names, from.name), l)
		}
	}
	a.caught("an older copy, restored", s.older)
	for _, names := range [][]string{{"keys/log.key"}, {"keys/store.key"}, {"keys"}, {"store"}, {"keys", "store"}} {
		l := steal(a.t, s.now.dir)
		for _, n := range names {
			l.take(s.other, n)
		}
		a.caught(fmt.Sprintf("%v of another store", names), l)
	}
	for _, name := range []string{"log/note.txt", "log/tile/0/notes", "log/tile/entries/999"} {
		l := steal(a.t, s.now.dir)
		l.write(name, []byte("what is this?"))
		if code, out := a.verify(l.dir); code == exitOK || !strings.Contains(out, name) {
			a.t.Errorf("%s added: exit %d\n%s", name, code, out)
		}
	}
}

// entries alters, removes and swaps entries within well-formed bundles.
func entries(a *auditor, from loot, r *rand.Rand, some int) {
	all := from.entries()
	size := uint64(len(all))
	l := steal(a.t, from.dir)
	for _, n := range pick(len(all), r, some) {
		seq := uint64(n)
		name, first := bundle(seq, size)
		good := l.read(name)
		these := l.unpack(name)
		i := int(seq - first)

		l.pack(name, slices.Delete(slices.Clone(these), i, i+1))
		a.caught(fmt.Sprintf("entry %d removed", seq), l)

		changed := bytes.Clone(these[i])
		at := r.IntN(len(changed))
		changed[at] ^= 1
		l.pack(name, replaced(these, i, changed))
		a.caught(fmt.Sprintf("entry %d: byte %d is %q, was %q", seq, at, changed[at], these[i][at]), l)

		if other := r.IntN(len(these)); other != i {
			swapped := slices.Clone(these)
			swapped[i], swapped[other] = swapped[other], swapped[i]
			l.pack(name, swapped)
			a.caught(fmt.Sprintf("entries %d and %d swapped", seq, first+uint64(other)), l)
		}
		l.write(name, good)
	}
	bundles := l.tiles(true)
	for i := 1; i < len(bundles); i++ {
		x, y := l.read(bundles[i-1]), l.read(bundles[i])
		l.write(bundles[i-1], y)
		l.write(bundles[i], x)
		a.caught(fmt.Sprintf("%s and %s swapped", bundles[i-1], bundles[i]), l)
		l.write(bundles[i-1], x)
		l.write(bundles[i], y)
	}
	for _, cut := range []int{1, 2, 7} { // below the head
		name, _ := bundle(size-1, size)
		good := l.read(name)
		these := l.unpack(name)
		if cut > len(these) { // how many heartbeats there were, and so how many entries are in the last bundle, is the machine's to say
			continue
		}
		l.pack(name, these[:len(these)-cut])
		a.caught(fmt.Sprintf("the last %d entries cut off", cut), l)
		l.write(name, good)
	}
	a.is(exitOK, "everything put back", l)
}

func replaced(all [][]byte, i int, with []byte) [][]byte {
	all = slices.Clone(all)
	all[i] = with
	return all
}

// forgeries leaves out whole streams: first with the log's files left as they are, then with more and more of them made
// to fit, and at last as only the owner of the log's key can, when nothing but the memory of this computer tells.
func forgeries(t *testing.T, a *auditor, s *scene) {
	streams := s.now.streams()
	nowhere := t.TempDir()
	for i, stream := range streams {
		if i == 0 {
			continue // the log's first entry: without it there is none
		}
		enrolment := false
		forged := s.now.rewrite(func(seal proof.Seal) bool {
			if seal.Stream == stream {
				enrolment = seal.App == "stet"
				return false
			}
			return true
		})
		for _, parts := range [][]string{{"log/tile/entries"}, {"log/tile/0"}, {"log/tile"}, {"log/tile", "head"}, {"log/tile", "head", "log/checkpoint"}, {"log/checkpoint"}, {"head"}, {"head", "log/checkpoint"}} {
			l := steal(t, s.now.dir)
			for _, p := range parts {
				l.take(forged, p)
			}
			a.caught(fmt.Sprintf("stream %s left out of %v", stream, parts), l)
		}
		a.caught(fmt.Sprintf("the log rewritten without stream %s and signed again", stream), forged)
		if enrolment {
			continue // its own keys show what is missing
		}
		t.Setenv("STET_STATE", nowhere)
		if code, out := a.verify(forged.dir); code != exitOK || !strings.Contains(out, "local only") {
			t.Errorf("the forgery of stream %s is not good enough to test the memory of this computer: exit %d\n%s", stream, code, out)
		}
		t.Setenv("STET_STATE", s.state)
	}
	// With a store key of their own, thieves can add as well.
	longer := s.now.rewrite(func(proof.Seal) bool { return true })
	a.caught("the same batches, signed again at another time", longer)
}

// TestCrashed kills recorders at many moments: the store they leave is sound as it is, with nothing brought in.
func TestCrashed(t *testing.T) {
	s := &scene{shop: newShop(t)}
	a := newAuditor(t, s.state)
	for i := range 5 {
		s.lose(t)
		a.is(exitOK, fmt.Sprintf("a store whose recorder was killed %d times", i+1), loot{t, s.store})
	}
	s.must(t, exitOK, "story")
	a.is(exitOK, "the same, brought in", loot{t, s.store})
}

// TestUnreadable takes the right to read away from a user who is not root: what cannot be read is not checked, and
// nothing is said to have failed.
func TestUnreadable(t *testing.T) {
	x := newShop(t)
	x.must(t, exitOK, "run", "--job", "secret", "--", "true")
	me := exec.Command
	if os.Geteuid() == 0 {
		const nobody = 65534
		stet, err := exec.LookPath("stet")
		if err != nil {
			t.Fatal(err)
		}
		self := filepath.Join(x.dir, "stet") // where nobody can run it
		b, err := os.ReadFile(stet)
		if err == nil {
			err = os.WriteFile(self, b, 0o755)
		}
		if err == nil {
			err = filepath.WalkDir(x.dir, func(path string, _ os.DirEntry, err error) error {
				if err != nil {
					return err
				}
				return os.Lchown(path, nobody, nobody)
			})
		}
		if err != nil {
			t.Fatal(err)
		}
		for dir := filepath.Dir(x.dir); strings.HasPrefix(dir, filepath.Clean(os.TempDir())+"/"); dir = filepath.Dir(dir) {
			if err := os.Chmod(dir, 0o755); err != nil {
				t.Fatal(err)
			}
		}
		me = func(name string, args ...string) *exec.Cmd {
			cmd := exec.Command(self, args...)
			cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
			return cmd
		}
	}
	verify := func() (int, string) {
		cmd := me("stet", "verify", "--store", x.store)
		cmd.Dir, cmd.Env = x.dir, append(os.Environ(), "STET_STATE="+x.state)
		out, _ := cmd.CombinedOutput()
		return cmd.ProcessState.ExitCode(), string(out)
	}
	if code, out := verify(); code != exitOK {
		t.Fatalf("exit %d\n%s", code, out)
	}
	l := loot{t, x.store}
	for _, name := range append(l.files(), "log/tile", "keys", "spool", "log") {
		if name == "lock" {
			continue // never read
		}
		fi, err := os.Stat(l.path(name))
		l.must(err)
		l.must(os.Chmod(l.path(name), 0))
		if code, out := verify(); code != exitNotChecked || strings.Contains(out, "failed") {
			t.Errorf("%s cannot be read: exit %d, want %d\n%s", name, code, exitNotChecked, out)
		}
		l.must(os.Chmod(l.path(name), fi.Mode().Perm()))
	}
}
