package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/godown-dev/godown"
)

// validate checks what an option alone cannot, makes data an absolute path,
// and works out what the names in upstream stand for.
func (c *Config) validate(ctx context.Context, known *goSettings) error {
	var problems []error
	check := func(key, text string, err error) {
		if err != nil {
			problems = append(problems, problem(key, text, c.Origin(key), err))
		}
	}
	check("listen", c.Listen, checkAddress(c.Listen))
	entries, err := resolveUpstream(string(c.Upstream), c.Mirrors, func() ([]string, error) { return known.builtIn(ctx) })
	check("upstream", string(c.Upstream), err)
	c.upstreams = entries
	for i := range c.Mirrors {
		problems = append(problems, c.Mirrors[i].checkFiles()...)
	}
	check("sumdb", string(c.SumDB), checkSumDB(string(c.SumDB)))
	data, err := dataDir(c.Data)
	check("data", c.Data, err)
	c.Data = data
	return errors.Join(problems...)
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
	if dir == "~" || strings.HasPrefix(dir, "~/") {
		return "", errors.New("only a shell knows what ~ is; write the path in full")
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("the working directory is unknown, so the path must be absolute: %w", err)
	}
	return abs, nil
}
