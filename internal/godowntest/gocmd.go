package godowntest

import "path/filepath"

// GoEnv returns settings, as KEY=value, with which a real go command asks
// goproxy for modules and gosumdb for checksums, uses its own toolchain, and
// keeps everything it writes below dir. They are to be appended to an
// environment, as in
//
//	cmd.Env = append(cmd.Environ(), godowntest.GoEnv(dir, up.URL, db.SpecURL())...)
//
// No user's settings and no version control system take part.
func GoEnv(dir, goproxy, gosumdb string) []string {
	return []string{
		"HOME=" + dir,
		"USERPROFILE=" + dir,
		"GOPATH=" + filepath.Join(dir, "gopath"),
		"GOMODCACHE=" + filepath.Join(dir, "modcache"),
		"GOCACHE=" + filepath.Join(dir, "gocache"),
		"GOPROXY=" + goproxy,
		"GOSUMDB=" + gosumdb,
		"GOENV=off",
		"GOFLAGS=-mod=mod -modcacherw",
		"GOTOOLCHAIN=local",
		"GOTELEMETRY=off",
		"GOWORK=off",
		"GOVCS=*:off",
		"GOPRIVATE=", "GONOPROXY=", "GONOSUMDB=", "GONOSUMCHECK=", "GOINSECURE=", "GOAUTH=off",
	}
}
