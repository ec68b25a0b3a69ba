package godown

// headers are the ready values of the headers of a file that is served often.
type headers struct {
	contentType, contentLength, cacheControl, etag []string
}
