package publish

import (
	"archive/zip"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/godown-dev/godown"
	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"
	"golang.org/x/mod/semver"
	modzip "golang.org/x/mod/zip"
)

// CheckVersion says what is wrong with path@version as the name of something to
// be published, as an *[Unfit], or nothing. The version must be canonical and fit
// the path's major version. Pseudo-versions belong to commits, and +incompatible
// to what has no go.mod file, which is not published here.
func CheckVersion(path, version string) error {
	wrong := func(format string, args ...any) error {
		return &Unfit{path, version, fmt.Sprintf(format, args...)}
	}
	if err := module.CheckPath(path); err != nil {
		return wrong("%.400v", err)
	}
	if path == "golang.org/toolchain" {
		return wrong("toolchains are not modules of anybody's own")
	}
	if plain, ok := strings.CutSuffix(version, "+incompatible"); ok {
		return wrong("+incompatible stands for a module without a go.mod file, and what is published has one; %s", majorHint(path, plain))
	}
	if !semver.IsValid(version) || module.CanonicalVersion(version) != version {
		if better := canonical(version); better != "" {
			return wrong("the version %.200q is not canonical; did you mean %s?", version, better)
		}
		return wrong("%.200q is not a version such as v1.2.3 or v1.2.3-rc.1", version)
	}
	if module.IsPseudoVersion(version) {
		return wrong("%s is a pseudo-version, which stands for a commit of a repository; choose one such as v1.2.3 or v1.2.3-rc.1", version)
	}
	if err := module.Check(path, version); err != nil {
		return wrong("the version does not fit the module's path; %s", majorHint(path, version))
	}
	return nil
}

// canonical returns what a version that is not canonical was probably meant to be, or nothing.
func canonical(version string) string {
	version = strings.TrimLeft(strings.TrimSpace(version), "vV")
	return semver.Canonical("v" + version)
}

// majorHint says which path and which versions go together.
func majorHint(path, version string) string {
	prefix, pathMajor, ok := module.SplitPathVersion(path)
	major := semver.Major(version)
	fits := module.PathMajorPrefix(pathMajor)
	if fits == "" {
		fits = "v0 or v1"
	}
	switch {
	case !ok || major == "" || module.MatchPathMajor(version, pathMajor):
		return fmt.Sprintf("%s has versions %s", path, fits)
	case strings.HasPrefix(path, "gopkg.in/"):
		return fmt.Sprintf("%s has versions %s, and %s belongs to %s.%s", path, fits, version, prefix, major)
	case major == "v0" || major == "v1":
		return fmt.Sprintf("%s has versions %s, and %s belongs to %s", path, fits, version, prefix)
	}
	return fmt.Sprintf("%s has versions %s, and %s belongs to a module whose go.mod file has the line: module %s/%s", path, fits, version, prefix, major)
}

// CheckZip checks a zip by all the rules, and returns its hash and its go.mod
// file. What is wrong with it is an *[Unfit].
func CheckZip(ctx context.Context, v module.Version, r io.ReaderAt, size int64) (h1 string, mod []byte, err error) {
	h1, err = godown.CheckZip(ctx, godown.Request{Kind: godown.Zip, Path: v.Path, Version: v.Version}, r, size)
	if bad, ok := errors.AsType[*godown.Mismatch](err); ok {
		return "", nil, &Unfit{v.Path, v.Version, "the zip breaks a rule of module zips: " + bad.Reason}
	}
	if err != nil {
		return "", nil, err
	}
	z, err := zip.NewReader(r, size)
	if err != nil {
		return "", nil, fmt.Errorf("reading the zip of %v again: %w", v, err)
	}
	name := v.Path + "@" + v.Version + "/go.mod"
	for _, f := range z.File {
		if f.Name != name {
			continue
		}
		if mod, err = readEntry(f); err != nil {
			return "", nil, fmt.Errorf("reading %s again: %w", name, err)
		}
		return h1, mod, checkMod(v, mod)
	}
	return "", nil, &Unfit{v.Path, v.Version, "the zip has no entry " + name}
}

func readEntry(f *zip.File) ([]byte, error) {
	r, err := f.Open()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	data, err := io.ReadAll(io.LimitReader(r, modzip.MaxGoMod+1))
	if err == nil && len(data) > modzip.MaxGoMod {
		err = fmt.Errorf("more than %d bytes", int64(modzip.MaxGoMod))
	}
	return data, err
}

// checkMod reads a go.mod file as the go command reads that of a dependency,
// for which it can never be corrected any more.
func checkMod(v module.Version, data []byte) error {
	parsed, err := modfile.ParseLax("go.mod", data, nil)
	switch {
	case err != nil:
		return &Unfit{v.Path, v.Version, fmt.Sprintf("the go command could not read its go.mod file: %.500v", err)}
	case parsed.Module == nil:
		return &Unfit{v.Path, v.Version, "its go.mod file has no module line"}
	case parsed.Module.Mod.Path != v.Path:
		return &Unfit{v.Path, v.Version, fmt.Sprintf("its go.mod file is that of module %.300q", parsed.Module.Mod.Path)}
	}
	return nil
}
