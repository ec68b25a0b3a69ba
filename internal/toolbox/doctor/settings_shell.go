package doctor

import (
	"fmt"

	"github.com/godown-dev/godown/internal/toolbox/goenv"
)

// shellPlaces returns the files and lines that set a variable of the environment: those
// that set what it is, or where none does, all that set it.
func (f *Facts) shellPlaces(name string) []string {
	root := f.Root
	if root == "" {
		root = "/"
	}
	now := f.Machine.Getenv(name)
	var same, all []string
	for _, l := range goenv.ShellSettings(f.Machine, f.Home, root) {
		if l.Name != name || l.Writes {
			continue
		}
		place := fmt.Sprintf("%s:%d", f.tilde(l.File), l.Number)
		all = append(all, place)
		if l.Literal && l.Value == now {
			same = append(same, place)
		}
	}
	if len(same) > 0 {
		return same
	}
	return all
}
