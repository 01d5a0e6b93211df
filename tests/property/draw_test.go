package property

import "pgregory.net/rapid"

// draw makes choices, the first of each list being the simplest.
type draw struct{ t *rapid.T }

// below draws from 0 to n-1.
func (d draw) below(n int) int { return rapid.IntRange(0, n-1).Draw(d.t, "n") }

// chance is true once in n.
func (d draw) chance(n int) bool { return d.below(n) == n-1 }

func pick[T any](d draw, from ...T) T { return from[d.below(len(from))] }
