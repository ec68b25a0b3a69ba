package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/godown-dev/godown/internal/toolbox/ci"
	"github.com/godown-dev/godown/internal/toolbox/goenv"
	"github.com/godown-dev/godown/internal/toolbox/lang"
	"github.com/godown-dev/godown/internal/toolbox/term"
	"github.com/spf13/cobra"
	"golang.org/x/mod/semver"
)

// ciFlags are what 'godown ci' is told.
type ciFlags struct {
	options ci.Options
	private string
	output  string
	write   bool
	dryRun  bool
	json    bool
}

// newCICommand returns the command ci.
func newCICommand(m machine) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "ci " + strings.Join(ci.Targets(), "|"),
		Short: m.say("Write what CI, Docker or an editor's container needs to build through godown", "生成 CI、Docker 或开发容器经由 godown 构建所需的配置"),
		Long: m.say(`Ci looks at the project in this folder, and prints a file that builds it through
godown: a workflow of GitHub or Gitea, a pipeline of GitLab or Jenkins, a Dockerfile,
a compose file with a godown in it, or a dev container. With --server the modules come
from that godown; without it from one that 'godown run' starts for the length of a
command. What was fetched is kept between builds. No secret is written: the file names
where one is kept, and what is to be stored there is said on stderr.

With --write it goes into the project's own file. What is there stays as it is: our
part stands between two comments, and doing it again changes nothing. A file that
cannot be merged safely is left alone, and the part is printed.

Exit codes:
  0  it is printed or written, or was as it should be
  1  a file was not merged or could not be written; nothing was changed
  2  wrong flags, or no Go project; nothing was changed`,
			`ci 查看当前目录的项目，输出一份经由 godown 构建它的文件：GitHub 或 Gitea 的工作流、
GitLab 或 Jenkins 的流水线、Dockerfile、带 godown 的 compose 文件，或者开发容器配置。
加上 --server，模块从那台 godown 下载；不加则由 godown run 在命令运行期间临时启动一个。
下载过的内容在各次构建之间保留。文件里绝不写入密钥，只写它存放在哪里；需要存什么，
会在标准错误输出中说明。

加上 --write 则写入项目自己的文件。原有内容保持不变：我们的部分放在两行注释之间，
重复执行不会再有变化。无法安全合并的文件不会改动，只把片段打印出来。

退出码：
  0  已输出或写入，或者本来就是对的
  1  文件无法合并或写入；没有任何改动
  2  参数错误，或者这里不是 Go 项目；没有任何改动`),
		Example: m.say(`  godown ci github --server https://goproxy.corp.example --auth oidc
  godown ci docker --variant alpine --package ./cmd/api > Dockerfile
  godown ci gitlab --private git.corp.example --auth token --write --dry-run
      shows what would be changed
  godown ci compose --write`, `  godown ci github --server https://goproxy.corp.example --auth oidc
  godown ci docker --variant alpine --package ./cmd/api > Dockerfile
  godown ci gitlab --private git.corp.example --auth token --write --dry-run
      只显示将会改动什么
  godown ci compose --write`),
		ValidArgs: ci.Targets(),
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return errors.New(m.say("say for what: ", "请指明目标：") + strings.Join(ci.Targets(), ", "))
			}
			return nil
		},
	}
	var f ciFlags
	m.bindCI(cmd, &f)
	m.speak(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error { return m.runCI(cmd, args[0], f) }
	return cmd
}

