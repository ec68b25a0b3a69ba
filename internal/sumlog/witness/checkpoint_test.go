package witness_test

import (
	"crypto/ed25519"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/godown-dev/godown/internal/sumlog/witness"
	"github.com/godown-dev/godown/internal/sumlog/witness/witnesstest"
)

// A checkpoint that a public log published with the cosignatures of public
// witnesses, and the published keys of the log and of one of them.
const (
	published = `arche2025h1.staging.ct.transparency.dev
1432088532
U7WM79jrzyhGZ5/GUBTpM7NzwdyfFx61t3RovgcC4Ro=

— arche2025h1.staging.ct.transparency.dev zTM8sQAAAZ5W0WdjBAMARjBEAiBjW5IQf9pvsYLfQFX6hoGREPMHbdQ3urbllzalApkptQIgIpwtEroeW2BXaHAI4kJXFbon5Ch9MNL5zRNZ55lvGt0=
— arche2025h1.staging.ct.transparency.dev ui8GwCF1+kWqZrxGdhj4aX3gcw7XUlXQQabg/27lefwhUkzbC3NygNI75MdhL1bfTW9g8Ei59RA23oHP7Ry1k3ZFWwQ=
— transparency.dev/DEV:witness-little-garden 2AQqhwAAAABqEiEgzgFIqqhbUoDwjMWE6UP8nd8/KYTzwZ2rhIgcqoXHAwVkjZr4AscylP3v7sEodkRAErumC2q44vdgJY096st5BQ==
— remora.n621.de 2net5wAAAABqEiEgPlfF3V06o0Y+fHM+J5J9s27wgxxcOVSpZ/2g/KSiXCg9DEZI+aVCIobWX9sXTynk5XeU/zZ0WBxtqB0DrAWfBw==
`
	publishedLog     = "arche2025h1.staging.ct.transparency.dev+ba2f06c0+AU0vHmlGCS/PdN8b2OaGmKprLI8HKM+dJ472xgFYh15f"
	publishedWitness = "remora.n621.de+da77ade7+BOvN63jn/bLvkieywe8R6UYAtVtNbZpXh34x7onlmtw2"
)

func TestPublished(t *testing.T) {
	log, err := note.NewVerifier(publishedLog)
	if err != nil {
		t.Fatal(err)
	}
	key := verifier(t, publishedWitness)
	if key.String() != publishedWitness {
		t.Errorf("the key reads %s", key)
	}
	n, err := note.Open([]byte(published), note.VerifierList(log, key))
	if err != nil {
		t.Fatal(err)
	}
	if len(n.Sigs) != 2 || n.Sigs[1].Name != "remora.n621.de" {
		t.Errorf("verified: %v", n.Sigs)
	}
	origin, tree, extensions, err := witness.ParseCheckpoint(n.Text)
	if err != nil || origin != "arche2025h1.staging.ct.transparency.dev" || tree.N != 1432088532 || len(extensions) != 0 {
		t.Errorf("ParseCheckpoint = %q, %v, %q, %v", origin, tree, extensions, err)
	}
	changed := strings.Replace(published, "\n1432088532\n", "\n1432088533\n", 1)
	if _, err := note.Open([]byte(changed), note.VerifierList(key)); err == nil {
		t.Error("the cosignature verifies on another checkpoint")
	}
}

