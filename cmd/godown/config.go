package main

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/godown-dev/godown/internal/auth"
)

// Config is everything that can be configured, each value once. The tags of a
// field are the only source of its flag, its GODOWN_* environment variable,
// its key in the file, its line of "godown config" and its entry in
// docs/config.md (written by "go test ./cmd/godown -update"):
//
//	key      its name; --KEY, GODOWN_KEY (upper case, "_" for "-") and KEY: in the file
//	help     what it does and, where that is not plain, its unit and its zero
//	default  its default, written as on the command line
//	goenv    instead of default: the setting of the go command it defaults to
//	follows  with goenv: a key whose value it takes over when that one is set, and it is not
//	computed instead of default: in words, where computedDefault finds it
//	only     the commands that alone have it as a flag, separated by "|"; all of serve, run and warm without it; "file": it is a key of the file alone
//	inner    what its value is called where KEY: is a mapping in the file; the mapping's other keys SUB: are the keys KEY-SUB
//	oneof    the values allowed, separated by "|"
//	min max  its bounds, inclusive
//	section  the heading in docs/config.md that begins with this field
//
// The tags of a Mirror, a VCSRule and an AuthRule mean the same for the keys of
// an entry of "mirrors:", "vcs:" and "auth: out:".
//
// A Config is read-only once load has returned it. What is printed or logged of
// it shows no secret.
type Config struct {
	Listen string `key:"listen" section:"Serving" default:"127.0.0.1:8080" only:"serve" help:"address and port to listen on; port 0 takes a free one, an empty address means every interface of the machine"`
	Data   string `key:"data" computed:"godown in the user's cache directory" help:"folder of the store; DATA/modules has the layout of GOMODCACHE/cache/download"`

	Upstream Proxies  `key:"upstream" section:"Upstreams and private modules" goenv:"GOPROXY" help:"where modules come from, a list in GOPROXY syntax: after ',' the next is asked on 404 and 410 only, after '|' on any error; 'direct' asks the version control system, 'off' nobody. URLs joined by '|' are a group, of which the best is asked. A name stands for URLs joined by '|': cn (the public mirrors in China), default (what the go command has built in), that of an entry of mirrors: in the file, or mirrors (all of these; if there are any, the default is mirrors,direct)"`
	Private  Patterns `key:"private" goenv:"GOPRIVATE" help:"modules that are never named to a public mirror or checksum database, as patterns in GOPRIVATE syntax. They come from private-upstream; but if noproxy is 'none', from those mirrors of upstream that are not public, if there are any"`
	NoProxy  Patterns `key:"noproxy" goenv:"GONOPROXY" follows:"private" help:"modules fetched straight from their version control system; what private says, unless given"`
	NoSumDB  Patterns `key:"nosumdb" goenv:"GONOSUMDB" follows:"private" help:"modules that the checksum database is not asked for; what private says, unless given"`

	PrivateUpstream Proxies `key:"private-upstream" default:"direct" help:"where private modules come from, a list in the syntax of upstream: direct for their version control system, or a private mirror; no public one may be in it"`

	VCS       VCSRules   `key:"vcs" section:"Version control and credentials" computed:"none" only:"file" help:"where the repositories of modules are, each entry with the keys below; what it does not say is found by well-known hosts, by .git in the path, or by the page of the module (?go-get=1)"`
	Auth      AuthRules  `key:"auth" computed:"none" only:"file" help:"out: the credentials for git hosts, pages and private mirrors, a list of entries with the keys below"`
	Netrc     string     `key:"netrc" default:"" help:"file with passwords for hosts, in the form of .netrc; 'godown run' uses the user's own unless this is given"`
	AllowHost AllowHosts `key:"allow-host" default:"" help:"hosts that 'direct' may fetch from although they have private addresses: names, *.names, addresses or CIDR ranges, each with :PORT or without, or '*' for all. The modules of private may always. 'godown run' allows all unless this is given, as its user could reach them as well"`
	Insecure  Patterns   `key:"insecure" goenv:"GOINSECURE" help:"modules whose origin may be asked over http, or with a certificate that nobody vouches for"`
	GoVCS     string     `key:"govcs" goenv:"GOVCS" help:"which version control systems may be used for which modules, in GOVCS syntax; where it says nothing, git and hg for public modules, all for private ones"`
	GitConfig string     `key:"git-config" default:"" only:"serve|warm" help:"file with the git configuration to use, such as for insteadOf, certificates and credential helpers; the user's and the system's are not read. 'godown run' acts for its user, and uses the user's"`
	VCSSize   Size       `key:"vcs-size" default:"10GiB" min:"64MiB" help:"space for repositories below DATA/direct; those used least recently go first"`
	GitFetch  Size       `key:"git-fetch" default:"2GiB" min:"1MiB" help:"the most that one git command may receive; more is cut off"`

	Publish      Patterns    `key:"publish" section:"Publishing and pushes" default:"" only:"serve" help:"modules whose versions may be put here with 'godown publish'"`
	PublishToken auth.Secret `key:"publish-token" default:"" only:"serve" help:"what a client must show to publish: env:NAME, file:PATH or command:PROGRAM ARGS; several in a file, a line each"`
	HookSecret   auth.Secret `key:"hook-secret" default:"" only:"serve" help:"the secret that git hosts sign their pushes to /-/hook with: env:NAME, file:PATH or command:PROGRAM ARGS"`

	SumDB  Database      `key:"sumdb" section:"Verification" goenv:"GOSUMDB" inner:"database" help:"checksum database that proves public modules, in GOSUMDB syntax (NAME, NAME+KEY or either with a URL), or 'off', which gives up all protection against a lying mirror"`
	Verify string        `key:"verify" default:"require" oneof:"require|prefer" help:"when the checksum database cannot be reached: 'require' refuses what was never verified, 'prefer' serves it, marks it and verifies it later"`
	Scrub  time.Duration `key:"scrub" default:"30d" min:"0s" only:"serve" help:"the time in which all stored files are hashed once again, a little at a time, to find those that have changed on the disk; 0: never"`

	SumDBOwn     string        `key:"sumdb-own" section:"Our own checksum database" default:"" only:"serve|verify" help:"the NAME of the checksum database of our own that is served, and that 'godown verify' compares with, one that 'godown sumdb init' has made; empty: the one that is in the data folder, if there is any; 'off': none"`
	SumDBKey     auth.Secret   `key:"sumdb-key" default:"" only:"serve" help:"its private key: env:NAME, file:PATH or command:PROGRAM ARGS; several during a rotation, a line each; empty: where 'godown sumdb init' has put it"`
	SumDBListen  string        `key:"sumdb-listen" default:"" only:"serve" help:"address and port of a listener of its own that serves the database at its root, for clients with GOSUMDB=\"KEY URL\"; empty: none, and it is served below /sumdb/ only"`
	SumDBWitness Witnesses     `key:"sumdb-witness" default:"" only:"serve" help:"witnesses that are to cosign the database's checkpoints (c2sp.org/tlog-witness), each its public key and its URL; empty: none"`
	SumDBWatch   time.Duration `key:"sumdb-watch" default:"10m" min:"0s" only:"serve" help:"time between looks at the head of the database of sumdb, in each mirror that passes it on, to find forks of it; 0: it is not looked at"`

	TTL         time.Duration `key:"ttl" section:"Freshness" default:"1m" min:"0s" help:"how long a version list, a latest version or what a branch stands for is fresh; then it is asked for again"`
	NotFoundTTL time.Duration `key:"not-found-ttl" default:"30s" min:"0s" help:"how long an upstream's 404 or 410 is remembered"`

	Memory    Size          `key:"memory" section:"Limits" default:"64MiB" min:"0" help:"memory for a cache of small files (.info, .mod, lists); 0 reads each from the disk"`
	Fetches   int           `key:"fetches" default:"256" min:"1" help:"how many fetches from upstreams may be under way at once"`
	FetchWait time.Duration `key:"fetch-wait" default:"30s" min:"0s" help:"how long a request waits for one of those places before it is answered 503 with Retry-After"`
	Drain     time.Duration `key:"drain" default:"30s" min:"0s" help:"how long requests under way may take to end after the first SIGTERM or SIGINT; a second one stops at once"`

	FetchTimeout     time.Duration `key:"fetch-timeout" section:"Patience with upstreams" default:"15m" min:"1ms" help:"time for one fetch as a whole, with all retries and all upstreams of the list"`
	ConnectTimeout   time.Duration `key:"connect-timeout" default:"10s" min:"1ms" help:"time to connect to an upstream"`
	TLSTimeout       time.Duration `key:"tls-timeout" default:"10s" min:"1ms" help:"time for the TLS handshake"`
	FirstByteTimeout time.Duration `key:"first-byte-timeout" default:"30s" min:"1ms" help:"time from the request to the first byte of the answer"`
	StallTimeout     time.Duration `key:"stall-timeout" default:"5s" min:"1ms" help:"a body of which not a single byte arrives for so long is cut; one that is slow but moves is not"`
	Retries          int           `key:"retries" default:"2" min:"0" max:"20" help:"how often an upstream is asked again after a failure that may pass (refused, reset, 5xx, 429)"`
	DirectJobs       int           `key:"direct-jobs" default:"8" min:"1" help:"how many git commands may speak with repositories at once for 'direct', and how many go commands, which are run for other systems than git"`
	DirectTimeout    time.Duration `key:"direct-timeout" default:"10m" min:"1ms" help:"time for one git or go command that runs for 'direct'"`

	Mirrors      Mirrors       `key:"mirrors" section:"Mirrors" computed:"none" only:"file" help:"mirrors of which there is more to say than a URL, each with the keys below"`
	Choose       string        `key:"choose" default:"fastest" oneof:"fastest|ordered|round-robin|least-busy|race" help:"which mirror of a group is asked first: 'fastest' by what was learnt of each, 'ordered' as written, 'round-robin' in turns by weight, 'least-busy' the one with the fewest requests under way for its weight, 'race' all at once"`
	Hedge        int           `key:"hedge" default:"10" min:"0" max:"100" help:"how many of 100 requests may be asked of a second mirror as well because the first is late; 0: none"`
	Split        Size          `key:"split" default:"1MiB" min:"0" help:"zips that are larger are fetched in several pieces at once; 0: never"`
	Streams      int           `key:"streams" default:"16" min:"1" max:"64" help:"pieces of one file that are fetched at once from one mirror"`
	Connections  int           `key:"connections" default:"64" min:"1" max:"1024" help:"how many zips, or pieces of them, may be fetched at once from one mirror that has no connections: of its own; of these as many are used as are found to bring more bytes"`
	Probe        time.Duration `key:"probe" default:"30s" min:"0s" help:"time between trial requests to a mirror that is down or idle; 0: none are made"`
	ProbeTimeout time.Duration `key:"probe-timeout" default:"1s" min:"1ms" help:"time for such a trial"`
	Rise         int           `key:"rise" default:"2" min:"1" help:"successes in a row that bring a mirror back"`
	Fall         int           `key:"fall" default:"3" min:"1" help:"failures in a row that take a mirror out"`
	StreamAfter  time.Duration `key:"stream-after" default:"1s" only:"serve|run" min:"0s" help:"a zip that takes longer to arrive is passed on while it arrives, but for its last 64 KiB; one that is quicker is passed on when it is verified, so that a mirror's wrong file is replaced unnoticed. 'godown run' waits for the whole unless this is given, as its client is on the same machine"`

	Prefetch string `key:"prefetch" section:"Fetching ahead" default:"all" only:"serve|run" oneof:"off|mods|all" help:"what is fetched before it is asked for, by what a client has asked for: 'mods' are the small files (.mod, .info, lists), 'all' zips too, 'off' nothing"`

	LogFormat string `key:"log-format" section:"Logs" default:"text" oneof:"text|json" help:"format of the log on stderr"`
	LogLevel  string `key:"log-level" default:"info" oneof:"debug|info|warn|error" help:"the least important records that are logged"`
	AccessLog bool   `key:"access-log" default:"false" only:"serve|run" help:"log the requests answered from the cache, too, not only those that missed, failed or were refused"`
	Quiet     bool   `key:"quiet" default:"false" only:"run" help:"do not end with a line on modules, bytes, hits and time"`

	upstreams        []upstreamEntry   // Upstream with URLs in the place of names
	privateUpstreams []upstreamEntry   // the same of PrivateUpstream
	origins          map[string]string // by key: where its value came from
	unknown          []Misspelt        // environment variables that look like ours but are not
	environ          []string          // the environment this was loaded from
	goEnv            settings          // the settings of the go command, where they were needed
	ownUpstream      bool              // of upstreams, at least one is no public mirror
	serving          bool              // it is for serve, which alone has a checksum database of its own
	forUser          bool              // it is for one command of the machine's user, whose credentials are used
}

