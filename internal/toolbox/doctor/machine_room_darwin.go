package doctor

import "syscall"

const (
	mountNoExec = 0x4    // MNT_NOEXEC of statfs(2)
	mountLocal  = 0x1000 // MNT_LOCAL
)

// roomOf asks the file system that dir is in.
func roomOf(dir string) (room, bool) {
	var s syscall.Statfs_t
	if syscall.Statfs(dir, &s) != nil {
		return room{}, false
	}
	r := room{free: s.Bavail * uint64(s.Bsize), files: s.Ffree, countless: s.Files == 0, noPrograms: s.Flags&mountNoExec != 0}
	if s.Flags&mountLocal == 0 {
		for _, c := range s.Fstypename {
			if c == 0 {
				break
			}
			r.network += string(rune(c))
		}
	}
	return r, true
}
