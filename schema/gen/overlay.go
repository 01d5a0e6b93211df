package main

import (
	"errors"
	"os"
	"strings"

	"github.com/speakeasy-api/openapi/overlay"
	"gopkg.in/yaml.v3"
)

// apply applies the overlay at path. Its actions may only add x-pulumi-*
// extensions: the contract is settled in the document alone. The nodes are
// shared with the overlay, not copied, so that whatever is wrong with them is
// told with the line of the overlay.
func (d *document) apply(path string) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var root yaml.Node
	if err := yaml.Unmarshal(data, &root); err != nil {
		return errors.New(path + ": " + strings.TrimPrefix(err.Error(), "yaml: "))
	}
	over, err := overlay.Parse(path)
	if err != nil {
		return err
	}
	d.overlay = path
	d.own(&root)
	if err := over.Validate(); err != nil {
		return d.errorf(&root, "%v", err)
	}
	var problems []error
	for _, action := range get(root.Content[0], "actions").Content {
		if err := d.act(over, action); err != nil {
			problems = append(problems, err)
		}
	}
	return errors.Join(problems...)
}

func (d *document) own(n *yaml.Node) {
	d.added[n] = true
	for _, c := range n.Content {
		d.own(c)
	}
}

func (d *document) act(over *overlay.Overlay, action *yaml.Node) error {
	target, update := get(action, "target"), get(action, "update")
	if update == nil || update.Kind != yaml.MappingNode {
		return d.errorf(action, "action on %s has no update of keys and values: only x-pulumi-* keys can be added", target.Value)
	}
	path, err := over.NewPath(target.Value, nil)
	if err != nil {
		return d.errorf(target, "target %s: %v", target.Value, err)
	}
	found := path.Query(d.root)
	if len(found) == 0 {
		return d.errorf(target, "target %s matches nothing%s", target.Value, d.missing(target.Value))
	}
	for _, node := range found {
		if node.Kind != yaml.MappingNode {
			return d.errorf(target, "target %s is not an object", target.Value)
		}
		for k, v := range pairs(update) {
			if !strings.HasPrefix(k.Value, "x-pulumi-") {
				return d.errorf(k, "%s: an overlay adds x-pulumi-* keys only; the contract itself is changed in %s", k.Value, d.path)
			}
			if get(node, k.Value) != nil {
				return d.errorf(k, "%s is given twice for %s", k.Value, target.Value)
			}
			node.Content = append(node.Content, k, v)
			d.unread = append(d.unread, k)
		}
	}
	return nil
}

// ignored are the extensions that nothing has asked for: they stand where they
// mean nothing, or on a schema that no resource or function comes across.
func (d *document) ignored() []error {
	var out []error
	for _, key := range d.unread {
		if !d.read[key] {
			out = append(out, d.errorf(key, "%s has no effect here: no resource or function uses what it stands on", key.Value))
		}
	}
	return out
}

// extension is the value of an x-pulumi-* key of a node, nil without one.
func (d *document) extension(n *yaml.Node, key string) *yaml.Node {
	for k, v := range pairs(n) {
		if k.Value == key {
			d.read[k] = true
			return v
		}
	}
	return nil
}

// missing says which step of a plain dotted path leads nowhere, and what was
// likely meant.
func (d *document) missing(target string) string {
	at := d.root.Content[0]
	for _, step := range strings.Split(strings.TrimPrefix(target, "$."), ".") {
		if strings.ContainsAny(step, "[]*?'") {
			return ""
		}
		next := get(at, step)
		if next == nil {
			have := keys(at)
			return ": there is no " + step + didYouMean(step, have)
		}
		at = next
	}
	return ""
}
