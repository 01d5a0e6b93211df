package store

import (
	"database/sql"
	"errors"
	"fmt"
	"strings"
)

// kind says how records of one type are kept. The generic table does the
// rest.
type kind[T any] struct {
	label  string // for people: "agent credential"
	table  string
	parent string // column of the owner's id; "" has none
	id     string // column of the id

	columns  []column[T] // stored, id and parent among them
	computed []column[T] // read only, from the columns that view adds
	// view is what records are read from, when that is more than the table.
	view     string
	viewArgs func(tx *tx) []any

	idOf     func(*T) string
	parentOf func(*T) string
	// visible is the SQL condition of the records that Get and List show, ""
	// for all.
	visible string
	orders  map[string]order[T] // by Page.Sort; "" is the default
	uniques []unique[T]

	// check refuses a record whose references do not hold, before a write.
	check func(tx *tx, r *T) error
	// written follows an Insert or Update in the same transaction.
	written func(tx *tx, r *T) error
	// remove replaces DELETE FROM.
	remove func(tx *tx, r *T) error
	// affects names the projects whose configuration a record is part of.
	affects func(tx *tx, r *T) ([]string, error)
}

// unique is a value that one record only may have.
type unique[T any] struct {
	field string // the wire name
	value func(*T) string
	// taken is the SQL condition that other holders of the value meet.
	taken string
	args  func(*T) []any
	// applies is nil when every record holds the value.
	applies func(*T) bool
	// foreign hides the holder, who may belong to somebody else.
	foreign bool
}

// table is a kind in a transaction.
type table[T any] struct {
	tx *tx
	*kind[T]
}

func (t table[T]) from() string {
	if t.view != "" {
		return t.view
	}
	return t.table
}

func (t table[T]) fromArgs() []any {
	if t.viewArgs == nil {
		return nil
	}
	return t.viewArgs(t.tx)
}

// where builds the condition for records below parent that can be seen.
func (t table[T]) where(parent string) (cond string, args []any) {
	conds := []string{"1 = 1"}
	if t.parent != "" && parent != "" {
		conds = append(conds, t.parent+" = ?")
		args = append(args, parent)
	}
	if t.visible != "" {
		conds = append(conds, t.visible)
	}
	return strings.Join(conds, " AND "), args
}

// query reads the records that meet an SQL condition, which may end in ORDER
// BY and LIMIT.
func (t table[T]) query(cond string, args ...any) ([]T, error) {
	all := append(append([]column[T]{}, t.columns...), t.computed...)
	names := make([]string, len(all))
	for i, c := range all {
		names[i] = c.name
	}
	rows, err := t.tx.query("SELECT "+strings.Join(names, ", ")+" FROM "+t.from()+" WHERE "+cond, append(t.fromArgs(), args...)...)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", t.label, err)
	}
	defer rows.Close()
	var out []T
	for rows.Next() {
		r, err := t.scan(rows, all)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", t.label, t.tx.note(err))
		}
		out = append(out, r)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read %s: %w", t.label, t.tx.note(err))
	}
	return out, nil
}

func (t table[T]) scan(rows *sql.Rows, all []column[T]) (T, error) {
	var r T
	dests := make([]any, len(all))
	finish := make([]func() error, 0, len(all))
	for i, c := range all {
		dest, then := c.dest(&r)
		dests[i] = dest
		if then != nil {
			finish = append(finish, func() error { return then(t.tx.keys()) })
		}
	}
	if err := rows.Scan(dests...); err != nil {
		return r, err
	}
	for _, f := range finish {
		if err := f(); err != nil {
			return r, err
		}
	}
	return r, nil
}

// one reads the only record that meets a condition, or ErrNotFound.
func (t table[T]) one(cond string, args ...any) (T, error) {
	found, err := t.query(cond+" LIMIT 1", args...)
	if err == nil && len(found) == 0 {
		err = ErrNotFound
	}
	if err != nil {
		var none T
		return none, err
	}
	return found[0], nil
}

func (t table[T]) Get(parent, id string) (T, error) {
	cond, args := t.where(parent)
	return t.one(t.id+" = ? AND "+cond, append([]any{id}, args...)...)
}

