package main

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/pgbeam/pulumi-pgbeam/server/api"
	"github.com/pgbeam/pulumi-pgbeam/server/domain"
	"github.com/pgbeam/pulumi-pgbeam/server/proxy"
	"github.com/pgbeam/pulumi-pgbeam/server/secret"
	"github.com/pgbeam/pulumi-pgbeam/server/store"
)

type serveCommand struct {
	configFlag
	storeFlags
	Roles  []string `default:"api,proxy" enum:"api,proxy" env:"PGBEAM_ROLES" help:"What this process does: api, proxy, or both."`
	Region string   `default:"local" env:"PGBEAM_REGION" help:"Region that this process serves."`

	Listen       string        `group:"Proxy" default:"127.0.0.1:5432" env:"PGBEAM_LISTEN" placeholder:"ADDR" help:"Where PostgreSQL clients connect (${default})."`
	ProxyDomain  string        `group:"Proxy" env:"PGBEAM_PROXY_DOMAIN" placeholder:"DOMAIN" help:"Projects get host names below it; *.DOMAIN must lead to the proxy."`
	PublicHost   string        `group:"Proxy" env:"PGBEAM_PUBLIC_HOST" placeholder:"HOST" help:"Without a proxy domain: the name of the proxy in connection strings."`
	PublicPort   int           `group:"Proxy" env:"PGBEAM_PUBLIC_PORT" placeholder:"PORT" help:"Port in connection strings, where it is not the one of --listen."`
	TLSCert      []string      `group:"Proxy" env:"PGBEAM_TLS_CERT" placeholder:"FILE" help:"Certificate chain in PEM; several are chosen from by server name. Renewed files are picked up."`
	TLSKey       []string      `group:"Proxy" env:"PGBEAM_TLS_KEY" placeholder:"FILE" help:"Private key of each certificate, in the same order."`
	SelfSigned   bool          `group:"Proxy" env:"PGBEAM_SELF_SIGNED" help:"Make a certificate that no authority vouches for."`
	UpstreamCA   string        `group:"Proxy" name:"upstream-ca" env:"PGBEAM_UPSTREAM_CA" placeholder:"FILE" help:"Authorities in PEM that upstream certificates are checked against, beside the system's."`
	MaxClients   int           `group:"Proxy" default:"10000" env:"PGBEAM_MAX_CLIENTS" help:"Client connections of this process."`
	LoginTimeout time.Duration `group:"Proxy" default:"15s" env:"PGBEAM_LOGIN_TIMEOUT" help:"For a client to log in."`
	Instance     string        `group:"Proxy" env:"PGBEAM_INSTANCE" placeholder:"NAME" help:"Name of this process among the proxies of the deployment. By default host name and port."`

	API                  string        `group:"API" default:"127.0.0.1:8080" env:"PGBEAM_API" placeholder:"ADDR" help:"Where the API is served (${default})."`
	APITLSCert           []string      `group:"API" name:"api-tls-cert" env:"PGBEAM_API_TLS_CERT" placeholder:"FILE" help:"Certificate of the API, where it is not that of the proxy."`
	APITLSKey            []string      `group:"API" name:"api-tls-key" env:"PGBEAM_API_TLS_KEY" placeholder:"FILE" help:"Private key of that certificate."`
	APIInsecure          bool          `group:"API" name:"api-insecure" env:"PGBEAM_API_INSECURE" help:"Plain HTTP, although others may reach it: for a balancer in front that ends TLS."`
	APIURL               string        `group:"API" name:"public-api-url" env:"PGBEAM_PUBLIC_API_URL" placeholder:"URL" help:"Base URL that clients reach the API at, where it is not where it listens."`
	APIRate              int           `group:"API" name:"api-rate" env:"PGBEAM_API_RATE" placeholder:"N" help:"Requests that one key may make in --api-rate-window; 0 is no limit."`
	APIRateWindow        time.Duration `group:"API" name:"api-rate-window" default:"2s" env:"PGBEAM_API_RATE_WINDOW" help:"See --api-rate."`
	DNSResolver          string        `group:"API" name:"dns-resolver" env:"PGBEAM_DNS_RESOLVER" placeholder:"ADDR" help:"DNS server that custom domains are verified with. By default the system's."`
	AllowPrivateWebhooks bool          `group:"API" env:"PGBEAM_ALLOW_PRIVATE_WEBHOOKS" help:"Let webhooks point at loopback and private addresses, and use plain HTTP there."`

	planFlags    `group:"Plan"`
	DrainTimeout time.Duration `default:"30s" env:"PGBEAM_DRAIN_TIMEOUT" help:"How long running requests and statements may take when stopping."`
	logFlags
}

