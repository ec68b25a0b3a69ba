package witness

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/godown-dev/godown"
)

const (
	maxAnswer   = 64 << 10         // bytes of an answer that are read; a line has some 200, of the largest known kind 3500
	maxText     = 200              // bytes of a refusal that are kept
	maxProof    = 63               // hashes that the protocol allows
	maxAttempts = 4                // requests for one cosignature: the first may name a wrong size, and others may come between
	callTimeout = 15 * time.Second // default of Witness.Timeout
)

// A Prove proves that the tree of old records is the beginning of tree, as
// [tlog.ProveTree] does. It is called for 0 < old < tree.N only.
type Prove func(ctx context.Context, tree tlog.Tree, old int64) (tlog.TreeProof, error)

// A Witness is somebody who can be asked to cosign one log, about which it keeps
// how much was cosigned. Key and URL must be set. Its methods may be called by several goroutines; it must not be copied.
type Witness struct {
	Key *Verifier
	URL *url.URL // http or https; the protocol's submission prefix, below which add-checkpoint is

	Transport http.RoundTripper // nil: godown.NewTransport with its defaults
	Timeout   time.Duration     // of one call of Cosign; default 15 s

	once   sync.Once
	client *http.Client

	mu   sync.Mutex
	size int64 // guarded by mu: what the witness has cosigned of the log, as far as known
}

// ParseWitness reads "VKEY URL": the key as [NewVerifier] reads it and the
// witness' submission prefix.
func ParseWitness(text string) (*Witness, error) {
	fields := strings.Fields(text)
	if len(fields) != 2 {
		return nil, fmt.Errorf("witness %.200q: it must be a key and a URL with a space between", text)
	}
	key, err := NewVerifier(fields[0])
	if err != nil {
		return nil, err
	}
	u, err := url.Parse(fields[1])
	if err != nil {
		// Its text would show the URL, and with it a password.
		return nil, fmt.Errorf("witness %s: its URL cannot be read", key.name)
	}
	w := &Witness{Key: key, URL: u}
	if err := w.check(); err != nil {
		return nil, err
	}
	return w, nil
}

// check looks at what the witness consists of.
func (w *Witness) check() error {
	if w.Key == nil || w.URL == nil {
		return errors.New("witness: it needs a key and a URL")
	}
	u, problem := w.URL, ""
	switch {
	case u.Scheme != "https" && u.Scheme != "http" || u.Host == "":
		problem = "must begin with https:// or http:// and a host"
	case u.User != nil:
		problem = "must not have a user in it; witnesses know none"
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		problem = "must end with its path, without ? and #"
	default:
		return nil
	}
	return fmt.Errorf("witness %s: its URL %s", w.Key.name, problem)
}

