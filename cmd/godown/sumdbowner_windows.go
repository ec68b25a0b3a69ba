package main

import "io/fs"

// keepOwner does nothing: the folder says who may read its files.
func keepOwner(string, fs.FileInfo) error { return nil }
