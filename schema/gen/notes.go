package main

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/agext/levenshtein"
	"gopkg.in/yaml.v3"
)

// The x-pulumi-* extensions, as the overlay writes them.

type packageNote struct {
	Name              string                 `yaml:"name"`
	DisplayName       string                 `yaml:"displayName"`
	Version           string                 `yaml:"version"`
	Description       string                 `yaml:"description"`
	Publisher         string                 `yaml:"publisher"`
	License           string                 `yaml:"license"`
	Homepage          string                 `yaml:"homepage"`
	Repository        string                 `yaml:"repository"`
	PluginDownloadURL string                 `yaml:"pluginDownloadURL"`
	Keywords          []string               `yaml:"keywords"`
	Config            ordered[configNote]    `yaml:"config"`
	Functions         ordered[computedNotes] `yaml:"functions"`
}

type configNote struct {
	Description string `yaml:"description"`
	Secret      bool   `yaml:"secret"`
}

// computedNotes is a function that asks nobody.
type computedNotes struct {
	Description string             `yaml:"description"`
	Inputs      ordered[extraNote] `yaml:"inputs"`
	Outputs     ordered[extraNote] `yaml:"outputs"`
}

type resourceNote struct {
	Token       string                `yaml:"token"`
	Title       string                `yaml:"title"`
	Description string                `yaml:"description"`
	Create      *operationNote        `yaml:"create"`
	Read        *operationNote        `yaml:"read"`
	List        *operationNote        `yaml:"list"`
	Update      *operationNote        `yaml:"update"`
	Delete      *operationNote        `yaml:"delete"`
	Rotate      *operationNote        `yaml:"rotate"`
	ID          name                  `yaml:"id"`
	Key         name                  `yaml:"key"`
	Import      name                  `yaml:"import"`
	Parent      name                  `yaml:"parent"`
	Unique      []name                `yaml:"unique"`
	Whole       bool                  `yaml:"whole"`
	Deleted     ordered[yaml.Node]    `yaml:"deleted"`
	Gone        ordered[yaml.Node]    `yaml:"gone"`
	Guard       ordered[yaml.Node]    `yaml:"guard"`
	Parts       []partNote            `yaml:"parts"`
	Properties  ordered[propertyNote] `yaml:"properties"`
	Extra       ordered[extraNote]    `yaml:"extra"`
}

type operationNote struct {
	Operation name `yaml:"operation"`
	Result    name `yaml:"result"`
	Items     name `yaml:"items"`
}

type partNote struct {
	Property name               `yaml:"property"`
	Resource name               `yaml:"resource"`
	Result   name               `yaml:"result"`
	ID       name               `yaml:"id"`
	Select   ordered[yaml.Node] `yaml:"select"`
}

// propertyNote marks a property, of one resource or (as x-pulumi-property on
// a field) wherever the field is used.
type propertyNote struct {
	Description string    `yaml:"description"`
	Secret      bool      `yaml:"secret"`
	WriteOnly   bool      `yaml:"writeOnly"`
	Once        bool      `yaml:"once"`
	Replace     bool      `yaml:"replace"`
	Stable      bool      `yaml:"stable"`
	Volatile    bool      `yaml:"volatile"`
	Returned    bool      `yaml:"returned"`
	Unordered   bool      `yaml:"unordered"`
	Omit        bool      `yaml:"omit"` // the resource does not have it
	Format      name      `yaml:"format"`
	Except      []name    `yaml:"except"`  // enum values that no program may set
	Minimum     *float64  `yaml:"minimum"` // of numbers, where the service refuses less and the document does not say so
	Clear       yaml.Node `yaml:"clear"`
	Default     yaml.Node `yaml:"default"`

	node *yaml.Node // where it stands
}

func (p *propertyNote) UnmarshalYAML(node *yaml.Node) error {
	type plain propertyNote
	p.node = node
	return node.Decode((*plain)(p))
}

// extraNote is a property that HTTP does not have.
type extraNote struct {
	Type        name   `yaml:"type"` // "string", or "map" of strings
	Description string `yaml:"description"`
	Input       bool   `yaml:"input"`
	Required    bool   `yaml:"required"`
	Output      bool   `yaml:"output"`
	Returned    bool   `yaml:"returned"`
	Stable      bool   `yaml:"stable"`
}

