package clock

// A State says whether the kernel believes its clock to be in step.
type State string

// The states, as they stand in a seal.
const (
	Synchronized   State = "synchronized"
	Unsynchronized State = "unsynchronized"
	Unknown        State = "unknown"
)

// A Confidence condenses [Evidence] to what an event carries (SCHEMA: clock).
type Confidence string

// The levels of confidence; see [Evidence.Confidence] for where they begin.
const (
	High              Confidence = "high"
	Medium            Confidence = "medium"
	Low               Confidence = "low"
	UnknownConfidence Confidence = "unknown"
)

// The largest possible error, in microseconds, for each level. They are stet's
// own: no standard names any. 100 ms is what NTP over the internet keeps with a
// margin; one second is the smallest difference that SCHEMA calls one
// (event_time against timestamp).
const (
	HighErrorUS   = 100_000
	MediumErrorUS = 1_000_000
)

// UnsynchronizedErrorUS is the kernel's NTP_PHASE_LIMIT: the maximum error that
// it reports, in microseconds, for a clock that nothing keeps in step.
const UnsynchronizedErrorUS = 16_000_000

// Evidence is what is known of the clock at one moment. It goes into a seal.
type Evidence struct {
	State State
	// OffsetUS is what remains to be slewed away, in microseconds, signed; 0
	// when unknown.
	OffsetUS int64
	// MaxErrorUS is the kernel's bound on the error, in microseconds; 0 when
	// the state is unknown.
	MaxErrorUS int64
	// MonotonicUS is microseconds since boot, suspended time included, where
	// BootID is set: seals of one boot can be compared across processes. Else
	// it counts from the making of the [Clock].
	MonotonicUS int64
	// Source says who was asked: "adjtimex", or "none". One word.
	Source string
	// BootID is the kernel's random id of this boot; empty when unknown.
	BootID string
}

// ErrorUS bounds how far the clock may be from true time, in microseconds: the
// kernel's maximum error and the offset not yet slewed. It means nothing when
// the state is [Unknown].
func (e Evidence) ErrorUS() int64 {
	off := e.OffsetUS
	if off < 0 {
		off = -off
	}
	return e.MaxErrorUS + off
}

// Confidence is
//
//   - high: synchronized, and at most 100 ms off;
//   - medium: synchronized, and at most 1 s off;
//   - low: synchronized but possibly further off, or not synchronized;
//   - unknown: the kernel could not be asked.
func (e Evidence) Confidence() Confidence {
	switch {
	case e.State != Synchronized && e.State != Unsynchronized:
		return UnknownConfidence
	case e.State == Unsynchronized:
		return Low
	case e.ErrorUS() <= HighErrorUS:
		return High
	case e.ErrorUS() <= MediumErrorUS:
		return Medium
	default:
		return Low
	}
}
