package api

import (
	"context"
	"time"

	contract "github.com/pgbeam/pulumi-pgbeam/schema/api"
)

// GetHealth needs no key. It reports degraded, still with status 200, while
// the store does not answer.
func (s *server) GetHealth(ctx context.Context, _ contract.GetHealthRequestObject) (contract.GetHealthResponseObject, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	status := contract.HealthResponseStatus("ok")
	if err := s.store.Ping(ctx); err != nil {
		s.log.Error("store does not answer", "error", err)
		status = "degraded"
	}
	return contract.GetHealth200JSONResponse{
		Status:    status,
		Version:   s.config.Version,
		ImageSha:  s.config.ImageSHA,
		Timestamp: new(s.now()),
	}, nil
}

// regions are those of the hosted service. A deployment serves one of them or
// a place of its own; the others are shown as not available here.
var regions = []contract.Region{
	{ID: "us-east-1", Name: "US East (N. Virginia)", Continent: new("NA"), Country: new("US")},
	{ID: "us-west-2", Name: "US West (Oregon)", Continent: new("NA"), Country: new("US")},
	{ID: "eu-west-1", Name: "Europe (Ireland)", Continent: new("EU"), Country: new("IE")},
	{ID: "ap-south-1", Name: "Asia Pacific (Mumbai)", Continent: new("AS"), Country: new("IN")},
	{ID: "ap-southeast-1", Name: "Asia Pacific (Singapore)", Continent: new("AS"), Country: new("SG")},
	{ID: "ap-northeast-1", Name: "Asia Pacific (Tokyo)", Continent: new("AS"), Country: new("JP")},
}

func (s *server) ListRegions(context.Context, contract.ListRegionsRequestObject) (contract.ListRegionsResponseObject, error) {
	here := contract.Region{ID: s.config.Region, Name: "This deployment (" + s.config.Region + ")"}
	var others []contract.Region
	for _, region := range regions {
		region.Provider = "aws"
		if region.ID == here.ID {
			here = region
			continue
		}
		region.Status = "inactive"
		others = append(others, region)
	}
	here.Provider, here.Status, here.Available = "aws", "active", true
	return contract.ListRegions200JSONResponse{Regions: append([]contract.Region{here}, others...)}, nil
}
