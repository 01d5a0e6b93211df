package proxy

import (
	"crypto/tls"
	"net"
	"net/netip"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgbeam/pulumi-pgbeam/server/domain"
	"github.com/pgbeam/pulumi-pgbeam/server/internal/wire"
	"github.com/pgbeam/pulumi-pgbeam/server/secret"
	"github.com/pgbeam/pulumi-pgbeam/server/store"
)

func TestAgentLogsInAndQueries(t *testing.T) {
	d := deploy(t)
	l := d.credential(d.project("shop"), nil)
	conn := d.connect(d.as(l))
	if got := scalar[int](t, conn, "select 40 + $1::int", 2); got != 42 {
		t.Fatalf("got %d", got)
	}
	if got := scalar[string](t, conn, "select current_user"); got != "postgres" {
		t.Fatalf("current_user is %q, want the database's own user", got)
	}
}

func TestChannelBinding(t *testing.T) {
	d := deploy(t)
	l := d.credential(d.project("shop"), nil)
	for _, mode := range []string{"require", "disable"} {
		t.Run(mode, func(t *testing.T) {
			c := d.as(l)
			c.ChannelBinding = mode
			scalar[int](t, d.connect(c), "select 1")
		})
	}
	t.Run("psql requires it", func(t *testing.T) {
		out, err := psql(t, d, l, "sslmode=require channel_binding=require", "-Atc", "select 'bound'")
		if err != nil || strings.TrimSpace(out) != "bound" {
			t.Fatalf("psql: %v\n%s", err, out)
		}
	})
}

