package godowntest

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"maps"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"
)

// Who makes all commits and tags.
const (
	personName = "Ann Author"
	personMail = "ann@example.com"
)

// A scriptState is how far a script has come. Commits go through one git
// fast-import for all lines up to the next "git" or "later".
type scriptState struct {
	files  map[string][]byte
	todo   []scriptLine
	now    time.Time
	branch string // the current one

	stream  bytes.Buffer    // for fast-import
	changes bytes.Buffer    // the same, for the next commit
	touched map[string]bool // branches in stream
	exists  map[string]bool // branches; nil if git has to be asked
}

func newState(s *Script) scriptState {
	return scriptState{
		files: maps.Clone(s.files), todo: s.commands, branch: "main",
		now:     time.Date(2024, time.January, 1, 0, 0, 0, 0, time.UTC),
		touched: make(map[string]bool), exists: make(map[string]bool),
	}
}

// extend puts the commands of s in front of what is to be done.
func (st *scriptState) extend(s *Script) {
	maps.Copy(st.files, s.files)
	lines := append([]scriptLine(nil), s.commands...)
	st.todo = append(append(lines, scriptLine{words: []string{"later"}}), st.todo...)
}

// date returns the time as git's raw format has it.
func (st *scriptState) date() string {
	return fmt.Sprintf("%d %s", st.now.Unix(), st.now.Format("-0700"))
}

// next runs what is to be done up to a "later".
func (r *GitRepo) next(ctx context.Context) (ran bool, err error) {
	st := &r.state
	for len(st.todo) > 0 {
		l := st.todo[0]
		st.todo = st.todo[1:]
		if l.words[0] == "later" {
			break
		}
		ran = true
		if err := r.command(ctx, l); err != nil {
			return ran, fmt.Errorf("line %d: %s: %w", l.number, l.rest[0], err)
		}
	}
	if st.changes.Len() > 0 {
		return ran, fmt.Errorf("what was written is in no commit")
	}
	return ran, r.flush(ctx)
}

// flush makes git take what has gathered.
func (r *GitRepo) flush(ctx context.Context) error {
	st := &r.state
	if st.stream.Len() == 0 {
		return nil
	}
	st.stream.WriteString("done\n")
	_, err := r.run(ctx, &st.stream, "fast-import", "--quiet", "--force", "--done", "--date-format=raw-permissive")
	st.stream.Reset()
	clear(st.touched)
	return err
}

// command runs one line.
func (r *GitRepo) command(ctx context.Context, l scriptLine) error {
	st := &r.state
	verb, args := l.words[0], l.words[1:]
	want := func(least, most int) error {
		if len(args) < least || len(args) > most {
			return fmt.Errorf("%s wants %d to %d words behind it, not %d", verb, least, most, len(args))
		}
		return nil
	}
	text := func(i int) string { // the rest of the line from args[i] on
		if i < len(args)-1 {
			return l.rest[i+1]
		}
		return strings.Join(args[min(i, len(args)):], " ")
	}
	switch verb {
	case "git":
		if err := r.flush(ctx); err != nil {
			return err
		}
		st.exists = nil
		_, err := r.run(ctx, nil, args...)
		return err
	case "repeat":
		return r.repeat(ctx, l)
	case "commit", "commits", "branch", "orphan", "merge", "tag":
		if err := r.branches(ctx); err != nil {
			return err
		}
		return st.history(verb, args, text, want)
	}
	return st.change(verb, args, want)
}

// branches asks git which branches there are, if a git command may have changed that.
func (r *GitRepo) branches(ctx context.Context) error {
	st := &r.state
	if st.exists != nil {
		return nil
	}
	out, err := r.run(ctx, nil, "for-each-ref", "--format=%(refname:lstrip=2)", "refs/heads/")
	if err != nil {
		return err
	}
	st.exists = make(map[string]bool)
	for name := range strings.Lines(out) {
		st.exists[strings.TrimSpace(name)] = true
	}
	return nil
}

// repeat runs lines, in which %d is the number of the turn, from 1 on.
func (r *GitRepo) repeat(ctx context.Context, l scriptLine) error {
	if len(l.words) < 3 {
		return fmt.Errorf("repeat wants a number and a line")
	}
	n, err := strconv.Atoi(l.words[1])
	if err != nil {
		return err
	}
	for i := 1; i <= n; i++ {
		for line := range strings.SplitSeq(strings.ReplaceAll(l.rest[2], "%d", strconv.Itoa(i)), " ; ") {
			inner, err := parseLine(l.number, strings.TrimSpace(line))
			if err != nil {
				return err
			}
			if len(inner.words) == 0 || inner.words[0] == "repeat" || inner.words[0] == "later" {
				return fmt.Errorf("%q cannot be repeated", line)
			}
			if err := r.command(ctx, inner); err != nil {
				return err
			}
		}
	}
	return nil
}

