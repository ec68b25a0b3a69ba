//go:build !windows

package main

import (
	"os"

	"github.com/godown-dev/godown/internal/toolbox/lang"
)

// understands reports whether the terminal understands sequences for colours and cursor.
func understands(*os.File) bool { return true }

// systemLanguage returns the language that the system is set to beside the
// environment: there is no such setting here.
func (machine) systemLanguage(fallback lang.Language) lang.Language { return fallback }
