package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/godown-dev/godown"
	"github.com/godown-dev/godown/internal/mirror"
	"github.com/godown-dev/godown/internal/vcs"
)

// validate checks what an option alone cannot, makes data and the names of
// files absolute paths, and works out what the names in upstream and
// private-upstream stand for.
func (c *Config) validate(ctx context.Context, known *goSettings) error {
	var problems []error
	check := func(key, text string, err error) {
		if err != nil {
			problems = append(problems, problem(key, text, c.Origin(key), err))
		}
	}
	check("listen", c.Listen, checkAddress(c.Listen))
	builtIn := func() ([]string, error) { return known.builtIn(ctx) }
	entries, err := resolveUpstream(string(c.Upstream), c.Mirrors, builtIn)
	check("upstream", string(c.Upstream), err)
	c.upstreams = entries
	c.markPublic(func() ([]string, error) { return known.builtIn(ctx) })
	entries, err = resolvePrivate(string(c.PrivateUpstream), c.Mirrors, builtIn)
	check("private-upstream", string(c.PrivateUpstream), err)
	c.privateUpstreams = entries
	for i := range c.Mirrors {
		problems = append(problems, c.Mirrors[i].checkFiles()...)
	}
	for i := range c.Auth {
		problems = append(problems, c.Auth[i].checkFiles()...)
	}
	netrc, err := existingFile(c.Netrc)
	check("netrc", c.Netrc, err)
	c.Netrc = netrc
	gitConfig, err := existingFile(c.GitConfig)
	check("git-config", c.GitConfig, err)
	c.GitConfig = gitConfig
	check("govcs", c.GoVCS, vcs.CheckGOVCS(c.GoVCS))
	check("sumdb", maskPrivateKeys(string(c.SumDB)), checkSumDB(string(c.SumDB)))
	check("sumdb-own", maskPrivateKeys(c.SumDBOwn), c.checkOwnSumDB(c.SumDBOwn))
	check("sumdb-listen", c.SumDBListen, c.checkSumDBListen())
	data, err := dataDir(c.Data)
	check("data", c.Data, err)
	c.Data = data
	return errors.Join(problems...)
}

// checkPublish checks what only a server needs to be complete: who may publish
// is said by two keys, neither of which means anything alone.
func (c *Config) checkPublish() error {
	switch {
	case c.Publish != "" && c.PublishToken == "":
		return fmt.Errorf("%s: %s is given without %s, and so nobody could publish; set %s to env:NAME or file:PATH, where a secret stands that you make up",
			c.Origin(publishKey), publishKey, publishTokenKey, publishTokenKey)
	case c.Publish == "" && c.PublishToken != "":
		return fmt.Errorf("%s: %s is given without %s: nothing could be published; set %s to the modules that may be, such as git.corp.example/*",
			c.Origin(publishTokenKey), publishTokenKey, publishKey, publishKey)
	}
	return nil
}

// resolvePrivate is resolveUpstream for private modules, and refuses what is public.
func resolvePrivate(list string, mirrors Mirrors, builtIn func() ([]string, error)) ([]upstreamEntry, error) {
	const reason = "private modules must never be named to a public mirror"
	number := 0
	for text := range strings.FieldsFuncSeq(list, func(r rune) bool { return r == ',' || r == '|' }) {
		if text = strings.TrimSpace(text); text == "" {
			continue
		}
		number++
		if text == "direct" || text == "off" {
			break // the list ends here
		}
		if text == mirrorsWord {
			return nil, fmt.Errorf("entry %d of the list: %q stands for all entries of mirrors:, of which some may be public, and %s; name those that are private", number, text, reason)
		}
		if slices.Contains(reservedNames(), text) {
			return nil, fmt.Errorf("entry %d of the list: %q stands for public mirrors, and %s; write direct, or a mirror of your own", number, text, reason)
		}
	}
	entries, err := resolveUpstream(list, mirrors, builtIn)
	if err != nil {
		return nil, err
	}
	var public []string // hosts
	for i, e := range entries {
		if e.URL == nil {
			continue
		}
		if public == nil {
			public = publicHosts(builtIn)
		}
		if host := strings.TrimSuffix(strings.ToLower(e.URL.Hostname()), "."); host != "" && slices.Contains(public, host) {
			return nil, fmt.Errorf("entry %d of the list is the public mirror %s, and %s; write direct, or a mirror of your own", i+1, host, reason)
		}
	}
	return entries, nil
}

