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

	// wrapped says that a CI system or a container's tool put something before
	// it: the command did not run in the environment that is around now.
	wrapped bool
}

// maxLine is how many bytes of a line are looked at: a message of the go
// command is short, minified JavaScript in a log is not.
const maxLine = 8 << 10

// A cleaner takes off a line what logs put around it.
type cleaner struct {
	escapes *regexp.Regexp
	prefix  *regexp.Regexp // its group is of those that say that the log is from elsewhere
	quoted  *regexp.Regexp
}

func newCleaner() *cleaner {
	c := &cleaner{
		escapes: regexp.MustCompile(`\x1b(?:\[[0-9;?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\^_=>78])`),
		// A message within a line of structured logs: msg="…" or "message": "…".
		quoted: regexp.MustCompile(`(?:\bmsg=|\berror=|\berr=|"(?:msg|message|error|err|output|Output|log)"\s*:\s*)"((?:[^"\\]|\\.)*)"`),
	}
	elsewhere := []string{
		`[^\t]{1,200}\t[^\t]{1,200}\t\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z ?`, // gh run view --log: job, step, time
		`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z (?:\d\d[OE][ +])?`,             // GitHub; GitLab, with its stream
		`\[\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z?\] ?`,                   // Jenkins' timestamper
		`#\d+ (?:\d+\.\d+ )?`, // docker build: step, seconds
		`\d+\.\d{1,4} `,       // docker build, in its summary
		`[\w.-]{1,60} +\| `,   // docker compose
		`##\[(?:error|warning|group|endgroup|section|debug|command)\]`, // GitHub, Azure
		`section_(?:start|end):\d+:\S*`,                                // GitLab
	}
	here := []string{
		`\d{4}[-/]\d\d[-/]\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)? ?`, // loggers
		`\[?\d\d:\d\d:\d\d(?:[.,]\d+)?\]?(?: {1,2}|$)`,                               // Jenkins, as it shows times; loggers
		`::(?:error|warning|notice|debug|group)(?: [^:]*)?::`,
		`(?:Error|error|ERROR|FATAL|\[ERROR\]|stderr|\[stderr\]): `,
		`(?:go|go\.exe) : `, // Windows PowerShell, of what comes by stderr
		`> `,
	}
	c.prefix = regexp.MustCompile(`^(?:(` + strings.Join(elsewhere, "|") + `)|` + strings.Join(here, "|") + `)`)
	return c
}

// clean returns a line as the command wrote it: mostly one, several where it
// was packed into one line of a structured log. It reports whether the line is from elsewhere.
func (c *cleaner) clean(line string) (lines []string, wrapped bool) {
	if len(line) > maxLine {
		line = line[:maxLine]
	}
	line = strings.TrimPrefix(line, "\ufeff")
	if strings.Contains(line, "\x1b") {
		line = c.escapes.ReplaceAllString(line, "")
	}
	for range 8 { // a timestamp before a step before a marker …
		at := c.prefix.FindStringSubmatchIndex(line)
		if at == nil || at[1] == 0 {
			break
		}
		wrapped = wrapped || at[2] >= 0
		line = line[at[1]:]
	}
	lines = []string{line}
	if strings.Contains(line, `="`) || strings.Contains(line, `"`) && strings.HasPrefix(strings.TrimSpace(line), "{") {
		if m := c.quoted.FindStringSubmatch(line); m != nil {
			lines = strings.Split(unescape(m[1]), "\n")
		}
	}
	for i, l := range lines {
		lines[i] = printable(l)
	}
	return lines, wrapped
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
		lines, wrapped := c.clean(raw)
		for _, line := range lines {
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
				all = append(all, message{number, line, wrapped})
				open = true
			}
		}
	}
	return all
}