type functionNote struct {
	Name        name          `yaml:"name"`
	Items       name          `yaml:"items"`
	Description string        `yaml:"description"`
	Rename      ordered[name] `yaml:"rename"` // inputs that programs know by another name
	Find        *findNote     `yaml:"find"`
	Pure        bool          `yaml:"pure"` // though no GET, it changes nothing: previews ask it too
}

// findNote is the list in which a function finds what it returns when its id,
// the last parameter of its path, is not given.
type findNote struct {
	Operation name   `yaml:"operation"`
	Items     name   `yaml:"items"`
	By        []name `yaml:"by"` // fields
}

type typeNote struct {
	Token       string `yaml:"token"`
	Short       name   `yaml:"short"`
	Description string `yaml:"description"`
}

// enumNote is the name of an enum type, and in one place what its values
// mean. It may be written as the name alone.
type enumNote struct {
	Token       string        `yaml:"token"`
	Description string        `yaml:"description"`
	Values      ordered[name] `yaml:"values"`
}

// name is a string that remembers where it stands.
type name struct {
	string
	node *yaml.Node
}

func (n *name) UnmarshalYAML(node *yaml.Node) error {
	n.node = node
	return node.Decode(&n.string)
}

// ordered is a mapping in the order it is written.
type ordered[T any] []entry[T]

type entry[T any] struct {
	Key   name
	Value T
}

func (o *ordered[T]) UnmarshalYAML(node *yaml.Node) error {
	for k, v := range pairs(node) {
		e := entry[T]{Key: name{k.Value, k}}
		if err := v.Decode(&e.Value); err != nil {
			return err
		}
		*o = append(*o, e)
	}
	return nil
}

func (o ordered[T]) element() reflect.Type { return reflect.TypeFor[T]() }

func (o ordered[T]) get(key string) *T {
	for i := range o {
		if o[i].Key.string == key {
			return &o[i].Value
		}
	}
	return nil
}

// note decodes the extension of a node; false when the node has none. A key
// that the extension does not have is an error with its line.
func note[T any](d *document, node *yaml.Node, key string, into *T) (bool, error) {
	n := d.extension(node, key)
	if n == nil {
		return false, nil
	}
	if err := d.known(n, reflect.TypeFor[T](), key); err != nil {
		return false, err
	}
	if err := n.Decode(into); err != nil {
		return false, d.errorf(n, "%s: %s", key, strings.TrimPrefix(err.Error(), "yaml: "))
	}
	return true, nil
}

func (d *document) known(n *yaml.Node, t reflect.Type, where string) error {
	switch {
	case t == reflect.TypeFor[yaml.Node](), t == reflect.TypeFor[*yaml.Node](), t == reflect.TypeFor[name]():
		return nil
	case t.Kind() == reflect.Pointer:
		return d.known(n, t.Elem(), where)
	case t.Implements(reflect.TypeFor[interface{ element() reflect.Type }]()):
		elem := reflect.Zero(t).Interface().(interface{ element() reflect.Type }).element()
		for k, v := range pairs(n) {
			if err := d.known(v, elem, where+"."+k.Value); err != nil {
				return err
			}
		}
	case t.Kind() == reflect.Slice && n.Kind == yaml.SequenceNode:
		for _, v := range n.Content {
			if err := d.known(v, t.Elem(), where); err != nil {
				return err
			}
		}
	case t.Kind() == reflect.Struct:
		if n.Kind != yaml.MappingNode {
			return d.errorf(n, "%s: an object is wanted here", where)
		}
		fields := map[string]reflect.Type{}
		var names []string
		for i := range t.NumField() {
			tag, ok := t.Field(i).Tag.Lookup("yaml")
			if !ok {
				continue
			}
			fields[tag] = t.Field(i).Type
			names = append(names, tag)
		}
		for k, v := range pairs(n) {
			ft, ok := fields[k.Value]
			if !ok {
				return d.errorf(k, "%s: no such key %q%s", where, k.Value, didYouMean(k.Value, names))
			}
			if err := d.known(v, ft, where+"."+k.Value); err != nil {
				return err
			}
		}
	}
	return nil
}

// didYouMean names the candidate nearest to what was written, if one is near.
func didYouMean(got string, have []string) string {
	if len(have) == 0 {
		return ""
	}
	have = slices.Sorted(slices.Values(have))
	best := slices.MinFunc(have, func(a, b string) int {
		return levenshtein.Distance(got, a, nil) - levenshtein.Distance(got, b, nil)
	})
	if levenshtein.Distance(got, best, nil) > 2+len(got)/4 {
		return ""
	}
	return fmt.Sprintf(" (did you mean %q?)", best)
}
