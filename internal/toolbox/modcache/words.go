package modcache

import (
	"fmt"
	"strings"
	"time"

	"github.com/godown-dev/godown/internal/toolbox/lang"
	"golang.org/x/mod/module"
)

// Size writes a number of bytes for people, in powers of 1000: "1.2 GB".
func Size(n int64) string {
	if n < 1000 {
		return fmt.Sprintf("%d B", n)
	}
	value := float64(n)
	for _, unit := range []string{"KB", "MB", "GB", "TB"} {
		value /= 1000
		if value < 9.95 {
			return fmt.Sprintf("%.1f %s", value, unit)
		}
		if value < 999.5 || unit == "TB" {
			return fmt.Sprintf("%.0f %s", value, unit)
		}
	}
	return "" // not reached
}

// Age writes how long something was for people: "3 months".
func Age(d time.Duration) lang.Text {
	const day = 24 * time.Hour
	for _, u := range []struct {
		unit   time.Duration
		least  time.Duration // from which on it is counted in this unit
		en, zh string
	}{
		{365 * day, 2 * 365 * day, "year", "年"},
		{30 * day, 60 * day, "month", "个月"},
		{day, 2 * day, "day", "天"},
		{time.Hour, time.Hour, "hour", "小时"},
		{time.Minute, time.Minute, "minute", "分钟"},
	} {
		if d < u.least {
			continue
		}
		n := int(d / u.unit)
		plural := "s"
		if n == 1 {
			plural = ""
		}
		return lang.Text{En: fmt.Sprintf("%d %s%s", n, u.en, plural), Zh: fmt.Sprintf("%d %s", n, u.zh)}
	}
	return lang.Text{En: "under a minute", Zh: "不到 1 分钟"}
}

// count writes a number with its noun.
func count(n int, one, many, zh string) lang.Text {
	noun := many
	if n == 1 {
		noun = one
	}
	return lang.Text{En: thousands(n) + " " + noun, Zh: thousands(n) + " " + zh}
}

// thousands writes a number with a comma after each three digits.
func thousands(n int) string {
	text := fmt.Sprint(n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// Owner returns whose module it is: the host and the first folder there, or the
// host alone where modules stand directly below it.
func Owner(path string) string {
	if path == toolchains {
		return path
	}
	if prefix, _, ok := module.SplitPathVersion(path); ok && prefix != "" {
		path = prefix
	}
	parts := strings.Split(path, "/")
	if len(parts) < 3 {
		return parts[0]
	}
	return parts[0] + "/" + parts[1]
}

// Say returns what a folder is for.
func (k FolderKind) Say() lang.Text {
	switch k {
	case Lists:
		return lang.Text{En: "lists of versions", Zh: "版本列表"}
	case Checksums:
		return lang.Text{En: "checksum database", Zh: "校验和数据库"}
	case Aside:
		return lang.Text{En: "bad files, set aside", Zh: "已隔离的坏文件"}
	case Published:
		return lang.Text{En: "published: the only copy", Zh: "已发布（唯一副本）"}
	case Clones:
		return lang.Text{En: "repositories", Zh: "代码仓库"}
	case Answers:
		return lang.Text{En: "answers that change", Zh: "会变化的应答"}
	case Seen:
		return lang.Text{En: "hashes first seen", Zh: "首次见到的哈希"}
	case Pending:
		return lang.Text{En: "to be verified", Zh: "待校验标记"}
	case OwnSumDB:
		return lang.Text{En: "own checksum database", Zh: "自有校验和数据库"}
	}
	return lang.Same(string(k))
}

// Say returns what kind of leftover it is.
func (k LeftoverKind) Say() lang.Text {
	switch k {
	case Temporary:
		return lang.Text{En: "a file that was being written", Zh: "未写完的临时文件"}
	case Removing:
		return lang.Text{En: "was being removed", Zh: "未删完的目录"}
	case Partial:
		return lang.Text{En: "was being unpacked", Zh: "未解压完的模块"}
	case Lock:
		return lang.Text{En: "a lock of nothing", Zh: "没有对应版本的锁文件"}
	case Empty:
		return lang.Text{En: "an empty folder", Zh: "空目录"}
	}
	return lang.Same(string(k))
}

// Say returns how much of a version is needed.
func (n Need) Say() lang.Text {
	switch n {
	case All:
		return lang.Text{En: "yes", Zh: "是"}
	case ModOnly:
		return lang.Text{En: "its .mod", Zh: "仅 .mod"}
	}
	return lang.Text{En: "no", Zh: "否"}
}
