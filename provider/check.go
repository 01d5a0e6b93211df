package provider

import (
	"context"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi/sdk/v3/go/property"
)

// check judges every input at once, before anything is made. Failures name
// the property by its path inside the reason and leave the Property field
// empty: the engine would print the value of that property, secrets included.
func (v *provider) check(ctx context.Context, req p.CheckRequest) (p.CheckResponse, error) {
	r, err := table(req.Urn)
	if err != nil {
		return p.CheckResponse{}, err
	}
	if req.State.Len() > 0 {
		v.seen.note(req.Urn, "")
	}
	c := checker{now: time.Now(), olds: req.State}
	if _, err := v.use(); err != nil {
		c.failures = append(c.failures, p.CheckFailure{Reason: err.Error()})
	}
	inputs := c.name(ctx, r, req.Urn.Name(), dropNulls(req.Inputs))
	if req.State.Len() > 0 {
		inputs = withoutPlaceholders(r.Properties, inputs, req.State)
	}
	shown := spread(property.New(inputs)).AsMap()
	c.fields(nil, r.Title, r.inputs(), shown, req.State)
	c.rules(r, shown)
	return p.CheckResponse{Inputs: markSecrets(r.Properties, inputs), Failures: c.failures}, nil
}

// inputs are the properties that programs may set.
func (r *Resource) inputs() []Property {
	return slices.DeleteFunc(slices.Clone(r.Properties), func(p Property) bool { return !p.Input })
}

// dropNulls leaves out what is null, which means the same as leaving it out.
func dropNulls(m property.Map) property.Map {
	for name, v := range m.AsMap() {
		if absent(v) {
			m = m.Delete(name)
		} else if v.IsMap() {
			m = m.Set(name, property.WithGoValue(v, dropNulls(v.AsMap())))
		}
	}
	return m
}

// withoutPlaceholders leaves out write-only values that are empty and have
// never been set: `pulumi import` writes them into the program it generates,
// for required ones that no API returns. The service keeps what it has.
func withoutPlaceholders(props []Property, inputs, olds property.Map) property.Map {
	for i := range props {
		prop := &props[i]
		v, old := inputs.Get(prop.Name), olds.Get(prop.Name)
		switch {
		case prop.WriteOnly && prop.Required && v.IsString() && v.AsString() == "" && absent(old):
			inputs = inputs.Delete(prop.Name)
		case prop.Type.Kind == Object && v.IsMap() && old.IsMap():
			inputs = inputs.Set(prop.Name, property.WithGoValue(v, withoutPlaceholders(prop.Type.Fields, v.AsMap(), old.AsMap())))
		}
	}
	return inputs
}

// checker collects what is wrong.
type checker struct {
	now      time.Time
	olds     property.Map // the inputs of the last deployment, if there was one
	failures []p.CheckFailure
}

func (c *checker) fail(at path, format string, args ...any) {
	reason := fmt.Sprintf(format, args...)
	if len(at) > 0 {
		reason = at.String() + ": " + reason
	}
	c.failures = append(c.failures, p.CheckFailure{Reason: reason})
}

// fields checks an object, whose fields are props. olds are its former values.
func (c *checker) fields(at path, title string, props []Property, m property.Map, olds property.Map) {
	for name := range m.AllStable {
		if find(props, name) == nil && !strings.HasPrefix(name, "__") {
			var known []string
			for _, prop := range props {
				known = append(known, prop.Name)
			}
			c.fail(at.with(name), "is no property of a %s%s", title, suggest(name, known))
		}
	}
	for i := range props {
		prop := &props[i]
		here := at.with(prop.Name)
		v, old := m.Get(prop.Name), olds.Get(prop.Name)
		if absent(v) {
			// What was imported has no write-only values, and needs none.
			if prop.Required && !(prop.WriteOnly && olds.Len() > 0 && absent(old)) {
				c.fail(here, "is required%s", allowed(&prop.Type))
			}
			continue
		}
		c.value(here, &prop.Type, v, old, prop.Secret)
	}
}

// value checks one value. Unknown values pass: they are checked when known.
func (c *checker) value(at path, t *Type, v, old property.Value, secret bool) {
	secret = secret || v.Secret()
	if v.IsComputed() {
		return
	}
	switch t.Kind {
	case String:
		if !v.IsString() {
			c.wrongKind(at, t, v, secret, "a string")
			return
		}
		c.text(at, t, v.AsString(), old, secret)
	case Integer, Number:
		c.number(at, t, v, secret)
	case Boolean:
		if !v.IsBool() {
			c.wrongKind(at, t, v, secret, "true or false")
		}
	case Array:
		if !v.IsArray() {
			c.wrongKind(at, t, v, secret, "a list")
			return
		}
		if n := v.AsArray().Len(); t.MaxItems != nil && n > *t.MaxItems {
			c.fail(at, "has %d entries, at most %d are allowed", n, *t.MaxItems)
		}
		for i, item := range v.AsArray().AsSlice() {
			was := property.Value{}
			if old.IsArray() && i < old.AsArray().Len() {
				was = old.AsArray().Get(i)
			}
			if absent(item) {
				c.fail(at.with(i), "must not be null")
				continue
			}
			c.value(at.with(i), itemType(t), item, was, secret)
		}
	case Map:
		if !v.IsMap() {
			c.wrongKind(at, t, v, secret, "a map")
			return
		}
		for key, item := range v.AsMap().AllStable {
			c.value(at.with(key), itemType(t), item, field(old, key), secret)
		}
	case Object:
		if t.Short != "" && v.IsString() {
			short := find(t.Fields, t.Short)
			c.value(at, &short.Type, v, field(expand(t, old), t.Short), secret)
			return
		}
		if !v.IsMap() {
			want := "an object"
			if t.Short != "" {
				want = "a string or an object with " + t.Short
			}
			c.wrongKind(at, t, v, secret, want)
			return
		}
		was := property.Map{}
		if old.IsMap() {
			was = old.AsMap()
		}
		c.fields(at, nameOf(t), t.Fields, v.AsMap(), was)
	}
}

