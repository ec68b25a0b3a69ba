package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"reflect"
	"strings"

	"github.com/godown-dev/godown/internal/auth"
	"github.com/godown-dev/godown/internal/vcs"
	"go.yaml.in/yaml/v4"
)

// A VCSRule is an entry of "vcs:" in the configuration file: where the
// repositories of some modules are. The tags of its fields are to an entry's
// keys what those of Config are to the file's.
type VCSRule struct {
	Match  string `key:"match" help:"the modules' paths, with * for one element or a part of one, such as corp.example.com/*; what follows in a path is a folder of the repository, or a major version. Must be given"`
	Repo   Remote `key:"repo" help:"URL of the repository, https or ssh; {1}, {2} stand for what the first and the second * of match stood for: ssh://git@git.corp.example/{1}.git. Must be given"`
	Subdir string `key:"subdir" help:"folder of the repository in which the modules' paths begin"`

	listed
}

// VCSRules are the entries of "vcs:". The first that matches counts.
type VCSRules []VCSRule

// check checks an entry as far as that takes no repository.
func (r *VCSRule) check() []error {
	err := r.lacks("vcs", "match", "repo")
	if err == nil {
		// First of all, as other messages may show a piece of repo.
		if err = checkRemoteUser(string(r.Repo)); err == nil {
			err = r.rule().Check()
		}
		if err != nil {
			err = fmt.Errorf("%s: vcs: %w", r.place, err)
		}
	}
	if err != nil {
		return []error{err}
	}
	return nil
}

// rule returns the entry as version control takes it.
func (r VCSRule) rule() vcs.Rule {
	return vcs.Rule{Match: r.Match, Repo: string(r.Repo), Subdir: r.Subdir}
}

// checkRemoteUser refuses credentials in the URL of a repository. A user is one
// too, but for ssh.
func checkRemoteUser(text string) error {
	user, _, found := strings.Cut(text, "@")
	if !found {
		return nil
	}
	scheme, user, _ := strings.Cut(user, "://")
	if isSSH(scheme) && !strings.ContainsAny(user, ":/") {
		return nil
	}
	if host, _, ok := strings.Cut(user, "/"); ok && !strings.Contains(host, ":") {
		return nil // it is a part of the path
	}
	return errors.New("repo must hold no password, and no user but for ssh; give credentials in auth, under out")
}

// isSSH reports whether a URL's scheme is one of ssh.
func isSSH(scheme string) bool { return scheme == "ssh" || scheme == "git+ssh" }

// authOut is what messages call the list of AuthRules.
const authOut = "auth.out"

// An AuthRule is an entry of "auth: out:" in the configuration file: a
// credential that is shown to some hosts. What is printed or logged of it shows
// no secret.
type AuthRule struct {
	Match        Remote      `key:"match" help:"the hosts: github.com, github.com/acme, *.corp.example, https://git.corp.example:8443/team, ssh://git@git.corp.example; the longest that matches counts. Must be given"`
	Token        auth.Secret `key:"token" help:"a token for https; one of token, user with password, app-id and goauth is given, or, for ssh, ssh-key or known-hosts"`
	Kind         string      `key:"kind" oneof:"github|gitlab|gitee|gitea|bitbucket|basic|bearer" help:"how the token is sent: as the password of the user that this kind of host expects, or, for bearer, in the header Authorization; if not given, what the name of the host tells"`
	User         string      `key:"user" help:"the user of the password, or of a token in place of the one that kind says"`
	Password     auth.Secret `key:"password" help:"the password of the user, for https"`
	AppID        AppID       `key:"app-id" help:"number or client ID of a GitHub App, which gets a token for each hour"`
	AppKey       auth.Secret `key:"app-key" help:"the App's private key in PEM; with app-id"`
	Installation int         `key:"app-installation" default:"0" min:"0" help:"number of the App's installation; 0: that of the owner whom the URL names"`
	AppAPI       Address     `key:"app-api" help:"URL of the API where the host is another than github.com, such as https://git.corp.example/api/v3"`
	SSHKey       string      `key:"ssh-key" help:"file of the private key for ssh"`
	KnownHosts   string      `key:"known-hosts" help:"file of the host keys that are trusted for ssh"`
	GOAUTH       Commands    `key:"goauth" help:"commands as in GOAUTH of the go command, which give credentials: netrc, git DIR, or a program with its arguments, separated by ';'"`

	listed
}

// AuthRules are the entries of "auth: out:".
type AuthRules []AuthRule

// outRules are AuthRules where they stand: under the key of an authLists.
type outRules []AuthRule

// authLists are what "auth:" has keys for.
type authLists struct {
	Out outRules `key:"out"`
}

