// Serves frames: reads the header, finds the API in the registry, makes the RequestContext, and hands over to the
// handler. Owned by the app, thread-safe. Frames that Kafka answers by closing the connection are answered so here,
// with the reason for the one line in the log.
#pragma once

#include <memory>

#include "broker/api/frame_handler.h"
#include "broker/api/request_context.h"
#include "broker/api/request_metrics.h"
#include "protocol/codec/frame.h"

namespace broker::api {

struct Api;

class Dispatcher final : public FrameHandler {
 public:
  explicit Dispatcher(Services& services);
  Answer<Reply> serve(ConnectionInfo& connection, Frame frame) override;
  const RequestMetrics& metrics() const { return metrics_; }

 private:
  struct InHand;
  [[gnu::cold]] static Reply not_served(const protocol::RequestHead& head, const Api* api);
  std::unique_ptr<RequestContext> context_of(const Api& api, ConnectionInfo& connection, protocol::RequestHead& head,
                                             Frame& frame);
  base::Task<Reply> serve_in_turn(InHand request, base::ByteView body);
  base::Task<Reply> wait_for_reply(InHand request, base::Task<Reply> task);
  void count(const InHand& request, Reply& reply);

  Services& services_;
  RequestMetrics metrics_;
};

}  // namespace broker::api
