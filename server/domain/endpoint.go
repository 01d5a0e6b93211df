// Package domain knows the names a deployment answers to: project hosts,
// custom domains with their DNS records, and the certificates behind them.
package domain

import (
	"net"
	"net/url"
	"strconv"
	"strings"

	"github.com/pgbeam/pulumi-pgbeam/server/secret"
)

// Endpoint is how clients reach the data plane of this deployment.
type Endpoint struct {
	// ProxyDomain is the parent of all project hosts, for example
	// "proxy.example.com". Empty: every project is reached at Host.
	ProxyDomain string
	// Host is what clients connect to without a ProxyDomain: "localhost" for
	// pgbeam dev.
	Host string
	// Port is the public port of the PostgreSQL listener.
	Port int
	// MCPBase is the public base URL of the MCP listener without a
	// ProxyDomain, for example "https://localhost:8443".
	MCPBase string
}

// ProjectHost returns the host name of a project.
func (e Endpoint) ProjectHost(subdomain string) string {
	if e.ProxyDomain == "" {
		return e.Host
	}
	return subdomain + "." + e.ProxyDomain
}

// ProxyHost returns the host, with the port when it is not 5432.
func (e Endpoint) ProxyHost(subdomain string) string {
	host := e.ProjectHost(subdomain)
	if e.Port == 0 || e.Port == 5432 {
		return host
	}
	return net.JoinHostPort(host, strconv.Itoa(e.Port))
}

// Subdomain returns the project's subdomain that a host name carries, or ""
// when it is not below ProxyDomain.
func (e Endpoint) Subdomain(host string) string {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	sub, ok := strings.CutSuffix(host, "."+strings.ToLower(e.ProxyDomain))
	if e.ProxyDomain == "" || !ok || strings.Contains(sub, ".") {
		return ""
	}
	return sub
}

// ConnectionString returns a URL that works when pasted into psql. An issued
// credential finds its project by its user name; anybody else needs the
// project option where the host name cannot tell.
func (e Endpoint) ConnectionString(subdomain, user string, password secret.Text, database string, issued bool) string {
	u := url.URL{
		Scheme: "postgresql",
		User:   url.UserPassword(user, password.Reveal()),
		Host:   e.ProxyHost(subdomain),
		Path:   "/" + database,
	}
	q := "sslmode=require"
	if e.ProxyDomain == "" && !issued {
		q += "&options=project%3D" + url.QueryEscape(subdomain)
	}
	u.RawQuery = q
	return u.String()
}

// MCPURL returns the address of a project's MCP endpoint.
func (e Endpoint) MCPURL(subdomain string) string {
	if e.ProxyDomain == "" {
		return strings.TrimSuffix(e.MCPBase, "/") + "/mcp"
	}
	return "https://" + e.ProjectHost(subdomain) + "/mcp"
}
