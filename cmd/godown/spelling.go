package main

import (
	"fmt"
	"strings"
)

// A Misspelt is a name that does not exist, and the nearest that does.
type Misspelt struct {
	Name    string
	Nearest string // empty if none is near
}

// didYouMean returns a clause for the end of a message, or nothing if none of the words is near.
func didYouMean(word string, words []string) string {
	if n := nearest(word, words); n != "" {
		return fmt.Sprintf("; did you mean %q?", n)
	}
	return ""
}

// didYouMean is the same in the machine's language.
func (m machine) didYouMean(word string, words []string) string {
	if n := nearest(word, words); n != "" {
		return fmt.Sprintf(m.say("; did you mean %q?", "；你是不是想写 %q？"), n)
	}
	return ""
}

// nearest returns the one of words that word was most probably meant to be, or
// nothing. Letter case and the kind of dash do not count.
func nearest(word string, words []string) string {
	plain := strings.NewReplacer("_", "-", ".", "-", " ", "-")
	word = plain.Replace(strings.ToLower(word))
	best, least := "", max(1, len(word)/3)+1
	for _, w := range words {
		w0 := plain.Replace(strings.ToLower(w))
		if strings.ReplaceAll(w0, "-", "") == strings.ReplaceAll(word, "-", "") {
			return w
		}
		if d := distance(word, w0); d < least {
			best, least = w, d
		}
	}
	return best
}

// distance returns how many letters must be inserted, deleted, replaced or
// swapped with their neighbour to make b of a.
func distance(a, b string) int {
	if len(a) > 64 || len(b) > 64 { // no name of ours is so long
		return max(len(a), len(b))
	}
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
		for j := 1; j <= len(b); j++ {
			if i == 0 {
				rows[i][j] = j
				continue
			}
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			d := min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				d = min(d, rows[i-2][j-2]+1)
			}
			rows[i][j] = d
		}
	}
	return rows[len(a)][len(b)]
}
