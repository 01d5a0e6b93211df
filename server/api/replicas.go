package api

import (
	"context"

	contract "github.com/pgbeam/pulumi-pgbeam/schema/api"
	"github.com/pgbeam/pulumi-pgbeam/server/store"
)

func (s *server) ListReplicas(ctx context.Context, request contract.ListReplicasRequestObject) (contract.ListReplicasResponseObject, error) {
	c := callOf(ctx)
	d, err := c.databaseOfReplicas(request.DatabaseID)
	if err != nil {
		return nil, err
	}
	replicas, _, _, err := c.tx.Replicas().List(d.ID, store.Page{})
	if err != nil {
		return nil, err
	}
	return contract.ListReplicas200JSONResponse{Replicas: each(replicas, replicaOut)}, nil
}

func (s *server) CreateReplica(ctx context.Context, request contract.CreateReplicaRequestObject) (contract.CreateReplicaResponseObject, error) {
	c, in := callOf(ctx), request.Body
	d, err := c.databaseOfReplicas(request.DatabaseID)
	if err != nil {
		return nil, err
	}
	if wrong := checkHost(in.Host, "host"); len(wrong) > 0 {
		return nil, invalid(wrong...)
	}
	now := s.now()
	r := store.Replica{
		ID:         store.NewID("rep_"),
		DatabaseID: d.ID,
		Host:       in.Host,
		Port:       in.Port,
		SSLMode:    string(or(in.SslMode, contract.SSLMode(defaultSSLMode(in.Host)))),
		CreatedAt:  now,
		UpdatedAt:  now,
	}
	if err := c.tx.Replicas().Insert(r); err != nil {
		return nil, err
	}
	c.resource = r.ID
	return contract.CreateReplica201JSONResponse(replicaOut(r)), nil
}

func (s *server) DeleteReplica(ctx context.Context, request contract.DeleteReplicaRequestObject) (contract.DeleteReplicaResponseObject, error) {
	c := callOf(ctx)
	d, err := c.databaseOfReplicas(request.DatabaseID)
	if err != nil {
		return nil, err
	}
	if err := c.tx.Replicas().Delete(d.ID, request.ReplicaID); err != nil {
		return nil, missing(err, "replica", request.ReplicaID)
	}
	return contract.DeleteReplica204Response{}, nil
}

// databaseOfReplicas finds a database by its id alone, as the paths of
// replicas name it, if its project is the caller's and lives.
func (c *call) databaseOfReplicas(id string) (store.Database, error) {
	d, err := c.tx.Databases().Get("", id)
	if err != nil {
		return d, missing(err, "database", id)
	}
	if _, err := c.tx.Projects().Get(c.key.OrgID, d.ProjectID); err != nil {
		return store.Database{}, missing(err, "database", id)
	}
	return d, nil
}

func replicaOut(r store.Replica) contract.Replica {
	return contract.Replica{
		ID:         r.ID,
		DatabaseID: r.DatabaseID,
		Host:       r.Host,
		Port:       r.Port,
		SslMode:    contract.SSLMode(r.SSLMode),
		CreatedAt:  r.CreatedAt,
		UpdatedAt:  r.UpdatedAt,
	}
}
