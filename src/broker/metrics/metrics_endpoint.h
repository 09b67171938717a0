// GET /metrics over HTTP, on a thread of its own. Owned by the app: start() and stop() once each, from one thread, and
// stop() before anything goes that the sources look at. start() throws std::runtime_error, with the keys to change, if
// the port can't be had.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/http/http_server.h"
#include "broker/metrics/broker_metrics.h"

namespace broker::metrics {

class MetricsEndpoint {
 public:
  MetricsEndpoint(std::string host, std::uint16_t port, Sources sources);
  void start();
  void stop();
  std::uint16_t port() const { return server_.port(); }

 private:
  void on_request(const base::http::HttpRequest& request, const base::http::HttpRespond& respond);

  BrokerMetrics metrics_;
  base::http::HttpServer server_;  // last: its thread uses the rest
};

}  // namespace broker::metrics
