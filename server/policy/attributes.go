package policy

// Attribute names a column as RowDescription does: by the object id of its
// relation and its number.
type Attribute struct {
	Relation uint32
	Number   int16
}

// MaskedAttributes are the columns that a description of rows never names
// while masks are put in: a masked value is an expression, and has no column.
func (e *Engine) MaskedAttributes() map[Attribute]MaskKind {
	found := make(map[Attribute]MaskKind)
	if e.catalog == nil || len(e.profile.Masks) == 0 {
		return found
	}
	for _, w := range e.rewriters {
		rules, ok := w.(*ruleSet)
		if !ok {
			continue
		}
		for name, rel := range e.catalog.Relations {
			if isSystem(name.Schema) {
				continue
			}
			masks := rules.of(rel, name).masks
			for _, c := range rel.Columns {
				if kind := masks[c.Name]; kind != "" {
					found[Attribute{rel.OID, c.Number}] = kind
				}
			}
		}
	}
	return found
}
