package main

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// configDoc returns docs/config.md: all keys of the configuration, from the tags of Config.
func configDoc() string {
	var b strings.Builder
	b.WriteString(`# Configuration

<!-- Written by "go test ./cmd/godown -update" from the tags of Config in cmd/godown/config.go. Do not edit. -->

godown needs no configuration: without any, it does what the machine's go command is set up for.
Every value below, but for ` + "`mirrors`, `vcs` and `auth`" + `, can be given in three ways, of which the first wins:

1. as a flag: ` + "`--not-found-ttl 1m`" + `
2. as an environment variable: ` + "`GODOWN_NOT_FOUND_TTL=1m`" + ` (an empty one counts as not set)
3. as a key of the file that ` + "`--config FILE`" + ` or ` + "`GODOWN_CONFIG`" + ` names: ` + "`not-found-ttl: 1m`" + `

No file is read that was not named. The file is YAML and read strictly: a key that does not exist or
stands twice, or a value of the wrong type, is an error with its line. ` + "`godown config`" + ` prints the outcome
with where each value came from, as such a file:

` + "```yaml" + `
upstream: https://mirror.example|https://goproxy.example,direct
private: [git.corp.example, "*.internal.example"]
ttl: 5m
memory: 128MiB
log-format: json
` + "```" + `

How values are written:

| type | written as |
|---|---|
`)
	seen := make(map[string]bool)
	for _, o := range slices.Concat(configOptions(), mirrorOptions(), optionsOf(reflect.TypeFor[VCSRule]()), optionsOf(reflect.TypeFor[AuthRule]())) {
		if t := o.Type(); o.OneOf == nil && t != "text" && !seen[t] {
			seen[t] = true
			text := o.Expects()
			if o.listed() {
				text += ", separated by commas; in the file also a YAML list"
			}
			fmt.Fprintf(&b, "| %s | %s |\n", t, text)
		}
	}
	b.WriteString(`
Units of sizes are KB, MB, GB, TB (powers of 1000) and KiB, MiB, GiB, TiB (powers of 1024). "go env NAME" is what the
machine's go command says; without a go command, what it would say: the environment, the user's go/env, or GOROOT's go.env.
`)
	writeBelowDocs(&b)
	for _, o := range configOptions() {
		if o.Section != "" {
			fmt.Fprintf(&b, "\n## %s\n\n| key | type | default | meaning |\n|---|---|---|---|\n", o.Section)
		}
		b.WriteString(o.docLine())
	}
	writeEntryDocs(&b)
	return b.String()
}

// writeBelowDocs tells of the keys that may stand below another one in the file.
func writeBelowDocs(b *strings.Builder) {
	for _, o := range configOptions() {
		if o.Inner == "" {
			continue
		}
		var keys []string
		for _, below := range o.below(configOptions()) {
			if below.Key != o.Inner {
				keys = append(keys, below.Key)
			}
		}
		fmt.Fprintf(b, "\nIn the file, `%s` may also be a mapping: its `%s` is then what `%s` says without one, and its other keys, which are %s, are those that begin with `%s-`:\n"+
			"\n```yaml\n%[1]s: {%[2]s: sum.golang.org, %[6]s: …}    # %[1]s: sum.golang.org, and %[1]s-%[6]s: …\n```\n",
			o.Key, o.Inner, o.Key, "`"+strings.Join(keys, "`, `")+"`", o.Key, keys[0])
	}
}

// writeEntryDocs writes the sections on the lists that the file alone can hold.
func writeEntryDocs(b *strings.Builder) {
	const table = "\n| key | type | default | meaning |\n|---|---|---|---|\n"
	lines := func(options []option) {
		b.WriteString(table)
		for _, o := range options {
			b.WriteString(o.docLine())
		}
	}
	b.WriteString(`
## An entry of mirrors

` + "`mirrors`" + ` is a key of the file alone: a list, whose entries are used by name in ` + "`upstream`" + `. Only ` + "`url`" + ` must be given.
Names of files are relative to the folder in which godown is started.

` + "```yaml" + `
upstream: office,cn|mirror2,direct
mirrors:
  - url: https://goproxy.corp.example
    name: office
    ca: /etc/ssl/corp.pem
    headers: {Authorization: Bearer 0123456789}
    only: git.corp.example,*.internal.example
  - url: https://mirror.example
    name: mirror2
    via: socks5://gateway.example:1080
    bandwidth: 5MB
` + "```" + `
`)
	lines(mirrorOptions())
	b.WriteString(`
## An entry of vcs

` + "`vcs`" + ` is a key of the file alone: a list that says where the repositories of modules are, so that nobody need be
asked. Of the entries that match a module's path the first counts. ` + "`match` and `repo`" + ` must be given.

` + "```yaml" + `
private: corp.example.com
vcs:
  - match: corp.example.com/mono      # corp.example.com/mono/x is the folder go/x of one repository
    repo: https://git.corp.example/mono.git
    subdir: go
  - match: corp.example.com/*/*       # corp.example.com/team/tool, and what is below it
    repo: ssh://git@git.corp.example/{1}/{2}.git
` + "```" + `
`)
	lines(optionsOf(reflect.TypeFor[VCSRule]()))
	b.WriteString(`
## An entry of auth.out

` + "`auth`" + ` is a key of the file alone, with one key below it, ` + "`out`" + `: a list of the credentials that are shown to git hosts, to
the pages of modules and to private mirrors. None is shown to a host that ` + "`match`" + ` does not name, nor over plain http.
The longest ` + "`match`" + ` counts, and of equals the first. Only ` + "`match`" + ` and a credential must be given. A secret is best
named by where it stands: what is written out in the file, whoever reads the file can use.

` + "```yaml" + `
auth:
  out:
    - match: github.com/acme
      app-id: 123456
      app-key: file:/etc/godown/acme.pem
    - match: "*.corp.example"
      token: env:GIT_TOKEN
      kind: gitlab
    - match: https://git.corp.example:8443/team
      user: reader
      password: command:/usr/local/bin/secret get git
    - match: ssh://git@git.corp.example
      ssh-key: /etc/godown/id_ed25519
      known-hosts: /etc/godown/known_hosts
` + "```" + `
`)
	lines(optionsOf(reflect.TypeFor[AuthRule]()))
}

// docLine returns the option's line in a table of docs/config.md.
func (o option) docLine() string {
	help := o.Help
	switch o.Only {
	case "":
	case fileOnly:
		help += " (key of the file only)"
	default:
		help += " (flag of `godown " + strings.ReplaceAll(o.Only, "|", "` and `godown ") + "` only)"
	}
	def := o.DefaultText()
	if o.Default != "" {
		def = "`" + def + "`"
	}
	cell := strings.NewReplacer("|", `\|`, "\n", " ")
	return fmt.Sprintf("| `%s` | %s | %s | %s |\n", o.Key, cell.Replace(o.Type()), cell.Replace(def), cell.Replace(help))
}
