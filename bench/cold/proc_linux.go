package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// peakMemory returns the most memory that a process has had resident, in
// bytes. Only Linux has /proc: elsewhere (proc_other.go) it is not known.
func peakMemory(pid int) (int64, error) {
	name := fmt.Sprintf("/proc/%d/status", pid)
	data, err := os.ReadFile(name)
	if err != nil {
		return 0, err
	}
	_, rest, ok := strings.Cut(string(data), "\nVmHWM:")
	if !ok { // it has ended
		return 0, fmt.Errorf("%s: %w", name, errNoProcess)
	}
	text, _, _ := strings.Cut(rest, "kB")
	kib, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
	return kib << 10, err
}
