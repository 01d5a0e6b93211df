package api

import (
	"context"
	"net/http"

	contract "github.com/pgbeam/pulumi-pgbeam/schema/api"
)

// pending lists the operations that later versions bring, with the reason that
// the caller reads. They are answered 501 as soon as the caller is known, so
// the methods below only complete the interface: with them, an operation new
// in the document does not compile until it is served or listed here.
var pending = map[string]string{
	"listAuditLogs":          "the audit log is not recorded by this version",
	"exportAuditLogs":        "the audit log is not recorded by this version",
	"verifyAuditChain":       "the audit log is not recorded by this version",
	"listApprovalRequests":   "held statements and approvals are not part of this version",
	"approveApprovalRequest": "held statements and approvals are not part of this version",
	"rejectApprovalRequest":  "held statements and approvals are not part of this version",
	"listAnomalyAlerts":      "anomaly detection is not part of this version",
	"updateAnomalyAlert":     "anomaly detection is not part of this version",
	"listDatabaseBranches":   "sandbox branches are not part of this version",
	"discardDatabaseBranch":  "sandbox branches are not part of this version",
	"replayPolicy":           "traffic is not recorded by this version",
	"scanDatabaseForPii":     "the schema catalog is not part of this version",
	"getSchemaCatalog":       "the schema catalog is not part of this version",
	"getProjectMetrics":      "metrics are not recorded by this version",
	"getProjectInsights":     "query insights are not recorded by this version",
	"getProjectUsage":        "usage is not metered by this version",
	"getOrganizationUsage":   "usage is not metered by this version",
	"mcpTransport":           "the MCP endpoint is not part of this version",
	"testWebhookEndpoint":    "webhook delivery is not part of this version",
}

func notImplemented(operation string) *problem {
	return &problem{status: http.StatusNotImplemented, code: codeNotImplemented, detail: pending[operation]}
}

func (s *server) ListAuditLogs(context.Context, contract.ListAuditLogsRequestObject) (contract.ListAuditLogsResponseObject, error) {
	return nil, notImplemented("listAuditLogs")
}

func (s *server) ExportAuditLogs(context.Context, contract.ExportAuditLogsRequestObject) (contract.ExportAuditLogsResponseObject, error) {
	return nil, notImplemented("exportAuditLogs")
}

func (s *server) VerifyAuditChain(context.Context, contract.VerifyAuditChainRequestObject) (contract.VerifyAuditChainResponseObject, error) {
	return nil, notImplemented("verifyAuditChain")
}

func (s *server) ListApprovalRequests(context.Context, contract.ListApprovalRequestsRequestObject) (contract.ListApprovalRequestsResponseObject, error) {
	return nil, notImplemented("listApprovalRequests")
}

func (s *server) ApproveApprovalRequest(context.Context, contract.ApproveApprovalRequestRequestObject) (contract.ApproveApprovalRequestResponseObject, error) {
	return nil, notImplemented("approveApprovalRequest")
}

func (s *server) RejectApprovalRequest(context.Context, contract.RejectApprovalRequestRequestObject) (contract.RejectApprovalRequestResponseObject, error) {
	return nil, notImplemented("rejectApprovalRequest")
}

func (s *server) ListAnomalyAlerts(context.Context, contract.ListAnomalyAlertsRequestObject) (contract.ListAnomalyAlertsResponseObject, error) {
	return nil, notImplemented("listAnomalyAlerts")
}

func (s *server) UpdateAnomalyAlert(context.Context, contract.UpdateAnomalyAlertRequestObject) (contract.UpdateAnomalyAlertResponseObject, error) {
	return nil, notImplemented("updateAnomalyAlert")
}

func (s *server) ListDatabaseBranches(context.Context, contract.ListDatabaseBranchesRequestObject) (contract.ListDatabaseBranchesResponseObject, error) {
	return nil, notImplemented("listDatabaseBranches")
}

func (s *server) DiscardDatabaseBranch(context.Context, contract.DiscardDatabaseBranchRequestObject) (contract.DiscardDatabaseBranchResponseObject, error) {
	return nil, notImplemented("discardDatabaseBranch")
}

func (s *server) ReplayPolicy(context.Context, contract.ReplayPolicyRequestObject) (contract.ReplayPolicyResponseObject, error) {
	return nil, notImplemented("replayPolicy")
}

func (s *server) ScanDatabaseForPii(context.Context, contract.ScanDatabaseForPiiRequestObject) (contract.ScanDatabaseForPiiResponseObject, error) {
	return nil, notImplemented("scanDatabaseForPii")
}

func (s *server) GetSchemaCatalog(context.Context, contract.GetSchemaCatalogRequestObject) (contract.GetSchemaCatalogResponseObject, error) {
	return nil, notImplemented("getSchemaCatalog")
}

func (s *server) GetProjectMetrics(context.Context, contract.GetProjectMetricsRequestObject) (contract.GetProjectMetricsResponseObject, error) {
	return nil, notImplemented("getProjectMetrics")
}

func (s *server) GetProjectInsights(context.Context, contract.GetProjectInsightsRequestObject) (contract.GetProjectInsightsResponseObject, error) {
	return nil, notImplemented("getProjectInsights")
}

func (s *server) GetProjectUsage(context.Context, contract.GetProjectUsageRequestObject) (contract.GetProjectUsageResponseObject, error) {
	return nil, notImplemented("getProjectUsage")
}

func (s *server) GetOrganizationUsage(context.Context, contract.GetOrganizationUsageRequestObject) (contract.GetOrganizationUsageResponseObject, error) {
	return nil, notImplemented("getOrganizationUsage")
}

func (s *server) McpTransport(context.Context, contract.McpTransportRequestObject) (contract.McpTransportResponseObject, error) {
	return nil, notImplemented("mcpTransport")
}

func (s *server) TestWebhookEndpoint(context.Context, contract.TestWebhookEndpointRequestObject) (contract.TestWebhookEndpointResponseObject, error) {
	return nil, notImplemented("testWebhookEndpoint")
}
