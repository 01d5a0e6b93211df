package api

import (
	"context"
	"net/netip"
	"regexp"
	"strings"
	"time"

	contract "github.com/pgbeam/pulumi-pgbeam/schema/api"
	"github.com/pgbeam/pulumi-pgbeam/server/secret"
	"github.com/pgbeam/pulumi-pgbeam/server/store"
)

// What a database has when the request does not say.
var (
	defaultCache = store.CacheConfig{Enabled: false, TTLSeconds: 60, MaxEntries: 10000, SWRSeconds: 30}
	defaultPool  = store.PoolConfig{PoolSize: 10, MinPoolSize: 1, PoolMode: "transaction", MaxActive: 200}
)

// passwordPlaceholder stands for the password in the connection string of a
// passthrough user; the stored one is never shown.
const passwordPlaceholder = "YOUR_PASSWORD"

func (s *server) CreateDatabase(ctx context.Context, request contract.CreateDatabaseRequestObject) (contract.CreateDatabaseResponseObject, error) {
	c := callOf(ctx)
	p, err := c.project(request.ProjectID)
	if err != nil {
		return nil, err
	}
	if limit := s.config.Plan.Limits.MaxDatabases; limit > 0 && p.DatabaseCount >= limit {
		return nil, planLimit("the %s plan allows %d databases in a project; delete one or change the plan", s.config.Plan.Name, limit)
	}
	d, wrong := newDatabase(p.ID, *request.Body, s.now(), "")
	if len(wrong) > 0 {
		return nil, invalid(wrong...)
	}
	if err := c.tx.Databases().Insert(d); err != nil {
		return nil, err
	}
	c.resource = d.ID
	return contract.CreateDatabase201JSONResponse(s.databaseOut(p, d)), nil
}

func (s *server) ListDatabases(ctx context.Context, request contract.ListDatabasesRequestObject) (contract.ListDatabasesResponseObject, error) {
	c := callOf(ctx)
	p, err := c.project(request.ProjectID)
	if err != nil {
		return nil, err
	}
	databases, next, _, err := c.tx.Databases().List(p.ID, pageOf(request.Params.PageSize, request.Params.PageToken))
	if err != nil {
		return nil, err
	}
	return contract.ListDatabases200JSONResponse{
		Databases:     each(databases, func(d store.Database) contract.Database { return s.databaseOut(p, d) }),
		NextPageToken: nextToken(next),
	}, nil
}

func (s *server) GetDatabase(ctx context.Context, request contract.GetDatabaseRequestObject) (contract.GetDatabaseResponseObject, error) {
	p, d, err := callOf(ctx).database(request.ProjectID, request.DatabaseID)
	if err != nil {
		return nil, err
	}
	return contract.GetDatabase200JSONResponse(s.databaseOut(p, d)), nil
}

func (s *server) UpdateDatabase(ctx context.Context, request contract.UpdateDatabaseRequestObject) (contract.UpdateDatabaseResponseObject, error) {
	c, in := callOf(ctx), request.Body
	p, d, err := c.database(request.ProjectID, request.DatabaseID)
	if err != nil {
		return nil, err
	}
	set(&d.Host, in.Host)
	set(&d.Port, in.Port)
	setText(&d.Name, in.Name)
	setText(&d.Username, in.Username)
	if in.Password != nil && *in.Password != "" {
		d.Password = secret.NewText(*in.Password)
	}
	if in.SslMode != nil {
		d.SSLMode = string(*in.SslMode)
	}
	if in.Role != nil {
		d.Role = string(*in.Role)
	}
	set(&d.PoolRegion, in.PoolRegion)
	set(&d.QueryTimeoutMs, in.QueryTimeoutMs)
	set(&d.AutoReadRouting, in.AutoReadRouting)
	cacheIn(&d.Cache, in.CacheConfig)
	poolIn(&d.Pool, in.PoolConfig)
	if wrong := checkDatabase(d, ""); len(wrong) > 0 {
		return nil, invalid(wrong...)
	}
	d.UpdatedAt = s.now()
	if err := c.tx.Databases().Update(d); err != nil {
		return nil, err
	}
	c.resource = d.ID
	return contract.UpdateDatabase200JSONResponse(s.databaseOut(p, d)), nil
}

func (s *server) DeleteDatabase(ctx context.Context, request contract.DeleteDatabaseRequestObject) (contract.DeleteDatabaseResponseObject, error) {
	c := callOf(ctx)
	p, d, err := c.database(request.ProjectID, request.DatabaseID)
	if err != nil {
		return nil, err
	}
	if err := c.tx.Databases().Delete(p.ID, d.ID); err != nil {
		return nil, err
	}
	return contract.DeleteDatabase204Response{}, nil
}

// database finds a database of the caller's organization with its project.
func (c *call) database(projectID, id string) (store.Project, store.Database, error) {
	p, err := c.project(projectID)
	if err != nil {
		return p, store.Database{}, err
	}
	d, err := c.tx.Databases().Get(projectID, id)
	return p, d, missing(err, "database", id)
}

