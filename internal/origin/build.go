package origin

import (
	"net/url"
	"path"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
)

// Build is what the program knows of its own making. All of it may be absent: a
// program built outside version control, or with -buildvcs=false, has only what
// the module system knows.
type Build struct {
	// Version is the main module's version, or else its revision, first 12
	// digits, with "+dirty" behind it where files were changed.
	Version  Value
	Revision Value  // whole
	Modified bool   // files were changed since Revision
	Path     string // import path of the main package
	Go       string // version of the toolchain
}

func (d detector) build() Build {
	if d.Build == nil {
		return Build{}
	}
	info, ok := d.Build()
	if !ok || info == nil {
		return Build{}
	}
	return describe(info)
}

func describe(info *debug.BuildInfo) Build {
	b := Build{Path: info.Path, Go: info.GoVersion}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Revision = value(s.Value, "build info: vcs.revision")
		case "vcs.modified":
			b.Modified = s.Value == "true"
		}
	}
	switch v := info.Main.Version; {
	case v != "" && v != "(devel)":
		b.Version = value(v, "build info: module version")
	case b.Revision.Found():
		text := b.Revision.Text[:min(12, len(b.Revision.Text))]
		if b.Modified {
			text += "+dirty"
		}
		b.Version = value(text, b.Revision.How)
	}
	return b
}

// MaxLocation is the longest text of a code location, in bytes (SCHEMA).
const MaxLocation = 256

// Code is a place in a program.
type Code struct {
	Function string // e.g. github.com/acme/jobs/purge.(*Worker).Run
	// Location is file and line under the package's import path, e.g.
	// github.com/acme/jobs/purge/worker.go:41. The directory of the machine
	// that built the program is not in it: it says nothing about the code and
	// names somebody's home.
	Location Value
}

// Caller is where the function that calls Caller was called from, or skip
// callers further up, and from there the first place outside the packages named
// in own (import paths) and the runtime. It is the zero Code where there is none.
func Caller(skip int, own ...string) Code {
	const deepest = 64
	pcs := make([]uintptr, deepest)
	// 0 is Callers, 1 is Caller, 2 is who wants to know its caller.
	n := runtime.Callers(max(skip, 0)+3, pcs)
	if n == 0 {
		return Code{}
	}
	frames := runtime.CallersFrames(pcs[:n])
	for {
		f, more := frames.Next()
		if pkg := packageOf(f.Function); pkg != "" && pkg != "runtime" && !slices.Contains(own, pkg) {
			return place(f, pkg)
		}
		if !more {
			return Code{}
		}
	}
}

// At is the place of a program counter as runtime.Callers returns them. It is
// the zero Code where there is none.
func At(pc uintptr) Code {
	if pc == 0 {
		return Code{}
	}
	f, _ := runtime.CallersFrames([]uintptr{pc}).Next()
	if f.Function == "" {
		return Code{}
	}
	return place(f, packageOf(f.Function))
}

func place(f runtime.Frame, pkg string) Code {
	dir := pkg
	if pkg == "main" {
		// The linker calls every command's package main; the build knows
		// where it comes from.
		if info, ok := debug.ReadBuildInfo(); ok && info.Path != "" && info.Path != "command-line-arguments" {
			dir = info.Path
		}
	}
	loc := path.Join(dir, filepath.Base(f.File)) + ":" + strconv.Itoa(f.Line)
	if len(loc) > MaxLocation { // the end says more than the beginning
		loc = loc[len(loc)-MaxLocation:]
	}
	return Code{Function: f.Function, Location: value(loc, "runtime: calling function")}
}

// packageOf is the import path in a function's name: up to the first dot behind
// the last slash. Dots in a path's last element are written %2e there.
func packageOf(function string) string {
	function, _, _ = strings.Cut(function, "[") // type arguments
	slash := strings.LastIndexByte(function, '/') + 1
	name, _, ok := strings.Cut(function[slash:], ".")
	if !ok {
		return ""
	}
	pkg := function[:slash] + name
	if plain, err := url.PathUnescape(pkg); err == nil {
		return plain
	}
	return pkg
}
