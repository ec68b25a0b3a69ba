package main

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/godown-dev/godown/internal/toolbox/term"
)

// On a terminal there are colours unless somebody has said that there are to be
// none, and lines fit it, in both languages: but for what is to be copied, such as commands.
func TestOnTerminal(t *testing.T) {
	home := t.TempDir()
	log := filepath.Join(home, "log")
	writeLines(t, log, "go: example.com/a@v1.0.0: missing go.sum entry for module providing package example.com/a; to add:\n\tgo mod download example.com/a\n")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	painted := regexp.MustCompile(`\x1b\[[0-9;]*m`)
	sequence := regexp.MustCompile(`\x1b\[[0-9;?]*[A-Za-z]`)
	for _, args := range [][]string{{"use"}, {"doctor", "--offline"}, {"explain", "--offline", log}, {"cache", "du"}} {
		for _, language := range []string{"en", "zh"} {
			for _, how := range []string{"TERM=xterm", "NO_COLOR=1", "TERM=dumb"} {
				env := []string{
					"HOME=" + home, "XDG_CONFIG_HOME=" + home, "PATH=" + os.Getenv("PATH"), "GOENV=" + filepath.Join(home, "goenv"), "GOPATH=" + filepath.Join(home, "go"),
					"GOPROXY=https://mirror.example/a/rather/long/path/of/a/mirror,https://another.example/with/a/path/of/its/own,direct",
					"GOTOOLCHAIN=local", "TERM=xterm", "GOCOVERDIR=" + home, how,
				}
				x := onTerminal(t, ctx, env, append(args, "--lang", language)...)
				_ = x.end() // its exit code tells what it has found
				said := x.seen.String()
				name := strings.Join(args[:1], " ") + " " + language + " " + how
				if colours := painted.MatchString(said); colours != (how == "TERM=xterm") {
					t.Errorf("%s: colours: %v\n%q", name, colours, said)
				}
				if how == "TERM=dumb" && strings.Contains(said, "\x1b") {
					t.Errorf("%s: a sequence that this terminal does not understand\n%q", name, said)
				}
				for line := range strings.SplitSeq(sequence.ReplaceAllString(said, ""), "\n") {
					line = strings.TrimRight(line, "\r")
					if term.Width(line) > 80 && strings.Contains(strings.TrimSpace(line), " ") && !strings.Contains(line, "https://") && !strings.HasPrefix(line, "    ") {
						t.Errorf("%s: a line of %d columns: %q", name, term.Width(line), line)
					}
				}
			}
		}
	}
}

func writeLines(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
