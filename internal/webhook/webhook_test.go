package webhook

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

const (
	secret = "hush, hush/+=\n%41"
	a      = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa1"
	b      = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb2"
	none   = "0000000000000000000000000000000000000000"
)

func now() time.Time { return time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC) }

func headers(pairs ...string) http.Header {
	h := http.Header{}
	for i := 0; i < len(pairs); i += 2 {
		h.Set(pairs[i], pairs[i+1])
	}
	return h
}

func hmacHex(body string) string { return hex.EncodeToString(sum(secret, []byte(body))) }

// These sign an event as the hosts do.
func github(event, body string) http.Header {
	return headers("X-GitHub-Event", event, "X-Hub-Signature", "sha1=00", "X-Hub-Signature-256", "sha256="+hmacHex(body), "Content-Type", "application/json")
}

func gitea(event, body string) http.Header {
	h := github(event, body)
	h.Set("X-Gitea-Event", event)
	h.Set("X-Gogs-Event", event)
	h.Set("X-Gitea-Signature", hmacHex(body))
	return h
}

func forgejo(event, body string) http.Header {
	h := gitea(event, body)
	h.Set("X-Forgejo-Event", event)
	h.Set("X-Forgejo-Signature", hmacHex(body))
	return h
}

func gitlab(event, _ string) http.Header {
	return headers("X-Gitlab-Event", event, "X-Gitlab-Token", secret, "Content-Type", "application/json")
}

func gitee(event, _ string) http.Header {
	return headers("X-Gitee-Event", event, "X-Gitee-Token", secret, "X-Gitee-Timestamp", strconv.FormatInt(now().UnixMilli(), 10))
}

func giteeSigned(event string, at time.Time, escaped bool) http.Header {
	stamp := strconv.FormatInt(at.UnixMilli(), 10)
	token := base64.StdEncoding.EncodeToString(sum(secret, []byte(stamp+"\n"+secret)))
	if escaped {
		token = url.QueryEscape(token)
	}
	return headers("X-Gitee-Event", event, "X-Gitee-Token", token, "X-Gitee-Timestamp", stamp)
}

func bitbucket(event, body string) http.Header {
	return headers("X-Event-Key", event, "X-Hub-Signature", "sha256="+hmacHex(body), "Content-Type", "application/json; charset=utf-8")
}

const githubRepo = `"repository":{"id":7,"name":"tools","full_name":"acme/tools","private":true,"owner":{"name":"acme","login":"acme"},
	"html_url":"https://github.com/acme/tools","url":"https://github.com/acme/tools","git_url":"git://github.com/acme/tools.git",
	"ssh_url":"git@github.com:acme/tools.git","clone_url":"https://github.com/acme/tools.git","svn_url":"https://github.com/acme/tools",
	"created_at":1700000000,"pushed_at":1700000001,"stargazers":3,"master_branch":"main"},"sender":{"login":"bo","id":3}`

const giteaRepo = `"repository":{"id":1,"owner":{"id":2,"login":"acme"},"name":"tools","full_name":"acme/tools","html_url":"https://git.acme.test/acme/tools",
	"url":"https://git.acme.test/api/v1/repos/acme/tools","ssh_url":"ssh://git@git.acme.test:2222/acme/tools.git","clone_url":"https://git.acme.test/acme/tools.git"}`

const gitlabRepo = `"project":{"id":4,"name":"tools","web_url":"https://gitlab.acme.test/go/tools","git_ssh_url":"git@gitlab.acme.test:go/tools.git",
	"git_http_url":"https://gitlab.acme.test/go/tools.git","homepage":"https://gitlab.acme.test/go/tools","url":"git@gitlab.acme.test:go/tools.git",
	"ssh_url":"git@gitlab.acme.test:go/tools.git","http_url":"https://gitlab.acme.test/go/tools.git","path_with_namespace":"go/tools"},
	"repository":{"name":"tools","url":"git@gitlab.acme.test:go/tools.git","homepage":"https://gitlab.acme.test/go/tools",
	"git_http_url":"https://gitlab.acme.test/go/tools.git","git_ssh_url":"git@gitlab.acme.test:go/tools.git","visibility_level":0}`

