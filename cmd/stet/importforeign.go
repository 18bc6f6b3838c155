package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/stetlog/stet"
	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/convert"
	"github.com/stetlog/stet/internal/foreign"
	"github.com/stetlog/stet/internal/intake"
	"github.com/stetlog/stet/internal/redact"
	"github.com/stetlog/stet/internal/store"
	"github.com/stetlog/stet/internal/wire"
	"github.com/stetlog/stet/proof"
)

// fileKind is what records of files came as.
const fileKind intake.Kind = "import"

// foreignLog is how other programs' logs are imported.
type foreignLog struct {
	door    *intake.Door
	mapping convert.Map // of the file --map; nil: none was given
	types   convert.Types
	guessed convert.Map // what a dry run prints; nil: nothing
	unused  []string    // keys that this has no field for
	samples []*event.Event
	pending []foreignLine
	size    int   // bytes of these
	err     error // of a stream, met by Recording
}

// foreignLine is a record that is about to be recorded.
type foreignLine struct {
	place pendingLine // where it stands
	rec   intake.Record
}

// placeLabel is the key under which a record has its place in its file, on its way to located.
const placeLabel = "stet.place"

// maxSamples is how many events a dry run prints.
const maxSamples = 3

// checkForeign refuses flags that do not go together.
func (c *importCmd) checkForeign() error {
	switch {
	case c.Follow && c.DryRun:
		return usage("import: --follow records; leave --dry-run out")
	case c.Follow && slices.Contains(c.File, "-"):
		return usage("import: standard input cannot be followed; it is read to its end")
	case c.Follow && c.Format == "auto":
		return usage("import: --follow needs the --format of the files")
	case c.Follow && c.Map == "" && !convert.Input(c.Format).Named():
		return usage("import: --follow of %s needs --map; import --dry-run prints a mapping to begin with", c.Format)
	}
	return nil
}

func (in *importer) openForeign() error {
	if in.cmd.Map != "" {
		b, err := readSmall(in.cmd.Map, convert.MaxMap)
		if err != nil {
			return err
		}
		if in.foreign.mapping, in.foreign.types, err = convert.ParseMapping(b); err != nil {
			return fmt.Errorf("%s: %w", in.cmd.Map, err)
		}
	}
	in.foreign.door = intake.New(intake.Options{Log: (*importLog)(in), Now: time.Now, Explain: func(_ context.Context, err error) wire.Problem {
		return wire.NewProblem(wire.Internal, err.Error())
	}})
	return nil
}

// input tells whether a file is another program's, and how it is written. With neither --format nor --map, JSON is ours where its
// first line has our name for the type of an event.
func (in *importer) input(r *bufio.Reader) (input convert.Input, ok bool, err error) {
	if in.cmd.Format != "auto" {
		return convert.Input(in.cmd.Format), true, nil
	}
	line, err := firstLine(r)
	if err != nil {
		return "", false, err
	}
	input, ok = convert.Sniff(line, time.Now())
	return input, ok && (input != convert.InJSON || in.cmd.Map != "" || !bytes.Contains(line, []byte(`"event_type"`))), nil
}

// firstLine peeks at the first line that is not blank, as much of it as fits into the buffer.
func firstLine(r *bufio.Reader) ([]byte, error) {
	for n := 512; ; n *= 4 {
		b, err := r.Peek(min(n, r.Size()))
		all := errors.Is(err, io.EOF)
		if err != nil && !all {
			return nil, err
		}
		line, _, ended := bytes.Cut(bytes.TrimLeft(bytes.TrimPrefix(b, []byte("\xef\xbb\xbf")), " \t\r\n"), []byte{'\n'})
		if ended || all || n >= r.Size() {
			return line, nil
		}
	}
}

// firstSum names a file by its first line, as package follow does.
func firstSum(r *bufio.Reader) [sha256.Size]byte {
	b, _ := r.Peek(1024) // what is wrong the reader will meet
	if i := bytes.IndexByte(b, '\n'); i >= 0 {
		b = b[:i+1]
	}
	return sha256.Sum256(b)
}

