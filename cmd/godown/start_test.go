//go:build unix

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// BenchmarkStart tells how long commands take that ask nothing of the network,
// from the call to the end: they should be below 50 ms. The baseline is a
// program that does nothing at all.
func BenchmarkStart(b *testing.B) {
	dir := b.TempDir()
	program := filepath.Join(dir, "godown")
	if out, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		b.Fatalf("%v\n%s", err, out)
	}
	home := filepath.Join(dir, "home")
	if err := os.MkdirAll(home, 0o755); err != nil {
		b.Fatal(err)
	}
	measure := func(name string, stdin string, args ...string) {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				cmd := exec.Command(args[0], args[1:]...)
				cmd.Env = append(os.Environ(), "HOME="+home, "XDG_CONFIG_HOME="+home)
				cmd.Stdin = strings.NewReader(stdin)
				cmd.Dir = home
				if out, err := cmd.CombinedOutput(); err != nil {
					b.Fatalf("%v\n%s", err, out)
				}
			}
		})
	}
	measure("baseline", "", "true")
	measure("version", "", program, "version")
	measure("help", "", program, "-h")
	measure("auth", "", program, "auth")
	measure("use", "", program, "use") // asks the go command
	measure("explain", "go: example.com/a@v1.0.0: missing go.sum entry for module providing package example.com/a; to add:\n\tgo mod download example.com/a\n", program, "explain", "--offline")
	measure("goenv", "", "go", "env", "GOPROXY") // what the go command itself takes
}
