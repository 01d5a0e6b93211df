package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/pgbeam/pulumi-pgbeam/server/api"
	"github.com/pgbeam/pulumi-pgbeam/server/domain"
	"github.com/pgbeam/pulumi-pgbeam/server/proxy"
	"github.com/pgbeam/pulumi-pgbeam/server/secret"
	"github.com/pgbeam/pulumi-pgbeam/server/store"
)

type devCommand struct {
	Data         string        `default:".pgbeam" env:"PGBEAM_DATA" placeholder:"DIR" help:"Folder that holds everything: store, keys, certificate, sample database (${default})."`
	Listen       string        `default:"127.0.0.1:6432" env:"PGBEAM_LISTEN" placeholder:"ADDR" help:"Where PostgreSQL clients connect (${default})."`
	API          string        `default:"127.0.0.1:8080" env:"PGBEAM_API" placeholder:"ADDR" help:"Where the API is served, on a loopback address (${default})."`
	Org          string        `default:"org_dev" placeholder:"ID" help:"Organization of the first API key (${default})."`
	WithPostgres bool          `help:"Also run a PostgreSQL with sample data, from the binaries on this machine."`
	PostgresPort int           `placeholder:"PORT" help:"Port of that PostgreSQL. By default a free one, kept from then on."`
	JSON         bool          `name:"json" help:"When ready, print one JSON object instead of text."`
	ReadyFile    string        `placeholder:"FILE" help:"When ready, write that object to FILE, mode 0600; gone again after a stop."`
	DrainTimeout time.Duration `default:"5s" env:"PGBEAM_DRAIN_TIMEOUT" help:"How long running statements may take when stopping."`
	logFlags
}

func (devCommand) Help() string {
	return `API and proxy in one process over one SQLite file, with a self-signed certificate. The first start makes an organization and prints its API key, once. Remove the folder to begin anew.

Example:

  pgbeam dev --with-postgres`
}

func (c devCommand) Validate() error { return folderNamed(c.Data) }

// ready is what a script learns from a started service.
type ready struct {
	PID         int             `json:"pid"`
	Data        string          `json:"data"`
	APIURL      string          `json:"api_url"`
	Proxy       string          `json:"proxy_address"`
	Certificate string          `json:"certificate"`
	OrgID       string          `json:"organization_id"`
	APIKey      string          `json:"api_key,omitempty"` // of the first start only
	Postgres    *samplePostgres `json:"postgres,omitempty"`
}

func (c devCommand) Run(ctx context.Context, out *output) error {
	log := c.logger(out.err)
	stop, release := interruptible(ctx, log)
	defer release()
	ctx = stop.first
	if !organizationID.MatchString(c.Org) {
		return fmt.Errorf("--org: %q is no organization id: letters, digits, \"_\", \".\" and \"-\" only", c.Org)
	}
	data, err := filepath.Abs(c.Data)
	if err != nil {
		return fmt.Errorf("--data: %w", err)
	}
	// Others may pass through but not look: PostgreSQL's own user must reach
	// its folder when we are root. What is secret has mode 0600 besides.
	if err := os.MkdirAll(data, 0o711); err != nil {
		return fmt.Errorf("--data: %w", err)
	}
	unlock, err := lockFolder(data)
	if err != nil {
		return err
	}
	defer unlock()

	apiSocket, err := listen(c.API, "--api")
	if err != nil {
		return err
	}
	defer apiSocket.Close()
	if !loopback(apiSocket) {
		return fmt.Errorf("--api: %s is reachable from outside, and \"pgbeam dev\" serves plain HTTP: use a loopback address, or \"pgbeam serve\" with a certificate", c.API)
	}
	proxySocket, err := listen(c.Listen, "--listen")
	if err != nil {
		return err
	}
	defer proxySocket.Close()

	facts := ready{PID: os.Getpid(), Data: data, OrgID: c.Org, APIURL: "http://" + apiSocket.Addr().String()}
	endpoint := domain.Endpoint{Host: "localhost", Port: portOf(proxySocket), MCPBase: facts.APIURL}
	facts.Proxy = joinHostPort(endpoint.Host, endpoint.Port)

	certificate, err := domain.SelfSigned(data)
	if err != nil {
		return err
	}
	facts.Certificate = certificate.Cert
	tlsFiles, err := domain.LoadCertificates(log, certificate)
	if err != nil {
		return err
	}
	s, keys, err := storeFlags{Data: data}.open(ctx, log)
	if err != nil {
		return err
	}
	defer s.Close()
	if facts.APIKey, err = firstKey(ctx, s, c.Org); err != nil {
		return err
	}
	if c.WithPostgres {
		pg, sample, err := startSample(ctx, data, c.PostgresPort)
		if err != nil {
			return err
		}
		defer func() {
			if err := pg.Stop(); err != nil {
				log.Warn("sample PostgreSQL", "error", err)
			}
		}()
		facts.Postgres = sample
	}
	run, err := devService(c, s, keys, endpoint, tlsFiles.TLSConfig(), log, apiSocket, proxySocket)
	if err != nil {
		return err
	}
	if c.ReadyFile != "" {
		if err := writeJSON(c.ReadyFile, facts); err != nil {
			return fmt.Errorf("--ready-file: %w", err)
		}
		defer os.Remove(c.ReadyFile)
	}
	if c.JSON {
		err = out.json(facts)
	} else {
		facts.print(out, c.Data)
	}
	if err != nil {
		return err
	}
	return run.run(stop)
}

