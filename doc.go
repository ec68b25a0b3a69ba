// Package godown is a Go module proxy in parts: a client of other proxies, a
// verifying cache, a store, and a server, each usable alone. The command
// cmd/godown puts them together with configuration, metrics and policy.
//
// # The parts
//
// A [Request] names one of the five kinds of file of the module proxy protocol
// (https://go.dev/ref/mod#goproxy-protocol). [ParseRequest] makes it of a URL's
// path, once, at the door; behind the door nobody sees a URL. Its Name is the
// same below a proxy's root, in a Store and in GOMODCACHE/cache/download.
//
// A [Source] answers a Request with a [File], or with an error that has a
// meaning: it does not exist, it is refused, come back later, or something is
// broken. Whatever gives modules is a Source, and so is whatever wraps one:
//
//   - [Upstream] is another proxy, over http or https or in a folder. It
//     repeats what may help, and continues a body that broke off.
//   - [First] asks several in order, with the meaning of a GOPROXY list, which
//     [ParseGOPROXY] reads. [Split] tells private modules from public ones.
//   - [Cache] keeps what another Source gave it. Any number of callers who want
//     the same cause one fetch, which they follow while it arrives.
//
// A [Store] keeps files by name, whole or not at all. [Dir] is one in a folder,
// in the layout of GOMODCACHE/cache/download, so that the folder alone is a
// complete proxy: GOPROXY=file:// works on it.
//
// A [Verifier] says whether a .mod or .zip is what it should be. [Sums] asks a
// checksum database, which it does not have to trust, as it checks the proofs
// of its transparency log. [FirstSeen] holds private modules to the hash that
// they had at first. [Trust] chooses between the two by module.
//
// A [Handler] serves a Source, and a checksum database beside it, over HTTP. It
// alone knows which error is which status. The [Event] in a request's context
// gathers what is known of the request, for logs and metrics.
//
// # The one way that data flows
//
// The parts nest in one expression, and a file flows through it from the inside
// out: from an Upstream through First and Cache to the Handler.
//
//	mirrors := godown.First(godown.Step{Source: near, Any: true}, godown.Step{Source: far})
//	cache := &godown.Cache{Store: dir, Source: mirrors, Verifier: sums}
//	http.ListenAndServe("localhost:8080", &godown.Handler{Source: cache, Sums: sums})
//
// Nothing gets into the Store before it is verified, so no mirror has to be
// trusted, and any fast one will do. Nobody receives a whole bad zip either: it
// streams while it arrives, but its tail is held back until it is verified; if
// it is wrong, it is rejected, and First asks the next mirror.
package godown