// change is a command that changes the files of the next commit.
func (st *scriptState) change(verb string, args []string, want func(least, most int) error) error {
	mode := "100644"
	if verb == "put" && len(args) > 0 && args[0] == "-x" {
		mode, args = "100755", args[1:]
	}
	var err error
	switch verb {
	case "at":
		if err = want(1, 1); err == nil {
			st.now, err = time.Parse(time.RFC3339, args[0])
		}
	case "write":
		if err = want(1, 2); err != nil {
			return err
		}
		data, ok := st.files[args[len(args)-1]]
		if !ok {
			return fmt.Errorf("the archive has no file %q", args[len(args)-1])
		}
		st.file(mode, args[0], data)
	case "put":
		if len(args) != 2 {
			return fmt.Errorf("put wants a path and a text")
		}
		st.file(mode, args[0], []byte(args[1]))
	case "mkbig":
		if err = want(3, 3); err != nil {
			return err
		}
		size, err1 := strconv.Atoi(args[1])
		seed, err2 := strconv.ParseUint(args[2], 10, 64)
		if err1 != nil || err2 != nil || size < 0 {
			return fmt.Errorf("mkbig wants PATH SIZE SEED")
		}
		st.file(mode, args[0], bigData(size, seed))
	case "symlink":
		if err = want(2, 2); err == nil {
			st.file("120000", args[0], []byte(args[1]))
		}
	case "submodule":
		if err = want(2, 2); err == nil {
			fmt.Fprintf(&st.changes, "M 160000 %s %s\n", args[1], quotePath(args[0]))
		}
	case "rm":
		if err = want(1, 1); err == nil {
			fmt.Fprintf(&st.changes, "D %s\n", quotePath(args[0]))
		}
	default:
		return fmt.Errorf("there is no command %q", verb)
	}
	return err
}

func (st *scriptState) file(mode, path string, data []byte) {
	fmt.Fprintf(&st.changes, "M %s inline %s\n", mode, quotePath(path))
	writeData(&st.changes, data)
}

// history is a command that makes commits, branches and tags.
func (st *scriptState) history(verb string, args []string, text func(int) string, want func(least, most int) error) error {
	switch verb {
	case "commit":
		st.commit(text(0), "")
	case "commits":
		if err := want(1, 1); err != nil {
			return err
		}
		n, err := strconv.Atoi(args[0])
		if err != nil {
			return err
		}
		for i := 1; i <= n; i++ {
			st.file("100644", "count.txt", fmt.Appendf(nil, "%d\n", i))
			st.commit(fmt.Sprintf("commit %d of %d", i, n), "")
		}
	case "branch", "orphan":
		if err := want(1, 2); err != nil {
			return err
		}
		from := st.branch
		if len(args) == 2 {
			from = args[1]
		}
		if verb == "branch" && !st.exists[args[0]] {
			if !st.exists[from] {
				return fmt.Errorf("there is no branch %q yet to begin from", from)
			}
			fmt.Fprintf(&st.stream, "reset refs/heads/%s\nfrom %s\n\n", args[0], st.ref(from))
			st.touched[args[0]], st.exists[args[0]] = true, true
		}
		if verb == "orphan" && st.exists[args[0]] {
			return fmt.Errorf("there is a branch %q already", args[0])
		}
		st.branch = args[0]
	case "merge":
		if len(args) == 0 || !st.exists[args[0]] || !st.exists[st.branch] {
			return fmt.Errorf("merge wants a branch, and one to merge it into")
		}
		st.commit(strings.TrimSpace("Merge "+args[0]+"\n\n"+text(1)), args[0])
	case "tag":
		if len(args) == 0 || !st.exists[st.branch] {
			return fmt.Errorf("tag wants a name, and a commit to tag")
		}
		return st.tag(args[0], text(1))
	}
	return nil
}

// tag makes a tag of the current branch, annotated if there is a message.
func (st *scriptState) tag(name, message string) error {
	if message == "" {
		fmt.Fprintf(&st.stream, "reset refs/tags/%s\nfrom %s\n\n", name, st.ref(st.branch))
		return nil
	}
	if file, ok := strings.CutPrefix(message, "<"); ok {
		data, ok := st.files[file]
		if !ok {
			return fmt.Errorf("the archive has no file %q", file)
		}
		message = string(data)
	}
	fmt.Fprintf(&st.stream, "tag %s\nfrom %s\ntagger %s <%s> %s\n", name, st.ref(st.branch), personName, personMail, st.date())
	writeData(&st.stream, []byte(strings.TrimRight(message, "\n")+"\n"))
	return nil
}

// commit makes a commit on the current branch, with another branch as second parent if that is named.
func (st *scriptState) commit(message, other string) {
	fmt.Fprintf(&st.stream, "commit refs/heads/%s\n", st.branch)
	for _, role := range []string{"author", "committer"} {
		fmt.Fprintf(&st.stream, "%s %s <%s> %s\n", role, personName, personMail, st.date())
	}
	writeData(&st.stream, []byte(message+"\n"))
	if st.exists[st.branch] && !st.touched[st.branch] {
		fmt.Fprintf(&st.stream, "from %s\n", st.ref(st.branch))
	}
	if other != "" {
		fmt.Fprintf(&st.stream, "merge %s\n", st.ref(other))
	}
	st.changes.WriteTo(&st.stream)
	st.stream.WriteByte('\n')
	st.touched[st.branch], st.exists[st.branch] = true, true
	st.now = st.now.Add(time.Minute)
}

// ref names the tip of a branch to fast-import, which wants to hear ^0 behind what is not its own.
func (st *scriptState) ref(branch string) string {
	if st.touched[branch] {
		return "refs/heads/" + branch
	}
	return "refs/heads/" + branch + "^0"
}

func writeData(b *bytes.Buffer, data []byte) {
	fmt.Fprintf(b, "data %d\n", len(data))
	b.Write(data)
	b.WriteByte('\n')
}

// quotePath quotes a path for fast-import.
func quotePath(path string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(path) + `"`
}

// bigData returns bytes that do not compress, the same each time.
func bigData(size int, seed uint64) []byte {
	var key [32]byte
	binary.LittleEndian.PutUint64(key[:], seed)
	data := make([]byte, size)
	rand.NewChaCha8(key).Read(data)
	return data
}
