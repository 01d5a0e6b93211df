package api

import (
	"time"

	"github.com/oapi-codegen/nullable"
)

// or is the value of an optional field, or what stands for its absence.
func or[T any](field *T, absent T) T {
	if field == nil {
		return absent
	}
	return *field
}

// set changes a record where the request says so.
func set[T any](record, field *T) {
	if field != nil {
		*record = *field
	}
}

// timeOut shows a time that may be missing as null.
func timeOut(t *time.Time) nullable.Nullable[time.Time] {
	if t == nil {
		return nullable.NewNullNullable[time.Time]()
	}
	return nullable.NewNullableWithValue(t.UTC())
}

// timeIn reads a time that may be absent or null, with the store's precision.
func timeIn(field nullable.Nullable[time.Time]) *time.Time {
	t, err := field.Get()
	if err != nil {
		return nil
	}
	return new(t.UTC().Truncate(time.Microsecond))
}

// countOut and countIn do the same for numbers.
func countOut(n *int) nullable.Nullable[int] {
	if n == nil {
		return nullable.NewNullNullable[int]()
	}
	return nullable.NewNullableWithValue(*n)
}

// countIn changes a record: absent keeps, null clears.
func countIn(record **int, field nullable.Nullable[int]) {
	if !field.IsSpecified() {
		return
	}
	*record = nil
	if n, err := field.Get(); err == nil {
		*record = &n
	}
}
