package main

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

func TestMaskSecrets(t *testing.T) {
	tests := []struct{ in, want string }{
		{"", ""},
		{"https://a.example,direct", "https://a.example,direct"},
		{"https://user:secret@a.example/x|off", "https://user:xxxxx@a.example/x|off"},
		{"https://secret@a.example", "https://xxxxx@a.example"},
		{"https://secret:@a.example", "https://xxxxx@a.example"},
		{"https://secret:x-oauth-basic@a.example", "https://xxxxx@a.example"},
		{"https://a.example, https://u:secret@b.example , direct", "https://a.example, https://u:xxxxx@b.example , direct"},
		{"u:secret@a.example/p", "u:xxxxx@a.example/p"},
		{"https://a.example/x@v1", "https://a.example/x@v1"},
		{"https://u:sec%2Fret@a.example", "https://u:xxxxx@a.example"},
		{"https://u:sec/ret@a.example", "https://xxxxx"},
		{"https://u:sec,ret@a.example", "https://xxxxx,xxxxx@a.example"},
		{"https://u:secr%et@a.example", "https://xxxxx"},
		{"https://u:sec@ret@a.example", "https://u:xxxxx@a.example"},
		{"https://a.example?token=secret|https://b.example/x?", "https://a.example?xxxxx|https://b.example/x?"},
		{"https://u:secret@a.example/x#secret", "https://u:xxxxx@a.example/x#xxxxx"},
		{"sum.example+1234+key https://u:secret@s.example", "sum.example+1234+key https://u:xxxxx@s.example"},
	}
	for _, tt := range tests {
		if got := maskSecrets(tt.in); got != tt.want {
			t.Errorf("maskSecrets(%q) = %q, want %q", tt.in, got, tt.want)
		}
	}
	if got, want := maskURLs(`flag "https://u:secret@a.example": no`), `flag "https://u:xxxxx@a.example": no`; got != want {
		t.Errorf("maskURLs = %q, want %q", got, want)
	}
}

// Printing or logging a configuration shows no password in any way.
func TestConfigIsSafeToPrint(t *testing.T) {
	c, err := load(t.Context(), bareMachine(t), flagsOf("upstream", "https://secret@a.example", "sumdb", "sum.golang.org https://u:secret@s.example"))
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	fmt.Fprintf(&out, "%v %s %q %+v\n", c.Upstream, c.SumDB, c.Upstream, []any{c.SumDB})
	slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "upstream", c.Upstream, "sumdb", c.SumDB)
	slog.New(slog.NewTextHandler(&out, nil)).Info("x", "upstream", c.Upstream, "sumdb", c.SumDB)
	if err := writeConfig(&out, c); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(out.String(), "secret@") {
		t.Errorf("a password is shown:\n%s", out.String())
	}
	if string(c.Upstream) != "https://secret@a.example" {
		t.Error("the value itself is masked")
	}
}

func TestNearest(t *testing.T) {
	words := []string{"ttl", "not-found-ttl", "upstream", "log-level", "log-format", "drain"}
	for word, want := range map[string]string{
		"tll": "ttl", "TTL": "ttl", "upstraem": "upstream", "loglevel": "log-level", "log_format": "log-format",
		"notfoundttl": "not-found-ttl", "xyzzy": "", "": "", strings.Repeat("x", 1000): "",
	} {
		if got := nearest(word, words); got != want {
			t.Errorf("nearest(%q) = %q, want %q", word, got, want)
		}
	}
}
