package mirror

import (
	"net/url"
	"slices"
	"strings"
)

// Facts are what is known not to work with a mirror. They save requests that
// would fail; what is not said here is found out.
type Facts struct {
	NoSumDB   bool // it passes no checksum database on
	NoRanges  bool // it takes no notice of Range, or gets it wrong
	Redirects bool // it sends clients to another host for what is big: each piece costs more round trips, so they should be large
}

// A Preset is a mirror that is known by the name of its group.
type Preset struct {
	Group string // what stands for it in an upstream list
	URL   string
	Facts Facts
	Note  string // for people
}

// presets is the one table of public mirrors. To mend it, edit a line.
var presets = []Preset{
	{"cn", "https://goproxy.cn", Facts{}, "Qiniu Cloud"},
	{"cn", "https://mirrors.aliyun.com/goproxy", Facts{NoSumDB: true}, "Alibaba Cloud"},
	{"cn", "https://goproxy.io", Facts{Redirects: true}, "goproxy.io"},
	{"cn", "https://repo.huaweicloud.com/repository/goproxy", Facts{NoSumDB: true}, "Huawei Cloud"},
}

// Default is the name of the group that the go command has built in, which is
// not in the table: its URL is asked of the go command.
const Default = "default"

// Presets returns the mirrors of a group, or of all groups for "". They are the caller's.
func Presets(group string) []Preset {
	list := slices.Clone(presets)
	return slices.DeleteFunc(list, func(p Preset) bool { return group != "" && p.Group != group })
}

// Groups returns the names of the groups in the table.
func Groups() []string {
	var names []string
	for _, p := range presets {
		if !slices.Contains(names, p.Group) {
			names = append(names, p.Group)
		}
	}
	return names
}

// FactsOf returns what the table knows of the mirror at u, by whatever name it came.
func FactsOf(u *url.URL) Facts {
	for _, p := range presets {
		known, err := url.Parse(p.URL)
		if err == nil && strings.EqualFold(known.Host, u.Host) && strings.TrimSuffix(known.Path, "/") == strings.TrimSuffix(u.Path, "/") {
			return p.Facts
		}
	}
	return Facts{}
}
