package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestSumDBImportOlder puts a tile right from an export that the log has outgrown.
func TestSumDBImportOlder(t *testing.T) {
	w, _ := newCorpSum(t)
	w.fill(300)
	backup := filepath.Join(t.TempDir(), "backup.tar")
	w.do(exitOK, "", "export", backup)
	w.grow(300, 302)
	w.do(exitFailed, "it has 300 records, but 302 are known here", "import", backup)
	tile := filepath.Join(w.data, "sumdb", corpSum, "tile", "8", "data", "000")
	if err := os.WriteFile(tile, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	if out := w.do(exitOK, "", "import", backup); !strings.Contains(out, "put 1 damaged file right") || !strings.Contains(out, "older, with 300 of the 302 records") {
		t.Error(out)
	}
	if out := w.do(exitOK, "", "verify"); !strings.Contains(out, "all is right: 302 of 302 records") {
		t.Error(out)
	}
}
