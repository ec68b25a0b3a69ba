package godown_test

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/godown-dev/godown"
	"github.com/godown-dev/godown/internal/godowntest"
)

// proxyEntries writes entries as a test wants to see them: the URL or word, and
// what follows where that matters.
func proxyEntries(entries []godown.ProxyEntry) []string {
	var all []string
	for _, e := range entries {
		text := e.Word
		if e.URL != nil {
			text = e.URL.String()
		}
		if e.Any {
			text += "|"
		}
		all = append(all, text)
	}
	return all
}

// TestParseGOPROXY has the meaning of the go command's proxyList
// (cmd/go/internal/modfetch/proxy.go).
func TestParseGOPROXY(t *testing.T) {
	for list, want := range map[string][]string{
		"https://a.test":                       {"https://a.test"},
		"https://a.test,direct":                {"https://a.test", "direct"},
		"https://a.test|direct":                {"https://a.test|", "direct"},
		"https://a.test,https://b.test|off":    {"https://a.test", "https://b.test|", "off"},
		"https://a.test/sub/,http://b.test:80": {"https://a.test/sub/", "http://b.test:80"},
		"direct":                               {"direct"},
		"off":                                  {"off"},
		// direct and off end the list, whatever stands behind them.
		"direct,https://a.test":   {"direct"},
		"off|https://a.test":      {"off"},
		"direct|off":              {"direct"},
		"off,:%zz":                {"off"},
		"https://a.test,off,c://": {"https://a.test", "off"},
		// Blanks and empty entries do not count; a separator behind an empty
		// entry means nothing.
		" https://a.test , direct ":       {"https://a.test", "direct"},
		"\thttps://a.test\n|\n\tdirect\n": {"https://a.test|", "direct"},
		",https://a.test,,|,direct,":      {"https://a.test", "direct"},
		"https://a.test|,https://b.test":  {"https://a.test|", "https://b.test"},
		"https://a.test, |https://b.test": {"https://a.test", "https://b.test"},
		"https://a.test|":                 {"https://a.test|"},
		"https://a.test,":                 {"https://a.test"},
		// A bare host gets https; what holds ":/" is taken as it is.
		"a.test":                             {"https://a.test"},
		"a.test/sub":                         {"https://a.test/sub"},
		"a.test:8080":                        {"https://a.test:8080"},
		"localhost:8080":                     {"https://localhost:8080"},
		"localhost/x":                        {"https://localhost/x"},
		"127.0.0.1:3000":                     {"https://127.0.0.1:3000"},
		"[::1]:3000":                         {"https://[::1]:3000"},
		"user:secret@a.test":                 {"https://user:secret@a.test"},
		"http://user:secret@a.test/x|b.test": {"http://user:secret@a.test/x|", "https://b.test"},
		"HTTPS://a.test":                     {"https://a.test"},
		// Folders.
		"file:///srv/modules":             {"file:///srv/modules"},
		"file:///srv/my%20modules,direct": {"file:///srv/my%20modules", "direct"},
		"file:///C:/modules":              {"file:///C:/modules"},
		// The words are words only as a whole, in lower case.
		"direct.test": {"https://direct.test"},
		"off.test":    {"https://off.test"},
	} {
		entries, err := godown.ParseGOPROXY(list)
		if got := proxyEntries(entries); err != nil || !slices.Equal(got, want) {
			t.Errorf("ParseGOPROXY(%q) = %q, error %v, want %q", list, got, err, want)
		}
	}
}

func TestParseGOPROXYRefuses(t *testing.T) {
	for list, want := range map[string]string{
		"":                             "no entries",
		" ":                            "no entries",
		",":                            "no entries",
		" , | \t":                      "no entries",
		"proxy":                        "neither a URL nor one of the words",
		"Direct":                       "neither a URL nor one of the words",
		"noproxy":                      "neither a URL nor one of the words",
		"/srv/modules":                 "neither a URL nor one of the words",
		"https://a.test,nonsense":      "entry 2",
		"https://a.test,,ftp://b.test": "entry 2",
		"ftp://a.test":                 "scheme",
		"ssh://git@a.test":             "scheme",
		"https://":                     "names no host",
		"http:///x":                    "names no host",
		"https://a.test?x=1":           "query or a fragment",
		"https://a.test#x":             "query or a fragment",
		"file://host/x":                "more than a path",
		"file:///x?y":                  "more than a path",
		"https://a.test:port":          "not a valid URL",
		"https://a test":               "not a valid URL",
		"https://a.test/%zz":           "not a valid URL",
		"https://[::1":                 "not a valid URL",
	} {
		entries, err := godown.ParseGOPROXY(list)
		if err == nil || !strings.Contains(err.Error(), want) || entries != nil {
			t.Errorf("ParseGOPROXY(%q) = %q, error %v, want one with %q", list, proxyEntries(entries), err, want)
		}
	}
}

