package api

import (
	"context"
	"errors"

	contract "github.com/pgbeam/pulumi-pgbeam/schema/api"
	"github.com/pgbeam/pulumi-pgbeam/server/store"
)

func (s *server) ListCacheRules(ctx context.Context, request contract.ListCacheRulesRequestObject) (contract.ListCacheRulesResponseObject, error) {
	c := callOf(ctx)
	_, d, err := c.database(request.ProjectID, request.DatabaseID)
	if err != nil {
		return nil, err
	}
	rules, next, _, err := c.tx.CacheRules().List(d.ID, pageOf(request.Params.PageSize, request.Params.PageToken))
	if err != nil {
		return nil, err
	}
	return contract.ListCacheRules200JSONResponse{
		Entries:       each(rules, cacheRuleOut),
		NextPageToken: nextToken(next),
	}, nil
}

// UpdateCacheRule sets how the results of one query shape are cached. A shape
// that was never observed gets an entry, so that rules can be declared before
// there is traffic. Absent times keep their value; null is the database's.
func (s *server) UpdateCacheRule(ctx context.Context, request contract.UpdateCacheRuleRequestObject) (contract.UpdateCacheRuleResponseObject, error) {
	c, in := callOf(ctx), request.Body
	_, d, err := c.database(request.ProjectID, request.DatabaseID)
	if err != nil {
		return nil, err
	}
	write := c.tx.CacheRules().Update
	rule, err := c.tx.CacheRules().Get(d.ID, request.QueryHash)
	switch {
	case errors.Is(err, store.ErrNotFound):
		now := s.now()
		write = c.tx.CacheRules().Insert
		rule = store.CacheRule{
			DatabaseID:     d.ID,
			ProjectID:      d.ProjectID,
			QueryHash:      request.QueryHash,
			QueryType:      "other",
			Recommendation: "poor",
			FirstSeenAt:    now,
			LastSeenAt:     now,
		}
	case err != nil:
		return nil, err
	}
	rule.CacheEnabled = in.CacheEnabled
	countIn(&rule.CacheTTLSeconds, in.CacheTTLSeconds)
	countIn(&rule.CacheSWRSeconds, in.CacheSwrSeconds)
	if err := write(rule); err != nil {
		return nil, err
	}
	return contract.UpdateCacheRule200JSONResponse{Entry: cacheRuleOut(rule)}, nil
}

func cacheRuleOut(r store.CacheRule) contract.CacheRuleEntry {
	return contract.CacheRuleEntry{
		QueryHash:        r.QueryHash,
		NormalizedSQL:    r.NormalizedSQL,
		QueryType:        contract.CacheRuleEntryQueryType(r.QueryType),
		CacheEnabled:     r.CacheEnabled,
		CacheTTLSeconds:  countOut(r.CacheTTLSeconds),
		CacheSwrSeconds:  countOut(r.CacheSWRSeconds),
		CallCount:        r.CallCount,
		AvgLatencyMs:     r.AvgLatencyMs,
		P95LatencyMs:     r.P95LatencyMs,
		AvgResponseBytes: r.AvgResponseBytes,
		StabilityRate:    r.StabilityRate,
		Recommendation:   contract.CacheRuleEntryRecommendation(r.Recommendation),
		FirstSeenAt:      r.FirstSeenAt,
		LastSeenAt:       r.LastSeenAt,
	}
}
