package vcs

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"time"
)

// A gitTool is the installed git.
type gitTool struct {
	path         string // absolute
	major, minor int
}

const (
	leastMajor, leastMinor = 2, 30
	versionTimeout         = 20 * time.Second
)

// errNoGit says what to do where there is no git.
var errNoGit = fmt.Errorf("fetching from the origin needs git %d.%d or newer, and there is no git in PATH: install it, or give --upstream a list without \"direct\"", leastMajor, leastMinor)

var gitVersion = regexp.MustCompile(`^git version (\d+)\.(\d+)`)

// findGit returns the git in the PATH of env.
func findGit(env []string) (gitTool, error) {
	var t gitTool
	for _, dir := range filepath.SplitList(getenv(env, "PATH")) {
		if !filepath.IsAbs(dir) { // as os/exec: never from the current directory
			continue
		}
		if path, err := exec.LookPath(filepath.Join(dir, "git")); err == nil {
			t.path = path
			break
		}
	}
	if t.path == "" {
		return t, errNoGit
	}
	ctx, cancel := context.WithTimeout(context.Background(), versionTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, t.path, "version")
	cmd.WaitDelay = time.Second
	out, err := cmd.Output()
	m := gitVersion.FindSubmatch(out)
	if err != nil || m == nil {
		return t, fmt.Errorf("git does not say which version it is: %w", errors.Join(err, fmt.Errorf("it printed %.100q", out)))
	}
	t.major, _ = strconv.Atoi(string(m[1]))
	t.minor, _ = strconv.Atoi(string(m[2]))
	if !t.atLeast(leastMajor, leastMinor) {
		return t, fmt.Errorf("git is version %d.%d, but fetching from the origin needs %d.%d or newer: install that", t.major, t.minor, leastMajor, leastMinor)
	}
	return t, nil
}

func (t gitTool) atLeast(major, minor int) bool {
	return t.major > major || t.major == major && t.minor >= minor
}