// TestParseGOPROXYSecrets checks that no error shows what stands before an "@".
func TestParseGOPROXYSecrets(t *testing.T) {
	for _, list := range []string{
		"https://user:s3cret@a.test:port", "https://user:s3cret@a.test/%zz", "https://user:s3cret@a test", "https://user:s3cret@",
		"ftp://user:s3cret@a.test", "ftp://s3cret@a.test", "https://user:s3cret@a.test?q", "https://s3cret@a.test#f", "file://user:s3cret@/x",
		"file://s3cret@host/x", "//user:s3cret@a.test", "https://user:s3cret%zz@a.test", "user:s3cret@a.test:port", "user:s3cret@a.test/%zz",
		"https://user:s3cret@[::1", "https://us er:s3cret@a.test", "a.test,ftp://user:s3cret@b.test", "user:s3cret@a.test?q",
	} {
		if _, err := godown.ParseGOPROXY(list); err == nil || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("ParseGOPROXY(%q): error is %v", list, err)
		}
	}
}

// Mistakes after which the parser of URLs no longer sees the secret as one.
func TestParseGOPROXYMisplacedSecrets(t *testing.T) {
	for _, list := range []string{
		"user:s3cret@a.test:/x", "user:s3cret@https://a.test", "https:/user:s3cret@a.test", "https:///user:s3cret@a.test",
		"file:user:s3cret@a.test:/x", "/user:s3cret@a.test",
	} {
		if _, err := godown.ParseGOPROXY(list); err == nil || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("ParseGOPROXY(%q): error is %v", list, err)
		}
	}
}

// TestParseSumDB has the meaning of the go command's GOSUMDB.
func TestParseSumDB(t *testing.T) {
	const key = "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8"
	mods := godowntest.NewModules(t, verifyModules)
	own := func(name string) string { return godowntest.NewSumDB(t, name, mods).Spec() }
	plain, path := own("sum.test"), own("sum.test/with/path")
	for spec, want := range map[string]godown.SumDBSpec{
		"sum.golang.org":                         {Name: "sum.golang.org", Key: key},
		"  sum.golang.org\n":                     {Name: "sum.golang.org", Key: key},
		key:                                      {Name: "sum.golang.org", Key: key},
		"sum.golang.google.cn":                   {Name: "sum.golang.org", Key: key, URL: &url.URL{Scheme: "https", Host: "sum.golang.google.cn"}},
		"sum.golang.org https://sum.test/x":      {Name: "sum.golang.org", Key: key, URL: &url.URL{Scheme: "https", Host: "sum.test", Path: "/x"}},
		plain:                                    {Name: "sum.test", Key: plain},
		path:                                     {Name: "sum.test/with/path", Key: path},
		plain + "\thttp://127.0.0.1:8080":        {Name: "sum.test", Key: plain, URL: &url.URL{Scheme: "http", Host: "127.0.0.1:8080"}},
		plain + " file:///srv/sumdb":             {Name: "sum.test", Key: plain, URL: &url.URL{Scheme: "file", Path: "/srv/sumdb"}},
		plain + " https://user:secret@sum.test/": {Name: "sum.test", Key: plain, URL: &url.URL{Scheme: "https", User: url.UserPassword("user", "secret"), Host: "sum.test", Path: "/"}},
	} {
		got, err := godown.ParseSumDB(spec)
		if err != nil || got.Name != want.Name || got.Key != want.Key || fmt.Sprint(got.URL) != fmt.Sprint(want.URL) {
			t.Errorf("ParseSumDB(%q) = %+v, error %v, want %+v", spec, got, err, want)
		}
	}
	bad := []string{
		"", " ", "off", "sum.test", "sum.test https://sum.test", key + "x", strings.Replace(key, "033de0ae", "033de0af", 1), "sum.golang.org a b",
		"sum.golang.google.cn https://x.test", plain + " nonsense", plain + " ftp://sum.test", plain + " https://sum.test?x", plain + " https://",
	}
	for _, name := range []string{"sum.test/", "/sum.test", "sum.test//x", "sum.test?x", "sum.test#x", "user@sum.test", "sum.test/../x", "sum.test/%2e", "..", "sum.test/./x", "a:b:c"} {
		bad = append(bad, own(name))
	}
	for _, spec := range bad {
		if got, err := godown.ParseSumDB(spec); err == nil {
			t.Errorf("ParseSumDB(%q) = %+v", spec, got)
		}
	}
	if _, err := godown.ParseSumDB(plain + " https://user:s3cret@sum.test/%zz"); err == nil || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("error is %v", err)
	}
}
