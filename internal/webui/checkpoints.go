package webui

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/stetlog/stet/proof"
)

// checkpointsView is the page of the log's checkpoint: what there is to write down.
type checkpointsView struct {
	Origin, Root, Note, LogKey string
	Size                       uint64
	Cosigned                   []string // names of those who signed it beside the log
	From, To                   string   // as they were asked for
	Compared                   *comparison
	Wrong                      string // why two sizes cannot be compared
}

// comparison is the proof that a log of one size continues that of another.
type comparison struct {
	From, To         uint64
	FromRoot, ToRoot string
	Path             []string
	Failed           string // why it does not; "" where it does
}

func (u *UI) getCheckpoints(v *visit) error {
	note, err := v.Ask(v.r.Context(), http.MethodGet, "/checkpoint", nil)
	if err != nil {
		return err
	}
	cp, err := proof.ParseCheckpointText(note)
	if err != nil {
		return fmt.Errorf("the log's own checkpoint: %w", err)
	}
	l, err := v.log()
	if err != nil {
		return err
	}
	in := v.r.URL.Query()
	view := checkpointsView{Origin: cp.Origin, Root: cp.Root.String(), Note: string(note), LogKey: l.LogKey, Size: cp.Size, Cosigned: cosigners(string(note), cp.Origin),
		From: in.Get("from"), To: in.Get("to")}
	if view.From == "" && view.To == "" {
		return u.show(v, http.StatusOK, "checkpoints", "Checkpoints", view)
	}
	if view.To == "" {
		view.To = strconv.FormatUint(cp.Size, 10)
	}
	from, ferr := strconv.ParseUint(view.From, 10, 53)
	to, terr := strconv.ParseUint(view.To, 10, 53)
	if ferr != nil || terr != nil || from > to || to > cp.Size {
		view.Wrong = fmt.Sprintf("The two sizes are whole numbers, the smaller first, and the larger at most %d.", cp.Size)
		return u.show(v, http.StatusBadRequest, "checkpoints", "Checkpoints", view)
	}
	if view.Compared, err = v.compare(from, to, cp); err != nil {
		return err
	}
	return u.show(v, http.StatusOK, "checkpoints", "Checkpoints", view)
}

// compare proves, by the log's tiles, that its first to entries continue its first from, and the checkpoint the former.
func (v *visit) compare(from, to uint64, cp proof.Checkpoint) (*comparison, error) {
	hashes := proof.TileHashes{Size: cp.Size, Tiles: proof.TileReaderFunc(func(t proof.Tile) ([]byte, error) {
		return v.Ask(v.r.Context(), http.MethodGet, "/"+t.Path(), nil)
	})}
	root := func(size uint64) (proof.Hash, error) {
		edge, err := hashes.ReadHashes(proof.EdgeNodes(size))
		if err != nil {
			return proof.Hash{}, err
		}
		t, err := proof.NewTreeFrom(size, edge)
		if err != nil {
			return proof.Hash{}, err
		}
		return t.Root(), nil
	}
	c := &comparison{From: from, To: to}
	a, err := root(from)
	if err != nil {
		return nil, err
	}
	b, err := root(to)
	if err != nil {
		return nil, err
	}
	c.FromRoot, c.ToRoot = a.String(), b.String()
	path, err := proof.ProveConsistency(from, to, hashes)
	if err != nil {
		return nil, err
	}
	for _, h := range path {
		c.Path = append(c.Path, h.String())
	}
	rest, err := proof.ProveConsistency(to, cp.Size, hashes)
	if err != nil {
		return nil, err
	}
	bad, worse := proof.VerifyConsistency(from, to, a, b, path), proof.VerifyConsistency(to, cp.Size, b, cp.Root, rest)
	switch {
	case bad != nil:
		c.Failed = bad.Error()
	case worse != nil:
		c.Failed = "The tiles do not lead to the signed checkpoint: " + worse.Error()
	}
	return c, nil
}

// cosigners are the names under a checkpoint beside the log's own: a signed note (C2SP) has a line for each.
func cosigners(note, origin string) (names []string) {
	_, signatures, _ := strings.Cut(note, "\n\n")
	for line := range strings.Lines(signatures) {
		if name, _, ok := strings.Cut(strings.TrimPrefix(line, "— "), " "); ok && name != origin && strings.HasPrefix(line, "— ") {
			names = append(names, name)
		}
	}
	return names
}
