package gauge

import (
	"fmt"
	"strings"

	"golang.org/x/mod/module"
)

// A Module is a version of a module that mirrors are asked for.
type Module struct {
	Path    string `json:"path"`
	Version string `json:"version"`

	// The hashes as go.sum has them; "" if they are not known. They count where the
	// checksum database cannot be reached.
	ZipSum string `json:"-"`
	ModSum string `json:"-"`
}

// String returns the module as in "go get".
func (m Module) String() string { return m.Path + "@" + m.Version }

// Modules returns what is asked for unless the user says otherwise: a zip of some
// 18 kB, one of 290 kB, and one of 3.6 MB, which every public mirror has.
func Modules() []Module {
	return []Module{
		{"github.com/pkg/errors", "v0.9.1", "h1:FEBLx1zS214owpjy7qsBeixbURkuhQAwrK5UwLGTwt4=", "h1:bwawxfHBFNV+L2hUp1rHADufV3IMtnDRdf1r5NINEl0="},
		{"go.uber.org/zap", "v1.27.0", "h1:aJMhYGrd5QSmlpLMr2MftRKl7t8J8PTZPA732ud/XR8=", "h1:GB2qFLM7cTU87MWRP2mPIjqfIDnGu+VIO4V/SdhGo2E="},
		{"k8s.io/client-go", "v0.32.0", "h1:DimtMcnN/JIKZcrSrstiwvvZvLjG0aSxy8PxN8IChp8=", "h1:boDWvdM1Drk4NJj/VddSLnx59X3OPgwrOo0vGbtq9+8="},
	}
}

// Lists returns modules that are released every few days, so that their lists of
// versions show how far a mirror lags behind.
func Lists() []string {
	return []string{
		"github.com/tencentcloud/tencentcloud-sdk-go/tencentcloud/common",
		"github.com/aws/aws-sdk-go-v2/service/ec2",
		"google.golang.org/api",
	}
}

// ParseModule parses PATH@VERSION, where the version is a whole one.
func ParseModule(text string) (Module, error) {
	path, version, ok := strings.Cut(text, "@")
	if !ok {
		return Module{}, fmt.Errorf("%q is not of the form MODULE@VERSION, such as %s", text, Modules()[0])
	}
	if err := module.Check(path, version); err != nil {
		return Module{}, fmt.Errorf("%q names no version of a module: %w", text, err)
	}
	if module.CanonicalVersion(version) != version {
		return Module{}, fmt.Errorf("%q names no whole version of a module, such as v1.2.3", text)
	}
	for _, known := range Modules() {
		if known.Path == path && known.Version == version {
			return known, nil
		}
	}
	return Module{Path: path, Version: version}, nil
}
