package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// A postgres is a PostgreSQL of the benchmark's own: its data lie beside what it is compared with, it listens on a Unix socket
// and nowhere else, and it goes with the run.
type postgres struct {
	cmd    *exec.Cmd
	dir    string // of its data
	socket string // directory of the socket
	said   strings.Builder
}

// errNoPostgres says that there is none to compare with; everything else is measured.
var errNoPostgres = errors.New("no PostgreSQL")

// postgresSettings are what one would set on a machine of this size for loading: durable, but with room for its log.
var postgresSettings = []string{"listen_addresses=", "fsync=on", "synchronous_commit=on", "shared_buffers=1GB", "max_wal_size=8GB",
	"checkpoint_timeout=15min", "wal_compression=on", "autovacuum=off", "max_connections=20", "jit=off"}

// startPostgres makes a cluster in dir and starts it. It does not run as root: there it takes the user that Debian's package
// makes, who must be able to get to dir.
func startPostgres(ctx context.Context, dir string) (_ *postgres, err error) {
	initdb, err := postgresProgram("initdb")
	if err != nil {
		return nil, err
	}
	as, err := postgresUser()
	if err != nil {
		return nil, err
	}
	p := &postgres{dir: filepath.Join(dir, "postgres")}
	if p.socket, err = os.MkdirTemp("", "stet-bench-pg-"); err != nil { // its path must be short
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.end())
		}
	}()
	if err := os.Mkdir(p.dir, 0o700); err != nil {
		return nil, err
	}
	if as != nil {
		if err := errors.Join(os.Chmod(dir, 0o711), os.Chown(p.dir, int(as.Uid), int(as.Gid)), os.Chown(p.socket, int(as.Uid), int(as.Gid))); err != nil {
			return nil, err
		}
	}
	made := exec.CommandContext(ctx, initdb, "-D", p.dir, "-U", "bench", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
	made.Dir, made.SysProcAttr = "/", &syscall.SysProcAttr{Credential: as}
	if out, err := made.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%w could make a cluster in %s: %w: %s", errNoPostgres, p.dir, err, lastLine(string(out)))
	}
	args := []string{"-D", p.dir, "-k", p.socket}
	for _, s := range postgresSettings {
		args = append(args, "-c", s)
	}
	p.cmd = exec.CommandContext(ctx, filepath.Join(filepath.Dir(initdb), "postgres"), args...)
	p.cmd.Dir, p.cmd.SysProcAttr, p.cmd.Stderr = "/", &syscall.SysProcAttr{Credential: as}, &p.said
	p.cmd.Cancel = func() error { return p.cmd.Process.Signal(syscall.SIGINT) } // its fast shutdown
	p.cmd.WaitDelay = time.Minute
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	for end := time.Now().Add(time.Minute); ; {
		conn, cerr := p.connect(ctx)
		if cerr == nil {
			return p, conn.Close(ctx)
		}
		if time.Now().After(end) || ctx.Err() != nil {
			return nil, fmt.Errorf("PostgreSQL did not answer within a minute: %w: %s", cerr, lastLine(p.said.String()))
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func lastLine(s string) string {
	s = strings.TrimSpace(s)
	return s[strings.LastIndexByte(s, '\n')+1:]
}

// postgresProgram finds a program of PostgreSQL, of which Debian keeps only some in the path.
func postgresProgram(name string) (string, error) {
	all, err := filepath.Glob("/usr/lib/postgresql/*/bin/" + name)
	if err != nil {
		return "", err
	}
	if len(all) > 0 {
		return slices.Max(all), nil
	}
	path, err := exec.LookPath(name)
	if err != nil {
		return "", fmt.Errorf("%w is installed (%s): apt-get install postgresql", errNoPostgres, name)
	}
	return path, nil
}

// postgresUser is who runs it where the benchmark runs as root; nil: who runs the benchmark.
func postgresUser() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		return nil, fmt.Errorf("%w runs as root, and there is no user postgres: apt-get install postgresql", errNoPostgres)
	}
	uid, uerr := strconv.ParseUint(u.Uid, 10, 32)
	gid, gerr := strconv.ParseUint(u.Gid, 10, 32)
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, errors.Join(uerr, gerr)
}

func (p *postgres) connect(ctx context.Context) (*pgx.Conn, error) {
	return pgx.Connect(ctx, "host="+p.socket+" user=bench database=postgres sslmode=disable")
}

// used is the processor time of all its processes so far.
func (p *postgres) used() time.Duration {
	all, err := os.ReadDir("/proc")
	if err != nil {
		return 0
	}
	var ticks int64
	for _, e := range all {
		b, err := os.ReadFile(filepath.Join("/proc", e.Name(), "stat"))
		if err != nil {
			continue // no process, or gone meanwhile: then it is among those waited for
		}
		_, rest, _ := strings.Cut(string(b), ") ")
		fields := strings.Fields(rest)
		if len(fields) < 15 {
			continue
		}
		mine := e.Name() == strconv.Itoa(p.cmd.Process.Pid)
		switch {
		case mine: // and those of its children that have ended
			ticks += sum(fields[11:15])
		case fields[1] == strconv.Itoa(p.cmd.Process.Pid):
			ticks += sum(fields[11:13])
		}
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}

func sum(all []string) (n int64) {
	for _, s := range all {
		one, _ := strconv.ParseInt(s, 10, 64) // the kernel writes numbers
		n += one
	}
	return n
}

// end stops it and removes what it kept.
func (p *postgres) end() (err error) {
	if p.cmd != nil && p.cmd.Process != nil {
		if err = p.cmd.Cancel(); errors.Is(err, os.ErrProcessDone) {
			err = nil
		}
		if werr := p.cmd.Wait(); werr != nil {
			err = errors.Join(err, fmt.Errorf("stop PostgreSQL: %w: %s", werr, lastLine(p.said.String())))
		}
	}
	return errors.Join(err, os.RemoveAll(p.dir), os.RemoveAll(p.socket))
}
