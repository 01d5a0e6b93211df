package store

import (
	"errors"
	"fmt"
	"time"
)

const (
	keptFor    = 24 * time.Hour
	sweepEvery = time.Minute
)

func (tx *tx) Idempotent(orgID, key string) (IdempotentResponse, error) {
	if tx.write {
		if err := tx.store.engine.hold(tx, "idempotency "+orgID+" "+key); err != nil {
			return IdempotentResponse{}, fmt.Errorf("wait for a request with the same idempotency key: %w", err)
		}
	}
	r := IdempotentResponse{OrgID: orgID, Key: key}
	var sealed []byte
	var created int64
	err := tx.row(`SELECT request_hash, resource_id, status, body, created_at FROM idempotent_responses
		WHERE org_id = ? AND idempotency_key = ? AND created_at > ?`,
		[]any{orgID, key, tx.now().Add(-keptFor).UnixMicro()},
		&r.RequestHash, &r.ResourceID, &r.Status, &sealed, &created)
	if errors.Is(err, ErrNotFound) {
		return IdempotentResponse{}, err
	}
	if err != nil {
		return IdempotentResponse{}, fmt.Errorf("read kept response: %w", err)
	}
	r.CreatedAt = time.UnixMicro(created).UTC()
	if len(sealed) > 0 {
		if r.Body, err = tx.keys().Open(sealed, responsePlace(orgID, key)); err != nil {
			return IdempotentResponse{}, fmt.Errorf("kept response: %w", err)
		}
	}
	return r, nil
}

func (tx *tx) KeepResponse(r IdempotentResponse) error {
	if err := tx.sweep(); err != nil {
		return err
	}
	var sealed any
	if len(r.Body) > 0 {
		s, err := tx.keys().Seal(r.Body, responsePlace(r.OrgID, r.Key))
		if err != nil {
			return fmt.Errorf("keep response: %w", err)
		}
		sealed = s
	}
	// An expired one gives way, a live one does not.
	n, err := tx.exec(`INSERT INTO idempotent_responses AS kept (org_id, idempotency_key, request_hash, resource_id, status, body, created_at)
		VALUES (?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (org_id, idempotency_key) DO UPDATE SET request_hash = excluded.request_hash, resource_id = excluded.resource_id,
			status = excluded.status, body = excluded.body, created_at = excluded.created_at
		WHERE kept.created_at <= ?`,
		r.OrgID, r.Key, r.RequestHash, r.ResourceID, r.Status, sealed, r.CreatedAt.UnixMicro(), tx.now().Add(-keptFor).UnixMicro())
	if err != nil {
		return fmt.Errorf("keep response: %w", err)
	}
	if n == 0 {
		return &ConflictError{Kind: "kept response", Field: "Idempotency-Key", Value: r.Key, ID: r.OrgID}
	}
	return nil
}

func (tx *tx) ForgetResponses(resourceID string) error {
	if resourceID == "" { // kept for requests that made nothing, which is no record to forget
		return nil
	}
	if _, err := tx.exec("DELETE FROM idempotent_responses WHERE resource_id = ?", resourceID); err != nil {
		return fmt.Errorf("forget kept responses: %w", err)
	}
	return nil
}

func responsePlace(orgID, key string) []byte {
	return place("idempotent_responses", orgID+"\x00"+key, "body")
}

// sweep removes, now and then and in passing, what nobody asks for any more.
func (tx *tx) sweep() error {
	now := tx.now()
	last := tx.store.swept.Load()
	if now.UnixMicro()-last < sweepEvery.Microseconds() || !tx.store.swept.CompareAndSwap(last, now.UnixMicro()) {
		return nil
	}
	if _, err := tx.exec("DELETE FROM idempotent_responses WHERE created_at <= ?", now.Add(-keptFor).UnixMicro()); err != nil {
		return fmt.Errorf("remove expired responses: %w", err)
	}
	if _, err := tx.exec("DELETE FROM connection_reports WHERE reported_at <= ?", now.Add(-reportedWithin).UnixMicro()); err != nil {
		return fmt.Errorf("remove stale connection reports: %w", err)
	}
	return tx.sweepBudgets()
}
