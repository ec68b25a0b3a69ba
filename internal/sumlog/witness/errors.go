package witness

import (
	"fmt"
	"net/http"
)

// An AheadError says that a witness claims to have cosigned a larger tree of
// the log than the one it was shown. The log may have been rolled back, for
// example by restoring a backup: then it must not go on from there. Or another
// writer of the same log was faster: then its tree will be seen here soon. The
// claim is not signed, so a lying witness can raise the alarm, but no more.
type AheadError struct {
	Witness string
	Size    int64 // that the witness claims
	Tree    int64 // size of the tree that it was shown
}

func (e *AheadError) Error() string {
	return fmt.Sprintf("witness %s: it says that it cosigned a tree of %d records, and ours has %d: "+
		"was the log rolled back, for example to a backup?", e.Witness, e.Size, e.Tree)
}

// A ForkError says that a witness refused a tree because the tree that it
// cosigned before is not its beginning: the log's history was changed, or the
// witness errs or lies.
type ForkError struct {
	Witness string
	Size    int64 // of the tree that the witness cosigned
	Tree    int64 // size of the tree that it was shown
}

func (e *ForkError) Error() string {
	return fmt.Sprintf("witness %s: it says that the tree of %d records that it cosigned is not the beginning of ours of %d: "+
		"the log's history was changed, or the witness errs", e.Witness, e.Size, e.Tree)
}

// A StatusError is a refusal that says nothing about the log's history.
type StatusError struct {
	Witness string
	Origin  string
	Code    int    // of HTTP
	Text    string // the beginning of what it said, as it came
}

func (e *StatusError) Error() string {
	why := ""
	switch {
	case e.Code == http.StatusNotFound:
		why = fmt.Sprintf(": it does not know the log %s, or its URL is wrong; its operator must add the log's key", e.Origin)
	case e.Code == http.StatusForbidden:
		why = fmt.Sprintf(": it trusts none of the keys that signed; its operator must add those of the log %s", e.Origin)
	case e.Code/100 == 3:
		why = ": it redirects, which is not followed; configure the URL of the witness itself"
	}
	if e.Text != "" {
		why += fmt.Sprintf(" (it says %q)", e.Text)
	}
	return fmt.Sprintf("witness %s: HTTP status %d%s", e.Witness, e.Code, why)
}
