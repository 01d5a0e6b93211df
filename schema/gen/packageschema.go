package main

import (
	"bytes"
	"encoding/json"
	"strings"

	"github.com/pulumi/pulumi/pkg/v3/codegen/schema"
)

// goImport is the import path of the Go SDK, and its module.
const goImport = "/sdk/go/"

// packageSchema is provider/schema.json: the package as Pulumi describes one.
// It has no defaults. A default in a package schema becomes a value that every
// SDK sends, so that changing it later would change what programs say; the
// server's defaults are the server's.
func packageSchema(p *pkg, docs docs) ([]byte, error) {
	spec := schema.PackageSpec{
		Name:              p.note.Name,
		DisplayName:       p.note.DisplayName,
		Version:           p.note.Version,
		Description:       p.note.Description,
		Keywords:          p.note.Keywords,
		Homepage:          p.note.Homepage,
		License:           p.note.License,
		Repository:        p.note.Repository,
		PluginDownloadURL: p.note.PluginDownloadURL,
		Publisher:         p.note.Publisher,
		Meta:              &schema.MetadataSpec{SupportPack: true},
		Language:          languages(p.note),
		Config:            schema.ConfigSpec{Variables: map[string]schema.PropertySpec{}},
		Types:             map[string]schema.ComplexTypeSpec{},
		Provider: &schema.ResourceSpec{
			ObjectTypeSpec: schema.ObjectTypeSpec{
				Description: "Where the PgBeam API is and how to authenticate with it, for the resources that are given this provider.",
				Type:        "object",
			},
			InputProperties: map[string]schema.PropertySpec{},
		},
		Resources: map[string]schema.ResourceSpec{},
		Functions: map[string]schema.FunctionSpec{},
	}
	for _, c := range p.note.Config {
		prop := schema.PropertySpec{
			TypeSpec:    schema.TypeSpec{Type: "string"},
			Description: c.Value.Description,
			Secret:      c.Value.Secret,
		}
		spec.Config.Variables[c.Key.string] = prop
		spec.Provider.InputProperties[c.Key.string] = prop
	}
	for _, t := range p.types {
		spec.Types[t.token] = complexType(t)
	}
	for _, r := range p.resources {
		text, err := docs.of(r)
		if err != nil {
			return nil, err
		}
		rs := schema.ResourceSpec{
			ObjectTypeSpec:  object(strings.TrimSpace(r.note.Description)+text, r.properties, func(p *property) bool { return p.output }),
			InputProperties: map[string]schema.PropertySpec{},
		}
		for _, in := range r.properties {
			if !in.input {
				continue
			}
			rs.InputProperties[in.name] = propertySpec(in)
			if in.required {
				rs.RequiredInputs = append(rs.RequiredInputs, in.name)
			}
		}
		for _, out := range r.properties {
			// An API never returns what is write-only: after an import it is absent.
			if out.output && (out.returned || out.input && out.required && !out.writeOnly && !holdsSecrets(out.typ)) {
				rs.Required = append(rs.Required, out.name)
			}
		}
		spec.Resources[r.token] = rs
	}
	for _, f := range p.functions {
		examples, err := docs.ofFunction(f)
		if err != nil {
			return nil, err
		}
		fs := schema.FunctionSpec{Description: f.description + examples}
		if len(f.inputs) > 0 {
			in := object("", f.inputs, func(*property) bool { return true })
			for _, p := range f.inputs {
				if p.required {
					in.Required = append(in.Required, p.name)
				}
			}
			in.Type = "object"
			fs.Inputs = &in
		}
		out := object("", f.outputs, func(*property) bool { return true })
		for _, p := range f.outputs {
			if p.returned {
				out.Required = append(out.Required, p.name)
			}
		}
		out.Type = "object"
		fs.ReturnType = &schema.ReturnTypeSpec{ObjectTypeSpec: &out}
		spec.Functions[f.token] = fs
	}
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	err := enc.Encode(spec)
	return buf.Bytes(), err
}

func object(description string, ps []*property, has func(*property) bool) schema.ObjectTypeSpec {
	o := schema.ObjectTypeSpec{Description: description, Type: "object", Properties: map[string]schema.PropertySpec{}}
	for _, p := range ps {
		if has(p) {
			o.Properties[p.name] = propertySpec(p)
		}
	}
	return o
}

