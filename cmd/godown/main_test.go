package main

import (
	"bytes"
	"errors"
	"runtime/debug"
	"strings"
	"testing"
)

// call runs godown as a shell would, and returns its exit code and output.
func call(t *testing.T, m machine, args ...string) (code int, stdout, stderr string) {
	var out, errs bytes.Buffer
	code = run(t.Context(), args, strings.NewReader(""), &out, &errs, m)
	return code, out.String(), errs.String()
}

func TestUsage(t *testing.T) {
	tests := []struct {
		args   string
		code   int
		stdout string // parts
		stderr string
	}{
		{"", 0, "The proxy:", ""},
		{"-h", 0, "The proxy:", ""},
		{"help", 0, "The proxy:", ""},
		{"help run", 0, "Exit codes:", ""},
		{"serve -h", 0, "default go env GOPROXY", ""},
		{"config -h", 0, "--quiet", ""},
		{"run --help", 0, "godown run -- go build ./...", ""},
		{"version", 0, "godown ", ""},
		{"completion bash", 0, "bash completion", ""},
		{"__complete serve --verify ", 0, "prefer", "Completion ended"},
		{"srve", 2, "", "godown: there is no command \"srve\"; did you mean \"serve\"?\nRun 'godown -h' for help.\n"},
		{"help srve", 2, "", "did you mean \"serve\"?"},
		{"--bogus", 2, "", "godown: godown has no flag --bogus\n"},
		{"-x", 2, "", "unknown shorthand flag"},
		{"serve --tll 1m", 2, "", "godown: serve has no flag --tll; did you mean \"--ttl\"?\nRun 'godown serve -h' for help.\n"},
		{"serve --ttl", 2, "", "flag needs an argument: --ttl"},
		{"serve https://u:secret@a.example", 2, "", `serve takes flags only, and "https://u:xxxxx@a.example" is none`},
		{"serve --ttl -1s", 2, "", "godown: flag --ttl: ttl \"-1s\": it must be at least 0s\nRun 'godown serve -h' for help.\n"},
		{"serve --ttl x --retries x", 2, "", "\ngodown: flag --retries: "},
		{"serve --quiet", 2, "", "--quiet is a flag of 'godown run' only"},
		{"warm --prefetch off", 2, "", "--prefetch is a flag of 'godown serve' and 'godown run' only"},
		{"run --listen :1 true", 2, "", "--listen is a flag of 'godown serve' only"},
		{"run", 2, "", "there is no command to run"},
		{"run --quiet --", 2, "", "there is no command to run"},
		{"config x", 2, "", "takes flags only"},
	}
	for _, tt := range tests {
		t.Run(tt.args, func(t *testing.T) {
			code, stdout, stderr := call(t, bareMachine(t), strings.Fields(tt.args)...)
			if code != tt.code || !strings.Contains(stdout, tt.stdout) || !strings.Contains(stderr, tt.stderr) ||
				tt.stderr == "" && stderr != "" || tt.stdout == "" && stdout != "" {
				t.Errorf("exit code %d, want %d\nstdout: %s\nstderr: %s", code, tt.code, stdout, stderr)
			}
		})
	}
}

// What config prints is a file that gives the same configuration again.
func TestConfigCommand(t *testing.T) {
	m := bareMachine(t, "GODOWN_DRAIN=1h", "GODOWN_UPSTREM=x")
	code, first, stderr := call(t, m, "config", "--ttl", "7d", "--private=a.example,*.b.example", "--access-log", "--sumdb", "off", "--listen=:0", "--memory=1GB")
	if code != 0 || !strings.Contains(stderr, "did you mean GODOWN_UPSTREAM?") {
		t.Fatalf("exit code %d, stderr %s", code, stderr)
	}
	for _, line := range []string{
		"listen: :0 # flag --listen", "ttl: 7d # flag --ttl", "private: a.example,*.b.example # flag --private",
		"noproxy: a.example,*.b.example # as private, flag --private", "drain: 1h # environment GODOWN_DRAIN",
		"access-log: true # flag --access-log", "retries: 2 # default", "sumdb: off # flag --sumdb",
		"upstream: https://go.example # environment GOPROXY",
	} {
		if !strings.Contains(first, line+"\n") {
			t.Errorf("there is no line %q in\n%s", line, first)
		}
	}
	file := writeFile(t, first)
	code, second, stderr := call(t, bareMachine(t), "config", "--config", file)
	if code != 0 || !strings.Contains(second, "ttl: 7d # "+file+":28\n") {
		t.Fatalf("exit code %d, stderr %s\n%s", code, stderr, second)
	}
	values := func(text string) (out string) {
		for line := range strings.Lines(text) {
			value, _, _ := strings.Cut(line, " #")
			out += value + "\n"
		}
		return out
	}
	if values(first) != values(second) {
		t.Errorf("first\n%s\nthen\n%s", first, second)
	}
}

func TestConfigCommandMasks(t *testing.T) {
	_, out, _ := call(t, bareMachine(t), "config", "--upstream", "https://secret@a.example|direct")
	if !strings.Contains(out, "upstream: https://xxxxx@a.example|direct # flag --upstream; secrets masked") {
		t.Error(out)
	}
}

func TestEnded(t *testing.T) {
	tests := []struct {
		code, want int
		err        error
	}{
		{0, 0, nil}, {3, 3, nil}, {0, 1, errors.New("x")}, {7, 7, errors.New("x")},
	}
	for _, tt := range tests {
		err := ended(tt.code, tt.err)
		if tt.want == 0 {
			if err != nil {
				t.Errorf("ended(0, nil) = %v", err)
			}
			continue
		}
		if e, ok := errors.AsType[*exit](err); !ok || e.code != tt.want || !errors.Is(err, tt.err) && tt.err != nil {
			t.Errorf("ended(%d, %v) = %v", tt.code, tt.err, err)
		}
	}
}

func TestVersionOf(t *testing.T) {
	revision := debug.BuildSetting{Key: "vcs.revision", Value: "0123456789abcdef0123456789abcdef01234567"}
	dirty := debug.BuildSetting{Key: "vcs.modified", Value: "true"}
	tests := []struct {
		info *debug.BuildInfo
		want string
	}{
		{nil, "devel"},
		{&debug.BuildInfo{Main: debug.Module{Version: "v1.2.3"}}, "v1.2.3"},
		{&debug.BuildInfo{Main: debug.Module{Version: "(devel)"}}, "devel"},
		{&debug.BuildInfo{Settings: []debug.BuildSetting{revision}}, "devel-0123456789ab"},
		{&debug.BuildInfo{Settings: []debug.BuildSetting{dirty, revision}}, "devel-0123456789ab+dirty"},
	}
	for _, tt := range tests {
		if got := versionOf(tt.info); got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
	}
}
