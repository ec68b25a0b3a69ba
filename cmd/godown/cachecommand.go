package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/godown-dev/godown"
	"github.com/godown-dev/godown/internal/toolbox/goenv"
	"github.com/godown-dev/godown/internal/toolbox/lang"
	"github.com/godown-dev/godown/internal/toolbox/modcache"
	"github.com/spf13/cobra"
)

// newCacheCommand returns the command cache, whose work is done by those below it.
func newCacheCommand(m machine) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "cache",
		Short: m.say("See what is in the module cache, and remove what no project needs", "查看模块缓存，并删除没有项目需要的内容"),
		Long: m.say(`Cache looks after GOMODCACHE, where the go command keeps every version of every module
that it has ever fetched, or with --store after the store of a godown: what is big,
what is old, and what no project needs any more. 'go clean -modcache' throws all of
it away; these commands remove what you name or what nothing needs, while other go
commands are at work. See docs/cache.md.`,
			`cache 管理 GOMODCACHE（go 命令下载过的每个模块的每个版本都在其中），加 --store 则管理
godown 自己的存储：哪些占空间、哪些陈旧、哪些已没有项目需要。'go clean -modcache' 会全部清空；
这里的命令只删除你指定的、或没有项目需要的内容，期间其他 go 命令可照常运行。详见 docs/cache.md。`),
		Example: m.say(`  godown cache du                        what takes the space
  godown cache ls --older 90d            what was fetched long ago
  godown cache prune --dry-run ~/src     what no project below ~/src needs
  godown cache rm example.com/one@v1.2.0`,
			`  godown cache du                        什么占了空间
  godown cache ls --older 90d            很久以前下载的版本
  godown cache prune --dry-run ~/src     ~/src 下的项目都不需要的内容
  godown cache rm example.com/one@v1.2.0`),
		RunE: func(cmd *cobra.Command, args []string) error { return cmd.Help() },
	}
	below := []*cobra.Command{newCacheDuCommand(m), newCacheLsCommand(m), newCacheRmCommand(m), newCachePruneCommand(m)}
	cmd.Args = func(_ *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}
		var names []string
		for _, c := range below {
			names = append(names, c.Name())
		}
		return fmt.Errorf("there is no command %q below cache%s", args[0], didYouMean(args[0], names))
	}
	m.speak(cmd)
	cmd.AddCommand(below...)
	return cmd
}

// cacheFlags are the flags of all commands below cache.
type cacheFlags struct {
	cmd    *cobra.Command
	config configFlags
	store  string
	dir    string
	json   bool
}

// configured is the value of --store that names no folder.
const configured = "as configured"

// bindCache gives cmd the flags that say which cache is meant.
func (m machine) bindCache(cmd *cobra.Command) *cacheFlags {
	f := &cacheFlags{cmd: cmd}
	set := cmd.Flags()
	set.StringVar(&f.dir, "modcache", "", m.say("`DIR` of the module cache (default that of 'go env GOMODCACHE')", "模块缓存的`目录`（默认取 'go env GOMODCACHE'）"))
	set.StringVar(&f.store, "store", "", m.say("look after godown's own store instead: --store=`DIR` as --data, or --store alone as 'godown config' says", "改为管理 godown 自己的存储：--store=`目录`，含义同 --data；只写 --store 则按 'godown config' 的设置"))
	set.Lookup("store").NoOptDefVal = configured
	set.BoolVar(&f.json, "json", false, m.say("print one JSON object; its fields are in docs/cache.md", "输出一个 JSON 对象，字段见 docs/cache.md"))
	f.config = bindOptions(cmd, func(option) bool { return false })
	set.Lookup(configKey).Usage = m.say("with --store: `FILE` of godown's settings, in YAML (see 'godown config')", "与 --store 同用：godown 的 YAML 设置`文件`（见 'godown config'）")
	m.speak(cmd)
	dirs := func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return nil, cobra.ShellCompDirectiveFilterDirs
	}
	complete(cmd, "modcache", dirs)
	complete(cmd, "store", dirs)
	return f
}

