package explain

import (
	"net/url"
	"regexp"
	"strings"

	"golang.org/x/mod/module"

	"github.com/godown-dev/godown/internal/toolbox/lang"
)

// derive adds what follows from the fields of a message: the host and port of
// its URL, and the module that a URL of a proxy is about.
func derive(fields map[string]string) {
	defer derivePrefix(fields)
	u, err := url.Parse(fields["url"])
	if fields["url"] == "" || err != nil {
		return
	}
	if fields["host"] == "" {
		fields["host"] = u.Hostname()
	}
	if fields["server"] == "" {
		fields["server"] = u.Host
		if u.Scheme == "file" {
			fields["server"] = "file://" + u.Path
		}
	}
	fields["origin"] = u.Scheme + "://" + u.Host
	at, rest, ok := strings.Cut(u.Path, "/@")
	if !ok || strings.Contains(u.Path, "/sumdb/") {
		return
	}
	// Where the proxy's own path ends, only GOPROXY tells; a module begins with a name that has a dot.
	fields["asked"] = strings.TrimPrefix(at, "/")
	fields["base"] = fields["origin"]
	if path, err := module.EscapePath(fields["module"]); err == nil {
		if before, ok := strings.CutSuffix(at, "/"+path); ok {
			fields["base"] += before
		}
	}
	for name := fields["asked"]; name != ""; {
		first, after, more := strings.Cut(name, "/")
		if strings.Contains(first, ".") {
			if path, err := module.UnescapePath(name); err == nil && fields["module"] == "" {
				fields["module"] = path
			}
			break
		}
		if name = after; !more {
			break
		}
	}
	if v, ok := strings.CutPrefix(rest, "v/"); ok && fields["version"] == "" {
		for _, end := range []string{".info", ".mod", ".zip"} {
			if v, ok := strings.CutSuffix(v, end); ok {
				fields["version"] = v
			}
		}
	}
}

// derivePrefix adds the pattern for GOPRIVATE that a module's neighbours share:
// the host and the first element after it at public forges, else the host.
func derivePrefix(fields map[string]string) {
	host, rest, _ := strings.Cut(fields["module"], "/")
	if host == "" {
		return
	}
	fields["prefix"], fields["repository"] = host, fields["module"]
	if fields["host"] == "" && strings.Contains(host, ".") {
		fields["host"] = host
	}
	switch host {
	case "github.com", "gitlab.com", "gitee.com", "bitbucket.org", "codeberg.org", "gitea.com", "git.sr.ht":
		owner, _, _ := strings.Cut(rest, "/")
		if owner != "" {
			fields["prefix"] = host + "/" + owner
		}
	}
}

// masked returns fields that may be shown: without passwords.
func masked(fields map[string]string) map[string]string {
	shown := make(map[string]string, len(fields))
	for name, value := range fields {
		shown[name] = mask(value)
	}
	return shown
}

// mask takes what may be a secret off a text: the tokens of forges, what follows
// "token=" and the like, and of URLs user information and queries.
func mask(text string) string {
	text = regexp.MustCompile(`\b(?:gh[oprsu]_|github_pat_|glpat-|glptt-)[\w-]{16,}|(?i:\b(?:bearer|basic) )[\w.~+/=-]{12,}|(?i:[\w-]*(?:token|password|passwd|secret)=)[^\s&"']+`).ReplaceAllStringFunc(text, func(s string) string {
		if i := strings.IndexAny(s, "= "); i >= 0 {
			return s[:i+1] + "xxxxx"
		}
		return "xxxxx"
	})
	if !strings.Contains(text, "://") {
		return text
	}
	text = regexp.MustCompile(`://[^\s/@"']*@`).ReplaceAllStringFunc(text, func(s string) string {
		if s == "://git@" {
			return s
		}
		return "://xxxxx@"
	})
	return regexp.MustCompile(`(https?://[^\s"'?]*\?)([^\s"']+)`).ReplaceAllStringFunc(text, func(s string) string {
		if strings.HasSuffix(s, "?go-get=1") || strings.Contains(s, "?go-get=1:") {
			return s
		}
		before, _, _ := strings.Cut(s, "?")
		return before + "?xxxxx"
	})
}

// fill puts fields into a text; one that is not known leaves "…".
func fill(s string, fields map[string]string) string {
	return replace(s, func(name string) string {
		if v := fields[name]; v != "" {
			return v
		}
		return "…"
	})
}

// fillCommand puts fields into a command, in quotes where a shell would take
// them for more than a word. Without all its fields there is no command: "".
func fillCommand(s string, fields map[string]string) string {
	whole := true
	s = replace(s, func(name string) string {
		v := fields[name]
		whole = whole && v != ""
		if strings.HasPrefix(v, "-") {
			whole = false
		}
		if regexp.MustCompile(`^[\w.,:/@%+=~-]*$`).MatchString(v) {
			return v
		}
		if strings.ContainsAny(s, `'"`) {
			whole = false // quotes within quotes would end them
		}
		return "'" + strings.ReplaceAll(v, "'", `'\''`) + "'"
	})
	if !whole {
		return ""
	}
	return s
}

func replace(s string, value func(name string) string) string {
	return regexp.MustCompile(`\{[a-z][a-z_0-9]*\}`).ReplaceAllStringFunc(s, func(name string) string { return value(name[1 : len(name)-1]) })
}

func fillText(t lang.Text, fields map[string]string) lang.Text {
	return lang.Text{En: fill(t.En, fields), Zh: fill(t.Zh, fields)}
}
