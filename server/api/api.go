// Package api serves the control plane: every operation of the document over
// HTTP, each in one store transaction.
//
// A request passes through these steps, in this order: request id, route, key,
// rate limit, parameters and body against the document, then the operation
// itself inside a transaction together with its idempotency record and its
// If-Match check. What an operation changes reaches the data plane through the
// store; this package never talks to a proxy.
package api

import (
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	contract "github.com/pgbeam/pulumi-pgbeam/schema/api"
	"github.com/pgbeam/pulumi-pgbeam/server/domain"
	"github.com/pgbeam/pulumi-pgbeam/server/pool"
	"github.com/pgbeam/pulumi-pgbeam/server/store"
)

// Config is what the control plane needs. Store and Endpoint are required.
type Config struct {
	Store    store.Store
	Endpoint domain.Endpoint

	Version  string // of this binary; "dev" when empty
	ImageSHA string // commit or image digest of this binary; "unknown" when empty

	Log *slog.Logger // slog.Default when nil

	// Plan is what organizations of this deployment may use; the zero value is
	// enterprise without limits.
	Plan Plan
	// Region names the region that this deployment serves; "local" when empty.
	Region string
	// Resolver is the DNS server, host:port, that domain verification asks;
	// empty means the system's.
	Resolver string
	// AllowPrivateWebhooks admits webhook receivers on loopback and private
	// addresses, and plain HTTP to them.
	AllowPrivateWebhooks bool
	// SchemaTimeout is how long a decision about a policy waits for a database
	// to tell its schema; 0 is 3 s.
	SchemaTimeout time.Duration
	// UpstreamRoots verify the certificates of databases; nil is the system's.
	UpstreamRoots *x509.CertPool
	// RateLimit is per key; the zero value is no limit.
	RateLimit RateLimit
	// Now is the clock; time.Now when nil.
	Now func() time.Time
}

type server struct {
	store    store.Store
	endpoint domain.Endpoint
	verifier *domain.Verifier
	config   Config
	log      *slog.Logger
	clock    func() time.Time

	mux        *http.ServeMux // the generated routes
	operations map[string]*operation
	limits     *limiters
	touches    touchLog
	catalogs   catalogs
}

var _ contract.StrictServerInterface = (*server)(nil)

// New returns the handler of the whole API. Mount it at the root: its paths
// start with /v1.
func New(config Config) (http.Handler, error) {
	if config.Store == nil {
		return nil, errors.New("build API: no store was given")
	}
	if config.Log == nil {
		config.Log = slog.Default()
	}
	if config.Now == nil {
		config.Now = time.Now
	}
	if config.Version == "" {
		config.Version = "dev"
	}
	if config.ImageSHA == "" {
		config.ImageSHA = "unknown"
	}
	if config.Region == "" {
		config.Region = "local"
	}
	if config.SchemaTimeout == 0 {
		config.SchemaTimeout = 3 * time.Second
	}
	if config.Plan.Name == "" {
		config.Plan = enterprise
	}
	if _, err := PlanByName(config.Plan.Name); err != nil {
		return nil, fmt.Errorf("build API: %w", err)
	}
	operations, err := loadOperations()
	if err != nil {
		return nil, fmt.Errorf("build API: %w", err)
	}
	s := &server{
		store:      config.Store,
		endpoint:   config.Endpoint,
		verifier:   &domain.Verifier{Resolver: config.Resolver},
		config:     config,
		log:        config.Log,
		clock:      config.Now,
		mux:        http.NewServeMux(),
		operations: operations,
		limits:     newLimiters(config.RateLimit, config.Now),
	}
	s.catalogs = catalogs{limit: config.SchemaTimeout, dialer: pool.NewDialer(), target: s.target}
	strict := contract.NewStrictHandlerWithOptions(s, nil, contract.StrictHTTPServerOptions{
		RequestErrorHandlerFunc:  failCall,
		ResponseErrorHandlerFunc: failCall,
	})
	contract.HandlerWithOptions(strict, contract.StdHTTPServerOptions{
		BaseRouter:       s.mux,
		ErrorHandlerFunc: failCall,
	})
	operations["POST /v1/projects/{project_id}/databases/{database_id}/test-connection"].outside = s.dialDatabase
	operations["POST /v1/projects/{project_id}/domains/{domain_id}/verify"].outside = s.lookUpDomain
	operations["POST /v1/projects/{project_id}/migrations:lint"].outside = s.lint
	operations["POST /v1/projects/{project_id}/policy-evaluations"].outside = s.evaluate
	operations["POST /v1/projects/{project_id}/policies"].outside = s.schemaToSave
	operations["PUT /v1/projects/{project_id}/policies/{policy_id}"].outside = s.schemaToSave
	return s, nil
}

// now is the time that records carry: UTC with the store's precision.
func (s *server) now() time.Time {
	return s.clock().UTC().Truncate(time.Microsecond)
}