// Patterns are module path patterns in GOPRIVATE syntax, separated by commas,
// without blanks: what module.MatchPrefixPatterns takes.
type Patterns string

// Proxies is a list in GOPROXY syntax. It may hold passwords: what is printed
// or logged of it is its String.
type Proxies string

// String returns the list with its passwords masked.
func (p Proxies) String() string { return maskSecrets(string(p)) }

// LogValue keeps the passwords out of logs in whatever format.
func (p Proxies) LogValue() slog.Value { return slog.StringValue(p.String()) }

// Database is a checksum database in GOSUMDB syntax, or "off". Its URL may
// hold a password: what is printed or logged of it is its String.
type Database string

// String returns the database with its password masked.
func (d Database) String() string { return maskSecrets(string(d)) }

// LogValue keeps the password out of logs in whatever format.
func (d Database) LogValue() slog.Value { return slog.StringValue(d.String()) }

// Witnesses are public keys and URLs of witnesses, "KEY URL" each, separated by
// commas. A URL may hold a password: what is printed or logged is its String.
type Witnesses string

// String returns the list with passwords masked.
func (w Witnesses) String() string { return maskSecrets(string(w)) }

// LogValue keeps the passwords out of logs in whatever format.
func (w Witnesses) LogValue() slog.Value { return slog.StringValue(w.String()) }

