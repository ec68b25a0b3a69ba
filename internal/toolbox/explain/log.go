package explain

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A message is a line of the output and those that continue it.
type message struct {
	line int    // of the input, from 1
	text string // cleaned, without the end of the last line; continuations keep their indent
}

// maxLine is how many bytes of a line are looked at: a message of the go
// command is short, minified JavaScript in a log is not.
const maxLine = 8 << 10

// A cleaner takes off a line what logs put around it.
type cleaner struct {
	escapes  *regexp.Regexp
	prefixes []*regexp.Regexp
	quoted   *regexp.Regexp
}

func newCleaner() *cleaner {
	c := &cleaner{
		escapes: regexp.MustCompile(`\x1b(?:\[[0-9;?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\^_=>78])`),
		// A message within a line of structured logs: msg="…" or "message": "…".
		quoted: regexp.MustCompile(`(?:\bmsg=|\berror=|\berr=|"(?:msg|message|error|err|output|Output|log)"\s*:\s*)"((?:[^"\\]|\\.)*)"`),
	}
	for _, p := range []string{
		`[^\t]{1,200}\t[^\t]{1,200}\t\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z ?`,                    // gh run view --log: job, step, time
		`\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)? ?(?:\d\d[OE][ +])?`, // GitHub; GitLab, with its stream
		`\[\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z?\] ?`,                                      // Jenkins' timestamper
		`\[?\d\d:\d\d:\d\d(?:[.,]\d+)?\]?(?: {1,2}|$)`,                                          // the same, as it shows them
		`#\d+ (?:\d+\.\d+ )?`, // docker build: step, seconds
		`\d+\.\d{1,4} `,       // docker build, in its summary
		`[\w.-]{1,60} +\| `,   // docker compose
		`##\[(?:error|warning|group|endgroup|section|debug|command)\]`, // GitHub, Azure
		`::(?:error|warning|notice|debug|group)(?: [^:]*)?::`,
		`section_(?:start|end):\d+:\S*`, // GitLab
		`(?:Error|error|ERROR|FATAL|\[ERROR\]|stderr|\[stderr\]): `,
		`> `,
	} {
		c.prefixes = append(c.prefixes, regexp.MustCompile(`^(?:`+p+`)`))
	}
	return c
}

// clean returns a line as the command wrote it: mostly one, several where it
// was packed into one line of a structured log.
func (c *cleaner) clean(line string) []string {
	if len(line) > maxLine {
		line = line[:maxLine]
	}
	line = strings.TrimPrefix(line, "\ufeff")
	if strings.Contains(line, "\x1b") {
		line = c.escapes.ReplaceAllString(line, "")
	}
	for range 6 { // a timestamp before a step before a marker …
		n := len(line)
		for _, p := range c.prefixes {
			line = line[len(p.FindString(line)):]
		}
		if len(line) == n {
			break
		}
	}
	lines := []string{line}
	if strings.Contains(line, `="`) || strings.Contains(line, `"`) && strings.HasPrefix(strings.TrimSpace(line), "{") {
		if m := c.quoted.FindStringSubmatch(line); m != nil {
			lines = strings.Split(unescape(m[1]), "\n")
		}
	}
	for i, l := range lines {
		lines[i] = printable(l)
	}
	return lines
}

// unescape undoes what loggers do to a text in quotes.
func unescape(s string) string {
	return strings.NewReplacer(`\\`, `\`, `\"`, `"`, `\n`, "\n", `\t`, "\t", `\r`, "").Replace(s)
}

// printable returns a line without what a terminal would take for a command.
func printable(line string) string {
	line = strings.TrimRight(strings.ToValidUTF8(line, "\ufffd"), " \t\r")
	return strings.Map(func(r rune) rune {
		if r != '\t' && r != utf8.RuneError && !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, line)
}

// messages takes an output apart.
func messages(output string) []message {
	c := newCleaner()
	var all []message
	number := 0
	open := false // the last message may be continued
	for raw := range strings.Lines(output) {
		number++
		raw = strings.TrimRight(raw, "\r\n")
		// A progress line is written over: what counts is what stood there at last.
		if i := strings.LastIndexByte(raw, '\r'); i >= 0 {
			raw = raw[i+1:]
		}
		for _, line := range c.clean(raw) {
			indented := strings.HasPrefix(line, "\t") || strings.HasPrefix(line, "  ")
			switch {
			case strings.TrimSpace(line) == "":
				open = false
			case indented && open:
				last := &all[len(all)-1]
				if len(last.text) < maxLine {
					last.text += "\n" + line
				}
			default:
				all = append(all, message{number, line})
				open = true
			}
		}
	}
	return all
}
