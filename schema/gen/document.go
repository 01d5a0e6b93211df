package main

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// document is an OpenAPI document as a tree of nodes: unlike decoded maps it
// keeps the order in which things are written, and the line of each.
type document struct {
	path       string
	root       *yaml.Node
	overlay    string              // path of the overlay that was applied
	added      map[*yaml.Node]bool // nodes that came from the overlay
	unread     []*yaml.Node        // keys of the extensions that it added
	read       map[*yaml.Node]bool // those among them that were asked for
	operations []*operation        // in document order
}

// operation is one operation of the document.
type operation struct {
	id     string
	method string
	path   string
	node   *yaml.Node
	params []param // those in the path first, in its order
}

// param is a parameter of an operation.
type param struct {
	name     string
	in       string // "path" or "query"
	required bool
	node     *yaml.Node // the parameter as written where it is defined
}

var methods = []string{"get", "put", "post", "delete", "patch"}

func loadDocument(path string) (*document, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var root yaml.Node
	if err := yaml.Unmarshal(data, &root); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return &document{path: path, root: &root, added: map[*yaml.Node]bool{}, read: map[*yaml.Node]bool{}}, nil
}

// errorf is an error at a node, with the file and the line it stands on.
func (d *document) errorf(n *yaml.Node, format string, args ...any) error {
	file := d.path
	if d.added[n] {
		file = d.overlay
	}
	line := 0
	if n != nil {
		line = n.Line
	}
	return fmt.Errorf("%s:%d: %s", file, line, fmt.Sprintf(format, args...))
}

// index lists the operations once the overlay has been applied.
func (d *document) index() error {
	for path, item := range pairs(get(d.root.Content[0], "paths")) {
		for _, method := range methods {
			node := get(item, method)
			if node == nil {
				continue
			}
			op := &operation{id: str(node, "operationId"), method: strings.ToUpper(method), path: path.Value, node: node}
			if op.id == "" {
				return d.errorf(node, "%s %s has no operationId", op.method, op.path)
			}
			for _, list := range []*yaml.Node{get(item, "parameters"), get(node, "parameters")} {
				if list == nil {
					continue
				}
				for _, p := range list.Content {
					p, _, err := d.resolve(p)
					if err != nil {
						return err
					}
					name := str(p, "name")
					op.params = slices.DeleteFunc(op.params, func(have param) bool { return have.name == name })
					op.params = append(op.params, param{name: name, in: str(p, "in"), required: str(p, "required") == "true", node: p})
				}
			}
			at := func(p param) int {
				if i := strings.Index(op.path, "{"+p.name+"}"); i >= 0 {
					return i
				}
				return len(op.path)
			}
			slices.SortStableFunc(op.params, func(a, b param) int { return at(a) - at(b) })
			d.operations = append(d.operations, op)
		}
	}
	return nil
}

func (d *document) operation(id string) *operation {
	for _, op := range d.operations {
		if op.id == id {
			return op
		}
	}
	return nil
}

func (o *operation) in(where string) []param {
	var in []param
	for _, p := range o.params {
		if p.in == where {
			in = append(in, p)
		}
	}
	return in
}

// request is the schema of the operation's JSON body, nil when it has none.
func (d *document) request(op *operation) *yaml.Node {
	return get(op.node, "requestBody", "content", "application/json", "schema")
}

// response is the schema of the operation's successful JSON answer, nil when
// it has none.
func (d *document) response(op *operation) *yaml.Node {
	for status, r := range pairs(get(op.node, "responses")) {
		if strings.HasPrefix(status.Value, "2") {
			return get(r, "content", "application/json", "schema")
		}
	}
	return nil
}

// resolve follows a $ref, or an allOf of one that only adds a description, to
// what it names; name is the last part of the reference, "" without one.
func (d *document) resolve(n *yaml.Node) (target *yaml.Node, name string, err error) {
	for range 32 {
		if all := get(n, "allOf"); all != nil && len(all.Content) == 1 {
			n = all.Content[0]
			continue
		}
		ref := get(n, "$ref")
		if ref == nil {
			return n, name, nil
		}
		steps, local := strings.CutPrefix(ref.Value, "#/")
		at := d.root.Content[0]
		if local {
			at = get(at, strings.Split(steps, "/")...)
		}
		if !local || at == nil {
			return nil, "", d.errorf(ref, "nothing at $ref %q", ref.Value)
		}
		n, name = at, steps[strings.LastIndex(steps, "/")+1:]
	}
	return nil, "", d.errorf(n, "$ref chain does not end")
}

// get walks the keys of nested mappings; nil when one is missing.
func get(n *yaml.Node, keys ...string) *yaml.Node {
	for _, key := range keys {
		var next *yaml.Node
		for k, v := range pairs(n) {
			if k.Value == key {
				next = v
				break
			}
		}
		if next == nil {
			return nil
		}
		n = next
	}
	return n
}

// str is the scalar at a key, "" when there is none.
func str(n *yaml.Node, key string) string {
	if v := get(n, key); v != nil && v.Kind == yaml.ScalarNode {
		return strings.TrimSpace(v.Value)
	}
	return ""
}

// pairs yields the keys and values of a mapping in order.
func pairs(n *yaml.Node) func(func(k, v *yaml.Node) bool) {
	return func(yield func(k, v *yaml.Node) bool) {
		if n == nil || n.Kind != yaml.MappingNode {
			return
		}
		for i := 0; i+1 < len(n.Content); i += 2 {
			if !yield(n.Content[i], n.Content[i+1]) {
				return
			}
		}
	}
}

// keys of a mapping in order.
func keys(n *yaml.Node) []string {
	var out []string
	for k := range pairs(n) {
		out = append(out, k.Value)
	}
	return out
}

// strings of a sequence.
func list(n *yaml.Node) []string {
	if n == nil {
		return nil
	}
	var out []string
	for _, c := range n.Content {
		out = append(out, c.Value)
	}
	return out
}
