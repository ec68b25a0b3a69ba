package godowntest

import (
	"bytes"
	"context"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"time"
)

// A Fault makes a server that misbehaves of one that does not. Faults are
// switched on by [Server.Break]. Those that count bytes count the body's, anew
// for each request; a fault that waits ends when the client goes away.
type Fault func(next http.Handler) http.Handler

// loginPage is what a hotel, a proxy or a mirror out of order answers with status 200.
const loginPage = `<!DOCTYPE html>
<html><head><title>Sign in</title></head>
<body><form action="/login" method="post"><input name="user"><input name="password" type="password"></form></body></html>
`

// LoginPage answers 200 with an HTML page.
func LoginPage() Fault { return Replace("text/html; charset=utf-8", []byte(loginPage)) }

// Status answers with a status code and a text. Header lines such as
// "Retry-After: 1" or "Location: /" may follow.
func Status(code int, text string, headers ...string) Fault {
	return answer(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		for _, line := range headers {
			key, value, _ := strings.Cut(line, ":")
			w.Header().Set(key, strings.TrimSpace(value))
		}
		w.WriteHeader(code)
		io.WriteString(w, text)
	})
}

// Replace answers 200 with other content, consistently: its own length and entity tag.
func Replace(contentType string, data []byte) Fault {
	return answer(func(w http.ResponseWriter, r *http.Request) {
		serve(w, r, contentType, etagOf(data), data)
	})
}

// Huge answers 200 with size zero bytes, which are never in memory.
func Huge(size int64) Fault {
	return answer(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", strconv.FormatInt(size, 10))
		if r.Method != http.MethodHead {
			io.CopyN(w, zeros{}, size)
		}
	})
}

// Change edits the content of answers with status 200, consistently: length,
// entity tag and byte ranges are those of the edited content. The slice is edit's own.
func Change(edit func(data []byte) []byte) Fault {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			whole := r.Clone(r.Context())
			whole.Method = http.MethodGet
			for _, key := range []string{"Range", "If-Range", "If-None-Match", "If-Modified-Since"} {
				whole.Header.Del(key)
			}
			rec := httptest.NewRecorder()
			next.ServeHTTP(rec, whole)
			if rec.Code == http.StatusOK {
				data := edit(rec.Body.Bytes())
				serve(w, r, rec.Header().Get("Content-Type"), etagOf(data), data)
				return
			}
			maps.Copy(w.Header(), rec.Header())
			w.WriteHeader(rec.Code)
			w.Write(rec.Body.Bytes())
		})
	}
}

// Flip flips a bit of the byte at offset; a negative one counts from the end.
// Content that has no such byte stays as it is.
func Flip(offset int) Fault {
	return Change(func(data []byte) []byte {
		i := offset
		if i < 0 {
			i += len(data)
		}
		if 0 <= i && i < len(data) {
			data[i] ^= 1
		}
		return data
	})
}

// FlipSent flips a bit of byte n of the body on its way: header, length and
// entity tag stay those of the true content. A body of at most n bytes stays as it is.
func FlipSent(n int64) Fault {
	return body(func(w http.ResponseWriter, r *http.Request) func([]byte) (int, error) {
		left := n
		return func(p []byte) (int, error) {
			if 0 <= left && left < int64(len(p)) {
				p = bytes.Clone(p) // a writer leaves what it is given as it is
				p[left] ^= 1
			}
			left -= int64(len(p))
			return w.Write(p)
		}
	})
}

// Shorten drops all but the first n bytes, consistently, as if the file were no longer.
func Shorten(n int) Fault {
	return Change(func(data []byte) []byte { return data[:min(n, len(data))] })
}

// Cut closes the connection after n bytes, fewer than were declared; before
// the header if n is negative. A body of at most n bytes arrives whole.
func Cut(n int64) Fault {
	return after(n, func(http.ResponseWriter, *http.Request) {})
}

