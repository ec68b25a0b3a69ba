package vcs

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/godown-dev/godown"
)

// A refList is what a remote said of its branches and tags. It is not changed
// once it is made.
type refList struct {
	names  map[string]string   // HEAD, refs/heads/…, refs/tags/…: the commit, not the tag object
	tags   map[string][]string // by commit: its tags, without refs/tags/, sorted
	sum    string              // of all names and commits, as the go command's RepoSum
	sha256 bool
	at     time.Time // when the remote was asked
}

// refs returns the references of the remote, asked for no longer ago than
// maxAge. All who ask at the same time cause one question.
func (r *remote) refs(ctx context.Context, maxAge time.Duration) (*refList, error) {
	r.mu.Lock()
	list := r.list
	r.mu.Unlock()
	if list != nil && time.Since(list.at) < maxAge {
		return list, nil
	}
	return r.refsRun.do(ctx, r.o.closing, &r.o.working, true, func(ctx context.Context) (*refList, error) {
		list, err := r.askRefs(ctx)
		if err != nil {
			return nil, err
		}
		r.mu.Lock()
		r.list = list
		if len(list.names) > 0 {
			r.is256 = list.sha256
		}
		r.mu.Unlock()
		r.lookForDrift(list)
		return list, nil
	})
}

// forgetRefs sees to it that the remote is asked next time.
func (r *remote) forgetRefs() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.list = nil
}

func (r *remote) askRefs(ctx context.Context) (*refList, error) {
	g := gitRun{args: []string{"ls-remote", "-q", "--end-of-options", r.remoteURL()}, remote: r}
	if !r.o.git.atLeast(2, 24) {
		g.args = []string{"ls-remote", "-q", r.remoteURL()}
	}
	if r.canFilter() == "" {
		f, err := r.o.createTemp("packets-*")
		if err != nil {
			return nil, err
		}
		f.Close()
		g.trace = f.Name()
		defer os.Remove(g.trace)
	}
	asked := time.Now()
	out, err := r.o.run(ctx, g)
	if err != nil {
		return nil, r.absentPage(ctx, err)
	}
	list, err := parseRefs(out)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", r.address.Redacted(), err)
	}
	list.at = asked
	if g.trace != "" {
		r.learnFilter(g.trace)
	}
	return list, nil
}

// absentPage returns err, or that the repository does not exist: to those who
// show no credential hosts say that they must, whether it exists or not, while
// its page tells more. That a private one "does not exist" proves nothing.
func (r *remote) absentPage(ctx context.Context, err error) error {
	status, ok := errors.AsType[*godown.BadStatus](err)
	if !ok || status.Code != http.StatusUnauthorized || r.address.Scheme == "ssh" || r.key.free {
		return err
	}
	req, reqErr := http.NewRequestWithContext(ctx, http.MethodGet, r.remoteURL(), nil)
	if reqErr != nil {
		return err
	}
	resp, reqErr := (&http.Client{Transport: r.o.client.of(r.key.free, r.key.insecure), Timeout: pageTimeout}).Do(req)
	if reqErr != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusNotFound || resp.StatusCode == http.StatusGone {
		return &godown.NotFound{Text: "reading " + resp.Request.URL.Redacted() + ": " + resp.Status}
	}
	return err
}

// parseRefs parses the output of git ls-remote.
func parseRefs(out []byte) (*refList, error) {
	list := &refList{names: make(map[string]string), tags: make(map[string][]string)}
	peeled := make(map[string]string)
	for line := range bytes.Lines(out) {
		hash, name, ok := strings.Cut(strings.TrimSuffix(string(line), "\n"), "\t")
		if !ok || !isHash(hash) {
			return nil, fmt.Errorf("git ls-remote printed the line %.100q", line)
		}
		list.sha256 = len(hash) == 64
		if strings.ContainsFunc(name, func(c rune) bool { return c <= ' ' || c == 0x7f }) {
			continue // git allows no such name
		}
		if name != "HEAD" && !strings.HasPrefix(name, "refs/heads/") && !strings.HasPrefix(name, "refs/tags/") {
			continue
		}
		if tag, ok := strings.CutSuffix(name, "^{}"); ok {
			peeled[tag] = hash
			continue
		}
		if strings.ContainsAny(name, "~^:?*[\\") {
			continue // nor such a one, and in a refspec it would mean something else
		}
		list.names[name] = hash
	}
	for tag, hash := range peeled {
		if list.names[tag] == "" {
			continue
		}
		list.names[tag] = hash
	}
	var all []string
	for name, hash := range list.names {
		all = append(all, name)
		if tag, ok := strings.CutPrefix(name, "refs/tags/"); ok {
			list.tags[hash] = append(list.tags[hash], tag)
		}
	}
	for _, tags := range list.tags {
		slices.Sort(tags)
	}
	slices.Sort(all)
	h := sha256.New()
	for _, name := range all {
		fmt.Fprintf(h, "%q %s\n", name, list.names[name])
	}
	list.sum = "r1:" + base64.StdEncoding.EncodeToString(h.Sum(nil))
	return list, nil
}

// isHash reports whether s is the whole name of an object.
func isHash(s string) bool { return (len(s) == 40 || len(s) == 64) && isHex(s) }

func isHex(s string) bool {
	for _, c := range []byte(s) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// tagsWith returns the tags with a prefix, sorted, and their sum as the go
// command's TagSum: only tags that can be versions count, behind the last slash of the prefix.
func (l *refList) tagsWith(prefix string) (tags []string, sum string) {
	for name := range l.names {
		if tag, ok := strings.CutPrefix(name, "refs/tags/"); ok && strings.HasPrefix(tag, prefix) {
			tags = append(tags, tag)
		}
	}
	slices.Sort(tags)
	dir := prefix[:strings.LastIndex(prefix, "/")+1]
	h := sha256.New()
	for _, tag := range tags {
		if canBeVersion(strings.TrimPrefix(tag, dir)) {
			fmt.Fprintf(h, "%q %s\n", tag, l.names["refs/tags/"+tag])
		}
	}
	return tags, "t1:" + base64.StdEncoding.EncodeToString(h.Sum(nil))
}

// canFilter tells whether the remote can leave objects out: yes, no, or "" if that is not known.
func (r *remote) canFilter() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.filter == "" {
		data, _ := os.ReadFile(filepath.Join(r.dir, "filter"))
		if s := strings.TrimSpace(string(data)); s == "yes" || s == "no" {
			r.filter = s
		}
	}
	return r.filter
}

// learnFilter reads in the packets of a conversation whether the remote can
// leave objects out: "packet: git< fetch=shallow wait-for-done filter".
func (r *remote) learnFilter(trace string) {
	f, err := os.Open(trace)
	if err != nil {
		return
	}
	defer f.Close()
	can := "no"
	s := bufio.NewScanner(io.LimitReader(f, 256<<10))
	for s.Scan() {
		_, packet, ok := strings.Cut(s.Text(), "< ")
		// As version 2 of the protocol has it, which also gives any commit by its hash.
		if powers, found := strings.CutPrefix(packet, "fetch="); ok && found && slices.Contains(strings.Fields(powers), "filter") {
			can = "yes"
			break
		}
	}
	r.mu.Lock()
	r.filter = can
	r.mu.Unlock()
	if os.MkdirAll(r.dir, 0o700) == nil {
		_ = os.WriteFile(filepath.Join(r.dir, "filter"), []byte(can+"\n"), 0o600)
	}
}