// foreignFile imports one file of another program.
func (in *importer) foreignFile(shown string, begin *bufio.Reader, lines *lineReader, input convert.Input) error {
	first := firstSum(begin)
	reader := convert.NewLines(input, time.Now())
	m, ahead, err := in.mapOf(shown, lines, reader, input)
	if err != nil {
		return err
	}
	for {
		if err := in.ctx.Err(); err != nil {
			return errors.Join(fmt.Errorf("interrupted at %s:%d; start it again, what was taken is skipped then: %w", shown, lines.number, err), in.takeForeign(m))
		}
		var raw rawRecord
		if len(ahead) > 0 {
			raw, ahead = ahead[0], ahead[1:]
		} else if raw, err = nextRaw(lines, reader); errors.Is(err, io.EOF) {
			return in.takeForeign(m)
		} else if err != nil {
			return errors.Join(&fileError{fmt.Errorf("%s: reading behind line %d: %w", shown, lines.number-1, err)}, in.takeForeign(m))
		}
		in.foreignRecord(shown, raw, reader, first, m)
		if len(in.foreign.pending) >= pendingLines || in.foreign.size >= pendingBytes {
			if err := in.takeForeign(m); err != nil {
				return err
			}
			if in.total > 0 {
				in.bar.set(min(in.done+lines.read, in.total), in.total)
			}
		}
	}
}

// rawRecord is one record of a file, as it stands there.
type rawRecord struct {
	text []byte // nil: it is too long
	line int    // its first line; 0 where that is not known
	at   int64  // the offset of its first byte
}

// nextRaw reads a record, which may go on over several lines.
func nextRaw(lines *lineReader, reader *convert.Lines) (rawRecord, error) {
	raw := rawRecord{at: int64(lines.read), line: lines.number + 1}
	for {
		line, err := lines.next()
		switch {
		case errors.Is(err, io.EOF) && raw.text != nil:
			return raw, nil
		case errors.Is(err, errLongLine):
			raw.text = nil
			return raw, nil
		case err != nil:
			return raw, err
		}
		if raw.text == nil {
			raw.text = []byte{}
		} else {
			raw.text = append(raw.text, '\n')
		}
		raw.text = append(raw.text, line...)
		if len(raw.text) > maxLine {
			raw.text = nil
			return raw, nil
		}
		if !reader.Open(append(raw.text[:len(raw.text):len(raw.text)], '\n')) {
			return raw, nil
		}
	}
}

// mapOf is the mapping of a file: the one that was given, the standard's, or, in a dry run, one that is guessed from the first
// records, which are read ahead.
func (in *importer) mapOf(shown string, lines *lineReader, reader *convert.Lines, input convert.Input) (m convert.Map, ahead []rawRecord, err error) {
	switch {
	case in.foreign.mapping != nil:
		return in.foreign.mapping, nil, nil
	case input.Named() && !in.cmd.DryRun:
		return convert.Standard(), nil, nil
	case !in.cmd.DryRun:
		return nil, nil, usage("import: %s is %s, whose keys mean what its program meant: nothing is recorded on a guess. Save the mapping that --dry-run prints, correct it, and give it back with --map", shown, input)
	}
	var g convert.Guess
	guess := convert.NewLines(input, time.Now())
	for size := 0; len(ahead) < guessLines && size < guessBytes; {
		raw, err := nextRaw(lines, reader)
		if err != nil {
			break // it will be met again
		}
		ahead = append(ahead, raw)
		size += len(raw.text)
		records, err := guess.Read(raw.text)
		if err != nil {
			continue
		}
		for i := range records {
			g.Add(&records[i])
		}
	}
	m = g.Map()
	if input.Named() {
		m = convert.Standard().Only(&g)
	}
	if in.foreign.guessed == nil {
		in.foreign.guessed, in.foreign.unused = m, g.Unused(m)
	}
	return m, ahead, nil
}

