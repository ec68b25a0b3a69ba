package webhook

import (
	"fmt"
	"strings"
)

// A repository holds all that the hosts call one by. Some kinds give a name
// that another has for something else, which does no harm: who looks for a
// repository by these URLs does not find it by a wrong one.
type repository struct {
	HTML    string `json:"html_url"`
	Clone   string `json:"clone_url"`
	SSH     string `json:"ssh_url"`
	HTTP    string `json:"http_url"`
	GitSSH  string `json:"git_ssh_url"`
	GitHTTP string `json:"git_http_url"`
	Git     string `json:"git_url"`
	Web     string `json:"web_url"`
	URL     string `json:"url"`
}

func (r repository) urls() []string {
	return []string{r.HTML, r.Clone, r.SSH, r.HTTP, r.GitSSH, r.GitHTTP, r.Git, r.Web, r.URL}
}

// change returns the Ref of a change from one hash to another. Where the new one is all zeros the ref was deleted.
func change(name, old, new string) Ref {
	return Ref{Name: name, Old: old, New: new, Deleted: new != "" && strings.Trim(new, "0") == ""}
}

// refName returns the whole name of a ref of a type "tag" or "branch", which may be whole already.
func refName(kind, name string) string {
	if strings.HasPrefix(name, "refs/") || name == "" {
		return name
	}
	if kind == "tag" {
		return "refs/tags/" + name
	}
	return "refs/heads/" + name
}

// readGitHub reads an event of GitHub, Gitea or Forgejo.
func readGitHub(event string, body []byte) (Push, error) {
	switch event {
	case "push", "create", "delete", "release", "ping":
	default:
		return Push{}, ErrIgnored
	}
	var in struct {
		Ref     string `json:"ref"`
		Before  string `json:"before"`
		After   string `json:"after"`
		RefType string `json:"ref_type"`
		SHA     string `json:"sha"` // of what was created; GitHub does not tell
		Release struct {
			Tag   string `json:"tag_name"`
			Draft bool   `json:"draft"`
		} `json:"release"`
		Repository repository `json:"repository"`
	}
	if err := decode(body, &in); err != nil {
		return Push{}, err
	}
	push := Push{URLs: in.Repository.urls()}
	switch event {
	case "push":
		push.Refs = []Ref{change(in.Ref, in.Before, in.After)}
	case "create", "delete":
		if in.RefType != "tag" && in.RefType != "branch" {
			return Push{}, ErrIgnored // a repository
		}
		push.Refs = []Ref{{Name: refName(in.RefType, in.Ref), New: in.SHA, Deleted: event == "delete"}}
	case "release":
		if in.Release.Draft {
			return Push{}, ErrIgnored // it has no tag yet
		}
		// Whatever becomes of the release, the tag stays.
		push.Refs = []Ref{{Name: refName("tag", in.Release.Tag)}}
	}
	return push, nil
}

// readGitLab reads an event of GitLab or Gitee.
func readGitLab(event string, body []byte) (Push, error) {
	switch event {
	case "Push Hook", "Tag Push Hook":
	case "Release Hook":
		return readRelease(body)
	case "System Hook": // it tells of many things
		var kind struct {
			Name string `json:"event_name"`
		}
		if err := decode(body, &kind); err != nil {
			return Push{}, err
		}
		if kind.Name != "push" && kind.Name != "tag_push" {
			return Push{}, ErrIgnored
		}
	default:
		return Push{}, ErrIgnored
	}
	var in struct {
		Ref        string     `json:"ref"`
		Before     string     `json:"before"`
		After      string     `json:"after"`
		Repository repository `json:"repository"`
		Project    repository `json:"project"`
	}
	if err := decode(body, &in); err != nil {
		return Push{}, err
	}
	return Push{
		URLs: append(in.Repository.urls(), in.Project.urls()...),
		Refs: []Ref{change(in.Ref, in.Before, in.After)},
	}, nil
}

// readRelease reads a release of GitLab. Whatever becomes of it, the tag stays.
func readRelease(body []byte) (Push, error) {
	var in struct {
		Tag     string     `json:"tag"`
		Project repository `json:"project"`
	}
	if err := decode(body, &in); err != nil {
		return Push{}, err
	}
	return Push{URLs: in.Project.urls(), Refs: []Ref{{Name: refName("tag", in.Tag)}}}, nil
}

// readBitbucket reads an event of Bitbucket Cloud or of a Bitbucket of one's own (Data Center).
func readBitbucket(event string, body []byte) (Push, error) {
	switch event {
	case "repo:push":
		return readCloud(body)
	case "repo:refs_changed":
		return readDataCenter(body)
	case "diagnostics:ping":
		return Push{}, nil
	}
	return Push{}, ErrIgnored
}

type link struct {
	Href string `json:"href"`
}

func readCloud(body []byte) (Push, error) {
	type side struct {
		Type   string `json:"type"`
		Name   string `json:"name"`
		Target struct {
			Hash string `json:"hash"`
		} `json:"target"`
	}
	var in struct {
		Push struct {
			Changes []struct {
				Old *side `json:"old"`
				New *side `json:"new"`
			} `json:"changes"`
		} `json:"push"`
		Repository struct {
			Links struct {
				HTML  link   `json:"html"`
				Clone []link `json:"clone"`
			} `json:"links"`
		} `json:"repository"`
	}
	if err := decode(body, &in); err != nil {
		return Push{}, err
	}
	push := Push{URLs: []string{in.Repository.Links.HTML.Href}}
	for _, l := range in.Repository.Links.Clone {
		push.URLs = append(push.URLs, l.Href)
	}
	for _, c := range in.Push.Changes {
		at := c.New
		if at == nil {
			at = c.Old
		}
		if at == nil {
			return Push{}, fmt.Errorf("%w: a change is from nothing to nothing", ErrPayload)
		}
		ref := Ref{Name: refName(at.Type, at.Name), Deleted: c.New == nil}
		if c.Old != nil {
			ref.Old = c.Old.Target.Hash
		}
		if c.New != nil {
			ref.New = c.New.Target.Hash
		}
		push.Refs = append(push.Refs, ref)
	}
	return push, nil
}

func readDataCenter(body []byte) (Push, error) {
	var in struct {
		Changes []struct {
			Ref struct {
				ID string `json:"id"`
			} `json:"ref"`
			From string `json:"fromHash"`
			To   string `json:"toHash"`
		} `json:"changes"`
		Repository struct {
			Links struct {
				Self  []link `json:"self"`
				Clone []link `json:"clone"`
			} `json:"links"`
		} `json:"repository"`
	}
	if err := decode(body, &in); err != nil {
		return Push{}, err
	}
	var push Push
	for _, l := range append(in.Repository.Links.Clone, in.Repository.Links.Self...) {
		push.URLs = append(push.URLs, l.Href)
	}
	for _, c := range in.Changes {
		push.Refs = append(push.Refs, change(c.Ref.ID, c.From, c.To))
	}
	return push, nil
}
