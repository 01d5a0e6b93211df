package policy

import (
	"reflect"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Whatever one message says and the other does not tells them apart, but for
// where in a text it stood.
func TestMessagesAreTheSameOnlyInAllTheirFields(t *testing.T) {
	for typ := range layouts() {
		bare := reflect.New(typ.Elem()).Interface().(proto.Message)
		fields := bare.ProtoReflect().Descriptor().Fields()
		for i := range fields.Len() {
			f := fields.Get(i)
			more := proto.Clone(bare)
			m := more.ProtoReflect()
			if f.IsList() {
				list := m.Mutable(f).List()
				list.Append(list.NewElement())
			} else if f.Message() != nil {
				m.Mutable(f)
			} else {
				m.Set(f, telling(t, f))
			}
			place := f.Name() == "location" || strings.HasPrefix(string(f.Name()), "stmt_l")
			if got := sameNode(bare, more); got != place {
				t.Errorf("%s with and without %s: same is %t, want %t", typ, f.Name(), got, place)
			}
			if !sameNode(more, proto.Clone(more)) {
				t.Errorf("%s with %s is not the same as its copy", typ, f.Name())
			}
		}
	}
}

// telling is a value of a field that is not its zero.
func telling(t *testing.T, f protoreflect.FieldDescriptor) protoreflect.Value {
	switch f.Kind() {
	case protoreflect.BoolKind:
		return protoreflect.ValueOfBool(true)
	case protoreflect.EnumKind:
		return protoreflect.ValueOfEnum(1)
	case protoreflect.Int32Kind:
		return protoreflect.ValueOfInt32(-1)
	case protoreflect.Uint32Kind:
		return protoreflect.ValueOfUint32(1)
	case protoreflect.Int64Kind:
		return protoreflect.ValueOfInt64(-1)
	case protoreflect.Uint64Kind:
		return protoreflect.ValueOfUint64(1)
	case protoreflect.DoubleKind:
		return protoreflect.ValueOfFloat64(1)
	case protoreflect.StringKind:
		return protoreflect.ValueOfString("a")
	}
	t.Fatalf("%s is of kind %s", f.FullName(), f.Kind())
	return protoreflect.Value{}
}

func TestStatementsAreTheSameWhereverTheyStand(t *testing.T) {
	for name, query := range tpch(t) {
		first, err := parse(query)
		if err != nil {
			t.Fatal(err)
		}
		moved, err := parse("\n  -- of " + name + "\n" + strings.ReplaceAll(query, "\n", "\n\t"))
		if err != nil {
			t.Fatal(err)
		}
		if !sameNode(first, moved) {
			t.Errorf("%s is another statement with more spaces", name)
		}
	}
}
