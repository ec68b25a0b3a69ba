package witness

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// Checkpoint returns the checkpoint of a tree, signed by all signers: a note
// of three lines, which are the log's origin, the tree's size, and its hash in
// base64. The origin is the log's name, and should be that of its keys too; it
// is one word without "+".
func Checkpoint(origin string, tree tlog.Tree, signers ...note.Signer) ([]byte, error) {
	if len(signers) == 0 {
		return nil, errors.New("checkpoint: no key to sign it with")
	}
	if strings.ContainsFunc(origin, unicode.IsSpace) || strings.Contains(origin, "+") {
		return nil, fmt.Errorf("checkpoint: the origin %q has a space or a plus in it; use a name such as sum.example.com/log", origin)
	}
	text := format(origin, tree)
	if _, _, _, err := ParseCheckpoint(text); err != nil {
		return nil, err
	}
	msg, err := note.Sign(&note.Note{Text: text}, signers...)
	if err != nil {
		return nil, fmt.Errorf("checkpoint: signing: %w", err)
	}
	return msg, nil
}

func format(origin string, tree tlog.Tree) string {
	return fmt.Sprintf("%s\n%d\n%s\n", origin, tree.N, tree.Hash)
}

// ParseCheckpoint reads the text of a checkpoint, which is the note without
// its signatures: [note.Open] gives it. It accepts exactly one spelling of
// every value, so that equal checkpoints have equal texts. The extensions are
// the lines after the third; their meaning is the log's.
func ParseCheckpoint(text string) (origin string, tree tlog.Tree, extensions []string, err error) {
	fail := func(line int, format string, args ...any) (string, tlog.Tree, []string, error) {
		return "", tlog.Tree{}, nil, fmt.Errorf("checkpoint: line %d: %s", line, fmt.Sprintf(format, args...))
	}
	body, ended := strings.CutSuffix(text, "\n")
	lines := strings.Split(body, "\n")
	if !ended || len(lines) < 3 {
		return fail(len(lines), "the text ends; it must have an origin, a size and a hash, each a whole line")
	}
	for i, line := range lines {
		switch {
		case line == "":
			return fail(i+1, "it is empty")
		case !utf8.ValidString(line) || strings.ContainsFunc(line, func(r rune) bool { return r < ' ' }):
			return fail(i+1, "%.80q has a control character or is no UTF-8", line)
		}
	}
	if tree.N, err = parseSize(lines[1]); err != nil {
		return fail(2, "%v", err)
	}
	if tree.Hash, err = parseHash(lines[2]); err != nil {
		return fail(3, "%v", err)
	}
	if empty, _ := tlog.TreeHash(0, nil); tree.N == 0 && tree.Hash != empty {
		return fail(3, "%s is not the hash of an empty tree", tree.Hash)
	}
	return lines[0], tree, lines[3:], nil
}

// parseSize reads a decimal number of records without sign or leading zeroes.
func parseSize(s string) (int64, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 || strconv.FormatInt(n, 10) != s {
		return 0, fmt.Errorf("%.40q is no tree size", s)
	}
	return n, nil
}

// parseHash reads a hash in base64; tlog alone would take line ends in it, and bits that count for nothing.
func parseHash(s string) (tlog.Hash, error) {
	h, err := tlog.ParseHash(s)
	if err != nil || h.String() != s {
		return tlog.Hash{}, fmt.Errorf("%.80q is no hash in base64", s)
	}
	return h, nil
}

// open takes a signed checkpoint apart without verifying who signed it.
func open(checkpoint []byte) (text, origin string, tree tlog.Tree, err error) {
	n, err := note.Open(checkpoint, note.VerifierList())
	if unverified, ok := errors.AsType[*note.UnverifiedNoteError](err); ok {
		n, err = unverified.Note, nil
	}
	if err != nil {
		return "", "", tlog.Tree{}, fmt.Errorf("checkpoint: %w", err)
	}
	origin, tree, _, err = ParseCheckpoint(n.Text)
	return n.Text, origin, tree, err
}