// A cachePlace is an opened cache.
type cachePlace struct {
	modcache.Place
	settings *goenv.Settings // nil: there is no go command, or it was not asked
	skip     []string        // folders in which there are no projects
	readMod  func(path, version string) ([]byte, error)
	source   func(path, version string) (string, error) // nil: modules are not unpacked here
	only     func(v modcache.Version) lang.Text         // why nobody else may have a version; nil: all can be fetched anew
	close    func() error
}

// open opens the cache that is meant.
func (f *cacheFlags) open(ctx context.Context, m machine) (*cachePlace, error) {
	if f.cmd.Flags().Changed("store") {
		if f.dir != "" {
			return nil, &modcache.Refusal{Text: lang.Text{En: "--store and --modcache name two caches; leave out one of them", Zh: "--store 和 --modcache 指的是两个不同的缓存，请去掉其一"}}
		}
		return f.openStore(ctx, m)
	}
	p := &cachePlace{}
	here, err := m.goMachine()
	if err != nil {
		return nil, err
	}
	if p.settings, err = goenv.Read(ctx, here); err != nil && !goenv.NoGo(err) {
		return nil, err
	}
	home := m.getenv("HOME")
	if home == "" || runtime.GOOS == "windows" {
		home = m.getenv("USERPROFILE")
	}
	dir := f.dir
	switch {
	case dir != "":
		if dir, err = filepath.Abs(dir); err != nil {
			return nil, err
		}
	case p.settings != nil:
		dir = p.settings.Text("GOMODCACHE")
	default:
		dir = m.modCacheWithoutGo(home)
	}
	if f.dir != "" {
		if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
			return nil, &modcache.Refusal{Text: lang.Text{En: "there is no folder %s", Zh: "没有目录 %s"}.With(dir)}
		}
	}
	c, err := modcache.OpenGo(dir, home)
	if err != nil {
		return nil, err
	}
	p.Place, p.skip, p.readMod, p.source, p.close = c, []string{dir}, c.ReadMod, c.Source, c.Close
	return p, nil
}

// modCacheWithoutGo returns where a go command would have its module cache.
func (m machine) modCacheWithoutGo(home string) string {
	if dir := m.getenv("GOMODCACHE"); dir != "" {
		return dir
	}
	path := m.getenv("GOPATH")
	if path == "" && home != "" {
		path = filepath.Join(home, "go")
	}
	if list := filepath.SplitList(path); len(list) > 0 && list[0] != "" {
		return filepath.Join(list[0], "pkg", "mod")
	}
	return ""
}

// openStore opens the store of a godown, which may be running.
func (f *cacheFlags) openStore(ctx context.Context, m machine) (*cachePlace, error) {
	given := f.config.settings()
	given["upstream"] = setting{"off", "default"} // nobody is asked
	if f.store != configured {
		given["data"] = setting{f.store, "flag --store"}
	}
	cfg, err := load(ctx, m, given)
	if err != nil {
		return nil, &modcache.Refusal{Text: lang.Same(err.Error())}
	}
	folder := filepath.Join(cfg.Data, "modules")
	if info, err := os.Stat(folder); err != nil || !info.IsDir() {
		return nil, &modcache.Refusal{Text: lang.Text{En: "there is no store in %s: it has no folder modules; name another with --store=DIR", Zh: "%s 中没有存储：缺少目录 modules；请用 --store=目录 另行指定"}.With(cfg.Data)}
	}
	modules, err := godown.OpenDir(folder)
	if err != nil {
		return nil, err
	}
	p := &cachePlace{Place: &modcache.Store{Modules: modules, Data: cfg.Data}}
	for _, name := range []string{"modules", "published", "direct", "answers", "seen", "pending", "sumdb"} {
		p.skip = append(p.skip, filepath.Join(cfg.Data, name)) // not all of it: it may be where projects are, too
	}
	p.readMod = func(path, version string) ([]byte, error) {
		file, err := modules.Open(ctx, godown.Request{Kind: godown.Mod, Path: path, Version: version}.Name())
		if err != nil {
			return nil, err
		}
		defer file.Close()
		return io.ReadAll(io.LimitReader(file.Body, 16<<20))
	}
	own, closeOwn := onlyHere(ctx, cfg)
	p.only = own
	p.close = func() error { return errors.Join(closeOwn(), modules.Close()) }
	if here, err := m.goMachine(); err == nil {
		if s, err := goenv.Read(ctx, here); err == nil {
			p.settings = s
		}
	}
	return p, nil
}

