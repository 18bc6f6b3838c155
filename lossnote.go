package stet

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/fsx"
	"github.com/stetlog/stet/internal/keyfile"
	"github.com/stetlog/stet/internal/lost"
	"github.com/stetlog/stet/internal/redact"
)

// outside is what a Recorder that can record nothing still has.
type outside struct {
	syslog string      // where the system's log listens; "": it is told nothing
	notes  []notePlace // where notes of losses go: into the first that works; read are all
}

// notePlace opens a directory of notes. Where make is false and it is missing, the error is fs.ErrNotExist.
type notePlace func(create bool) (fsx.FS, func() error, error)

// envSystemLog names another socket than /dev/log.
const envSystemLog = "STET_SYSLOG"

// findOutside: notes go where the next recorder of the same user and state looks for them.
func findOutside(o Options) outside {
	out := outside{syslog: first(os.Getenv(envSystemLog), lost.SystemLog)}
	state := o.StateDir
	if state == "" {
		var err error
		if state, err = keyfile.StateDir(os.LookupEnv); err != nil {
			return out // whoever wants to declare the loss would not know where to look; Open's caller is told why
		}
	}
	for _, place := range lost.Places(state, os.Getenv("XDG_RUNTIME_DIR"), os.Geteuid()) {
		out.notes = append(out.notes, func(create bool) (fsx.FS, func() error, error) {
			if create && place.Own {
				if err := makeDir(filepath.Dir(place.Dir)); err != nil {
					return nil, nil, err
				}
			}
			d, err := lost.Open(place.Dir, create)
			if err != nil {
				return nil, nil, err
			}
			return d, d.Close, nil
		})
	}
	return out
}

// lossNote is the note of a loss that is not declared yet. Its methods wait for a disk.
type lossNote struct {
	id     event.UUID
	places []notePlace

	busy  chan struct{} // of capacity 1: full while the disk is asked; guards what follows
	held  *lost.Held
	close func() error
	gone  bool // declared, or left to others
}

// save makes the note durable, or makes it say more.
func (n *lossNote) save(note lost.Note) (err error) {
	n.busy <- struct{}{}
	defer func() { <-n.busy }()
	if n.gone {
		return nil
	}
	if n.held != nil {
		if note.Open { // the first one, overtaken
			return nil
		}
		return n.held.Update(note)
	}
	err = errors.New("there is no place for a note of it")
	for _, open := range n.places {
		fsys, done, operr := open(true)
		if operr != nil {
			err = operr
			continue
		}
		if n.held, err = lost.Write(fsys, note); err == nil {
			n.close = done
			return nil
		}
		_ = done() // the note's own error says more
	}
	return err
}

// drop removes the note, whose loss is declared; leave leaves it to the next recorder. After either it is saved no more.
func (n *lossNote) drop() { n.let((*lost.Held).Remove) }

func (n *lossNote) leave() { n.let((*lost.Held).Release) }

func (n *lossNote) let(how func(*lost.Held) error) {
	n.busy <- struct{}{}
	defer func() { <-n.busy }()
	if n.gone = true; n.held != nil {
		_ = how(n.held) // at worst the loss is declared twice, under one event_id
		_ = n.close()   // a directory
		n.held = nil
	}
}

// note is what a loss's note says.
func (r *Recorder) note(id event.UUID, l loss, open bool) lost.Note {
	why, _ := redact.Text(say(l.because))
	return lost.Note{V: 1, ID: id.String(), AppID: r.base.AppID, PID: os.Getpid(), BootID: clip(r.clock.Evidence().BootID, 64),
		First: event.FormatTime(l.first), Last: event.FormatTime(l.last), Lost: l.lost, Doubt: l.doubt, Why: clip(event.Sanitize(why), 512), Open: open}
}

// noteLoss begins a note of a loss that has none. Nobody waits for it: it is for the case that this process does not live
// to declare the loss, or to say how large it became. Recorder.mu is held.
func (r *Recorder) noteLoss() {
	if r.o.Policy != BestEffort || len(r.out.notes) == 0 || len(r.loss.notes) > 0 {
		return
	}
	n := &lossNote{id: r.newID(), places: r.out.notes, busy: make(chan struct{}, 1)}
	r.loss.notes = append(r.loss.notes, n)
	note := r.note(n.id, r.loss, true)
	go func() { _ = n.save(note) }() // Close tries again, and says so where it fails
}

// leaveNote leaves what could not be declared to the next recorder: the returned channel yields nil once that is durable.
func (r *Recorder) leaveNote() <-chan error {
	r.mu.Lock()
	l := r.loss
	r.mu.Unlock()
	done := make(chan error, 1)
	if len(l.notes) == 0 {
		done <- errors.New("no note of it was made")
		return done
	}
	n := l.notes[0]
	note := r.note(n.id, l, false)
	go func() {
		err := n.save(note)
		for _, other := range l.notes[1:] {
			if err == nil {
				other.drop() // the first one speaks for all
			}
		}
		done <- err
	}()
	return done
}

// dropNotes removes the notes of a loss that is declared durably. It waits half of ctx's time; then that goes on by itself.
func dropNotes(ctx context.Context, notes []*lossNote) { letNotes(ctx, notes, (*lossNote).drop) }

