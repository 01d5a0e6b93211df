package provider

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"strings"

	p "github.com/pulumi/pulumi-go-provider"
)

// defaultBaseURL is where the hosted service answers.
const defaultBaseURL = "https://api.pgbeam.com"

// errNoKey says how to give a key. It appears at preview, on the resources
// that need one.
var errNoKey = errors.New("no API key: call configure({ apiKey }) in the program, or run " +
	"`pulumi config set --secret pgbeam:apiKey <key>`, or set the environment variable PGBEAM_API_KEY")

// settings is the configuration that this process works with.
type settings struct {
	id      string // of the provider resource in the stack, "" when the engine did not tell
	client  *client
	unknown bool  // at preview: the key or address is an output of something not made yet
	problem error // why no request can be made
}

// use returns the client, or why there is none.
func (v *provider) use() (*settings, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	switch {
	case v.settings == nil:
		return nil, errors.New("the provider was not configured before its first use")
	case v.settings.problem != nil:
		return nil, v.settings.problem
	}
	return v.settings, nil
}

// checkConfig judges what program and stack configuration say, and marks the
// key as a secret. It adds nothing from the environment: what it returns is
// written to the state.
func checkConfig(_ context.Context, req p.CheckRequest) (p.CheckResponse, error) {
	inputs := req.Inputs
	var failures []p.CheckFailure
	fail := func(format string, args ...any) {
		failures = append(failures, p.CheckFailure{Reason: fmt.Sprintf(format, args...)})
	}
	for _, name := range []string{"apiKey", "baseUrl"} {
		if v := inputs.Get(name); !absent(v) && !v.IsComputed() && !v.IsString() {
			fail("%s: must be a string", name)
		}
	}
	if v := inputs.Get("apiKey"); v.IsString() {
		if err := checkKey(v.AsString()); err != nil {
			fail("apiKey: %v", err)
		}
	}
	if v := inputs.Get("baseUrl"); v.IsString() && v.AsString() != "" {
		if _, err := parseBaseURL(v.AsString()); err != nil {
			fail("baseUrl: %v", err)
		}
	}
	for name := range inputs.AllStable {
		// Keys far from ours are the engine's: version, pluginDownloadURL.
		for _, prop := range configProperties {
			if name != prop.Name && distance(fold(name), fold(prop.Name)) < 3 {
				fail("%s: is no setting of this provider; did you mean %q?", name, prop.Name)
			}
		}
	}
	if v, ok := inputs.GetOk("apiKey"); ok && !absent(v) {
		inputs = inputs.Set("apiKey", v.WithSecret(true))
	}
	return p.CheckResponse{Inputs: inputs, Failures: failures}, nil
}

// configProperties are the settings of the provider.
var configProperties = []Property{{Name: "apiKey", Secret: true}, {Name: "baseUrl"}}

// diffConfig never asks for a replacement of the provider: that would replace
// every resource it manages, for a key that was merely rotated.
func diffConfig(_ context.Context, req p.DiffRequest) (p.DiffResponse, error) {
	resp := p.DiffResponse{DetailedDiff: map[string]p.PropertyDiff{}}
	olds := req.OldInputs
	if olds.Len() == 0 {
		olds = req.State
	}
	for _, prop := range configProperties {
		was, is := olds.Get(prop.Name), req.Inputs.Get(prop.Name)
		kind := p.Update
		switch {
		case absent(was) && absent(is):
			continue
		case absent(was):
			kind = p.Add
		case absent(is):
			kind = p.Delete
		case was.IsString() && is.IsString() && was.AsString() == is.AsString():
			continue
		}
		resp.HasChanges = true
		resp.DetailedDiff[prop.Name] = p.PropertyDiff{Kind: kind, InputDiff: true}
	}
	return resp, nil
}

// configure resolves the environment and defaults itself: after an import, and
// for destroy and refresh of a stack that only imported, the engine hands over
// inputs that no checkConfig has seen. A missing key is no error yet: some
// operations need none.
func (v *provider) configure(ctx context.Context, req p.ConfigureRequest) error {
	s := &settings{id: providerIDFrom(ctx)}
	read := func(name, env string) string {
		given := req.Args.Get(name)
		if given.IsComputed() {
			s.unknown = true
			return ""
		}
		if given.IsString() && given.AsString() != "" {
			return strings.TrimSpace(given.AsString())
		}
		return strings.TrimSpace(os.Getenv(env))
	}
	key := read("apiKey", "PGBEAM_API_KEY")
	base := cmp.Or(read("baseUrl", "PGBEAM_API_URL"), defaultBaseURL)

	address, err := parseBaseURL(base)
	switch {
	case s.unknown:
	case err != nil:
		s.problem = fmt.Errorf("baseUrl: %w", err)
	case key == "":
		s.problem = errNoKey
	default:
		if err := checkKey(key); err != nil {
			s.problem = fmt.Errorf("apiKey: %w", err)
			break
		}
		s.client, err = newClient(address, key, runVersion(ctx))
		if err != nil {
			s.problem = err
		}
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.settings = s
	return nil
}

// runVersion is the version the plugin was started as.
func runVersion(ctx context.Context) string { return p.GetRunInfo(ctx).Version }

func checkKey(key string) error {
	for _, c := range strings.TrimSpace(key) {
		if c <= ' ' || c > '~' {
			return errors.New("holds a character that no key has; copy it again, without quotes or line breaks")
		}
	}
	return nil
}

// parseBaseURL accepts an address that the key may be sent to: encrypted, or
// on this machine.
func parseBaseURL(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Host == "" || u.Hostname() == "":
		return nil, fmt.Errorf("%q is not an address; it must look like %s", redactUserinfo(s), defaultBaseURL)
	case u.User != nil:
		return nil, errors.New("must not hold a user name or password; set apiKey instead")
	case u.RawQuery != "" || u.Fragment != "":
		return nil, fmt.Errorf("%q must end with the path; leave out what follows ? or #", s)
	case u.Scheme == "http" && !loopback(u.Hostname()):
		return nil, fmt.Errorf("%q would send the API key unencrypted; use https, plain http is for this machine alone", s)
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, fmt.Errorf("%q must begin with https://", redactUserinfo(s))
	}
	return u, nil
}

// redactUserinfo keeps a password that was written into an address out of
// messages.
func redactUserinfo(s string) string {
	if i := strings.LastIndex(s, "@"); i >= 0 {
		return redacted + s[i:]
	}
	return s
}

// loopback reports whether a host name is of this machine.
func loopback(host string) bool {
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return net.ParseIP(host).IsLoopback()
	}
	return addr.Unmap().IsLoopback()
}
