// Package store is what the service remembers: organizations, keys, projects
// and everything inside them. Two implementations, SQLite in a file and
// PostgreSQL by URL, pass one contract suite.
//
// Upstream passwords and webhook secrets cross this interface as secret.Text
// and are sealed on disk; agent passwords exist only as SCRAM verifiers,
// tokens and keys only as hashes.
package store

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// ErrNotFound says that no such record exists under that parent. A record of
// another organization is indistinguishable from one that never was.
var ErrNotFound = errors.New("not found")

// ConflictError says that a unique value is taken, by which record. The
// transaction can go on.
type ConflictError struct {
	Kind  string // "project", "agent credential", …
	Field string // the wire name: "name", "url", "domain"
	Value string
	ID    string // the record that has it; "" when it may belong to somebody else
}

func (e *ConflictError) Error() string {
	if e.ID == "" {
		return fmt.Sprintf("%s with %s %q already exists", e.Kind, e.Field, e.Value)
	}
	return fmt.Sprintf("%s with %s %q already exists (%s)", e.Kind, e.Field, e.Value, e.ID)
}

// InUseError says that a record cannot go while others refer to it.
type InUseError struct {
	Kind string // what was to be deleted
	By   string // what refers to it: "agent credential"
	IDs  []string
}

func (e *InUseError) Error() string {
	return fmt.Sprintf("%s is used by %d %s(s)", e.Kind, len(e.IDs), e.By)
}

// Store runs transactions and announces what they changed. Safe for
// concurrent use.
type Store interface {
	// Update runs fn in one read-write transaction. An error of fn rolls it
	// back and is returned as it is. fn may run again when the engine asks for
	// a retry, so it must have no effect outside tx. Every project whose
	// configuration fn changed gets a new revision and, after the commit, is
	// announced to all watchers in all processes. Update or View inside fn is
	// ErrNested.
	Update(ctx context.Context, fn func(tx Tx) error) error
	// View runs fn on one consistent read-only snapshot.
	View(ctx context.Context, fn func(tx Tx) error) error
	// Watch announces changed projects until ctx ends, then closes the
	// channel. A Change without a project means that announcements may have
	// been lost: reload everything held.
	Watch(ctx context.Context) <-chan Change
	// OnChange calls fn with every announcement before watchers get it and,
	// where it is of this process, before its Update returns: who asks for a
	// change knows when the answer comes that no session still overlooks it.
	// fn must neither block nor use the store.
	OnChange(fn func(Change)) (stop func())
	// LeaseBudget takes units of a budget, in whole or not at all: an error, a
	// *BudgetExhaustedError among them, leaves everything uncounted, unless it
	// hides a commit whose answer was lost. However many processes ask, no
	// window ever grants more than its limit. It is no configuration change.
	LeaseBudget(ctx context.Context, r BudgetRequest) (BudgetLease, error)
	// ReturnBudget gives back l.Units of a lease, at most once each: after an
	// error they may or may not count as used, and must not be given again. In
	// a window that is over they have lapsed.
	ReturnBudget(ctx context.Context, l BudgetLease) error
	// Reseal seals everything that is still sealed under an older encryption
	// key with the primary one, and returns how many values that were.
	Reseal(ctx context.Context) (int, error)
	// Ping reports whether the store answers.
	Ping(ctx context.Context) error
	Close() error
}

// Change names a project whose configuration has a new revision.
type Change struct {
	ProjectID string
	Revision  int64
}

// Page asks for part of a list.
type Page struct {
	Size  int    // 1 to 100; 0 means all
	Token string // as the previous page returned it; "" is the start
	Sort  string // of projects only: name, created_at (default), active_connections
}

// ErrPageToken says that a page token did not come from this list.
var ErrPageToken = errors.New("page token is not one that this list returned")

// Table holds the records of one kind. parent is the id of the organization,
// project or database that owns the record; an empty parent matches any.
//
// Times are UTC with microseconds; Insert and Update take them as the caller
// set them. Lists are in order of creation, oldest first, except enrollments,
// newest first.
type Table[T any] interface {
	Insert(record T) error
	Get(parent, id string) (T, error)
	// List returns one page, the token of the next ("" at the end) and the
	// number of all records under parent.
	List(parent string, page Page) (records []T, next string, total int, err error)
	// Update replaces the stored record that has the same id.
	Update(record T) error
	Delete(parent, id string) error
}

// Tx is one transaction's view of the store.
type Tx interface {
	Organizations() Table[Organization] // no parent
	Keys() Table[Key]                   // parent: organization
	Projects() Table[Project]           // parent: organization; Get and List leave out deleted ones
	Databases() Table[Database]         // parent: project
	Replicas() Table[Replica]           // parent: database
	Domains() Table[Domain]             // parent: project
	Policies() Table[Policy]            // parent: project; Delete: InUseError while a credential refers to it
	Credentials() Table[Credential]     // parent: project; revoked ones are gone from Get and List
	Webhooks() Table[Webhook]           // parent: project
	CacheRules() Table[CacheRule]       // parent: database; id: query hash
	Enrollments() Table[Enrollment]     // parent: organization; revoked ones stay listed

	// KeyByHash finds an API key, revoked and expired ones included.
	KeyByHash(hash string) (Key, error)
	// EnrollmentByHash finds a self-host enrollment by its token's hash.
	EnrollmentByHash(hash string) (Enrollment, error)
	// CredentialByUsername finds an issued credential by its PostgreSQL user
	// name, revoked ones included.
	CredentialByUsername(pgUsername string) (Credential, error)
	// ProjectBySubdomain finds a live project by its subdomain.
	ProjectBySubdomain(subdomain string) (Project, error)
	// ProjectByDomain finds the live project of a verified custom domain.
	ProjectByDomain(domain string) (Project, error)
	// SoleProject returns the only live project of the deployment, or
	// ErrNotFound when there is none or more than one.
	SoleProject() (Project, error)
	// Snapshot loads a live project with all that the data plane needs.
	Snapshot(projectID string) (Snapshot, error)

	// Idempotent returns the response kept for a key, or ErrNotFound. In an
	// Update it also holds off every other transaction with the same key.
	Idempotent(orgID, key string) (IdempotentResponse, error)
	// KeepResponse keeps a response for a key; the body is sealed on disk
	// because it may carry one-time secrets.
	KeepResponse(r IdempotentResponse) error
	// ForgetResponses drops what was kept for a record, which is going away.
	ForgetResponses(resourceID string) error

	// TouchCredential records a use; it is no configuration change.
	TouchCredential(id string, at time.Time) error
	// TouchKey and TouchEnrollment likewise.
	TouchKey(id string, at time.Time) error
	TouchEnrollment(id string, at time.Time) error
	// ReportConnections records how many client connections one proxy process
	// holds for a project; Project.ActiveConnections sums the reports of the
	// last minute. It is no configuration change.
	ReportConnections(instance, projectID string, n int, at time.Time) error
}
