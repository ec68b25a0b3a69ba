package publish

import "fmt"

// Unfit says that something breaks a rule for what can be published at all:
// its name, its version or what is in its zip.
type Unfit struct {
	Path, Version string
	Reason        string // which rule, where, and what to do
}

func (e *Unfit) Error() string {
	return fmt.Sprintf("%.300s@%.200s cannot be published: %s", e.Path, e.Version, e.Reason)
}

// Conflict says that a version has other content than what was handed in now.
// A version never changes; new content needs a new version.
type Conflict struct {
	Path, Version string
	Have, Got     string // the hashes of the zips as go.sum has them, "h1:…"
}

func (e *Conflict) Error() string {
	return fmt.Sprintf("%s@%s was published before with other content (%s, now it is %s), and a version never changes; choose a higher version",
		e.Path, e.Version, e.Have, e.Got)
}
