// Package token keeps the tokens with which a developer is logged in to servers
// of modules, and answers the go command as one of its GOAUTH commands ("go help
// goauth"). A token comes from the environment, from a CI system, from the
// system's keyring or from a file of the user's; see [Find].
//
// A token is shown at the URL that was logged in to and below it, over https, and
// nowhere else. No message, error, argument of a process or printed value holds one; the
// answer to the go command does, which is what it is for.
package token