func complexType(t *typ) schema.ComplexTypeSpec {
	if t.enum != nil {
		c := schema.ComplexTypeSpec{ObjectTypeSpec: schema.ObjectTypeSpec{Type: "string", Description: t.description}}
		for i, v := range t.enum {
			e := schema.EnumValueSpec{Name: constant(v), Value: v}
			if t.values != nil {
				e.Description = t.values[i]
			}
			c.Enum = append(c.Enum, e)
		}
		return c
	}
	c := schema.ComplexTypeSpec{ObjectTypeSpec: object(t.description, t.fields, func(*property) bool { return true })}
	for _, p := range t.fields {
		if p.required {
			c.Required = append(c.Required, p.name)
		}
	}
	return c
}

func propertySpec(p *property) schema.PropertySpec {
	return schema.PropertySpec{
		TypeSpec:             typeSpec(p.typ),
		Description:          p.description,
		Secret:               p.secret,
		WillReplaceOnChanges: p.input && p.replace,
	}
}

func typeSpec(t *typ) schema.TypeSpec {
	if t.token != "" {
		ref := schema.TypeSpec{Ref: "#/types/" + t.token}
		if t.short != "" {
			return schema.TypeSpec{OneOf: []schema.TypeSpec{{Type: "string"}, ref}}
		}
		return ref
	}
	switch t.kind {
	case "Array":
		items := typeSpec(t.items)
		return schema.TypeSpec{Type: "array", Items: &items}
	case "Map":
		items := typeSpec(t.items)
		return schema.TypeSpec{Type: "object", AdditionalProperties: &items}
	case "Integer":
		if t.wide { // an integer has 32 bits in some of the SDKs
			return schema.TypeSpec{Type: "number"}
		}
		return schema.TypeSpec{Type: "integer"}
	case "Number":
		return schema.TypeSpec{Type: "number"}
	case "Boolean":
		return schema.TypeSpec{Type: "boolean"}
	case "JSON":
		return schema.TypeSpec{Ref: "pulumi.json#/Any"}
	}
	return schema.TypeSpec{Type: "string"}
}

// holdsSecrets reports whether an object has write-only fields.
func holdsSecrets(t *typ) bool {
	for _, f := range t.fields {
		if f.writeOnly {
			return true
		}
	}
	return false
}

// constant is the name of an enum value in an SDK: verify-full is VerifyFull.
func constant(value string) string {
	var out strings.Builder
	for _, word := range strings.FieldsFunc(value, func(r rune) bool { return r == '_' || r == '-' || r == ' ' || r == '.' }) {
		out.WriteString(strings.ToUpper(word[:1]) + word[1:])
	}
	return out.String()
}

// languages are the settings of each SDK generator. Whoever sets one replaces
// the generator's own defaults, so all that matter are repeated here.
func languages(n packageNote) map[string]schema.RawMessage {
	path := strings.TrimPrefix(n.Repository, "https://") + goImport + n.Name
	raw := func(v map[string]any) schema.RawMessage {
		data, _ := json.Marshal(v) // maps of strings and booleans
		return schema.RawMessage(data)
	}
	return map[string]schema.RawMessage{
		"nodejs": raw(map[string]any{
			"packageName":          "@" + n.Name + "/pulumi",
			"packageDescription":   n.Description,
			"respectSchemaVersion": true,
			"dependencies":         map[string]string{"@pulumi/pulumi": "^3.142.0"},
			"devDependencies":      map[string]string{"@types/node": "^20", "typescript": "^5.4.0"},
			"readme":               readme(n),
		}),
		"go": raw(map[string]any{
			"importBasePath":                 path,
			"respectSchemaVersion":           true,
			"generateResourceContainerTypes": true,
		}),
		"python": raw(map[string]any{
			"packageName":          "pulumi_" + n.Name,
			"respectSchemaVersion": true,
			"pyproject":            map[string]bool{"enabled": true},
			"requires":             map[string]string{"pulumi": ">=3.142.0,<4.0.0"},
			"readme":               readme(n),
		}),
		"csharp": raw(map[string]any{
			"rootNamespace":        "Pulumi",
			"namespaces":           map[string]string{n.Name: n.DisplayName, "index": ""},
			"respectSchemaVersion": true,
			"packageReferences":    map[string]string{"Pulumi": "3.*"},
		}),
		"java": raw(map[string]any{
			"basePackage": "com." + n.Name,
			"buildFiles":  "gradle",
		}),
	}
}

func readme(n packageNote) string {
	return "# " + n.DisplayName + "\n\n" + n.Description + "\n\nSee " + n.Repository + " for documentation and examples.\n"
}
