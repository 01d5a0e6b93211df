package api

import (
	"context"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"

	contract "github.com/pgbeam/pulumi-pgbeam/schema/api"
	"github.com/pgbeam/pulumi-pgbeam/server/secret"
	"github.com/pgbeam/pulumi-pgbeam/server/store"
)

// eventTypes are what an endpoint may subscribe to; webhook.test reaches every
// endpoint and cannot be chosen.
var eventTypes = []string{
	"query_blocked", "budget_exhausted", "kill_switch", "masked", "migration_flagged",
	"approval_requested", "anomaly_alert", "canary_tripped", "content_flagged", "audit_checkpoint",
}

func (s *server) CreateWebhookEndpoint(ctx context.Context, request contract.CreateWebhookEndpointRequestObject) (contract.CreateWebhookEndpointResponseObject, error) {
	c, in := callOf(ctx), request.Body
	p, err := c.project(request.ProjectID)
	if err != nil {
		return nil, err
	}
	now := s.now()
	w := store.Webhook{
		ID:         store.NewID("whk_"),
		ProjectID:  p.ID,
		Format:     "json",
		EventTypes: []string{},
		Enabled:    true,
		CreatedAt:  now,
		UpdatedAt:  now,
	}
	if err := s.webhookIn(&w, in); err != nil {
		return nil, err
	}
	if err := c.tx.Webhooks().Insert(w); err != nil {
		return nil, err
	}
	c.resource = w.ID
	return contract.CreateWebhookEndpoint201JSONResponse(webhookOut(w)), nil
}

func (s *server) ListWebhookEndpoints(ctx context.Context, request contract.ListWebhookEndpointsRequestObject) (contract.ListWebhookEndpointsResponseObject, error) {
	c := callOf(ctx)
	p, err := c.project(request.ProjectID)
	if err != nil {
		return nil, err
	}
	webhooks, next, _, err := c.tx.Webhooks().List(p.ID, pageOf(request.Params.PageSize, request.Params.PageToken))
	if err != nil {
		return nil, err
	}
	return contract.ListWebhookEndpoints200JSONResponse{
		Webhooks:      each(webhooks, webhookOut),
		NextPageToken: nextToken(next),
	}, nil
}

func (s *server) GetWebhookEndpoint(ctx context.Context, request contract.GetWebhookEndpointRequestObject) (contract.GetWebhookEndpointResponseObject, error) {
	c := callOf(ctx)
	w, err := lookUp(c, c.tx.Webhooks(), "webhook endpoint", request.ProjectID, request.WebhookID)
	if err != nil {
		return nil, err
	}
	return contract.GetWebhookEndpoint200JSONResponse(webhookOut(w)), nil
}

// UpdateWebhookEndpoint changes what the request mentions and keeps the rest,
// the secret above all: clients cannot send back what they never read.
func (s *server) UpdateWebhookEndpoint(ctx context.Context, request contract.UpdateWebhookEndpointRequestObject) (contract.UpdateWebhookEndpointResponseObject, error) {
	c := callOf(ctx)
	w, err := lookUp(c, c.tx.Webhooks(), "webhook endpoint", request.ProjectID, request.WebhookID)
	if err != nil {
		return nil, err
	}
	if err := s.webhookIn(&w, request.Body); err != nil {
		return nil, err
	}
	w.UpdatedAt = s.now()
	if err := c.tx.Webhooks().Update(w); err != nil {
		return nil, err
	}
	return contract.UpdateWebhookEndpoint200JSONResponse(webhookOut(w)), nil
}

func (s *server) DeleteWebhookEndpoint(ctx context.Context, request contract.DeleteWebhookEndpointRequestObject) (contract.DeleteWebhookEndpointResponseObject, error) {
	c := callOf(ctx)
	w, err := lookUp(c, c.tx.Webhooks(), "webhook endpoint", request.ProjectID, request.WebhookID)
	if err != nil {
		return nil, err
	}
	if err := c.tx.Webhooks().Delete(w.ProjectID, w.ID); err != nil {
		return nil, err
	}
	return contract.DeleteWebhookEndpoint204Response{}, nil
}

