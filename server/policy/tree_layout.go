package policy

import (
	"reflect"
	"strconv"
	"strings"
	"sync"

	pg "github.com/pganalyze/pg_query_go/v6"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// layout is what messages of one type hold. It is made of their descriptor, so
// that no field is forgotten when PostgreSQL grows one.
type layout struct {
	of     reflect.Type // the struct
	known  bool         // in knownNodes
	fields []*slot      // all, and each alternative of a oneof, in the order of the descriptor
	holds  []*slot      // those that hold messages, a oneof once
	says   []*slot      // the others, but for those that say where in a text it stood
}

// slot is a field of a message, or one alternative of a oneof.
type slot struct {
	json    string // its name there
	name    string // of the field in Go
	index   int    // of that field
	list    bool
	message *layout          // what it holds; nil for a scalar, and for a oneof as a whole
	wrapper reflect.Type     // of an alternative: the struct of one field to which the oneof points
	words   map[string]int32 // of an enumeration
}

// layouts are the layouts of all messages that a parse tree may hold, by the
// types of pointers to them.
var layouts = sync.OnceValue(func() map[reflect.Type]*layout {
	all := make(map[reflect.Type]*layout)
	addLayout(all, (&pg.ParseResult{}).ProtoReflect())
	return all
})

// nodeTypes are the alternatives of a node, by their names in JSON.
var nodeTypes = sync.OnceValue(func() map[string]*slot {
	types := make(map[string]*slot)
	for _, s := range layoutOf(&pg.Node{}).fields {
		types[s.json] = s
	}
	return types
})

func layoutOf(m proto.Message) *layout { return layouts()[reflect.TypeOf(m)] }

func addLayout(all map[reflect.Type]*layout, m protoreflect.Message) *layout {
	t := reflect.TypeOf(m.Interface())
	if l := all[t]; l != nil {
		return l
	}
	l := &layout{of: t.Elem(), known: knownNodes[t.Elem().Name()]}
	all[t] = l

	inGo, oneof := make(map[string]int), -1 // by the number that the tag says
	for i := range l.of.NumField() {
		f := l.of.Field(i)
		if f.Tag.Get("protobuf_oneof") != "" {
			oneof = i
			l.holds = append(l.holds, &slot{name: f.Name, index: i})
		} else if tag := strings.Split(f.Tag.Get("protobuf"), ","); len(tag) > 1 {
			inGo[tag[1]] = i
		}
	}
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		f := fields.Get(i)
		s := &slot{json: f.JSONName(), list: f.IsList(), words: wordsOf(f.Enum())}
		l.fields = append(l.fields, s)
		if f.Message() != nil {
			held := m.NewField(f)
			if f.IsList() {
				held = held.List().NewElement()
			}
			s.message = addLayout(all, held.Message())
		}
		if f.ContainingOneof() != nil {
			holder := m.New()
			holder.Set(f, holder.NewField(f))
			s.index = oneof
			s.wrapper = reflect.ValueOf(holder.Interface()).Elem().Field(oneof).Elem().Type().Elem()
			continue
		}
		s.index = inGo[strconv.Itoa(int(f.Number()))]
		s.name = l.of.Field(s.index).Name
		switch {
		case s.message != nil:
			l.holds = append(l.holds, s)
		case !places[s.name]:
			l.says = append(l.says, s)
		}
	}
	return l
}

// places are the fields that say where in a text something stood.
var places = map[string]bool{"Location": true, "StmtLocation": true, "StmtLen": true}

func wordsOf(e protoreflect.EnumDescriptor) map[string]int32 {
	if e == nil {
		return nil
	}
	words := make(map[string]int32)
	for i := range e.Values().Len() {
		word := e.Values().Get(i)
		words[string(word.Name())] = int32(word.Number())
	}
	return words
}
