package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// newVersionCommand returns the command version.
func newVersionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version of godown, of Go, and the platform",
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, args []string) error {
			info, _ := debug.ReadBuildInfo()
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "godown %s (%s, %s/%s)\n", versionOf(info), runtime.Version(), runtime.GOOS, runtime.GOARCH)
			return ended(exitOK, err)
		},
	}
}

// versionOf returns the version that info tells: the module's, or for a build
// without one "devel", followed by the commit if it is known, and by "+dirty"
// if there were changes on top of that.
func versionOf(info *debug.BuildInfo) string {
	if info == nil {
		return "devel"
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v // a version from version control ends in +dirty itself
	}
	version := "devel"
	var dirty bool
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			version += "-" + s.Value[:min(12, len(s.Value))]
		case "vcs.modified":
			dirty = s.Value == "true"
		}
	}
	if dirty {
		version += "+dirty"
	}
	return version
}
