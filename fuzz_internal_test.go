package godown

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"golang.org/x/mod/module"
	"golang.org/x/mod/semver"
)

// FuzzCheckSmall checks that what is accepted of an untrusted upstream has the
// form that the go command expects, and that all else accuses the upstream.
func FuzzCheckSmall(f *testing.F) {
	for _, seed := range []string{"", "v1.0.0\nv1.1.0\n", `{"Version":"v1.0.0"}`, "<html>", "\ufeff<", "module example.com/m\n", "null", `{"Version":"v1.0.0","Version":"x"}`, `{"version":"v1.0.0"}`} {
		for kind := range uint8(6) {
			f.Add(kind, []byte(seed))
		}
	}
	f.Fuzz(func(t *testing.T, kind uint8, data []byte) {
		req := Request{Kind: Kind(kind%4 + 1), Path: "example.com/m", Version: "v1.0.0"}
		if kind%8 >= 4 {
			req.Version = "master"
		}
		if req.Kind == List || req.Kind == Latest {
			req.Version = ""
		}
		before := string(data)
		h1, err := checkSmall(req, data)
		if string(data) != before {
			t.Error("the data was changed")
		}
		if err != nil {
			if m, ok := errors.AsType[*Mismatch](err); !ok || h1 != "" || len(m.Reason) > 1000 {
				t.Errorf("hash %q, error %v", h1, err)
			}
			return
		}
		if strings.HasPrefix(strings.TrimLeft(before, " \t\r\n"), "<") {
			t.Errorf("a page was accepted as %v", req)
		}
		if (h1 != "") != (req.Kind == Mod) {
			t.Errorf("%v has the hash %q", req, h1)
		}
	})
}

// FuzzList checks that a list goes through us unchanged but for what is no version.
func FuzzList(f *testing.F) {
	for _, seed := range [][2]string{{"", ""}, {"v1.0.0\nv1.1.0\n", "v1.0.0\nv2.0.0"}, {" v1.0.0 2020-02-02T20:20:20Z\r\nx\n", "v1.0.0"}, {"v1\n\n\x00", "v0.0.0-20230101000000-ffffffffffff"}} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, data, have string) {
		lines := parseList([]byte(data))
		var stored []string
		for v := range strings.SplitSeq(have, "\n") {
			if module.CanonicalVersion(v) == v && semver.IsValid(v) {
				stored = append(stored, v)
			}
		}
		out := formatList(lines, stored)
		again := parseList(out)
		if !slices.Equal(again[:min(len(lines), len(again))], lines) {
			t.Errorf("lines were %q, are %q", lines, again)
		}
		if !slices.Equal(parseList(formatList(again, stored)), again) {
			t.Error("formatting twice differs")
		}
		listed := make(map[string]bool)
		for _, line := range again {
			v, _, _ := strings.Cut(line, " ")
			if !semver.IsValid(v) {
				t.Errorf("a line is %q", line)
			}
			listed[v] = true
		}
		for _, v := range stored {
			if !listed[v] && !module.IsPseudoVersion(v) {
				t.Errorf("%s is in the store, but not in the list %q", v, out)
			}
		}
		if len(out) > 0 && out[len(out)-1] != '\n' {
			t.Errorf("the list %q does not end a line", out)
		}
		if _, err := checkSmall(Request{Kind: List, Path: "example.com/m"}, out); err != nil {
			t.Errorf("what we would send is refused: %v", err)
		}
	})
}
