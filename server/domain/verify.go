package domain

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// Records are the DNS records that the owner of a custom domain sets up.
type Records struct {
	CNAMEHost, CNAMETarget         string // where clients connect
	TXTHost, TXTValue              string // proof of ownership
	ACMECNAMEHost, ACMECNAMETarget string // delegation of certificate challenges
}

// Records returns what the DNS of a custom domain must say so that it leads to
// the project at subdomain.
func (e Endpoint) Records(customDomain, token, subdomain string) Records {
	host := e.ProjectHost(subdomain)
	return Records{
		CNAMEHost:       customDomain,
		CNAMETarget:     host,
		TXTHost:         "_pgbeam-verify." + customDomain,
		TXTValue:        "pgbeam-verify=" + token,
		ACMECNAMEHost:   "_acme-challenge." + customDomain,
		ACMECNAMETarget: "_acme-challenge." + host,
	}
}

// RecordError says which record is not as it should be, in words for the
// owner of the domain.
type RecordError struct{ Detail string }

func (e *RecordError) Error() string { return e.Detail }

// Verifier looks custom domains up in the DNS.
type Verifier struct {
	// Resolver is the server to ask, host:port; empty means those of the
	// system's /etc/resolv.conf.
	Resolver string
	// Timeout bounds one question to one server; 5 s when zero.
	Timeout time.Duration
}

// Verify returns nil when the TXT record carries the token and a CNAME record,
// if there is one, leads to the project. A *RecordError says what to correct.
func (v *Verifier) Verify(ctx context.Context, want Records) error {
	texts, err := v.texts(ctx, want.TXTHost)
	if err != nil {
		return err
	}
	switch {
	case len(texts) == 0:
		return &RecordError{fmt.Sprintf("there is no TXT record at %s; create one with the value %s", want.TXTHost, want.TXTValue)}
	case !slices.ContainsFunc(texts, func(text string) bool { return strings.TrimSpace(text) == want.TXTValue }):
		return &RecordError{fmt.Sprintf("the TXT record at %s does not carry %s; correct it, or wait until the old value has left the caches", want.TXTHost, want.TXTValue)}
	}
	target, err := v.cname(ctx, want.CNAMEHost)
	if err != nil {
		return err
	}
	if target != "" && !sameName(target, want.CNAMETarget) {
		return &RecordError{fmt.Sprintf("the CNAME record of %s leads to %s; it must lead to %s", want.CNAMEHost, strings.TrimSuffix(target, "."), want.CNAMETarget)}
	}
	return nil
}

// texts returns the TXT records of a name, the strings of each put together.
// Resolvers follow a CNAME there by themselves.
func (v *Verifier) texts(ctx context.Context, name string) ([]string, error) {
	reply, err := v.ask(ctx, name, dns.TypeTXT)
	if err != nil {
		return nil, err
	}
	var texts []string
	for _, record := range reply.Answer {
		if txt, ok := record.(*dns.TXT); ok {
			texts = append(texts, strings.Join(txt.Txt, ""))
		}
	}
	return texts, nil
}

// cname returns the target of a name's own CNAME record, or "".
func (v *Verifier) cname(ctx context.Context, name string) (string, error) {
	reply, err := v.ask(ctx, name, dns.TypeCNAME)
	if err != nil {
		return "", err
	}
	for _, record := range reply.Answer {
		if c, ok := record.(*dns.CNAME); ok && sameName(c.Hdr.Name, name) {
			return c.Target, nil
		}
	}
	return "", nil
}

// servers are the resolvers to ask, one after another.
func (v *Verifier) servers() ([]string, error) {
	if v.Resolver != "" {
		return []string{v.Resolver}, nil
	}
	config, err := dns.ClientConfigFromFile("/etc/resolv.conf")
	if err != nil || len(config.Servers) == 0 {
		return nil, errors.New("find a DNS resolver: /etc/resolv.conf names none; configure one for the server")
	}
	servers := make([]string, len(config.Servers))
	for i, server := range config.Servers {
		servers[i] = net.JoinHostPort(server, config.Port)
	}
	return servers, nil
}

// ask puts one question. A name that does not exist is an empty answer.
func (v *Verifier) ask(ctx context.Context, name string, kind uint16) (*dns.Msg, error) {
	servers, err := v.servers()
	if err != nil {
		return nil, err
	}
	question := new(dns.Msg).SetQuestion(dns.Fqdn(name), kind)
	question.SetEdns0(1232, false)
	what := dns.TypeToString[kind] + " record of " + name
	var reply *dns.Msg
	for _, server := range servers {
		reply, err = v.exchange(ctx, question, server)
		if ctx.Err() != nil {
			return nil, fmt.Errorf("look up the %s: %w", what, ctx.Err())
		}
		if err == nil && (reply.Rcode == dns.RcodeSuccess || reply.Rcode == dns.RcodeNameError) {
			return reply, nil
		}
	}
	if err != nil {
		return nil, &RecordError{fmt.Sprintf("the DNS resolver did not answer for the %s; try again", what)}
	}
	return nil, &RecordError{fmt.Sprintf("the DNS resolver answered %s for the %s; check the domain's name servers", dns.RcodeToString[reply.Rcode], what)}
}

// exchange asks over UDP, and over TCP when the answer did not fit.
func (v *Verifier) exchange(ctx context.Context, question *dns.Msg, server string) (*dns.Msg, error) {
	client := &dns.Client{Timeout: v.Timeout}
	if client.Timeout == 0 {
		client.Timeout = 5 * time.Second
	}
	reply, _, err := client.ExchangeContext(ctx, question, server)
	if err == nil && reply.Truncated {
		client.Net = "tcp"
		reply, _, err = client.ExchangeContext(ctx, question, server)
	}
	return reply, err
}

func sameName(a, b string) bool {
	return strings.EqualFold(strings.TrimSuffix(a, "."), strings.TrimSuffix(b, "."))
}
