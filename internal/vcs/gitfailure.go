package vcs

import (
	"errors"
	"os/exec"
	"strings"
)

// A gitFailure is an error of git whose meaning is not known: neither trouble
// with the network or the login, nor that something does not exist.
type gitFailure struct {
	text   string
	code   int  // git's exit code; -1: killed
	broken bool // the repository here cannot be used
}

func (e *gitFailure) Error() string { return e.text }

// unknown returns err as a gitFailure if it is one.
func unknown(err error) (*gitFailure, bool) { return errors.AsType[*gitFailure](err) }

// judgeGit makes an error of what git says.
func judgeGit(args []string, stderr string, runErr error) error {
	lower := strings.ToLower(stderr)
	_, trouble := match(lower, troubles)
	_, absent := match(lower, absences)
	_, broken := match(lower, breaks)
	_, worse := match(lower, gitBreaks())
	if (trouble || absent) && !broken && !worse {
		return judge("", stderr)
	}
	f := &gitFailure{text: "git " + args[0] + ": " + tell("", stderr), code: -1, broken: broken || worse}
	if exit, ok := errors.AsType[*exec.ExitError](runErr); ok {
		f.code = exit.ExitCode()
	}
	return f
}

// gitBreaks are more signs that a repository here is unusable.
func gitBreaks() []sign {
	return []sign{
		{phrase: "error: object file"},
		{phrase: "is corrupt"},
		{phrase: "fatal: packfile "},
		{phrase: "error: packfile "},
		{phrase: "index file * is too small"},
		{phrase: "error: inflate: "},
		{phrase: "error: bad packed object"},
		{phrase: "fatal: failed to read object"},
		{phrase: "fatal: unable to read tree"},
		{phrase: "fatal: loose object"},
		{phrase: "does not point to a valid object"},
		{phrase: "fatal: bad config line"},
		{phrase: "fatal: shallow file has changed"},
		{phrase: "unable to parse shallow line"},
		{phrase: "fatal: bad shallow line"},
		{phrase: "fatal: protocol error: expected sha"},
		{phrase: "fatal: unable to parse commit"},
		{phrase: "remote did not send all necessary objects"},
	}
}

// loginStatus returns the HTTP status by which a remote does not let us in: 401
// or 403, or 0 if that is not what git says.
func loginStatus(stderr string) int {
	lower := strings.ToLower(stderr)
	for _, s := range []struct {
		phrase string
		status int
	}{
		{"terminal prompts disabled", 401}, {"could not read username", 401}, {"could not read password", 401},
		{"authentication failed", 401}, {"the requested url returned error: 401", 401}, {"the requested url returned error: 403", 403},
		{"permission denied (", 401}, {"host key verification failed", 401},
	} {
		if strings.Contains(lower, s.phrase) {
			return s.status
		}
	}
	return 0
}
