// Package explain says what a failing go command's output means: what happened,
// why, and what to do about it, most likely first.
//
// [Explain] takes the output apart into messages (log.go), looks for each in the
// catalogue (catalogue_*.go, one entry an idea), and lets the entry look at the
// machine where that tells causes apart (scene.go, live_*.go). Nothing here
// runs a command, reads the environment or prints by itself.
package explain
