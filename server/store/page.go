package store

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// order is a total order of a list: the last of its columns is unique among
// what the list holds.
type order[T any] struct {
	columns    []string
	descending bool
	values     func(*T) []any // of the columns: string, int or int64
}

// byCreation is the default order of most lists.
func byCreation[T any](created func(*T) *time.Time, id func(*T) string) map[string]order[T] {
	return map[string]order[T]{"": {
		columns: []string{"created_at", "id"},
		values:  func(r *T) []any { return []any{created(r).UnixMicro(), id(r)} },
	}}
}

func (t table[T]) List(parent string, page Page) (records []T, next string, total int, err error) {
	o, ok := t.orders[page.Sort]
	if !ok {
		return nil, "", 0, fmt.Errorf("list of %s cannot be sorted by %q", t.label, page.Sort)
	}
	cond, args := t.where(parent)
	if err := t.tx.row("SELECT count(*) FROM "+t.table+" WHERE "+cond, args, &total); err != nil {
		return nil, "", 0, fmt.Errorf("count %s: %w", t.label, err)
	}
	list := strings.Join([]string{"page", t.table, parent, page.Sort}, "\x00")
	if page.Token != "" {
		after, err := t.tx.openPage(list, page.Token, len(o.columns))
		if err != nil {
			return nil, "", 0, err
		}
		than := ">"
		if o.descending {
			than = "<"
		}
		marks := strings.TrimSuffix(strings.Repeat("?, ", len(o.columns)), ", ")
		cond += " AND (" + strings.Join(o.columns, ", ") + ") " + than + " (" + marks + ")"
		args = append(args, after...)
	}
	direction := ""
	if o.descending {
		direction = " DESC"
	}
	cond += " ORDER BY " + strings.Join(o.columns, direction+", ") + direction
	if page.Size > 0 {
		cond += fmt.Sprintf(" LIMIT %d", page.Size+1) // one more tells whether there is a next page
	}
	records, err = t.query(cond, args...)
	if err != nil {
		return nil, "", 0, err
	}
	if page.Size > 0 && len(records) > page.Size {
		records = records[:page.Size]
		if next, err = t.tx.sealPage(list, o.values(&records[page.Size-1])); err != nil {
			return nil, "", 0, err
		}
	}
	return records, next, total, nil
}

// A page token is the last record's place in the order, sealed and bound to
// its list: it cannot be read, forged, or used on another list, and records
// inserted meanwhile do not shift it.
func (tx *tx) sealPage(list string, last []any) (string, error) {
	raw, err := json.Marshal(last)
	if err != nil {
		return "", fmt.Errorf("make page token: %w", err)
	}
	sealed, err := tx.keys().Seal(raw, []byte(list))
	if err != nil {
		return "", fmt.Errorf("make page token: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(sealed), nil
}

func (tx *tx) openPage(list, token string, columns int) ([]any, error) {
	sealed, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil {
		return nil, ErrPageToken
	}
	raw, err := tx.keys().Open(sealed, []byte(list))
	if err != nil {
		return nil, ErrPageToken
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var after []any
	if err := dec.Decode(&after); err != nil || len(after) != columns {
		return nil, ErrPageToken
	}
	for i, v := range after {
		if n, ok := v.(json.Number); ok {
			if after[i], err = n.Int64(); err != nil {
				return nil, ErrPageToken
			}
		}
	}
	return after, nil
}
