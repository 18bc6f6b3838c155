package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/stetlog/stet"
	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/child"
	"github.com/stetlog/stet/internal/redact"
)

const (
	// impactVar names the file in which a command hands back what it changed.
	impactVar = "STET_IMPACT_FILE"
	// maxImpact bounds that file, in bytes.
	maxImpact = 64 << 10
	// maxCounts bounds the counts in it (SCHEMA).
	maxCounts = 32
	// tokenVar is stet's own secret; no command gets it.
	tokenVar = "STET_TOKEN"
	// maxNames bounds the names of environment variables that are recorded.
	maxNames = 200
)

// What --trigger and the TYPE of --as can be (SCHEMA; for "unauthenticated" there is nothing to name).
var (
	triggers   = []string{"schedule", "event", "manual", "api", "parent", "boot"}
	principals = []string{"user", "service_account", "system", "api_key"}
)

// wrapped is one command under stet run: what is known before it starts.
type wrapped struct {
	argv []string
	code []child.Code
	job  stet.Job

	app   string // app_id where none is given
	entry *event.EntryPoint
	shell string // SHELL of the command, where not ours

	signal syscall.Signal // what killed it, 0 for nothing; set by run
}

func (c *runCmd) wrapped(e *env, argv []string) (*wrapped, error) {
	w := &wrapped{argv: argv, app: filepath.Base(argv[0]), entry: &event.EntryPoint{Kind: "cli", Name: "stet run"}}
	environ := os.Environ()
	// A command that cannot be found still gets its record: that it did not start is what somebody will want to know.
	if path, err := child.Look(argv[0], environ, ""); err == nil {
		w.code = child.Digests(e.ctx, path, argv, environ, "")
	}
	j := stet.Job{Name: c.Job, Reason: c.Why, Reference: c.Ref, Trigger: c.Trigger, Derived: map[string]string{}}
	if j.Name == "" {
		j.Name = filepath.Base(argv[0])
		j.Derived["job.name"] = "command"
	}
	if c.Trigger != "" && !slices.Contains(triggers, c.Trigger) {
		return nil, usage("run: --trigger %q: say one of %s", c.Trigger, strings.Join(triggers, ", "))
	}
	if c.As != "" {
		var err error
		if j.Principal, err = principal("run", c.As); err != nil {
			return nil, err
		}
	}
	if c.CausedBy != "" {
		system, ref, ok := strings.Cut(c.CausedBy, "/")
		if !ok || system == "" || ref == "" {
			return nil, usage("run: --caused-by %q: say SYSTEM/REF, for example orders/evt-17", c.CausedBy)
		}
		j.CausedBy = &event.Upstream{System: system, EventRef: ref}
	}
	args, _ := redact.Args(argv)
	names := child.Names(environ)
	envDigest := sha256.Sum256([]byte(strings.Join(names, "\n")))
	if len(names) > maxNames {
		names = append(names[:maxNames:maxNames], fmt.Sprintf("and %d more", len(names)-maxNames))
	}
	j.Params = map[string]any{"argv": args, "env": names}
	j.Code = w.describe()
	j.Code.EnvDigest = "sha256:" + hex.EncodeToString(envDigest[:])
	j.Derived["code_location"], j.Derived["job.params"] = "command", "command line"
	j.Derived["job.env_digest"] = "names of the environment"
	w.job = j
	return w, nil
}

// describe names the code: the script where there is one, else the executable.
func (w *wrapped) describe() stet.Code {
	code := stet.Code{Location: w.argv[0]}
	for _, f := range w.code {
		text := "not hashed: "
		if f.Err != nil {
			text += f.Err.Error()
		} else {
			text = "sha256:" + hex.EncodeToString(f.SHA256[:])
			if f.Kind != child.Interpreter {
				code.Digest = text
			}
		}
		if f.Kind != child.Interpreter {
			code.Location = f.Path
		}
		code.Files = append(code.Files, event.Reference{Kind: string(f.Kind), Value: text + " " + f.Path})
	}
	return code
}

