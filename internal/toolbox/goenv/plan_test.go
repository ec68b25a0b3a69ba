package goenv_test

import (
	"errors"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/godown-dev/godown/internal/toolbox/goenv"
)

func groups() []goenv.Group {
	return []goenv.Group{{Name: "cn", URLs: []string{"https://one.pub.example", "https://two.pub.example/go"}}}
}

func public(u *url.URL) bool { return strings.HasSuffix(u.Host, ".pub.example") }

const cn = "https://one.pub.example|https://two.pub.example/go,direct"

func TestParseTarget(t *testing.T) {
	for _, c := range []struct {
		args     string
		failover bool
		want     string
		fails    string
	}{
		{args: "cn", want: cn},
		{args: "direct", want: "direct"},
		{args: "off", want: "off"},
		{args: "cn off", want: "https://one.pub.example|https://two.pub.example/go,off"},
		{args: "cn direct", failover: true, want: cn},
		{args: "http://a.example:8080", want: "http://a.example:8080"},
		{args: "http://a.example http://b.example", want: "http://a.example,http://b.example"},
		{args: "http://a.example http://b.example", failover: true, want: "http://a.example|http://b.example"},
		{args: "http://a.example cn", want: "http://a.example," + cn},
		{args: "cn http://a.example", want: "https://one.pub.example|https://two.pub.example/go,http://a.example"},
		{args: "http://a.example|https://b.example,direct", want: "http://a.example|https://b.example,direct"},
		{args: "file:///srv/modules direct", want: "file:///srv/modules,direct"},
		{args: "direct cn", fails: "ends the list"},
		{args: "http://a.example,direct http://b.example", fails: "ends the list"},
		{args: "direct,http://b.example", fails: "end the list"},
		{args: "one.pub.example", fails: "did you mean https://one.pub.example?"},
		{args: "two.pub.example", fails: "did you mean https://two.pub.example/go?"},
		{args: "proxy.example:8080", fails: "did you mean http://proxy.example:8080?"},
		{args: "cm", fails: "neither a name"},
		{args: "Direct", fails: "neither a name"},
		{args: "ftp://a.example", fails: "scheme"},
		{args: "http://a.example,,direct", fails: "nothing between"},
		{args: "https:///x", fails: "names no host"},
		{args: "https://a.example?x=1", fails: "query"},
		{args: "default cn", fails: "neither a name"},
	} {
		got, err := goenv.ParseTarget(strings.Fields(c.args), groups(), c.failover)
		if got.List != c.want && c.fails == "" || (err != nil) != (c.fails != "") || err != nil && !strings.Contains(err.Error(), c.fails) {
			t.Errorf("%s: %q, %v, want %q, %q", c.args, got.List, err, c.want, c.fails)
		}
	}
	if got, err := goenv.ParseTarget([]string{"default"}, nil, false); err != nil || !got.BuiltIn {
		t.Errorf("default: %+v, %v", got, err)
	}
	_, err := goenv.ParseTarget([]string{"u:s3cr3t@proxy.example"}, nil, false)
	if _, ok := errors.AsType[*goenv.Unknown](err); !ok || strings.Contains(err.Error(), "s3cr3t") {
		t.Errorf("%v", err)
	}
}

