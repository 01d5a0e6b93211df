package property

import (
	"math/bits"

	"pgregory.net/rapid"
)

// draw makes choices, the first of each list being the simplest: rapid shrinks
// towards it.
type draw struct{ t *rapid.T }

// below draws from 0 to n-1, all alike. rapid's own ranges prefer small
// numbers, by which the last of a list would hardly ever come.
func (d draw) below(n int) int {
	v := 0
	for range bits.Len(uint(n-1)) + 2 {
		v *= 2
		if rapid.Bool().Draw(d.t, "bit") {
			v++
		}
	}
	return v % n
}

// chance is true once in n.
func (d draw) chance(n int) bool { return d.below(n) == n-1 }

func pick[T any](d draw, from ...T) T { return from[d.below(len(from))] }
