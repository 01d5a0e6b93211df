package api

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"math/big"
	"regexp"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/pgbeam/pulumi-pgbeam/server/internal/spelling"
)

// admit checks a decoded JSON value against a shape and returns it in the form
// that operations expect: null members that are not nullable are gone (they
// mean "absent"), strings that stand for an object are that object, integers
// written as 5.0 or 5e0 are 5. Everything wrong is reported, never its value.
func admit(s *shape, value any, path string) (any, []fieldError) {
	var a admission
	return a.value(s, value, path), a.errors
}

type admission struct {
	errors []fieldError
}

// maxReported bounds how many mistakes one refusal lists: a body may hold
// hundreds of thousands.
const maxReported = 100

func (a *admission) refuse(path, format string, args ...any) {
	if len(a.errors) < maxReported {
		a.errors = append(a.errors, fieldError{path, fmt.Sprintf(format, args...)})
	}
}

func (a *admission) value(s *shape, value any, path string) any {
	if text, ok := value.(string); ok && s.wrap != "" {
		value = map[string]any{s.wrap: text}
	}
	if value == nil {
		if !s.nullable && s.kind != "" {
			a.refuse(path, "must not be null")
		}
		return nil
	}
	switch s.kind {
	case "object":
		object, ok := value.(map[string]any)
		if !ok {
			a.refuse(path, "must be an object, not %s", jsonType(value))
			return value
		}
		return a.object(s, object, path)
	case "array":
		list, ok := value.([]any)
		if !ok {
			a.refuse(path, "must be an array, not %s", jsonType(value))
			return value
		}
		return a.array(s, list, path)
	case "string":
		text, ok := value.(string)
		if !ok {
			a.refuse(path, "must be a string, not %s", jsonType(value))
			return value
		}
		a.text(s, text, path)
		return text
	case "integer", "number":
		number, ok := value.(json.Number)
		if !ok {
			a.refuse(path, "must be %s, not %s", article(s.kind), jsonType(value))
			return value
		}
		return a.number(s, number, path)
	case "boolean":
		if _, ok := value.(bool); !ok {
			a.refuse(path, "must be true or false, not %s", jsonType(value))
		}
	}
	return value
}

func (a *admission) object(s *shape, object map[string]any, path string) any {
	out := make(map[string]any, len(object))
	names := make([]string, 0, len(object))
	for name := range object {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		if len(a.errors) == maxReported {
			break
		}
		value := object[name]
		field, known := s.fields[name]
		if !known {
			if s.extra {
				out[name] = value
			} else {
				a.refuse(join(path, name), "is not a known field%s", suggestion(name, s.fields))
			}
			continue
		}
		if value == nil && !field.nullable {
			continue
		}
		out[name] = a.value(field, value, join(path, name))
	}
	for _, name := range s.required {
		value, given := object[name]
		if field := s.fields[name]; !given || value == nil && (field == nil || !field.nullable) {
			a.refuse(join(path, name), "is required%s", choices(field, given))
		}
	}
	return out
}

// choices are the words that a field takes, for who gave none. In YAML the word
// null is one only in quotes.
func choices(s *shape, given bool) string {
	if s == nil || len(s.enum) == 0 {
		return ""
	}
	text := "; must be one of " + strings.Join(s.enum, ", ")
	if given && slices.Contains(s.enum, "null") {
		text += `; write "null" in quotes`
	}
	return text
}

func (a *admission) array(s *shape, list []any, path string) any {
	if s.maxItems > 0 && len(list) > s.maxItems {
		a.refuse(path, "must have at most %d items, not %d", s.maxItems, len(list))
		return list
	}
	if len(list) < s.minItems {
		a.refuse(path, "must have at least %d items", s.minItems)
	}
	out := make([]any, len(list))
	for i, item := range list {
		out[i] = item
		if s.items != nil {
			out[i] = a.value(s.items, item, path+"["+strconv.Itoa(i)+"]")
		}
	}
	return out
}

