// Package spelling guesses which word was meant.
package spelling

import "iter"

// farthest is how many characters a word may differ in from what was meant.
const farthest = 2

// Nearest is the known word that was probably meant, "" when none is near. Of
// equally near ones it is the first in lexical order.
func Nearest(word string, known iter.Seq[string]) string {
	best, least := "", farthest+1
	for k := range known {
		d := distance(word, k)
		if d < least || d == least && best != "" && k < best {
			best, least = k, d
		}
	}
	return best
}

// distance is Levenshtein's, over bytes; words that differ much in length are
// as far apart as that.
func distance(a, b string) int {
	if d := len(a) - len(b); d > farthest || d < -farthest {
		return max(d, -d)
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal, row[j+1] = row[j+1], min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