// abandonNotes lets the locks of all notes go.
func (r *Recorder) abandonNotes(ctx context.Context) {
	r.mu.Lock()
	notes := r.loss.notes
	r.mu.Unlock()
	letNotes(ctx, notes, (*lossNote).leave)
}

func letNotes(ctx context.Context, notes []*lossNote, let func(*lossNote)) {
	if len(notes) == 0 {
		return
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for _, n := range notes {
			let(n)
		}
	}()
	ctx, cancel := half(ctx)
	defer cancel()
	select {
	case <-done:
	case <-ctx.Done():
	}
}

// lossID is the event_id of a loss's declaration, the same whoever declares it.
func lossID(note event.UUID) event.UUID {
	return event.DeriveUUID("loss", note.String(), [6]byte(note[:6]))
}

// beginInheritance is for the first stream that opens. Recorder.mu is held.
func (r *Recorder) beginInheritance() {
	if !r.inheriting && len(r.out.notes) > 0 {
		r.inheriting = true
		go r.inherit()
	}
}

// awaitInheritance waits for what was begun, half of ctx's time.
func (r *Recorder) awaitInheritance(ctx context.Context) {
	r.mu.Lock()
	begun := r.inheriting
	r.mu.Unlock()
	if !begun {
		return
	}
	ctx, cancel := half(ctx)
	defer cancel()
	select {
	case <-r.inherited:
	case <-ctx.Done():
	}
}

// half leaves the other half of the time for what follows: a disk with notes that hangs must not cost a stream its end.
func half(ctx context.Context) (context.Context, context.CancelFunc) {
	end, ok := ctx.Deadline()
	if !ok {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, time.Until(end)/2)
}

// inherit declares what recorders lost that are gone, and records again what was refused of them, as far as it comes within
// a deadline.
func (r *Recorder) inherit() {
	defer close(r.inherited)
	ctx, cancel := r.deadline(context.Background())
	defer cancel()
	for _, open := range r.out.notes {
		if err := r.inheritFrom(ctx, open); err != nil && !errors.Is(err, fs.ErrNotExist) {
			r.o.OnLoss(fmt.Errorf("what earlier processes lost could not be declared: %w", err))
		}
	}
	if err := r.recordAgain(ctx); err != nil && !errors.Is(err, ErrClosed) {
		r.o.OnLoss(err)
	}
}

func (r *Recorder) inheritFrom(ctx context.Context, open notePlace) error {
	fsys, done, err := open(false)
	if err != nil {
		return err
	}
	held, err := lost.Claim(fsys)
	for _, h := range held {
		if derr := r.declareFor(ctx, h.Note); derr != nil {
			err = errors.Join(err, derr, h.Release())
			continue
		}
		err = errors.Join(err, h.Remove())
	}
	return errors.Join(err, done())
}

// emitInherited records what is left of earlier processes, or known of the server, also while Close waits for that.
func (r *Recorder) emitInherited(ctx context.Context, ev *event.Event) error {
	r.ending.RLock()
	defer r.ending.RUnlock()
	if r.closed {
		return ErrClosed
	}
	return r.emit(ctx, nil, ev)
}

// declareFor declares another recorder's loss.
func (r *Recorder) declareFor(ctx context.Context, n lost.Note) error {
	id, err := event.ParseUUID(n.ID)
	if err != nil {
		return err
	}
	from, to := n.Times()
	least := ""
	if n.Open {
		least = "at least "
	}
	ev := r.lossEvent(from, to, n.Lost, n.Doubt)
	ev.EventID = lossID(id)
	ev.Object.ID = n.AppID
	ev.StatusReason = fmt.Sprintf("%s%d records of %s (process %d) were lost and %d are in doubt, the first at %s, the last at %s: %s",
		least, n.Lost, n.AppID, n.PID, n.Doubt, n.First, n.Last, n.Why)
	ev.Labels = map[string]string{"lost_by_app": n.AppID, "lost_by_pid": fmt.Sprint(n.PID)}
	if n.BootID != "" {
		ev.Labels["lost_by_boot"] = n.BootID
	}
	return r.emitInherited(ctx, ev)
}

const (
	cryEvery = time.Minute
	cryWait  = 100 * time.Millisecond
)

// cry tells the system's own log that records are being lost: once for each cause and minute, not for each record. Nobody
// is left to be told where that fails too; Options.OnLoss was.
func (r *Recorder) cry(err error) {
	if r.out.syslog == "" {
		return
	}
	now, why := time.Now(), cause(err)
	r.mu.Lock()
	last, known := r.cried[why]
	if known && now.Sub(last) < cryEvery {
		r.mu.Unlock()
		return
	}
	if r.cried == nil {
		r.cried = map[string]time.Time{}
	}
	r.cried[why] = now
	n := r.loss.lost + r.loss.doubt
	r.mu.Unlock()
	text := fmt.Sprintf("audit records of %s are being lost, %d so far: %s", r.base.AppID, n, say(err))
	_ = lost.Tell(r.out.syslog, lost.Line(now, os.Getpid(), text), now.Add(cryWait))
}

// cause is one of few, whatever an error's text says.
func cause(err error) string {
	var stuck stuckError
	var errno syscall.Errno
	switch {
	case errors.Is(err, ErrSpoolFull):
		return "full"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &stuck):
		return "slow"
	case errors.As(err, &errno):
		return errno.Error()
	}
	return "other"
}