const giteeRepo = `"hook_name":"tag_push_hooks","password":"` + `hush` + `","repository":{"id":9,"full_name":"acme/tools","html_url":"https://gitee.com/acme/tools.git",
	"ssh_url":"git@gitee.com:acme/tools.git","clone_url":"https://gitee.com/acme/tools.git","git_url":"git://gitee.com/acme/tools.git",
	"git_http_url":"https://gitee.com/acme/tools.git","git_ssh_url":"git@gitee.com:acme/tools.git","url":"https://gitee.com/acme/tools"},
	"project":{"url":"https://gitee.com/acme/tools"},"sender":null,"enterprise":null`

var (
	atGitHub = []string{"git://github.com/acme/tools.git", "git@github.com:acme/tools.git", "https://github.com/acme/tools", "https://github.com/acme/tools.git"}
	atGitea  = []string{"https://git.acme.test/acme/tools", "https://git.acme.test/acme/tools.git", "https://git.acme.test/api/v1/repos/acme/tools", "ssh://git@git.acme.test:2222/acme/tools.git"}
	atGitLab = []string{"git@gitlab.acme.test:go/tools.git", "https://gitlab.acme.test/go/tools", "https://gitlab.acme.test/go/tools.git"}
	atGitee  = []string{"git://gitee.com/acme/tools.git", "git@gitee.com:acme/tools.git", "https://gitee.com/acme/tools", "https://gitee.com/acme/tools.git"}
)

