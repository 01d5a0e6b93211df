package provider

import "strings"

// suggest names the candidate that was probably meant, as `, did you mean
// "name"?`, or says nothing.
func suggest(got string, candidates []string) string {
	best, closest := "", len(got)/3+2
	for _, c := range candidates {
		if d := distance(fold(got), fold(c)); d < closest {
			best, closest = c, d
		}
	}
	if best == "" {
		return ""
	}
	return `; did you mean "` + best + `"?`
}

// fold makes spellings alike that people mix up: case, and the snake_case
// names of the HTTP API.
func fold(s string) string {
	return strings.ToLower(strings.NewReplacer("_", "", "-", "").Replace(s))
}

// distance is the number of letters to insert, drop or change to get from one
// word to the other (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		diagonal := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			diagonal, row[j] = row[j], min(row[j]+1, row[j-1]+1, diagonal+cost)
		}
	}
	return row[len(b)]
}
