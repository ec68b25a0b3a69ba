package main

import (
	"regexp"
	"strings"
	"testing"
)

// parseConfigFile returns the settings of a file, and its mirrors.
func parseConfigFile(name string, data []byte) (settings, Mirrors, error) {
	found, read, err := parseConfig(name, data)
	if err != nil {
		return nil, nil, err
	}
	return found, read.Mirrors, nil
}

func TestConfigFile(t *testing.T) {
	tests := []struct {
		name, content string
		want          string // a part of the error; empty for none
	}{
		{"empty", "", ""},
		{"comments only", "# nothing\n\n", ""},
		{"document start only", "---\n", ""},
		{"all types", "ttl: 7d\nmemory: 1048576\nretries: 3\naccess-log: true\nprivate: a.example,b.example\nsumdb: off\n", ""},
		{"flow style", "{ttl: 1m, private: [a.example]}", ""},
		{"empty text", "private: ''\n", ""},
		{"unknown key", "ttl: 1m\nupstraem: off\n", `g.yaml:2: there is no key "upstraem"; did you mean "upstream"?`},
		{"underscores", "not_found_ttl: 1m\n", `g.yaml:1: there is no key "not_found_ttl"; did you mean "not-found-ttl"?`},
		{"nothing near", "xyzzy: 1\n", `g.yaml:1: there is no key "xyzzy"`},
		{"config in config", "config: other.yaml\n", `g.yaml:1: there is no key "config"`},
		{"duplicate", "ttl: 1m\n\nttl: 2m\n", `g.yaml:3: the key "ttl" stands here for the second time, after g.yaml:1`},
		{"duplicate of a wrong one", "ttl: x\nttl: 2m\n", `g.yaml:2: the key "ttl" stands here for the second time`},
		{"two problems", "tll: 1m\nretries: -1\n", `g.yaml:2: retries "-1": it must be at least 0`},
		{"no unit", "\nttl: 60\n", `g.yaml:2: ttl "60": it must be a duration such as`},
		{"text for number", "retries: '2'\n", `g.yaml:1: retries: expected a whole number, not 2`},
		{"fraction", "retries: 2.5\n", `expected a whole number, not 2.5`},
		{"text for boolean", "quiet: yes\n", `g.yaml:1: quiet: expected true or false, not yes`},
		{"boolean for text", "sumdb: false\n", `g.yaml:1: sumdb: expected a text, not false (write it in quotes`},
		{"no value", "upstream:\n", `it has no value`},
		{"list", "upstream: [a.example]\n", `g.yaml:1: upstream: expected a list in GOPROXY syntax such as https://mirror.example,direct, not a list`},
		{"list of hosts", "allow-host: [git.example, 10.0.0.0/8]\n", ""},
		{"digits for a secret", "publish-token: 5ec2e7\nhook-secret: 0x5ec2e7\n", `g.yaml:2: hook-secret: expected where a secret stands`},
		{"list for a secret", "hook-secret: [5ec2e7]\n", `g.yaml:1: hook-secret: expected where a secret stands`},
		{"list in list", "private:\n- a.example\n- [b]\n", `g.yaml:1: private: line 3: an element`},
		{"mapping", "ttl: {a: 1}\n", `not keys and values of its own`},
		{"alias", "ttl: &x 1m\ndrain: *x\n", `g.yaml:2: drain: expected a duration`},
		{"merge", "<<: {ttl: 1m}\n", `there is no key "<<"`},
		{"key that is a list", "[a]: 1\n", `g.yaml:1: there is no key`},
		{"sequence", "\n- ttl\n", `g.yaml:2: expected lines of the form KEY: VALUE`},
		{"second document", "ttl: 1m\n---\nttl: 2m\n", `g.yaml:2: a second document`},
		{"not YAML", "ttl: 1m\n  drain: 2m\n", `g.yaml:2: not valid YAML`},
		{"tab", "private:\n\t- a\n", `g.yaml:2: not valid YAML`},
		{"control character", "ttl: \x01", `g.yaml: not valid YAML`},
		{"mapping of sumdb", "sumdb: {database: off, own: sum.corp.example, key: 5ec2e7, listen: ':8081', witness: [], watch: 1m}\n", ""},
		{"mapping without its own value", "sumdb:\n  watch: 0s\n", ""},
		{"empty mapping", "sumdb: {}\n", ""},
		{"unknown key in a mapping", "sumdb:\n  own: off\n  wacth: 1m\n", `g.yaml:3: there is no key "wacth" in sumdb; did you mean "watch"?`},
		{"key of the file in a mapping", "sumdb: {verify: prefer}\n", `g.yaml:1: there is no key "verify" in sumdb; it is a key of the file as a whole`},
		{"wrong value in a mapping", "sumdb:\n  watch: 60\n", `g.yaml:2: watch "60": it must be a duration such as`},
		{"wrong type in a mapping", "sumdb:\n  own: [a]\n", `g.yaml:2: own: expected a text, not a list`},
		{"twice in a mapping", "sumdb:\n  own: a.example\n  own: b.example\n", `g.yaml:3: the key "own" stands here for the second time, after g.yaml:2`},
		{"in a mapping, and before", "sumdb-own: a.example\nsumdb:\n  own: b.example\n", `g.yaml:3: "own" in sumdb is the key "sumdb-own", which stands here for the second time, after g.yaml:1`},
		{"in a mapping, and after", "sumdb:\n  own: b.example\nsumdb-own: a.example\n", `g.yaml:3: the key "sumdb-own" stands here for the second time, after g.yaml:2`},
		{"value and mapping", "sumdb: off\nsumdb:\n  own: b.example\n", `g.yaml:2: the key "sumdb" stands here for the second time, after g.yaml:1`},
		{"mapping in a mapping", "sumdb: {database: {database: off}}\n", `g.yaml:1: database: expected a text, not keys and values of its own`},
		{"wrong witness", "sumdb:\n  witness:\n  - w.example https://w.example\n", `g.yaml:2: witness "w.example https://w.example": entry 1 of the list: witness key`},
		{"password", "upstream: {https://user:secret@a.example: 1}\n", `upstream: expected`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, _, err := parseConfig("g.yaml", []byte(tt.content))
			switch {
			case tt.want == "" && err != nil:
				t.Errorf("got %v, want no error", err)
			case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("got %v, want %s", err, tt.want)
			case err != nil && regexp.MustCompile("secret@|5ec2e7|:secret").MatchString(err.Error()):
				t.Errorf("%v tells a password", err)
			}
		})
	}
}

// What is read without an error can be set, and stands at a line of the file.
func FuzzConfigFile(f *testing.F) {
	f.Add("ttl: 7d\nmemory: 64MB\nprivate: [a, b]\nupstream: off\n")
	f.Add("---\n{quiet: true, retries: 0x10}\n---\n")
	f.Add("ttl: &a 1m\ndrain: *a\n<<: {}\n? [x]\n: y")
	f.Fuzz(func(t *testing.T, content string) {
		found, _, err := parseConfig("g.yaml", []byte(content))
		if err != nil {
			return
		}
		for key, s := range found {
			o, ok := optionByKey(key)
			if !ok {
				t.Fatalf("unknown key %q", key)
			}
			var c Config
			if o.Only == fileOnly {
				continue
			}
			if err := o.Set(&c, s.text); err != nil {
				t.Fatal(err)
			}
			if !strings.HasPrefix(s.origin, "g.yaml:") {
				t.Fatalf("origin %q", s.origin)
			}
		}
	})
}
