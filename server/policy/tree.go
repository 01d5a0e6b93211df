package policy

import (
	"reflect"
	"sync"

	pg "github.com/pganalyze/pg_query_go/v6"
	"google.golang.org/protobuf/proto"
)

func messageName(m proto.Message) string { return reflect.TypeOf(m).Elem().Name() }

// layouts keeps, by type, where a message holds other messages, so that a
// field cannot be forgotten when PostgreSQL grows one.
var layouts sync.Map // reflect.Type -> []slot

type slot struct {
	index int
	name  string
	kind  reflect.Kind // Pointer, Slice or Interface (a oneof)
}

func layoutOf(t reflect.Type) []slot {
	if l, ok := layouts.Load(t); ok {
		return l.([]slot)
	}
	var slots []slot
	for i := range t.NumField() {
		f := t.Field(i)
		if !f.IsExported() {
			continue
		}
		switch f.Type.Kind() {
		case reflect.Pointer, reflect.Interface:
			slots = append(slots, slot{i, f.Name, f.Type.Kind()})
		case reflect.Slice:
			if f.Type.Elem().Kind() == reflect.Pointer {
				slots = append(slots, slot{i, f.Name, reflect.Slice})
			}
		}
	}
	layouts.Store(t, slots)
	return slots
}

// eachChild calls do for each message directly in m.
func eachChild(m proto.Message, do func(field string, child proto.Message)) {
	v := reflect.ValueOf(m)
	if v.IsNil() {
		return
	}
	v = v.Elem()
	for _, s := range layoutOf(v.Type()) {
		f := v.Field(s.index)
		switch s.kind {
		case reflect.Slice:
			for i := range f.Len() {
				if e := f.Index(i); !e.IsNil() {
					do(s.name, e.Interface().(proto.Message))
				}
			}
		case reflect.Interface:
			if f.IsNil() {
				continue
			}
			// A oneof is a pointer to a struct of one field.
			if inner := f.Elem().Elem().Field(0); inner.Kind() == reflect.Pointer && !inner.IsNil() {
				do(s.name, inner.Interface().(proto.Message))
			}
		default:
			if !f.IsNil() {
				do(s.name, f.Interface().(proto.Message))
			}
		}
	}
}

// stringsOf is a list of names, as of a qualified function.
func stringsOf(nodes []*pg.Node) []string {
	names := make([]string, 0, len(nodes))
	for _, n := range nodes {
		if s := n.GetString_(); s != nil {
			names = append(names, s.Sval)
		}
	}
	return names
}
