package devicetest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"unsafe"
)

const (
	envNamespace = "STET_DEVICES_NAMESPACE" // this process has mounts of its own
	envWorker    = "STET_DEVICES_WORKER"    // this process is a worker on the disk mounted there
)

// wanted says whether devices may be used at all: they take root, and a minute or two.
func wanted() bool { return os.Getenv("CI") == "true" || os.Getenv("STET_DEVICES") != "" }

func TestMain(m *testing.M) {
	switch {
	case os.Getenv(envWorker) != "":
		work(os.Getenv(envWorker))
		os.Exit(0)
	case wanted() && os.Geteuid() == 0 && os.Getenv(envNamespace) == "":
		os.Exit(inNamespace())
	}
	os.Exit(m.Run())
}

// inNamespace runs this program again where its mounts are seen by nobody else, and end with it.
func inNamespace() int {
	runtime.LockOSThread() // whose end would be taken for this process's
	c := exec.Command("/proc/self/exe", os.Args[1:]...)
	c.Stdin, c.Stdout, c.Stderr = os.Stdin, os.Stdout, os.Stderr
	c.Env = append(os.Environ(), envNamespace+"=1")
	c.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	err := c.Run()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit) && exit.ExitCode() > 0:
		return exit.ExitCode()
	}
	fmt.Fprintln(os.Stderr, "a mount namespace:", err)
	return 1
}

// needDevices skips a test where it cannot run; in CI it must run.
func needDevices(t *testing.T) {
	t.Helper()
	why := ""
	switch {
	case !wanted():
		why = "it mounts loop devices: set STET_DEVICES=1 (make devices)"
	case os.Geteuid() != 0:
		why = "only root can mount"
	default:
		for _, tool := range []string{"mkfs.ext4", "losetup", "e2fsck"} {
			if _, err := exec.LookPath(tool); err != nil {
				why = err.Error()
			}
		}
		if _, err := os.Stat("/dev/loop-control"); err != nil {
			why = err.Error()
		}
	}
	switch {
	case why == "":
	case os.Getenv("CI") == "true":
		t.Fatal(why)
	default:
		t.Skip(why)
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// mountMemory mounts a tmpfs of this size, in bytes.
func mountMemory(t testing.TB, size int64) (dir string) {
	t.Helper()
	dir = t.TempDir()
	must(t, syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d", size)))
	t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) }) // the namespace ends anyway
	return dir
}

// disk is ext4 on a loop device over an image file.
type disk struct {
	t     testing.TB
	image string
	dir   string // where it is mounted
}

// newDisk makes a disk of this size, in bytes, in an image file below dir, and mounts it.
func newDisk(t testing.TB, dir string, size int64) *disk {
	t.Helper()
	d := &disk{t: t, image: filepath.Join(dir, "image"), dir: t.TempDir()}
	d.format(size)
	d.mount()
	t.Cleanup(func() { _ = syscall.Unmount(d.dir, syscall.MNT_DETACH) })
	return d
}

func (d *disk) format(size int64) {
	d.t.Helper()
	_ = os.Remove(d.image) // of an earlier disk
	must(d.t, os.WriteFile(d.image, nil, 0o600))
	must(d.t, os.Truncate(d.image, size))
	d.run("mkfs.ext4", "-q", "-F", "-m", "0", "-E", "lazy_itable_init=0,lazy_journal_init=0", d.image)
}

func (d *disk) run(name string, args ...string) string {
	d.t.Helper()
	out, err := exec.CommandContext(context.Background(), name, args...).CombinedOutput()
	if err != nil {
		d.t.Fatalf("%s %q: %v: %s", name, args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// mount attaches the image and mounts it, with the journal's replay. Where that is not enough e2fsck is asked, as at boot.
func (d *disk) mount() {
	d.t.Helper()
	device := d.run("losetup", "--find", "--show", d.image)
	err := syscall.Mount(device, d.dir, "ext4", 0, "")
	if err != nil {
		out, ferr := exec.CommandContext(context.Background(), "e2fsck", "-p", device).CombinedOutput()
		d.t.Logf("mount: %v; e2fsck: %s (%v)", err, out, ferr)
		err = syscall.Mount(device, d.dir, "ext4", 0, "")
	}
	d.run("losetup", "--detach", device) // when it is unmounted
	must(d.t, err)
}

func (d *disk) unmount() {
	d.t.Helper()
	must(d.t, syscall.Unmount(d.dir, 0))
}

// The ways of EXT4_IOC_SHUTDOWN to stop a file system as a power cut does: with what is in its journal by then on disk, or
// not even that.
const (
	logFlush   = uint32(1)
	noLogFlush = uint32(2)

	ioctlShutdown = 0x8004587d
)

// cut is the power cut: from now on nothing reaches the disk, and every call on it fails.
func (d *disk) cut(how uint32) {
	d.t.Helper()
	f, err := os.Open(d.dir)
	must(d.t, err)
	_, _, errno := syscall.Syscall(syscall.SYS_IOCTL, f.Fd(), ioctlShutdown, uintptr(unsafe.Pointer(&how)))
	if err := f.Close(); errno != 0 || err != nil {
		d.t.Fatalf("EXT4_IOC_SHUTDOWN: %v, close: %v", errno, err)
	}
}

// ballast fills a file system until only so many bytes of it are free, and returns what gives the space back.
func ballast(t testing.TB, dir string, free int64) (release func()) {
	t.Helper()
	name := filepath.Join(dir, "ballast")
	f, err := os.Create(name)
	must(t, err)
	var st syscall.Statfs_t
	must(t, syscall.Statfs(dir, &st))
	if size := int64(st.Bavail)*st.Bsize - free; size > 0 {
		must(t, syscall.Fallocate(int(f.Fd()), 0, 0, size))
	}
	must(t, f.Close())
	return func() { must(t, os.Remove(name)) }
}