// AllowHosts is a list of hosts and addresses, as vcs.ParseAllow takes it.
type AllowHosts string

// Size is a number of bytes.
type Size int64

// Origin says where the value of a key came from: "flag --ttl", "environment
// GODOWN_TTL", "godown.yaml:12", "default", "go env GOPROXY".
func (c *Config) Origin(key string) string { return c.origins[key] }

// UnknownEnvironment returns the environment variables named GODOWN_… that are
// none of ours. They stop nothing, as another program may own them, but
// whoever serves should warn of them.
func (c *Config) UnknownEnvironment() []Misspelt { return c.unknown }

// Environ returns the environment, "NAME=value" each, that c was loaded from.
func (c *Config) Environ() []string { return c.environ }

// LogValue keeps secrets out of logs in whatever format.
func (c Config) LogValue() slog.Value {
	var attrs []slog.Attr
	for _, o := range configOptions() {
		if o.Only != fileOnly {
			attrs = append(attrs, slog.String(o.Key, o.mask(o.Text(&c))))
		}
	}
	return slog.GroupValue(attrs...)
}

// Format writes what is logged, whatever the verb.
func (c Config) Format(f fmt.State, _ rune) { fmt.Fprint(f, c.LogValue()) }

// Level returns log-level as package slog has it.
func (c *Config) Level() slog.Level {
	var level slog.Level
	// Only debug, info, warn and error pass validation, and slog knows them all.
	_ = level.UnmarshalText([]byte(c.LogLevel))
	return level
}

// isDefault reports whether an option has the value that it has without any setting.
func (c *Config) isDefault(key string) bool {
	o, _ := optionByKey(key)
	return o.Text(c) == o.Default
}