// dateTime is the form of RFC 3339; time.Parse alone admits one-digit hours
// and a comma before fractions.
var dateTime = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$`)

func (a *admission) text(s *shape, text, path string) {
	length := utf8.RuneCountInString(text)
	switch {
	case strings.ContainsRune(text, 0):
		a.refuse(path, "must not contain the character U+0000")
	case len(s.enum) > 0 && !slices.Contains(s.enum, text):
		a.refuse(path, "must be one of %s", strings.Join(s.enum, ", "))
	case length == 0 && s.minLength > 0:
		a.refuse(path, "must not be empty")
	case length < s.minLength:
		a.refuse(path, "must have at least %d characters", s.minLength)
	case s.maxLength > 0 && length > s.maxLength:
		a.refuse(path, "must have at most %d characters, not %d", s.maxLength, length)
	case s.pattern != nil && !s.pattern.MatchString(text):
		a.refuse(path, "%s", patternWords(s.pattern.String()))
	case s.format == "date-time":
		if _, err := time.Parse(time.RFC3339, text); err != nil || !dateTime.MatchString(text) {
			a.refuse(path, "must be a time in RFC 3339 form, such as 2030-01-31T12:00:00Z")
		}
	}
}

// patternWords says in words what a pattern of the document asks for.
func patternWords(pattern string) string {
	switch pattern {
	case `^[a-zA-Z0-9_.-]+$`:
		return "must consist of letters, digits, _ . and -"
	case `^[\x20-\x7E]+$`:
		return "must consist of printable ASCII characters"
	case `^[^\s\x00]+$`:
		return "must not contain white space"
	case `^[0-9a-fA-F.:]+(/[0-9]+)?$`:
		return "must be an address or a range, such as 203.0.113.7 or 203.0.113.0/24"
	case `^[a-f0-9]+$`:
		return "must consist of lower-case hexadecimal digits"
	}
	if strings.HasPrefix(pattern, `^[a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?(\.`) {
		return "must be a domain name, such as db.example.com"
	}
	return "must match " + pattern
}

// maxExponent and maxDigits bound the work of reading a number such as
// 1e999999999, or one that fills the whole body.
const (
	maxExponent = 400
	maxDigits   = 400
)

func (a *admission) number(s *shape, number json.Number, path string) any {
	if _, exponent, ok := strings.Cut(strings.ToLower(number.String()), "e"); ok {
		if e, err := strconv.Atoi(exponent); err != nil || e > maxExponent || e < -maxExponent {
			a.refuse(path, "is out of range")
			return number
		}
	}
	if len(number) > maxDigits {
		a.refuse(path, "has too many digits")
		return number
	}
	exact, ok := new(big.Rat).SetString(number.String())
	if !ok {
		a.refuse(path, "must be %s", article(s.kind))
		return number
	}
	if s.kind == "integer" && !exact.IsInt() {
		a.refuse(path, "must be an integer")
		return number
	}
	if s.minimum != nil && exact.Cmp(new(big.Rat).SetFloat64(*s.minimum)) < 0 ||
		s.maximum != nil && exact.Cmp(new(big.Rat).SetFloat64(*s.maximum)) > 0 {
		a.refuse(path, "%s", bounds(s))
		return number
	}
	if s.kind == "integer" {
		limit := int64(math.MaxInt64)
		if s.format == "int32" {
			limit = math.MaxInt32
		}
		if !exact.Num().IsInt64() || exact.Num().Int64() > limit || exact.Num().Int64() < -limit {
			a.refuse(path, "is out of range")
			return number
		}
		return json.Number(exact.Num().String())
	}
	if f, _ := exact.Float64(); math.IsInf(f, 0) {
		a.refuse(path, "is out of range")
	}
	return number
}

func bounds(s *shape) string {
	text := func(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }
	switch {
	case s.maximum == nil:
		return "must be at least " + text(*s.minimum)
	case s.minimum == nil:
		return "must be at most " + text(*s.maximum)
	}
	return "must be between " + text(*s.minimum) + " and " + text(*s.maximum)
}

func article(kind string) string {
	if kind == "integer" {
		return "an integer"
	}
	return "a " + kind
}

func jsonType(value any) string {
	switch value.(type) {
	case nil:
		return "null"
	case map[string]any:
		return "an object"
	case []any:
		return "an array"
	case string:
		return "a string"
	case bool:
		return "a boolean"
	}
	return "a number"
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// suggestion names the field that was probably meant.
func suggestion(name string, fields map[string]*shape) string {
	if near := spelling.Nearest(strings.ToLower(name), maps.Keys(fields)); near != "" {
		return "; did you mean " + near + "?"
	}
	return ""
}