// deliveries are what hosts send, and what it means.
var deliveries = []struct {
	name  string
	sign  func(event, body string) http.Header
	event string
	body  string
	want  Push
	err   error
}{
	{"a branch", github, "push", `{"ref":"refs/heads/main","before":"` + a + `","after":"` + b + `","created":false,"deleted":false,"forced":false,"base_ref":null,"commits":[{"id":"` + b + `","message":"x"}],` + githubRepo + `}`,
		Push{"github", atGitHub, []Ref{{"refs/heads/main", a, b, false}}}, nil},
	{"a new tag", github, "push", `{"ref":"refs/tags/sub/v1.2.3","before":"` + none + `","after":"` + b + `","created":true,"deleted":false,"head_commit":null,` + githubRepo + `}`,
		Push{"github", atGitHub, []Ref{{"refs/tags/sub/v1.2.3", "", b, false}}}, nil},
	{"a tag deleted", github, "push", `{"ref":"refs/tags/v1.2.3","before":"` + a + `","after":"` + none + `","created":false,"deleted":true,` + githubRepo + `}`,
		Push{"github", atGitHub, []Ref{{"refs/tags/v1.2.3", a, "", true}}}, nil},
	{"create", github, "create", `{"ref":"v1.2.3","ref_type":"tag","master_branch":"main","description":null,"pusher_type":"user",` + githubRepo + `}`,
		Push{"github", atGitHub, []Ref{{"refs/tags/v1.2.3", "", "", false}}}, nil},
	{"delete", github, "delete", `{"ref":"wip/x","ref_type":"branch","pusher_type":"user",` + githubRepo + `}`,
		Push{"github", atGitHub, []Ref{{"refs/heads/wip/x", "", "", true}}}, nil},
	{"a release", github, "release", `{"action":"published","release":{"tag_name":"v1.3.0","target_commitish":"main","draft":false,"prerelease":false},` + githubRepo + `}`,
		Push{"github", atGitHub, []Ref{{"refs/tags/v1.3.0", "", "", false}}}, nil},
	{"a draft", github, "release", `{"action":"created","release":{"tag_name":"v1.3.0","draft":true},` + githubRepo + `}`, Push{}, ErrIgnored},
	{"a ping", github, "ping", `{"zen":"Keep it simple.","hook_id":5,"hook":{"type":"Repository","events":["push"]},` + githubRepo + `}`, Push{"github", atGitHub, nil}, nil},
	{"a ping of an organisation", github, "ping", `{"zen":"Keep it simple.","hook_id":5,"organization":{"login":"acme"}}`, Push{Host: "github"}, nil},
	{"an issue", github, "issues", `{"action":"opened","issue":{"number":1},` + githubRepo + `}`, Push{}, ErrIgnored},

	{"a branch", gitea, "push", `{"ref":"refs/heads/main","before":"` + a + `","after":"` + b + `","compare_url":"https://git.acme.test/acme/tools/compare/1...2","commits":[],"total_commits":1,` + giteaRepo + `}`,
		Push{"gitea", atGitea, []Ref{{"refs/heads/main", a, b, false}}}, nil},
	{"create", gitea, "create", `{"sha":"` + b + `","ref":"v0.1.0","ref_type":"tag",` + giteaRepo + `}`, Push{"gitea", atGitea, []Ref{{"refs/tags/v0.1.0", "", b, false}}}, nil},
	{"create, as once", gitea, "create", `{"sha":"` + b + `","ref":"refs/tags/v0.1.0","ref_type":"tag",` + giteaRepo + `}`, Push{"gitea", atGitea, []Ref{{"refs/tags/v0.1.0", "", b, false}}}, nil},
	{"a repository", gitea, "repository", `{"action":"created",` + giteaRepo + `}`, Push{}, ErrIgnored},
	{"a tag", forgejo, "push", `{"ref":"refs/tags/v2.0.0","before":"` + none + `","after":"` + b + `",` + giteaRepo + `}`, Push{"forgejo", atGitea, []Ref{{"refs/tags/v2.0.0", "", b, false}}}, nil},

	{"a branch", gitlab, "Push Hook", `{"object_kind":"push","event_name":"push","before":"` + a + `","after":"` + b + `","ref":"refs/heads/main","ref_protected":true,"checkout_sha":"` + b + `","user_id":4,` + gitlabRepo + `,"commits":[],"total_commits_count":1}`,
		Push{"gitlab", atGitLab, []Ref{{"refs/heads/main", a, b, false}}}, nil},
	{"a tag", gitlab, "Tag Push Hook", `{"object_kind":"tag_push","event_name":"tag_push","before":"` + none + `","after":"` + b + `","ref":"refs/tags/v1.0.0","checkout_sha":"` + b + `","message":"one",` + gitlabRepo + `}`,
		Push{"gitlab", atGitLab, []Ref{{"refs/tags/v1.0.0", "", b, false}}}, nil},
	{"a tag deleted", gitlab, "Tag Push Hook", `{"object_kind":"tag_push","before":"` + a + `","after":"` + none + `","ref":"refs/tags/v1.0.0","checkout_sha":null,` + gitlabRepo + `}`,
		Push{"gitlab", atGitLab, []Ref{{"refs/tags/v1.0.0", a, "", true}}}, nil},
	{"of all projects", gitlab, "System Hook", `{"event_name":"tag_push","before":"` + none + `","after":"` + b + `","ref":"refs/tags/v1.0.0",` + gitlabRepo + `}`,
		Push{"gitlab", atGitLab, []Ref{{"refs/tags/v1.0.0", "", b, false}}}, nil},
	{"of a user", gitlab, "System Hook", `{"event_name":"user_create","project":"none","name":"Bo"}`, Push{}, ErrIgnored},
	{"a release", gitlab, "Release Hook", `{"id":1,"object_kind":"release","tag":"v1.1.0","url":"https://gitlab.acme.test/go/tools/-/releases/v1.1.0","action":"create","commit":{"id":"` + b + `"},` + gitlabRepo + `}`,
		Push{"gitlab", atGitLab, []Ref{{"refs/tags/v1.1.0", "", "", false}}}, nil},
	{"a job", gitlab, "Job Hook", `{"object_kind":"build","ref":"main","tag":false}`, Push{}, ErrIgnored},

	{"a tag", gitee, "Tag Push Hook", `{"ref":"refs/tags/v1.0.0","before":"` + none + `","after":"` + b + `","created":true,"deleted":false,"timestamp":"1772600767000",` + giteeRepo + `}`,
		Push{"gitee", atGitee, []Ref{{"refs/tags/v1.0.0", "", b, false}}}, nil},
	{"a branch deleted", gitee, "Push Hook", `{"ref":"refs/heads/x","before":"` + a + `","after":"` + none + `","created":false,"deleted":true,` + giteeRepo + `}`,
		Push{"gitee", atGitee, []Ref{{"refs/heads/x", a, "", true}}}, nil},
	{"an issue", gitee, "Issue Hook", `{"action":"open",` + giteeRepo + `}`, Push{}, ErrIgnored},

	{"three refs", bitbucket, "repo:push", `{"push":{"changes":[
		{"old":null,"new":{"type":"tag","name":"v1.0.0","target":{"type":"commit","hash":"` + b + `"}},"created":true,"closed":false},
		{"old":{"type":"branch","name":"old","target":{"hash":"` + a + `"}},"new":null,"closed":true},
		{"old":{"type":"branch","name":"main","target":{"hash":"` + a + `"}},"new":{"type":"branch","name":"main","target":{"hash":"` + b + `"}}}]},
		"repository":{"type":"repository","full_name":"acme/tools","links":{"self":{"href":"https://api.bitbucket.org/2.0/repositories/acme/tools"},"html":{"href":"https://bitbucket.org/acme/tools"}}}}`,
		Push{"bitbucket", []string{"https://bitbucket.org/acme/tools"}, []Ref{{"refs/tags/v1.0.0", "", b, false}, {"refs/heads/old", a, "", true}, {"refs/heads/main", a, b, false}}}, nil},
	{"of one's own", bitbucket, "repo:refs_changed", `{"eventKey":"repo:refs_changed","actor":{"name":"bo"},"repository":{"slug":"tools","links":{"clone":[{"href":"ssh://git@bb.acme.test:7999/go/tools.git","name":"ssh"},{"href":"https://bb.acme.test/scm/go/tools.git","name":"http"}],"self":[{"href":"https://bb.acme.test/projects/GO/repos/tools/browse"}]}},
		"changes":[{"ref":{"id":"refs/tags/v1.0.0","displayId":"v1.0.0","type":"TAG"},"refId":"refs/tags/v1.0.0","fromHash":"` + none + `","toHash":"` + b + `","type":"ADD"},{"ref":{"id":"refs/heads/x"},"fromHash":"` + a + `","toHash":"` + none + `","type":"DELETE"}]}`,
		Push{"bitbucket", []string{"https://bb.acme.test/projects/GO/repos/tools/browse", "https://bb.acme.test/scm/go/tools.git", "ssh://git@bb.acme.test:7999/go/tools.git"}, []Ref{{"refs/tags/v1.0.0", "", b, false}, {"refs/heads/x", a, "", true}}}, nil},
	{"a test", bitbucket, "diagnostics:ping", `{"test":true}`, Push{Host: "bitbucket"}, nil},
	{"a fork", bitbucket, "repo:fork", `{}`, Push{}, ErrIgnored},

	{"no JSON", github, "push", `{"ref":"refs/heads/main"`, Push{}, ErrPayload},
	{"nothing", github, "push", ``, Push{}, ErrPayload},
	{"another type", gitlab, "Push Hook", `{"ref":7,"project":"x"}`, Push{}, ErrPayload},
	{"no ref", gitlab, "Push Hook", `{` + gitlabRepo + `}`, Push{}, ErrPayload},
	{"no whole ref", gitlab, "Push Hook", `{"ref":"main",` + gitlabRepo + `}`, Push{}, ErrPayload},
	{"a ref of two lines", gitlab, "Push Hook", `{"ref":"refs/heads/x\ny",` + gitlabRepo + `}`, Push{}, ErrPayload},
	{"no repository", gitea, "push", `{"ref":"refs/heads/main","after":"` + b + `"}`, Push{}, ErrPayload},
	{"a change of nothing", bitbucket, "repo:push", `{"push":{"changes":[{"old":null,"new":null}]}}`, Push{}, ErrPayload},
}