// In each case the file says some things, and somebody wants others.
func TestPlan(t *testing.T) {
	const corp, key = "http://proxy.corp.example:8080", "sum.corp.example+01234567+AAAA"
	for name, c := range map[string]struct {
		file, args string
		flags      string // such as "private=a.example sumdb=off"
		want       string // changes; "-NAME" for one that is unset
		notes      string // their ids
	}{
		"preset":                    {args: "cn", want: "GOPROXY=" + cn},
		"preset again":              {file: "GOPROXY=" + cn, args: "cn"},
		"default":                   {file: "GOPROXY=x GOSUMDB=off GOPRIVATE=p.example", args: "default", want: "-GOPROXY -GOSUMDB"},
		"default of default":        {args: "default"},
		"all forgotten":             {file: "GOPROXY=x GOPRIVATE=p.example GONOPROXY=none", args: "default", flags: "private=", want: "-GOPROXY -GOPRIVATE -GONOPROXY"},
		"preset with private":       {args: "cn", flags: "private=p.example", want: "GOPROXY=" + cn + " GOPRIVATE=p.example", notes: "private-direct"},
		"preset after corp":         {file: "GOPROXY=" + corp + " GOSUMDB=" + key + " GOPRIVATE=p.example GONOPROXY=none GONOSUMDB=none", args: "cn", want: "GOPROXY=" + cn + " -GOSUMDB -GONOPROXY -GONOSUMDB", notes: "sumdb-back private-hidden"},
		"default after corp":        {file: "GOPROXY=" + corp + " GOPRIVATE=p.example GONOPROXY=none", args: "default", want: "-GOPROXY -GONOPROXY", notes: "private-hidden"},
		"checks on again":           {file: "GOSUMDB=off", args: "cn", want: "GOPROXY=" + cn + " -GOSUMDB", notes: "sumdb-on"},
		"checks stay off":           {file: "GOSUMDB=off", args: "cn", flags: "sumdb=keep", want: "GOPROXY=" + cn, notes: "unchecked"},
		"public database stays":     {file: "GOSUMDB=sum.golang.google.cn", args: "cn", want: "GOPROXY=" + cn},
		"names leak":                {file: "GONOSUMDB=p.example", args: "cn", want: "GOPROXY=" + cn, notes: "names-leak"},
		"names leak by flag":        {file: "GOPRIVATE=p.example", args: "cn", flags: "no-proxy=none", want: "GOPROXY=" + cn + " GONOPROXY=none", notes: "names-leak"},
		"corp":                      {args: corp, want: "GOPROXY=" + corp},
		"corp leaves the database":  {file: "GOSUMDB=off", args: corp, want: "GOPROXY=" + corp, notes: "unchecked"},
		"corp with private":         {args: corp, flags: "private=p.example,/q/*", want: "GOPROXY=" + corp + " GOPRIVATE=p.example,/q/* GONOPROXY=none", notes: "private-proxy"},
		"corp without private ones": {args: corp, flags: "private=p.example no-proxy=p.example", want: "GOPROXY=" + corp + " GOPRIVATE=p.example GONOPROXY=p.example"},
		"corp with its database":    {args: corp, flags: "private=p.example sumdb=" + key, want: "GOPROXY=" + corp + " GOSUMDB=" + key + " GOPRIVATE=p.example GONOPROXY=none GONOSUMDB=none", notes: "private-proxy private-sums"},
		"corp had its database":     {file: "GOSUMDB=" + key, args: corp, flags: "private=p.example no-sum=p.example", want: "GOPROXY=" + corp + " GOPRIVATE=p.example GONOPROXY=none GONOSUMDB=p.example", notes: "private-proxy"},
		"past corp":                 {file: "GOPRIVATE=p.example", args: corp, want: "GOPROXY=" + corp, notes: "past-proxy"},
		"corp then public":          {args: corp + " cn", flags: "private=p.example", want: "GOPROXY=" + corp + "," + cn + " GOPRIVATE=p.example", notes: "private-direct"},
		"past policy":               {args: corp + "|" + cn, want: "GOPROXY=" + corp + "|" + cn, notes: "past-policy"},
		"two of a house":            {args: corp + "|http://proxy2.corp.example", want: "GOPROXY=" + corp + "|http://proxy2.corp.example"},
		"failover to git":           {args: corp + "|direct", want: "GOPROXY=" + corp + "|direct", notes: "past-policy"},
		"password":                  {args: "https://u:p@corp.example", want: "GOPROXY=https://u:p@corp.example", notes: "secret"},
		"private alone, public":     {file: "GOPROXY=" + cn, flags: "private=p.example", want: "GOPRIVATE=p.example", notes: "private-direct"},
		"private alone, corp":       {file: "GOPROXY=" + corp, flags: "private=p.example", want: "GOPRIVATE=p.example GONOPROXY=none", notes: "private-proxy"},
		"nothing private":           {file: "GOPRIVATE=x GONOPROXY=y GONOSUMDB=z", flags: "private=", want: "-GOPRIVATE -GONOPROXY -GONOSUMDB"},
		"off":                       {args: "off", want: "GOPROXY=off"},
		"direct with private":       {args: "direct", flags: "private=p.example", want: "GOPROXY=direct GOPRIVATE=p.example"},
		"database alone":            {flags: "sumdb=off", want: "GOSUMDB=off", notes: "unchecked"},
		"database back":             {file: "GOSUMDB=off", flags: "sumdb=default", want: "-GOSUMDB"},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t)
			d.Environ = append(d.Environ, "PATH="+d.home) // no go command is needed
			s := settingsOf(c.file)
			wish := goenv.Wish{}
			if c.args != "" {
				target, err := goenv.ParseTarget(strings.Fields(c.args), groups(), false)
				if err != nil {
					t.Fatal(err)
				}
				wish.Target = &target
			}
			for flag := range strings.FieldsSeq(c.flags) {
				key, value, _ := strings.Cut(flag, "=")
				*map[string]**string{"private": &wish.Private, "no-proxy": &wish.NoProxy, "no-sum": &wish.NoSum, "sumdb": &wish.SumDB}[key] = &value
			}
			plan, err := wish.Plan(s, public)
			if err != nil {
				t.Fatal(err)
			}
			var got, ids []string
			for _, change := range plan.Changes {
				if change.Unset {
					got = append(got, "-"+change.Name)
				} else {
					got = append(got, change.Name+"="+change.Value)
				}
			}
			for _, n := range plan.Notes {
				ids = append(ids, n.ID)
				if n.Text.En == "" || n.Text.Zh == "" || strings.Contains(n.Text.En+n.Text.Zh, "%!") {
					t.Errorf("%s: %+v", n.ID, n.Text)
				}
			}
			if strings.Join(got, " ") != c.want || strings.Join(ids, " ") != c.notes {
				t.Errorf("%s\n%s\nwant\n%s\n%s", strings.Join(got, " "), strings.Join(ids, " "), c.want, c.notes)
			}
		})
	}
}

