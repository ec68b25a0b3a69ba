package godowntest_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/godown-dev/godown"
	"github.com/godown-dev/godown/internal/godowntest"
)

func TestStoreSuite(t *testing.T) {
	godowntest.TestStore(t, func(*testing.T) godown.Store { return newMemory("") })
}

func TestSourceSuite(t *testing.T) {
	mods := godowntest.NewModules(t, archive)
	godowntest.TestSource(t, mods, mods)
}

func TestVerifierSuite(t *testing.T) {
	mods := godowntest.NewModules(t, archive)
	t.Run("FirstSeen", func(t *testing.T) { godowntest.TestVerifier(t, new(firstSeen), mods, false) })
	t.Run("Knowing", func(t *testing.T) { godowntest.TestVerifier(t, knowing(mods, ""), mods, true) })
}

func knowing(mods *godowntest.Modules, flaw string) *firstSeen {
	known := make(map[godown.Request]string)
	for _, m := range mods.Versions() {
		sums, _ := mods.Sums(m.Path, m.Version)
		known[godown.Request{Kind: godown.Mod, Path: m.Path, Version: m.Version}] = sums.Mod
		known[godown.Request{Kind: godown.Zip, Path: m.Path, Version: m.Version}] = sums.Zip
	}
	return &firstSeen{flaw: flaw, known: known}
}

// flaws names what the suites must find, as suite/flaw.
var flaws = []string{
	"store/absent is another error", "store/takes any name", "store/drops case",
	"store/keeps half a file", "store/deletes once", "store/lists everything",
	"source/absent is another error", "source/cancelled is absent", "source/wrong bytes", "source/wrong size",
	"verifier/believes everything", "verifier/forgets",
	"swapper/takes any name", "swapper/empty is absent", "swapper/compares sizes", "swapper/creates only",
	"swapper/looks too early", "swapper/keeps the buffer",
}

// TestSuitesFindFlaws runs each suite on broken implementations, in processes
// of their own, as a failing subtest would fail this test.
func TestSuitesFindFlaws(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, flaw := range flaws {
		t.Run(flaw, func(t *testing.T) {
			t.Parallel()
			cmd := exec.CommandContext(t.Context(), exe, "-test.run=^TestFlawed$")
			cmd.Env = append(cmd.Environ(), "GODOWNTEST_FLAW="+flaw)
			out, err := cmd.CombinedOutput()
			if err == nil || !strings.Contains(string(out), "--- FAIL: TestFlawed/") {
				t.Errorf("the suite finds no fault (error %v):\n%s", err, out)
			}
		})
	}
}

// TestFlawed is run by TestSuitesFindFlaws, and is to fail there.
func TestFlawed(t *testing.T) {
	suite, flaw, ok := strings.Cut(os.Getenv("GODOWNTEST_FLAW"), "/")
	if !ok {
		t.Skip("run by TestSuitesFindFlaws")
	}
	mods := godowntest.NewModules(t, archive)
	switch suite {
	case "store":
		godowntest.TestStore(t, func(*testing.T) godown.Store { return newMemory(flaw) })
	case "swapper":
		godowntest.TestSwapper(t, func(*testing.T) godown.Store { return newMemory(flaw) })
	case "source":
		godowntest.TestSource(t, flawed(mods, flaw), mods)
	case "verifier":
		godowntest.TestVerifier(t, knowing(mods, flaw), mods, true)
	}
}
