package doctor

import "io/fs"

// ownerOf knows nothing here: rights are not by owner.
func ownerOf(fs.FileInfo) (uid int, ok bool) { return 0, false }

// maxFiles knows of no limit here.
func maxFiles() (uint64, bool) { return 0, false }
