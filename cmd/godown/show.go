package main

import (
	"fmt"
	"io"

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
each value followed by where it comes from. Passwords are printed as ` + mask + `.

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
		key := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: o.Key}
		value := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: o.Text(c), LineComment: c.Origin(o.Key)}
		switch o.Type() {
		case "bool", "int":
			value.Tag = "!!" + o.Type()
		case "list", "text":
			if masked := maskSecrets(value.Value); masked != value.Value {
				value.Value = masked
				value.LineComment += "; secrets masked, put yours back before you use this as a file"
			}
		}
		doc.Content = append(doc.Content, key, value)
	}
	data, err := yaml.Dump(doc)
	if err != nil {
		return fmt.Errorf("writing the configuration as YAML: %w", err)
	}
	_, err = w.Write(data)
	return err
}
