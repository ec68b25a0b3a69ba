package doctor

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/godown-dev/godown/internal/toolbox/lang"
)

// checkTemp looks at where the go command builds.
func (m *machine) checkTemp(_ context.Context, f *Facts) []Finding {
	name, dir := f.tempFolder()
	if dir == "" {
		return nil
	}
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return []Finding{{
			ID: "temp-missing", Severity: Fault,
			Title:       text("The folder for temporary files is not there", "临时文件目录不存在"),
			Evidence:    []lang.Text{text("%s=%s", "%s=%s", name, dir)},
			Consequence: text("Builds and tests stop with: go: creating work dir: no such file or directory.", "构建与测试会失败：go: creating work dir: no such file or directory。"),
			Fixes: []Fix{
				{Command: "mkdir -p " + quote(dir), Say: text("make it", "创建它"), Do: func(context.Context) error { return os.MkdirAll(dir, 0o700) }},
				{Command: f.unset(name), Say: text("or go back to the system's", "或改回系统默认")},
			},
		}}
	}
	if trial, err := os.MkdirTemp(dir, ".godown-doctor-"); err != nil {
		return []Finding{{
			ID: "temp-unwritable", Severity: Fault,
			Title:       text("The folder for temporary files cannot be written to", "临时文件目录不可写"),
			Evidence:    []lang.Text{lang.Same(err.Error())},
			Consequence: text("Builds and tests stop with: go: creating work dir.", "构建与测试会失败：go: creating work dir。"),
			Fixes:       []Fix{f.buildElsewhere()},
		}}
	} else {
		_ = os.Remove(trial)
	}
	if r, ok := m.room(dir); ok && r.noPrograms {
		return []Finding{{
			ID: "temp-noexec", Severity: Warning,
			Title:       text("Programs in the folder for temporary files cannot be run", "临时文件目录中的程序不能运行"),
			Evidence:    []lang.Text{text("%s is mounted with noexec", "%s 以 noexec 挂载", dir)},
			Consequence: text("go build works; go run, go test and go generate stop with: fork/exec: permission denied.", "go build 正常；go run、go test 与 go generate 会失败：fork/exec: permission denied。"),
			Fixes:       []Fix{f.buildElsewhere()},
		}}
	}
	return nil
}

// buildElsewhere returns the fix that makes a folder for builds in the home, and takes that.
func (f *Facts) buildElsewhere() Fix {
	if f.Home == "" {
		return Fix{Say: text("set GOTMPDIR to a folder in which programs can be made and run", "把 GOTMPDIR 设为可以写入并运行程序的目录")}
	}
	dir := filepath.Join(f.Home, ".cache", "go-tmp")
	fix := f.fixSet("GOTMPDIR", dir, text("build elsewhere", "在其他目录中构建"))
	fix.Command, fix.Do = "mkdir -p "+quote(dir)+" && "+fix.Command, nil
	return fix
}

// tempFolder returns which variable says where builds happen, and what it says; "" where nobody says.
func (f *Facts) tempFolder() (name, dir string) {
	if dir := f.setting("GOTMPDIR"); dir != "" {
		return "GOTMPDIR", dir
	}
	if f.OS == "windows" {
		return firstSet(f.Machine, "TMP", "TEMP")
	}
	if dir := f.Machine.Getenv("TMPDIR"); dir != "" {
		return "TMPDIR", dir
	}
	return "TMPDIR", f.under("/tmp")
}

// fewFiles is how many open files are too few for a build.
const fewFiles = 256

// checkLimits looks at how many files may be open: the go command raises its
// limit to what is allowed at most, so only that counts.
func (m *machine) checkLimits(_ context.Context, f *Facts) []Finding {
	most, ok := m.files()
	if !ok || most >= fewFiles {
		return nil
	}
	return []Finding{{
		ID: "files-limit", Severity: Warning,
		Title:       text("Few files may be open at once", "允许同时打开的文件太少"),
		Evidence:    []lang.Text{text("the hard limit is %s (ulimit -Hn)", "硬限制为 %s（ulimit -Hn）", strconv.FormatUint(most, 10))},
		Consequence: text("Builds of large projects stop with: too many open files.", "大型项目的构建会失败：too many open files。"),
		Fixes:       []Fix{{Say: text("raise it where it is set: /etc/security/limits.conf, LimitNOFILE of the service, docker run --ulimit nofile=65536", "在设置它的地方调大：/etc/security/limits.conf、服务的 LimitNOFILE、docker run --ulimit nofile=65536")}},
	}}
}

const (
	diskTrials = 7
	diskSize   = 64 << 10 // bytes of each file
	slowFile   = 50 * time.Millisecond
)

// checkDisk writes some files as the go command does, which never waits for
// the disk itself, and tells if that is slow: a virus scanner, a network, a share of a virtual machine.
func checkDisk(ctx context.Context, f *Facts) []Finding {
	dir := f.setting("GOMODCACHE")
	if info, err := os.Stat(dir); dir == "" || err != nil || !info.IsDir() {
		return nil
	}
	trial, err := os.MkdirTemp(dir, ".godown-doctor-")
	if err != nil {
		return nil // another check tells
	}
	defer os.RemoveAll(trial)
	data := make([]byte, diskSize)
	var took []time.Duration
	for i := range diskTrials {
		if ctx.Err() != nil {
			return nil
		}
		start := f.Now()
		name := filepath.Join(trial, strconv.Itoa(i))
		if os.WriteFile(name+".tmp", data, 0o600) != nil || os.Rename(name+".tmp", name) != nil {
			return nil
		}
		took = append(took, f.Now().Sub(start))
	}
	slices.Sort(took)
	median := took[len(took)/2]
	if median < slowFile {
		return nil
	}
	return []Finding{{
		ID: "disk-slow", Severity: Hint,
		Title:       text("Writing small files to GOMODCACHE is slow", "向 GOMODCACHE 写小文件很慢"),
		Evidence:    []lang.Text{text("%s: a file of 64 KB takes %s (median of %d)", "%s：写一个 64 KB 的文件需要 %s（%d 次的中位数）", f.tilde(dir), round(median), diskTrials)},
		Consequence: text("A module has hundreds of files: unpacking takes longer than downloading.", "一个模块有成百上千个文件：解压比下载还慢。"),
		Fixes:       []Fix{{Say: text("exclude the folder from virus scanners, or keep it on a disk of this machine (in WSL: not below /mnt/c; in a virtual machine: not in a shared folder)", "在杀毒软件中排除该目录，或放到本机磁盘上（WSL 中不要放在 /mnt/c 之下；虚拟机中不要放在共享目录）")}},
	}}
}
