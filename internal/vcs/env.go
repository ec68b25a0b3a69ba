package vcs

import (
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// keep reports whether the go command and the version control systems below it
// get the variable called name from our caller. Kept is what says who the user is,
// how to reach the network, and how to log in there; everything else is
// dropped, above all what would lead git elsewhere (GIT_DIR, GIT_WORK_TREE, when we run
// in a hook), make it print secrets (GIT_TRACE, GIT_CURL_VERBOSE), or change what the
// go command does (GOFLAGS, GOPROXY, GOROOT, GODEBUG).
func keep(name string) bool {
	if runtime.GOOS == "windows" {
		name = strings.ToUpper(name)
	}
	switch name {
	case "HOME", "PATH", "USER", "LOGNAME", "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS",
		"SSH_AUTH_SOCK", "SSH_AGENT_PID", "KRB5CCNAME", "KRB5_CONFIG", "NETRC", "HGRCPATH",
		"GOAUTH", "GOINSECURE", "GOVCS",
		"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "all_proxy", "no_proxy",
		"SSL_CERT_FILE", "SSL_CERT_DIR", "CURL_CA_BUNDLE",
		"GIT_SSH", "GIT_SSH_COMMAND", "GIT_SSH_VARIANT", "GIT_PROXY_COMMAND", "GIT_ALLOW_PROTOCOL", "GIT_EXEC_PATH":
		return true
	case "SYSTEMROOT", "SYSTEMDRIVE", "WINDIR", "COMSPEC", "PATHEXT", "USERNAME", "USERDOMAIN", "USERPROFILE", "HOMEDRIVE", "HOMEPATH",
		"APPDATA", "LOCALAPPDATA", "PROGRAMDATA", "ALLUSERSPROFILE", "PROGRAMFILES", "PROGRAMFILES(X86)", "PROGRAMW6432":
		return runtime.GOOS == "windows"
	}
	// GIT_CONFIG_GLOBAL, _SYSTEM, _COUNT, _KEY_0, _VALUE_0, …; GIT_SSL_CAINFO, …; GIT_HTTP_LOW_SPEED_TIME, …
	for _, prefix := range []string{"GIT_CONFIG_", "GIT_SSL_", "GIT_HTTP_"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

// withoutProxies returns env without what leads to outbound proxies, or past them.
func withoutProxies(env []string) []string {
	return slices.DeleteFunc(env, func(e string) bool {
		name, _, _ := strings.Cut(e, "=")
		switch strings.ToUpper(name) {
		case "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY":
			return true
		}
		return false
	})
}

// environ returns the environment of a go command that is to ask for the
// module path in s: what is kept of env, and the settings that make the answer
// depend on the origin alone.
func (s *scratch) environ(env []string, path string) []string {
	var out []string
	for _, e := range env {
		if name, _, ok := strings.Cut(e, "="); ok && keep(name) {
			out = append(out, e)
		}
	}
	tmp := s.sub("tmp")
	out = append(out,
		"GO111MODULE=on",
		"GOENV=off", // the user's go env -w
		"GOWORK=off",
		"GOFLAGS=-modcacherw", // so that the cache can be removed
		"GOTOOLCHAIN=local",
		"GOMODCACHE="+s.sub("mod"),
		"GOPATH="+s.sub("gopath"),
		"GOCACHE="+s.sub("build"),
		"GOTMPDIR="+tmp, "TMPDIR="+tmp, "TEMP="+tmp, "TMP="+tmp,
		"GOSUMDB=off", // the caller verifies
		"GONOSUMDB=", "GOPRIVATE=",
		"GIT_TERMINAL_PROMPT=0", "GIT_ASKPASS=", "SSH_ASKPASS=", "SSH_ASKPASS_REQUIRE=never", "GCM_INTERACTIVE=never", // nobody is there to be asked
		"LC_ALL=C", // errors.go reads git's messages
	)
	if path == "golang.org/toolchain" {
		// For this module alone the go command insists on a checksum database of
		// its own unless GOPROXY is a file:// URL; GONOPROXY then still means direct.
		return append(out, "GOPROXY=file:///never-asked", "GONOPROXY="+path)
	}
	return append(out, "GOPROXY=direct", "GONOPROXY=")
}

// getenv returns the value of name in env; the last one counts.
func getenv(env []string, name string) string {
	value := ""
	for _, e := range env {
		n, v, _ := strings.Cut(e, "=")
		if n == name || runtime.GOOS == "windows" && strings.EqualFold(n, name) {
			value = v
		}
	}
	return value
}

// clean removes from the go command's words what is not for others' eyes:
// passwords in URLs, and where our scratch lies.
func (s *scratch) clean(text string) string {
	for _, dir := range []string{s.dir, filepath.Dir(s.dir)} {
		text = strings.ReplaceAll(text, dir+string(os.PathSeparator), "")
	}
	return redact(text)
}
