package godown

import (
	"errors"
	"fmt"
	"io/fs"
	"time"
)

// The errors of a Source have a meaning that handler.go turns into a status.
// Whatever is none of these is ours or upstream's fault, and a 5xx.

// NotFound says that something does not exist; it is an [fs.ErrNotExist], and
// so is any other error that wraps that one.
type NotFound struct {
	Text string // what the upstream said, for people; may be empty
	Gone bool   // the upstream answered 410 rather than 404

	// Unasked says that no upstream was asked, as with GOPROXY=off: what is
	// known from earlier is as good as ever.
	Unasked bool
}

func (e *NotFound) Error() string {
	if e.Text != "" {
		return e.Text
	}
	return "not found"
}

// Is makes a NotFound an [fs.ErrNotExist].
func (e *NotFound) Is(target error) bool { return target == fs.ErrNotExist }

// Denied says that a policy, ours or an upstream's, refuses to serve something (403).
type Denied struct {
	Rule   string // which rule or upstream refused
	Reason string // why, for people
}

func (e *Denied) Error() string { return "refused by " + e.Rule + ": " + e.Reason }

// Busy says that someone asked us to come back later.
type Busy struct {
	Who   string        // the upstream (429), or empty when it is we who are busy (503)
	After time.Duration // how long to wait; 0 where nothing was said
	Text  string        // why, for people
}

func (e *Busy) Error() string {
	if e.Who == "" {
		return "too many fetches under way: " + e.Text
	}
	return "upstream " + e.Who + " limits the rate of requests: " + e.Text
}

// BadStatus says that an upstream failed with an HTTP status of its own.
type BadStatus struct {
	Who   string
	Code  int
	After time.Duration // how long it asks us to wait; 0 where it said nothing
	Text  string        // the whole message
}

func (e *BadStatus) Error() string { return e.Text }

// ErrStalled says that an upstream gave not a byte for too long.
var ErrStalled = errors.New("the body stalled")

// ErrRange says that an upstream answered with another range than it was asked for.
var ErrRange = errors.New("the range is not what was asked for")

// ErrChanged says that a file does not hold what its [Swapper] was told that it does.
var ErrChanged = errors.New("the file holds something else")

// Mismatch says that content is not what it is claimed to be: another hash
// than the checksum database proves, a zip that breaks the rules, a login page
// under a module's name. Who gave it is lying or broken.
type Mismatch struct {
	Request Request
	Reason  string
}

func (e *Mismatch) Error() string {
	return fmt.Sprintf("%v is not what it should be: %s", e.Request, e.Reason)
}

// Unverified says that content may be good, but nobody could prove it now.
type Unverified struct {
	Request Request
	By      string // the checksum database
	Absent  bool   // the database was reached, and has no record
	Err     error
}

func (e *Unverified) Error() string {
	if e.Absent {
		return fmt.Sprintf("%v cannot be verified: %s has no record of it (%v); if the module is private, name it in --private", e.Request, e.By, e.Err)
	}
	return fmt.Sprintf("%v cannot be verified: %s gives no answer that can be used (%v)", e.Request, e.By, e.Err)
}

func (e *Unverified) Unwrap() error { return e.Err }

// SecurityError says that a checksum database contradicts itself: it has
// signed two histories, and nothing new is believed of it until an operator has
// looked. It is never the reader's fault.
type SecurityError struct {
	Database string
	Detail   string // what to do, and the evidence; many lines
}

func (e *SecurityError) Error() string {
	return "SECURITY ERROR: checksum database " + e.Database + " misbehaves: " + e.Detail
}