func (serveCommand) Help() string {
	return `Everything can stand in a file, in the environment or on the command line; the command line wins over the environment, which wins over the file. The keys of the file are the flags below without the dashes in front:

  store: postgres://pgbeam@db.internal/pgbeam
  key-file: /etc/pgbeam/encryption.json
  listen: 0.0.0.0:5432
  proxy-domain: proxy.example.com
  tls-cert: /etc/pgbeam/tls.crt
  tls-key: /etc/pgbeam/tls.key
  api: 0.0.0.0:443

Example:

  pgbeam serve --config pgbeam.yaml --roles proxy`
}

// planFlags are the plan of every organization of this deployment.
type planFlags struct {
	Plan                string `default:"enterprise" enum:"starter,pro,scale,enterprise" env:"PGBEAM_PLAN" help:"Plan of all organizations: ${enum} (${default}, which has no limits)."`
	MaxProjects         *int   `env:"PGBEAM_MAX_PROJECTS" placeholder:"N" help:"Projects of an organization, instead of the plan's; 0 is no limit."`
	MaxDatabases        *int   `env:"PGBEAM_MAX_DATABASES" placeholder:"N" help:"Databases of a project, likewise."`
	MaxConnections      *int   `env:"PGBEAM_MAX_CONNECTIONS" placeholder:"N" help:"Client connections of a project, likewise."`
	QueriesPerSecond    *int   `env:"PGBEAM_QUERIES_PER_SECOND" placeholder:"N" help:"Queries a second of a project, likewise."`
	MaxAgentCredentials *int   `env:"PGBEAM_MAX_AGENT_CREDENTIALS" placeholder:"N" help:"Agent credentials of an organization, likewise."`
}

func (f planFlags) plan() (api.Plan, error) {
	plan, err := api.PlanByName(f.Plan)
	if err != nil {
		return plan, err
	}
	for _, limit := range []struct {
		flag string
		set  *int
		of   *int
	}{
		{"--max-projects", f.MaxProjects, &plan.Limits.MaxProjects},
		{"--max-databases", f.MaxDatabases, &plan.Limits.MaxDatabases},
		{"--max-connections", f.MaxConnections, &plan.Limits.MaxConnections},
		{"--queries-per-second", f.QueriesPerSecond, &plan.Limits.QueriesPerSecond},
		{"--max-agent-credentials", f.MaxAgentCredentials, &plan.Limits.MaxAgentCredentials},
	} {
		if limit.set == nil {
			continue
		}
		if *limit.set < 0 {
			return plan, fmt.Errorf("%s: %d is negative; 0 is no limit", limit.flag, *limit.set)
		}
		*limit.of = *limit.set
	}
	return plan, nil
}

func (c serveCommand) has(role string) bool { return slices.Contains(c.Roles, role) }

func (c serveCommand) Run(ctx context.Context, out *output) error {
	log := c.logger(out.err)
	stop, release := interruptible(ctx, log)
	defer release()
	ctx = stop.first
	plan, err := c.plan()
	if err != nil {
		return err
	}
	tlsFiles, err := c.certificates(log)
	if err != nil {
		return err
	}
	run := &service{log: log, drain: c.DrainTimeout}
	endpoint := domain.Endpoint{ProxyDomain: c.ProxyDomain, Host: c.PublicHost, Port: c.PublicPort}
	if c.has("proxy") {
		if run.proxySocket, err = listen(c.Listen, "--listen"); err != nil {
			return err
		}
		defer run.proxySocket.Close()
		if endpoint.Port == 0 {
			endpoint.Port = portOf(run.proxySocket)
		}
		if endpoint.Host == "" && loopback(run.proxySocket) {
			endpoint.Host = "localhost"
		}
	}
	if endpoint.ProxyDomain == "" && endpoint.Host == "" {
		return errors.New("connection strings need a name for the proxy: set --proxy-domain, or --public-host where there is no domain for it")
	}
	lines := [][2]string{}
	if c.has("api") {
		if run.apiSocket, err = listen(c.API, "--api"); err != nil {
			return err
		}
		defer run.apiSocket.Close()
		url := "http://" + run.apiSocket.Addr().String()
		if secure, err := c.apiCertificates(loopback(run.apiSocket), tlsFiles, log); err != nil {
			return err
		} else if secure != nil {
			run.apiSocket = withTLS(run.apiSocket, secure.TLSConfig())
			url = "https://" + run.apiSocket.Addr().String()
		}
		if c.APIURL != "" {
			url = strings.TrimSuffix(c.APIURL, "/")
		}
		endpoint.MCPBase = url
		lines = append(lines, [2]string{"API", url})
	}
	s, keys, err := c.open(ctx, log)
	if err != nil {
		return err
	}
	defer s.Close()
	if c.has("api") {
		roots, err := c.upstreamRoots()
		if err != nil {
			return err
		}
		handler, err := api.New(api.Config{
			Store: s, Endpoint: endpoint, Version: version, ImageSHA: revision(), Log: log, Plan: plan, Region: c.Region,
			Resolver: c.DNSResolver, AllowPrivateWebhooks: c.AllowPrivateWebhooks, UpstreamRoots: roots,
			RateLimit: api.RateLimit{Requests: c.APIRate, Window: c.APIRateWindow},
		})
		if err != nil {
			return err
		}
		run.api = httpServer(handler, log)
	}
	if c.has("proxy") {
		if run.proxy, err = c.newProxy(s, keys, endpoint, tlsFiles, log); err != nil {
			return err
		}
		name := c.ProxyDomain
		if name == "" {
			name = endpoint.Host
		}
		lines = append(lines, [2]string{"Proxy", fmt.Sprintf("%s, as %s", run.proxySocket.Addr(), joinHostPort(name, endpoint.Port))})
	}
	lines = append(lines, [2]string{"Store", withoutPassword(c.url())})
	out.printf("%s\n\n", out.bold("PgBeam is ready."))
	out.facts(lines)
	return run.run(stop)
}

