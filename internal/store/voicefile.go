package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/fsx"
	"github.com/stetlog/stet/proof"
)

// voiceFile says which streams of its own the process that holds the store has open, so that the next one can close them:
// nobody else has their keys. It is written before the first batch of a stream, and goes when all of them are closed.
const (
	voiceFile    = "voices"
	maxVoiceFile = 2 << 20 // bytes
)

// openVoices is what stands in it.
type openVoices struct {
	V         int         `json:"v"`
	PID       int         `json:"pid"`
	BootID    string      `json:"boot_id"`
	StartedAt string      `json:"started_at"`
	Streams   []openVoice `json:"streams"`
}

type openVoice struct {
	Stream      string `json:"stream_id"`
	App         string `json:"app_id"`
	Environment string `json:"environment"`
	Self        bool   `json:"self"` // under the store's key; else the door's
}

// voiceNote is the file of a Hold. Its mutex is held while the disk is waited for, and nothing is locked under it.
type voiceNote struct {
	mu   sync.Mutex
	open openVoices
}

// add notes a stream, durably.
func (n *voiceNote) add(s *Store, v openVoice) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.open.V == 0 {
		n.open.V, n.open.PID, n.open.BootID, n.open.StartedAt = 1, os.Getpid(), s.clock.Evidence().BootID, event.FormatTime(s.now())
	}
	n.open.Streams = append(n.open.Streams, v)
	b, err := json.Marshal(n.open)
	if err == nil {
		err = fsx.Replace(s.FS, voiceFile, append(b, '\n'), 0o600)
	}
	if err != nil {
		n.open.Streams = n.open.Streams[:len(n.open.Streams)-1]
	}
	return err
}

// drop forgets a stream that was closed; the file says so when it is written the next time.
func (n *voiceNote) drop(stream string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for i, v := range n.open.Streams {
		if v.Stream == stream {
			n.open.Streams = append(n.open.Streams[:i], n.open.Streams[i+1:]...)
			return
		}
	}
}

// removeVoices takes the file away, durably.
func (s *Store) removeVoices() error {
	if err := s.FS.Remove(voiceFile); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	}
	return s.FS.SyncDir(".")
}

// readVoices returns what a process that did not end in order has left open, and the file's digest; nothing where there is no
// such file, or none that can be read: then the streams stay open, as verify says of any.
func (s *Store) readVoices() (left openVoices, digest string, err error) {
	b, err := fsx.ReadFile(s.FS, voiceFile, maxVoiceFile)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fsx.ErrTooLarge) {
		return left, "", nil
	}
	if err != nil {
		return left, "", err
	}
	if left, err = parseVoices(b); err != nil {
		return openVoices{}, "", nil //nolint:nilerr // see above
	}
	sum := sha256.Sum256(b)
	return left, hex.EncodeToString(sum[:]), nil
}

var errVoices = errors.New("not a file of open streams")

func parseVoices(b []byte) (v openVoices, err error) {
	if json.Unmarshal(b, &v) != nil || v.V != 1 {
		return openVoices{}, errVoices
	}
	if again, err := json.Marshal(v); err != nil || !bytes.Equal(append(again, '\n'), b) {
		return openVoices{}, errVoices
	}
	return v, nil
}

// closeLeft closes the streams that a process which held the store before has left open, and records, once, whose they were.
// A crash in between is no matter: the record is one act, and what is closed is not closed again.
func (h *Held) closeLeft(ctx context.Context) error {
	left, digest, err := h.s.readVoices()
	if err != nil {
		return err
	}
	var open []*voice
	for _, x := range left.Streams {
		v, err := h.leftVoice(ctx, x)
		if err != nil {
			return err
		}
		if v != nil {
			open = append(open, v)
		}
	}
	if len(open) > 0 {
		if err := h.recordLeft(ctx, left, digest, open); err != nil {
			return err
		}
		for _, v := range open {
			if err := v.end(ctx); err != nil {
				return fmt.Errorf("close stream %s of a server that is gone: %w", v.stream, err)
			}
		}
	}
	return h.s.removeVoices()
}

// leftVoice is a stream as it was left; nil where nothing stands in it, or it was closed.
func (h *Held) leftVoice(ctx context.Context, x openVoice) (*voice, error) {
	id, err := event.ParseUUID(x.Stream)
	if err != nil {
		return nil, nil //nolint:nilerr // no stream of ours
	}
	state, there, err := h.l.Stream(ctx, x.Stream)
	if err != nil || !there || !state.Sealed || state.Final {
		return nil, err
	}
	signer, vkey, err := h.voiceKey(x.Self)
	if err != nil {
		return nil, err
	}
	v := &voice{h: h, signer: signer, vkey: vkey, of: speaker{app: x.App, environment: x.Environment}, stream: id, noted: true}
	v.next, v.prev, v.hasPrev = state.Next, state.LastSeal, true
	return v, nil
}

// recordLeft records that a server ended without closing its streams.
func (h *Held) recordLeft(ctx context.Context, left openVoices, digest string, open []*voice) error {
	e := h.s.own("sys_crash")
	e.InteractionID = "sys_crash"
	e.Object = &event.Object{Type: "server", ID: fmt.Sprintf("pid %d of boot %s", left.PID, left.BootID)}
	e.Action = "close"
	e.Status = event.StatusUnknown
	e.StatusReason = plain(fmt.Sprintf("a server that began at %s ended without closing %d streams of its own; they are closed now, and have all that it acknowledged", left.StartedAt, len(open)))
	for _, v := range open[:min(len(open), 16)] {
		e.References = append(e.References, event.Reference{Kind: "stream", Value: v.stream.String()})
	}
	_, err := h.act(ctx, actLeft, digest, [6]byte{}, []*event.Event{e})
	return err
}

// sealed says under which key a stream of the server's is.
func (v *voice) sealed() openVoice {
	return openVoice{Stream: v.stream.String(), App: v.of.app, Environment: v.of.environment, Self: proof.KeyID(v.vkey) == proof.KeyID(v.h.keys.Store.VKey)}
}
