package api

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

// shape is a schema of the document, compiled for checking requests: what
// admit needs, without references.
type shape struct {
	kind     string // object, array, string, integer, number, boolean; "" admits anything
	nullable bool
	format   string

	enum               []string
	pattern            *regexp.Regexp
	minLength          int
	maxLength          int // 0 is no limit
	minimum, maximum   *float64
	items              *shape
	minItems, maxItems int // maxItems 0 is no limit
	fields             map[string]*shape
	required           []string
	extra              bool // fields that are not listed are admitted

	// wrap is the field that a bare string stands for: {"cidr": "…"} may be
	// written "…". Empty for every other schema.
	wrap string
}

// wrapped names the schemas whose objects may be written as one string.
var wrapped = map[string]string{"#/components/schemas/CidrEntry": "cidr"}

// without returns the shape with one field made optional.
func (s *shape) without(field string) *shape {
	c := *s
	c.required = slices.DeleteFunc(slices.Clone(s.required), func(f string) bool { return f == field })
	return &c
}

type compiler struct {
	seen map[*openapi3.Schema]*shape
}

func (c *compiler) compile(ref *openapi3.SchemaRef) (*shape, error) {
	if ref == nil || ref.Value == nil {
		return &shape{}, nil
	}
	if s, ok := c.seen[ref.Value]; ok {
		return s, nil
	}
	s := &shape{}
	c.seen[ref.Value] = s // before its parts, which may refer to it
	if err := c.fill(s, ref.Value); err != nil {
		return nil, err
	}
	if s.wrap == "" {
		s.wrap = wrapped[ref.Ref]
	}
	if s.kind == "object" && len(s.fields) == 0 {
		s.extra = true // a free-form object
	}
	return s, nil
}

// fill adds one schema's rules to s. Parts of allOf are added one after
// another: each narrows, and together they list the fields.
func (c *compiler) fill(s *shape, v *openapi3.Schema) error {
	if len(v.OneOf) > 0 || len(v.AnyOf) > 0 || v.Not != nil {
		return errors.New("oneOf, anyOf and not are not supported in requests")
	}
	for _, part := range v.AllOf {
		if err := c.fill(s, part.Value); err != nil {
			return err
		}
		if s.wrap == "" {
			s.wrap = wrapped[part.Ref]
		}
	}
	if types := v.Type.Slice(); len(types) > 1 {
		return fmt.Errorf("several types at once are not supported in requests: %s", strings.Join(types, ", "))
	} else if len(types) == 1 {
		s.kind = types[0]
	}
	s.nullable = s.nullable || v.Nullable
	if v.Format != "" {
		s.format = v.Format
	}
	for _, e := range v.Enum {
		if text, ok := e.(string); ok && !slices.Contains(s.enum, text) {
			s.enum = append(s.enum, text)
		}
	}
	if v.Pattern != "" {
		re, err := regexp.Compile(v.Pattern)
		if err != nil {
			return fmt.Errorf("compile pattern: %w", err)
		}
		s.pattern = re
	}
	s.minLength = max(s.minLength, int(v.MinLength))
	if v.MaxLength != nil {
		s.maxLength = int(*v.MaxLength)
	}
	if v.Min != nil {
		s.minimum = v.Min
	}
	if v.Max != nil {
		s.maximum = v.Max
	}
	s.minItems = max(s.minItems, int(v.MinItems))
	if v.MaxItems != nil {
		s.maxItems = int(*v.MaxItems)
	}
	if v.Items != nil {
		items, err := c.compile(v.Items)
		if err != nil {
			return err
		}
		s.items = items
	}
	s.required = append(s.required, v.Required...)
	for name, ref := range v.Properties {
		field, err := c.compile(ref)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if s.fields == nil {
			s.fields = map[string]*shape{}
		}
		s.fields[name] = field
	}
	if v.AdditionalProperties.Schema != nil || v.AdditionalProperties.Has != nil && *v.AdditionalProperties.Has {
		s.extra = true
	}
	return nil
}
