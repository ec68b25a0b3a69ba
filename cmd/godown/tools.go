package main

import "github.com/spf13/cobra"

// toolCommands returns the commands of the tool-box, which need no server.
func toolCommands(m machine) []*cobra.Command {
	return []*cobra.Command{
		newAuthCommand(m),
		newBenchCommand(m),
		newCICommand(m),
		newCacheCommand(m),
		newDoctorCommand(m),
		newExplainCommand(m),
		newLoginCommand(m),
		newLogoutCommand(m),
		newUseCommand(m),
	}
}
