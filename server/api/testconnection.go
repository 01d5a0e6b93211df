package api

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/oapi-codegen/nullable"

	contract "github.com/pgbeam/pulumi-pgbeam/schema/api"
	"github.com/pgbeam/pulumi-pgbeam/server/internal/wire"
	"github.com/pgbeam/pulumi-pgbeam/server/pool"
	"github.com/pgbeam/pulumi-pgbeam/server/store"
)

// dialLimit bounds a test of a connection.
const dialLimit = 10 * time.Second

// dialDatabase logs in to a database with its stored credentials, as the proxy
// would. Its result is a contract.TestConnectionResult, for failures too.
func (s *server) dialDatabase(ctx context.Context, c *call) (any, error) {
	var d store.Database
	err := s.store.View(ctx, func(tx store.Tx) (err error) {
		c.tx = tx
		_, d, err = c.database(c.path["project_id"], c.path["database_id"])
		return err
	})
	if err != nil {
		return nil, err
	}
	limited, cancel := context.WithTimeout(ctx, dialLimit)
	defer cancel()
	start := time.Now()
	upstream, err := pool.Dial(limited, s.target(d))
	if err != nil {
		if ctx.Err() != nil { // the caller went away: nothing was learned
			return nil, ctx.Err()
		}
		return contract.TestConnectionResult{Error: new(explainDial(err)), LatencyMs: nullable.NewNullNullable[float32]()}, nil
	}
	elapsed := time.Since(start)
	_ = upstream.SetDeadline(time.Now().Add(time.Second))
	_, _ = upstream.Write(wire.AppendTerminate(nil)) // a courtesy: closing ends it as well
	_ = upstream.Close()
	return contract.TestConnectionResult{
		Ok:            true,
		LatencyMs:     nullable.NewNullableWithValue(float32(elapsed.Microseconds()) / 1000),
		ServerVersion: serverVersion(upstream.Greeting),
	}, nil
}

// target is where the database itself is, for a login of ours.
func (s *server) target(d store.Database) pool.Target {
	return pool.Target{
		Host:          d.Host,
		Port:          d.Port,
		Database:      d.Name,
		User:          d.Username,
		Password:      d.Password,
		SSLMode:       d.SSLMode,
		RuntimeParams: map[string]string{"application_name": "pgbeam", "client_encoding": "UTF8"},
		Roots:         s.config.UpstreamRoots,
	}
}

// TestDatabaseConnection reports what the attempt found. Only a request that
// is itself wrong fails.
func (s *server) TestDatabaseConnection(ctx context.Context, request contract.TestDatabaseConnectionRequestObject) (contract.TestDatabaseConnectionResponseObject, error) {
	c := callOf(ctx)
	if _, _, err := c.database(request.ProjectID, request.DatabaseID); err != nil {
		return nil, err
	}
	return contract.TestDatabaseConnection200JSONResponse(c.found.(contract.TestConnectionResult)), nil
}

// explainDial words a failed login for the owner of the database. What the
// server itself said is shown: it knows no password.
func explainDial(err error) string {
	var e *pool.Error
	if !errors.As(err, &e) {
		return "the connection could not be made"
	}
	text := fmt.Sprintf("%s (SQLSTATE %s)", e.Report.Message, e.Report.Code)
	if e.Report.Hint != "" {
		text += "; hint: " + e.Report.Hint
	}
	return text
}

// serverVersion finds the version among the frames that follow a login.
func serverVersion(greeting []byte) *string {
	frames := bytes.NewReader(greeting)
	for {
		kind, body, err := wire.ReadFrame(frames, nil, wire.MaxAuth)
		if err != nil {
			return nil
		}
		name, value, _ := strings.Cut(strings.TrimSuffix(string(body), "\x00"), "\x00")
		if kind == wire.ParameterStatus && name == "server_version" {
			return &value
		}
	}
}
