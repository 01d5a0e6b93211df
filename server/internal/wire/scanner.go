package wire

// Scanner finds frame boundaries in a stream that arrives in chunks, in
// place, without needing a frame to be whole: a body of a gigabyte passes
// through a buffer of kilobytes. The zero value is at a boundary.
type Scanner struct {
	left int // bytes of the current body that have not been seen
}

// AtBoundary reports whether the next byte starts a frame.
func (s *Scanner) AtBoundary() bool { return s.left == 0 }

// Skip passes over what b has of the current body and returns its length.
func (s *Scanner) Skip(b []byte) int {
	n := min(len(b), s.left)
	s.left -= n
	return n
}

// Enter enters the body of the frame at a boundary whose header h is.
func (s *Scanner) Enter(h Header) { s.left = h.Body }

// Next reads the header at the start of b, which must be at a boundary, and
// enters its body; Skip leaves it. ok is false when b ends inside the header:
// nothing has changed then, and the bytes must come again with more behind
// them.
func (s *Scanner) Next(b []byte) (h Header, ok bool, err error) {
	h, ok, err = ParseHeader(b)
	if ok {
		s.Enter(h)
	}
	return h, ok, err
}