// version is what the command's version can be said to be, and how that was found.
func (w *wrapped) version() (version, how string) {
	for _, f := range w.code {
		if info, err := buildinfo.ReadFile(f.Path); err == nil && info.Main.Version != "" && info.Main.Version != "(devel)" {
			return info.Main.Version, "build info of the executable"
		}
	}
	if d, ok := strings.CutPrefix(w.job.Code.Digest, "sha256:"); ok {
		return "sha256-" + d[:12], "digest of the code"
	}
	return "unknown", "the code could not be read"
}

// run starts the command, waits for it, and records how it ended; a nil run records nothing. The returned code is the
// command's own; err is set where it did not start.
func (w *wrapped) run(e *env, c *runCmd, run *stet.Run, signals <-chan os.Signal) (code int, err error) {
	states, interrupted, err := c.before(e, w, run, signals)
	if why := notStarted(c, interrupted, err); why != nil {
		w.end(e, run, stet.Outcome{Status: event.StatusAborted, Code: strconv.Itoa(why.code), Reason: why.Error()})
		return why.code, why.err
	}
	dir, err := os.MkdirTemp("", "stet-impact-")
	impact := ""
	if err == nil {
		impact = filepath.Join(dir, "impact.json")
		defer func() { _ = os.RemoveAll(dir) }() // a temporary directory left behind harms nobody
	}
	ctx := run.Context(e.ctx) // which ends where the run is cancelled
	p, err := child.Start(ctx, child.Options{
		Argv: w.argv, Env: w.environ(run, impact), Stdin: e.stdin, Stdout: e.stdout, Stderr: e.stderr,
		Capture: c.Capture, Grace: c.Grace, Timeout: c.Timeout, Signals: signals,
	})
	if err != nil {
		code = exitError
		var start *child.StartError
		if errors.As(err, &start) {
			code = start.ExitCode
		}
		w.end(e, run, stet.Outcome{Status: event.StatusFailure, Code: strconv.Itoa(code), Reason: err.Error()})
		return code, err
	}
	run.Progress("process " + strconv.Itoa(p.Pid()) + " is running")
	res := p.Wait()
	w.signal = res.Signal
	o := outcome(res)
	if res.Cause == child.CauseCancelled {
		o.Reason = fmt.Sprintf("cancelled: %v; %s", context.Cause(ctx), o.Reason)
	}
	if impact != "" {
		o.Impact = handedBack(impact)
		_ = os.RemoveAll(dir) // before the state after is taken; see above
	}
	if c.Capture {
		o.Labels, o.References = captured(res)
	}
	states.after(e, &o, signals)
	w.end(e, run, o)
	return res.ExitCode, nil
}

// end records the outcome. What the schema refuses, because of what the command handed back or wrote, is recorded again
// without that, and with the reason: how it ended matters more.
func (w *wrapped) end(e *env, run *stet.Run, o stet.Outcome) {
	if run == nil {
		return
	}
	err := run.End(e.ctx, o)
	var refused *event.Error
	if errors.As(err, &refused) {
		err = run.End(e.ctx, stet.Outcome{Status: o.Status, Code: o.Code, Reason: o.Reason, Labels: map[string]string{refusedLabel: refused.Error()}})
	}
	w.lost(e, err)
}

// lost says what could not be recorded.
func (w *wrapped) lost(e *env, err error) {
	if err != nil {
		_, _ = fmt.Fprintf(e.stderr, "stet: %v\n", err)
	}
}

// environ is what the command gets: its place in the tree and in the trace, and where to say what it changed.
func (w *wrapped) environ(run *stet.Run, impact string) []string {
	set := map[string]string{}
	for _, kv := range run.Environ() { // none where nothing could be recorded
		name, value, _ := strings.Cut(kv, "=")
		set[name] = value
	}
	if impact != "" {
		set[impactVar] = impact
	}
	if w.shell != "" {
		set["SHELL"] = w.shell
	}
	return child.Environ(os.Environ(), set, tokenVar)
}

// handedBack reads what the command says it changed: {"summary": "…", "counts": {"rows": 3}}, or plain text. It is nil
// where the command said nothing. The file was the command's to do with as it liked: it may be anything.
func handedBack(path string) *event.Impact {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOFOLLOW, 0) // a pipe must not make us wait
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return unreadImpact("could not be opened: " + err.Error())
	}
	defer func() { _ = f.Close() }() // read only
	if fi, err := f.Stat(); err != nil || !fi.Mode().IsRegular() {
		return unreadImpact("is no file")
	}
	b, err := io.ReadAll(io.LimitReader(f, maxImpact+1))
	if err != nil {
		return unreadImpact("broke off: " + err.Error())
	}
	return impactOf(b)
}

