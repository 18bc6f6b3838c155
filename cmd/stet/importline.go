package main

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/stetlog/stet"
	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/foreign"
	"github.com/stetlog/stet/proof"
)

// line takes one line. What is wrong with it is reported when those before it have been; an error is about everything.
func (in *importer) line(file string, number int, line []byte, same map[uint64]int) error {
	if number == 1 {
		line = bytes.TrimPrefix(line, []byte("\xef\xbb\xbf")) // the mark that some programs put in front of a file
	}
	if len(bytes.TrimSpace(line)) == 0 {
		in.report.Blank++
		return nil
	}
	p := pendingLine{file: file, line: number}
	if in.cmd.Refused != "" {
		p.raw = append(bytes.Clone(line), '\n')
	}
	switch there, err := in.parse(&p, line, same); {
	case errors.Is(err, errMany):
		return errors.Join(fmt.Errorf("%s:%d: %w", file, number, err), in.flush())
	case err != nil:
		p.err = err
	case there:
		return nil
	}
	in.pending = append(in.pending, p)
	if in.size += len(line); len(in.pending) >= pendingLines || in.size >= pendingBytes {
		return in.flush()
	}
	return nil
}

// parse makes the event of a line. there says that there is nothing to record; the error is the refusal.
func (in *importer) parse(p *pendingLine, line []byte, same map[uint64]int) (there bool, err error) {
	raw := line
	if bytes.HasPrefix(line, []byte(`{"v":1,"seq":`)) {
		entry, err := proof.ParseEntry(line)
		if err != nil {
			return false, err
		}
		if entry.Event == nil {
			in.report.Other++ // a seal says nothing here, and where a stub stands there is no event
			return true, nil
		}
		raw = entry.Event
	}
	in.report.Events++
	original, err := foreign.Parse(raw)
	if err != nil {
		return false, err
	}
	e := original.Event
	hash := content(e, original.Sum)
	original.Adopt(p.file + ":" + strconv.Itoa(p.line))
	if e.EventID.IsZero() {
		e.EventID = lineID(e.EventTime, original.Sum, same[hash])
		e.Derived["event_id"] = "digest of the line"
		same[hash]++
	}
	p.event, p.key = *e, in.key(e)
	err = in.seen.add(e.EventID, hash)
	if errors.Is(err, errSeen) {
		in.report.There++
		return true, nil
	}
	return false, err
}

// lineID is the id of an event that came without one: from its bytes, and from how many same ones stood before it.
func lineID(at time.Time, sum foreign.Sum, before int) event.UUID {
	var ms [8]byte
	if !at.IsZero() && at.Unix() > 0 {
		binary.BigEndian.PutUint64(ms[:], uint64(at.UnixMilli()))
	}
	return event.DeriveUUID("import", hex.EncodeToString(sum[:])+"/"+strconv.Itoa(before), [6]byte(ms[2:]))
}

// key is the stream that an event belongs to. What is no name of one goes to the default one, which refuses it in the
// words of Record.
func (in *importer) key(e *event.Event) streamKey {
	key := streamKey{app: e.AppID, environment: e.Environment}
	if key.app == "" || word(key.app) != key.app {
		key.app = in.cmd.App
	}
	if key.environment == "" && e.Absent["environment"] == "" || key.environment != "" && (word(key.environment) != key.environment || len(key.environment) > maxEnv) {
		key.environment = in.cmd.Env
	}
	return key
}

// flush records what is pending, and reports what was refused of it in the order of the lines.
func (in *importer) flush() error {
	lines := in.pending
	in.pending, in.size = nil, 0
	var order []streamKey
	groups := map[streamKey][]*pendingLine{}
	for i := range lines {
		p := &lines[i]
		if p.err != nil {
			continue
		}
		if groups[p.key] == nil {
			order = append(order, p.key)
		}
		groups[p.key] = append(groups[p.key], p)
	}
	var err error
	for _, key := range order {
		if err = in.record(key, groups[key]); err != nil {
			break
		}
	}
	for i := range lines {
		if p := &lines[i]; p.err != nil && refusal(p.err) {
			in.refuse(p)
		}
	}
	return err
}

// record records those lines that belong to one stream. An error is the disk's.
func (in *importer) record(key streamKey, lines []*pendingLine) error {
	rec, err := in.recorders.get(in.ctx, key)
	if err != nil {
		return err
	}
	events := make([]event.Event, len(lines))
	for i, p := range lines {
		events[i] = p.event
	}
	if in.cmd.DryRun {
		for i, p := range lines {
			p.err = rec.Check(in.ctx, events[i])
		}
	} else {
		var failed stet.RecordErrors
		if err := rec.RecordAll(in.ctx, events); err != nil && !errors.As(err, &failed) {
			return err
		}
		for _, f := range failed {
			lines[f.Index].err = f.Err
		}
	}
	for _, p := range lines {
		if p.err == nil {
			in.report.Taken++
			continue
		}
		in.seen.forget(p.event.EventID)
		if !refusal(p.err) {
			if in.report.Unrecorded++; err == nil {
				err = fmt.Errorf("%s:%d: %w; start it again, what was taken is skipped then", p.file, p.line, p.err)
			}
		}
	}
	return err
}

// refusal tells what is wrong with a line from what is wrong with the disk.
func refusal(err error) bool {
	var refused *event.Error
	return errors.As(err, &refused) || errors.Is(err, stet.ErrInvalid) || errors.Is(err, proof.ErrMalformed) || errors.Is(err, errOther)
}
