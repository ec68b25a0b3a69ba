package main

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
)

// A prose makes text that compresses as source code does: few words, of which
// some are much more common than others, in lines of few shapes.
type prose struct {
	rng   *rand.Rand
	zipf  *rand.Zipf
	words []string
}

const vocabulary = 1500 // words of one repository

func newProse(seed uint64) *prose {
	rng := rand.New(rand.NewPCG(seed, 20))
	p := &prose{rng: rng, zipf: rand.NewZipf(rng, 1.35, 4, vocabulary-1)}
	syllables := strings.Fields("ad ba cor de en fe gra hi in jo ka lo mar ne or pa que ri so ta un ver wi xy zo ter ing ment con str ex")
	for range vocabulary {
		var w strings.Builder
		for range 2 + rng.IntN(3) {
			w.WriteString(syllables[rng.IntN(len(syllables))])
		}
		p.words = append(p.words, w.String())
	}
	return p
}

func (p *prose) word() string { return p.words[p.zipf.Uint64()] }

// name returns an identifier of two words.
func (p *prose) name() string {
	w := p.word()
	return p.word() + strings.ToUpper(w[:1]) + w[1:]
}

// line returns a line with its end.
func (p *prose) line() []byte {
	switch p.rng.IntN(9) {
	case 0:
		return fmt.Appendf(nil, "// %s %s the %s of %s, and %s %s.\n", p.word(), p.word(), p.word(), p.name(), p.word(), p.word())
	case 1:
		return fmt.Appendf(nil, "func (%c *%s) %s(ctx context.Context, %s int) error {\n", 'a'+rune(p.rng.IntN(26)), p.name(), p.name(), p.word())
	case 2:
		return fmt.Appendf(nil, "\tif err := %s.%s(%s); err != nil {\n", p.word(), p.name(), p.word())
	case 3:
		return fmt.Appendf(nil, "\t\treturn fmt.Errorf(\"%s %s: %%w\", %s, err)\n", p.word(), p.word(), p.word())
	case 4:
		return []byte("\t}\n")
	case 5:
		return []byte("}\n\n")
	case 6:
		return fmt.Appendf(nil, "\tfor i := range %s.%s {\n", p.word(), p.name())
	case 7:
		return fmt.Appendf(nil, "\t\t%s[i] = %s(%s, %d)\n", p.word(), p.name(), p.word(), p.rng.IntN(1000))
	}
	return fmt.Appendf(nil, "\t%s, %s := %s.%s\n", p.word(), p.word(), p.word(), p.name())
}

// A text is a file as lines.
type text [][]byte

// text returns a file of about so many bytes.
func (p *prose) text(size int) text {
	t := text{fmt.Appendf(nil, "package %s\n", p.word())}
	for n := 0; n < size; {
		l := p.line()
		t = append(t, l)
		n += len(l)
	}
	return t
}

// size returns a file's size, bytes: most are small, some are large, mean on the average.
func (p *prose) size(mean int) int { return int(p.rng.ExpFloat64() * float64(mean)) }

// edit replaces some lines by others.
func (p *prose) edit(t text) text {
	at := 1 + p.rng.IntN(len(t))
	end := min(len(t), at+p.rng.IntN(8))
	edited := append(text{}, t[:at]...)
	for range 1 + p.rng.IntN(8) {
		edited = append(edited, p.line())
	}
	return append(edited, t[end:]...)
}

func (t text) bytes() []byte { return bytes.Join(t, nil) }