func unreadImpact(why string) *event.Impact {
	return &event.Impact{Summary: "not read: what the command handed back " + why}
}

// impactOf is what the bytes of that file say.
func impactOf(b []byte) *event.Impact {
	if len(b) > maxImpact {
		return unreadImpact(fmt.Sprintf("has more than %d bytes", maxImpact))
	}
	b = bytes.TrimSpace(b)
	if len(b) == 0 {
		return nil
	}
	if b[0] != '{' {
		return &event.Impact{Summary: string(b)}
	}
	var said struct {
		Summary string           `json:"summary"`
		Counts  map[string]int64 `json:"counts"`
	}
	if err := json.Unmarshal(b, &said); err != nil {
		return unreadImpact("is not the JSON that was expected: " + err.Error())
	}
	i := &event.Impact{Summary: said.Summary, Counts: said.Counts}
	for _, n := range i.Counts {
		if n > event.MaxInt || n < -event.MaxInt {
			return unreadImpact("counts beyond 2^53")
		}
	}
	if len(i.Counts) > maxCounts {
		i.Counts = nil
		i.Summary = fmt.Sprintf("%d counts left out, at most %d are kept; %s", len(said.Counts), maxCounts, i.Summary)
	}
	return i
}

// outcome is how a process's end reads as a job's.
func outcome(res child.Result) stet.Outcome {
	o := stet.Outcome{Status: event.StatusSuccess, Code: strconv.Itoa(res.ExitCode)}
	switch {
	case res.Aborted():
		o.Status = event.StatusAborted
	case res.ExitCode != 0:
		o.Status = event.StatusFailure
		o.Reason = fmt.Sprintf("exit code %d", res.ExitCode)
	}
	if res.Signal != 0 {
		o.Reason = fmt.Sprintf("signal %d (%v)", int(res.Signal), res.Signal)
	}
	switch res.Cause {
	case child.CauseTimeout:
		o.Reason = "timed out; " + o.Reason
	case child.CauseForwarded:
		o.Reason = fmt.Sprintf("stet was sent %v and passed it on; %s", res.Forwarded, o.Reason)
	case child.CauseTerminal:
		o.Reason = "interrupted at the terminal; " + o.Reason
	case child.CauseCancelled, child.CauseExit, child.CauseSignal:
	}
	if res.Killed {
		o.Reason += "; killed after the grace period"
	}
	o.Reason = strings.TrimSuffix(o.Reason, "; ")
	return o
}

// captured says what the command wrote: size and hash of each output, and the end of it.
func captured(res child.Result) (labels map[string]string, refs []event.Reference) {
	labels = map[string]string{}
	for _, out := range []struct {
		name string
		child.Output
	}{{"stdout", res.Stdout}, {"stderr", res.Stderr}} {
		refs = append(refs, event.Reference{Kind: out.name, Value: fmt.Sprintf("sha256:%s %d bytes", hex.EncodeToString(out.SHA256[:]), out.Bytes)})
		if text := tail(out.Tail); text != "" {
			labels[out.name+"_tail"] = text
		}
	}
	if res.Leftover {
		labels["output"] = "another process still held the output open; what it wrote later is not counted"
	}
	return labels, refs
}

// The end of an output that is recorded: of the bytes as they came, and of the text that they become, in which a byte can
// take six. Both outputs must fit an event's labels.
const (
	maxTail     = 1024
	maxTailText = 1900
)

// tail is the redacted end of an output.
func tail(b []byte) string {
	for most := maxTail; most > 0; most /= 2 {
		text, _ := redact.Text(lastLines(b, most))
		if len(event.Sanitize(text)) <= maxTailText {
			return text
		}
	}
	return ""
}

// lastLines is at most the last bytes of an output, cut at the start of a line so that no half of a secret is left that
// no pattern knows.
func lastLines(b []byte, most int) string {
	if len(b) <= most {
		return string(b)
	}
	b = b[len(b)-most:]
	if i := bytes.IndexByte(b, '\n'); i >= 0 {
		return string(b[i+1:])
	}
	return ""
}
