// Package provider manages PgBeam with Pulumi.
//
// Every resource and function is data: a table that schema/gen writes from
// the document and its overlay into one .gen.go file each. The behaviour
// (check, diff, create, read, update, delete) is written once, here, over
// those tables and Pulumi's own property values. Reflection over Go structs
// (the framework's infer) is deliberately not used: it would need cures for
// unvalidated enums, lost secret marks, truncated integers, state that an
// older schema wrote, and zero values that stand for absent ones; here none of
// those can arise.
package provider

import (
	"context"
	"io"
	"net/http"

	"github.com/pgbeam/pulumi-pgbeam/schema/api"
)

// Kind is the shape of a value.
type Kind int

// The kinds of value there are.
const (
	String Kind = iota
	Integer
	Number
	Boolean
	Array
	Map // of strings to Items
	Object
	JSON // any value
)

// Type is the type of a property, with every limit the document sets.
type Type struct {
	Kind      Kind
	Token     string     // of objects and enums in the package schema: "pgbeam:index:CacheConfig"
	Items     *Type      // of Array and Map
	Fields    []Property // of Object, in document order
	Enum      []string
	Minimum   *float64
	Maximum   *float64
	MinLength *int
	MaxLength *int
	MaxItems  *int
	Pattern   string // RE2
	// Format names a check beyond the pattern: "date-time", "future"
	// (a date-time that must lie ahead), "cidr", "host", "hostname",
	// "https-url", "pg-identifier", "relation", "predicate", "query-hash",
	// "statement" (a kind of statement), "event" (an event type).
	Format    string
	Unordered bool // an array whose order means nothing
	// Short is the field an object may be written as alone: a CIDR entry may
	// be the string of its "cidr".
	Short string
}

// Property is one property of a resource, of an object type, or of a function.
type Property struct {
	Name        string // camelCase, as programs write it
	Wire        string // snake_case, as HTTP carries it
	Description string
	Type        Type
	Input       bool // programs may set it
	Required    bool // of inputs
	Output      bool // the state has it
	Returned    bool // the API always returns it, so the output is never absent
	Secret      bool
	WriteOnly   bool // the API never returns it: state keeps what the program sent
	Once        bool // only the operations that make it return it: state keeps it ever after
	Replace     bool // a change replaces the resource
	Stable      bool // an output that no update changes: known at preview
	Volatile    bool // a counter or time of the server's: never a difference
	Nullable    bool // null clears it
	Clear       any  // what an update sends when the program drops the property; nil: Default, else null if Nullable, else nothing
	Default     any  // what the server takes when it is absent: a string, float64, bool; nil is unknown
}

// Call sends one request through the generated client. args are the path
// parameters in the order of the path, body is nil where there is none.
type Call func(ctx context.Context, c *api.Client, args []string, query map[string]string, body io.Reader, edit ...api.RequestEditorFn) (*http.Response, error)

// Operation is one operation of the document as a resource uses it.
type Operation struct {
	ID     string   // operationId
	Method string   // GET, POST, PUT, PATCH, DELETE
	Args   []string // path parameters: names of properties, or "id" for the resource's own id
	Query  []string // names of the properties that go into the query string, under their wire names
	Body   []string // names of the properties the request carries; nil: no body
	Result string   // wire name of the field that holds the object; "" when the response is the object
	Items  string   // of lists: wire name of the array
	Paged  bool     // of lists: page_size and page_token
	Call   Call
}

// Resource is one Pulumi resource.
type Resource struct {
	Token       string // "pgbeam:index:Project"
	Title       string // as messages name it: "project", "agent credential"
	Description string
	Properties  []Property

	Create *Operation // nil: Update creates (cache rule, spend limit)
	Read   *Operation // nil: found in List
	List   *Operation
	Update *Operation // nil: every change replaces
	Delete *Operation // nil: Update with Deleted as body deletes
	Rotate *Operation // renews the Once properties when rotationTriggers changes

	// ID is how the id is made of wire fields of the response and properties:
	// "{id}", or "{projectId}/{databaseId}/{queryHash}" where the API has none.
	ID string
	// Import is how an id for `pulumi import` is written besides the plain id:
	// "{projectId}/{id}".
	Import string
	// Key is the wire field that a list is searched by when Read is nil.
	Key string
	// Parent is the token of the resource that owns this one, "" for those of an organization.
	Parent string
	// Unique are the properties that make two of these impossible at once:
	// replacing then deletes first. Empty: create before delete.
	Unique []string
	// Whole resources are all that the program says: what it does not set is put
	// back to its default, whoever else has set it.
	Whole bool
	// Deleted is the body that stands for deletion when Delete is nil.
	Deleted map[string]any
	// Parts are objects that are created with this one, inside its create
	// request, and live on as resources of their own: a project's database.
	Parts []Part
	// Gone are wire fields with the values that mean the resource is gone
	// although the API still returns it: {"status": "deleted"}. AnyValue
	// stands for every value but null.
	Gone map[string]any
	// Guard are the wire fields which, when set to something other than what
	// the program asks, keep a create through Update from overwriting an
	// existing object: {"cache_enabled": false} lists the untouched values.
	Guard map[string]any
}

// AnyValue in Resource.Gone stands for every value but null.
const AnyValue = "*"

// Part is an object that a resource creates together with itself. The
// property has the fields of the other resource's inputs; changes under it
// are updates of that other resource.
type Part struct {
	Property string // "database": an object input, sent under its wire name
	Resource string // token of the resource it is: "pgbeam:index:Database"
	Result   string // wire name of the part in the response of Create
	ID       string // output that keeps its id: "primaryDatabaseId"
	// Select are the wire fields that single the part out in the other
	// resource's list when its id is not known: {"role": "primary"}.
	Select map[string]any
}

// Function is one function of the package that asks the API.
type Function struct {
	Token       string // "pgbeam:index:getProject"
	Description string
	Inputs      []Property
	Outputs     []Property
	Operation   *Operation // nil: computed in the plugin
	Find        *Find      // nil: Operation alone finds it
	Pure        bool       // Operation is no GET and changes nothing all the same
}

// Find is how a function finds its object by what people know of it, when
// its id is not given.
type Find struct {
	ID   string     // input that is the id: "projectId"
	List *Operation // the list to search
	By   []string   // inputs that the object must agree with: "name"
}
