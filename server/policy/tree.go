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

// sameNode compares trees but for where in a text they stood.
func sameNode(a, b proto.Message) bool { return sameMessage(reflect.ValueOf(a), reflect.ValueOf(b)) }

// sameMessage is sameNode for pointers to messages.
func sameMessage(a, b reflect.Value) bool {
	switch {
	case a.Type() != b.Type():
		return false
	case a.IsNil() || b.IsNil():
		return a.IsNil() && b.IsNil()
	}
	l := layouts()[a.Type()]
	a, b = a.Elem(), b.Elem()
	for _, s := range l.says {
		if f, g := a.Field(s.index), b.Field(s.index); s.list && !sameList(f, g) || !s.list && !f.Equal(g) {
			return false
		}
	}
	for _, s := range l.holds {
		f, g := a.Field(s.index), b.Field(s.index)
		switch {
		case s.list:
			if !sameList(f, g) {
				return false
			}
		case s.message != nil:
			if !sameMessage(f, g) {
				return false
			}
		case f.IsNil() || g.IsNil():
			if !f.IsNil() || !g.IsNil() {
				return false
			}
		case f.Elem().Type() != g.Elem().Type() || !sameValue(f.Elem().Elem().Field(0), g.Elem().Elem().Field(0)):
			return false
		}
	}
	return true
}

func sameList(a, b reflect.Value) bool {
	if a.Len() != b.Len() {
		return false
	}
	for i := range a.Len() {
		if !sameValue(a.Index(i), b.Index(i)) {
			return false
		}
	}
	return true
}

func sameValue(a, b reflect.Value) bool {
	if a.Kind() == reflect.Pointer {
		return sameMessage(a, b)
	}
	return a.Equal(b)
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
