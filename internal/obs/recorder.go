package obs

import (
	"io"
	"net/http"

	"github.com/godown-dev/godown"
)

// A recorder carries the Event of a request, and notes status and size of a response. It hands ReadFrom on, so
// that the server can send files without reading them.
type recorder struct {
	http.ResponseWriter
	event godown.Event
}

// Event is for godown.Handler.
func (r *recorder) Event() *godown.Event { return &r.event }

// WriteHeader notes the status.
func (r *recorder) WriteHeader(status int) {
	if r.event.Status == 0 && status >= 200 {
		r.event.Status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

// Write notes the size.
func (r *recorder) Write(p []byte) (int, error) {
	if r.event.Status == 0 {
		r.event.Status = http.StatusOK
	}
	n, err := r.ResponseWriter.Write(p)
	r.event.Bytes += int64(n)
	return n, err
}

// ReadFrom notes the size of what the server sends from a file.
func (r *recorder) ReadFrom(src io.Reader) (int64, error) {
	if r.event.Status == 0 {
		r.event.Status = http.StatusOK
	}
	n, err := io.Copy(r.ResponseWriter, src)
	r.event.Bytes += n
	return n, err
}

// Unwrap is for http.ResponseController.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }
