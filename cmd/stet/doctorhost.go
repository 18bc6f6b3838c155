package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
	"unicode"

	"github.com/stetlog/stet/internal/clock"
	"github.com/stetlog/stet/internal/lost"
	"github.com/stetlog/stet/internal/origin"
)

// clock looks at how far the clock is to be believed.
func (d *doctor) clock() { d.clockSays(clock.New().Evidence()) }

func (d *doctor) clockSays(ev clock.Evidence) {
	most := time.Duration(ev.ErrorUS()) * time.Microsecond
	low := "events say that their times are of low confidence"
	switch c := ev.Confidence(); {
	case c == clock.High || c == clock.Medium:
		d.ok("clock", "synchronised, off by at most %v", most)
	case c == clock.UnknownConfidence:
		d.add(diagnosis{"clock", sevWarn, "the kernel does not say whether the clock is synchronised", "events say that their times are of unknown confidence", "timedatectl, chronyc tracking or ntpq -p may say it"})
	case ev.State == clock.Unsynchronized:
		d.add(diagnosis{"clock", sevWarn, fmt.Sprintf("the kernel calls the clock unsynchronised: it may be off by %v, or by more", most), low,
			"timedatectl set-ntp true, or start chronyd or ntpd; in a container, do so on its host"})
	default:
		d.add(diagnosis{"clock", sevWarn, fmt.Sprintf("synchronised, and yet off by up to %v, of which %v is being corrected", most, time.Duration(ev.OffsetUS)*time.Microsecond), low,
			"see which server it follows: chronyc tracking, or timedatectl timesync-status"})
	}
}

// space is what a file system says of itself.
type space struct {
	kind        string // "" where it is an ordinary one
	free, total uint64 // bytes that are ours to use
	inodes      uint64 // free; maxUint64 where it does not count them
}

// Below these, a disk is about to be full: room for a segment of the journal and what is spooled meanwhile.
const (
	spaceProblem  = 64 << 20
	spaceWarn     = 1 << 30
	inodesProblem = 1000
)

// disks looks at where store and state lie.
func (d *doctor) disks() {
	for _, path := range []string{d.path, d.state} {
		for {
			_, err := os.Stat(path)
			if !errors.Is(err, fs.ErrNotExist) || path == filepath.Dir(path) {
				break
			}
			path = filepath.Dir(path) // where it will be made
		}
		s, err := statfs(path)
		if errors.Is(err, errors.ErrUnsupported) {
			continue // this system does not say
		}
		if err != nil {
			d.unchecked("disk", path, err)
			continue
		}
		d.disk(path, s)
	}
}

func (d *doctor) disk(path string, s space) {
	if why, ok := riskyKinds[s.kind]; ok {
		d.add(diagnosis{"disk", sevWarn, path + " is on " + s.kind, why, "put it on a local disk, with --store, STET_STORE and STET_STATE"})
	}
	size := func(n uint64) string {
		if n >= 10<<30 {
			return fmt.Sprintf("%d GiB", n>>30)
		}
		return fmt.Sprintf("%d MiB", n>>20)
	}
	switch {
	case s.free < spaceProblem:
		d.add(diagnosis{"disk", sevProblem, fmt.Sprintf("%s has %s left of %s", path, size(s.free), size(s.total)), "what cannot be written cannot be recorded", "df -h " + shellWord(path)})
	case s.inodes < inodesProblem:
		d.add(diagnosis{"disk", sevProblem, fmt.Sprintf("%s has room for %d more files", path, s.inodes), "every process that records needs some", "df -i " + shellWord(path)})
	case s.free < spaceWarn:
		d.add(diagnosis{"disk", sevWarn, fmt.Sprintf("%s has %s left of %s", path, size(s.free), size(s.total)), "what cannot be written cannot be recorded", "df -h " + shellWord(path)})
	default:
		d.ok("disk", "%s has %s left", path, size(s.free))
	}
}

// riskyKinds are file systems on which an acknowledgement or a lock may mean less than it says (THREATS, durability rule 7).
var riskyKinds = map[string]string{
	"tmpfs":   "what is acknowledged there is gone with the power",
	"ramfs":   "what is acknowledged there is gone with the power",
	"overlay": "what is written to a container's own layer goes with the container",
	"NFS":     "its locks and flushes depend on server and mount options",
	"CIFS":    "its locks and flushes depend on server and mount options",
	"FUSE":    "its locks and flushes depend on the program behind it",
	"9p":      "its locks and flushes depend on the host",
}

// losses looks for notes of records that were lost and are not declared yet.
func (d *doctor) losses() {
	for _, place := range lost.Places(d.state, os.Getenv("XDG_RUNTIME_DIR"), os.Geteuid()) {
		d.lossesIn(place.Dir)
	}
}

func (d *doctor) lossesIn(path string) {
	dir, err := lost.Open(path, false)
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	var notes []lost.Note
	if err == nil {
		notes, err = lost.Look(dir)
		err = errors.Join(err, dir.Close())
	}
	if err != nil {
		d.unchecked("losses", "notes of losses", err)
		return
	}
	if len(notes) == 0 {
		return
	}
	n := notes[0]
	missing, doubt := int64(0), int64(0)
	for _, n := range notes {
		missing, doubt = missing+n.Lost, doubt+n.Doubt
	}
	d.add(diagnosis{"losses", sevProblem, fmt.Sprintf("%s in %s: %d records were lost and %d are in doubt; first of %s: %s", plural(len(notes), "note"), path, missing, doubt, n.AppID, n.Why),
		"the log does not say so until the next recorder declares it", "stet run -- true"})
}

// system looks at what else of the host stet makes use of.
func (d *doctor) system() {
	if c, err := net.DialTimeout("unixgram", "/dev/log", time.Second); err != nil {
		d.add(diagnosis{"system", sevWarn, "the system's own log cannot be reached: " + err.Error(), "where not even a spool can be written, nothing but standard error would say so", "start rsyslog or systemd-journald"})
	} else {
		_ = c.Close() // nothing was sent
		d.ok("system", "the system's own log can be reached")
	}
	self, err := os.Executable()
	if err != nil {
		d.unchecked("system", "this program", err)
		return
	}
	if link, err := exec.LookPath(cronName); err == nil {
		if sameFile(link, self) {
			d.ok("system", "%s audits crontabs that name it", link)
		} else {
			d.add(diagnosis{"system", sevWarn, link + " is not this program", "crontabs that name it are run by another version", "ln -sf " + shellWord(self) + " " + shellWord(link)})
		}
	}
	if o := origin.Detect(os.LookupEnv); !o.LoginUID.Found() && !o.LoginUser.Found() {
		d.ok("system", "nobody logged in for this process, or the kernel does not say who: user_id is then not applicable")
	}
}

func sameFile(a, b string) bool {
	x, err := os.Stat(a)
	if err != nil {
		return false
	}
	y, err := os.Stat(b)
	return err == nil && os.SameFile(x, y)
}

// shellWord quotes a path for a shell, where it needs that.
func shellWord(s string) string {
	if s != "" && strings.IndexFunc(s, func(c rune) bool {
		return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && !strings.ContainsRune("/._-+:@%", c)
	}) < 0 {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// printableText keeps what a path or an error quotes from a terminal.
func printableText(s string) string {
	return strings.Map(func(c rune) rune {
		if !unicode.IsPrint(c) {
			return '?'
		}
		return c
	}, s)
}