// Stall sends n bytes and then nothing more, with the connection open; not
// even a header if n is negative. A body of at most n bytes arrives whole.
func Stall(n int64) Fault {
	return after(n, func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
}

// Hang never answers.
func Hang() Fault { return Stall(-1) }

// Reset resets the TCP connection after n bytes; before the header if n is
// negative. The client may see fewer than n, as a reset overtakes data.
func Reset(n int64) Fault {
	return after(n, func(w http.ResponseWriter, r *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		if tcp, ok := conn.(interface{ SetLinger(seconds int) error }); ok { // *net.TCPConn, or what wraps one
			tcp.SetLinger(0)
		}
		conn.Close()
	})
}

// Latency waits before it answers.
func Latency(d time.Duration) Fault {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			wait(r.Context(), d)
			next.ServeHTTP(w, r)
		})
	}
}

// Rate sends at most bytesPerSecond, evenly.
func Rate(bytesPerSecond int) Fault {
	step := max(1, bytesPerSecond/100)
	pause := time.Duration(step) * time.Second / time.Duration(bytesPerSecond)
	return body(func(w http.ResponseWriter, r *http.Request) func([]byte) (int, error) {
		return func(p []byte) (int, error) {
			for n := 0; n < len(p); {
				wait(r.Context(), pause)
				k, err := w.Write(p[n:min(n+step, len(p))])
				n += k
				if err != nil {
					return n, err
				}
				http.NewResponseController(w).Flush()
			}
			return len(p), nil
		}
	})
}

// NoRanges knows no byte ranges: it ignores Range and answers whole.
func NoRanges() Fault {
	return func(next http.Handler) http.Handler {
		edit := headers(func(h http.Header) { h.Del("Accept-Ranges") }, false)
		return edit(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			whole := r.Clone(r.Context())
			whole.Header.Del("Range")
			next.ServeHTTP(w, whole)
		}))
	}
}

// NoETag sends no entity tag.
func NoETag() Fault { return headers(func(h http.Header) { h.Del("ETag") }, false) }

// Chunked does not say how long the body is.
func Chunked() Fault { return headers(func(h http.Header) { h.Del("Content-Length") }, true) }

// answer is a fault that answers in the server's place.
func answer(h http.HandlerFunc) Fault { return func(http.Handler) http.Handler { return h } }

// after lets n bytes of the body through, does act, and cuts the connection.
func after(n int64, act http.HandlerFunc) Fault {
	end := func(w http.ResponseWriter, r *http.Request) {
		act(w, r)
		panic(http.ErrAbortHandler)
	}
	if n < 0 {
		return answer(end)
	}
	return body(func(w http.ResponseWriter, r *http.Request) func([]byte) (int, error) {
		left := n
		return func(p []byte) (int, error) {
			if int64(len(p)) > left {
				w.Write(p[:left])
				http.NewResponseController(w).Flush()
				end(w, r)
			}
			left -= int64(len(p))
			return w.Write(p)
		}
	})
}

// body is a fault that writes the body otherwise: by the function that open returns.
func body(open func(http.ResponseWriter, *http.Request) func([]byte) (int, error)) Fault {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			next.ServeHTTP(&bodyWriter{w, open(w, r)}, r)
		})
	}
}

type bodyWriter struct {
	http.ResponseWriter
	write func([]byte) (int, error)
}

func (w *bodyWriter) Write(p []byte) (int, error) { return w.write(p) }
func (w *bodyWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// headers is a fault that edits the header of the answer, and may send it before the body.
func headers(edit func(http.Header), flush bool) Fault {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			next.ServeHTTP(&headerWriter{ResponseWriter: w, edit: edit, flush: flush}, r)
		})
	}
}

type headerWriter struct {
	http.ResponseWriter
	edit  func(http.Header)
	flush bool
	done  bool
}

func (w *headerWriter) WriteHeader(code int) {
	w.done = true
	w.edit(w.Header())
	w.ResponseWriter.WriteHeader(code)
	if w.flush {
		http.NewResponseController(w.ResponseWriter).Flush()
	}
}

func (w *headerWriter) Write(p []byte) (int, error) {
	if !w.done {
		w.WriteHeader(http.StatusOK)
	}
	return w.ResponseWriter.Write(p)
}

func (w *headerWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// wait returns after d, and cuts the connection if the client goes away before.
func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
		panic(http.ErrAbortHandler)
	}
}
