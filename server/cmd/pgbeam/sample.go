package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/pgbeam/pulumi-pgbeam/server/localpg"
	"github.com/pgbeam/pulumi-pgbeam/server/secret"
)

// samplePostgres is how to reach the sample database. The password is for the
// Pulumi program that puts PgBeam in front of it.
type samplePostgres struct {
	Host     string `json:"host"`
	Port     int    `json:"port"`
	Database string `json:"database"`
	Username string `json:"username"`
	Password string `json:"password"`
}

// startSample starts the sample PostgreSQL below the data folder, with the
// port and passwords that it had before.
func startSample(ctx context.Context, data string, port int) (*localpg.Server, *samplePostgres, error) {
	kept := struct {
		Port      int    `json:"port"`
		Superuser string `json:"superuser_password"`
		Password  string `json:"password"`
	}{}
	file := filepath.Join(data, "postgres.json")
	if err := readJSON(file, &kept); err != nil && !os.IsNotExist(err) {
		return nil, nil, fmt.Errorf("read facts of the sample PostgreSQL: %w", err)
	}
	if kept.Superuser == "" {
		kept.Superuser, kept.Password = secret.NewPassword().Reveal(), secret.NewPassword().Reveal()
		// Before the cluster: its superuser's password is set only once.
		if err := writeJSON(file, kept); err != nil {
			return nil, nil, err
		}
	}
	if port != 0 {
		kept.Port = port
	}
	if kept.Port != 0 {
		l, err := listen(joinHostPort("127.0.0.1", kept.Port), "--postgres-port")
		if err == nil {
			l.Close()
		} else if !localpg.Running(filepath.Join(data, "postgres")) {
			return nil, nil, err
		}
	}
	pg, err := localpg.Start(ctx, localpg.Options{Dir: filepath.Join(data, "postgres"), Port: kept.Port, Password: kept.Superuser})
	if err != nil {
		return nil, nil, err
	}
	err = localpg.LoadSample(ctx, pg, kept.Password)
	if err == nil && kept.Port != pg.Port {
		kept.Port = pg.Port
		err = writeJSON(file, kept)
	}
	if err != nil {
		_ = pg.Stop()
		return nil, nil, err
	}
	return pg, &samplePostgres{pg.Host, pg.Port, localpg.SampleDatabase, localpg.SampleUser, kept.Password}, nil
}
