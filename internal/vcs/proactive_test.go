package vcs

import (
	"strings"
	"testing"
)

// git 2.46 and newer ask for a user and a password before every request where
// http.proactiveAuth is set, and end with "could not read Username … terminal
// prompts disabled" where there is none: it may be set only along with a
// password. (git 2.39 ignores it, so that no test here sees it.)
func TestNoProactiveAuthWithoutPassword(t *testing.T) {
	for _, s := range gitSettings() {
		if strings.HasPrefix(strings.ToLower(s), "http.proactiveauth=") && !strings.HasSuffix(s, "=none") {
			t.Errorf("%s is given to every command", s)
		}
	}
}
