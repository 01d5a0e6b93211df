package policy

import (
	"reflect"

	pg "github.com/pganalyze/pg_query_go/v6"
	"google.golang.org/protobuf/proto"
)

// eachChild calls do for each message directly in m.
func eachChild(m proto.Message, do func(field string, child proto.Message)) {
	layoutOf(m).eachChild(m, do)
}

func (l *layout) eachChild(m proto.Message, do func(field string, child proto.Message)) {
	v := reflect.ValueOf(m)
	if v.IsNil() {
		return
	}
	v = v.Elem()
	for _, s := range l.holds {
		f := v.Field(s.index)
		switch {
		case f.IsNil():
		case s.list:
			for i := range f.Len() {
				if e := f.Index(i); !e.IsNil() {
					do(s.name, e.Interface().(proto.Message))
				}
			}
		case s.message != nil:
			do(s.name, f.Interface().(proto.Message))
		default:
			if inner := alternative(f); inner != nil {
				do(s.name, inner)
			}
		}
	}
}

// alternative is the message that a oneof holds: a pointer to a struct of one
// field.
func alternative(oneof reflect.Value) proto.Message {
	if inner := oneof.Elem().Elem().Field(0); inner.Kind() == reflect.Pointer && !inner.IsNil() {
		return inner.Interface().(proto.Message)
	}
	return nil
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
