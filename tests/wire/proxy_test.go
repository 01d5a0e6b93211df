package wire

import "context"

func startProxy(ctx context.Context) error {
	passthrough, issued = direct, direct
	passthrough.name, issued.name = "passthrough", "issued"
	proxied = []target{passthrough, issued}
	everywhere = append([]target{direct}, proxied...)
	return nil
}
func stopProxy() {}