func verifier(t *testing.T, vkey string) *witness.Verifier {
	t.Helper()
	v, err := witness.NewVerifier(vkey)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// TestSpecification has the numbers of the example in c2sp.org/tlog-cosignature.
func TestSpecification(t *testing.T) {
	const line = "— witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==\n"
	made := witnesstest.New("witness.example.com/w1").Cosign("", 1679315147)
	// Name, sizes and place of the time are the same; ID and signature are another key's.
	decode := func(line string) []byte {
		data, err := base64.StdEncoding.DecodeString(strings.TrimSpace(strings.TrimPrefix(line, "— witness.example.com/w1 ")))
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	if a, b := decode(line), decode(made); len(a) != len(b) || !slices.Equal(a[4:12], b[4:12]) {
		t.Errorf("the example is %x, ours %x", a, b)
	}
}

func TestNewVerifier(t *testing.T) {
	name, rest, _ := strings.Cut(publishedWitness, "+")
	id, key, _ := strings.Cut(rest, "+")
	pub, err := base64.StdEncoding.DecodeString(key)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := note.NewEd25519VerifierKey(name, ed25519.PublicKey(pub[1:]))
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range []struct{ vkey, says string }{
		{"", "NAME+ID+KEY"},
		{name + "+" + id, "NAME+ID+KEY"},
		{"+" + rest, "one word"},
		{"a b+" + rest, "one word"},
		{"a\x01b+" + rest, "one word"},
		{"other.example+" + rest, "ID does not fit"},
		{name + "+00000000+" + key, "da77ade7"},
		{name + "+" + id + "+", "no base64"},
		{name + "+" + id + "+" + key[1:], "no base64"},
		{name + "+" + id + "+" + key + "\n", "no base64"},
		{name + "+" + id + "+BA==", "ID does not fit"},
		{"x+132f5153+BA==", "0 bytes"},
		{"x+dc20e6b3+Bg==", "ML-DSA"},
		{"x+ef1c78b5+Ag==", "type 2"},
		{plain, "type 1"},
	} {
		_, err := witness.NewVerifier(bad.vkey)
		if err == nil || !strings.Contains(err.Error(), bad.says) {
			t.Errorf("NewVerifier(%q): %v; want %q in it", bad.vkey, err, bad.says)
		}
	}
	// What the error says to write instead is right.
	_, err = witness.NewVerifier(plain)
	words := strings.Fields(err.Error())
	if got := words[len(words)-1]; got != publishedWitness {
		t.Errorf("for %s it proposes %s", plain, got)
	}
}

func TestCheckpoint(t *testing.T) {
	l := newLog(t, "sum.example.com")
	l.grow(7)
	_, other, err := note.GenerateKey(nil, "sum.example.com")
	if err != nil {
		t.Fatal(err)
	}
	second, secondKey := signer(t, "sum.example.com")
	msg, err := witness.Checkpoint("sum.example.com", l.tree(7), l.signer, second)
	if err != nil {
		t.Fatal(err)
	}
	n, err := note.Open(msg, note.VerifierList(l.key, secondKey))
	if err != nil || len(n.Sigs) != 2 {
		t.Fatalf("%v, %v", n, err)
	}
	if want := fmt.Sprintf("sum.example.com\n7\n%s\n", l.tree(7).Hash); n.Text != want {
		t.Errorf("the text is %q, want %q", n.Text, want)
	}
	if v, _ := note.NewVerifier(other); v != nil {
		if _, err := note.Open(msg, note.VerifierList(v)); err == nil {
			t.Error("another key opens it")
		}
	}

	empty := tlog.Tree{Hash: tlog.Hash{}}
	for name, f := range map[string]func() ([]byte, error){
		"no signer":         func() ([]byte, error) { return witness.Checkpoint("a", l.tree(7)) },
		"no origin":         func() ([]byte, error) { return witness.Checkpoint("", l.tree(7), l.signer) },
		"two lines":         func() ([]byte, error) { return witness.Checkpoint("a\nb", l.tree(7), l.signer) },
		"a space":           func() ([]byte, error) { return witness.Checkpoint("a b", l.tree(7), l.signer) },
		"a plus":            func() ([]byte, error) { return witness.Checkpoint("a+b", l.tree(7), l.signer) },
		"a negative size":   func() ([]byte, error) { return witness.Checkpoint("a", tlog.Tree{N: -1}, l.signer) },
		"a wrong empty one": func() ([]byte, error) { return witness.Checkpoint("a", empty, l.signer) },
	} {
		if msg, err := f(); err == nil {
			t.Errorf("%s: %q", name, msg)
		}
	}
}

func TestParseCheckpoint(t *testing.T) {
	const hash = "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I="
	const none = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
	for _, text := range []string{
		"example.com/behind-the-sofa\n20852163\n" + hash + "\n",
		"any thing+at all\n9223372036854775807\n" + hash + "\n",
		"empty\n0\n" + none + "\n",
		"extended\n1\n" + hash + "\nan extension\nanother\n",
	} {
		origin, tree, extensions, err := witness.ParseCheckpoint(text)
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		if got := spell(origin, tree, extensions); got != text {
			t.Errorf("%q was read as %q", text, got)
		}
	}
	for _, bad := range []struct{ text, says string }{
		{"", "line 1"},
		{"\n\n\n", "line 1"},
		{"o\n1\n", "line 2"},
		{"o\n1\n" + hash, "line 3"},
		{"\n1\n" + hash + "\n", "line 1"},
		{"o\x00\n1\n" + hash + "\n", "line 1"},
		{"o\xff\n1\n" + hash + "\n", "line 1"},
		{"o\r\n1\n" + hash + "\n", "line 1"},
		{"o\n01\n" + hash + "\n", "line 2"},
		{"o\n+1\n" + hash + "\n", "line 2"},
		{"o\n-1\n" + hash + "\n", "line 2"},
		{"o\n1 \n" + hash + "\n", "line 2"},
		{"o\n0x1\n" + hash + "\n", "line 2"},
		{"o\n9223372036854775808\n" + hash + "\n", "line 2"},
		{"o\n0\n" + hash + "\n", "line 3"},
		{"o\n1\n" + hash[1:] + "\n", "line 3"},
		{"o\n1\n" + hash[:len(hash)-1] + "\n", "line 3"},
		{"o\n1\n" + strings.Replace(hash, "2I=", "2J=", 1) + "\n", "line 3"}, // bits that count for nothing
		{"o\n1\n" + strings.Repeat("A", 43) + "==\n", "line 3"},
		{"o\n1\n" + hash + "\n\n", "line 4"},
		{"o\n1\n" + hash + "\n\nmore\n", "line 4"},
	} {
		_, _, _, err := witness.ParseCheckpoint(bad.text)
		if err == nil || !strings.Contains(err.Error(), bad.says) {
			t.Errorf("%q: %v; want %q in it", bad.text, err, bad.says)
		}
	}
}

func spell(origin string, tree tlog.Tree, extensions []string) string {
	lines := append([]string{origin, fmt.Sprint(tree.N), tree.Hash.String()}, extensions...)
	return strings.Join(lines, "\n") + "\n"
}

func FuzzParseCheckpoint(f *testing.F) {
	text, _, _ := strings.Cut(published, "\n\n")
	f.Add(text + "\n")
	f.Add("o\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n")
	f.Add("o\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\nx\ny\n")
	f.Fuzz(func(t *testing.T, text string) {
		origin, tree, extensions, err := witness.ParseCheckpoint(text)
		if err != nil {
			return
		}
		if got := spell(origin, tree, extensions); got != text {
			t.Errorf("%q was read as %q", text, got)
		}
		if origin == "" || tree.N < 0 || slices.Contains(extensions, "") {
			t.Errorf("%q was accepted", text)
		}
		// Whoever signs it makes a note that opens.
		s, v := signer(t, "fuzz.example")
		msg, err := note.Sign(&note.Note{Text: text}, s)
		if err != nil {
			t.Fatal(err)
		}
		if n, err := note.Open(msg, note.VerifierList(v)); err != nil || n.Text != text {
			t.Errorf("%q signed is %q: %v", text, msg, err)
		}
	})
}

// renamed returns a key under another name.
func renamed(t *testing.T, v *witness.Verifier) *witness.Verifier {
	t.Helper()
	_, rest, _ := strings.Cut(v.String(), "+")
	_, key, _ := strings.Cut(rest, "+")
	_, err := witness.NewVerifier("renamed.example+00000000+" + key)
	if err == nil {
		t.Fatal("a wrong ID was taken")
	}
	_, id, _ := strings.Cut(err.Error(), "for which it is ")
	return verifier(t, "renamed.example+"+id[:8]+"+"+key)
}