func (t table[T]) Insert(record T) error {
	r := &record
	if err := t.conflict(r, t.id+" = ? AND "+t.parentCond(), t.key(r)...); err != nil {
		return err
	}
	if err := t.prepare(r); err != nil {
		return err
	}
	names, values, err := t.stored(r)
	if err != nil {
		return err
	}
	marks := strings.TrimSuffix(strings.Repeat("?, ", len(names)), ", ")
	_, err = t.tx.exec("INSERT INTO "+t.table+" ("+strings.Join(names, ", ")+") VALUES ("+marks+")", values...)
	if err != nil {
		return fmt.Errorf("insert %s: %w", t.label, err)
	}
	return t.finish(r)
}

func (t table[T]) Update(record T) error {
	r := &record
	if err := t.prepare(r); err != nil {
		return err
	}
	names, values, err := t.stored(r)
	if err != nil {
		return err
	}
	cond := t.id + " = ? AND " + t.parentCond()
	if t.visible != "" {
		cond += " AND " + t.visible
	}
	n, err := t.tx.exec("UPDATE "+t.table+" SET "+strings.Join(names, " = ?, ")+" = ? WHERE "+cond, append(values, t.key(r)...)...)
	if err != nil {
		return fmt.Errorf("update %s: %w", t.label, err)
	}
	if n == 0 {
		return ErrNotFound
	}
	return t.finish(r)
}

func (t table[T]) Delete(parent, id string) error {
	record, err := t.Get(parent, id)
	if err != nil {
		return err
	}
	r := &record
	// Asked first: a deleted replica's project could not be found any more.
	var affected []string
	if t.affects != nil {
		if affected, err = t.affects(t.tx, r); err != nil {
			return err
		}
	}
	if t.remove != nil {
		err = t.remove(t.tx, r)
	} else {
		_, err = t.tx.exec("DELETE FROM "+t.table+" WHERE "+t.id+" = ? AND "+t.parentCond(), t.key(r)...)
	}
	if err != nil {
		var inUse *InUseError
		if errors.As(err, &inUse) {
			return err
		}
		return fmt.Errorf("delete %s: %w", t.label, err)
	}
	if t.id == "id" { // a query hash names shapes of many databases
		if err := t.tx.ForgetResponses(id); err != nil {
			return err
		}
	}
	t.tx.change(affected...)
	return nil
}

// prepare refuses what must not be written.
func (t table[T]) prepare(r *T) error {
	if t.check != nil {
		if err := t.check(t.tx, r); err != nil {
			return err
		}
	}
	for _, u := range t.uniques {
		if u.applies != nil && !u.applies(r) {
			continue
		}
		// The record itself is no obstacle to its own update.
		others := u.taken + " AND NOT (" + t.id + " = ? AND " + t.parentCond() + ")"
		holder, err := t.holder(others, append(u.args(r), t.key(r)...)...)
		if err != nil {
			return err
		}
		if holder != "" {
			if u.foreign {
				holder = ""
			}
			return &ConflictError{Kind: t.label, Field: u.field, Value: u.value(r), ID: holder}
		}
	}
	return nil
}

// conflict reports a record with the same id.
func (t table[T]) conflict(r *T, cond string, args ...any) error {
	holder, err := t.holder(cond, args...)
	if err == nil && holder != "" {
		err = &ConflictError{Kind: t.label, Field: t.id, Value: t.idOf(r), ID: holder}
	}
	return err
}

func (t table[T]) holder(cond string, args ...any) (string, error) {
	var id string
	err := t.tx.row("SELECT "+t.id+" FROM "+t.table+" WHERE "+cond+" LIMIT 1", args, &id)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return "", fmt.Errorf("look for conflicting %s: %w", t.label, err)
	}
	return id, nil
}

func (t table[T]) finish(r *T) error {
	if t.written != nil {
		if err := t.written(t.tx, r); err != nil {
			return err
		}
	}
	if t.affects == nil {
		return nil
	}
	affected, err := t.affects(t.tx, r)
	if err != nil {
		return err
	}
	t.tx.change(affected...)
	return nil
}

func (t table[T]) stored(r *T) (names []string, values []any, err error) {
	for _, c := range t.columns {
		v, err := c.value(t.tx.keys(), r)
		if err != nil {
			return nil, nil, fmt.Errorf("store %s: %w", t.label, err)
		}
		names, values = append(names, c.name), append(values, v)
	}
	return names, values, nil
}

// parentCond and key name exactly one record: an id under another parent is
// not this record.
func (t table[T]) parentCond() string {
	if t.parent == "" {
		return "1 = 1"
	}
	return t.parent + " = ?"
}

func (t table[T]) key(r *T) []any {
	if t.parent == "" {
		return []any{t.idOf(r)}
	}
	return []any{t.idOf(r), t.parentOf(r)}
}
