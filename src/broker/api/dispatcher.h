// Serves frames: reads the header, finds the API in the registry, makes the RequestContext, and hands over to the
// handler. Owned by the app, thread-safe. Frames that Kafka answers by closing the connection are answered so here,
// with the reason for the one line in the log.
#pragma once

#include "broker/api/frame_handler.h"
#include "broker/api/request_context.h"
#include "broker/api/request_metrics.h"

namespace broker::api {

class Dispatcher final : public FrameHandler {
 public:
  explicit Dispatcher(Services& services);
  base::Task<Reply> serve(ConnectionInfo& connection, Frame frame) override;
  const RequestMetrics& metrics() const { return metrics_; }

 private:
  Services& services_;
  RequestMetrics metrics_;
};

}  // namespace broker::api
