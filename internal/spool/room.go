package spool

import (
	"errors"
	"fmt"
	"path"
	"sync"
	"time"

	"github.com/stetlog/stet/internal/fsx"
)

// ErrFull says that the spools may not grow: their own limit is reached, or the disk is needed for others.
var ErrFull = errors.New("the spool is full")

// Defaults of Room, in bytes.
const (
	DefaultMost = 1 << 30
	DefaultKeep = 64 << 20 // or a hundredth of the disk, where that is less
)

const (
	// Footprint is what a spool costs beside its frames: directories' entries, the rest of a block.
	Footprint = 8 << 10

	// reserve is the part of both limits, one in so many, that only what must be said may use.
	reserve = 10
	// A Room measures again where it has promised so much since, and near a limit where so much time has passed.
	measureBytes = 1 << 20
	measureEvery = time.Second
)

// Room bounds what all spools of one directory hold together, whoever writes them, and keeps the disk from being filled
// by them. Look asks the disk, now and then; Take answers from memory. So what other processes write, and what is drained,
// is noticed a little later, and n processes can exceed a limit together by n times measureBytes. All methods are safe for
// concurrent use. The nil Room is without bounds.
type Room struct {
	FS   fsx.FS
	Dir  string
	Most int64 // bytes of all spools; 0 is DefaultMost, less than 0 no limit
	Keep int64 // bytes of the disk that stay free; 0 is DefaultKeep, less than 0 none
	Now  func() time.Time

	looking sync.Mutex // held while the disk is asked; before mu
	mu      sync.Mutex // guards what follows
	used    int64      // by all spools
	space   fsx.Space
	told    bool          // space is known
	since   int64         // promised since the last look
	looked  time.Time     // with its monotonic reading; zero: never
	took    time.Duration // the last look
}

// Look asks the disk how things stand, where the last answer has become too old. It waits for the disk as long as that
// takes. What the disk does not tell bounds nothing: whoever writes will hear of it.
func (r *Room) Look() {
	if r == nil || r.Most < 0 && r.Keep < 0 {
		return
	}
	r.looking.Lock()
	defer r.looking.Unlock()
	if !r.old() {
		return
	}
	began := r.Now()
	space, serr := r.FS.Space()
	var used int64
	var uerr error
	if r.Most >= 0 {
		used, uerr = Used(r.FS, r.Dir, r.most())
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.since, r.looked, r.took = 0, began, r.Now().Sub(began)
	if serr == nil {
		r.space, r.told = space, true
	}
	if uerr == nil {
		r.used = used
	}
}

func (r *Room) old() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.looked.IsZero() || r.since >= measureBytes {
		return true
	}
	near := r.Most >= 0 && r.used > r.most()/2 || r.Keep >= 0 && r.told && r.space.Free/4 < r.keep()
	return near && r.Now().Sub(r.looked) >= max(measureEvery, 100*r.took) // a walk over many spools costs at most a hundredth
}

// Take asks for n bytes more, for something that may use the reserve or not. Where it returns nil they are accounted for;
// otherwise the error wraps ErrFull and says which limit, how full, and what to do.
func (r *Room) Take(n int64, reserved bool) error {
	if r == nil || r.Most < 0 && r.Keep < 0 {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.judge(n, reserved); err != nil {
		return err
	}
	r.used += n
	r.space.Free -= n
	r.since += n
	return nil
}

func (r *Room) judge(n int64, reserved bool) error {
	most, keep := r.most(), r.keep()
	kept := ""
	if !reserved {
		kept = "; the last tenth is for outcomes and security events"
		most -= most / reserve
	} else {
		keep /= reserve
	}
	switch {
	case r.Most >= 0 && r.used+n > most:
		return fmt.Errorf("%w: the spools of this store hold %s, and %s is their limit%s; bring them into the log "+
			"(`stet doctor --flush`), or raise SpoolBytes", ErrFull, size(r.used), size(r.most()), kept)
	case r.Keep >= 0 && r.told && r.space.Free-n < keep:
		return fmt.Errorf("%w: the disk of the store has %s free, and stet leaves %s to others%s; free some space, or bring the spools "+
			"into the log (`stet doctor --flush`)", ErrFull, size(max(0, r.space.Free)), size(keep), kept)
	}
	return nil
}

func (r *Room) most() int64 {
	if r.Most == 0 {
		return DefaultMost
	}
	return r.Most
}

func (r *Room) keep() int64 {
	if r.Keep == 0 {
		return min(DefaultKeep, r.space.Size/100)
	}
	return r.Keep
}

// Used is how many bytes the spools in dir hold, finished or not. It stops counting beyond most: who is over a limit need
// not know by how much.
func Used(fsys fsx.FS, dir string, most int64) (int64, error) {
	spools, err := fsys.ReadDir(dir)
	if err != nil {
		return 0, err
	}
	var used int64
	for _, s := range spools {
		if !s.IsDir() {
			continue
		}
		used += Footprint
		files, err := fsys.ReadDir(path.Join(dir, s.Name()))
		if err != nil {
			continue // drained meanwhile
		}
		for _, f := range files {
			if fi, err := f.Info(); err == nil {
				used += fi.Size()
			}
		}
		if used > most {
			break
		}
	}
	return used, nil
}

// size is a number of bytes for people.
func size(n int64) string {
	for _, u := range []struct {
		name string
		unit int64
	}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}} {
		if n >= u.unit {
			return fmt.Sprintf("%.1f %s", float64(n)/float64(u.unit), u.name)
		}
	}
	return fmt.Sprintf("%d bytes", n)
}
