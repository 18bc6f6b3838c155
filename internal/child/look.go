package child

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// defaultPath is what execvp(3) of the GNU C library uses where PATH is unset.
const defaultPath = "/bin:/usr/bin"

// Look finds the file that argv0 names, as execvp(3) does: as it stands where it
// holds a slash, else in the directories of PATH in env, an empty one being the
// current. Relative names are relative to dir, which is where the child starts.
// A file without permission does not end the search, but decides the error if
// nothing better is found. Errors are [*StartError]s.
func Look(argv0 string, env []string, dir string) (string, error) {
	if argv0 == "" {
		return "", notFound(argv0, "", syscall.ENOENT, "the command is an empty string")
	}
	if strings.Contains(argv0, "/") {
		if err := executable(argv0, dir); err != nil {
			return "", startError(argv0, argv0, err)
		}
		return argv0, nil
	}
	path, ok := lookup(env, "PATH")
	if !ok {
		path = defaultPath
	}
	var found *StartError
	for d := range strings.SplitSeq(path, ":") {
		if d == "" {
			d = "."
		}
		file := d + "/" + argv0
		err := executable(file, dir)
		if err == nil {
			return file, nil
		}
		if !absent(err) && found == nil {
			found = startError(argv0, file, err)
		}
	}
	if found != nil {
		return "", found
	}
	return "", notFound(argv0, "", syscall.ENOENT, fmt.Sprintf("it is in none of the directories of PATH (%s)", path))
}

// executable tells what execve would say, short of reading the file.
func executable(file, dir string) error {
	if dir != "" && !filepath.IsAbs(file) {
		file = filepath.Join(dir, file)
	}
	info, err := os.Stat(file)
	if err != nil {
		return errno(err)
	}
	if !info.Mode().IsRegular() {
		return syscall.EACCES
	}
	const mayExecute = 1 // X_OK
	return syscall.Access(file, mayExecute)
}

func errno(err error) error {
	var n syscall.Errno
	if errors.As(err, &n) {
		return n
	}
	return err
}

// absent says whether err means that there is no such file.
func absent(err error) bool {
	return errors.Is(err, syscall.ENOENT) || errors.Is(err, syscall.ENOTDIR)
}

func notFound(argv0, path string, err error, hint string) *StartError {
	return &StartError{ExitCode: ExitNotFound, Argv0: argv0, Path: path, Err: err, Hint: hint}
}

// startError turns what execve said into an exit code and advice.
func startError(argv0, path string, err error) *StartError {
	e := &StartError{ExitCode: ExitNotExecutable, Argv0: argv0, Path: path, Err: errno(err)}
	switch {
	case absent(err):
		e.ExitCode = ExitNotFound
		if _, serr := os.Stat(path); serr == nil {
			e.Hint = "the file is there, but the interpreter that it names (its #! line, or its dynamic loader) is not"
		}
	case errors.Is(err, syscall.ENOEXEC):
		e.Hint = "it is neither a program for this machine nor a script with a #! line; run a script without one as: sh " + path
	case errors.Is(err, syscall.EACCES):
		e.Hint = "check that it is a file with execute permission, and that the file system is not mounted noexec: ls -l " + path
	}
	return e
}

// lookup returns the first value of a name, as getenv(3) does.
func lookup(env []string, name string) (string, bool) {
	for _, kv := range env {
		if k, v, ok := strings.Cut(kv, "="); ok && k == name {
			return v, true
		}
	}
	return "", false
}
