package origin

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
)

// MaxText is the longest text in a Value, in bytes.
const MaxText = 512

// A Value is a finding and how it came about. The zero Value means not found.
type Value struct {
	Text string
	How  string // for an event's derived member, e.g. "kernel: hostname"
}

// Found says whether there is anything.
func (v Value) Found() bool { return v.Text != "" }

// Origin is who and where this process is, and what set it off.
type Origin struct {
	Hostname Value
	Address  Value // canonical IP, of the default route where there is one
	BootID   Value
	Machine  Value // keyed hash of the machine id, 32 hex digits

	UID       int   // effective
	User      Value // its name in /etc/passwd, else absent
	LoginUID  Value // decimal; who logged in, kept through sudo and su
	LoginUser Value // its name in /etc/passwd
	SudoUser  Value // who called sudo; a claim

	PID      int
	PIDStart uint64 // ticks since boot at which PID began, 0 when unknown
	Terminal Value  // controlling terminal, e.g. pts/3

	SSHClient Value // canonical IP that SSH_CONNECTION names; a claim

	Executable Value // base name of this program's file
	Build      Build

	Trigger    Trigger
	EntryPoint EntryPoint
	CI         CI
	Systemd    Systemd
	Airflow    Airflow
	Lineage    Value // the run that OPENLINEAGE_PARENT_ID names as our parent; a claim
	// References point at what others have recorded of our cause: runs, lines, units.
	References []Reference
}

// Sources are where [From] looks. A nil member is "cannot be found", except
// Root and Lookup, which must be given; [System] has all of this machine's.
type Sources struct {
	Lookup     func(string) (string, bool) // as os.LookupEnv
	Root       fs.FS                       // the file system from "/"
	UID, PID   int
	Hostname   func() (string, error)
	Executable func() (string, error)
	Build      func() (*debug.BuildInfo, bool)
	Route      func() (netip.Addr, error)   // local address of the default route
	Addresses  func() ([]netip.Addr, error) // of all interfaces
}

// System are this machine's own sources, with lookup for the environment.
func System(lookup func(string) (string, bool)) Sources {
	return Sources{
		Lookup:     lookup,
		Root:       os.DirFS("/"),
		UID:        os.Geteuid(),
		PID:        os.Getpid(),
		Hostname:   os.Hostname,
		Executable: os.Executable,
		Build:      debug.ReadBuildInfo,
		Route:      routeAddress,
		Addresses:  interfaceAddresses,
	}
}

// Detect finds out about this process on this machine. It takes well under a
// millisecond and may be called from several goroutines at once.
func Detect(lookup func(string) (string, bool)) Origin { return From(System(lookup)) }

// From finds out from the given sources.
func From(s Sources) Origin {
	d := detector{s}
	o := Origin{UID: s.UID, PID: s.PID}
	o.Hostname = d.hostname()
	o.Address = d.address()
	o.BootID = d.file("proc/sys/kernel/random/boot_id", "kernel: boot_id")
	o.Machine = d.machine()
	o.User = d.user(strconv.Itoa(s.UID), "kernel: effective uid, /etc/passwd")
	o.LoginUID, o.LoginUser = d.login()
	o.SudoUser = d.env("SUDO_USER")
	self := d.stat(strconv.Itoa(s.PID))
	o.PIDStart = self.start
	o.Terminal = self.terminal()
	o.SSHClient = d.ssh()
	o.Executable = d.executable()
	o.Build = d.build()
	o.CI = d.ci()
	o.Systemd = d.systemd(self)
	o.Airflow = d.airflow()
	o.Lineage = d.lineage()
	cron := d.scheduler(self)
	o.Trigger, o.EntryPoint = d.trigger(cron, o)
	o.References = d.references(o, cron.line)
	return o
}

type detector struct{ Sources }

func (d detector) hostname() Value {
	if d.Hostname == nil {
		return Value{}
	}
	name, err := d.Hostname()
	if err != nil {
		return Value{}
	}
	return value(name, "kernel: hostname")
}

// machine hides the machine id, as machine-id(5) asks: it identifies the machine
// for good, so only a keyed hash that is our own may leave it.
func (d detector) machine() Value {
	id := d.file("etc/machine-id", "")
	if !id.Found() {
		return Value{}
	}
	mac := hmac.New(sha256.New, []byte(id.Text))
	mac.Write([]byte("stet/machine/v1"))
	return value(hex.EncodeToString(mac.Sum(nil)[:16]), "/etc/machine-id, hashed")
}

// login tells who logged in. The kernel keeps it through sudo, su and every
// child; 2^32-1 means nobody did, as for cron and services without pam_loginuid.
func (d detector) login() (uid, user Value) {
	const unset = 1<<32 - 1
	v := d.file("proc/self/loginuid", "kernel: loginuid")
	n, err := strconv.ParseUint(v.Text, 10, 32)
	if err != nil || n == unset {
		return Value{}, Value{}
	}
	return v, d.user(v.Text, "kernel: loginuid, /etc/passwd")
}

// user reads /etc/passwd itself. The system's own lookup may ask a directory
// over the network, and hang; a user who is only there has a number here.
func (d detector) user(uid, how string) Value {
	for line := range strings.Lines(d.read("etc/passwd", 1<<20)) {
		f := strings.Split(strings.TrimSuffix(line, "\n"), ":")
		if len(f) == 7 && f[2] == uid {
			return value(f[0], how)
		}
	}
	return Value{}
}

// ssh reads "client port server port" of SSH_CONNECTION, ssh(1).
func (d detector) ssh() Value {
	v := d.env("SSH_CONNECTION")
	f := strings.Fields(v.Text)
	if len(f) != 4 {
		return Value{}
	}
	a, err := netip.ParseAddr(f[0])
	if err != nil {
		return Value{}
	}
	return value(a.Unmap().WithZone("").String(), v.How)
}

func (d detector) executable() Value {
	if d.Executable == nil {
		return Value{}
	}
	path, err := d.Executable()
	if err != nil {
		return Value{}
	}
	return value(filepath.Base(path), "name of the executable")
}

func (d detector) env(name string) Value {
	v, ok := d.Lookup(name)
	if !ok {
		return Value{}
	}
	return value(v, "environment: "+name)
}

// file is the one line of a small file.
func (d detector) file(name, how string) Value {
	return value(strings.TrimSpace(d.read(name, 4096)), how)
}

// read returns at most max bytes of a file, nothing when it cannot be read.
func (d detector) read(name string, max int64) string {
	f, err := d.Root.Open(name)
	if err != nil {
		return ""
	}
	defer f.Close() //nolint:errcheck // read only
	b, err := io.ReadAll(io.LimitReader(f, max))
	if err != nil {
		return ""
	}
	return string(b)
}

func value(text, how string) Value {
	if text == "" {
		return Value{}
	}
	return Value{Text: text[:min(len(text), MaxText)], How: how}
}