// settingsOf returns settings whose file says what text says, in words NAME=value.
func settingsOf(text string) *goenv.Settings {
	s := &goenv.Settings{File: "/home/me/.config/go/env", Version: "go1.26.0", Values: map[string]goenv.Value{}}
	own := map[string]string{"GOPROXY": "https://builtin.pub.example,direct", "GOSUMDB": "sum.golang.org"}
	file := make(map[string]string)
	for word := range strings.FieldsSeq(text) {
		name, value, _ := strings.Cut(word, "=")
		file[name] = value
	}
	for _, name := range goenv.ModuleSettings() {
		v := goenv.Value{Name: name}
		if file[name] != "" {
			v.Said = append(v.Said, goenv.Said{Place: goenv.User, File: s.File, Text: file[name]})
		}
		if own[name] != "" {
			v.Said = append(v.Said, goenv.Said{Place: goenv.Installation, File: "/usr/lib/go/go.env", Text: own[name]})
		}
		if v.Said == nil {
			v.Said = []goenv.Said{{Place: goenv.BuiltIn}}
			if name == "GONOPROXY" || name == "GONOSUMDB" {
				v.Said[0].Text = file["GOPRIVATE"]
			}
		}
		v.Text = v.Said[0].Text
		s.Values[name] = v
	}
	return s
}

func TestBadWishes(t *testing.T) {
	for _, c := range []struct{ flag, value, want string }{
		{"private", "https://git.corp.example", "is an address"},
		{"private", "a.example b.example", "separated by commas"},
		{"private", "[a", "is no pattern"},
		{"no-proxy", "a|b", "separated by commas"},
		{"no-sum", "a[", "--no-sum"},
		{"sumdb", "sum.corp.example", "needs its key"},
		{"sumdb", "a b c", "is neither"},
		{"sumdb", "sum.golang.org sum.golang.google.cn", "is no URL"},
	} {
		wish := goenv.Wish{}
		*map[string]**string{"private": &wish.Private, "no-proxy": &wish.NoProxy, "no-sum": &wish.NoSum, "sumdb": &wish.SumDB}[c.flag] = &c.value
		if _, err := wish.Plan(settingsOf(""), public); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s=%s: %v", c.flag, c.value, err)
		}
	}
	// The go command does not take blanks away.
	spaced := " a.example , b.example,"
	plan, err := goenv.Wish{Private: &spaced}.Plan(settingsOf(""), public)
	if err != nil || plan.Changes[0].Value != "a.example,b.example" {
		t.Errorf("%+v, %v", plan, err)
	}
}

