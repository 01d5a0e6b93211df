package store

import (
	"context"
	"fmt"
	"strings"
)

// resealBatch bounds how long one transaction of Reseal keeps writers out.
const resealBatch = 200

// sealedColumns is every place that holds sealed values; a value is bound to
// the values of the key columns.
var sealedColumns = []struct {
	table, column string
	key           []string
}{
	{"databases", "password", []string{"id"}},
	{"webhooks", "secret", []string{"id"}},
	{"idempotent_responses", "body", []string{"org_id", "idempotency_key"}},
}

// Reseal goes through the store in batches, so that the service keeps
// running; what is sealed meanwhile is sealed under the primary key anyway.
func (s *store) Reseal(ctx context.Context) (int, error) {
	total := 0
	for _, c := range sealedColumns {
		after := make([]any, len(c.key)) // the last key of the batch before
		for i := range after {
			after[i] = ""
		}
		for more := true; more; {
			var done int
			var last []any
			err := s.Update(ctx, func(t Tx) (err error) {
				done, last, err = t.(*tx).reseal(c.table, c.column, c.key, after)
				return err
			})
			if err != nil {
				return total, fmt.Errorf("reseal %s of %s: %w", c.column, c.table, err)
			}
			total += done
			if more = last != nil; more {
				after = last
			}
		}
	}
	return total, nil
}

// reseal does one batch; last is nil when there was none.
func (tx *tx) reseal(table, column string, key []string, after []any) (done int, last []any, err error) {
	// Somebody may just be writing what they sealed under an older key. If that
	// were missed here, it would be lost with the key.
	if err := tx.store.engine.settle(tx, table); err != nil {
		return 0, nil, err
	}
	type value struct {
		key    []any
		sealed []byte
	}
	keys := strings.Join(key, ", ")
	marks := strings.TrimSuffix(strings.Repeat("?, ", len(key)), ", ")
	rows, err := tx.query(fmt.Sprintf("SELECT %s, %s FROM %s WHERE %s IS NOT NULL AND (%s) > (%s) ORDER BY %s LIMIT %d",
		keys, column, table, column, keys, marks, keys, resealBatch), after...)
	if err != nil {
		return 0, nil, err
	}
	defer rows.Close()
	var batch []value
	for rows.Next() {
		parts := make([]string, len(key))
		v := value{key: make([]any, len(key))}
		dests := make([]any, 0, len(key)+1)
		for i := range parts {
			dests = append(dests, &parts[i])
		}
		if err := rows.Scan(append(dests, &v.sealed)...); err != nil {
			return 0, nil, tx.note(err)
		}
		for i, p := range parts {
			v.key[i] = p
		}
		batch = append(batch, v)
	}
	if err := rows.Err(); err != nil {
		return 0, nil, tx.note(err)
	}
	rows.Close()
	for _, v := range batch {
		last = v.key
		if tx.keys().IsPrimary(v.sealed) {
			continue
		}
		parts := make([]string, len(key))
		for i := range key {
			parts[i] = v.key[i].(string)
		}
		at := place(table, strings.Join(parts, "\x00"), column)
		plain, err := tx.keys().Open(v.sealed, at)
		if err != nil {
			return 0, nil, fmt.Errorf("%s: %w", parts[len(parts)-1], err)
		}
		fresh, err := tx.keys().Seal(plain, at)
		if err != nil {
			return 0, nil, err
		}
		if _, err := tx.exec("UPDATE "+table+" SET "+column+" = ? WHERE ("+keys+") = ("+marks+")", append([]any{fresh}, v.key...)...); err != nil {
			return 0, nil, err
		}
		done++
	}
	return done, last, nil
}
