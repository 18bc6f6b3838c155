package server

import (
	"net/http"

	"github.com/stetlog/stet/internal/convert"
	"github.com/stetlog/stet/internal/wire"
	"github.com/stetlog/stet/proof"
)

// ownRoutes are the routes of this package.
func (s *Server) ownRoutes() []Route {
	return []Route{
		{Method: http.MethodPost, Pattern: "/v1/batches", Handle: s.postBatches, Intake: true,
			Types: []string{wire.BatchesType}, Packed: wire.MaxBody, Inflated: wire.MaxInflated},
		{Method: http.MethodPost, Pattern: "/v1/events", Handle: s.postEvents, Intake: true,
			Types:   []string{typeJSON, typeNDJSON, typeJSONL, convert.CloudEventsMedia, convert.CloudEventsBatchMedia},
			AnyType: binaryCloudEvent, Packed: wire.MaxBody, Inflated: wire.MaxInflated},
		{Method: http.MethodPost, Pattern: "/v1/logs", Handle: s.postLogs, Intake: true, Refused: otlpRefused,
			Types: []string{typeProtobuf, typeJSON}, Packed: wire.MaxBody, Inflated: wire.MaxInflated},
		{Method: http.MethodGet, Pattern: "/v1/events", Handle: s.getEvents},
		{Method: http.MethodGet, Pattern: "/v1/counts", Handle: s.getCounts},
		{Method: http.MethodGet, Pattern: "/v1/policy", Handle: s.getPolicy},
		{Method: http.MethodGet, Pattern: "/v1/tail", Handle: s.getTail, Long: true},
		{Method: http.MethodGet, Pattern: "/v1/stories/{interaction}", Handle: s.getStory},
		{Method: http.MethodGet, Pattern: "/v1/jobs/{id}", Handle: s.getJob},
		{Method: http.MethodGet, Pattern: "/v1/jobs/{id}/lineage", Handle: s.getLineage},
		{Method: http.MethodGet, Pattern: "/v1/ghosts", Handle: s.getGhosts},
		{Method: http.MethodGet, Pattern: "/v1/expectations/{id}/slots", Handle: s.getSlots},
		{Method: http.MethodGet, Pattern: wire.LogPath, Handle: s.getLog, Anyone: true},
		{Method: http.MethodGet, Pattern: "/v1/status", Handle: s.getStatus},
		{Method: http.MethodGet, Pattern: "/v1/receipts/{stream}/{first}", Handle: s.getReceipt},
		{Method: http.MethodGet, Pattern: "/v1/entries/{seq}", Handle: s.getEntry},
		{Method: http.MethodGet, Pattern: "/v1/entries/{seq}/proof", Handle: s.getProof},
		{Method: http.MethodGet, Pattern: "/checkpoint", Handle: s.getCheckpoint},
		{Method: http.MethodGet, Pattern: "/" + proof.KeyChainPath, Handle: s.getKeys, Anyone: true},
		{Method: http.MethodGet, Pattern: "/tile/", Handle: s.getTile},
		{Method: http.MethodGet, Pattern: "/healthz", Handle: s.getHealth, Anyone: true, Free: true},
		{Method: http.MethodGet, Pattern: "/readyz", Handle: s.getReady, Anyone: true, Free: true},
		{Method: http.MethodGet, Pattern: "/openapi.yaml", Handle: s.getOpenAPI, Anyone: true, Free: true},
		{Method: http.MethodGet, Pattern: "/metrics", Handle: s.getMetrics, Anyone: true, Free: true},
	}
}
