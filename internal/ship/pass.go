package ship

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/stetlog/stet/internal/fsx"
	"github.com/stetlog/stet/internal/known"
	"github.com/stetlog/stet/internal/spool"
	"github.com/stetlog/stet/internal/wire"
	"github.com/stetlog/stet/proof"
)

// pass is one look at all spools of a place.
type pass struct {
	s       *Shipper
	rep     *Report
	client  *Client
	server  Server
	seals   proof.SealVerifier
	streams []*stream
	sent    sent
	body    []byte // of the next request
	items   []item // in it

	written  int            // handovers that are written down
	followed bool           // the server was asked how its log's key has changed
	served   proof.KeyChain // what it said
}

// stream is one spool.
type stream struct {
	id   string
	gone bool       // its owner is dead
	meta spool.Meta // zero where no segment says it
	app  owner

	proven uint64 // the stream_seq behind what is proven to be in the log; 0: nothing is
	queued uint64 // behind what was put into a request; 0: where the spool begins is not known
	final  bool   // its last batch was proven and closed it
	asked  bool   // the server knows that it is dead
	whole  bool   // read to its end, and nothing stands in the way
	stuck  string // why it cannot go on; "" where it can
	kept   bool   // something in it was not sent and never will be: it goes to quarantine as a whole

	segments []string // file names, oldest first
	damaged  []string // those of segments that go to quarantine
}

// owner is what the batches of a stream, and of others that belong to the same jobs, share.
type owner struct{ key, app, environment string }

// look finds the spools and who of their owners is dead. That is found out before anything is read: where a process has
// closed a spool, it has recorded elsewhere before how the runs in it ended, and that must be sent when they are judged.
func (p *pass) look() error {
	ids, err := spool.List(p.s.Place, spool.Dir)
	if err != nil {
		return err
	}
	for _, id := range ids {
		st := &stream{id: id}
		if st.gone, err = spool.Dead(p.s.Place, spool.Dir, id); err != nil {
			p.left(st, err.Error())
			continue
		}
		st.meta, err = spool.ReadMeta(p.s.Place, spool.Dir, id)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil && st.meta.MachineID != "" && p.s.Machine != "" && st.meta.MachineID != p.s.Machine {
			// Its lock says nothing here, and its boot and process ids mean others.
			p.left(st, fmt.Sprintf("it belongs to another machine, %s: send it from there", st.meta.Host))
			continue
		}
		st.app = owner{st.meta.Key, st.meta.AppID, st.meta.Environment}
		p.streams = append(p.streams, st)
	}
	return nil
}

func (p *pass) left(st *stream, why string) { p.rep.Left = append(p.rep.Left, Left{st.id, why}) }

// meet reads what is known of the server and which token is for it, and makes its acquaintance where it was never met: the
// key that the token names, or without a token, on this machine only, the first one seen.
func (p *pass) meet(ctx context.Context) error {
	a := p.s.Address
	server, err := ReadServer(p.s.State, a)
	fresh := errors.Is(err, fs.ErrNotExist)
	if err != nil && !fresh {
		return err
	}
	server.Address = a
	token, err := p.s.token(server)
	if err != nil {
		return err
	}
	p.client = p.s.Client.With(token)
	p.written = server.Chain.Len()
	if server, err = Acquaint(ctx, p.s.Client, server, token); err != nil {
		return err
	}
	if fresh {
		server.TokenFile = p.s.TokenFile
		if err := WriteServer(p.s.State, server); err != nil {
			return err
		}
	}
	p.server = server
	p.sent, err = readSent(p.s.Place, server.LogKey)
	return err
}

// token is read anew for each pass, so that a token that was replaced needs no restart.
func (s *Shipper) token(server Server) (string, error) {
	if file := cmp.Or(s.TokenFile, server.TokenFile); file != "" {
		return ReadToken(file)
	}
	return server.Token, nil
}

// sendAll reads every spool and sends what is in it.
func (p *pass) sendAll(ctx context.Context) error {
	for _, st := range p.streams {
		if err := p.read(ctx, st); err != nil {
			return fmt.Errorf("spool %s: %w", st.id, err)
		}
	}
	return p.send(ctx)
}

// errUnsure ends a reading of a living stream that found numbers missing.
var errUnsure = errors.New("numbers are missing while the owner writes")

// errStuck ends the reading of a stream that cannot go on.
var errStuck = errors.New("the stream cannot go on")

