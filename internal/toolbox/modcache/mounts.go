package modcache

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// mounted returns an error if something is mounted on a folder or below it: what it
// shows lies elsewhere, as when a container has a project in the place of a module. Only
// Linux says what is.
func (c *GoCache) mounted(folder string) error {
	data, err := os.ReadFile(c.mountinfo)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	full := filepath.Join(resolved(c.dir), filepath.FromSlash(folder))
	for line := range bytes.Lines(data) {
		if f := strings.Fields(string(line)); len(f) > 4 && within(full, unescapeOctal(f[4])) {
			return refuse("something is mounted on %s, which shows what lies elsewhere; unmount it first", "%s 上有挂载，其中的内容实际在别处；请先卸载", unescapeOctal(f[4]))
		}
	}
	return nil
}

// unescapeOctal undoes how the kernel writes blanks and backslashes: \040.
func unescapeOctal(text string) string {
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] == '\\' && i+3 < len(text) {
			if n, err := strconv.ParseUint(text[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(n))
				i += 3
				continue
			}
		}
		b.WriteByte(text[i])
	}
	return b.String()
}