func TestProfiles(t *testing.T) {
	d := newDesk(t, "GOPRIVATE=env.example")
	folder := d.home + "/profiles"
	d.write(d.file(), "GOPROXY=https://a.example\nGOFLAGS=-x\n")
	if p, replaced, err := goenv.SaveProfile(t.Context(), folder, "work", d.read()); err != nil || replaced || !p.Fits(d.read()) {
		t.Fatalf("%+v, %t, %v", p, replaced, err)
	}
	d.Environ = append(d.Environ, "GOPRIVATE=")
	d.write(d.file(), "GOSUMDB=off\n")
	if _, replaced, err := goenv.SaveProfile(t.Context(), folder, "home", d.read()); err != nil || replaced {
		t.Fatal(err)
	}
	all, err := goenv.Profiles(folder)
	if err != nil || len(all) != 2 || all[0].Name != "home" || all[0].Values["GOSUMDB"] != "off" || all[1].Fits(d.read()) {
		t.Fatalf("%+v, %v", all, err)
	}
	was, before := d.goEnv(), d.text()
	d.set(all[1].Changes()...)
	if s := d.read(); s.Text("GOPROXY") != "https://a.example" || s.Text("GOPRIVATE") != "env.example" || strings.Contains(d.text(), "GOSUMDB") || !all[1].Fits(s) {
		t.Errorf("the profile has made %q", d.text())
	}
	if _, err := d.editor().Undo(t.Context(), 1, false); err != nil || d.text() != before || d.goEnv() != was {
		t.Errorf("%v, %q", err, d.text())
	}
	if _, replaced, err := goenv.SaveProfile(t.Context(), folder, "work", d.read()); err != nil || !replaced {
		t.Errorf("%t, %v", replaced, err)
	}
	for name, want := range map[string]bool{"work": true, "nobody": false} {
		if found, err := goenv.DeleteProfile(t.Context(), folder, name); found != want || err != nil {
			t.Errorf("%s: %t, %v", name, found, err)
		}
	}
	for name, good := range map[string]bool{"work": true, "work-2_x": true, "cn": false, "default": false, "off": false, "": false, "a.example": false, "../x": false, "Work": false, "-x": false} {
		if err := goenv.CheckProfileName(name, []string{"cn"}); (err == nil) != good {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func TestObstacles(t *testing.T) {
	d := newDesk(t, "GOPROXY=https://env.example", "GOSUMDB=same")
	shell := []goenv.FileLine{
		{File: "/h/.profile", Number: 9, For: "sh", Name: "GONOSUMDB", Value: ""},
		{File: "/h/.profile", Number: 1, For: "sh", Name: "GOPROXY", Value: "https://other.example"},
		{File: "/h/.bashrc", Number: 2, For: "sh", Name: "GOPROXY", Value: "https://env.example"},
		{File: "/h/.bashrc", Number: 3, For: "sh", Name: "GOPRIVATE", Value: "x.example", Maybe: true},
		{File: "/h/.bashrc", Number: 4, For: "sh", Name: "GONOSUMDB", Value: "https://u:s3cr3t@w", Writes: true},
	}
	project := []goenv.FileLine{{File: "/h/p/Makefile", Number: 7, For: "make", Name: "GOPROXY", Value: "off"}, {File: "/h/p/.env", Number: 1, For: "dotenv", Name: "GOFLAGS", Value: "off"}}
	notes := goenv.Obstacles(d.Machine, []goenv.Change{proxy("https://new.example"), {Name: "GOSUMDB", Value: "same"}, {Name: "GOPRIVATE", Unset: true}, {Name: "GONOSUMDB", Value: "y"}}, shell, project, "/h")
	var got []string
	for _, n := range notes {
		got = append(got, n.ID+" "+n.Text.En)
	}
	want := []string{
		"environment GOPROXY=https://env.example is in the environment (~/.bashrc:2 sets it), which wins over what is written: nothing changes in this shell until it is gone.",
		"start-up ~/.bashrc:3 may set GOPRIVATE=x.example in new shells, which wins over what is written. Take that line out.",
		"start-up-writes ~/.bashrc:4 runs 'go env -w GONOSUMDB=https://u:xxxxx@w' in each new shell, which will write over it. Take that line out.",
		"project ~/p/Makefile:7 sets GOPROXY=off under make; that wins there.",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s", strings.Join(got, "\n"))
	}
}