func TestParse(t *testing.T) {
	for _, test := range deliveries {
		header := test.sign(test.event, test.body)
		name := test.want.Host + " " + test.event + ", " + test.name
		got, err := parse(delivery{header, []byte(test.body), secret, now()})
		if test.err != nil {
			if !errors.Is(err, test.err) || !reflect.DeepEqual(got, Push{}) {
				t.Errorf("%s: %+v, %v; want %v", name, got, err, test.err)
			}
		} else if err != nil || len(got.URLs)+len(got.Refs)+len(test.want.URLs)+len(test.want.Refs) > 0 && !reflect.DeepEqual(got, test.want) || got.Host != test.want.Host {
			t.Errorf("%s:\n%+v, %v; want\n%+v", name, got, err, test.want)
		}
		// The exported one does the same.
		if _, again := Parse(header, []byte(test.body), secret); (again == nil) != (err == nil) {
			t.Errorf("%s: Parse says %v", name, again)
		}
	}
}

// Nothing passes without the secret, and what is wrong with it is found before
// anything else is said of the body.
func TestParseWantsProof(t *testing.T) {
	for _, test := range deliveries {
		body := []byte(test.body)
		good := test.sign(test.event, test.body)
		name := test.event + ", " + test.name
		refuse := func(what string, header http.Header, body []byte, secret string, want error) {
			t.Helper()
			if got, err := parse(delivery{header, body, secret, now()}); !errors.Is(err, want) || !reflect.DeepEqual(got, Push{}) {
				t.Errorf("%s, %s: %+v, %v; want %v", name, what, got, err, want)
			}
		}
		refuse("no secret configured", good, body, "", ErrNoSecret)
		refuse("another secret", good, body, secret+"x", ErrSignature)
		refuse("a part of the secret", good, body, secret[:4], ErrSignature)
		right := []string{hmacHex(test.body), "sha256=" + hmacHex(test.body)}
		for key, values := range good {
			if !proof(key) {
				continue
			}
			for _, bad := range []string{"", "0", "sha256=", "sha256=" + strings.Repeat("0", 64), strings.Repeat("0", 64), values[0] + "0", values[0][1:], "sha256=" + values[0], "%zz", "%"} {
				h := good.Clone()
				for k := range h {
					if proof(k) {
						h.Set(k, bad)
					}
				}
				if !slices.Contains(right, bad) { // for another of the headers it may be right
					refuse("with "+key+" "+strconv.Quote(bad), h, body, secret, ErrSignature)
				}
				for k := range h {
					if proof(k) {
						h.Del(k)
					}
				}
				refuse("with no proof", h, body, secret, ErrSignature)
			}
		}
		if good.Get("X-Gitlab-Event")+good.Get("X-Gitee-Event") == "" {
			refuse("another body", good, append([]byte(" "), body...), secret, ErrSignature)
		}
		bare := good.Clone()
		for _, h := range hosts() {
			bare.Del(h.event)
		}
		refuse("no host", bare, body, secret, ErrHost)
		refuse("too much", good, make([]byte, MaxBody+1), secret, ErrTooLarge)
	}
}