func (w *Witness) init() {
	transport := w.Transport
	if transport == nil {
		transport = godown.NewTransport(godown.Timeouts{}, nil)
	}
	w.client = &http.Client{
		Transport: transport,
		// What is asked for is a signature by one key, which nobody else can
		// give; where a witness would send us, others may listen.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// Cosign shows the witness a signed checkpoint, and returns its verified
// cosignature on exactly this one. What the witness has cosigned before is
// learnt from its answers; prove is asked for the consistency with it.
//
// The error is an [*AheadError] or a [*ForkError] if the witness contradicts
// the log's history, which is an alarm; a [*StatusError] if it refuses for
// another reason; or something else if it cannot be reached, its answer is not
// to be believed, or prove fails.
func (w *Witness) Cosign(ctx context.Context, checkpoint []byte, prove Prove) (Cosignature, error) {
	if err := w.check(); err != nil {
		return Cosignature{}, err
	}
	text, origin, tree, err := open(checkpoint)
	if err != nil {
		return Cosignature{}, err
	}
	w.once.Do(w.init)
	timeout := w.Timeout
	if timeout <= 0 {
		timeout = callTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()

	old := min(w.known(), tree.N) // it is asked even if it was ahead: it may have been set up anew
	for range maxAttempts {
		body, err := request(ctx, checkpoint, tree, old, prove)
		if err != nil {
			return Cosignature{}, err
		}
		a, err := w.post(ctx, body)
		if err != nil {
			return Cosignature{}, fmt.Errorf("witness %s: %w", w.Key.name, err)
		}
		if a.code == http.StatusOK {
			c, err := w.Key.find(text, a.body, time.Now())
			if err != nil {
				return Cosignature{}, fmt.Errorf("witness %s: %w", w.Key.name, err)
			}
			w.learn(tree.N)
			return c, nil
		}
		size, err := w.refused(a, origin, tree, old)
		if err != nil {
			return Cosignature{}, err
		}
		w.learn(size)
		if size > tree.N {
			return Cosignature{}, &AheadError{w.Key.name, size, tree.N}
		}
		old = size
	}
	return Cosignature{}, fmt.Errorf("witness %s: it named another size of the log %d times, at last %d", w.Key.name, maxAttempts, old)
}

func (w *Witness) known() int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.size
}

func (w *Witness) learn(size int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.size = size
}

// refused says what an answer that is no cosignature means: the size from
// which the witness wants a proof, or an error.
func (w *Witness) refused(a answer, origin string, tree tlog.Tree, old int64) (size int64, err error) {
	switch a.code {
	case http.StatusConflict:
		size, err = a.size()
		switch {
		case old == tree.N && (err != nil || size == old):
			// It has a tree of this size, and another hash of it.
			return 0, &ForkError{w.Key.name, old, tree.N}
		case err != nil:
			return 0, fmt.Errorf("witness %s: HTTP status 409: %w", w.Key.name, err)
		case size == old:
			return 0, fmt.Errorf("witness %s: it refuses a proof from size %d, and says that this is the size it has", w.Key.name, size)
		}
		return size, nil // also a smaller one: a witness may have been set up anew
	case http.StatusUnprocessableEntity:
		if old > 0 {
			return 0, &ForkError{w.Key.name, old, tree.N}
		}
	}
	said, _, _ := strings.Cut(strings.TrimSpace(a.body), "\n")
	if len(said) > maxText {
		said = said[:maxText]
	}
	return 0, &StatusError{w.Key.name, origin, a.code, strings.ToValidUTF8(said, "?")}
}

// request makes the body of a request.
func request(ctx context.Context, checkpoint []byte, tree tlog.Tree, old int64, prove Prove) ([]byte, error) {
	var proof tlog.TreeProof
	if 0 < old && old < tree.N {
		var err error
		if proof, err = prove(ctx, tree, old); err != nil {
			return nil, fmt.Errorf("proving that the tree of %d records begins with that of %d: %w", tree.N, old, err)
		}
		if len(proof) > maxProof {
			return nil, fmt.Errorf("the proof that the tree of %d records begins with that of %d has %d hashes", tree.N, old, len(proof))
		}
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "old %d\n", old)
	for _, h := range proof {
		fmt.Fprintf(&b, "%s\n", h)
	}
	b.WriteString("\n")
	b.Write(checkpoint)
	return b.Bytes(), nil
}

// An answer is what came back, whole.
type answer struct {
	code int
	kind string // its Content-Type
	body string
}

func (w *Witness) post(ctx context.Context, body []byte) (answer, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, w.URL.JoinPath("add-checkpoint").String(), bytes.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	r.Header.Set("Content-Type", "text/plain; charset=utf-8")
	r.Header.Set("User-Agent", "godown (+https://github.com/godown-dev/godown)")
	resp, err := w.client.Do(r)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		return answer{}, fmt.Errorf("reading its answer: %w", err)
	}
	if len(data) > maxAnswer {
		return answer{}, fmt.Errorf("its answer (HTTP status %d) is longer than %d bytes", resp.StatusCode, maxAnswer)
	}
	return answer{resp.StatusCode, resp.Header.Get("Content-Type"), string(data)}, nil
}

// size reads the answer to a wrong old size.
func (a answer) size() (int64, error) {
	kind, _, err := mime.ParseMediaType(a.kind)
	if err != nil || kind != "text/x.tlog.size" {
		return 0, fmt.Errorf("its answer is of the type %.60q, not text/x.tlog.size", a.kind)
	}
	line, ok := strings.CutSuffix(a.body, "\n")
	if !ok {
		return 0, fmt.Errorf("%.40q is no line with a tree size", a.body)
	}
	return parseSize(line)
}