func psql(t *testing.T, d *deployment, l login, more string, args ...string) (string, error) {
	t.Helper()
	bin, err := exec.LookPath("psql")
	if err != nil {
		t.Fatal("psql is missing: install the PostgreSQL client")
	}
	host, port, _ := strings.Cut(d.addr, ":")
	dsn := "host=" + l.host + " hostaddr=" + host + " port=" + port + " user=" + l.PgUsername + " dbname=postgres " + more
	cmd := exec.CommandContext(t.Context(), bin, append([]string{"-X", "-w", dsn}, args...)...)
	cmd.Env = append(cmd.Environ(), "PGPASSWORD="+l.password)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func TestCertificateOfTheServerNameIsTheOneBound(t *testing.T) {
	// The binding must follow the certificate chosen for this client, not the first one.
	var d *deployment
	d = deploy(t, func(c *Config) {
		ca := newAuthority()
		other := ca.issue("other.test")
		right := c.TLS.Certificates[0]
		c.TLS = &tls.Config{GetCertificate: func(h *tls.ClientHelloInfo) (*tls.Certificate, error) {
			if strings.HasSuffix(h.ServerName, testDomain) {
				return &right, nil
			}
			return &other, nil
		}}
	})
	c := d.as(d.credential(d.project("shop"), nil))
	c.ChannelBinding = "require"
	scalar[int](t, d.connect(c), "select 1")
}

func TestWrongPasswordAndUnknownUserLookTheSame(t *testing.T) {
	d := deploy(t)
	l := d.credential(d.project("shop"), nil)
	wrong := d.as(l)
	wrong.Password = "wrong"
	got := d.refused(wrong)
	wantError(t, got, "FATAL", "28P01", `password authentication failed for user "`+l.PgUsername+`"`)

	unknown := d.as(l)
	unknown.User = "agent_0123456789ab"
	got = d.refused(unknown)
	wantError(t, got, "FATAL", "28P01", `password authentication failed for user "agent_0123456789ab"`)

	elsewhere := d.credential(d.project("other"), nil)
	foreign := d.as(elsewhere)
	foreign.TLSConfig = d.as(l).TLSConfig // the host of another project
	wantError(t, d.refused(foreign), "FATAL", "28P01", `password authentication failed for user "`+elsewhere.PgUsername+`"`)

	if log := d.log.String(); strings.Contains(log, l.password) || strings.Contains(log, elsewhere.password) {
		t.Fatal("a password is in the log")
	}
}

// TestUnknownUserIsChallengedLikeAKnownOne looks at what a stranger sees who
// has no password: the offer, and salt and iterations, the same at each try.
func TestUnknownUserIsChallengedLikeAKnownOne(t *testing.T) {
	d := deploy(t)
	l := d.credential(d.project("shop"), nil)
	challenge := func(user string) (offer, salt, iterations string) {
		conn := d.dialTLS(l.host)
		send(t, conn, startupPacket(wire.Version30, "user", user))
		_, body, err := wire.ReadFrame(conn, nil, wire.MaxAuth)
		if err != nil {
			t.Fatal(err)
		}
		send(t, conn, wire.AppendBody(nil, wire.Password, append([]byte("SCRAM-SHA-256\x00\x00\x00\x00\x0b"), "n,,n=,r=abc"...)))
		_, first, err := wire.ReadFrame(conn, nil, wire.MaxAuth)
		if err != nil {
			t.Fatal(err)
		}
		fields := strings.Split(string(first[4:]), ",")
		if len(fields) != 3 {
			t.Fatalf("challenge %q", first)
		}
		return string(body), fields[1], fields[2]
	}
	const stranger = "agent_0123456789ab"
	offer, salt, iterations := challenge(l.PgUsername)
	mockOffer, mockSalt, mockIterations := challenge(stranger)
	_, again, _ := challenge(stranger)
	_, other, _ := challenge("agent_ffffffffffff")
	if mockOffer != offer || mockIterations != iterations || len(mockSalt) != len(salt) {
		t.Errorf("offered %q %s %s, known users %q %s %s", mockOffer, mockSalt, mockIterations, offer, salt, iterations)
	}
	if again != mockSalt || other == mockSalt {
		t.Errorf("salts %s, again %s, of another %s", mockSalt, again, other)
	}
}

func TestCleartextCredential(t *testing.T) {
	d := deploy(t)
	l := d.credential(d.project("shop"), nil, func(c *store.Credential) { c.AuthMethod = "cleartext" })
	c := d.as(l)
	c.RequireAuth = "password"
	scalar[int](t, d.connect(c), "select 1")
	c.Password = "wrong"
	wantError(t, d.refused(c), "FATAL", "28P01", `password authentication failed for user "`+l.PgUsername+`"`)
}

func TestLoginThatMayNotBeUsed(t *testing.T) {
	limit := 0.0
	past := time.Now().Add(-time.Minute).UTC().Truncate(time.Second)
	tests := []struct {
		name    string
		change  func(d *deployment, l login, p store.Project)
		code    string
		message string
	}{
		{"disabled", func(d *deployment, l login, p store.Project) {
			d.change(l, func(c *store.Credential) { c.Status = "disabled" })
		}, "28000", "credential disabled"},
		{"revoked", func(d *deployment, l login, p store.Project) {
			d.change(l, func(c *store.Credential) { c.Status = "revoked" })
		}, "28000", "credential revoked"},
		{"expired", func(d *deployment, l login, p store.Project) {
			d.change(l, func(c *store.Credential) { c.ExpiresAt = &past })
		}, "28000", "credential expired at " + past.Format(time.RFC3339)},
		{"kill-switch", func(d *deployment, l login, p store.Project) {
			d.changeProject(p, func(p *store.Project) { p.AgentsDisabled = true })
		}, "28000", "agents are disabled for this project"},
		{"suspended project", func(d *deployment, l login, p store.Project) {
			d.changeProject(p, func(p *store.Project) { p.Status = "suspended" })
		}, "08004", "project suspended"},
		{"spend capped", func(d *deployment, l login, p store.Project) {
			d.update(func(tx store.Tx) error {
				o, err := tx.Organizations().Get("", "org_1")
				if err != nil {
					return err
				}
				o.SpendLimit = &limit
				return tx.Organizations().Update(o)
			})
		}, "28000", "spend limit reached"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := deploy(t)
			p := d.project("shop")
			l := d.credential(p, nil)
			tt.change(d, l, p)
			wantError(t, d.refused(d.as(l)), "FATAL", tt.code, tt.message)
			if tt.code == "28000" { // only its owner learns about a credential
				c := d.as(l)
				c.Password = "wrong"
				if e := d.refused(c); e.Code != "28P01" {
					t.Fatalf("without the password the server says %s %q", e.Code, e.Message)
				}
			}
		})
	}
}

