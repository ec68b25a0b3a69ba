// Package auth knows credentials. Its part "outwards" says which one this
// server shows to an origin of modules: a git host, a page that is asked with
// ?go-get=1, a private mirror. [Outwards] chooses it by the URL, [Secrets]
// reads it where it stands, and [Secret] is what a configuration says of it.
//
// Four things hold throughout. No credential goes to a plain http:// URL, or to
// a host or port that its rule does not name. What a credential is, no message,
// log, process argument or printed value shows. Whatever takes time, a command
// or a call of GitHub, is done once for all who wait for it, and is not given up
// because the first of them leaves. And what an origin has refused is read anew,
// so that a renewed token is found without a restart.
package auth