func devService(c devCommand, s store.Store, keys *secret.Keyring, endpoint domain.Endpoint, tlsConfig *tls.Config, log *slog.Logger, apiSocket, proxySocket net.Listener) (*service, error) {
	handler, err := api.New(api.Config{
		Store: s, Endpoint: endpoint, Version: version, ImageSHA: revision(), Log: log,
		AllowPrivateWebhooks: true,
	})
	if err != nil {
		return nil, err
	}
	seed, err := mockSeed(keys)
	if err != nil {
		return nil, err
	}
	return &service{
		log: log, drain: c.DrainTimeout,
		api: httpServer(handler, log), apiSocket: apiSocket,
		proxy:       proxy.New(proxy.Config{Store: s, Endpoint: endpoint, TLS: tlsConfig, Log: log, Instance: "dev", MockSeed: seed}),
		proxySocket: proxySocket,
	}, nil
}

// firstKey issues the first key of an organization and returns it; "" when the
// organization has had one before.
func firstKey(ctx context.Context, s store.Store, org string) (string, error) {
	var made issuedKey
	err := s.Update(ctx, func(tx store.Tx) error {
		made = issuedKey{}
		had, _, _, err := tx.Keys().List(org, store.Page{Size: 1})
		if err != nil || len(had) > 0 {
			return err
		}
		made, err = issueKey(tx, org, "first key of pgbeam dev", nil, time.Now().UTC().Truncate(time.Microsecond))
		return err
	})
	if err != nil {
		return "", fmt.Errorf("issue first key: %w", err)
	}
	return made.secret.Reveal(), nil
}

// print tells a person what runs and what to do with it. data is the folder as
// it was given, for commands to paste.
func (r ready) print(out *output, data string) {
	out.printf("%s\n\n", out.bold("PgBeam is ready."))
	lines := [][2]string{
		{"API", r.APIURL},
		{"Proxy", r.Proxy + ", TLS with the self-signed certificate " + r.Certificate},
		{"Organization", r.OrgID},
	}
	if r.APIKey != "" {
		lines = append(lines, [2]string{"API key", out.bold(r.APIKey) + "   shown this once"})
	} else {
		lines = append(lines, [2]string{"API key", "printed at the first start; for another: pgbeam keys create --data " + data + " --org " + r.OrgID})
	}
	if p := r.Postgres; p != nil {
		lines = append(lines,
			[2]string{"PostgreSQL", fmt.Sprintf("%s port %d, database %s, user %s, password %s", p.Host, p.Port, p.Database, p.Username, p.Password)},
			[2]string{"", "sample data: customers, products, orders, order_items"})
	}
	out.facts(lines)
	key := r.APIKey
	if key == "" {
		key = "YOUR_KEY"
	}
	out.printf("\nNext, in the folder of a Pulumi program:\n\n  export PGBEAM_API_URL=%s PGBEAM_API_KEY=%s\n  pulumi up\n\n", r.APIURL, key)
	out.printf("%s\n", out.dim("Ctrl-C stops it. Everything is in "+r.Data+"."))
}
