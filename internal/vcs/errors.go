package vcs

import (
	"errors"
	"regexp"
	"strings"

	"github.com/godown-dev/godown"
)

// errNoGo says what to do where there is no go command.
var errNoGo = errors.New("fetching from the origin needs the go command, which is not in PATH: install Go, or give --upstream a list without \"direct\"")

// A brokenClone says that git cannot use a clone in Dir/vcs.
type brokenClone struct {
	name string // of the directory
	text string
}

func (e *brokenClone) Error() string { return e.text }

// A sign is a phrase in what the go command, git or ssh say in English, and what
// it means. A "*" in it stands for anything within the line. Case is ignored.
// Phrases hold a space or a colon, which module paths do not, so that a module
// called "timeout" is none.
type sign struct {
	phrase string
	advice string // for troubles: what the operator may do
}

const (
	adviceTool  = "install the version control command in the PATH of godown"
	adviceLogin = "give the user that runs godown credentials for this host (a git credential helper, .netrc, or an ssh key with known_hosts); nobody can be asked for a password here"
	adviceNet   = "see whether this host can be reached from here (DNS, HTTPS_PROXY, firewall)"
	adviceTLS   = "see whether this host's certificate is trusted here (SSL_CERT_FILE, http.sslCAInfo); GOINSECURE names modules to be fetched without"
)

// troubles are signs that the origin could not be asked, or did not answer.
// One of them outweighs every sign of absence: with git tried over https and
// ssh, "not found" by one and "permission denied" by the other prove nothing.
var troubles = []sign{
	{"executable file not found", adviceTool},
	{"missing * command. see", adviceTool},
	{"terminal prompts disabled", adviceLogin},
	{"could not read username", adviceLogin},
	{"could not read password", adviceLogin},
	{"authentication failed", adviceLogin},
	{"permission denied", adviceLogin},
	{"host key verification failed", adviceLogin},
	{"the requested url returned error: 401", adviceLogin},
	{"the requested url returned error: 403", adviceLogin},
	{": 401 unauthorized", adviceLogin},
	{": 403 forbidden", adviceLogin},
	{"error: repository not found", adviceLogin}, // GitHub over ssh: also to those who may not see it
	{"govcs disallows", "set GOVCS for godown if this is wanted"},
	{"requires go >=", "install a newer Go for godown"},
	{"no such host", adviceNet},
	{"could not resolve host", adviceNet},
	{"connection refused", adviceNet},
	{"connection reset", adviceNet},
	{"connection timed out", adviceNet},
	{"operation timed out", adviceNet},
	{"connection closed by", adviceNet},
	{"i/o timeout", adviceNet},
	{"tls handshake timeout", adviceNet},
	{"deadline exceeded", adviceNet},
	{"network is unreachable", adviceNet},
	{"no route to host", adviceNet},
	{"failed to connect to", adviceNet},
	{"x509: ", adviceTLS},
	{"tls: ", adviceTLS},
	{"ssl certificate problem", adviceTLS},
	{"server certificate verification failed", adviceTLS},
	{"the requested url returned error: 5", ""},
	{"the requested url returned error: 429", ""},
	{"the remote end hung up", ""},
	{"early eof", ""},
	{"no space left on device", ""},
	{"signal: ", ""}, // someone killed git
	{"cannot allocate memory", ""},
}

