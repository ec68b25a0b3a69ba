package doctor

// MachineChecks returns the checks of the machine and of its ways to the
// network that need no mirror. What only asking mirrors can show Chain tells.
func MachineChecks() []Check {
	m := thisMachine()
	return []Check{
		checkProxyEnv, checkGitProxy, checkGit, checkSSH, checkNetrc, checkRoots,
		checkHome, m.checkFolders, m.checkTemp, m.checkLimits, checkDisk, checkCacheFiles, checkHijack,
	}
}
