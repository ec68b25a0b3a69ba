package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

const (
	envPrefix = "GODOWN_"
	configKey = "config" // of the flag and variable that name the file; not an option of the file
)

// A setting is the text that somebody gave for a key, and who that was.
type setting struct{ text, origin string }

// settings are the settings of one or more origins, by key.
type settings map[string]setting

// load makes the effective configuration of what was given as flags, in the
// environment and in the file that one of these names, in this order, and of
// the defaults. All that is wrong is in the one error, a line each.
func load(ctx context.Context, m machine, flags settings) (*Config, error) {
	c := &Config{origins: make(map[string]string), environ: m.environ}
	given := make(settings)
	env := m.settings()
	file, ok := flags[configKey]
	if !ok {
		file, ok = env[configKey]
	}
	if ok {
		fromFile, read, err := readConfigFile(file)
		if err != nil {
			return nil, err // what it was to say could make other values look wrong
		}
		given.add(fromFile)
		if _, ok := fromFile["upstream"]; !ok && len(read.Mirrors) > 0 {
			// Whoever lists mirrors means them to be asked.
			given["upstream"] = setting{mirrorsWord + ",direct", "mirrors: of " + fromFile["mirrors"].origin}
		}
		c.Mirrors, c.VCS, c.Auth = read.Mirrors, read.VCS, read.Auth
	}
	given.add(env)
	given.add(flags)
	c.unknown = m.unknownVariables()

	var problems []error
	known := goSettings{machine: m}
	for _, o := range configOptions() {
		s, ok := given[o.Key]
		if o.Only == fileOnly {
			if !ok {
				s.origin = "default"
			}
			c.origins[o.Key] = s.origin
			continue
		}
		if !ok {
			var err error
			if s, err = defaultOf(ctx, o, given, m, &known); err != nil {
				problems = append(problems, err)
				continue
			}
		}
		c.origins[o.Key] = s.origin
		err := o.Set(c, s.text)
		if _, ok := flags[o.Key]; ok && err == nil && o.Type() == "secret" {
			err = checkSecretFlag(s.text)
		}
		if err != nil {
			problems = append(problems, problem(o.Key, o.mask(s.text), s.origin, err))
		}
	}
	if err := errors.Join(problems...); err != nil {
		return nil, err // validate would only complain of what is missing
	}
	if err := c.validate(ctx, &known); err != nil {
		return nil, err
	}
	c.goEnv = known.values
	return c, nil
}

// checkSecretFlag refuses a secret that is itself an argument.
func checkSecretFlag(text string) error {
	for _, prefix := range []string{"env:", "file:", "command:"} {
		if strings.HasPrefix(text, prefix) {
			return nil
		}
	}
	if text == "" {
		return nil
	}
	return errors.New("a secret on the command line can be read by every user of the machine; write env:NAME or file:PATH")
}

// add puts the settings of over in the place of those of s.
func (s settings) add(over settings) {
	for key, v := range over {
		s[key] = v
	}
}

// problem is the one form of a message about a value.
func problem(key, text, origin string, err error) error {
	return fmt.Errorf("%s: %s %q: %w", origin, key, maskSecrets(text), err)
}

// defaultOf returns what o is when nobody gave it.
func defaultOf(ctx context.Context, o option, given settings, m machine, known *goSettings) (setting, error) {
	if leader, ok := given[o.Follows]; ok && o.Follows != "" {
		return setting{leader.text, "as " + o.Follows + ", " + leader.origin}, nil
	}
	if o.GoEnv != "" {
		s, err := known.lookup(ctx, o.GoEnv)
		if err != nil {
			return setting{}, fmt.Errorf("%s has no value: %w; give it with --%s or %s", o.Key, err, o.Key, o.Env())
		}
		return s, nil
	}
	if o.Compute != "" {
		dir, err := m.userCacheDir()
		if err != nil {
			return setting{}, fmt.Errorf("%s has no value: the user's cache directory is unknown (%w); name a folder with --%s or %s", o.Key, err, o.Key, o.Env())
		}
		return setting{filepath.Join(dir, "godown"), "default"}, nil
	}
	return setting{o.Default, "default"}, nil
}

// settings returns the configuration in the environment. As for the go
// command, a variable that is empty is one that is not set.
func (m machine) settings() settings {
	s := make(settings)
	for _, key := range envKeys() {
		if v := m.getenv(envName(key)); v != "" {
			s[key] = setting{v, "environment " + envName(key)}
		}
	}
	return s
}

// unknownVariables returns the variables that begin as ours do, but are none.
func (m machine) unknownVariables() []Misspelt {
	var list []Misspelt
	names := []string{publishServerEnv, publishTokenEnv, langEnv, userEnv, idTokenEnv, oidcEnv} // which are no settings
	for _, key := range envKeys() {
		names = append(names, envName(key))
	}
	for _, v := range m.environ {
		name, _, _ := strings.Cut(v, "=")
		if strings.HasPrefix(name, envPrefix) && !slices.Contains(names, name) {
			list = append(list, Misspelt{name, nearest(name, names)})
		}
	}
	return list
}

// envKeys returns the keys that have an environment variable.
func envKeys() []string {
	list := slices.DeleteFunc(configOptions(), func(o option) bool { return o.Only == fileOnly })
	return append(keysOf(list), configKey)
}

// keysOf returns the keys of options.
func keysOf(list []option) []string {
	var keys []string
	for _, o := range list {
		keys = append(keys, o.Key)
	}
	return keys
}