// foreignRecord puts one record among those that are taken next.
func (in *importer) foreignRecord(shown string, raw rawRecord, reader *convert.Lines, first [sha256.Size]byte, m convert.Map) {
	in.report.Lines++
	name := raw.place(shown)
	place := pendingLine{file: shown, line: raw.line}
	if raw.line == 0 {
		place.file = name
	}
	add := func(r intake.Record) {
		in.foreign.pending = append(in.foreign.pending, foreignLine{place, r})
		in.foreign.size += len(raw.text)
	}
	if raw.text == nil {
		add(intake.Record{Err: &event.Error{Code: string(event.ErrTooLarge), Detail: fmt.Sprintf("is a line of more than %d bytes", maxLine)}})
		return
	}
	text := raw.text
	if raw.at == 0 {
		text = bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))
	}
	if len(bytes.TrimSpace(text)) == 0 {
		in.report.Blank++
		return
	}
	if in.cmd.Refused != "" {
		place.raw = append(bytes.Clone(text), '\n')
	}
	records, err := reader.Read(text)
	if err != nil {
		in.report.Events++
		add(intake.Record{Raw: text, Err: err})
		return
	}
	sum := sha256.Sum256(text)
	for i := range records {
		in.report.Events++
		in.foreign.types.Apply(m, &records[i])
		records[i].Add(convert.Leaf{Key: placeLabel, Text: name})
		add(intake.Record{Fields: records[i], Raw: text, ID: fmt.Sprintf("%s@%d.%d %s", hex.EncodeToString(first[:]), raw.at, i, hex.EncodeToString(sum[:]))})
	}
}

// takeForeign records what is pending, and reports what was refused.
func (in *importer) takeForeign(m convert.Map) error {
	lines := in.foreign.pending
	in.foreign.pending, in.foreign.size = nil, 0
	if len(lines) == 0 {
		return nil
	}
	records := make([]intake.Record, len(lines))
	for i := range lines {
		records[i] = lines[i].rec
	}
	typed := m.Typed()
	from := intake.Sender{Via: proof.Via{Kind: proof.ViaSpool}, App: in.cmd.App, Environment: in.cmd.Env, May: func(string, string) error { return nil }}
	verdicts, err := in.foreign.door.TakeRecords(context.WithoutCancel(in.ctx), from, intake.Source{Kind: fileKind, Map: typed, Retries: true}, records)
	if in.foreign.err != nil {
		err, in.foreign.err = in.foreign.err, nil
		return fmt.Errorf("%s: %w; start it again, what was taken is skipped then", lines[0].place.where(), err)
	}
	if err != nil {
		return err
	}
	for i, v := range verdicts {
		switch v.Status {
		case intake.Refused:
			p := lines[i].place
			p.err = &event.Error{Code: v.Code, Path: v.Path, Detail: v.Detail, Hint: v.Hint}
			in.refuse(&p)
		case intake.Ignored:
			in.ignore(&lines[i].rec, typed)
		}
	}
	return nil
}

// maxIgnored bounds the kinds of records that are counted by name.
const maxIgnored = 30

// ignore counts a record that is no event of the catalogue, by the type that it names.
func (in *importer) ignore(r *intake.Record, m convert.Map) {
	in.report.Ignored++
	if in.report.IgnoredOf == nil {
		in.report.IgnoredOf = map[string]int{}
	}
	name := "without a type"
	if l, ok := m.Value(&r.Fields, "event_type"); ok {
		safe, _ := redact.Text(event.Sanitize(l.Text))
		name = safe
	}
	if _, known := in.report.IgnoredOf[name]; !known && len(in.report.IgnoredOf) >= maxIgnored || len(name) > 64 {
		name = "others"
	}
	in.report.IgnoredOf[name]++
}

// maxUnused bounds the keys without a field that a dry run names.
const maxUnused = 40

