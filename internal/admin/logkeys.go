package admin

import (
	"context"
	"fmt"
	"net/http"

	"github.com/stetlog/stet/internal/store"
	"github.com/stetlog/stet/proof"
)

// LogKey is a key that a log has had.
type LogKey struct {
	ID    string // proof.KeyID
	VKey  string
	Since uint64 // entries in the log when it came: it signs checkpoints of more. 0: the log began with it
	Time  string // when that was, as event.FormatTime has it; "" where the log began with it
	Signs bool   // it signs checkpoints now
}

func logKeys(k store.LogKeys) []LogKey {
	var all []LogKey
	signs := map[string]bool{k.Newest(): true}
	for _, vkey := range k.Beside {
		signs[vkey] = true
	}
	for n, vkey := range k.All() {
		key := LogKey{ID: proof.KeyID(vkey), VKey: vkey, Signs: signs[vkey]}
		if n > 0 {
			h, _ := k.Chain.At(n - 1)
			key.Since, key.Time = h.Size, h.Time
		}
		all = append(all, key)
	}
	return all
}

// ListLogKeys lists the keys that the log has had, in the order they came. The last one counts.
func (o *Office) ListLogKeys() []LogKey { return logKeys(o.Log.LogKeys()) }

// RotateLogKey has a new key take the place of the log's. The old one signs beside it until RetireLogKeys. Tokens that were
// made before stay good; those that are made from now on name the new key.
func (o *Office) RotateLogKey(ctx context.Context, by By) ([]LogKey, error) {
	k, err := o.Log.RotateLogKey(ctx, by.name())
	// Also where it failed late: whatever key counts now is one that tokens may name.
	if k.First != "" {
		if serr := o.Tokens.SetLogKeys(k.All()); err == nil {
			err = serr
		}
	}
	if err != nil {
		return nil, err
	}
	return logKeys(k), nil
}

// RetireLogKeys has all keys of the log but the newest sign no more, and removes their private halves. It fails with
// store.ErrKeys where none does.
func (o *Office) RetireLogKeys(ctx context.Context, by By) ([]LogKey, error) {
	if _, err := o.Log.RetireLogKeys(ctx, by.name()); err != nil {
		return nil, err
	}
	return o.ListLogKeys(), nil
}

func (o *Office) getLogKeys(context.Context, By, *http.Request, []byte) (any, error) {
	return formOf(o.ListLogKeys(), nil)
}

func (o *Office) postLogKey(ctx context.Context, by By, _ *http.Request, _ []byte) (any, error) {
	return formOf(o.RotateLogKey(ctx, by))
}

func (o *Office) deleteLogKeys(ctx context.Context, by By, _ *http.Request, _ []byte) (any, error) {
	return formOf(o.RetireLogKeys(ctx, by))
}

func formOf(all []LogKey, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	l := logKeyList{Format: logKeysFormat, Keys: []logKeyInfo{}}
	for _, k := range all {
		l.Keys = append(l.Keys, logKeyInfo(k))
	}
	return l, nil
}

// ListLogKeys lists the keys that the log has had.
func (h Here) ListLogKeys(context.Context) ([]LogKey, error) { return h.Office.ListLogKeys(), nil }

// RotateLogKey has a new key take the place of the log's.
func (h Here) RotateLogKey(ctx context.Context) ([]LogKey, error) {
	return h.Office.RotateLogKey(ctx, h.By)
}

// RetireLogKeys has all keys of the log but the newest sign no more.
func (h Here) RetireLogKeys(ctx context.Context) ([]LogKey, error) {
	return h.Office.RetireLogKeys(ctx, h.By)
}

// ListLogKeys asks for the keys that the log has had. The answer is a claim.
func (c Client) ListLogKeys(ctx context.Context) ([]LogKey, error) {
	return c.logKeys(ctx, http.MethodGet, LogKeysPath)
}

// RotateLogKey has a new key take the place of the log's.
func (c Client) RotateLogKey(ctx context.Context) ([]LogKey, error) {
	return c.logKeys(ctx, http.MethodPost, LogKeysPath)
}

// RetireLogKeys has all keys of the log but the newest sign no more.
func (c Client) RetireLogKeys(ctx context.Context) ([]LogKey, error) {
	return c.logKeys(ctx, http.MethodDelete, OldLogKeysPath)
}

func (c Client) logKeys(ctx context.Context, method, path string) ([]LogKey, error) {
	var l logKeyList
	if err := c.ask(ctx, method, path, nil, &l); err != nil {
		return nil, err
	}
	if l.Format != logKeysFormat || len(l.Keys) == 0 {
		return nil, errAnswer
	}
	var all []LogKey
	for _, k := range l.Keys {
		if err := proof.CheckVKey(k.VKey); err != nil || k.ID != proof.KeyID(k.VKey) {
			return nil, fmt.Errorf("%w: %q is no key", errAnswer, k.ID)
		}
		all = append(all, LogKey(k))
	}
	return all, nil
}