// proof reports whether a header is to prove that its sender knows the secret.
func proof(key string) bool {
	return strings.HasSuffix(key, "-Token") || strings.Contains(key, "Signature")
}

// The name of the hash function belongs to the header.
func TestPrefix(t *testing.T) {
	const body = `{"test":true}`
	for header, h := range map[string]http.Header{"X-Hub-Signature-256": github("ping", body), "X-Hub-Signature": bitbucket("diagnostics:ping", body)} {
		for prefix, want := range map[string]error{"sha256=": nil, "": ErrSignature, "sha1=": ErrSignature, "SHA512=": ErrSignature} {
			h.Set(header, prefix+hmacHex(body))
			if _, err := Parse(h, []byte(body), secret); !errors.Is(err, want) {
				t.Errorf("%s with %q: %v, want %v", header, prefix, err, want)
			}
		}
	}
}

func TestGiteeSignature(t *testing.T) {
	const body = `{"ref":"refs/tags/v1.0.0","after":"` + b + `",` + giteeRepo + `}`
	for _, test := range []struct {
		at   time.Duration // from now
		want error
	}{{0, nil}, {-59 * time.Minute, nil}, {59 * time.Minute, nil}, {-61 * time.Minute, ErrSignature}, {61 * time.Minute, ErrSignature}, {-1e6 * time.Hour, ErrSignature}} {
		for _, escaped := range []bool{false, true} {
			header := giteeSigned("Push Hook", now().Add(test.at), escaped)
			if _, err := parse(delivery{header, []byte(body), secret, now()}); !errors.Is(err, test.want) {
				t.Errorf("signed at %v, escaped %v: %v, want %v", test.at, escaped, err, test.want)
			}
			for _, stamp := range []string{"", "x", "-1", strconv.FormatInt(now().UnixMilli()-1, 10), "9223372036854775807", "-9223372036854775808"} {
				h := header.Clone()
				h.Set("X-Gitee-Timestamp", stamp)
				if _, err := parse(delivery{h, []byte(body), secret, now()}); !errors.Is(err, ErrSignature) {
					t.Errorf("with the time %q: %v", stamp, err)
				}
			}
		}
	}
}