// webhookIn changes what a request mentions. An empty secret removes it.
func (s *server) webhookIn(w *store.Webhook, in *contract.WebhookEndpointInput) error {
	setText(&w.URL, &in.URL)
	setEnum(&w.Format, in.Format)
	set(&w.EventTypes, in.EventTypes)
	set(&w.Enabled, in.Enabled)
	set(&w.Description, in.Description)
	if in.Secret != nil {
		w.Secret = secret.NewText(*in.Secret)
	}
	var wrong []fieldError
	if in.URL != "" {
		if detail := checkReceiver(w.URL, s.config.AllowPrivateWebhooks); detail != "" {
			wrong = append(wrong, fieldError{"url", detail})
		}
	}
	for i, event := range w.EventTypes {
		switch {
		case !slices.Contains(eventTypes, event):
			wrong = append(wrong, fieldError{fmt.Sprintf("event_types[%d]", i), "must be one of " + strings.Join(eventTypes, ", ")})
		case slices.Index(w.EventTypes, event) < i:
			wrong = append(wrong, fieldError{fmt.Sprintf("event_types[%d]", i), "is given more than once"})
		}
	}
	if len(wrong) > 0 {
		return invalid(wrong...)
	}
	return nil
}

// checkReceiver says what is wrong with a receiver's address, without the
// address, which may carry a token. Names are resolved only on delivery, which
// checks each address again: what they lead to may change.
func checkReceiver(text string, private bool) string {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Opaque != "" {
		return "must be an absolute URL, such as https://example.com/hook"
	}
	switch {
	case u.Scheme != "https" && !(private && u.Scheme == "http"):
		return "must start with https://"
	case u.User != nil:
		return "must not carry a user name or password; use secret, which signs the deliveries"
	case u.Fragment != "":
		return "must not have a fragment"
	}
	if port := u.Port(); port != "" {
		if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
			return "must have a port between 1 and 65535"
		}
	}
	host := strings.ToLower(strings.TrimSuffix(u.Hostname(), "."))
	addr, err := netip.ParseAddr(host)
	if err != nil {
		if len(host) > 253 || !hostName.MatchString(host) || numericLabel(host) {
			return "must name a host by its DNS name or IP address"
		}
		if private || !localName(host) {
			return ""
		}
	} else if private || publicAddress(addr) {
		return ""
	}
	return "must not lead to a loopback, private, link-local or metadata address; the server's configuration can allow it"
}

// localName reports whether a name stands for this machine, this network or a
// cloud's metadata service.
func localName(host string) bool {
	for _, suffix := range []string{"localhost", "local", "internal", "home.arpa", "localdomain"} {
		if host == suffix || strings.HasSuffix(host, "."+suffix) {
			return true
		}
	}
	return !strings.Contains(host, ".") || host == "instance-data.ec2.amazonaws.com"
}

// numericLabel reports whether the last label is a number, as in 127.1,
// 0x7f000001 or 2130706433, which some resolvers take for an address.
func numericLabel(host string) bool {
	last := host[strings.LastIndexByte(host, '.')+1:]
	_, err := strconv.ParseUint(last, 0, 64)
	digits := strings.Trim(last, "0123456789") == ""
	return err == nil || digits || strings.HasPrefix(last, "0x")
}

// reserved are the special ranges that netip has no word for (RFC 6890).
var reserved = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),
	netip.MustParsePrefix("100.64.0.0/10"), // carrier-grade NAT; holds a metadata service
	netip.MustParsePrefix("192.0.0.0/24"),
	netip.MustParsePrefix("198.18.0.0/15"),
	netip.MustParsePrefix("240.0.0.0/4"),
	netip.MustParsePrefix("64:ff9b::/96"), // reaches IPv4 through NAT64
	netip.MustParsePrefix("64:ff9b:1::/48"),
	netip.MustParsePrefix("2002::/16"), // carries an IPv4 address
	netip.MustParsePrefix("fec0::/10"),
}

func publicAddress(addr netip.Addr) bool {
	addr = addr.Unmap()
	if addr.Zone() != "" || !addr.IsGlobalUnicast() || addr.IsPrivate() {
		return false
	}
	return !slices.ContainsFunc(reserved, func(p netip.Prefix) bool { return p.Contains(addr) })
}

func webhookOut(w store.Webhook) contract.WebhookEndpoint {
	return contract.WebhookEndpoint{
		ID:          w.ID,
		ProjectID:   w.ProjectID,
		URL:         w.URL,
		Format:      contract.WebhookEndpointFormat(w.Format),
		EventTypes:  new(append([]string{}, w.EventTypes...)),
		Enabled:     w.Enabled,
		Description: &w.Description,
		CreatedAt:   w.CreatedAt,
		UpdatedAt:   w.UpdatedAt,
	}
}
