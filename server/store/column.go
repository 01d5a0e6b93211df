package store

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"

	"github.com/pgbeam/pulumi-pgbeam/server/secret"
)

// column maps one field of a record to one column of its table.
type column[T any] struct {
	name string
	// value is what is stored for r.
	value func(keys *secret.Keyring, r *T) (any, error)
	// dest is where the driver puts the stored value. A finish that is not nil
	// runs after the whole row was scanned and moves the value into r.
	dest func(r *T) (dest any, finish func(keys *secret.Keyring) error)
}

// plain is a field that the driver stores as it is.
func plain[T, V any](name string, at func(*T) *V) column[T] {
	return column[T]{
		name:  name,
		value: func(_ *secret.Keyring, r *T) (any, error) { return *at(r), nil },
		dest:  func(r *T) (any, func(*secret.Keyring) error) { return at(r), nil },
	}
}

// moment is a time, stored as microseconds since 1970.
func moment[T any](name string, at func(*T) *time.Time) column[T] {
	return column[T]{
		name:  name,
		value: func(_ *secret.Keyring, r *T) (any, error) { return at(r).UnixMicro(), nil },
		dest: func(r *T) (any, func(*secret.Keyring) error) {
			stored := new(int64)
			return stored, func(*secret.Keyring) error {
				*at(r) = time.UnixMicro(*stored).UTC()
				return nil
			}
		},
	}
}

// maybe is a moment that may be absent.
func maybe[T any](name string, at func(*T) **time.Time) column[T] {
	return column[T]{
		name: name,
		value: func(_ *secret.Keyring, r *T) (any, error) {
			if *at(r) == nil {
				return nil, nil
			}
			return (*at(r)).UnixMicro(), nil
		},
		dest: func(r *T) (any, func(*secret.Keyring) error) {
			stored := new(*int64)
			return stored, func(*secret.Keyring) error {
				*at(r) = nil
				if *stored != nil {
					t := time.UnixMicro(**stored).UTC()
					*at(r) = &t
				}
				return nil
			}
		},
	}
}

// document is a field stored as JSON.
func document[T, V any](name string, at func(*T) *V) column[T] {
	return column[T]{
		name: name,
		value: func(_ *secret.Keyring, r *T) (any, error) {
			var out bytes.Buffer
			enc := json.NewEncoder(&out)
			enc.SetEscapeHTML(false)
			if err := enc.Encode(at(r)); err != nil {
				return nil, fmt.Errorf("encode %s: %w", name, err)
			}
			return string(bytes.TrimSpace(out.Bytes())), nil
		},
		dest: func(r *T) (any, func(*secret.Keyring) error) {
			stored := new(string)
			return stored, func(*secret.Keyring) error {
				if err := json.Unmarshal([]byte(*stored), at(r)); err != nil {
					return fmt.Errorf("decode %s: %w", name, err)
				}
				return nil
			}
		},
	}
}

// place is what a sealed value is bound to, so that it opens nowhere else.
func place(table, id, column string) []byte {
	return []byte("pgbeam\x00" + table + "\x00" + id + "\x00" + column)
}

// sealed is a secret, encrypted and bound to its row. No secret is NULL.
func sealed[T any](table, name string, id func(*T) string, at func(*T) *secret.Text) column[T] {
	return column[T]{
		name: name,
		value: func(keys *secret.Keyring, r *T) (any, error) {
			if at(r).IsZero() {
				return nil, nil
			}
			return keys.Seal([]byte(at(r).Reveal()), place(table, id(r), name))
		},
		dest: func(r *T) (any, func(*secret.Keyring) error) {
			stored := new([]byte)
			return stored, func(keys *secret.Keyring) error {
				*at(r) = secret.Text{}
				if len(*stored) == 0 {
					return nil
				}
				plain, err := keys.Open(*stored, place(table, id(r), name))
				if err != nil {
					return fmt.Errorf("%s of %s: %w", name, id(r), err)
				}
				*at(r) = secret.NewText(string(plain))
				return nil
			}
		},
	}
}