// absences are signs that the origin was asked and does not have it. A
// message without any is taken for trouble.
var absences = []sign{
	// the revision: cmd/go/internal/modfetch/codehost, modload
	{phrase: "unknown revision "},
	{phrase: "no matching versions for query"},
	{phrase: ": no commits"},
	// the version: cmd/go/internal/modfetch/coderepo.go
	{phrase: "does not match version-control timestamp"},
	{phrase: "does not match short name of revision"},
	{phrase: "revision is longer than canonical"},
	{phrase: "revision is shorter than canonical"},
	{phrase: "major version without preceding tag must be"},
	{phrase: "preceding tag (*) not found"},
	{phrase: "not a descendent of preceding tag"},
	{phrase: "is already canonical, so should not be replaced"},
	{phrase: "resolves to version * is not a tag)"},
	{phrase: "so module path must match major version"},
	{phrase: "so major version must match"},
	{phrase: "+incompatible suffix not allowed"},
	{phrase: "invalid version: should be v"},
	// the module in the repository: the same
	{phrase: "missing */go.mod at revision"},
	{phrase: "missing */go.mod and "},
	{phrase: "is missing module path"},
	{phrase: "has malformed module path"},
	{phrase: "go.mod has post-v"},
	{phrase: "go.mod has non-"},
	{phrase: "cannot contain module "},
	// the repository: cmd/go/internal/vcs, web; git, hg
	{phrase: "reading http*: 404 not found"},
	{phrase: "reading http*: 410 gone"},
	{phrase: ": no go-import meta tag"},
	{phrase: "invalid * import path \""},
	{phrase: "invalid version control suffix in "},
	{phrase: "fatal: repository '*' not found"},
	{phrase: "' does not appear to be a git repository"},
	{phrase: "abort: http error 404"},
}

// breaks are signs that a clone in Dir/vcs is unusable: a killed git has left
// a lock, or a disk has lost something.
var breaks = []sign{
	{phrase: "unable to create '*.lock': file exists"},
	{phrase: "fatal: bad object"},
	{phrase: "object file * is empty"},
	{phrase: "loose object * is corrupt"},
	{phrase: "fatal: not a git repository"},
}

var clonePath = regexp.MustCompile(`\bvcs[/\\]([0-9a-f]{64})\b`)

// judge makes an error of what the go command says: text, its verdict (may be
// empty), and detail, its standard error. This is the one place in which
// godown reads the text of errors, because the go command tells nothing else: its
// JSON has no code, and it takes a host that cannot be reached for one that
// has nothing.
func judge(text, detail string) error {
	whole := strings.ToLower(text + "\n" + detail)
	text = tell(text, detail)
	if _, ok := match(whole, breaks); ok {
		if m := clonePath.FindStringSubmatch(whole); m != nil {
			return &brokenClone{name: m[1], text: text}
		}
	}
	if s, ok := match(whole, troubles); ok {
		if s.advice != "" {
			text += "\n" + s.advice
		}
		return errors.New(text)
	}
	if _, ok := match(whole, absences); ok {
		return &godown.NotFound{Text: text}
	}
	return errors.New(text)
}

// match returns the first of signs that is in the lower-case text.
func match(text string, signs []sign) (sign, bool) {
	for _, s := range signs {
		before, after, two := strings.Cut(s.phrase, "*")
		for line := range strings.Lines(text) {
			_, rest, ok := strings.Cut(line, before)
			if ok && (!two || strings.Contains(rest, after)) {
				return s, true
			}
		}
	}
	return sign{}, false
}

const maxText = 2 << 10 // bytes of a message

// tell joins text and detail for people, without lines that say nothing new.
func tell(text, detail string) string {
	var out []string
	seen := map[string]bool{}
	for line := range strings.Lines(text + "\n" + detail) {
		line = strings.TrimRight(line, " \t\r\n")
		key := strings.TrimSpace(line)
		if key == "" || seen[key] || strings.HasPrefix(key, "# cd ") || strings.HasPrefix(key, "go: downloading ") {
			continue
		}
		seen[key] = true
		out = append(out, line)
	}
	text = strings.Join(out, "\n")
	if len(text) > maxText {
		text = strings.ToValidUTF8(text[:maxText], "") + " …"
	}
	return text
}

var userinfo = regexp.MustCompile(`://[^\s/'"<>]*@`)

// redact hides the user and password in all URLs of text.
func redact(text string) string { return userinfo.ReplaceAllString(text, "://xxxxx@") }
