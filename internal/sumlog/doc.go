// Package sumlog keeps a checksum database of our own: a transparency log in
// the form of sum.golang.org's, that the unmodified go command verifies, and
// that is a https://c2sp.org/tlog-tiles log at the same time.
//
// The log lies in a [godown.Store] with compare-and-swap, below its name. Any
// number of processes may append to it. The file "commit" says which tree is
// committed; it alone is ever changed in place. All that a tree has beyond its
// full tiles is in a "tail" that is stored before the tree is committed, and
// full tiles are stored after it, from the tail. So at each moment all bytes
// of the committed tree are durable, and whoever opens the log after a crash
// goes on where it was. Only committed trees are ever signed.
package sumlog
