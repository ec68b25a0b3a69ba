package main

import (
	"os"

	"github.com/godown-dev/godown/internal/toolbox/lang"
	"golang.org/x/sys/windows"
)

// understands reports whether the terminal understands sequences for colours and
// cursor, once it was asked to.
func understands(f *os.File) bool {
	var mode uint32
	h := windows.Handle(f.Fd())
	if windows.GetConsoleMode(h, &mode) != nil {
		return false
	}
	return mode&windows.ENABLE_VIRTUAL_TERMINAL_PROCESSING != 0 || windows.SetConsoleMode(h, mode|windows.ENABLE_VIRTUAL_TERMINAL_PROCESSING) == nil
}

// systemLanguage returns the language of the user's desktop, unless the
// environment says one.
func (m machine) systemLanguage(fallback lang.Language) lang.Language {
	for _, name := range []string{"LC_ALL", "LC_MESSAGES", "LANG"} {
		if m.getenv(name) != "" {
			return fallback
		}
	}
	names, err := windows.GetUserPreferredUILanguages(windows.MUI_LANGUAGE_NAME)
	if err != nil || len(names) == 0 {
		return fallback
	}
	l, _ := lang.Parse(names[0])
	return l
}
