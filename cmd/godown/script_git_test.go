//go:build unix

package main

import (
	"context"
	"regexp"
	"strconv"
	"strings"

	"github.com/godown-dev/godown/internal/godowntest"
	"github.com/rogpeppe/go-internal/testscript"
)

// githost SCRIPT… starts a host of the repositories that the files describe
// (see godowntest.Script), and an internet in which it is all hosts: the go
// command, git and godown reach it by the variables that it sets. $REPO1, $REPO2, …
// are the folders of the bare repositories, for git to change them.
func cmdGitHost(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, !neg && len(args) > 0, "githost SCRIPT...")
	w := worldOf(ts)
	h, err := godowntest.StartGitHost(ts.MkAbs("githost"))
	ts.Check(err)
	w.git = h
	for i, file := range args {
		s, err := godowntest.ParseScript(ts.ReadFile(file))
		ts.Check(err)
		repo, err := h.AddRepo(context.Background(), "", s)
		ts.Check(err)
		setenv(ts, "REPO"+strconv.Itoa(i+1), repo.Dir)
	}
	for _, v := range h.Env() {
		name, value, _ := strings.Cut(v, "=")
		switch name {
		case "HOME", "USERPROFILE", "XDG_CONFIG_HOME": // the script has its own
		default:
			setenv(ts, name, value)
		}
	}
	setenv(ts, "GIT_ALLOW_PROTOCOL", "https:file")
}

// gitlogin PREFIX USER PASSWORD lets only this user pass below a host or path of the githost.
func cmdGitLogin(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, !neg && len(args) == 3, "gitlogin PREFIX USER PASSWORD")
	worldOf(ts).git.Login(args[0], godowntest.BasicLogin(args[1], args[2]))
}

// gitpage PATH VCS REPO serves a ?go-get=1 page of the githost.
func cmdGitPage(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, !neg && len(args) == 3, "gitpage PATH VCS REPO")
	worldOf(ts).git.Import(args[0], args[1], args[2], "")
}

// gitrequests REGEXP N says that the githost saw N requests that match.
func cmdGitRequests(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, !neg && len(args) == 2, "gitrequests REGEXP N")
	want, err := strconv.Atoi(args[1])
	ts.Check(err)
	if _, err := regexp.Compile(args[0]); err != nil {
		ts.Fatalf("%v", err)
	}
	if n := worldOf(ts).git.Count(args[0]); n != want {
		for _, r := range worldOf(ts).git.Log() {
			ts.Logf("%v", r)
		}
		ts.Fatalf("the git host saw %d requests that match %q, not %d", n, args[0], want)
	}
}
