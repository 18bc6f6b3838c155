package child

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// A Kind says what part a file plays in a command.
type Kind string

// The kinds of code.
const (
	Executable  Kind = "executable"  // a program
	Interpreter Kind = "interpreter" // a program that runs a script
	Script      Kind = "script"      // text that an interpreter runs
)

// Code is one file that a command runs, as it was a moment before it ran. It is
// not proof of what ran: whoever may write the file can change it in between,
// and libraries, modules and sourced files are not in it.
type Code struct {
	Path   string // absolute; symbolic links as they were given
	Kind   Kind
	SHA256 [32]byte
	Size   int64 // bytes
	// Err says why there is no digest: fs.ErrPermission for a program that may
	// be run but not read, ErrTooLarge, a deadline.
	Err error
}

// ErrTooLarge says that a file is larger than [MaxCode].
var ErrTooLarge = errors.New("file is too large to be hashed")

const (
	// MaxCode is the largest file that is hashed, in bytes.
	MaxCode = 1 << 30
	// maxHashing bounds the time for all files of one command, so that a slow
	// network file system cannot hold a job back.
	maxHashing = 10 * time.Second
	// maxInterpreters is how many scripts may interpret each other; Linux
	// allows as many (execve(2)).
	maxInterpreters = 4
)

// Digests hashes what a command runs: the executable, the interpreters that a
// #! line names, and the script that an interpreter was given as an argument.
// path is what [Look] found for argv[0]; relative names are relative to dir. The
// first element is always path itself.
//
// It takes at most ten seconds, or until ctx is done; what could not be hashed
// by then says so in Err.
func Digests(ctx context.Context, path string, argv, env []string, dir string) []Code {
	ctx, cancel := context.WithTimeout(ctx, maxHashing)
	defer cancel()
	var all []Code
	for _, part := range parts(path, argv, env, dir) {
		c := Digest(ctx, part.path)
		c.Kind = part.kind
		all = append(all, c)
	}
	return all
}

// Digest hashes one file, following symbolic links. What is not a regular file
// is not opened for long enough to hang. Kind is Executable.
func Digest(ctx context.Context, path string) Code {
	c := Code{Path: path, Kind: Executable}
	if abs, err := filepath.Abs(path); err == nil {
		c.Path = abs
	}
	c.SHA256, c.Size, c.Err = digest(ctx, path)
	return c
}

func digest(ctx context.Context, path string) (sum [32]byte, size int64, err error) {
	f, err := openRegular(path)
	if err != nil {
		return sum, 0, err
	}
	defer f.Close() //nolint:errcheck // read only
	h := sha256.New()
	buf := make([]byte, 256<<10)
	for {
		if err := ctx.Err(); err != nil {
			return sum, 0, fmt.Errorf("child: gave up hashing %s after %d bytes: %w", path, size, err)
		}
		n, err := f.Read(buf)
		h.Write(buf[:n])
		if size += int64(n); size > MaxCode { // it may grow while it is read
			return sum, 0, fmt.Errorf("child: %s: %w (limit %d bytes)", path, ErrTooLarge, MaxCode)
		}
		if errors.Is(err, io.EOF) {
			h.Sum(sum[:0])
			return sum, size, nil
		}
		if err != nil {
			return sum, 0, fmt.Errorf("child: cannot hash: %w", err)
		}
	}
}

func openRegular(path string) (*os.File, error) {
	// O_NONBLOCK: opening a FIFO must not wait for somebody to write to it.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("child: %w", err)
	}
	info, err := f.Stat()
	switch {
	case err != nil:
	case !info.Mode().IsRegular():
		err = errors.New("not a regular file")
	case info.Size() > MaxCode:
		err = fmt.Errorf("%w (%d bytes, limit %d)", ErrTooLarge, info.Size(), MaxCode)
	default:
		return f, nil
	}
	_ = f.Close()
	return nil, fmt.Errorf("child: %s: %w", path, err)
}

type part struct {
	path string
	kind Kind
}

// parts names the files of a command, the executable first.
func parts(path string, argv, env []string, dir string) []part {
	found := []part{{inDir(dir, path), Executable}}
	at := 0 // of found: what is being looked at
	for range maxInterpreters {
		line, ok := shebang(found[at].path)
		if !ok {
			break
		}
		found[at].kind = Script
		found = append(found, part{inDir(dir, line[0]), Interpreter})
		at = len(found) - 1
		// #!/usr/bin/env python3: env is only the way to the interpreter.
		if prog, ok := envCommand(line); ok {
			if p, err := Look(prog, env, dir); err == nil {
				found = append(found, part{inDir(dir, p), Interpreter})
				at = len(found) - 1
			}
		}
	}
	if found[0].kind == Script {
		return found
	}
	if len(argv) == 0 {
		return found
	}
	args := append([]string{filepath.Base(path)}, argv[1:]...)
	// env python3 job.py, without a shebang: the same, one level down.
	if rest := afterEnv(args); rest != nil {
		if p, err := Look(rest[0], env, dir); err == nil {
			found = append(found, part{inDir(dir, p), Executable})
			args = append([]string{filepath.Base(p)}, rest[1:]...)
		}
	}
	if s, ok := scriptArg(args); ok {
		s = inDir(dir, s)
		if info, err := os.Stat(s); err == nil && info.Mode().IsRegular() {
			found[len(found)-1].kind = Interpreter
			found = append(found, part{s, Script})
		}
	}
	return found
}

func inDir(dir, path string) string {
	if !filepath.IsAbs(path) {
		path = filepath.Join(dir, path)
	}
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return path
}
