package provider

import "slices"

// resourceByToken finds the table of a resource, nil if there is none.
func resourceByToken(token string) *Resource {
	for _, r := range Resources {
		if r.Token == token {
			return r
		}
	}
	return nil
}

// functionByToken finds the table of a function, nil if there is none.
func functionByToken(token string) *Function {
	for _, f := range Functions {
		if f.Token == token {
			return f
		}
	}
	return nil
}

// find returns the property of that name, nil if there is none.
func find(props []Property, name string) *Property {
	for i := range props {
		if props[i].Name == name {
			return &props[i]
		}
	}
	return nil
}

// property returns the property of that name, nil if there is none.
func (r *Resource) property(name string) *Property { return find(r.Properties, name) }

// part returns the part that a property describes, nil if it is none.
func (r *Resource) part(property string) *Part {
	for i := range r.Parts {
		if r.Parts[i].Property == property {
			return &r.Parts[i]
		}
	}
	return nil
}

// isPart reports whether another resource has resources of this kind as parts.
func (r *Resource) isPart() bool {
	return slices.ContainsFunc(Resources, func(owner *Resource) bool {
		return slices.ContainsFunc(owner.Parts, func(part Part) bool { return part.Resource == r.Token })
	})
}

// sent reports whether any request body carries the property.
func (r *Resource) sent(name string) bool {
	for _, op := range []*Operation{r.Create, r.Update} {
		if op != nil && slices.Contains(op.Body, name) {
			return true
		}
	}
	return false
}

// remembered reports whether the API never tells the property, so that the
// state keeps what the program said: write-only ones, path parameters, and
// those that concern the provider alone.
func (r *Resource) remembered(p *Property) bool {
	return p.Input && (p.WriteOnly || !r.sent(p.Name))
}

// once names what only the operations that make it return.
func (r *Resource) once() []string {
	var names []string
	for _, p := range r.Properties {
		if p.Once {
			names = append(names, p.Name)
		}
	}
	return names
}