func TestPolicyThatIsNotEnforcedRefusesTheLogin(t *testing.T) {
	d := deploy(t)
	p := d.project("shop")
	l := d.credential(p, &store.PolicyRules{AccessMode: "read_only", EgressBytesPerDay: 10, WriteMode: "sandbox"})
	e := d.refused(d.as(l))
	if e.Code != "0A000" || !strings.Contains(e.Message, "write_mode sandbox, egress_bytes_per_day") || e.Hint == "" {
		t.Fatalf("got %s %q, hint %q", e.Code, e.Message, e.Hint)
	}
}

func TestRoutes(t *testing.T) {
	d := deploy(t)
	a, b := d.project("a"), d.project("b")
	la := d.credential(a, nil)
	now := time.Now().UTC().Truncate(time.Microsecond)
	d.update(func(tx store.Tx) error {
		verified := store.Domain{ID: store.NewID("dom"), ProjectID: a.ID, Domain: "db.example.com", Token: "t", VerifiedAt: &now, CreatedAt: now, UpdatedAt: now}
		pending := store.Domain{ID: store.NewID("dom"), ProjectID: a.ID, Domain: "new.example.com", Token: "t", CreatedAt: now, UpdatedAt: now}
		if err := tx.Domains().Insert(verified); err != nil {
			return err
		}
		return tx.Domains().Insert(pending)
	})
	hostA, hostB := a.Subdomain+"."+testDomain, b.Subdomain+"."+testDomain
	const notFound = "project not found for hostname "
	tests := []struct {
		name, host, user, password, query string
		code, message                     string // "" lets in
	}{
		{"agent by its name alone", "", la.PgUsername, la.password, "", "", ""},
		{"agent by host", hostA, la.PgUsername, la.password, "", "", ""},
		{"agent by host in capitals", strings.ToUpper(hostA), la.PgUsername, la.password, "", "", ""},
		{"agent at the domain of all", testDomain, la.PgUsername, la.password, "", "", ""},
		{"agent by custom domain", "db.example.com", la.PgUsername, la.password, "", "", ""},
		{"agent at another project", hostB, la.PgUsername, la.password, "", "28P01", ""},
		{"agent with its project named", "", la.PgUsername, la.password, "options=project%3D" + a.Subdomain, "", ""},
		{"agent with another project named", "", la.PgUsername, la.password, "options=project%3D" + b.Subdomain, "28P01", ""},
		{"unknown host", "nothere00.proxy.test", la.PgUsername, la.password, "", "08004", notFound + `"nothere00.proxy.test"`},
		{"domain that is not verified", "new.example.com", la.PgUsername, la.password, "", "08004", notFound + `"new.example.com"`},
		{"host below a project", "x." + hostA, la.PgUsername, la.password, "", "08004", notFound + `"x.` + hostA + `"`},
		{"own user by host", hostA, "postgres", postgres.Password, "", "", ""},
		{"own user by custom domain", "db.example.com", "postgres", postgres.Password, "", "", ""},
		{"own user by option", "", "postgres", postgres.Password, "options=project%3D" + a.Subdomain, "", ""},
		{"own user by prefix", "", a.Subdomain + "/postgres", postgres.Password, "", "", ""},
		{"own user by prefix and host", hostA, a.Subdomain + "/postgres", postgres.Password, "", "", ""},
		{"own user nowhere", "", "postgres", postgres.Password, "", "08004", notFound + `""`},
		{"own user, option of another project", hostA, "postgres", postgres.Password, "options=project%3D" + b.Subdomain, "08004", ""},
		{"own user, option of no project", "", "postgres", postgres.Password, "options=project%3Dnothere", "08004", ""},
		{"own user, wrong password", hostA, "postgres", "wrong", "", "28P01", `password authentication failed for user "postgres"`},
		{"own user of a name like an agent's", hostA, "agent_smith", "wrong", "", "28P01", `password authentication failed for user "agent_smith"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := d.config(tt.host, tt.user, tt.password, "postgres", tt.query)
			c.TLSConfig.InsecureSkipVerify = true // the server's own check is what is tested
			if tt.code == "" {
				d := &deployment{TB: t}
				scalar[int](t, d.connect(c), "select 1")
				return
			}
			e := d.refused(c)
			if e.Severity != "FATAL" || e.Code != tt.code || tt.message != "" && e.Message != tt.message {
				t.Fatalf("got %s %s %q, want FATAL %s %q", e.Severity, e.Code, e.Message, tt.code, tt.message)
			}
		})
	}
}

func TestOnlyProjectNeedsNoName(t *testing.T) {
	d := deploy(t, func(c *Config) { c.Endpoint = domain.Endpoint{Host: "localhost"} })
	d.project("only")
	scalar[int](t, d.connect(d.config("", "postgres", postgres.Password, "postgres")), "select 1")
	c := d.config("whatever.example", "postgres", postgres.Password, "postgres")
	c.TLSConfig.InsecureSkipVerify = true
	scalar[int](t, d.connect(c), "select 1") // any name leads to a deployment without a domain
}

func TestDatabaseIsChosenByName(t *testing.T) {
	d := deploy(t)
	p := d.project("shop")
	admin := direct(t)
	for _, sql := range []string{"drop database if exists reporting with (force)", "create database reporting"} {
		if _, err := admin.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	d.update(func(tx store.Tx) error {
		list, _, _, err := tx.Databases().List(p.ID, store.Page{})
		if err != nil {
			return err
		}
		second := list[0]
		second.ID, second.Name, second.Role = store.NewID("db"), "reporting", "replica"
		return tx.Databases().Insert(second)
	})
	l := d.credential(p, nil)
	for asked, want := range map[string]string{"postgres": "postgres", "reporting": "reporting", "": "postgres", l.PgUsername: "postgres"} {
		c := d.as(l)
		c.Database = asked
		if got := scalar[string](t, d.connect(c), "select current_database()"); got != want {
			t.Errorf("asked for %q, got %q, want %q", asked, got, want)
		}
	}
	c := d.as(l)
	c.Database = "secret"
	wantError(t, d.refused(c), "FATAL", "3D000", `database "secret" does not exist in this project`)
}

func TestAllowlist(t *testing.T) {
	d := deploy(t)
	p := d.project("shop")
	l := d.credential(p, nil)
	allow := func(cidr string) {
		d.changeProject(p, func(p *store.Project) {
			p.AllowedCIDRs = []store.AllowedCIDR{{Prefix: netip.MustParsePrefix(cidr)}}
		})
	}
	allow("127.0.0.0/8")
	conn := d.connect(d.as(l))
	scalar[int](t, conn, "select 1")

	allow("192.0.2.0/24")
	wrong := d.as(l)
	wrong.Password = "not even looked at"
	wantError(t, d.refused(wrong), "FATAL", "08004", "connection rejected: IP not in allowlist")
	own := d.config(l.host, "postgres", postgres.Password, "postgres")
	wantError(t, d.refused(own), "FATAL", "08004", "connection rejected: IP not in allowlist")
	eventually(t, "the open session of an address that is not allowed any more ends", func() bool {
		return conn.Ping(t.Context()) != nil
	})
}

func TestProjectConnectionLimit(t *testing.T) {
	d := deploy(t)
	p := d.project("shop", func(p *store.Project, _ *store.Database) { p.MaxConnections = 2 })
	l := d.credential(p, nil)
	first, _ := d.connect(d.as(l)), d.connect(d.as(l))
	wantError(t, d.refused(d.as(l)), "FATAL", "53300", "too many connections for project")
	first.Close(t.Context())
	eventually(t, "a place is free again", func() bool {
		conn, err := pgx.ConnectConfig(t.Context(), d.as(l))
		if err != nil {
			return false
		}
		conn.Close(t.Context())
		return true
	})
}

func TestProjectQueryRate(t *testing.T) {
	d := deploy(t)
	p := d.project("shop", func(p *store.Project, _ *store.Database) { p.QueriesPerSecond, p.BurstSize = 1, 5 })
	conn := d.connect(d.as(d.credential(p, nil)))
	var err error
	ran := 0
	for ; err == nil && ran < 20; ran++ {
		_, err = conn.Exec(t.Context(), "select 1", pgx.QueryExecModeSimpleProtocol)
	}
	wantError(t, asPgError(t, err), "FATAL", "53400", "query rate limit exceeded")
	if ran < 6 {
		t.Fatalf("refused at statement %d of a burst of 5", ran)
	}
	d.changeProject(p, func(p *store.Project) { p.QueriesPerSecond = 0 })
	conn = d.connect(d.as(d.credential(p, nil)))
	for range 50 {
		scalar[int](t, conn, "select 1")
	}
}

func TestConnectionsAndUseAreReported(t *testing.T) {
	d := deploy(t)
	p := d.project("shop")
	l := d.credential(p, nil)
	conn := d.connect(d.as(l))
	active := func() (n int) {
		_ = d.store.View(t.Context(), func(tx store.Tx) error {
			row, err := tx.Projects().Get("", p.ID)
			n = row.ActiveConnections
			return err
		})
		return n
	}
	eventually(t, "one connection is reported", func() bool { return active() == 1 })
	eventually(t, "the credential's use is recorded", func() bool {
		var c store.Credential
		_ = d.store.View(t.Context(), func(tx store.Tx) (err error) {
			c, err = tx.Credentials().Get(p.ID, l.ID)
			return err
		})
		return c.LastUsedAt != nil
	})
	conn.Close(t.Context())
	eventually(t, "no connection is reported", func() bool { return active() == 0 })
}

func TestTooManyFailuresAreRefused(t *testing.T) {
	d := deploy(t, func(c *Config) { c.FailuresPerMin = 3 })
	p := d.project("shop")
	l, bystander := d.credential(p, nil), d.credential(p, nil)
	wrong := d.as(l)
	wrong.Password = "wrong"
	for range 3 {
		if e := d.refused(wrong); e.Code != "28P01" {
			t.Fatalf("got %s %q", e.Code, e.Message)
		}
	}
	wantError(t, d.refused(d.as(l)), "FATAL", "08004", "too many authentication attempts")
	scalar[int](t, d.connect(d.as(bystander)), "select 1")

	own := d.config(l.host, "postgres", "wrong", "postgres")
	for range 3 {
		if e := d.refused(own); e.Code != "28P01" {
			t.Fatalf("got %s %q", e.Code, e.Message)
		}
	}
	wantError(t, d.refused(own), "FATAL", "08004", "too many authentication attempts")
}

// A user has many names: the project's may be part of it, in either case.
func TestFailuresCountUnderEachNameOfAUser(t *testing.T) {
	d := deploy(t, func(c *Config) { c.FailuresPerMin = 3 })
	p := d.project("shop")
	host := p.Subdomain + "." + testDomain
	for _, c := range []struct{ host, user, code string }{
		{host, "postgres", "28P01"},
		{"", p.Subdomain + "/postgres", "28P01"},
		{"", strings.ToUpper(p.Subdomain) + "/postgres", "28P01"},
		{"", strings.ToUpper(p.Subdomain[:1]) + p.Subdomain[1:] + "/postgres", "08004"},
		{host, "postgres", "08004"},
		{host, "somebody", "28P01"},
	} {
		if e := d.refused(d.config(c.host, c.user, "wrong", "postgres")); e.Code != c.code {
			t.Errorf("%s: %s %s", c.user, e.Code, e.Message)
		}
	}
}

func TestStartupSettings(t *testing.T) {
	d := deploy(t)
	p := d.project("shop", func(_ *store.Project, db *store.Database) { db.QueryTimeoutMs = 12345 })
	c := d.config(p.Subdomain+"."+testDomain, "postgres", postgres.Password, "postgres",
		"application_name=app", "timezone=Asia%2FTokyo", "statement_timeout=7",
		"options=project%3D"+p.Subdomain+"%20-c%20my.words%3Da%5C%20b%20--work-mem%3D5MB%20-c%20statement_timeout%3D9")
	conn := d.connect(c)
	for setting, want := range map[string]string{
		"application_name": "app", "TimeZone": "Asia/Tokyo", "my.words": "a b", "work_mem": "5MB", "statement_timeout": "12345ms",
	} {
		if got := scalar[string](t, conn, "select current_setting($1)", setting); got != want {
			t.Errorf("%s is %q, want %q", setting, got, want)
		}
	}
	if got := conn.PgConn().ParameterStatus("TimeZone"); got != "Asia/Tokyo" {
		t.Errorf("the client was told time zone %q", got)
	}
}

func TestAgentsDoNotMakeTheProxysSettings(t *testing.T) {
	d := deploy(t)
	p := d.project("shop")
	l := d.credential(p, nil)
	for _, q := range []string{"pgbeam.tenant=x", "options=-c%20pgbeam.tenant%3Dx", "options=-cPgBeam.tenant%3Dx", "options=--pgbeam.tenant%3Dx"} {
		if e := d.refused(d.config(l.host, l.PgUsername, l.password, "postgres", q)); e.Code != "42501" {
			t.Errorf("%s: got %s %q", q, e.Code, e.Message)
		}
	}
	own := d.config(l.host, "postgres", postgres.Password, "postgres", "options=-c%20pgbeam.tenant%3Dx")
	if got := scalar[string](t, d.connect(own), "select current_setting('pgbeam.tenant')"); got != "x" {
		t.Errorf("a user of the upstream set %q", got)
	}
}

func TestReplicationIsForTheUpstreamsOwnUsers(t *testing.T) {
	d := deploy(t)
	l := d.credential(d.project("shop"), nil)
	e := d.refused(d.config(l.host, l.PgUsername, l.password, "postgres", "replication=database"))
	wantError(t, e, "FATAL", "0A000", "replication is not available to issued credentials")
	c := d.config(l.host, "postgres", postgres.Password, "postgres", "replication=database")
	c.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol
	if _, err := d.connect(c).Exec(t.Context(), "IDENTIFY_SYSTEM"); err != nil {
		t.Fatal(err)
	}
}

func TestUpstreamThatIsDownIsReportedAndThenNotWaitedFor(t *testing.T) {
	d := deploy(t)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := ln.Addr().(*net.TCPAddr).Port
	ln.Close()
	l := d.credential(d.project("shop", func(_ *store.Project, db *store.Database) { db.Host, db.Port = "127.0.0.1", port }), nil)
	for range 3 {
		wantError(t, d.refused(d.as(l)), "FATAL", "08001", "could not connect to upstream database at 127.0.0.1:"+itoa(port)+": connect: connection refused")
	}
	wantError(t, d.refused(d.as(l)), "FATAL", "08006", "upstream unavailable (circuit breaker open)")
	wantError(t, d.refused(d.config(l.host, "postgres", postgres.Password, "postgres")), "FATAL", "08006", "upstream unavailable (circuit breaker open)")
}

func TestStoredPasswordThatTheUpstreamRefuses(t *testing.T) {
	d := deploy(t)
	l := d.credential(d.project("shop", func(_ *store.Project, db *store.Database) { db.Password = secret.NewText("outdated-secret") }), nil)
	e := d.refused(d.as(l))
	// Not 28P01: the client's own password was right.
	wantError(t, e, "FATAL", "08006", `password authentication failed for user "postgres"`)
	if !strings.Contains(e.Hint, "project's database") || strings.Contains(d.log.String(), "outdated-secret") {
		t.Fatalf("hint %q", e.Hint)
	}
}

func TestRegionIsTold(t *testing.T) {
	d := deploy(t, func(c *Config) { c.Region = "iad" })
	conn := d.connect(d.as(d.credential(d.project("shop"), nil)))
	if got := conn.PgConn().ParameterStatus("pgbeam.region"); got != "iad" {
		t.Fatalf("pgbeam.region is %q", got)
	}
}

func TestPassthroughUnderADefaultPolicyThatIsNotEnforced(t *testing.T) {
	d := deploy(t)
	p := d.project("shop")
	l := d.credential(p, &store.PolicyRules{AccessMode: "read_only", ApprovalMode: "all"})
	d.changeProject(p, func(p *store.Project) { p.DefaultPolicyID = l.PolicyID })
	if e := d.refused(d.config(l.host, "postgres", postgres.Password, "postgres")); e.Code != "0A000" {
		t.Fatalf("got %s %q", e.Code, e.Message)
	}
}