// refused makes of an error what RunE returns: a refusal is said in the machine's
// language, and means that it was called wrongly.
func (m machine) refused(err error) error {
	if err == nil {
		return nil
	}
	if r, ok := errors.AsType[*modcache.Refusal](err); ok {
		return errors.New(r.Text.In(m.lang))
	}
	return ended(exitFailed, err)
}

// printJSON prints one JSON value.
func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// parseAge reads the value of a flag that is an age.
func (m machine) parseAge(flag, text string) (time.Duration, error) {
	if text == "" {
		return 0, nil
	}
	d, err := parseDuration(text)
	if err != nil || d < 0 {
		return 0, errors.New(m.say(
			fmt.Sprintf("--%s %q is no age; write it as 90d or 36h", flag, text),
			fmt.Sprintf("--%s %q 不是时长；请写成 90d 或 36h 这样的形式", flag, text)))
	}
	return d, nil
}

// binFolders returns where "go install" puts programs.
func binFolders(s *goenv.Settings) []string {
	if s == nil {
		return nil
	}
	if bin := s.Text("GOBIN"); bin != "" {
		return []string{bin}
	}
	var list []string
	for _, dir := range filepath.SplitList(s.Text("GOPATH")) {
		if dir != "" {
			list = append(list, filepath.Join(dir, "bin"))
		}
	}
	return list
}

// survey finds out what the projects below some folders need, and the installed programs.
func (p *cachePlace) survey(ctx context.Context, folders []string, programs bool) (*modcache.Survey, error) {
	s := &modcache.Survey{ReadMod: p.readMod, Source: p.source, Skip: p.skip, Files: anywhere(p.settings)}
	p.running(&s.Needs)
	if err := s.Look(ctx, folders); err != nil {
		return nil, err
	}
	if programs {
		s.Programs(binFolders(p.settings))
	}
	return s, nil
}

// anywhere returns the files that the go command was told to use wherever it is.
func anywhere(s *goenv.Settings) []string {
	if s == nil {
		return nil
	}
	var files []string
	if work := s.Text("GOWORK"); filepath.IsAbs(work) {
		files = append(files, work)
	}
	for flag := range strings.FieldsSeq(s.Text("GOFLAGS")) {
		name, value, _ := strings.Cut(strings.TrimLeft(strings.Trim(flag, `'"`), "-"), "=")
		if value = strings.Trim(value, `'"`); name == "modfile" && filepath.IsAbs(value) {
			files = append(files, value)
		}
	}
	return files
}

// without refuses flags that would do nothing without another, or with it.
func (f *cacheFlags) without(m machine, store bool, names ...string) error {
	for _, name := range names {
		if f.cmd.Flags().Changed(name) && f.cmd.Flags().Changed("store") != store {
			if store {
				return errors.New(m.say("--"+name+" is for --store alone", "--"+name+" 只能与 --store 同用"))
			}
			return errors.New(m.say("--"+name+" is not for --store: there are none", "--"+name+" 不能与 --store 同用：存储中没有这类内容"))
		}
	}
	return nil
}

// running notes the toolchains that the go command of this machine is, or goes over to.
func (p *cachePlace) running(needs *modcache.Needs) {
	if p.settings == nil {
		return
	}
	version, _, _ := strings.Cut(p.settings.Version, " ")
	needs.AddToolchain(version)
	if name, _, _ := strings.Cut(p.settings.Text("GOTOOLCHAIN"), "+"); strings.HasPrefix(name, "go") {
		needs.AddToolchain(name)
	}
}
