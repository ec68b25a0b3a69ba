package witness

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const fuzzText = "log.example\n3\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"

// fuzzKey returns a witness' key, and a cosignature by it of that time.
func fuzzKey(seconds uint64) (*Verifier, string) {
	private := ed25519.NewKeyFromSeed(make([]byte, 32))
	v := &Verifier{name: "w.example", key: private.Public().(ed25519.PublicKey)}
	v.id = keyID(v.name, v.typed())
	data := binary.BigEndian.AppendUint32(nil, v.id)
	data = binary.BigEndian.AppendUint64(data, seconds)
	data = append(data, ed25519.Sign(private, fmt.Appendf(nil, "cosignature/v1\ntime %d\n%s", seconds, fuzzText))...)
	return v, "— w.example " + base64.StdEncoding.EncodeToString(data) + "\n"
}

// FuzzCosignature: whatever an answer has, only a line that makes a note that
// the key opens comes out of it, as it came in.
func FuzzCosignature(f *testing.F) {
	key, line := fuzzKey(1000)
	f.Add(line)
	f.Add(line + line)
	f.Add("— other.example AAAAAAA=\n" + line)
	f.Add("\n" + line)
	_, future := fuzzKey(1 << 62)
	f.Add(future)
	f.Fuzz(func(t *testing.T, answer string) {
		c, err := key.find(fuzzText, answer, time.Unix(2000, 0))
		if err != nil {
			if c != (Cosignature{}) {
				t.Errorf("%q: %v and %v", answer, c, err)
			}
			return
		}
		n, err := note.Open([]byte(fuzzText+"\n"+c.Line), note.VerifierList(key))
		if err != nil || len(n.Sigs) != 1 || n.Text != fuzzText {
			t.Errorf("%q: %q: %v", answer, c.Line, err)
		}
		if !strings.Contains("\n"+answer, "\n"+c.Line) || c.Time.Unix() < 1 || c.Time.Unix() > 2600 {
			t.Errorf("%q: %v", answer, c)
		}
	})
}

// FuzzRefused: no refusal is taken for a size that was not said, and what is
// shown of it is short.
func FuzzRefused(f *testing.F) {
	f.Add(409, "text/x.tlog.size", "7\n", int64(0))
	f.Add(409, "text/x.tlog.size", "20\n", int64(20))
	f.Add(409, "text/plain", "the hashes differ", int64(20))
	f.Add(422, "", "no", int64(3))
	f.Add(500, "text/plain", "\xff\nmore", int64(3))
	key, _ := fuzzKey(1)
	w := &Witness{Key: key}
	f.Fuzz(func(t *testing.T, code int, kind, body string, old int64) {
		old = min(max(old, 0), 20)
		size, err := w.refused(answer{code, kind, body}, "log.example", tlog.Tree{N: 20}, old)
		switch _, fork := errors.AsType[*ForkError](err); {
		case err == nil:
			if code != 409 || body != fmt.Sprintf("%d\n", size) || size == old || size < 0 {
				t.Errorf("%d %q %q from %d: %d", code, kind, body, old, size)
			}
		case fork:
			if !(code == 409 && old == 20 || code == 422 && old > 0) {
				t.Errorf("%d %q %q from %d: %v", code, kind, body, old, err)
			}
		default:
			if n := len(err.Error()); n > 1500 || strings.Contains(err.Error(), "\n") {
				t.Errorf("%d %q %q: an error of %d bytes: %v", code, kind, body, n, err)
			}
		}
	})
}