// read puts what a spool holds into requests. While the owner writes, a reader can see a later frame before all of an
// earlier one; but a write that was still under way is over when a later one is seen, so a hole counts when it is there
// again. An error is the server's, this computer's or the context's, never the spool's.
func (p *pass) read(ctx context.Context, st *stream) error {
	st.proven = p.sent.next[st.id]
	if st.queued = st.proven; st.queued == 0 {
		if _, err := p.s.Place.Stat(spool.Dir + "/" + st.id + "/000001.seg"); err == nil {
			st.queued = 1 // nothing was trimmed
		}
	}
	for sure := st.gone; ; sure = true {
		var sending error
		report, err := spool.Read(p.s.Place, spool.Dir, st.id, st.queued, func(b spool.Batch) error {
			err := p.add(ctx, st, b, sure)
			if !errors.Is(err, errUnsure) && !errors.Is(err, errStuck) {
				sending = err
			}
			return err
		})
		st.segments = report.Segments
		switch {
		case sending != nil:
			return sending
		case errors.Is(err, errUnsure) && !sure:
			continue
		case errors.Is(err, errStuck), errors.Is(err, fs.ErrNotExist):
		case errors.Is(err, spool.ErrTooDamaged) && st.gone:
			st.kept = true
			p.rep.Damaged = append(p.rep.Damaged, Left{st.id, err.Error()})
		case err != nil: // about reading, not about the data: it may be better tomorrow
			st.stuck = err.Error()
		default:
			st.whole = true
			p.damaged(st, report)
		}
		return nil
	}
}

// damaged notes which segments of a spool hold damage. Of a living stream that may be what is being written.
func (p *pass) damaged(st *stream, report spool.Report) {
	if !st.gone {
		return
	}
	for _, d := range report.Damaged {
		p.rep.Damaged = append(p.rep.Damaged, Left{st.id, fmt.Sprintf("%s at %d: %s", d.Segment, d.Offset, d.Reason)})
		st.damaged = append(st.damaged, d.Segment)
	}
}

// add puts one batch into the next request.
func (p *pass) add(ctx context.Context, st *stream, b spool.Batch, sure bool) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if st.stuck != "" {
		return errStuck
	}
	seal, err := p.sound(st, b)
	if err != nil {
		// Not what was sealed: this computer's own damage, and no server's business. What comes behind it shows how much is lost.
		if !st.gone && !sure {
			return errUnsure
		}
		st.kept = true
		p.rep.Damaged = append(p.rep.Damaged, Left{st.id, fmt.Sprintf("the batch from number %d on: %v", b.First, err)})
		return nil
	}
	if st.queued != 0 && b.First > st.queued {
		if !sure {
			return errUnsure
		}
		loss := &wire.Loss{Stream: st.id, First: st.queued, Last: b.First - 1, Reason: "the stream's spool was damaged there",
			Key: seal.Key, App: seal.App, Environment: seal.Environment}
		if err := p.put(ctx, item{st: st, element: wire.Element{Loss: loss}, next: b.First}); err != nil {
			return err
		}
	}
	return p.put(ctx, item{st: st, element: wire.Element{Batch: &b}, seal: seal, next: max(b.Next(), b.First+1)})
}

// sound checks by hand what a server will check of a batch, so that its word is not needed to know that the spool is
// damaged.
func (p *pass) sound(st *stream, b spool.Batch) (proof.Seal, error) {
	seal, err := p.seals.Open(b.Seal)
	if err != nil {
		return seal, err
	}
	if seal.Stream != st.id || seal.First != b.First || seal.Count != len(b.Events) {
		return seal, fmt.Errorf("its seal is over %d events from %d of stream %s", seal.Count, seal.First, seal.Stream)
	}
	leaves := make([]proof.Hash, len(b.Events))
	for i, e := range b.Events {
		leaves[i] = proof.LeafHash(e)
	}
	if proof.RootOf(leaves) != seal.Root {
		return seal, errors.New("its events are not those that were sealed")
	}
	return seal, nil
}

