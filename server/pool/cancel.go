package pool

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"

	"github.com/pgbeam/pulumi-pgbeam/server/internal/wire"
)

// Cancel asks the server to cancel what runs on u, over a connection of its
// own to the same address, under TLS if u is. It returns once the server has
// acted on the request, which it shows by closing that connection, or when
// ctx ends; whether a statement was cancelled shows on u alone.
func (u *Upstream) Cancel(ctx context.Context) error {
	addr := u.RemoteAddr()
	socket, err := new(net.Dialer).DialContext(ctx, addr.Network(), addr.String())
	if err != nil {
		return fmt.Errorf("dial upstream to cancel: %w", err)
	}
	defer socket.Close()
	stop := context.AfterFunc(ctx, func() { socket.Close() })
	defer stop()
	conn := socket
	if u.tls != nil {
		if _, err := conn.Write(wire.AppendSSLRequest(nil)); err != nil {
			return fmt.Errorf("request TLS to cancel: %w", err)
		}
		var answer [1]byte
		if _, err := io.ReadFull(conn, answer[:]); err != nil {
			return fmt.Errorf("request TLS to cancel: %w", err)
		}
		if answer[0] != 'S' {
			return fmt.Errorf("request TLS to cancel: the server refused")
		}
		conn = tls.Client(conn, u.tls)
	}
	if _, err := conn.Write(wire.AppendCancel(nil, u.PID, u.SecretKey)); err != nil {
		return fmt.Errorf("send cancel request: %w", err)
	}
	_, _ = io.Copy(io.Discard, conn) // no answer is defined; the end of the connection is the answer
	return ctx.Err()
}
