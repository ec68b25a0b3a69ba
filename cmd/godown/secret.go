package main

import (
	"net/url"
	"regexp"
	"strings"
)

// mask stands for a secret, as in [url.URL.Redacted].
const mask = "xxxxx"

// maskSecrets returns text, a URL or a list of URLs separated by ",", "|" or
// blanks, with every password masked. A user name without a password is masked
// too, since tokens are given that way. It works on what is no valid URL as
// well, and rather masks too much there.
func maskSecrets(text string) string {
	if !strings.ContainsAny(text, "@?#") {
		return text
	}
	var b strings.Builder
	for rest := text; rest != ""; {
		i := strings.IndexAny(rest, ",| \t\r\n")
		if i < 0 {
			b.WriteString(maskEntry(rest))
			break
		}
		b.WriteString(maskEntry(rest[:i]))
		b.WriteByte(rest[i])
		rest = rest[i+1:]
	}
	return b.String()
}

// maskEntry masks the secret of one URL, with or without its scheme.
func maskEntry(text string) string {
	scheme, rest, found := strings.Cut(text, "://")
	if found {
		scheme += "://"
	} else {
		scheme, rest = "", text
	}
	if _, err := url.Parse(scheme + rest); found && err != nil {
		// Such as a password with an unescaped "/" or ",": what is a secret in it, nobody can tell.
		return scheme + mask
	}
	// A token may stand in a query.
	if i := strings.IndexAny(rest, "?#"); found && i >= 0 && i+1 < len(rest) {
		rest = rest[:i+1] + mask
	}
	end := strings.IndexAny(rest, "/?#")
	if end < 0 || !found && strings.Contains(rest[end:], "@") {
		end = len(rest)
	}
	at := strings.LastIndex(rest[:end], "@")
	if at < 0 {
		return scheme + rest
	}
	user, password, _ := strings.Cut(rest[:at], ":")
	// Git hosts take a token for the user with one of these for the password.
	if password == "" || password == "x-oauth-basic" {
		return scheme + mask + rest[at:]
	}
	return scheme + user + ":" + mask + rest[at:]
}

// maskURLs masks the secrets of the URLs within a sentence.
func maskURLs(sentence string) string {
	return regexp.MustCompile(`[^\s"',|]*@[^\s"',|]*`).ReplaceAllStringFunc(sentence, maskEntry)
}