// printForeign prints, of a dry run, the mapping, what it does not know, and events as they would be recorded: all but the mapping as
// comments of YAML, so that what is printed is a mapping file.
func (in *importer) printForeign() error {
	f := &in.foreign
	if !in.cmd.DryRun || f.guessed == nil && f.mapping == nil {
		return nil
	}
	var b strings.Builder
	if f.guessed != nil {
		b.WriteString(f.guessed.YAML())
	}
	if n := len(f.unused); n > 0 {
		b.WriteString("# Keys that no field has: they stay with their events as labels.\n")
		for _, key := range f.unused[:min(n, maxUnused)] {
			fmt.Fprintf(&b, "# key: %q\n", key)
		}
		if n > maxUnused {
			fmt.Fprintf(&b, "# and %d more\n", n-maxUnused)
		}
	}
	if len(in.report.IgnoredOf) > 0 {
		b.WriteString("# Not taken, because it is no event_type of the catalogue: give it one under types, such as\n# types:\n#   \"4624\": authn_login_success\n")
		for _, name := range slices.SortedFunc(maps.Keys(in.report.IgnoredOf), func(a, b string) int {
			return cmp.Or(cmp.Compare(in.report.IgnoredOf[b], in.report.IgnoredOf[a]), strings.Compare(a, b))
		}) {
			fmt.Fprintf(&b, "# %d times: %q\n", in.report.IgnoredOf[name], name)
		}
	}
	var codec event.Codec
	for i, e := range f.samples {
		e.Timestamp, e.StreamID, e.StreamSeq, e.Clock = time.Now(), e.EventID, uint64(i+1), &event.Clock{Confidence: "unknown"}
		line, err := codec.Append(nil, e)
		if err != nil {
			return err
		}
		fmt.Fprintf(&b, "# would be recorded: %s\n", line)
	}
	b.WriteString("# ")
	_, err := io.WriteString(in.stdout, b.String())
	return err
}

// importLog is the intake's log: the streams of the import. It knows which events are there already.
type importLog importer

// RecordFor is intake.Log's. The results stand in the order of the events; of those that are there already it says the same as of
// those that are recorded.
func (l *importLog) RecordFor(ctx context.Context, _ proof.Via, app, environment string, events []*event.Event) ([]store.Recorded, error) {
	in := (*importer)(l)
	out := make([]store.Recorded, len(events))
	var fresh []event.Event
	var at []int
	for i, e := range events {
		located(e)
		out[i].EventID = e.EventID
		err := in.seen.add(e.EventID, content(e, foreign.Sum{}))
		switch {
		case errors.Is(err, errSeen):
			in.report.There++
		case errors.Is(err, errOther):
			out[i].Err = &event.Error{Code: string(wire.EventConflict), Path: "event_id", Detail: err.Error()}
		case err != nil:
			in.foreign.err = err
			return nil, err
		default:
			fresh, at = append(fresh, *e), append(at, i)
		}
	}
	if len(fresh) == 0 {
		return out, nil
	}
	rec, err := in.recorders.get(ctx, streamKey{app, environment})
	if err == nil {
		err = in.recordFresh(ctx, rec, fresh, at, out)
	}
	if err != nil {
		in.foreign.err = err
		for i := range fresh {
			in.seen.forget(fresh[i].EventID)
		}
	}
	return out, err
}

// recordFresh records events, and says of those that are refused why.
func (in *importer) recordFresh(ctx context.Context, rec *stet.Recorder, fresh []event.Event, at []int, out []store.Recorded) error {
	errs := make([]error, len(fresh))
	if in.cmd.DryRun {
		for i := range fresh {
			errs[i] = rec.Check(ctx, fresh[i])
		}
	} else {
		var failed stet.RecordErrors
		if err := rec.RecordAll(ctx, fresh); err != nil && !errors.As(err, &failed) {
			return err
		}
		for _, f := range failed {
			errs[f.Index] = f.Err
		}
	}
	for i, err := range errs {
		var refused *event.Error
		switch {
		case err == nil:
			in.report.Taken++
			if in.cmd.DryRun && len(in.foreign.samples) < maxSamples {
				e := fresh[i]
				in.foreign.samples = append(in.foreign.samples, &e)
			}
		case refusal(err):
			in.seen.forget(fresh[i].EventID)
			if !errors.As(err, &refused) {
				refused = &event.Error{Code: string(event.ErrValue), Detail: err.Error()}
			}
			out[at[i]].Err = refused
		default:
			return err
		}
	}
	return nil
}
