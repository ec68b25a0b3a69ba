package main

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"

	"github.com/godown-dev/godown"
	"github.com/godown-dev/godown/internal/sumlog/witness"
	"golang.org/x/mod/sumdb/note"
)

// ownOff is the value of sumdb-own that switches the database off.
const ownOff = "off"

// checkDatabaseName checks the name of a database of our own: it must be one
// that the go command can have in GOSUMDB and in a URL, and none that it
// knows another key of.
func checkDatabaseName(name string) error {
	const how = "the name of a checksum database is a host, or a host and a path, such as sum.corp.example"
	switch {
	case name == "sum.golang.org" || name == "sum.golang.google.cn":
		return fmt.Errorf("%s is the public checksum database, whose key the go command has built in; take a name of your own", name)
	case name == ownOff, strings.HasPrefix(name, "."), strings.Contains(name, "/."), strings.ContainsAny(name, "\\,\"'"):
		return errors.New(how)
	}
	// Whatever the key is, the rules for the name are the same.
	key, err := note.NewEd25519VerifierKey(name, make(ed25519.PublicKey, ed25519.PublicKeySize))
	if err == nil {
		var spec godown.SumDBSpec
		if spec, err = godown.ParseSumDB(key); err == nil && spec.Name == name {
			return nil
		}
	}
	return errors.New(how)
}

// checkOwnSumDB checks the name of the database of our own that is to be served.
func (c *Config) checkOwnSumDB(name string) error {
	if name == "" || name == ownOff {
		return nil
	}
	if err := checkDatabaseName(name); err != nil {
		return fmt.Errorf("%w; or write off for none", err)
	}
	// An invalid sumdb has its own message.
	if spec, err := godown.ParseSumDB(string(c.SumDB)); err == nil && spec.Name == name {
		return errors.New("it has the name of the database that sumdb says; the two are served side by side, below /sumdb/NAME, and need different names; the public one is --sumdb sum.golang.org")
	}
	return nil
}

// checkSumDBListen checks the address of the database's own listener.
func (c *Config) checkSumDBListen() error {
	if c.SumDBListen == "" {
		return nil
	}
	if err := checkAddress(c.SumDBListen); err != nil {
		return err
	}
	host, port, _ := net.SplitHostPort(c.SumDBListen)
	// An invalid listen has its own message.
	mainHost, mainPort, err := net.SplitHostPort(c.Listen)
	a, errA := strconv.Atoi(port)
	b, errB := strconv.Atoi(mainPort)
	if err != nil || errA != nil || errB != nil || a != b || a == 0 {
		return nil
	}
	everywhere := func(host string) bool {
		ip := net.ParseIP(host)
		return host == "" || ip != nil && ip.IsUnspecified()
	}
	if strings.EqualFold(host, mainHost) || everywhere(host) || everywhere(mainHost) {
		return fmt.Errorf("it is where listen (%s) is; the proxy and the database need a port each", c.Listen)
	}
	return nil
}

// parseWitnesses checks a list of witnesses, and drops needless blanks and empty
// elements. Its messages do not repeat what could be a secret.
func parseWitnesses(text string) (Witnesses, error) {
	var list []string
	seen := make(map[string]bool) // by name
	number := 0
	for entry := range strings.SplitSeq(text, ",") {
		fields := strings.Fields(entry)
		if len(fields) == 0 {
			continue
		}
		number++
		switch {
		case strings.Contains(entry, privateKeyMark):
			return "", fmt.Errorf("entry %d of the list has a private key; a witness keeps that to itself", number)
		case len(fields) != 2:
			return "", fmt.Errorf("entry %d of the list is not of the form KEY URL: a witness's public key and where it is, with a blank between", number)
		}
		entry = fields[0] + " " + fields[1]
		w, err := witness.ParseWitness(entry)
		if err != nil {
			return "", fmt.Errorf("entry %d of the list: %w", number, err)
		}
		if seen[w.Key.Name()] {
			return "", fmt.Errorf("entry %d of the list: the witness %s stands there twice", number, w.Key.Name())
		}
		seen[w.Key.Name()] = true
		list = append(list, entry)
	}
	return Witnesses(strings.Join(list, ",")), nil
}

// entries returns the witnesses, "KEY URL" each.
func (w Witnesses) entries() []string {
	if w == "" {
		return nil
	}
	return strings.Split(string(w), ",")
}