// primary finds the oldest database of a project whose role is primary, nil
// if there is none.
func (c *call) primary(projectID string) (*store.Database, error) {
	databases, _, _, err := c.tx.Databases().List(projectID, store.Page{})
	if err != nil {
		return nil, err
	}
	for i := range databases {
		if databases[i].Role == "primary" {
			return &databases[i], nil
		}
	}
	return nil, nil
}

// newDatabase makes the record of a request; path leads to its fields.
func newDatabase(projectID string, in contract.CreateDatabaseRequest, now time.Time, path string) (store.Database, []fieldError) {
	d := store.Database{
		ID:              store.NewID("db_"),
		ProjectID:       projectID,
		Host:            in.Host,
		Port:            in.Port,
		Name:            in.Name,
		Username:        in.Username,
		Password:        secret.NewText(or(in.Password, "")),
		SSLMode:         string(or(in.SslMode, contract.SSLMode(defaultSSLMode(in.Host)))),
		Role:            string(or(in.Role, "primary")),
		PoolRegion:      or(in.PoolRegion, ""),
		QueryTimeoutMs:  or(in.QueryTimeoutMs, 0),
		AutoReadRouting: or(in.AutoReadRouting, false),
		Cache:           defaultCache,
		Pool:            defaultPool,
		CreatedAt:       now,
		UpdatedAt:       now,
	}
	cacheIn(&d.Cache, in.CacheConfig)
	poolIn(&d.Pool, in.PoolConfig)
	return d, checkDatabase(d, path)
}

func cacheIn(c *store.CacheConfig, in *contract.CacheConfig) {
	if in != nil {
		*c = store.CacheConfig{Enabled: in.Enabled, TTLSeconds: in.TTLSeconds, MaxEntries: in.MaxEntries, SWRSeconds: in.SwrSeconds}
	}
}

func poolIn(p *store.PoolConfig, in *contract.PoolConfig) {
	if in != nil {
		*p = store.PoolConfig{
			PoolSize:    in.PoolSize,
			MinPoolSize: in.MinPoolSize,
			PoolMode:    string(in.PoolMode),
			MaxActive:   or(in.MaxActive, p.MaxActive),
		}
	}
}

// setText changes a text for which empty means unchanged: the document admits
// empty names and passwords on update only.
func setText(record, field *string) {
	if field != nil && *field != "" {
		*record = *field
	}
}

// checkDatabase checks what the document cannot say.
func checkDatabase(d store.Database, path string) []fieldError {
	wrong := checkHost(d.Host, path+"host")
	if d.Pool.MinPoolSize > d.Pool.PoolSize {
		wrong = append(wrong, fieldError{path + "pool_config.min_pool_size", "must not be greater than pool_size"})
	}
	return wrong
}

var hostName = regexp.MustCompile(`^[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?(\.[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?)*\.?$`)

// checkHost admits DNS names and addresses: no URL, no socket path, no port.
func checkHost(host, field string) []fieldError {
	if _, err := netip.ParseAddr(host); err == nil {
		return nil
	}
	if len(host) <= 253 && hostName.MatchString(host) {
		return nil
	}
	return []fieldError{{field, "must be a host name or an IP address, without scheme, port or path"}}
}

// defaultSSLMode is prefer where traffic stays on the machine or in a private
// network, which seldom has certificates, and verify-full everywhere else.
func defaultSSLMode(host string) string {
	name := strings.ToLower(strings.TrimSuffix(host, "."))
	if name == "localhost" || strings.HasSuffix(name, ".localhost") {
		return "prefer"
	}
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return "verify-full"
	}
	if addr = addr.Unmap(); addr.IsLoopback() || addr.IsPrivate() || addr.IsLinkLocalUnicast() {
		return "prefer"
	}
	return "verify-full"
}

func (s *server) databaseOut(p store.Project, d store.Database) contract.Database {
	return contract.Database{
		ID:               d.ID,
		ProjectID:        d.ProjectID,
		ConnectionString: new(s.endpoint.ConnectionString(p.Subdomain, d.Username, secret.NewText(passwordPlaceholder), d.Name, false)),
		Host:             d.Host,
		Port:             d.Port,
		Name:             d.Name,
		Username:         d.Username,
		SslMode:          contract.SSLMode(d.SSLMode),
		Role:             new(contract.DatabaseRole(d.Role)),
		PoolRegion:       &d.PoolRegion,
		QueryTimeoutMs:   &d.QueryTimeoutMs,
		AutoReadRouting:  &d.AutoReadRouting,
		CacheConfig: contract.CacheConfig{
			Enabled:    d.Cache.Enabled,
			TTLSeconds: d.Cache.TTLSeconds,
			MaxEntries: d.Cache.MaxEntries,
			SwrSeconds: d.Cache.SWRSeconds,
		},
		PoolConfig: contract.PoolConfig{
			PoolSize:    d.Pool.PoolSize,
			MinPoolSize: d.Pool.MinPoolSize,
			PoolMode:    contract.PoolMode(d.Pool.PoolMode),
			MaxActive:   &d.Pool.MaxActive,
		},
		CreatedAt: d.CreatedAt,
		UpdatedAt: d.UpdatedAt,
	}
}
