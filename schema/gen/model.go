package main

import (
	"gopkg.in/yaml.v3"
)

// The model is what the tables of package provider say, before it is printed
// as Go. It is not package provider's own types: the generator must run when
// what it generates is missing or does not compile.

// pkg is everything there is to generate from.
type pkg struct {
	note      packageNote
	resources []*resource
	functions []*function
	types     []*typ // named ones, in the order they were met
	waived    map[string]string
}

type resource struct {
	note                                       resourceNote
	token                                      string
	properties                                 []*property
	create, read, list, update, delete, rotate *call
	schema                                     *yaml.Node
}

type property struct {
	name, wire, description   string
	typ                       *typ
	input, required           bool
	output, returned          bool
	secret, writeOnly, once   bool
	replace, stable, volatile bool
	nullable                  bool
	clear, def                *yaml.Node
	offWire                   bool
}

// call is an operation as a resource or a function uses it.
type call struct {
	op      *operation
	args    []string
	query   []string
	body    []string
	hasBody bool
	result  string
	items   string
	paged   bool
}

type function struct {
	token, description string
	inputs, outputs    []*property
	call               *call
	find               *find
	pure               bool
	node               *yaml.Node
}

// find is the list in which a function finds its object without the id.
type find struct {
	id   string
	list *call
	by   []string
}

type typ struct {
	kind                 string // the name of the provider.Kind
	token, description   string
	items                *typ
	fields               []*property
	enum                 []string
	values               []string // what each value of enum means
	minimum, maximum     *float64
	minLength, maxLength *int
	maxItems             *int
	pattern, format      string
	unordered            bool
	short                string
	wide                 bool // an integer that does not fit into 32 bits
}

// formats are the checks that the provider knows.
var formats = []string{"date-time", "future", "cidr", "host", "hostname", "https-url", "pg-identifier", "relation", "predicate", "query-hash", "statement", "event"}