// certificates are those of the proxy, and of the API unless it has its own.
func (c serveCommand) certificates(log *slog.Logger) (*domain.Certificates, error) {
	if len(c.TLSCert) > 0 || len(c.TLSKey) > 0 {
		if c.SelfSigned {
			return nil, errors.New("--self-signed and --tls-cert exclude each other")
		}
		return loadCertificates(c.TLSCert, c.TLSKey, log)
	}
	if c.SelfSigned {
		var names []string
		if c.ProxyDomain != "" {
			names = append(names, c.ProxyDomain, "*."+c.ProxyDomain)
		}
		if c.PublicHost != "" {
			names = append(names, c.PublicHost)
		}
		if err := os.MkdirAll(c.Data, 0o711); err != nil {
			return nil, fmt.Errorf("--data: %w", err)
		}
		file, err := domain.SelfSigned(c.Data, names...)
		if err != nil {
			return nil, err
		}
		return domain.LoadCertificates(log, file)
	}
	if c.has("proxy") {
		return nil, errors.New("the proxy speaks TLS only and has no certificate: set --tls-cert and --tls-key, or --self-signed for a first try")
	}
	return nil, nil
}

// apiCertificates are those of the API; nil is plain HTTP.
func (c serveCommand) apiCertificates(local bool, shared *domain.Certificates, log *slog.Logger) (*domain.Certificates, error) {
	switch {
	case c.APIInsecure:
		return nil, nil
	case len(c.APITLSCert) > 0 || len(c.APITLSKey) > 0:
		return loadCertificates(c.APITLSCert, c.APITLSKey, log)
	case shared != nil && !(local && c.SelfSigned):
		return shared, nil
	case local:
		return nil, nil
	}
	return nil, fmt.Errorf("the API would send keys in clear text on %s, which others can reach: set --api-tls-cert and --api-tls-key, or --api-insecure where something in front ends TLS", c.API)
}

func (c serveCommand) newProxy(s store.Store, keys *secret.Keyring, endpoint domain.Endpoint, tlsFiles *domain.Certificates, log *slog.Logger) (*proxy.Server, error) {
	seed, err := mockSeed(keys)
	if err != nil {
		return nil, err
	}
	config := proxy.Config{
		Store: s, Endpoint: endpoint, TLS: tlsFiles.TLSConfig(), Log: log, Region: c.Region, MockSeed: seed,
		Instance: c.Instance, MaxConnections: c.MaxClients, LoginTimeout: c.LoginTimeout,
	}
	if config.Instance == "" {
		host, err := os.Hostname()
		if err != nil {
			return nil, fmt.Errorf("--instance was not given, and the host has no name: %w", err)
		}
		config.Instance = joinHostPort(host, endpoint.Port)
	}
	if config.UpstreamRoots, err = c.upstreamRoots(); err != nil {
		return nil, err
	}
	return proxy.New(config), nil
}

// upstreamRoots verify the certificates of databases; nil is the system's.
func (c serveCommand) upstreamRoots() (*x509.CertPool, error) {
	if c.UpstreamCA == "" {
		return nil, nil
	}
	text, err := os.ReadFile(c.UpstreamCA)
	if err != nil {
		return nil, fmt.Errorf("--upstream-ca: %w", err)
	}
	roots, err := x509.SystemCertPool()
	if err != nil {
		return nil, fmt.Errorf("read the system's certificate authorities: %w", err)
	}
	if !roots.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("--upstream-ca: %s has no certificate in PEM form", c.UpstreamCA)
	}
	return roots, nil
}