func (m machine) bindCI(cmd *cobra.Command, f *ciFlags) {
	flags := cmd.Flags()
	o := &f.options
	flags.StringVar(&o.Server, "server", "", m.say("`URL` of the godown server, as others reach it (default: none, 'godown run')", "godown 服务器的 `URL`，写别的机器访问它的地址（默认没有，用 godown run）"))
	flags.StringVar(&o.SumDB, "sumdb", "", m.say("the `LINE` of the server's own checksum database, for GOSUMDB", "服务器自己的校验和数据库的 `LINE`，用于 GOSUMDB"))
	flags.StringVar(&f.private, "private", "", m.say("`PATTERNS` of private modules, as in GOPRIVATE; '' for none (default: what GOPRIVATE says and the project needs)", "私有模块的 `PATTERNS`，写法同 GOPRIVATE；'' 表示没有（默认取 GOPRIVATE 中项目用到的部分）"))
	flags.StringVar(&o.Auth, "auth", "none", m.say("`WAY` to show who one is, to the server or else to git hosts: ", "向服务器（没有服务器时向 git 主机）证明身份的`方式`：")+strings.Join(ci.Auths(), ", "))
	flags.StringVar(&o.Variant, "variant", "", m.say("`IMAGE` to build on: ", "基础`镜像`：")+strings.Join(ci.Variants(), ", ")+m.say(" (default distroless, for docker)", "（docker 默认 distroless）"))
	flags.StringVar(&o.Package, "package", "", m.say("main `PACKAGE` that the image is made of, such as ./cmd/x", "镜像里装哪个 main `包`，如 ./cmd/x"))
	flags.StringVar(&o.Go, "go", "", m.say("`VERSION` of Go, such as 1.26 (default: what go.mod says)", "Go `版本`，如 1.26（默认按 go.mod）"))
	flags.BoolVar(&f.write, "write", false, m.say("put it into the project's files", "写入项目的文件"))
	flags.BoolVar(&f.dryRun, "dry-run", false, m.say("show what --write would change, as a diff", "以 diff 显示 --write 会改动什么"))
	flags.StringVarP(&f.output, "output", "o", "", m.say("`FILE` to write to in place of the usual one; - is stdout", "写到这个`文件`而不是默认的文件；- 表示标准输出"))
	flags.BoolVar(&f.json, "json", false, m.say("print the files and notes as JSON", "以 JSON 输出文件和说明"))
	for name, values := range map[string][]string{"auth": ci.Auths(), "variant": ci.Variants()} {
		_ = cmd.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
	}
	cmd.MarkFlagsMutuallyExclusive("json", "write")
	cmd.MarkFlagsMutuallyExclusive("json", "dry-run")
	cmd.MarkFlagsMutuallyExclusive("json", "output")
}

// runCI makes the snippet, and prints or writes it.
func (m machine) runCI(cmd *cobra.Command, target string, f ciFlags) error {
	if f.output == "-" && (f.write || f.dryRun) {
		return errors.New(m.say("--output - prints, and --write and --dry-run are about a file; leave one of them away", "--output - 是打印，而 --write 和 --dry-run 针对文件；请去掉其中一个"))
	}
	gm, err := m.goMachine()
	if err != nil {
		return err
	}
	o := f.options
	o.Lang = m.lang
	o.Here = strings.TrimPrefix(runtime.Version(), "go")
	o.Needs = ciMinor(o.Here)
	info, _ := debug.ReadBuildInfo()
	o.Release = ciRelease(versionOf(info))
	if cmd.Flags().Changed("private") {
		o.Private = &f.private
	}
	work := m.getenv("GOWORK")
	// Without a go command the project is looked at all the same.
	if s, err := goenv.Read(cmd.Context(), gm); err == nil {
		o.Setting, work = s.Text("GOPRIVATE"), s.Text("GOWORK")
		o.Here = strings.TrimPrefix(s.Version, "go")
	}
	p, err := ci.Detect(gm.Dir, work)
	if err != nil {
		return m.wrongCI(err)
	}
	s, err := ci.Make(target, p, o)
	if err != nil {
		return m.wrongCI(err)
	}
	c := m.console(cmd)
	switch {
	case f.json:
		err = m.printCI(cmd, target, s)
	case f.output == "-" || f.output == "" && !f.write && !f.dryRun:
		_, err = fmt.Fprint(cmd.OutOrStdout(), s.Files[0].Text())
		for _, more := range s.Files[1:] {
			c.Err.Say(lang.Text{En: "--write puts lines into %s as well.", Zh: "--write 还会向 %s 添加几行。"}, more.Name)
		}
	default:
		err = m.writeCI(cmd, c, p, s, f)
	}
	if err != nil {
		return ended(exitFailed, err)
	}
	for _, note := range s.Notes {
		c.Err.Say(note)
	}
	return nil
}

