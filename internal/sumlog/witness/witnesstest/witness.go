// Package witnesstest has a witness of transparency logs for tests, which
// serves https://c2sp.org/tlog-witness, keeps its state in memory, and can be
// made to err.
package witnesstest

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/godown-dev/godown/internal/sumlog/witness"
)

// A Witness cosigns the checkpoints of the logs that it knows. As an
// http.Handler it answers POST requests to …/add-checkpoint.
type Witness struct {
	name string
	id   uint32
	key  ed25519.PrivateKey

	mu    sync.Mutex // guards what follows; a request is checked and recorded in one go
	logs  map[string][]note.Verifier
	trees map[string]tlog.Tree
	asked []int64
	fault http.HandlerFunc
	wrap  func(line string) string
}

// New returns a witness of that name. Its key is made from it: the same name has
// always the same one.
func New(name string) *Witness {
	seed := sha256.Sum256([]byte("witness " + name))
	w := &Witness{
		name:  name,
		key:   ed25519.NewKeyFromSeed(seed[:]),
		logs:  make(map[string][]note.Verifier),
		trees: make(map[string]tlog.Tree),
	}
	sum := sha256.Sum256(append([]byte(name+"\n"), w.typed()...))
	w.id = binary.BigEndian.Uint32(sum[:])
	return w
}

func (w *Witness) typed() []byte {
	return append([]byte{4}, w.key.Public().(ed25519.PublicKey)...)
}

// VerifierKey returns the witness' public key, NAME+ID+KEY.
func (w *Witness) VerifierKey() string {
	return fmt.Sprintf("%s+%08x+%s", w.name, w.id, base64.StdEncoding.EncodeToString(w.typed()))
}

// Trust makes the witness know a log by its origin and the keys of which one must sign.
func (w *Witness) Trust(origin string, keys ...note.Verifier) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.logs[origin] = keys
}

// Tree returns the newest tree of a log that the witness cosigned.
func (w *Witness) Tree(origin string) tlog.Tree {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.trees[origin]
}

// SetTree makes the witness believe that it cosigned that tree of the log.
func (w *Witness) SetTree(origin string, tree tlog.Tree) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.trees[origin] = tree
}

// Asked returns the old sizes of all well-formed requests up to now.
func (w *Witness) Asked() []int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]int64(nil), w.asked...)
}

// Fault has all requests answered by h from now on; nil: the witness works again.
func (w *Witness) Fault(h http.HandlerFunc) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.fault = h
}

// Spoil has what the witness answers to a checkpoint that it cosigned changed by f.
func (w *Witness) Spoil(f func(line string) string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.wrap = f
}

// Cosign returns the witness' signature line for a checkpoint's text at that
// time, in seconds since 1970, whatever it has signed before.
func (w *Witness) Cosign(text string, seconds uint64) string {
	sig := ed25519.Sign(w.key, fmt.Appendf(nil, "cosignature/v1\ntime %d\n%s", seconds, text))
	data := binary.BigEndian.AppendUint32(nil, w.id)
	data = binary.BigEndian.AppendUint64(data, seconds)
	return fmt.Sprintf("— %s %s\n", w.name, base64.StdEncoding.EncodeToString(append(data, sig...)))
}

// ServeHTTP answers add-checkpoint.
func (w *Witness) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	fault := w.fault
	w.mu.Unlock()
	switch {
	case fault != nil:
		fault(rw, r)
		return
	case !strings.HasSuffix(r.URL.Path, "/add-checkpoint"):
		http.Error(rw, "no such page", http.StatusNotFound)
		return
	case r.Method != http.MethodPost:
		http.Error(rw, "POST is needed", http.StatusMethodNotAllowed)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(rw, r.Body, 1<<20))
	if err != nil {
		http.Error(rw, "the body cannot be read", http.StatusBadRequest)
		return
	}
	old, proof, checkpoint, err := parse(body)
	if err != nil {
		http.Error(rw, err.Error(), http.StatusBadRequest)
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked = append(w.asked, old)
	line, refusal := w.add(old, proof, checkpoint)
	switch {
	case refusal == nil:
		if w.wrap != nil {
			line = w.wrap(line)
		}
		io.WriteString(rw, line)
	case refusal.code == http.StatusConflict:
		rw.Header().Set("Content-Type", "text/x.tlog.size")
		rw.WriteHeader(refusal.code)
		fmt.Fprintf(rw, "%d\n", refusal.size)
	default:
		http.Error(rw, refusal.text, refusal.code)
	}
}

type refusal struct {
	code int
	text string
	size int64
}

// add checks in the order of the protocol's text. w.mu must be held.
func (w *Witness) add(old int64, proof tlog.TreeProof, checkpoint []byte) (line string, no *refusal) {
	n, err := note.Open(checkpoint, note.VerifierList())
	if unverified, ok := errors.AsType[*note.UnverifiedNoteError](err); ok {
		n = unverified.Note
	} else if err != nil {
		return "", &refusal{code: http.StatusBadRequest, text: err.Error()}
	}
	origin, tree, _, err := witness.ParseCheckpoint(n.Text)
	if err != nil {
		return "", &refusal{code: http.StatusBadRequest, text: err.Error()}
	}
	keys, ok := w.logs[origin]
	if !ok {
		return "", &refusal{code: http.StatusNotFound, text: "unknown log"}
	}
	if _, err := note.Open(checkpoint, note.VerifierList(keys...)); err != nil {
		return "", &refusal{code: http.StatusForbidden, text: err.Error()}
	}
	if old > tree.N {
		return "", &refusal{code: http.StatusBadRequest, text: "the old size is larger than the tree"}
	}
	has := w.trees[origin]
	if old != has.N || old == tree.N && old > 0 && tree.Hash != has.Hash {
		return "", &refusal{code: http.StatusConflict, size: has.N}
	}
	if old == 0 && len(proof) > 0 {
		return "", &refusal{code: http.StatusUnprocessableEntity, text: "a proof from size 0 must be empty"}
	}
	if old > 0 {
		if err := tlog.CheckTree(proof, tree.N, tree.Hash, has.N, has.Hash); err != nil {
			return "", &refusal{code: http.StatusUnprocessableEntity, text: err.Error()}
		}
	}
	w.trees[origin] = tree
	return w.Cosign(n.Text, uint64(time.Now().Unix())), nil
}

// parse takes a request's body apart.
func parse(body []byte) (old int64, proof tlog.TreeProof, checkpoint []byte, err error) {
	head, checkpoint, ok := bytes.Cut(body, []byte("\n\n"))
	if !ok {
		return 0, nil, nil, errors.New("no empty line")
	}
	lines := strings.Split(string(head), "\n")
	digits, ok := strings.CutPrefix(lines[0], "old ")
	old, err = strconv.ParseInt(digits, 10, 64)
	if !ok || err != nil || old < 0 || strconv.FormatInt(old, 10) != digits {
		return 0, nil, nil, errors.New("no old size")
	}
	for _, line := range lines[1:] {
		h, err := tlog.ParseHash(line)
		if err != nil {
			return 0, nil, nil, err
		}
		proof = append(proof, h)
	}
	if len(proof) > 63 {
		return 0, nil, nil, errors.New("more than 63 hashes")
	}
	return old, proof, checkpoint, nil
}