// remember holds a checkpoint against what this computer has seen of the log, over the log's own tiles, and writes it down,
// durably. One that is smaller than what was seen is only old where the log's present one continues both.
func (p *pass) remember(ctx context.Context, signed []byte, cp proof.Checkpoint) error {
	last, ok, err := p.s.Known.Last(cp.Origin)
	if err != nil {
		return err
	}
	if ok && last.VKey != p.server.Key() {
		// The log's key has changed since: how, the server must say, and what counts is signed by the newest.
		if err := p.follow(ctx); err != nil {
			return err
		}
		now, nowCP, err := p.checkpoint(ctx)
		if err != nil {
			return err
		}
		if err := p.continues(ctx, cp, nowCP); err != nil {
			return p.integrity(WhatHistory, err, now)
		}
		signed, cp = now, nowCP
	}
	if ok && cp.Size < last.Size {
		now, nowCP, err := p.checkpoint(ctx)
		if err != nil {
			return err
		}
		if nowCP.Size >= last.Size {
			if err := p.continues(ctx, cp, nowCP); err != nil {
				return p.integrity(WhatHistory, err, now)
			}
		}
		signed, cp = now, nowCP
	}
	return p.advance(ctx, signed, cp)
}

// maxLocked bounds how often a memory is asked for that another process is moving on.
const maxLocked = 16

func (p *pass) advance(ctx context.Context, signed []byte, cp proof.Checkpoint) error {
	now := known.Checkpoint{Checkpoint: cp, VKey: p.server.Key(), Note: signed, Chain: p.server.Chain}
	if p.followed {
		now.Chain = p.served // all of it: what was seen may be older than what was pinned
	}
	var err error
	for range maxLocked {
		if err = p.s.Known.Advance(now, p.nodes(ctx, cp.Size)); !errors.Is(err, fsx.ErrLocked) {
			break
		}
	}
	if errors.Is(err, known.ErrContradiction) {
		return p.integrity(WhatHistory, err, signed)
	}
	if err != nil {
		return err
	}
	p.rep.Size = cp.Size
	return p.writeKeys()
}

// continues proves that a later tree has an earlier one as its beginning.
func (p *pass) continues(ctx context.Context, old, cp proof.Checkpoint) error {
	hashes, err := proof.ProveConsistency(old.Size, cp.Size, p.nodes(ctx, cp.Size))
	if err != nil {
		return err
	}
	return proof.VerifyConsistency(old.Size, cp.Size, old.Root, cp.Root, hashes)
}

// nodes reads the log's tree from the server's tiles, each once.
func (p *pass) nodes(ctx context.Context, size uint64) proof.HashReader {
	tiles := map[proof.Tile][]byte{}
	return proof.TileHashes{Size: size, Tiles: proof.TileReaderFunc(func(t proof.Tile) ([]byte, error) {
		if b, ok := tiles[t]; ok {
			return b, nil
		}
		b, err := p.client.Fetch(ctx, t.Path())
		if err == nil {
			tiles[t] = bytes.Clone(b)
		}
		return b, err
	})}
}

// checkpoint asks for the log's present checkpoint.
func (p *pass) checkpoint(ctx context.Context) ([]byte, proof.Checkpoint, error) {
	signed, err := p.client.Fetch(ctx, "checkpoint")
	if err != nil {
		return nil, proof.Checkpoint{}, err
	}
	cp, err := p.open(ctx, signed)
	return signed, cp, err
}

// open checks a checkpoint's signature, by the newest of the log's keys. Where that is missing, or another key of the log has
// signed, too, the server is asked how the log's key has changed.
func (p *pass) open(ctx context.Context, signed []byte) (proof.Checkpoint, error) {
	cp, _, err := p.server.Chain.OpenCheckpoint(signed, p.server.LogKey)
	unheard := proof.SignedByOthers(signed, p.server.Origin(), p.server.Keys()...)
	if err == nil && !unheard {
		return cp, nil
	}
	if unheard || errors.Is(err, proof.ErrSignature) {
		before := p.server.Chain.Len()
		ferr := p.follow(ctx)
		var bad *IntegrityError
		switch {
		case errors.As(ferr, &bad):
			bad.Note = signed
			return cp, ferr
		case ferr != nil && err == nil: // it can be followed another time; this key is as good as before
			return cp, nil
		case ferr != nil:
			return cp, ferr
		}
		if p.server.Chain.Len() > before {
			cp, _, err = p.server.Chain.OpenCheckpoint(signed, p.server.LogKey)
		}
	}
	if err != nil {
		return cp, p.integrity(WhatSignature, err, signed)
	}
	return cp, nil
}

func (p *pass) integrity(what string, err error, signed []byte) error {
	return &IntegrityError{p.s.Address, what, err, signed}
}
