package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/godown-dev/godown"
)

func TestWriteMirrors(t *testing.T) {
	now := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	var b strings.Builder
	err := writeMirrors(&b, []godown.MirrorStatus{
		{
			Name: "a.example", Group: 1, State: "up", Since: now.Add(-time.Hour), Reason: "the fastest", Rank: 1,
			FirstByteMS: 12.4, BytesPerSec: 2.26e6, Requests: 120, Failures: map[string]int64{"reset": 2, "lag": 1},
		},
		{Name: "b.example/x", Group: 2, State: "down", Since: now.Add(-90 * time.Second), Reason: "3 failures in a row", LastError: "upstream b.example/x: bad\n\x1b[31mnews " + strings.Repeat("é", 100)},
	}, now)
	want := `GROUP  MIRROR       STATE       FIRST BYTE  MB/S  FAILED    LAST ERROR                                                    WHY
1      a.example    up          12 ms       2.3   3 of 120  -                                                             the fastest
2      b.example/x  down 1m30s  -           -     0 of 0    bad [31mnews ` + strings.Repeat("é", 46) + `…  3 failures in a row
`
	if err != nil || b.String() != want {
		t.Errorf("%v, got\n%swant\n%s", err, b.String(), want)
	}
	b.Reset()
	if err := writeMirrors(&b, nil, now); err != nil || !strings.Contains(b.String(), "It asks no mirrors") {
		t.Errorf("%v, got %s", err, b.String())
	}
}

func TestMirrorsCommand(t *testing.T) {
	list := []godown.MirrorStatus{{Name: "a.example", Group: 1, State: "up", Reason: "the only one"}}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/-/mirrors":
			if err := json.NewEncoder(w).Encode(list); err != nil {
				t.Error(err)
			}
		case "/page/-/mirrors":
			w.Write([]byte("<html>hello</html>"))
		default:
			http.NotFound(w, r)
		}
	}))
	host := strings.TrimPrefix(s.URL, "http://")
	_, port, _ := strings.Cut(host, ":")
	file := writeFile(t, "listen: "+host+"\n")
	bad := writeFile(t, "tll: 1m\n")
	m := bareMachine(t)
	for _, args := range [][]string{
		{"--server", s.URL}, {"--server", s.URL + "/"}, {"--server", host}, {"--listen", ":" + port}, {"--config", file}, {"--server", s.URL, "--config", bad},
	} {
		code, out, stderr := call(t, m, append([]string{"mirrors"}, args...)...)
		if code != 0 || !strings.Contains(out, "a.example  up") {
			t.Errorf("%q: exit code %d, %s%s", args, code, out, stderr)
		}
	}
	code, out, _ := call(t, bareMachine(t, "GODOWN_LISTEN="+host), "mirrors", "--json")
	var got []godown.MirrorStatus
	if err := json.Unmarshal([]byte(out), &got); code != 0 || err != nil || len(got) != 1 || got[0].Name != "a.example" {
		t.Errorf("exit code %d, %v, %s", code, err, out)
	}
	for _, tt := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"--server", s.URL + "/no"}, 1, "is not a godown that tells of mirrors: 404 Not Found for /-/mirrors; name another with --server URL"},
		{[]string{"--server", s.URL + "/page"}, 1, "is not a godown that tells of mirrors: /-/mirrors has something else"},
		{[]string{"--server", "ftp://u:secret@a.example"}, 2, `flag --server: "ftp://u:xxxxx@a.example" is not the URL of a server`},
		{[]string{"--listen", ":0"}, 2, `flag --listen: listen ":0" takes any free port`},
		{[]string{"--config", bad}, 2, `there is no key "tll"`},
		{[]string{"x"}, 2, "mirrors takes flags only"},
	} {
		code, _, stderr := call(t, m, append([]string{"mirrors"}, tt.args...)...)
		if code != tt.code || !strings.Contains(stderr, tt.want) || strings.Contains(stderr, "secret") {
			t.Errorf("%q: exit code %d, want %d, and %s; %s", tt.args, code, tt.code, tt.want, stderr)
		}
	}
	s.Close()
	code, _, stderr := call(t, m, "mirrors", "--server", "http://u:secret@"+host)
	if code != 1 || !strings.Contains(stderr, "there is no answer from http://u:xxxxx@"+host+": ") || !strings.Contains(stderr, "start one with 'godown serve', or name another") {
		t.Errorf("exit code %d, %s", code, stderr)
	}
}