func TestParseForms(t *testing.T) {
	const payload = `{"ref":"refs/heads/main","after":"` + b + `",` + githubRepo + `}`
	form := url.Values{"payload": {payload}}.Encode()
	header := github("push", form) // GitHub signs the form, as it is sent
	header.Set("Content-Type", "application/x-www-form-urlencoded")
	got, err := Parse(header, []byte(form), secret)
	if want := (Push{"github", atGitHub, []Ref{{"refs/heads/main", "", b, false}}}); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v", got, err)
	}
	for _, bad := range []string{"payload=%", "other=1", ""} {
		header := github("push", bad)
		header.Set("Content-Type", "application/x-www-form-urlencoded")
		if _, err := Parse(header, []byte(bad), secret); !errors.Is(err, ErrPayload) {
			t.Errorf("the form %q: %v", bad, err)
		}
	}
	header = gitea("push", form)
	header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	if _, err := Parse(header, []byte(form), secret); !errors.Is(err, ErrPayload) || !strings.Contains(err.Error(), "application/json") {
		t.Errorf("a form of Gitea: %v", err)
	}
}

// FuzzParse: whatever comes, an answer is sound, and nothing secret is told.
func FuzzParse(f *testing.F) {
	for i, test := range deliveries {
		f.Add(uint8(i), test.event, test.body, false)
		f.Add(uint8(i), test.event, test.body, true)
	}
	f.Fuzz(func(t *testing.T, which uint8, event, body string, form bool) {
		header := deliveries[int(which)%len(deliveries)].sign(event, body)
		if form {
			header.Set("Content-Type", "application/x-www-form-urlencoded")
		}
		push, err := parse(delivery{header, []byte(body), secret, now()})
		if err != nil {
			for _, s := range []string{secret, hmacHex(body)} {
				if strings.Contains(err.Error(), s) {
					t.Errorf("the error tells a secret: %v", err)
				}
			}
			if len(err.Error()) > 1000 || !reflect.DeepEqual(push, Push{}) {
				t.Errorf("%+v with %v", push, err)
			}
			return
		}
		if push.Host == "" || len(push.Refs) > 0 && len(push.URLs) == 0 {
			t.Errorf("%+v", push)
		}
		for _, u := range push.URLs {
			if !plain(u) {
				t.Errorf("URL %q", u)
			}
		}
		for _, r := range push.Refs {
			if !strings.HasPrefix(r.Name, "refs/") || !plain(r.Name) || hash(r.New) != r.New || hash(r.Old) != r.Old {
				t.Errorf("ref %+v", r)
			}
		}
		if _, err := parse(delivery{header, []byte(body), "another", now()}); !errors.Is(err, ErrSignature) && !errors.Is(err, ErrHost) {
			t.Errorf("with another secret: %v", err)
		}
	})
}