// readAuth reads the mapping of "auth:" at origin.
func readAuth(name, origin string, v *yaml.Node) (AuthRules, []error) {
	if v.Kind != yaml.MappingNode {
		return nil, []error{fmt.Errorf("%s: auth: expected the key out, and below it a list of entries, each of which begins like this: - match: github.com", origin)}
	}
	var lists authLists
	_, problems := readKeys(name, "auth", v, optionsOf(reflect.TypeFor[authLists]()), &lists)
	return AuthRules(lists.Out), problems
}

// check checks an entry as far as that takes no file and no host.
func (a *AuthRule) check() []error {
	if err := a.lacks(authOut, "match"); err != nil {
		return []error{err}
	}
	var problems []error
	for _, key := range []string{"app-key", "app-installation", "app-api"} {
		if origin, ok := a.origins[key]; ok && a.AppID == "" {
			problems = append(problems, fmt.Errorf("%s: %s is given without app-id", origin, key))
		}
	}
	if a.AppID != "" && a.AppKey == "" {
		problems = append(problems, fmt.Errorf("%s: app-id is given without app-key", a.origins["app-id"]))
	}
	if len(problems) > 0 {
		return problems
	}
	r := a.rule()
	r.Name = a.place + ": " + authOut // the form of our messages
	if err := r.Check(); err != nil {
		return []error{err}
	}
	return nil
}

// rule returns the entry as package auth takes it.
func (a AuthRule) rule() auth.Rule {
	r := auth.Rule{
		Match: string(a.Match), Name: authOut + " (" + a.place + ")",
		Token: a.Token, User: a.User, Password: a.Password, Kind: a.Kind,
		SSHKey: a.SSHKey, KnownHosts: a.KnownHosts, GOAUTH: string(a.GOAUTH),
	}
	if a.AppID != "" {
		r.App = &auth.App{ID: string(a.AppID), Installation: int64(a.Installation), Key: a.AppKey, API: string(a.AppAPI)}
	}
	return r
}

// checkFiles checks the files that the entry names, and makes their paths absolute.
func (a *AuthRule) checkFiles() (problems []error) {
	for _, f := range []struct {
		key  string
		path *string
	}{{"ssh-key", &a.SSHKey}, {"known-hosts", &a.KnownHosts}} {
		path, err := existingFile(*f.path)
		if err != nil {
			problems = append(problems, problem(f.key, *f.path, a.origins[f.key], err))
		}
		*f.path = path
	}
	return problems
}

// Format writes where the entry stands, whatever the verb.
func (a AuthRule) Format(f fmt.State, verb rune) { a.rule().Format(f, verb) }

// AppID is a text, which may be written as a number.
type AppID string

// A Remote is where a repository is, or which host is meant. What is printed or
// logged of it is its String.
type Remote string

// String returns it with passwords masked. The user of ssh is none.
func (r Remote) String() string {
	scheme, rest, _ := strings.Cut(string(r), "://")
	user, rest, found := strings.Cut(rest, "@")
	if found && isSSH(scheme) && !strings.ContainsAny(user, ":/") && !strings.ContainsAny(rest, "@?#") {
		return string(r)
	}
	return maskSecrets(string(r))
}

// MarshalText keeps passwords out of JSON and logs.
func (r Remote) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// Commands are commands as in GOAUTH, whose arguments may be secrets: what is
// printed or logged of them is their String.
type Commands string

// String returns the commands without the arguments of programs that are not known.
func (c Commands) String() string {
	parts := strings.Split(string(c), ";")
	for i, part := range parts {
		words := strings.Fields(part)
		switch {
		case len(words) < 2 || len(words) == 2 && words[0] == "git":
		case strings.ContainsAny(words[0], `"'`):
			parts[i] = mask // the quotes may go on
		default:
			parts[i] = part[:strings.Index(part, words[0])] + words[0] + " " + mask
		}
	}
	return strings.Join(parts, ";")
}

// MarshalText keeps arguments out of JSON and logs.
func (c Commands) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// existingFile returns the absolute path of a file that must be there; an empty
// path is none, and stays so.
func existingFile(name string) (string, error) {
	if name == "" {
		return "", nil
	}
	path, err := absolute(name)
	if err != nil {
		return name, err
	}
	switch info, err := os.Stat(path); {
	case errors.Is(err, fs.ErrNotExist):
		return name, errors.New("there is no such file")
	case err != nil:
		return name, fmt.Errorf("the file cannot be used: %w", err)
	case info.IsDir():
		return name, errors.New("it is a folder; name a file")
	}
	return path, nil
}