// nameOf is how messages call an object type: cacheConfig.
func nameOf(t *Type) string {
	name := t.Token[strings.LastIndex(t.Token, ":")+1:]
	if name == "" {
		return "object"
	}
	return strings.ToLower(name[:1]) + name[1:]
}

func (c *checker) wrongKind(at path, t *Type, v property.Value, secret bool, want string) {
	if secret {
		c.fail(at, "must be %s%s", want, allowed(t))
		return
	}
	c.fail(at, "%s is not %s%s", show(v), want, allowed(t))
}

func (c *checker) number(at path, t *Type, v property.Value, secret bool) {
	if !v.IsNumber() {
		want := "a number"
		if t.Kind == Integer {
			want = "a whole number"
		}
		c.wrongKind(at, t, v, secret, want)
		return
	}
	n := v.AsNumber()
	switch {
	case math.IsNaN(n) || math.IsInf(n, 0):
		c.fail(at, "is not a finite number")
	case t.Kind == Integer && n != math.Trunc(n):
		c.fail(at, "%s is not a whole number%s", number(n), allowed(t))
	case t.Kind == Integer && math.Abs(n) > 1<<53:
		c.fail(at, "%s is too large to be exact; the largest is %d", number(n), int64(1)<<53)
	case t.Minimum != nil && n < *t.Minimum, t.Maximum != nil && n > *t.Maximum:
		c.fail(at, "%s is out of range%s", number(n), allowed(t))
	}
}

func (c *checker) text(at path, t *Type, s string, old property.Value, secret bool) {
	shown := strconv.Quote(clip(s))
	if secret {
		shown = redacted
	}
	length := utf8.RuneCountInString(s)
	switch {
	case len(t.Enum) > 0 && !slices.Contains(t.Enum, s):
		hint := ""
		if !secret {
			hint = suggest(s, t.Enum)
		}
		c.fail(at, "%s is not allowed%s%s", shown, allowed(t), hint)
	case t.MinLength != nil && length < *t.MinLength && length == 0:
		c.fail(at, "must not be empty")
	case t.MinLength != nil && length < *t.MinLength && t.Format == "":
		c.fail(at, "%s has %d characters, at least %d are needed", shown, length, *t.MinLength)
	case t.MaxLength != nil && length > *t.MaxLength && t.Format == "":
		c.fail(at, "%s has %d characters, at most %d are allowed", shown, length, *t.MaxLength)
	default:
		if check := formats[t.Format]; check != nil {
			// A date that was ahead when it was set may pass without the
			// program becoming wrong.
			if t.Format == "future" && old.IsString() && canonical(t.Format, old.AsString()) == canonical(t.Format, s) {
				return
			}
			if wrong := check(s, c.now); wrong != "" {
				c.fail(at, "%s %s", shown, wrong)
				return
			}
		}
		if t.MaxLength != nil && length > *t.MaxLength {
			c.fail(at, "%s has %d characters, at most %d are allowed", shown, length, *t.MaxLength)
		} else if t.Pattern != "" && !pattern(t.Pattern).MatchString(s) {
			c.fail(at, "%s does not fit; it must match %s", shown, t.Pattern)
		}
	}
}

// allowed says what a type takes, to follow the complaint.
func allowed(t *Type) string {
	switch {
	case len(t.Enum) > 0:
		quoted := make([]string, len(t.Enum))
		for i, e := range t.Enum {
			quoted[i] = strconv.Quote(e)
		}
		return "; allowed: " + oneOf(quoted, "or")
	case t.Minimum != nil && t.Maximum != nil:
		return fmt.Sprintf("; allowed: %s to %s", number(*t.Minimum), number(*t.Maximum))
	case t.Minimum != nil:
		return fmt.Sprintf("; allowed: %s or more", number(*t.Minimum))
	case t.Maximum != nil:
		return fmt.Sprintf("; allowed: %s or less", number(*t.Maximum))
	}
	return ""
}

// oneOf lists words: "a", "b" or "c".
func oneOf(words []string, and string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:len(words)-1], ", ") + " " + and + " " + words[len(words)-1]
}

// show prints a value, unless it is secret; lists and objects only by kind.
func show(v property.Value) string {
	switch {
	case v.Secret():
		return redacted
	case v.IsString():
		return strconv.Quote(clip(v.AsString()))
	case v.IsNumber():
		return number(v.AsNumber())
	case v.IsBool():
		return strconv.FormatBool(v.AsBool())
	case v.IsArray():
		return "a list"
	case v.IsMap():
		return "an object"
	}
	return "this value"
}

func number(n float64) string { return strconv.FormatFloat(n, 'f', -1, 64) }

// clip keeps messages readable.
func clip(s string) string {
	if r := []rune(s); len(r) > 80 {
		return string(r[:77]) + "…"
	}
	return s
}

var patterns sync.Map // of *regexp.Regexp by source

func pattern(source string) *regexp.Regexp {
	if re, ok := patterns.Load(source); ok {
		return re.(*regexp.Regexp)
	}
	re := regexp.MustCompile(source)
	patterns.Store(source, re)
	return re
}
