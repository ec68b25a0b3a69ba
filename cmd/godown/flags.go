package main

import (
	"reflect"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// helpWidth is the width of the flags' help, in columns.
const helpWidth = 100

// configHelp is the paragraph on configuration in the help of commands that have one.
const configHelp = `Each flag is also a GODOWN_* variable (--not-found-ttl is GODOWN_NOT_FOUND_TTL) and
a key of the --config file. A flag wins over the environment, that over the file,
that over the default. 'godown config' shows the outcome.
`

// configFlags are the flags of one command that set a Config.
type configFlags []*configFlag

// A configFlag is the flag of an option, as the flag parser wants it. It keeps
// the text only: load checks it, with one form of messages for all origins.
type configFlag struct {
	option option
	text   string
	given  bool
}

// String returns the text given, or in words the default.
func (f *configFlag) String() string {
	if f.given {
		return f.text
	}
	return f.option.DefaultText()
}

// Set keeps the text; of several the last counts.
func (f *configFlag) Set(text string) error {
	f.text, f.given = text, true
	return nil
}

// Type names the value in the help.
func (f *configFlag) Type() string {
	if f.option.OneOf != nil && len(f.option.Type()) > helpWidth/3 {
		return "word" // the help lists them
	}
	return f.option.Type()
}

// bindConfig gives cmd the flags of all options that are not another command's
// only (a name of "" takes all), and --config.
func bindConfig(cmd *cobra.Command, name string) configFlags {
	return bindOptions(cmd, func(o option) bool {
		return o.Only == "" || slices.Contains(strings.Split(o.Only, "|"), name) || name == "" && o.Only != fileOnly
	})
}

// bindOptions gives cmd the flags of the options that are wanted, and --config.
func bindOptions(cmd *cobra.Command, wanted func(option) bool) configFlags {
	file := option{Key: configKey, typ: reflect.TypeFor[string](), Help: "`file` of settings, in YAML, with the names of these flags as keys (see 'godown config')"}
	flags := configFlags{{option: file}}
	for _, o := range configOptions() {
		if wanted(o) {
			flags = append(flags, &configFlag{option: o})
		}
	}
	set := cmd.Flags()
	set.SortFlags = false
	for _, f := range flags {
		added := set.VarPF(f, f.option.Key, "", f.option.Help)
		if f.Type() == "bool" {
			added.NoOptDefVal = "true"
		}
		if f.option.OneOf != nil {
			complete(cmd, f.option.Key, cobra.FixedCompletions(f.option.OneOf, cobra.ShellCompDirectiveNoFileComp))
		}
	}
	complete(cmd, configKey, func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return []string{"yaml", "yml"}, cobra.ShellCompDirectiveFilterFileExt
	})
	complete(cmd, "data", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return nil, cobra.ShellCompDirectiveFilterDirs
	})
	return flags
}

// complete says how the shell completes a flag's value.
func complete(cmd *cobra.Command, key string, f cobra.CompletionFunc) {
	// It fails only for a flag that does not exist, or is completed already.
	_ = cmd.RegisterFlagCompletionFunc(key, f)
}

// settings returns what was given on the command line.
func (flags configFlags) settings() settings {
	s := make(settings)
	for _, f := range flags {
		if f.given {
			s[f.option.Key] = setting{f.text, "flag --" + f.option.Key}
		}
	}
	return s
}
