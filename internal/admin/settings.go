package admin

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/fsx"
)

// The settings that a server last ran with, so that the next start can tell what was changed. A line a setting, sorted:
//
//	stet/settings/v1
//	listen 127.0.0.1:7108
const (
	settingsDir    = "auth"
	settingsFile   = settingsDir + "/settings"
	settingsHeader = "stet/settings/v1\n"
	maxSettings    = 16 << 10 // bytes
)

// Settings are what a server runs with, by name. Names have no spaces, values no line ends, and neither holds a secret: they
// are recorded.
type Settings map[string]string

func (s Settings) text() ([]byte, error) {
	b := []byte(settingsHeader)
	for _, name := range slices.Sorted(maps.Keys(s)) {
		if name == "" || strings.ContainsAny(name, " \n") || strings.ContainsAny(s[name], "\n\r") {
			return nil, fmt.Errorf("the setting %q cannot be written in a line", name)
		}
		b = append(b, name+" "+s[name]+"\n"...)
	}
	if len(b) > maxSettings {
		return nil, fmt.Errorf("settings of %d bytes; %d are the most", len(b), maxSettings)
	}
	return b, nil
}

// parseSettings is the strict inverse of text.
func parseSettings(b []byte) (Settings, error) {
	bad := errors.New("not settings of a version that this stet knows")
	rest, ok := strings.CutPrefix(string(b), settingsHeader)
	if !ok {
		return nil, bad
	}
	s := Settings{}
	for line := range strings.Lines(rest) {
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		s[name] = value
	}
	if again, err := s.text(); err != nil || !bytes.Equal(again, b) {
		return nil, bad
	}
	return s, nil
}

// differing is what of these settings the others do not have, for people.
func (s Settings) differing(other Settings) string {
	var all []string
	for _, name := range slices.Sorted(maps.Keys(s)) {
		if v, ok := other[name]; !ok || v != s[name] {
			all = append(all, name+"="+s[name])
		}
	}
	if len(all) == 0 {
		return "nothing"
	}
	return strings.Join(all, ", ")
}

// Started has the log say that a server has started, and before that, which of its settings are not those of the last start.
// A crash in between can make it say so twice. It also does what Settle does.
func (o *Office) Started(ctx context.Context, version string, now Settings) error {
	if err := o.Settle(ctx); err != nil {
		return err
	}
	text, err := now.text()
	if err != nil {
		return err
	}
	var events []*event.Event
	b, err := fsx.ReadFile(o.FS, settingsFile, maxSettings)
	changed := errors.Is(err, fs.ErrNotExist)
	switch {
	case changed: // the first start; sys_startup says it all
	case err != nil && !errors.Is(err, fsx.ErrTooLarge):
		return err
	case !bytes.Equal(b, text):
		changed = true
		events = append(events, changedSettings(b, now, text))
	}
	up := serverEvent("sys_startup", "start")
	up.Labels = map[string]string{"version": version}
	for name, v := range now {
		up.Labels["setting_"+name] = v
	}
	if _, err := o.Log.Record(ctx, append(events, up)...); err != nil || !changed {
		return err
	}
	if err := fsx.MkdirAll(o.FS, settingsDir, 0o700); err != nil {
		return err
	}
	return fsx.Replace(o.FS, settingsFile, text, 0o600)
}

func changedSettings(old []byte, now Settings, text []byte) *event.Event {
	e := serverEvent("config_changed", "configure")
	e.Object = &event.Object{Type: "settings", ID: "serve"}
	digest := func(b []byte) string {
		sum := sha256.Sum256(b)
		return "sha256:" + hex.EncodeToString(sum[:])
	}
	e.Before, e.After = &event.Snapshot{Digest: digest(old), Object: settingsFile}, &event.Snapshot{Digest: digest(text), Object: settingsFile}
	before, err := parseSettings(old)
	if err != nil {
		e.Before.Summary = err.Error()
		return e
	}
	e.Before.Summary, e.After.Summary = before.differing(now), now.differing(before)
	return e
}

// Stopped has the log say that a server stops. why is for people; "" for an orderly end.
func (o *Office) Stopped(ctx context.Context, why string) error {
	e := serverEvent("sys_shutdown", "stop")
	e.StatusReason = why
	_, err := o.Log.Record(ctx, e)
	return err
}

// serverEvent is what the server says of itself; the log fills in who that is.
func serverEvent(typ, action string) *event.Event {
	return &event.Event{EventType: typ, Action: action, Object: &event.Object{Type: "server", ID: "stet"}, InteractionID: typ,
		CodeLocation: "internal/admin", EntryPoint: &event.EntryPoint{Kind: "cli", Name: "stet serve"}}
}