// markPublic notes which upstreams are public mirrors, and whether others are there.
func (c *Config) markPublic(builtIn func() ([]string, error)) {
	var public []string // looked up if there is a host to compare with
	for i, e := range c.upstreams {
		if e.URL == nil {
			continue
		}
		host := strings.TrimSuffix(strings.ToLower(e.URL.Hostname()), ".")
		if ip := net.ParseIP(host); public == nil && host != "" && host != "localhost" && ip == nil {
			public = publicHosts(builtIn)
		}
		c.upstreams[i].public = slices.Contains(public, host)
		c.ownUpstream = c.ownUpstream || !c.upstreams[i].public
	}
}

// publicHosts returns the hosts of the public mirrors that are known.
func publicHosts(builtIn func() ([]string, error)) []string {
	var hosts []string
	add := func(text string) {
		if u, err := url.Parse(text); err == nil && u.Hostname() != "" {
			hosts = append(hosts, strings.ToLower(u.Hostname()))
		}
	}
	for _, p := range mirror.Presets("") {
		add(p.URL)
	}
	// Without an installation of Go nobody knows, and this is a second net only.
	urls, _ := builtIn()
	for _, text := range urls {
		add(text)
	}
	return hosts
}

// checkAddress checks an address to listen on.
func checkAddress(addr string) error {
	const how = "it must be HOST:PORT such as 127.0.0.1:8080, [::1]:8080 or :8080"
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return errors.New(how)
	}
	// A name such as "http" would need a look-up that may differ between machines.
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return fmt.Errorf("%s; the port is a number from 0 to 65535", how)
	}
	return nil
}

// parseUpstream parses a list in GOPROXY syntax, entry by entry where passwords
// are about: a message on the whole could show a piece of one.
func parseUpstream(list string) ([]godown.ProxyEntry, error) {
	entries, err := godown.ParseGOPROXY(list)
	if err == nil || !strings.Contains(list, "@") {
		return entries, err
	}
	for i, entry := range strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == '|' }) {
		if strings.TrimSpace(entry) == "" {
			continue
		}
		if _, err := godown.ParseGOPROXY(entry); err != nil {
			return nil, fmt.Errorf("entry %d of the list is not the URL of a proxy: it needs https, http or file, a host, no query, and in its password %%XX for special characters (%%2C for a comma, %%2F for a slash)", i+1)
		}
	}
	return nil, errors.New("this is no list in GOPROXY syntax")
}

// checkSumDB checks a value in GOSUMDB syntax.
func checkSumDB(spec string) error {
	switch strings.TrimSpace(spec) {
	case "":
		return errors.New("it is empty; write the name of a checksum database, or off to verify nothing")
	case "off":
		return nil
	}
	if strings.Contains(spec, privateKeyMark) {
		return errors.New("it is a private key, which belongs into sumdb-key; here stands the public one")
	}
	_, err := godown.ParseSumDB(spec)
	if err != nil && strings.Contains(spec, "@") {
		return errors.New("it is neither NAME, KEY, NAME URL nor KEY URL with a valid URL")
	}
	return err
}

// dataDir checks and completes the path of the store.
func dataDir(dir string) (string, error) {
	if strings.TrimSpace(dir) == "" {
		return "", errors.New("it is empty; name a folder")
	}
	return absolute(dir)
}

// absolute returns the absolute path of a file or folder.
func absolute(path string) (string, error) {
	if path == "~" || strings.HasPrefix(path, "~/") {
		return "", errors.New("only a shell knows what ~ is; write the path in full")
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", fmt.Errorf("the working directory is unknown, so the path must be absolute: %w", err)
	}
	return abs, nil
}
