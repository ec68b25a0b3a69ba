package witness

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/mod/sumdb/note"
)

// The first byte of a key and of what its ID is made of.
const (
	typeNote        = 0x01 // Ed25519 over the text alone
	typeCosignature = 0x04 // Ed25519, cosignature/v1
	typeMLDSA       = 0x06
)

// timeSize is that of the time in front of a cosignature, in bytes.
const timeSize = 8

// A Verifier is the public key of a witness, as a [note.Verifier] of its
// cosignatures on checkpoints. It does not look at their times.
type Verifier struct {
	name string
	id   uint32
	key  ed25519.PublicKey
}

// NewVerifier reads the key of a witness, NAME+ID+KEY: KEY is the base64 of
// the byte 4 and an Ed25519 public key, ID is made from NAME and KEY, in 8
// hexadecimal digits.
//
// A key of type 1 is refused, although it may be the same Ed25519 key: it says
// that its signatures are those of a log, and has another ID. The error has
// the key as it should be spelled if its owner uses it to cosign.
func NewVerifier(vkey string) (*Verifier, error) {
	name, rest, ok1 := strings.Cut(vkey, "+")
	id, b64, ok2 := strings.Cut(rest, "+")
	if !ok1 || !ok2 {
		return nil, fmt.Errorf("witness key %.200q: it must look like NAME+ID+KEY", vkey)
	}
	fail := func(format string, args ...any) (*Verifier, error) {
		return nil, fmt.Errorf("witness key %.100q: %s", name+"+"+id, fmt.Sprintf(format, args...))
	}
	if !validName(name) {
		return fail("its name must be one word")
	}
	data, err := base64.StdEncoding.DecodeString(b64)
	if err != nil || len(data) == 0 || base64.StdEncoding.EncodeToString(data) != b64 {
		return fail("what stands behind the second plus is no base64")
	}
	if want := fmt.Sprintf("%08x", keyID(name, data)); !strings.EqualFold(id, want) {
		return fail("its ID does not fit its name and key, for which it is %s; a part of it was changed", want)
	}
	v := &Verifier{name: name, id: keyID(name, data), key: data[1:]}
	if data[0] == typeMLDSA {
		return fail("it is of type 6 (ML-DSA-44), which is not known here; the witness may have an Ed25519 key too (type 4)")
	}
	if data[0] != typeNote && data[0] != typeCosignature {
		return fail("it is of type %d; type 4 (Ed25519 cosignatures) is needed", data[0])
	}
	if len(v.key) != ed25519.PublicKeySize {
		return fail("the key has %d bytes, not %d", len(v.key), ed25519.PublicKeySize)
	}
	if data[0] == typeNote {
		v.id = keyID(name, v.typed())
		return fail("it is of type 1, a log's; if the witness cosigns with it, write %s", v)
	}
	return v, nil
}

// validName reports whether a note can have signatures by that name.
func validName(name string) bool {
	bad := func(r rune) bool { return unicode.IsSpace(r) || r < ' ' || r == '+' }
	return name != "" && utf8.ValidString(name) && !strings.ContainsFunc(name, bad)
}

// keyID is that of signed notes; data is the key behind its type.
func keyID(name string, data []byte) uint32 {
	sum := sha256.Sum256(append([]byte(name+"\n"), data...))
	return binary.BigEndian.Uint32(sum[:])
}

func (v *Verifier) typed() []byte { return append([]byte{typeCosignature}, v.key...) }

// String returns what NewVerifier reads.
func (v *Verifier) String() string {
	return fmt.Sprintf("%s+%08x+%s", v.name, v.id, base64.StdEncoding.EncodeToString(v.typed()))
}

// Name returns the witness' name.
func (v *Verifier) Name() string { return v.name }

// KeyHash returns the key's ID.
func (v *Verifier) KeyHash() uint32 { return v.id }

// Verify reports whether sig, a time and a signature, is the witness'
// cosignature on the checkpoint with the text msg.
func (v *Verifier) Verify(msg, sig []byte) bool {
	if len(sig) != timeSize+ed25519.SignatureSize {
		return false
	}
	t := binary.BigEndian.Uint64(sig)
	if t > math.MaxInt64 {
		return false
	}
	signed := fmt.Appendf(nil, "cosignature/v1\ntime %d\n%s", t, msg)
	return ed25519.Verify(v.key, signed, sig[timeSize:])
}

// A Cosignature is what a witness adds to a checkpoint.
type Cosignature struct {
	Name string    // the witness'
	Time time.Time // when it was made, says the witness; whole seconds
	Line string    // the line for the end of the checkpoint, with its line end
}

// maxSkew is how far in the future a cosignature's time may be: clocks differ.
const maxSkew = 10 * time.Minute

const linePrefix = "— " // of every signature line

// find looks for the key's cosignature on the checkpoint with that text among
// lines, the answer of a witness. Lines of other keys are ignored, and so are
// further ones of this key.
func (v *Verifier) find(text, lines string, now time.Time) (Cosignature, error) {
	var c Cosignature
	if lines == "" || !strings.HasSuffix(lines, "\n") {
		return c, errors.New("its answer must be signature lines, each with a line end")
	}
	others := 0
	for line := range strings.Lines(lines) {
		name, sig, err := parseLine(line)
		if err != nil {
			return c, err
		}
		if name != v.name || binary.BigEndian.Uint32(sig) != v.id {
			others++
			continue
		}
		if !v.Verify([]byte(text), sig[4:]) {
			return c, errors.New("its cosignature does not fit the checkpoint and the key")
		}
		// Seconds are compared, because a time.Time cannot hold all of them.
		seconds := int64(binary.BigEndian.Uint64(sig[4:]))
		if seconds == 0 {
			return c, errors.New("its cosignature has no time")
		}
		if latest := now.Add(maxSkew).Unix(); seconds > latest {
			return c, fmt.Errorf("its cosignature is of %d (seconds since 1970), and here it is %d: one of the clocks is wrong",
				seconds, now.Unix())
		}
		return Cosignature{Name: name, Time: time.Unix(seconds, 0).UTC(), Line: line}, nil
	}
	return c, fmt.Errorf("its answer has %d signatures, none by %s+%08x", others, v.name, v.id)
}

// parseLine reads a signature line, with its line end: the key's name, and its ID and signature.
func parseLine(line string) (name string, sig []byte, err error) {
	rest, ok1 := strings.CutPrefix(line, linePrefix)
	name, b64, ok2 := strings.Cut(strings.TrimSuffix(rest, "\n"), " ")
	sig, err = base64.StdEncoding.DecodeString(b64)
	if !ok1 || !ok2 || err != nil || len(sig) < 5 || base64.StdEncoding.EncodeToString(sig) != b64 || !validName(name) {
		return "", nil, fmt.Errorf("its answer has %.80q where a signature line must be", line)
	}
	return name, sig, nil
}

var _ note.Verifier = (*Verifier)(nil)