// wrongCI returns an error in the chosen language, without a password in it.
func (m machine) wrongCI(err error) error {
	if w, ok := errors.AsType[*ci.Wrong](err); ok {
		return errors.New(maskURLs(w.Why.In(m.lang)))
	}
	return errors.New(maskURLs(err.Error()))
}

// ciMinor returns the version of Go that gets its fixes: "1.26" of "1.26.3".
func ciMinor(v string) string {
	parts := strings.SplitN(strings.Fields(v)[0], ".", 3)
	return strings.Join(parts[:min(2, len(parts))], ".")
}

// ciRelease returns the version that 'go install' is to be asked for, "" for the
// latest: what was built from a clone has none that others can have.
func ciRelease(v string) string {
	if semver.IsValid(v) && semver.Prerelease(v) == "" && semver.Build(v) == "" {
		return v
	}
	return ""
}

// writeCI merges the files of a snippet, all or, if one refuses, none.
func (m machine) writeCI(cmd *cobra.Command, c *term.Console, p *ci.Project, s *ci.Snippet, f ciFlags) error {
	files := s.Files
	root := p.Dir
	if strings.HasPrefix(files[0].Name, ".git") { // what the repository has one of
		root = filepath.Join(p.Dir, filepath.FromSlash(upwards(p.Sub)))
	}
	if f.output != "" {
		files = files[:1]
	}
	var changes []*ci.Change
	for _, file := range files {
		path := filepath.Join(root, filepath.FromSlash(file.Name))
		if f.output != "" {
			path = f.output
			file.Name = f.output
		}
		change, err := ci.Plan(file, path, ciTree)
		if refusal, ok := errors.AsType[*ci.Refusal](err); ok {
			c.Err.Say(refusal.Text())
			c.Err.Say(lang.Text{En: "This is what would go into it:", Zh: "本来要加入的内容如下："})
			_, err := fmt.Fprint(cmd.OutOrStdout(), file.Text())
			return errors.Join(errors.New(m.say("nothing was changed", "没有任何改动")), err)
		} else if err != nil {
			return err
		}
		changes = append(changes, change)
	}
	for _, change := range changes {
		switch {
		case change.Nothing():
			c.Err.Say(lang.Text{En: "%s is as it should be.", Zh: "%s 已是最新，无需改动。"}, change.Name)
			continue
		case f.dryRun:
			if _, err := fmt.Fprint(cmd.OutOrStdout(), change.Diff()); err != nil {
				return err
			}
			continue
		}
		if err := change.Write(); err != nil {
			return err
		}
		c.Err.Say(lang.Text{En: "%s is written.", Zh: "已写入 %s。"}, change.Name)
	}
	return nil
}

// upwards returns the way back from a folder: "../.." from "a/b".
func upwards(sub string) string {
	if sub == "." {
		return "."
	}
	return strings.TrimSuffix(strings.Repeat("../", strings.Count(sub, "/")+1), "/")
}

// printCI prints a snippet as JSON.
func (m machine) printCI(cmd *cobra.Command, target string, s *ci.Snippet) error {
	type file struct {
		Name string `json:"name"`
		Text string `json:"text"`
	}
	all := struct {
		Target string   `json:"target"`
		Files  []file   `json:"files"`
		Notes  []string `json:"notes"`
	}{Target: target, Notes: []string{}}
	for _, f := range s.Files {
		all.Files = append(all.Files, file{f.Name, f.Text()})
	}
	for _, n := range s.Notes {
		all.Notes = append(all.Notes, n.In(m.lang))
	}
	e := json.NewEncoder(cmd.OutOrStdout())
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(all)
}
