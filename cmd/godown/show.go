package main

import (
	"fmt"
	"io"
	"reflect"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v4"
)

// newConfigCommand returns the command config.
func newConfigCommand(m machine) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "config [flags]",
		Short: "Print what is configured, and where each value was said",
		Long: `Config prints the configuration that 'godown serve' or 'godown run' would have with
the same flags, environment and file: as YAML that can itself be a --config file,
each value followed by where it comes from. Secrets are printed as ` + mask + `.

Exit codes:
  0  the configuration is good
  2  it is not; the messages say what is wrong, and where`,
		Example: `  godown config
  godown config --config /etc/godown.yaml
      to check a file before it is used
  godown config > godown.yaml
      to begin a file`,
		Args: noArguments,
	}
	flags := bindConfig(cmd, "")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		cfg, err := load(cmd.Context(), m, flags.settings())
		if err == nil {
			err = cfg.checkPublish()
		}
		if err != nil {
			return err
		}
		for _, v := range cfg.UnknownEnvironment() {
			hint := ""
			if v.Nearest != "" {
				hint = "; did you mean " + v.Nearest + "?"
			}
			fmt.Fprintf(cmd.ErrOrStderr(), "godown: warning: the environment variable %s means nothing to godown%s\n", v.Name, hint)
		}
		return ended(exitOK, writeConfig(cmd.OutOrStdout(), cfg))
	}
	return cmd
}

// writeConfig writes c as a configuration file, with origins for comments and without secrets.
func writeConfig(w io.Writer, c *Config) error {
	doc := &yaml.Node{Kind: yaml.MappingNode}
	for _, o := range configOptions() {
		origin := c.Origin(o.Key)
		var value *yaml.Node
		switch {
		case o.Only != fileOnly:
			value = shownValue(o, c, origin)
		case o.Key == "auth":
			value = shownAuth(o.field(c), origin)
		default:
			value = shownEntries(o.field(c), origin)
		}
		doc.Content = append(doc.Content, shownText(o.Key), value)
	}
	data, err := yaml.Dump(doc)
	if err != nil {
		return fmt.Errorf("writing the configuration as YAML: %w", err)
	}
	_, err = w.Write(data)
	return err
}

const maskedNote = "; secrets masked, put yours back before you use this as a file"

func shownText(text string) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: text}
}

// shownValue returns the option's value in the struct that source points to,
// with its origin for a comment and without secrets.
func shownValue(o option, source any, origin string) *yaml.Node {
	value := shownText(o.Text(source))
	value.LineComment = origin
	switch o.Type() {
	case "bool", "int":
		value.Tag = "!!" + o.Type()
	default:
		if masked := o.mask(value.Value); masked != value.Value {
			value.Value = masked
			value.LineComment += maskedNote
		}
	}
	return value
}

// shownEntries returns the entries of a list, each with the keys that were
// given; origin is that of the list.
func shownEntries(entries reflect.Value, origin string) *yaml.Node {
	list := &yaml.Node{Kind: yaml.SequenceNode}
	if entries.Len() == 0 {
		list.Style, list.LineComment = yaml.FlowStyle, origin
	}
	options := optionsOf(entries.Type().Elem())
	for i := range entries.Len() {
		e := entries.Index(i).Addr().Interface()
		entry := &yaml.Node{Kind: yaml.MappingNode}
		for _, o := range options {
			origin, given := e.(interface{ listing() *listed }).listing().origins[o.Key]
			if !given {
				continue
			}
			var value *yaml.Node
			if h, ok := o.field(e).Interface().(Headers); ok {
				value = shownHeaders(h, origin)
			} else {
				value = shownValue(o, e, origin)
			}
			entry.Content = append(entry.Content, shownText(o.Key), value)
		}
		list.Content = append(list.Content, entry)
	}
	return list
}

// shownAuth returns the mapping of "auth:"; origin is its own.
func shownAuth(out reflect.Value, origin string) *yaml.Node {
	lists := &yaml.Node{Kind: yaml.MappingNode}
	if out.Len() == 0 {
		lists.Style, lists.LineComment = yaml.FlowStyle, origin
		return lists
	}
	lists.Content = []*yaml.Node{shownText("out"), shownEntries(out, origin)}
	return lists
}

// shownHeaders returns header fields with their texts masked.
func shownHeaders(h Headers, origin string) *yaml.Node {
	fields := &yaml.Node{Kind: yaml.MappingNode}
	for _, name := range h.names() {
		text := shownText(mask)
		text.LineComment = origin + maskedNote
		fields.Content = append(fields.Content, shownText(name), text)
	}
	if len(fields.Content) == 0 {
		fields.Style = yaml.FlowStyle
	}
	return fields
}
