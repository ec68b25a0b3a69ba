// Package index finds the numbers of a log's records by module version.
//
// An [Index] is derived from its log: its files may be deleted at any time and
// are made anew from the log. What it answers is nevertheless to be relied on:
// that a version has no record is what lets a second one be appended, so what
// cannot be read, or is not what was written, is an error or is made anew, and
// never passed over.
//
// # Segments
//
// The log's numbers are cut into ranges: one of level 0 covers [Options.Range]
// records, one of level k four of level k-1, and number n of a level begins at
// n times its width. A range that the log fills has a segment, an immutable
// file PREFIX/LEVEL/N of the range's keys in order, each with its number. Four
// neighbours are merged into one of the next level and then deleted, so that 10
// million records are in a dozen segments at most. The set of segments and
// every byte of them follow from the log alone: several processes on one store
// may write the same ones, at any time, and at worst do work twice. What comes
// behind the last whole range of level 0 is in memory.
//
// A segment consists of blocks of 4096 bytes, each with a CRC-32C at its end:
//
//	header  magic, level, number, width of level 0, count, identity; then zeros
//	data    341 entries each, the last filled up with zeros: key (8 bytes),
//	        number from the range's first on (4 bytes); in order of both
//	fences  the first key of each data block, 511 each
//
// All numbers are big endian. The header alone tells the file's length. Only
// the fences are in memory, 8 bytes for 341 records; finding a key reads one
// block of a segment, and more only where the key stands across their border.
//
// # To which log a segment belongs
//
// Each checksum begins with the segment's identity, the SHA-256 of its name,
// its range and what [Options.Bind] gives for that range, and with the block's
// number. With the hash of just these records in the log's tree for that, a
// segment of another log, or of one that was brought back from a backup and
// went on otherwise, is no better than a damaged one.
package index
